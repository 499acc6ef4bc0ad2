/**
 * What a trace of ours holds of a kernel, as plain records in the order of the trace: the calls
 * that were made, what each was answered, and the datagrams that came. Types only: whoever reads
 * traces and whoever judges kernels know nothing of each other.
 */
import type { CoreCall } from "./core-types.ts";

/** A call is made. */
export interface MadeCall {
  readonly kind: "call";
  readonly line: number;
  readonly words: CoreCall;
  /** what its buffer held for the kernel */
  readonly data: Uint8Array;
}

/** It is answered: `>= 0`, or -errno; and what the kernel left in its buffer. */
export interface Completion {
  readonly kind: "completion";
  readonly line: number;
  readonly ticket: number;
  readonly result: number;
  readonly data: Uint8Array;
}

/** A datagram that counts. Those that were read in one go have one time (ns). */
export interface HeardDatagram {
  readonly kind: "datagram";
  readonly line: number;
  readonly at: bigint;
  /** `Group` */
  readonly group: number;
  readonly strings: readonly string[];
}

/** A datagram that does not count: it is nobody's word, but was read with the others. */
export interface RefusedDatagram {
  readonly kind: "refused";
  readonly line: number;
  readonly at: bigint;
  readonly group: number;
}

/** So many datagrams of a group were lost before this; 0: nobody knows how many. */
export interface Loss {
  readonly kind: "loss";
  readonly line: number;
  readonly group: number;
  readonly count: number;
}

export type CallTraceRecord = MadeCall | Completion | HeardDatagram | RefusedDatagram | Loss;

export interface CallTrace {
  /** the kernel as it was named, e.g. `linux 6.18.44` */
  readonly kernel: string;
  /** its version as it names it itself (uname -v), where the trace says it */
  readonly build: string;
  /** Why it cannot be judged as a whole; undefined: it can. */
  readonly unfit: string | undefined;
  readonly records: readonly CallTraceRecord[];
}
