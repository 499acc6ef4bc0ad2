/**
 * Writes vectors: plays a tape on a core.wasm through nothing but its exports, drains it after
 * every input, and spells what lies in its memory. Shares no code with the hosts that read them.
 */
import { CallWord, Event, EventWord, Limit, PartitionWord, Result } from "../../assembly/abi.ts";
import { argumentBytes } from "../../assembly/wire/calls.ts";
import type { CoreOptions } from "../../host/core.ts";
import { wasm } from "../helpers/wasm.ts";
import type { Input, Put, Region, Tape } from "./tape.ts";

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  start(seed: bigint, operations: number, partitions: number, watches: number): void;
  handleCommand(now: bigint): number;
  handleCompletion(now: bigint, ticket: number, result: number): number;
  handleDatagram(now: bigint, slot: number): number;
  handleOverrun(now: bigint, group: number, count: number): number;
  handleTimeout(now: bigint): number;
  pollCall(): number;
  pollEvent(): number;
  pollTimeout(): bigint;
  timeoutReason(): number;
  selectPartition(operation: number, index: number): number;
  stateHash(): bigint;
  inboxAt(): number;
  outboxAt(): number;
  buffersAt(): number;
  slotsAt(): number;
  recordsAt(): number;
}

/** Words of a call and of an event, of any kind, in the outbox. */
const callWords = CallWord.Bytes + 1;
const eventWords = EventWord.Result + Result.Size + 1;
/** Events whose partitions can be read. */
const withPartitions: readonly number[] = [Event.Attached, Event.Probed, Event.Changed];
/** Zeros between two pieces of bytes that are worth a line. */
const gapBytes = 16;

/** The text of a vector file. Throws where a session left calls behind that a host would not. */
export function vectorsOf(title: string, tape: Tape, bytes: Uint8Array): string {
  const writer = new Writer(bytes, tape.core.options);
  writer.add(`# ${title}`);
  for (const input of tape.inputs) writer.input(input);
  return writer.end();
}

class Writer {
  readonly #core: Exports;
  readonly #lines: string[] = [];
  /** tickets that are out, by operation, and what was asked */
  readonly #out = new Map<number, { readonly ticket: number; readonly line: string }>();
  #inputs = 0;

  constructor(bytes: Uint8Array, options: CoreOptions) {
    const { seed, operations, partitions, watches } = options;
    const { exports } = new wasm.Instance(new wasm.Module(bytes));
    this.#core = exports as unknown as Exports;
    this.#core.start(seed, operations, partitions, watches);
    this.add("diskseq-vectors 1");
    this.add(`abi ${hex(Limit.AbiVersion)}`);
    this.add(`start ${[seed, operations, partitions, watches].map(hex).join(" ")}`);
  }

  add(line: string): void {
    this.#lines.push(line);
  }

  end(): string {
    this.add(`end ${hex(this.#inputs)}`);
    return `${this.#lines.join("\n")}\n`;
  }

  input(input: Input): void {
    for (const put of input.puts) this.#put(put);
    const words = input.call ? this.#rightTicket(input) : input.words;
    const given = [input.kind, hex(input.now), ...words.map(hex)].join(" ");
    this.#inputs += 1;
    let answer: number;
    try {
      answer = this.#hand(input, words);
    } catch {
      this.add(`${given} panic`);
      return;
    }
    if (answer !== input.answer) throw new Error(`${given}: ${answer}, not ${input.answer}`);
    this.add(`${given} ${hex(answer)}`);
    this.#drain();
  }

  /** Who polls later gives other tickets: each operation has one call out. */
  #rightTicket({ call, words }: Input): readonly number[] {
    const out = this.#out.get(call?.operation ?? -1);
    if (out?.line !== `${call?.call} ${call?.step} ${call?.descriptor}`) {
      throw new Error(`step ${call?.step}: another call is out when the core is drained`);
    }
    this.#out.delete(call?.operation ?? -1);
    return [out.ticket, ...words.slice(1)];
  }

  #hand({ kind, now }: Input, [first = 0, second = 0]: readonly number[]): number {
    switch (kind) {
      case "command":
        return this.#core.handleCommand(now);
      case "completion":
        return this.#core.handleCompletion(now, first, second);
      case "datagram":
        return this.#core.handleDatagram(now, first);
      case "overrun":
        return this.#core.handleOverrun(now, first, second);
      case "timeout":
        return this.#core.handleTimeout(now);
    }
  }

  #drain(): void {
    const core = this.#core;
    while (core.pollEvent() !== 0) this.#event();
    while (core.pollCall() !== 0) this.#call();
    const at = core.pollTimeout();
    this.add(`done ${[at, core.timeoutReason(), core.stateHash()].map(hex).join(" ")}`);
  }

  #event(): void {
    const words = this.#words(eventWords);
    this.add(spell("event", words));
    if (!withPartitions.includes(Number(words[EventWord.Event]))) return;
    const operation = Number(words[EventWord.Operation]);
    const count = Number(words[EventWord.Result + Result.Partitions]);
    // One more than there are: that is said, too.
    for (let index = 0; index <= count; index++) {
      const isThere = this.#core.selectPartition(operation, index) !== 0;
      const kind = `partition ${hex(operation)} ${hex(index)}`;
      this.add(spell(kind, isThere ? this.#words(PartitionWord.Words) : []));
    }
  }

  #call(): void {
    const words = this.#words(callWords);
    const word = (which: CallWord) => Number(BigInt.asIntN(32, words[which] ?? 0n));
    const call = word(CallWord.Call);
    const line = `${call} ${word(CallWord.Step)} ${word(CallWord.Descriptor)}`;
    this.#out.set(word(CallWord.Operation), { ticket: word(CallWord.Ticket), line });
    this.add(spell("call", words));
    const [request, number] = [word(CallWord.Request), word(CallWord.Number)];
    const bytes = argumentBytes(call, request, number, word(CallWord.Bytes));
    if (bytes === 0) return;
    const at = word(CallWord.Buffer);
    const digits = this.#digits("buffers", at, bytes);
    this.add(`bytes ${hex(at)} ${hex(bytes)} ${digits.replace(/(00)+$/, "")}`.trimEnd());
  }

  /* Memory. */

  #words(count: number): bigint[] {
    const { memory, outboxAt } = this.#core;
    const outbox = new DataView(memory.buffer, outboxAt());
    return Array.from({ length: count }, (_, word) => outbox.getBigUint64(word * 8, true));
  }

  #regionAt(region: Region): number {
    const { inboxAt, buffersAt, slotsAt, recordsAt } = this.#core;
    if (region === "inbox") return inboxAt();
    if (region === "slots") return buffersAt() + slotsAt();
    return buffersAt() + (region === "records" ? recordsAt() : 0);
  }

  #digits(region: Region, at: number, bytes: number): string {
    return Buffer.from(this.#core.memory.buffer, this.#regionAt(region) + at, bytes).toString(
      "hex",
    );
  }

  #put({ region, at, bytes }: Put): void {
    new Uint8Array(this.#core.memory.buffer, this.#regionAt(region) + at).set(bytes);
    const pieces = piecesOf(bytes);
    // The first line makes all of it zeros.
    const [first = bytes.length] = pieces[0] ?? [];
    if (first > 0) this.add(`put ${region} ${hex(at)} ${hex(bytes.length)}`);
    for (const [from, to] of pieces) {
      const length = from === 0 ? bytes.length : to - from;
      const digits = Buffer.from(bytes.subarray(from, to)).toString("hex");
      this.add(`put ${region} ${hex(at + from)} ${hex(length)} ${digits}`);
    }
  }
}

/** Where something else than zeros lies: from, and the first behind it. */
function piecesOf(bytes: Uint8Array): [from: number, to: number][] {
  const pieces: [number, number][] = [];
  for (const [at, byte] of bytes.entries()) {
    if (byte === 0) continue;
    const last = pieces.at(-1);
    if (last && at - last[1] < gapBytes) last[1] = at + 1;
    else pieces.push([at, at + 1]);
  }
  return pieces;
}

function spell(kind: string, words: readonly bigint[]): string {
  const text = words.map((word) => ` ${hex(word)}`).join("");
  return kind + text.replace(/( 0)+$/, "");
}

/** Two's complement of 64 bits. */
function hex(value: number | bigint): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16);
}
