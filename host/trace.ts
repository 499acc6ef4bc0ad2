/**
 * Replaying of traces on any runtime (`diskseq/trace`), with a core of `diskseq/core`: needs no
 * file, no Node module and no Linux.
 */
export type { Header } from "./trace/lines.ts";
export { type Divergence, type Replayed, type ReplayOptions, replay } from "./trace/replay.ts";
export { type Line, splitLines } from "./trace/split.ts";
export { type CoreState, describeState, type StateWords } from "./trace/state.ts";
