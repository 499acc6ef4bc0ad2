/**
 * What a core is told while a session runs on it, as the lines of vectors need it: where which
 * bytes are put, then the input. Of the calls only their order is kept: who plays the tape drains
 * the core after every input, which a session need not do.
 */
import { DatagramWord, Limit } from "../../assembly/abi.ts";
import { putCommand } from "../../host/command-words.ts";
import type { Core, CoreCall, CoreCommand, Tap } from "../../host/core.ts";
import { answerBytes } from "../../host/trace/lines.ts";

export type Region = "inbox" | "buffers" | "slots" | "records";

export interface Put {
  readonly region: Region;
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface Input {
  readonly kind: "command" | "completion" | "datagram" | "overrun" | "timeout";
  readonly puts: readonly Put[];
  readonly now: bigint;
  readonly words: readonly number[];
  /** the call that a completion is of */
  readonly call?: CoreCall | undefined;
  answer: number | undefined;
}

export class Tape implements Tap {
  readonly core: Core;
  readonly inputs: Input[] = [];
  readonly #calls = new Map<number, CoreCall>();

  constructor(core: Core) {
    this.core = core;
    core.observe(this);
  }

  command(now: bigint, command: CoreCommand): void {
    const bytes = new Uint8Array(Limit.InboxBytes);
    putCommand(new DataView(bytes.buffer), command);
    this.#add({ kind: "command", puts: [{ region: "inbox", at: 0, bytes }], now, words: [] });
  }

  completion(now: bigint, ticket: number, result: number): void {
    const call = this.#calls.get(ticket);
    const at = call?.buffer ?? 0;
    const bytes = call === undefined ? 0 : answerBytes(call, result);
    const put = this.#copy("buffers", this.core.buffers, at, bytes);
    const puts = bytes === 0 ? [] : [put];
    this.#add({ kind: "completion", puts, now, words: [ticket, result], call });
  }

  datagram(now: bigint, slot: number): void {
    const puts = slot < Limit.DatagramSlots ? this.#datagramIn(slot) : [];
    this.#add({ kind: "datagram", puts, now, words: [slot] });
  }

  #datagramIn(slot: number): Put[] {
    const { slots, records } = this.core;
    const record = new Uint8Array(records.buffer, records.byteOffset, records.byteLength);
    const bytes = records.getInt32((slot * DatagramWord.Words + DatagramWord.Bytes) * 4, true);
    const recordBytes = DatagramWord.Words * 4;
    return [
      this.#copy("slots", slots, slot * Limit.DatagramBytes, Math.max(bytes, 0)),
      this.#copy("records", record, slot * recordBytes, recordBytes),
    ];
  }

  overrun(now: bigint, group: number, count: number): void {
    this.#add({ kind: "overrun", puts: [], now, words: [group, count] });
  }

  timeout(now: bigint): void {
    this.#add({ kind: "timeout", puts: [], now, words: [] });
  }

  answered(answer: number): void {
    const input = this.inputs.at(-1);
    if (input) input.answer = answer;
  }

  call(call: CoreCall): void {
    this.#calls.set(call.ticket, call);
  }

  readonly event = (): void => {};
  readonly partition = (): void => {};
  readonly wake = (): void => {};

  #copy(region: Region, from: Uint8Array, at: number, bytes: number): Put {
    return { region, at, bytes: from.slice(at, at + bytes) };
  }

  /** Until it is answered, the core has panicked at it. */
  #add(input: Omit<Input, "answer">): void {
    this.inputs.push({ ...input, answer: undefined });
  }
}
