/**
 * Runs a trace again: a core is given the inputs as they came, and every answer, output and hash is
 * compared with what was written down. The inputs are authoritative; it stops at the first
 * difference. Needs no kernel: any system and any runtime replays what another recorded.
 */
import { Command, DatagramWord, Event, Group, Limit } from "../../assembly/abi.ts";
import { decodeBase64 } from "../base64.ts";
import type { Core } from "../core.ts";
import type { CoreCall, CoreCommand, CoreEvent, CoreOptions, CoreUevent } from "../core-types.ts";
import { LoopError } from "../errors.ts";
import type { Fields } from "../fields.ts";
import { crc32 } from "./crc32.ts";
import { inflateInto } from "./inflate.ts";
import {
  answerBytes,
  footer,
  type Header,
  outputs,
  type Snapshot,
  seal,
  sealLength,
  sealOf,
  spell,
  spellEvent,
  spellHash,
} from "./lines.ts";
import { parseHeader, parseLine } from "./parse.ts";
import { badLine, type Line } from "./split.ts";
import { type DatagramWords, UeventReader } from "./uevents.ts";

/** The first record in which core and trace differ. */
export interface Divergence {
  readonly line: number;
  readonly expected: string;
  readonly actual: string;
}

export interface Replayed {
  readonly header: Header;
  readonly records: number;
  /** 16 hex digits, of the state in which it ended */
  readonly hash: string;
  readonly divergence: Divergence | undefined;
  /** the recording has no end: it was cut short */
  readonly isCut: boolean;
  /** what the recording says of why it was */
  readonly why: string | undefined;
}

export interface ReplayOptions {
  /** stops after the record of this number */
  readonly to?: number | undefined;
  /** the core as it is where the replay ended */
  readonly onEnd?: ((header: Header, core: Core) => void) | undefined;
}

/**
 * Runs the lines of a trace (`splitLines`) on a core that `load` makes as the trace's header says.
 * Rejects with ERR_TRACE_FORMAT at a line that cannot be read, and with ERR_CORE_PANIC where the
 * core panics, as it did when that was recorded; that it differs is no error.
 */
export async function replay(
  batches: AsyncIterable<readonly Line[]> | Iterable<readonly Line[]>,
  load: (options: CoreOptions) => Core | Promise<Core>,
  { to = Number.POSITIVE_INFINITY, onEnd }: ReplayOptions = {},
): Promise<Replayed> {
  let run: Replay | undefined;
  reading: for await (const batch of batches) {
    for (const line of batch) {
      if (run === undefined) {
        const header = parseHeader(line);
        const { seed, operations, partitions, watches } = header;
        const core = await load({ seed: BigInt(seed), operations, partitions, watches });
        run = new Replay(header, core);
        if (header.from !== undefined) await run.restore(header.from);
      } else {
        run.line(line);
      }
      if (run.divergence !== undefined || run.records > to) break reading;
    }
  }
  if (run === undefined) throw new LoopError("ERR_TRACE_FORMAT", "the trace is empty");
  const { header, records, divergence, hash } = run;
  onEnd?.(header, run.core);
  const isWhole = run.hasEnded && run.why === undefined;
  const isCut = !isWhole && divergence === undefined && records <= to;
  return { header, records, hash, divergence, isCut, why: run.why };
}

/** Where a replay was: what it takes to go on from there once more. */
export interface Checkpoint {
  readonly records: number;
  readonly now: bigint;
  readonly calls: readonly CoreCall[];
  readonly state: Uint8Array;
  readonly buffers: Uint8Array;
}

/** A core that is stepped through a trace, line by line behind the header. */
export class Replay {
  readonly header: Header;
  readonly core: Core;
  records = 0;
  divergence: Divergence | undefined;
  hasEnded = false;
  why: string | undefined;
  #now = 0n;
  readonly #calls = new Map<number, CoreCall>();
  readonly #uevents = new UeventReader();
  readonly #halves = new DataView(new ArrayBuffer(8));

  constructor(header: Header, core: Core) {
    this.header = header;
    this.core = core;
  }

  get hash(): string {
    return spellHash(this.core.stateHash());
  }

  /** Goes on where a core was that ran before. */
  async restore({ state, buffers, calls }: Snapshot): Promise<void> {
    const isState = await inflateInto(this.core.state, state);
    if (!isState || !(await inflateInto(this.core.buffers, buffers))) {
      throw badLine(1, "what the core remembered is no gzip, or of another size than this core's");
    }
    for (const call of calls) this.#calls.set(call.ticket, call);
  }

  /** Copies what the core remembers. Only before an input: events that wait are no part of it. */
  checkpoint(): Checkpoint {
    const { state, buffers } = this.core;
    return {
      records: this.records,
      now: this.#now,
      calls: [...this.#calls.values()],
      state: state.slice(),
      buffers: buffers.slice(),
    };
  }

  /** Goes to where it was; the next line is that of the record `records`. */
  goTo({ records, now, calls, state, buffers }: Checkpoint): void {
    // Events that nobody took would be told there.
    while (this.core.pollEvent() !== undefined);
    this.core.state.set(state);
    this.core.buffers.set(buffers);
    this.#calls.clear();
    for (const call of calls) this.#calls.set(call.ticket, call);
    this.records = records;
    this.#now = now;
    this.divergence = undefined;
    this.hasEnded = false;
  }

  line(line: Line): void {
    if (this.hasEnded) throw badLine(line.number, "nothing may follow the end");
    if (this.#uevents.beginsUevent(line, this.records, this.#now)) this.#uevent(line);
    else if (!this.#takeDatagram(line)) this.#anyLine(line);
  }

  #uevent(line: Line): void {
    const event = this.core.pollEvent();
    if (event?.event === Event.Uevent && this.#uevents.isUevent(line, event)) this.records += 1;
    else this.#said(line, this.#spellEvent(event));
  }

  /** Hands a datagram in; false where the line is to be read as JSON. */
  #takeDatagram(line: Line): boolean {
    const found = this.#uevents.datagram(line);
    if (found?.n !== this.records) return false;
    if (found.slot < 0 || found.slot >= Limit.DatagramSlots) return false;
    if (found.crc !== crc32(line.bytes, line.at, line.end - sealLength)) return false;
    const { slots } = this.core;
    const at = found.slot * Limit.DatagramBytes;
    if (decodeBase64(line.bytes, found.dataAt, found.dataEnd, slots, at) < 0) return false;
    this.#now = found.t;
    const answer = this.#hear(found);
    this.#halves.setBigUint64(0, this.core.stateHash());
    const isState =
      this.#halves.getUint32(0) === found.high && this.#halves.getUint32(4) === found.low;
    if (isState && answer === found.answer) this.records += 1;
    else this.#answered(line, parseLine(line), answer);
    return true;
  }

  #anyLine(line: Line): void {
    // Nothing has to be known of most outputs to compare them.
    const { text } = line;
    const start = `{"n":${this.records},"t":"${this.#now}","out":"`;
    const isOutput = text.startsWith(start);
    const kind = isOutput ? text.slice(start.length, text.indexOf('"', start.length)) : "";
    if (kind === "call" || kind === "event" || kind === "timeout") this.#output(kind, line);
    else this.#parsed(line, parseLine(line));
  }

  #parsed(line: Line, fields: Fields): void {
    if (fields.get("end") !== undefined) {
      this.#end(line, fields);
      return;
    }
    if (fields.get("n") !== this.records) {
      throw badLine(line.number, `record ${this.records} is missing here`);
    }
    if (fields.get("in") !== undefined) this.#input(line, fields);
    else this.#output(String(fields.get("out")), line, fields);
  }

  #end(line: Line, fields: Fields): void {
    this.hasEnded = true;
    if (fields.get("why") !== undefined) this.why = fields.text("why");
    this.#compare(line, spell(footer(this.records, this.hash, this.why)));
  }

  #compare(line: Line, actual: string): void {
    if (actual !== line.text) this.#differ(line, actual);
  }

  #differ(line: Line, actual: string): void {
    this.divergence ??= { line: line.number, expected: line.text, actual };
  }

  /* Inputs. */

  #input(line: Line, fields: Fields): void {
    const { text } = line;
    const sealed = text.slice(0, -sealLength);
    if (!text.endsWith(sealOf(sealed))) {
      throw badLine(line.number, "the input was changed: its CRC is another");
    }
    this.#now = fields.decimal("t");
    this.#answered(line, fields, this.#hand(this.#now, fields, line));
  }

  /** An input was taken. */
  #answered(line: Line, fields: Fields, answer: number): void {
    const h = this.hash;
    if (h !== fields.get("h") || answer !== (fields.get("answer") ?? 0)) {
      const { h: _h, crc: _crc, answer: _answer, ...input } = fields.all;
      this.#differ(line, seal({ ...input, ...(answer !== 0 && { answer }), h }));
    }
    this.records += 1;
  }

  #hand(now: bigint, fields: Fields, line: Line): number {
    const core = this.core;
    switch (fields.get("in")) {
      case "command":
        return core.handleCommand(now, commandOf(fields));
      case "completion":
        return this.#completion(now, fields, line);
      case "datagram":
        return this.#datagram(fields, line);
      case "overrun":
        return core.handleOverrun(now, fields.member(Group, "group"), fields.number("count"));
      case "timeout":
        return core.handleTimeout(now);
      default:
        throw badLine(line.number, "an input that this version does not know");
    }
  }

  #completion(now: bigint, fields: Fields, line: Line): number {
    const ticket = fields.number("ticket");
    const result = fields.integer("result");
    const call = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    const expected = call === undefined ? 0 : answerBytes(call, result);
    const data = fields.optionalBytes("data") ?? new Uint8Array(0);
    if (data.length !== expected) {
      throw badLine(line.number, `'data' has ${data.length} bytes, the call leaves ${expected}`);
    }
    if (call !== undefined) this.core.buffers.set(data, call.buffer);
    return this.core.handleCompletion(now, ticket, result);
  }

  #datagram(fields: Fields, line: Line): number {
    const { slots } = this.core;
    const slot = fields.number("slot");
    const data = fields.bytes("data");
    if (slot >= Limit.DatagramSlots) throw badLine(line.number, "there is no such slot");
    if (slot * Limit.DatagramBytes + data.length > slots.length) {
      throw badLine(line.number, "the datagram is longer than all slots");
    }
    slots.set(data, slot * Limit.DatagramBytes);
    return this.#hear({
      slot,
      group: fields.member(Group, "group"),
      bytes: fields.integer("bytes"),
      portId: fields.integer("portId"),
      pid: fields.integer("pid"),
      uid: fields.integer("uid"),
      flags: fields.integer("flags"),
    });
  }

  /** A datagram whose bytes lie in its slot. */
  #hear({ slot, group, bytes, portId, pid, uid, flags }: DatagramWords): number {
    const at = slot * DatagramWord.Words * 4;
    const { records } = this.core;
    records.setInt32(at + DatagramWord.Group * 4, group, true);
    records.setInt32(at + DatagramWord.Bytes * 4, bytes, true);
    records.setInt32(at + DatagramWord.PortId * 4, portId, true);
    records.setInt32(at + DatagramWord.Pid * 4, pid, true);
    records.setInt32(at + DatagramWord.Uid * 4, uid, true);
    records.setInt32(at + DatagramWord.Flags * 4, flags, true);
    return this.core.handleDatagram(this.#now, slot);
  }

  /* Outputs: what this core puts out where the trace has one. */

  #output(kind: string, line: Line, fields?: Fields): void {
    this.#said(line, this.#spellOwn(kind, line, fields));
  }

  #said(line: Line, actual: string): void {
    // A line that is broken differs too, but is no word of the core's.
    if (actual !== line.text) parseLine(line);
    this.#compare(line, actual);
    this.records += 1;
  }

  #spellOwn(kind: string, line: Line, fields?: Fields): string {
    if (kind === "event") return this.#spellEvent(this.core.pollEvent());
    return spell({ n: this.records, t: this.#now, ...this.#poll(kind, line, fields) });
  }

  #spellEvent(event: CoreEvent | CoreUevent | undefined): string {
    const n = this.records;
    const t = this.#now;
    return event === undefined ? spell({ n, t, out: "no event" }) : spellEvent(n, t, event);
  }

  #poll(kind: string, line: Line, fields: Fields | undefined): object {
    const core = this.core;
    switch (kind) {
      case "call": {
        const call = core.pollCall();
        if (call === undefined) return { out: "no call" };
        this.#calls.set(call.ticket, call);
        return outputs.call(core, call);
      }
      case "partition": {
        const known = fields ?? parseLine(line);
        const operation = known.number("operation");
        const index = known.number("index");
        return outputs.partition(operation, index, core.selectPartition(operation, index));
      }
      case "timeout":
        return outputs.timeout(core.pollTimeout(), core.timeoutReason());
      default:
        throw badLine(line.number, "neither an input nor an output that this version knows");
    }
  }
}

const decimals = ["timeoutNs", "offset", "sizeLimit", "diskseq", "backingDevice", "backingInode"];

function commandOf(fields: Fields): CoreCommand {
  const command: Record<string, unknown> = { command: fields.member(Command, "command") };
  const take = (name: string, read: () => unknown): void => {
    if (fields.get(name) !== undefined) command[name] = read();
  };
  for (const name of ["flags", "sectorSize", "partscan", "number", "descriptor"]) {
    take(name, () => fields.integer(name));
  }
  for (const name of decimals) take(name, () => fields.decimal(name));
  take("partitionMask", () => fields.decimal("partitionMask", 256));
  take("reference", () => fields.bytes("reference"));
  return command as unknown as CoreCommand;
}
