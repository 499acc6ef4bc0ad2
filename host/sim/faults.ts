/**
 * Calls that fail, or take their time, because a test says so. A rule names calls as `onStep`
 * reports them, and which of them it is for.
 */
import { getSystemErrorMap } from "node:util";
import { Step } from "../../assembly/core/steps.ts";
import { LoopError } from "../errors.ts";
import type { KernelCall } from "../kernel.ts";
import { kebab, syscallName } from "../names.ts";

export interface Fault {
  /** As `onStep` has it: `open`, `flock`, `LOOP_CONFIGURE`, ...; default: any. */
  readonly call?: string;
  /** As `onStep` has it, e.g. `lock-control`; default: any. */
  readonly step?: string;
  /** Which one of those that match, from 1; default: each. */
  readonly nth?: number;
  /** What it fails with, as name or number; it is not made then (a close is, all the same). */
  readonly errno?: string | number;
  /** How much longer it takes. */
  readonly delayMs?: number;
}

export interface Effect {
  /** -errno */
  readonly result: number | undefined;
  readonly delayNs: bigint;
}

interface Rule {
  readonly fault: Fault;
  readonly result: number | undefined;
  count: number;
}

export class Faults {
  readonly #rules: readonly Rule[];

  constructor(faults: readonly Fault[]) {
    this.#rules = faults.map((fault) => ({ fault, result: resultOf(fault), count: 0 }));
  }

  /** The first rule that fits decides; each one counts. */
  meet(call: KernelCall): Effect {
    let met: Rule | undefined;
    for (const rule of this.#rules) {
      const { fault } = rule;
      if (fault.call !== undefined && fault.call !== syscallName(call.call, call.request)) continue;
      if (fault.step !== undefined && fault.step !== stepName(call.step)) continue;
      rule.count += 1;
      if (fault.nth === undefined || fault.nth === rule.count) met ??= rule;
    }
    const delayMs = met?.fault.delayMs ?? 0;
    return { result: met?.result, delayNs: BigInt(Math.round(delayMs * 1e6)) };
  }
}

function stepName(step: number): string {
  return kebab(Step[step] ?? "unknown");
}

function resultOf({ errno }: Fault): number | undefined {
  if (errno === undefined) return undefined;
  if (typeof errno === "number" && Number.isInteger(errno)) return -Math.abs(errno);
  for (const [number, [name]] of getSystemErrorMap()) if (name === errno) return number;
  throw new LoopError("ERR_LOOP_ARGUMENT", `${String(errno)} is no errno`);
}
