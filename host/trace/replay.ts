/**
 * Runs a trace again: a core is given the inputs as they came, and every answer, output and hash is
 * compared with what was written down. The inputs are authoritative; it stops at the first
 * difference. Needs no kernel: any system replays what another recorded.
 */
import { Command, DatagramWord, Group, Limit } from "../../assembly/abi.ts";
import type { Core } from "../core.ts";
import type { CoreCall, CoreCommand, CoreOptions } from "../core-types.ts";
import { LoopError } from "../errors.ts";
import { answerBytes, type Header, outputs, seal, spell, spellHash } from "./lines.ts";
import {
  badLine,
  bigintOf,
  bytesOf,
  type Line,
  nameOf,
  numberOf,
  parseHeader,
  parseLine,
} from "./reader.ts";

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
}

export interface ReplayOptions {
  /** stops after the record of this number */
  readonly to?: number | undefined;
  /** the core as it is where the replay ended */
  readonly onEnd?: ((header: Header, core: Core) => void) | undefined;
}

type Fields = Record<string, unknown>;

export async function replay(
  lines: AsyncIterable<Line> | Iterable<Line>,
  load: (options: CoreOptions) => Core | Promise<Core>,
  { to, onEnd }: ReplayOptions = {},
): Promise<Replayed> {
  let run: Replay | undefined;
  let isCut = true;
  for await (const line of lines) {
    if (run === undefined) {
      const header = parseHeader(line);
      run = new Replay(header, await load(optionsOf(header, line)));
      continue;
    }
    if (!isCut) throw badLine(line.number, "nothing may follow the end");
    const fields = parseLine(line);
    if ("end" in fields) {
      isCut = false;
      run.end(line);
    } else {
      run.record(line, fields);
    }
    if (run.divergence !== undefined || run.records - 1 === to) {
      isCut = false;
      break;
    }
  }
  if (run === undefined) throw new LoopError("ERR_TRACE_FORMAT", "the trace is empty");
  const { header, records, divergence, hash } = run;
  onEnd?.(header, run.core);
  return { header, records, hash, divergence, isCut };
}

function optionsOf(header: Header, line: Line): CoreOptions {
  const { operations, partitions, watches } = header;
  if (operations > Limit.OperationsMax || partitions > Limit.PartitionsMax) {
    throw badLine(line.number, "more operations or partitions than a core has");
  }
  if (watches > Limit.WatchesMax) throw badLine(line.number, "more watches than a core has");
  return { seed: BigInt(header.seed), operations, partitions, watches };
}

class Replay {
  readonly header: Header;
  readonly core: Core;
  records = 0;
  divergence: Divergence | undefined;
  readonly #calls = new Map<number, CoreCall>();

  constructor(header: Header, core: Core) {
    this.header = header;
    this.core = core;
  }

  get hash(): string {
    return spellHash(this.core.stateHash());
  }

  record(line: Line, fields: Fields): void {
    if (fields.n !== this.records) {
      throw badLine(line.number, `record ${this.records} is missing here`);
    }
    const t = bigintOf(fields, "t", line);
    const isInput = "in" in fields;
    const own = isInput ? this.#input(t, fields, line) : this.#output(fields, line);
    const record = { n: this.records, t, ...own, h: this.hash };
    this.#compare(line, isInput ? seal(record) : spell(record));
    this.records += 1;
  }

  end(line: Line): void {
    const left = this.core.pollEvent() ?? this.core.pollCall();
    if (left !== undefined) this.#differ(line, spell(left));
    this.#compare(line, spell({ end: "ok", records: this.records, h: this.hash }));
  }

  #compare(line: Line, actual: string): void {
    if (actual !== line.text) this.#differ(line, actual);
  }

  #differ(line: Line, actual: string): void {
    this.divergence ??= { line: line.number, expected: line.text, actual };
  }

  /* Inputs: the record as it is, with this core's answer. */

  #input(now: bigint, fields: Fields, line: Line): object {
    const { n: _n, t: _t, h: _h, crc: _crc, answer: _answer, ...input } = fields;
    const answer = this.#hand(now, fields, line);
    return { ...input, ...(answer !== 0 && { answer }) };
  }

  #hand(now: bigint, fields: Fields, line: Line): number {
    const core = this.core;
    switch (fields.in) {
      case "command":
        return core.handleCommand(now, commandOf(fields, line));
      case "completion":
        return this.#completion(now, fields, line);
      case "datagram":
        return this.#datagram(now, fields, line);
      case "overrun":
        return core.handleOverrun(
          now,
          nameOf(Group, fields, "group", line),
          numberOf(fields, "count", line),
        );
      case "timeout":
        return core.handleTimeout(now);
      default:
        throw badLine(line.number, "an input that this version does not know");
    }
  }

  #completion(now: bigint, fields: Fields, line: Line): number {
    const ticket = numberOf(fields, "ticket", line);
    const result = numberOf(fields, "result", line);
    const call = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    const expected = call === undefined ? 0 : answerBytes(call, result);
    const data = "data" in fields ? bytesOf(fields, "data", line) : new Uint8Array(0);
    if (data.length !== expected) {
      throw badLine(line.number, `'data' has ${data.length} bytes, the call leaves ${expected}`);
    }
    if (call !== undefined) this.core.buffers.set(data, call.buffer);
    return this.core.handleCompletion(now, ticket, result);
  }

  #datagram(now: bigint, fields: Fields, line: Line): number {
    const core = this.core;
    const slot = numberOf(fields, "slot", line);
    const data = bytesOf(fields, "data", line);
    if (slot < 0 || slot >= Limit.DatagramSlots)
      throw badLine(line.number, "there is no such slot");
    if (slot * Limit.DatagramBytes + data.length > core.slots.length) {
      throw badLine(line.number, "the datagram is longer than all slots");
    }
    const words = [
      nameOf(Group, fields, "group", line),
      ...["bytes", "portId", "pid", "uid", "flags"].map((name) => numberOf(fields, name, line)),
    ];
    const at = slot * DatagramWord.Words * 4;
    for (const [index, word] of words.entries()) {
      core.records.setInt32(at + index * 4, word, true);
    }
    core.slots.set(data, slot * Limit.DatagramBytes);
    return core.handleDatagram(now, slot);
  }

  /* Outputs: what this core puts out where the trace has one. */

  #output(fields: Fields, line: Line): object {
    const core = this.core;
    switch (fields.out) {
      case "call": {
        const call = core.pollCall();
        if (call === undefined) return { out: "no call" };
        this.#calls.set(call.ticket, call);
        return outputs.call(core, call);
      }
      case "event": {
        const event = core.pollEvent();
        return event === undefined ? { out: "no event" } : outputs.event(event);
      }
      case "partition": {
        const operation = numberOf(fields, "operation", line);
        const index = numberOf(fields, "index", line);
        return outputs.partition(operation, index, core.selectPartition(operation, index));
      }
      case "timeout": {
        const at = core.pollTimeout();
        return outputs.timeout(at, core.timeoutReason());
      }
      default:
        throw badLine(line.number, "neither an input nor an output that this version knows");
    }
  }
}

const bigints = ["timeoutNs", "offset", "sizeLimit", "diskseq", "backingDevice", "backingInode"];

function commandOf(fields: Fields, line: Line): CoreCommand {
  const command: Record<string, unknown> = { command: nameOf(Command, fields, "command", line) };
  for (const name of ["flags", "sectorSize", "partscan", "number", "descriptor"]) {
    if (name in fields) command[name] = numberOf(fields, name, line);
  }
  for (const name of [...bigints, "partitionMask"]) {
    if (name in fields) command[name] = wideOf(fields, name, line);
  }
  if ("reference" in fields) command.reference = bytesOf(fields, "reference", line);
  return command as unknown as CoreCommand;
}

/** Up to 256 bits. */
function wideOf(fields: Fields, name: string, line: Line): bigint {
  const value = fields[name];
  if (typeof value === "string" && /^\d{1,78}$/.test(value)) return BigInt(value);
  throw badLine(line.number, `'${name}' is not a decimal string`);
}
