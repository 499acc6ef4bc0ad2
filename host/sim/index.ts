/**
 * Simulated kernels for programs that use diskseq: they can be tested without root, with faults and
 * from a seed. Loads neither koffi nor anything else that needs Linux.
 *
 * ```ts
 * const session = simulate({ version: "6.1.192", images: { "/disk.img": bytes } });
 * await using disk = await session.attach("/disk.img");
 * ```
 */
import type { CallTrace } from "../call-trace.ts";
import { Session, type SessionOptions } from "../session.ts";
import { type Acceptance, acceptTrace } from "./accept/accept.ts";
import { SimKernel, type SimOptions } from "./kernel.ts";
import { loadDefaultModel, loadDefaultWorld } from "./kernel-file.ts";
import { type Validation, validateTrace } from "./validate.ts";

export { toJson } from "../describe.ts";
export { exitCodeOf, LoopError, type LoopErrorCode, type Try } from "../errors.ts";
export type { Holder, Kernel, KernelCall } from "../kernel.ts";
export type { Recorded, Recording, RecordOptions } from "../record.ts";
export { Session, type SessionOptions } from "../session.ts";
export type * from "../stream-types.ts";
export type * from "../types.ts";
export type { Acceptance } from "./accept/accept.ts";
export type { Refusal } from "./accept/search.ts";
export type { ClockKind } from "./clock.ts";
export type { Fault } from "./faults.ts";
export { SimKernel, type SimOptions } from "./kernel.ts";
export type { SimImage } from "./sources.ts";
export { type Race, type Story, tellStory, type Way } from "./story.ts";
export type { Difference, Validation } from "./validate.ts";

/** Compares a recording of a real kernel (its NDJSON) with the simulated one, up to the first
 * difference. */
export async function validateFile(text: string, version?: string): Promise<Validation> {
  return validateTrace(text, { version, load: loadDefaultModel, loadWorld: loadDefaultWorld });
}

/** Whether the simulated kernel could have answered what a trace of ours says a real one did. */
export function acceptCalls(trace: CallTrace, version?: string): Acceptance {
  return acceptTrace(trace, { version, load: loadDefaultModel });
}

/** A session on a simulated kernel of its own; the seed, where there is one, is of both. */
export function simulate(
  options: SimOptions,
  session: SessionOptions = {},
): Session & { readonly kernel: SimKernel } {
  const { seed } = options;
  const own = seed === undefined ? session : { seed: BigInt(seed), ...session };
  return new Session(new SimKernel(options), own) as Session & { readonly kernel: SimKernel };
}
