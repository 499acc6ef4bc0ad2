/**
 * The one interface between the driver and a kernel, real, simulated or recorded.
 *
 * A kernel performs the core's calls; it decides nothing. What a call means is written at its name
 * in `assembly/abi.ts`.
 */
import type { Call, Place } from "../assembly/abi.ts";

/** One call of the core, its words read from the outbox. */
export interface KernelCall {
  readonly call: Call;
  readonly ticket: number;
  readonly operation: number;
  readonly step: number;
  readonly descriptor: number;
  /** open flags, flock operation, ioctl request (unsigned) or BLKPG operation */
  readonly request: number;
  readonly place: Place;
  readonly number: number;
  readonly partition: number;
  /** unsigned 64 bits */
  readonly argument: bigint;
  readonly argument2: bigint;
  /** the call's bytes in the core's memory: read or filled in place */
  readonly bytes: Uint8Array;
  /** what the application gave as image, for `Place.Image`; undefined for other places */
  readonly path: string | undefined;
}

/** What a path leads to, as stat has it; device numbers as the kernel encodes them. */
export interface FileFacts {
  readonly isBlockDevice: boolean;
  readonly device: bigint;
  readonly inode: bigint;
  readonly rdev: bigint;
}

/** Somebody who keeps a device from going away. */
export interface Holder {
  readonly kind: "mount" | "descriptor" | "device" | "swap" | "lock";
  /** process, where it is one; a mount names none */
  readonly pid?: number;
  /** its command name (/proc/PID/comm) */
  readonly command?: string;
  /** mount point, or name of the stacked device */
  readonly path?: string;
  /** what is held: kernel name of the disk or partition, e.g. `loop0p1` */
  readonly device: string;
}

/** Where a kernel leaves datagrams, and whom it tells. */
export interface Stream {
  /** `Limit.DatagramSlots` slots of `Limit.DatagramBytes`, in the core's memory. */
  readonly slots: Uint8Array;
  /** A record of `DatagramWord`s for each slot, words of 4 bytes. */
  readonly records: DataView;
  /**
   * The first `count` slots and their records are filled, in the order of arrival. The slots may be
   * used again when it returns. A datagram that needs more than one slot comes alone.
   */
  datagrams(count: number): void;
  /** Events of a `Group` were lost after the last one handed in; 0: nobody knows how many. */
  lost(group: number, count: number): void;
}

export interface Kernel {
  /** For people, e.g. `linux 6.18.44`. */
  readonly name: string;
  /** Monotonic nanoseconds. */
  now(): bigint;
  /** Calls back once at a time of `now`; what it returns cancels that. Default: a timer of Node. */
  alarm?(at: bigint, ring: () => void): () => void;
  /**
   * Performs one call. The result is `>= 0` or `-errno`; a number where the call was made on the
   * spot, a promise (which never rejects) where it was handed to another thread. The bytes stay the
   * call's until then.
   */
  perform(call: KernelCall): number | Promise<number>;
  /** Where datagrams go between `Call.Subscribe` and `Call.Unsubscribe`; once, before all else. */
  connect(stream: Stream): void;
  /**
   * Bytes of a group's receive buffer as the kernel counts them, twice of what was asked for where
   * this process may have it; `undefined`: not subscribed, or there is none.
   */
  receiveBufferBytes(group: number): number | undefined;
  /**
   * A sysfs attribute of a block device as text without its last newline, `undefined` where it
   * does not exist. `attribute` is relative to `/sys/block/<disk>`, e.g. `queue/logical_block_size`
   * or `loop0p1/start`.
   */
  readAttribute(disk: string, attribute: string): string | undefined;
  /**
   * Names in `/sys/block/<disk>`; without a disk, in `/sys/block`. Empty where it does not
   * exist.
   */
  listNames(disk?: string): string[];
  /** Kernel name of the disk that has this diskseq, `undefined` where none does. */
  findDisk(diskseq: bigint): string | undefined;
  /** The disk that a devnum belongs to, and the partition's number, 0 for the disk itself. */
  diskOf(major: number, minor: number): { disk: string; partition: number } | undefined;
  /** What a path leads to, links followed; `undefined` where nothing is or it cannot be reached. */
  findFile(path: string): Promise<FileFacts | undefined>;
  /** Who holds a disk or one of its partitions; a descriptor of this process can be left out. */
  findHolders(disk: string, exceptDescriptor?: number): Promise<Holder[]>;
  /** Who has a flock on the node of a disk (/proc/locks); this process left out. */
  findLockers(disk: string): Promise<Holder[]>;
  /** Lets go of threads and descriptors of its own. */
  close(): Promise<void>;
}
