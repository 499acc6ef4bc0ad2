/** The public shapes of uevents: monitors, waits, and what changes a bound device. Plain data. */
import type { Holder } from "./kernel.ts";
import type { LoopWarning, StepReport } from "./types.ts";

/** Multicast groups: what the kernel sends, and what udev sends when it has processed it. */
export type UeventGroup = "kernel" | "udev";

export interface MonitorOptions {
  /** Default `["kernel"]`. */
  readonly groups?: readonly UeventGroup[];
  /** Only this disk and its partitions: kernel name, node, or link to it. */
  readonly disk?: string;
  /** Judge against this instance; without a disk, the one that has it. */
  readonly diskseq?: bigint | number;
  /** Only this SUBSYSTEM; default: all. */
  readonly subsystem?: string;
  /** Only this DEVTYPE, e.g. `disk`; default: all. */
  readonly devtype?: string;
  /** Also tell what was refused; default false: it is only counted. */
  readonly rejected?: boolean;
  /** Items that wait to be read, at most; default 4096. */
  readonly maxQueue?: number;
  /** What happens to items beyond: dropped and told (default), or the iteration throws. */
  readonly overflow?: "drop" | "throw";
  /** Ends the iteration as `close` does, without an error; `ready` resolves then too. */
  readonly signal?: AbortSignal;
  /** Called with every warning. */
  readonly onWarning?: (warning: LoopWarning) => void;
}

/** What an event is to the instance asked for; without one, to the newest one heard of. */
export type Verdict = "stale" | "mine" | "later" | "best-effort";

/**
 * `out-of-order`: its SEQNUM is lower than one before it; `media-change`: DISK_MEDIA_CHANGE=1, with
 * `mine` the announced end; `synthetic`: written to sysfs by a program; `ends`: the end of a
 * partition of mine, under the next number; `first`: nothing was known of this disk before.
 */
export type UeventMark = "out-of-order" | "media-change" | "synthetic" | "ends" | "first";

/** One event that counts. Told once, also where it came twice. */
export interface Uevent {
  readonly type: "uevent";
  readonly group: UeventGroup;
  /** `add`, `remove`, `change`, ... */
  readonly action: string;
  readonly devpath: string;
  readonly subsystem: string;
  readonly devtype: string | null;
  /** `/dev/loop0p1`; null: the event names no node. */
  readonly device: string | null;
  /** `259:0` */
  readonly devnum: string | null;
  /** Kernel name of the disk, e.g. `loop0`; null: not of a disk. */
  readonly disk: string | null;
  /** null: not of a partition. */
  readonly partition: number | null;
  readonly diskseq: bigint | null;
  readonly seqnum: bigint;
  /** null: not of a disk. */
  readonly verdict: Verdict | null;
  readonly marks: readonly UeventMark[];
  /** All KEY=VALUE as received. */
  readonly properties: Readonly<Record<string, string>>;
  /** Milliseconds of the monotonic clock (process.hrtime) at which it was received. */
  readonly timeMs: number;
}

/** Events were lost in the socket; the stream goes on, and open waits look at sysfs. */
export interface UeventGap {
  readonly type: "gap";
  readonly group: UeventGroup;
  /** null: nobody knows how many. */
  readonly lost: number | null;
  /** SEQNUM of the last event before the gap; null: none. */
  readonly after: bigint | null;
}

/** Items were dropped because nobody read them. */
export interface UeventOverrun {
  readonly type: "overrun";
  readonly dropped: number;
}

/** A datagram that counts for nothing. */
export interface UeventRejected {
  readonly type: "rejected";
  readonly group: UeventGroup;
  readonly reason: "forged" | "malformed" | "duplicate" | "truncated";
  /** nl_pid of the sender, and the credentials that came with it. */
  readonly portId: number;
  readonly pid: number;
  readonly uid: number;
  readonly bytes: number;
}

export type MonitorItem = Uevent | UeventGap | UeventOverrun | UeventRejected;

/** What a monitor has counted since it began; also what its filters hide is received. */
export interface MonitorCounts {
  readonly received: number;
  /** `uevent` items. */
  readonly told: number;
  readonly stale: number;
  readonly later: number;
  readonly outOfOrder: number;
  /** Events lost in sockets, and gaps of unknown size among the gaps. */
  readonly lost: number;
  readonly gaps: number;
  readonly unknownGaps: number;
  /** Items dropped because nobody read them. */
  readonly dropped: number;
  readonly duplicate: number;
  readonly forged: number;
  readonly malformed: number;
  readonly truncated: number;
}

/**
 * Judged events, in the order of arrival. Leaving the loop closes it; so do `close`, `await using`
 * and the signal; what waits in the queue can still be read then. The process lives as long as one
 * is open.
 */
export interface Monitor extends AsyncIterableIterator<MonitorItem>, AsyncDisposable {
  /** Resolves when events are received: what happens from then on is told. */
  readonly ready: Promise<void>;
  readonly counts: MonitorCounts;
  close(): void;
}

/** One of `device` and `diskseq`, or both. */
export interface WaitTarget {
  /** Kernel name, node (also one that is not there yet), or link; of a disk or a partition. */
  readonly device?: string;
  readonly diskseq?: bigint | number | null;
  /** Partitions that must be there: all of the table, or these numbers. Default: none. */
  readonly partitions?: boolean | readonly number[];
  /** Also wait until udev has processed the disk and these partitions, where udevd runs. */
  readonly udev?: boolean;
  /** Wait until it is gone instead. */
  readonly removed?: boolean;
}

export interface WaitOptions {
  /** Milliseconds until it gives up, 0: one look; default Infinity. */
  readonly timeoutMs?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onWarning?: (warning: LoopWarning) => void;
}

export interface WaitedPartition {
  readonly number: number;
  readonly device: string;
  readonly devnum: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

export interface Waited {
  /** `gone` only where `removed` was asked for. */
  readonly result: "ready" | "gone";
  /** `/dev/loop0` */
  readonly device: string;
  /** null: the disk is not there. */
  readonly devnum: string | null;
  /** The instance that was waited for; null: no number. */
  readonly diskseq: bigint | null;
  /** Those that are there; empty when it is gone. */
  readonly partitions: readonly WaitedPartition[];
}

/** What `rescan` and `resize` take. */
export interface ChangeOptions {
  /** Milliseconds until it gives up, above 0; default 30 000; Infinity: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onWarning?: (warning: LoopWarning) => void;
  readonly onStep?: (step: StepReport) => void;
}

export interface Rescanned {
  readonly device: string;
  readonly diskseq: bigint | null;
  /** Partition numbers. A partition whose start differs is removed and added. */
  readonly added: readonly number[];
  readonly removed: readonly number[];
  readonly resized: readonly number[];
  readonly partitions: readonly WaitedPartition[];
}

export interface Resized {
  readonly device: string;
  readonly diskseq: bigint | null;
  /** Bytes that the device showed, and shows. */
  readonly before: number;
  readonly size: number;
}

export interface GarbageOptions {
  /** Act; default false: only say what there is. */
  readonly apply?: boolean;
  /** Milliseconds for each thing, above 0; default 30 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A thing that nobody needs any more. */
export interface Garbage {
  /** Partitions left on an unbound device, or a bound device whose image is deleted. */
  readonly kind: "partitions" | "device";
  readonly device: string;
  readonly diskseq: bigint | null;
  /** Numbers of the partitions. */
  readonly partitions: readonly number[];
  /** Path of the deleted image, and the reference that tells that we attached it. */
  readonly image: string | null;
  readonly reference: string | null;
  /** Somebody uses it all the same: it is left alone. */
  readonly holders: readonly Holder[];
  /** `found`: only looked at; `kept`: in use, also where it is only looked at. */
  readonly result: "found" | "removed" | "kept" | "failed";
  /** Why it failed; null where it did not. */
  readonly error: unknown;
}
