/**
 * What a core remembers, in words: the fields of its state that are not 0. For people who step
 * through a trace; reads the region that snapshots are made of.
 */
import { Entry, Field, Global } from "../../assembly/core/state.ts";
import type { Core } from "../core.ts";
import { Command, Step } from "../core.ts";
import { kebab } from "../names.ts";

export type StateWords = Readonly<Record<string, string>>;

export interface CoreState {
  readonly globals: StateWords;
  /** of those that are busy, and the core's own (`lookout`), by their number */
  readonly operations: Readonly<Record<string, StateWords>>;
}

const slot = 8;

/** Of a core that was started with so many operations and partitions. */
export function describeState(core: Core, operations: number, partitions: number): CoreState {
  const { buffer, byteOffset } = core.state;
  const view = new DataView(buffer, byteOffset);
  const stride = Field.Slots * slot + partitions * Entry.Bytes;
  const described: Record<string, StateWords> = {};
  for (let operation = 0; operation <= operations; operation++) {
    const at = Global.Slots * slot + operation * stride;
    const isLookout = operation === operations;
    if (!isLookout && view.getInt32(at + Field.Command * slot, true) === 0) continue;
    const words = wordsOf(view, at, Field);
    const step = kebab(Step[view.getInt32(at + Field.Step * slot, true)] ?? "");
    const command = kebab(Command[view.getInt32(at + Field.Command * slot, true)] ?? "");
    const named = isLookout ? { step } : { command, step };
    described[isLookout ? "lookout" : String(operation)] = { ...words, ...named };
  }
  return { globals: wordsOf(view, 0, Global), operations: described };
}

/** By the names of an enum; a slot behind the first of a group is `name+1`. */
function wordsOf(view: DataView, at: number, names: Record<string, string | number>): StateWords {
  const words: Record<string, string> = {};
  let name = "";
  let first = 0;
  for (let index = 0; index < Number(names.Slots); index++) {
    const own = names[index];
    if (typeof own === "string") {
      name = own.slice(0, 1).toLowerCase() + own.slice(1);
      first = index;
    }
    const value = view.getBigUint64(at + index * slot, true);
    if (value === 0n) continue;
    // Most are of 32 bits: -1 is none.
    const shown = value === 0xffff_ffffn ? -1n : BigInt.asIntN(64, value);
    words[index === first ? name : `${name}+${index - first}`] = String(shown);
  }
  return words;
}
