/**
 * Redacts what a core is told, for a trace that shows no names: a second core, the shadow, started
 * as the first one was, is told the same with stand-ins for names, and it is the shadow that is
 * written down. So the trace runs again like any other, and the first core knows nothing of it.
 *
 * What the first core puts out is taken from the shadow too, and must be the same but for names.
 * Where it is not, or where something cannot be redacted, the trace ends and says so.
 */
import {
  Call,
  Command,
  DatagramWord,
  Fault,
  Limit,
  PartitionEntryWord,
} from "../../assembly/abi.ts";
import { Entry, Field, Global } from "../../assembly/core/state.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import type { Core } from "../core.ts";
import type {
  CoreCall,
  CoreCommand,
  CoreEvent,
  CorePartition,
  CoreUevent,
  Tap,
} from "../core-types.ts";
import { answerBytes, datagramOf, spell } from "./lines.ts";
import { type ReadField, redactPiece } from "./redact-table.ts";
import { redactUevent } from "./redact-uevent.ts";
import { StandIns } from "./stand-ins.ts";

const slot = 8;

/** What an attach of ours says of itself in every reference. */
const ownPrefix = "diskseq:";

export class Redactor implements Tap {
  readonly #core: Core;
  readonly #shadow: Core;
  readonly #onEnd: (why: string) => void;
  readonly #standIns = new StandIns();
  readonly #calls = new Map<number, CoreCall>();
  /** Hands the input that is under way to the shadow. */
  #input: (answer: number) => number = () => 0;
  #isUnderWay = false;

  /** `onEnd`: nothing can be redacted any more, and why; called once. */
  constructor(core: Core, shadow: Core, onEnd: (why: string) => void) {
    this.#core = core;
    this.#shadow = shadow;
    this.#onEnd = onEnd;
  }

  /** What the core did not come back from, the shadow must not come back from either. */
  end(): void {
    if (!this.#isUnderWay || !this.#core.hasPanicked) return;
    try {
      this.#input(Fault.Ok);
    } catch {
      // As it should be: the input is the last line.
    }
    if (!this.#shadow.hasPanicked) this.#onEnd("the core panicked where only the names differ");
  }

  /** Nothing of this may reach who drives the core. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onEnd((error as Error).message);
    }
  }

  /* Inputs: what is to be kept of them is read before the core takes them. */

  #begin(read: () => (answer: number) => number): void {
    this.#isUnderWay = true;
    this.#guard(() => {
      this.#input = read();
    });
  }

  command(now: bigint, command: CoreCommand): void {
    this.#begin(() => () => this.#shadow.handleCommand(now, this.#redactCommand(command)));
  }

  completion(now: bigint, ticket: number, result: number): void {
    this.#begin(() => {
      const call = this.#calls.get(ticket);
      this.#calls.delete(ticket);
      const data = call && this.#redactAnswer(call, result);
      return () => {
        if (call && data) this.#shadow.buffers.set(data, call.buffer);
        return this.#shadow.handleCompletion(now, ticket, result);
      };
    });
  }

  datagram(now: bigint, at: number): void {
    this.#begin(() => (answer) => {
      this.#putDatagram(at, answer);
      return this.#shadow.handleDatagram(now, at);
    });
  }

  overrun(now: bigint, group: number, count: number): void {
    this.#begin(() => () => this.#shadow.handleOverrun(now, group, count));
  }

  timeout(now: bigint): void {
    this.#begin(() => () => this.#shadow.handleTimeout(now));
  }

  answered(answer: number): void {
    this.#isUnderWay = false;
    this.#guard(() => same("answer", answer, this.#input(answer)));
  }

  #redactCommand(command: CoreCommand): CoreCommand {
    if (command.reference === undefined) return command;
    const text = Buffer.from(command.reference).toString("latin1");
    return { ...command, reference: Buffer.from(this.#redactReference(command, text), "latin1") };
  }

  #redactReference({ command }: CoreCommand, text: string): string {
    if (command === Command.Wait || command === Command.Watch) {
      return text === "" ? text : this.#standIns.disk(text);
    }
    const prefix = text.startsWith(ownPrefix) ? ownPrefix : "";
    return prefix + this.#standIns.text(text.slice(prefix.length));
  }

  /** What the call leaves in its buffer; undefined: what the core put there. */
  #redactAnswer(call: CoreCall, result: number): Uint8Array | undefined {
    const bytes = answerBytes(call, result);
    const data = Buffer.from(this.#core.buffers.slice(call.buffer, call.buffer + bytes));
    switch (call.call) {
      case Call.Pread:
        return redactPiece(call, data, {
          standIns: this.#standIns,
          real: fieldsOf(this.#core, call.operation),
          shadow: fieldsOf(this.#shadow, call.operation),
        });
      case Call.IoctlBuffer:
        return redactStruct(call.request, data);
      case Call.ListPartitions:
        return redactEntries(data);
      default:
        return data;
    }
  }

  /** What the core has refused may be anything: nothing of its bytes is kept. */
  #putDatagram(at: number, answer: number): void {
    const { group, bytes, data } = datagramOf(this.#core, at);
    const isRead = answer === Fault.Ok || answer === Fault.Duplicate;
    const own = Buffer.from(data);
    const redacted = isRead
      ? redactUevent(groupOf(this.#core, at), own, this.#standIns)
      : Buffer.alloc(own.length);
    same(`length of a uevent of ${group}`, Math.min(bytes, own.length), redacted.length);
    this.#shadow.slots.set(redacted, at * Limit.DatagramBytes);
    for (let word = 0; word < DatagramWord.Words; word++) {
      const place = (at * DatagramWord.Words + word) * 4;
      this.#shadow.records.setInt32(place, this.#core.records.getInt32(place, true), true);
    }
  }

  /* Outputs. */

  call(call: CoreCall): void {
    this.#calls.set(call.ticket, call);
    this.#guard(() => same("call", spell(call), spell(this.#shadow.pollCall() ?? {})));
  }

  event(event: CoreEvent | CoreUevent): void {
    this.#guard(() => same("event", spell(event), spell(this.#shadow.pollEvent() ?? {})));
  }

  partition(operation: number, index: number, partition: CorePartition | undefined): void {
    this.#guard(() => {
      const own = this.#shadow.selectPartition(operation, index);
      same("partition", spell(numbersOf(partition)), spell(numbersOf(own)));
    });
  }

  wake(at: bigint): void {
    this.#guard(() => same("time to wake", at, this.#shadow.pollTimeout()));
  }
}

function same<T>(what: string, real: T, shadow: T): void {
  if (real !== shadow) throw new Error(`without the names the core goes another way: ${what}`);
}

/** What is no name. */
function numbersOf(partition: CorePartition | undefined): object {
  if (partition === undefined) return {};
  const { number, major, minor, start, size, byKernel, kind, mbrType } = partition;
  return { number, major, minor, start, size, byKernel, kind, mbrType };
}

function groupOf(core: Core, at: number): number {
  return core.records.getInt32((at * DatagramWord.Words + DatagramWord.Group) * 4, true);
}

function fieldsOf(core: Core, operation: number): ReadField {
  const { buffer, byteOffset, byteLength } = core.state;
  const view = new DataView(buffer, byteOffset, byteLength);
  const stride = Field.Slots * slot + core.options.partitions * Entry.Bytes;
  const at = Global.Slots * slot + operation * stride;
  return (field) => view.getBigUint64(at + field * slot, true);
}

/** Of a loop_info64, all before the name of its file. */
const loopNumbersBytes = 56;

function redactStruct(request: number, bytes: Buffer): Buffer | undefined {
  switch (request) {
    case Ioctl.LOOP_GET_STATUS64:
      return bytes.fill(0, loopNumbersBytes);
    case Ioctl.BLKGETSIZE64:
    case Ioctl.BLKGETDISKSEQ:
    case Ioctl.BLKSSZGET:
      return bytes;
    default:
      return undefined;
  }
}

/** Nobody writes the words between the numbers: what lay there before may be anything. */
function redactEntries(bytes: Buffer): Buffer {
  const stride = PartitionEntryWord.Words * 4;
  for (let at = 0; at < bytes.length; at += stride) {
    bytes.fill(0, at + (PartitionEntryWord.Minor + 1) * 4, at + PartitionEntryWord.Start * 4);
  }
  return bytes;
}
