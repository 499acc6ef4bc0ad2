/**
 * What can be read out of any log of uevents, whoever wrote it: moments, in the order in which the
 * log has them. Types only; nothing here knows a format, and nothing what a moment means.
 */
import type { UeventGroup, UeventMark, Verdict } from "../../stream-types.ts";

interface At {
  /** of the log, from 1 */
  readonly line: number;
  /** ns since the first moment of the log */
  readonly at: number;
  /** number of its record in the trace that replays; null: it is no part of that */
  record: number | null;
}

/** One uevent as received. */
export interface UeventMoment extends At {
  readonly kind: "uevent";
  readonly group: UeventGroup;
  readonly action: string;
  readonly seqnum: number;
  readonly devpath: string;
  /** kernel name, e.g. `loop0`; null: of no disk */
  readonly disk: string | null;
  /** 0: the disk itself */
  readonly partition: number;
  /** null: it has none, or 0 */
  readonly diskseq: number | null;
  readonly isMediaChange: boolean;
  readonly isSynthetic: boolean;
  /** what the core says of it; null where none was asked, or it is of no disk */
  verdict: Verdict | null;
  marks: readonly UeventMark[];
}

/** A datagram that the core refused. */
export interface RefusedMoment extends At {
  readonly kind: "refused";
  readonly group: UeventGroup;
  readonly why: string;
}

/** A system call of somebody whose calls the log has. */
export interface CallMoment extends At {
  readonly kind: "call";
  /** `diskseq`, or how the log calls who made it */
  readonly actor: string;
  /** as the manual has it: `open`, `LOOP_CONFIGURE` */
  readonly name: string;
  /** kernel name of the disk that it is about; null: of none */
  readonly disk: string | null;
  readonly partition: number;
  /** loop_info64.lo_flags that it asks for; null: it asks for none */
  readonly flags: number | null;
  /** the descriptor can write; null where that is not known */
  readonly isWritable: boolean | null;
  /** ns; null: it did not come back */
  tookNs: number | null;
  /** EBUSY; null: it did not fail */
  errno: string | null;
}

/** What sysfs showed of a disk when somebody looked. */
export interface LookMoment extends At {
  readonly kind: "look";
  readonly disk: string;
  /** false: there was no such disk */
  readonly isThere: boolean;
  readonly diskseq: number | null;
  /** has a medium; null where that was not looked at */
  readonly isBound: boolean | null;
  /** numbers; null where they were not looked at */
  readonly partitions: readonly number[] | null;
}

/** Uevents were lost. */
export interface GapMoment extends At {
  readonly kind: "gap";
  readonly group: UeventGroup;
  /** null: nobody knows */
  readonly lost: number | null;
}

/** What a program asked of the core, or was told by it; or how a log titles what follows. */
export interface NoteMoment extends At {
  readonly kind: "command" | "event" | "title";
  /** number of the core's operation; -1: of none */
  readonly operation: number;
  /** an attach comes to its disk later */
  disk: string | null;
  readonly text: string;
}

export type Moment =
  | UeventMoment
  | RefusedMoment
  | CallMoment
  | LookMoment
  | GapMoment
  | NoteMoment;

/** A log that no core has judged yet. */
export interface Unjudged {
  readonly log: Log;
  /** KEY=VALUE of each event as received, each with its NUL, in the order of the log */
  readonly strings: ReadonlyMap<UeventMoment, string>;
}

/** A log, read. */
export interface Log {
  readonly format: "trace" | "kernel-trace" | "udevadm";
  /** what ran where */
  readonly facts: Readonly<Record<string, string>>;
  readonly moments: readonly Moment[];
  /** groups whose events it has */
  readonly groups: readonly UeventGroup[];
  /** it has the calls of somebody: what none of them did, others did */
  readonly hasCalls: boolean;
  /** it has no end: something may be missing */
  readonly isCut: boolean;
}
