/**
 * The loop devices of `ScriptedKernel`: what is bound, its flags, its size, its partitions, and the
 * disk sequence number. Knows no descriptor and no call.
 */
import { DiskWord, StatWord } from "../../assembly/abi.ts";
import { Errno, LoFlag } from "../../assembly/wire/linux.ts";

export interface Image {
  readonly size: number;
  /** Fills the target from there on; answers how many bytes there are. */
  read(offset: number, target: Uint8Array): number;
}

export interface TableEntry {
  readonly number: number;
  /** 512-byte sectors */
  readonly start: number;
  readonly size: number;
}

/** How this kernel differs from others. */
export interface Quirks {
  /** what the kernel's parsers make of the image; nothing while `hasParser` is off */
  table: readonly TableEntry[];
  hasParser: boolean;
  /** "none": no such ioctl; "stays": it does not rise at an attach */
  diskseq: "rises" | "stays" | "none";
  /** any open after an attach scans, PARTSCAN or not (5.18.2 to 5.19.8) */
  scansAtOpen: boolean;
  /** max_part is set */
  forcesPartscan: boolean;
  /** LOOP_CLR_FD leaves the detaching to the last close (6.11) */
  clearsAtClose: boolean;
  imageBytes(): number;
  /** Tells an event of a disk, or of a partition of it. */
  tell(disk: ScriptedDisk, action: string, partition?: number, extras?: Extras): void;
}

/** Properties that only some events have. */
export type Extras = Readonly<Record<string, string>>;

/** An st_mode. */
export const mode = { regular: 0o100644, block: 0o060660, fifo: 0o010644 };

/** st_dev and st_ino of the image. */
export const imageDevice = 0x811n;
export const imageInode = 4711n;

export const infoBytes = 232;
const offsetAt = 24;
const sizeLimitAt = 32;
const flagsAt = 52;

let sequence = 100n;

export class ScriptedDisk {
  readonly number: number;
  /** kernel name */
  readonly name: string;
  diskseq: bigint = ++sequence;
  /** loop_info64 while it is bound */
  info: DataView | undefined;
  /** between LOOP_CLR_FD and the last close */
  isDying = false;
  capacity = 0n;
  readonly partitions = new Map<number, TableEntry>();
  /** what FindHolders finds; they keep the device alive */
  holders = 0;
  /** partitions that somebody has open */
  readonly used = new Set<number>();
  /** a lock of another process: 0, LOCK_SH or LOCK_EX */
  lockOfOthers = 0;
  readonly #quirks: Quirks;
  #isScanDue = false;

  constructor(number: number, quirks: Quirks, name = `loop${number}`) {
    this.number = number;
    this.name = name;
    this.#quirks = quirks;
  }

  get flags(): number {
    return this.info?.getUint32(flagsAt, true) ?? 0;
  }

  set flags(flags: number) {
    this.info?.setUint32(flagsAt, flags, true);
  }

  /** As LOOP_CONFIGURE does; the info is the caller's from byte 0 on. */
  bind(info: DataView, isReadOnly: boolean): number {
    if (this.info) return -Errno.EBUSY;
    info.setBigUint64(0, imageDevice, true);
    info.setBigUint64(8, imageInode, true);
    this.info = info;
    if (isReadOnly) this.flags |= LoFlag.LO_FLAGS_READ_ONLY;
    if (this.#quirks.forcesPartscan) this.flags |= LoFlag.LO_FLAGS_PARTSCAN;
    this.#isScanDue = true;
    this.#rise();
    this.#measure(info);
    this.#quirks.tell(this, "change");
    if ((this.flags & LoFlag.LO_FLAGS_PARTSCAN) !== 0) this.#scan();
    return 0;
  }

  /** Another process binds it, to the image unless told otherwise. */
  bindForeign(other: { inode?: bigint; offset?: bigint; limit?: bigint; flags?: number }): void {
    const info = new DataView(new ArrayBuffer(infoBytes));
    info.setBigUint64(0, imageDevice, true);
    info.setBigUint64(8, other.inode ?? imageInode, true);
    info.setBigUint64(offsetAt, other.offset ?? 0n, true);
    info.setBigUint64(sizeLimitAt, other.limit ?? 0n, true);
    info.setUint32(flagsAt, other.flags ?? 0, true);
    this.info = info;
  }

  opened(): void {
    if (this.#quirks.scansAtOpen && this.#isScanDue) this.#scan();
    this.#isScanDue = false;
  }

  /** Somebody let go; `openers` are left. */
  closed(openers: number): void {
    if (openers > 0 || !this.info) return;
    if (this.isDying || (this.flags & LoFlag.LO_FLAGS_AUTOCLEAR) !== 0) this.unbind();
  }

  unbind(): void {
    const isScanned = (this.flags & LoFlag.LO_FLAGS_PARTSCAN) !== 0;
    this.#quirks.tell(this, "change", 0, { DISK_MEDIA_CHANGE: "1" });
    this.info = undefined;
    this.isDying = false;
    this.capacity = 0n;
    this.#rise();
    // They go with the disk's next number.
    if (isScanned) this.#drop();
  }

  clear(openers: number): number {
    if (!this.info || this.isDying) return -Errno.ENXIO;
    this.flags |= LoFlag.LO_FLAGS_AUTOCLEAR;
    if (openers > 1) return 0;
    if (this.#quirks.clearsAtClose) this.isDying = true;
    else this.unbind();
    return 0;
  }

  setStatus(info: DataView): number {
    if (!this.info || this.isDying) return -Errno.ENXIO;
    const before = this.flags;
    const settable = LoFlag.LO_FLAGS_AUTOCLEAR | LoFlag.LO_FLAGS_PARTSCAN;
    const asked = info.getUint32(flagsAt, true) & settable;
    for (const at of [0, 8]) info.setBigUint64(at, this.info.getBigUint64(at, true), true);
    this.info = info;
    this.flags = (before & ~LoFlag.LO_FLAGS_AUTOCLEAR) | asked;
    this.#measure(info);
    if ((asked & ~before & LoFlag.LO_FLAGS_PARTSCAN) !== 0) this.#scan();
    return 0;
  }

  addPartition(number: number, start: bigint, size: bigint): number {
    if (number <= 0) return -Errno.EINVAL;
    if (this.partitions.has(number)) return -Errno.EBUSY;
    const result = this.#putPartition(number, start, size);
    if (result === 0) this.#quirks.tell(this, "add", number);
    return result;
  }

  deletePartition(number: number): number {
    if (number <= 0) return -Errno.EINVAL;
    if (this.used.has(number)) return -Errno.EBUSY;
    if (!this.partitions.delete(number)) return -Errno.ENXIO;
    this.#quirks.tell(this, "remove", number);
    return 0;
  }

  /** Also of one that is open. */
  resizePartition(number: number, start: bigint, size: bigint): number {
    const partition = this.partitions.get(number);
    if (!partition) return -Errno.ENXIO;
    if (BigInt(partition.start) * 512n !== start) return -Errno.EINVAL;
    const result = this.#putPartition(number, start, size);
    if (result === 0) this.#quirks.tell(this, "change", number);
    return result;
  }

  #putPartition(number: number, startBytes: bigint, bytes: bigint): number {
    const start = Number(startBytes / 512n);
    const size = Number(bytes / 512n);
    for (const other of this.partitions.values()) {
      const isApart = other.start >= start + size || start >= other.start + other.size;
      if (other.number !== number && !isApart) return -Errno.EBUSY;
    }
    this.partitions.set(number, { number, start, size });
    return 0;
  }

  /** As BLKRRPART does. */
  reread(): number {
    if ((this.flags & LoFlag.LO_FLAGS_PARTSCAN) === 0) return -Errno.EINVAL;
    if (this.used.size > 0) return -Errno.EBUSY;
    this.#scan();
    return 0;
  }

  /** As LOOP_SET_CAPACITY does. */
  resize(): number {
    if (!this.info) return -Errno.ENXIO;
    this.#measure(this.info);
    return 0;
  }

  /** As FindHolders leaves it: the count, and a bit for each partition. */
  findHolders(view: DataView): number {
    for (const number of this.used) {
      const at = number >> 3;
      view.setUint8(at, view.getUint8(at) | (1 << (number & 7)));
    }
    return this.holders + this.used.size;
  }

  /** As ReadDisk leaves it. */
  read(view: DataView): number {
    const put = (word: DiskWord, value: bigint | number) => put64(view, word * 8, BigInt(value));
    put(DiskWord.Bound, this.info ? 1 : 0);
    put(DiskWord.Major, 7);
    put(DiskWord.Minor, this.number);
    put(DiskWord.Size, this.capacity / 512n);
    return put(DiskWord.Diskseq, this.#quirks.diskseq === "none" ? 0 : this.diskseq);
  }

  /** As ListPartitions leaves it. */
  list(view: DataView): number {
    let at = 0;
    for (const { number, start, size } of this.partitions.values()) {
      const words = [number, 259, minorOf(this.number, number)];
      for (const [index, word] of words.entries()) view.setInt32(at + index * 4, word, true);
      put64(view, at + 16, BigInt(start));
      put64(view, at + 24, BigInt(size));
      at += 32;
    }
    return this.partitions.size;
  }

  #rise(): void {
    if (this.#quirks.diskseq === "rises") this.diskseq = ++sequence;
  }

  #measure(info: DataView): void {
    const shown = BigInt(this.#quirks.imageBytes()) - info.getBigUint64(offsetAt, true);
    const limit = info.getBigUint64(sizeLimitAt, true);
    const size = limit !== 0n && limit < shown ? limit : shown;
    this.capacity = size - (size % 512n);
  }

  #scan(): void {
    this.#drop();
    if (!this.#quirks.hasParser) return;
    this.#quirks.tell(this, "change");
    for (const entry of this.#quirks.table) {
      this.partitions.set(entry.number, entry);
      this.#quirks.tell(this, "add", entry.number);
    }
  }

  #drop(): void {
    for (const number of [...this.partitions.keys()]) this.deletePartition(number);
  }
}

/** An image of plain bytes. */
export function imageOf(bytes: Uint8Array): Image {
  return {
    size: bytes.length,
    read: (offset, target) => {
      const piece = bytes.subarray(offset, offset + target.length);
      target.set(piece);
      return piece.length;
    },
  };
}

export function minorOf(number: number, partition: number): number {
  return number * 256 + partition;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function put64(view: DataView, at: number, value: bigint): number {
  view.setBigUint64(at, value, true);
  return 0;
}

/** As Fstat leaves it: of the image, or of a node of a disk (partition 0) or partition. */
export function putStat(
  view: DataView,
  stMode: number,
  size: number,
  number: number,
  partition: number,
): number {
  const isBlock = stMode === mode.block;
  const put = (word: StatWord, value: bigint | number) => put64(view, word * 8, BigInt(value));
  put(StatWord.Mode, stMode);
  put(StatWord.Device, imageDevice);
  put(StatWord.Inode, imageInode);
  put(StatWord.Major, partition === 0 ? 7 : 259);
  put(StatWord.Minor, partition === 0 ? number : minorOf(number, partition));
  put(StatWord.Size, isBlock ? 0 : size);
  return put(StatWord.Rdev, isBlock ? imageDevice : 0);
}

/** The loop_info64 that begins there. */
export function infoAt(view: DataView, at: number): DataView {
  const from = view.byteOffset + at;
  return new DataView(view.buffer.slice(from, from + infoBytes) as ArrayBuffer);
}
