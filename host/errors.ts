/** Typed errors. What a message says: what was attempted, what the kernel said, what to do. */
import type { Holder } from "./kernel.ts";

export type LoopErrorCode =
  /** the caller's mistake: an option or an argument */
  | "ERR_LOOP_ARGUMENT"
  /** missing, not a file, empty, shrinking, ... */
  | "ERR_LOOP_IMAGE"
  /** a partition table that nobody can attach safely */
  | "ERR_LOOP_TABLE"
  /** another loop device shows the same bytes */
  | "ERR_LOOP_OVERLAP"
  /** root, loop-control, a device node, a kernel feature is missing */
  | "ERR_LOOP_ENVIRONMENT"
  /** the instance is over; the name belongs to another */
  | "ERR_LOOP_STALE"
  /** held or locked by others */
  | "ERR_LOOP_BUSY"
  | "ERR_LOOP_TIMEOUT"
  /** nothing is attached there */
  | "ERR_LOOP_NOT_ATTACHED"
  /** more events waited to be read than were to be kept */
  | "ERR_LOOP_OVERFLOW"
  /** a call failed and no retry helps */
  | "ERR_LOOP_SYSTEM"
  /** a trace that cannot be read */
  | "ERR_TRACE_FORMAT"
  /** core.wasm is of another vocabulary */
  | "ERR_CORE_ABI"
  /** a bug of ours */
  | "ERR_CORE_PANIC";

/** One failed try of one device. */
export interface Try {
  readonly device: string | null;
  readonly step: string;
  readonly syscall: string;
  readonly errno: string;
}

export interface LoopErrorDetails {
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly device?: string | undefined;
  readonly step?: string | undefined;
  readonly tries?: readonly Try[] | undefined;
  readonly holders?: readonly Holder[] | undefined;
  readonly cause?: unknown;
}

const brand = Symbol.for("diskseq.LoopError");

/** The one class of errors. `instanceof` holds across copies of the package. */
export class LoopError extends Error {
  readonly code: LoopErrorCode;
  /** negative, as Node's system errors have it; undefined where the kernel said nothing */
  readonly errno: number | undefined;
  /** the call, e.g. `LOOP_CONFIGURE` */
  readonly syscall: string | undefined;
  /** `/dev/loop0` */
  readonly device: string | undefined;
  /** kebab-case name of the step, e.g. `configure` */
  readonly step: string | undefined;
  readonly tries: readonly Try[];
  readonly holders: readonly Holder[];

  constructor(code: LoopErrorCode, message: string, details: LoopErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Object.defineProperty(this, brand, { value: true });
    this.code = code;
    this.errno = details.errno;
    this.syscall = details.syscall;
    this.device = details.device;
    this.step = details.step;
    this.tries = details.tries ?? [];
    this.holders = details.holders ?? [];
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && brand in value;
  }
}
Object.defineProperty(LoopError.prototype, "name", { value: "LoopError" });

const exitCodes: Record<LoopErrorCode, number> = {
  ERR_LOOP_ARGUMENT: 2,
  ERR_LOOP_IMAGE: 1,
  ERR_LOOP_TABLE: 1,
  ERR_LOOP_OVERLAP: 1,
  ERR_LOOP_ENVIRONMENT: 3,
  ERR_LOOP_STALE: 4,
  ERR_LOOP_BUSY: 5,
  ERR_LOOP_TIMEOUT: 6,
  ERR_LOOP_NOT_ATTACHED: 1,
  ERR_LOOP_OVERFLOW: 1,
  ERR_LOOP_SYSTEM: 1,
  ERR_TRACE_FORMAT: 1,
  ERR_CORE_ABI: 70,
  ERR_CORE_PANIC: 70,
};

/** The command's exit code for an error; 1 for errors of others. */
export function exitCodeOf(error: unknown): number {
  return error instanceof LoopError ? exitCodes[error.code] : 1;
}
