/** The public shapes: what goes in and what comes out. Plain data, no behaviour. */
import type { Holder } from "./kernel.ts";
import type { Monitor, MonitorOptions } from "./stream-types.ts";

export type PartscanMode = "kernel" | "user" | "none";

/**
 * Whether LOOP_CONFIGURE with PARTSCAN scans once (`fixed`), or leaves a scan pending that the next
 * opener makes as well (`racy`); `unknown` where that could not be measured.
 */
export type ScanVerdict = "fixed" | "racy" | "unknown";

/** What `attach` takes. All optional. */
export interface AttachOptions {
  /** First byte of the image that the device shows; default 0. */
  readonly offset?: number | bigint;
  /** Bytes that the device shows; default 0: to the end. */
  readonly sizeLimit?: number | bigint;
  /** Logical block size, 512, 1024, 2048 or 4096; default: found in the image's GPT, else 512. */
  readonly sectorSize?: number;
  /**
   * Attach read-only; default false. An image that cannot be written falls back, with a warning.
   */
  readonly readOnly?: boolean;
  /**
   * Ask for direct I/O to the backing file; default false. Dropped with a warning where
   * impossible.
   */
  readonly directIO?: boolean;
  /**
   * Who makes the partitions: `kernel` (default; falls back to `user`, with a warning, where the
   * kernel has no parser for the table), `user` (own parsers and BLKPG; no re-read can drop them),
   * `none`.
   */
  readonly partscan?: PartscanMode;
  /**
   * With `partscan: "kernel"`: one LOOP_CONFIGURE with PARTSCAN where this kernel's scan is proven
   * not to race, else in separate steps as ever; default false. The first such attach of a process
   * measures that with a loop device of its own, within its timeout; an abort waits until that
   * device is gone. That takes longer than one attach gains: for who attaches often.
   */
  readonly fast?: boolean;
  /** Keep the device when the handle and the process are gone; default false. */
  readonly persistent?: boolean;
  /** Number of the loop device to use; made if there is none. Default: a free one. */
  readonly device?: number;
  /** `shared` (default): hold LOCK_SH for the life of the handle, so that udev cannot re-read. */
  readonly lock?: "shared" | "none";
  /** Attach although another loop device shows the same bytes and one of them can write. */
  readonly allowOverlap?: boolean;
  /** `lo_file_name`, at most 63 bytes; default `diskseq:` and the image's base name. */
  readonly reference?: string;
  /** Wait until udev has processed the disk and each partition, where udevd runs; default false. */
  readonly udev?: boolean;
  /** Make nodes that sysfs knows and /dev lacks (containers); default false. */
  readonly mknod?: boolean;
  /** Milliseconds until it gives up and undoes, above 0; default 30 000; Infinity: never. */
  readonly timeoutMs?: number;
  /** Aborts and undoes; rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with every warning. */
  readonly onWarning?: (warning: LoopWarning) => void;
  /** Called with every finished call, for progress and timing. */
  readonly onStep?: (step: StepReport) => void;
}

export interface DetachOptions {
  /** Accept that the device goes away only when its holders let go; default false. */
  readonly lazy?: boolean;
  /** Milliseconds until it gives up, above 0; default 30 000; Infinity: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onWarning?: (warning: LoopWarning) => void;
  readonly onStep?: (step: StepReport) => void;
}

/** A warning: the operation went on. */
export interface LoopWarning {
  /** kebab-case name, e.g. `no-kernel-parser` */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
}

/** One finished call of an operation. Times in milliseconds, monotonic. */
export interface StepReport {
  /** kebab-case name of the step, e.g. `configure` */
  readonly step: string;
  /** the system call, e.g. `LOOP_CONFIGURE` */
  readonly syscall: string;
  readonly result: number;
  readonly startMs: number;
  readonly durationMs: number;
}

/** One partition. Bytes and numbers. */
export interface Partition {
  readonly number: number;
  /** `/dev/loop0p1` */
  readonly device: string;
  /** `259:0` */
  readonly devnum: string;
  readonly start: number;
  readonly size: number;
  /** GPT type GUID (upper case as sfdisk) or MBR type in hex without prefix; null: not known. */
  readonly type: string | null;
  /** GPT partition GUID, or `DISKSIG-NN`; null: not known. */
  readonly uuid: string | null;
  /** GPT name; null: none. */
  readonly name: string | null;
  /** Who made it; null: not known. */
  readonly by: "kernel" | "user" | null;
}

/** One bound loop device: what `attach` returns and `list` lists. */
export interface LoopDevice {
  /** `/dev/loop0` */
  readonly device: string;
  /** `7:0` */
  readonly devnum: string;
  /** null before Linux 5.15 */
  readonly diskseq: bigint | null;
  readonly backing: {
    /** as the kernel shows it; null: unknown */
    readonly path: string | null;
    /** `254:0`, st_dev; null: unknown */
    readonly dev: string | null;
    readonly ino: number | null;
  };
  readonly offset: number;
  readonly sizeLimit: number;
  readonly sectorSize: number;
  readonly readOnly: boolean;
  readonly directIO: boolean;
  readonly persistent: boolean;
  readonly partscan: PartscanMode;
  readonly partitions: readonly Partition[];
  /** `best-effort` where the diskseq is missing or did not rise at the attach. */
  readonly identity: "diskseq" | "best-effort";
}

/** The handle of one attach. The instance stays pinned while it is held. */
export interface Attachment extends LoopDevice, AsyncDisposable {
  /** Detaches this instance; resolves when it is gone. */
  detach(options?: DetachOptions): Promise<Detached>;
  /** Its events, judged against this instance; see `monitor`. */
  events(options?: Omit<MonitorOptions, "disk" | "diskseq">): Monitor;
  /** Lets go of the handle without detaching: a persistent device stays, another one goes. */
  release(): Promise<void>;
  /** The plain data without the methods. */
  toJSON(): LoopDeviceJson;
}

/** `LoopDevice` as JSON has it: the diskseq as a number. */
export type LoopDeviceJson = Omit<LoopDevice, "diskseq"> & { readonly diskseq: number | null };

export interface Detached {
  /** `gone`; `deferred` only where `lazy` was asked for. */
  readonly result: "gone" | "deferred";
  readonly device: string;
  readonly diskseq: bigint | null;
  /** Who keeps a deferred device; empty when it is gone. */
  readonly holders: readonly Holder[];
}
