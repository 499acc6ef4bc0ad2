/**
 * Steps a core through a trace, forth and back: as replay does it, with copies of its memory on the
 * way from which it goes on. Knows no page; takes turns with whoever draws.
 */
import { type Core, loadWasmCore } from "../../core.ts";
import type { Header } from "../lines.ts";
import { parseHeader } from "../parse.ts";
import { type Checkpoint, type Divergence, Replay } from "../replay.ts";
import { type Line, splitLines } from "../split.ts";
import { type CoreState, describeState } from "../state.ts";

/** Bytes that copies of the memory may take. */
const copiesBytes = 96 * 1024 * 1024;
/** Records between two copies at first; and how many are run before others have their turn. */
const firstSpacing = 256;
const turnRecords = 4096;

export interface Seen {
  /** the state is that after this record; -1: before the first */
  readonly record: number;
  /** 16 hex digits */
  readonly hash: string;
  readonly state: CoreState;
}

export class Stepper {
  readonly header: Header;
  /** How many records the trace has. */
  readonly records: number;
  /** Why it goes no further than here. */
  failure: { readonly record: number; readonly text: string } | undefined;
  readonly #load: (header: Header) => Core;
  readonly #lines: readonly Line[];
  readonly #checkpoints: Checkpoint[] = [];
  #spacing = firstSpacing;
  #replay: Replay;

  private constructor(lines: readonly Line[], replay: Replay, load: (header: Header) => Core) {
    this.header = replay.header;
    this.#load = load;
    this.#replay = replay;
    this.#lines = lines;
    const last = lines.at(-1);
    const hasEnd = last?.text.startsWith('{"end":') ?? false;
    this.records = lines.length - (hasEnd ? 2 : 1);
    this.#checkpoints.push(replay.checkpoint());
  }

  /** Rejects as `replay` does where the trace cannot be read, or is of another core's kind. */
  static async open(trace: Uint8Array, wasm: Uint8Array): Promise<Stepper> {
    const lines: Line[] = [];
    for await (const batch of splitLines([trace])) for (const line of batch) lines.push(line);
    const header = parseHeader(lines[0]);
    const load = ({ seed, operations, partitions, watches }: Header): Core =>
      loadWasmCore(wasm, { seed: BigInt(seed), operations, partitions, watches });
    const replay = new Replay(header, load(header));
    if (header.from !== undefined) await replay.restore(header.from);
    return new Stepper(lines, replay, load);
  }

  /** The last record that was run; -1: none. */
  get record(): number {
    return this.#replay.records - 1;
  }

  get divergence(): Divergence | undefined {
    return this.#replay.divergence;
  }

  /** A record's line as the trace has it. */
  text(record: number): string {
    return this.#lines[record + 1]?.text ?? "";
  }

  see(): Seen {
    const { core, header } = this.#replay;
    const state = describeState(core, header.operations, header.partitions);
    return { record: this.record, hash: this.#replay.hash, state };
  }

  /**
   * Runs until behind a record, or to where trace and core differ. False where it was given up
   * because nobody wants it any more.
   */
  async seek(record: number, isWanted: () => boolean): Promise<boolean> {
    const to = Math.min(Math.max(record, -1), this.records - 1);
    if (to < this.record) this.#goBack(to);
    else this.#skipTo(to);
    let untilTurn = turnRecords;
    while (this.record < to && this.failure === undefined) {
      this.#step();
      if (--untilTurn > 0) continue;
      untilTurn = turnRecords;
      await new Promise((resolve) => setTimeout(resolve));
      if (!isWanted()) return false;
    }
    return true;
  }

  #step(): void {
    const next = this.#replay.records;
    try {
      this.#replay.line(this.#lines[next + 1]);
    } catch (error) {
      this.failure = { record: next, text: (error as Error).message };
      if (this.#replay.core.hasPanicked) this.#replace(next);
      return;
    }
    const differs = this.#replay.divergence;
    if (differs !== undefined) {
      this.failure = { record: next, text: `line ${differs.line} differs` };
    } else if (this.#replay.records >= this.#lastCopy + this.#spacing && this.#isBeforeInput) {
      this.#keep();
    }
  }

  /** A core that panicked is of no use any more: another one comes to where that was before. */
  #replace(records: number): void {
    this.#replay = new Replay(this.header, this.#load(this.header));
    this.#replay.goTo(this.#latest(records - 1));
    while (this.#replay.records < records) {
      this.#replay.line(this.#lines[this.#replay.records + 1]);
    }
  }

  get #lastCopy(): number {
    return this.#checkpoints.at(-1)?.records ?? 0;
  }

  get #isBeforeInput(): boolean {
    return /^\{"n":\d+,"t":"\d+","in":/.test(this.text(this.#replay.records));
  }

  /** Where there are too many copies, some go. */
  #keep(): void {
    this.#checkpoints.push(this.#replay.checkpoint());
    const { state, buffers } = this.#replay.core;
    const most = Math.max(8, Math.floor(copiesBytes / (state.length + buffers.length)));
    if (this.#checkpoints.length <= most) return;
    this.#spacing *= 2;
    const kept: Checkpoint[] = [];
    for (const one of this.#checkpoints) {
      const last = kept.at(-1);
      if (last === undefined || one.records >= last.records + this.#spacing) kept.push(one);
    }
    this.#checkpoints.splice(0, this.#checkpoints.length, ...kept);
  }

  #latest(to: number): Checkpoint {
    const found = this.#checkpoints.findLast(({ records }) => records <= to + 1);
    if (found === undefined) throw new Error("the first copy is always there");
    return found;
  }

  #skipTo(to: number): void {
    const latest = this.#latest(to);
    if (latest.records > this.#replay.records) this.#replay.goTo(latest);
  }

  #goBack(to: number): void {
    this.failure = undefined;
    this.#replay.goTo(this.#latest(to));
  }
}
