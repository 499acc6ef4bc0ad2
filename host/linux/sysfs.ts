/**
 * What sysfs shows of block devices, read strictly: decimal numbers in range or a failure with
 * -EPROTO, never NaN. Fills the fixed records of `assembly/abi.ts`. Synchronous, without state and
 * without system calls other than Node's; opens no device.
 *
 * A device or partition that goes away while it is read counts as never seen.
 */
import { readdirSync, readFileSync, realpathSync, type StatsBase, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DiskWord, Limit, PartitionEntryWord } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";

export const SYSFS = "/sys/block";
/** Links to disks and partitions, named by devnum. */
export const SYSFS_DEVNUMS = "/sys/dev/block";

/** Source: include/uapi/asm-generic/errno.h. */
export const EPROTO = 71;

const U32_MAX = 0xffff_ffffn;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** MINORBITS (include/linux/kdev_t.h) leaves 12 bits to the major. */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/** `-errno` of an error of Node's file functions or of `parseDecimal`; throws others again. */
export function errnoOf(error: unknown): number {
  const errno = (error as NodeJS.ErrnoException).errno;
  if (typeof errno === "number" && errno < 0) return errno;
  throw error;
}

/** What `read` answers, `undefined` where the system says no. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    errnoOf(error);
    return undefined;
  }
}

/** A decimal number as sysfs writes it: digits only. Anything else fails with errno -EPROTO. */
export function parseDecimal(text: string, max: bigint): bigint {
  const value = /^[0-9]{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value <= max) return value;
  throw malformed(text);
}

function malformed(text: string): Error {
  const shown = JSON.stringify(text.slice(0, 40));
  return Object.assign(new Error(`EPROTO: sysfs says ${shown}`), {
    code: "EPROTO",
    errno: -EPROTO,
  });
}

/** `259:3` as major and minor. */
export function parseDevnum(text: string): [major: number, minor: number] {
  const [major, minor, ...rest] = text.split(":");
  if (major === undefined || minor === undefined || rest.length > 0) throw malformed(text);
  return [
    Number(parseDecimal(major, BigInt(MAJOR_MAX))),
    Number(parseDecimal(minor, BigInt(MINOR_MAX))),
  ];
}

const gone = new Set(["ENOENT", "ENOTDIR", "ENODEV", "ENXIO"]);

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (gone.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** See `Kernel.readAttribute`; throws where it exists and cannot be read. */
export function readAttribute(disk: string, attribute: string, root = SYSFS): string | undefined {
  const text = orUndefined(() => readFileSync(`${root}/${disk}/${attribute}`, "utf8"));
  return text?.endsWith("\n") ? text.slice(0, -1) : text;
}

/** See `Kernel.listNames`. */
export function listNames(disk?: string, root = SYSFS): string[] {
  const path = disk === undefined ? root : `${root}/${disk}`;
  return orUndefined(() => readdirSync(path)) ?? [];
}

function stat(path: string | Buffer): StatsBase<bigint> | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function exists(path: string): boolean {
  return stat(path) !== undefined;
}

/** Numbers of the loop devices from `first` up, ascending. */
export function listLoops(first: number, root = SYSFS): number[] {
  const numbers: number[] = [];
  for (const name of listNames(undefined, root)) {
    const digits = /^loop([0-9]{1,7})$/.exec(name)?.[1];
    if (digits !== undefined && Number(digits) >= first) numbers.push(Number(digits));
  }
  return numbers.sort((a, b) => a - b);
}

/** One partition as sysfs has it; start and size in 512-byte sectors. */
export interface SysfsPartition {
  readonly name: string;
  readonly number: number;
  readonly major: number;
  readonly minor: number;
  readonly start: bigint;
  readonly size: bigint;
}

/** Partitions of a disk that can be opened, by ascending number. */
export function listPartitions(disk: string, root = SYSFS): SysfsPartition[] {
  const partitions: SysfsPartition[] = [];
  for (const name of listNames(disk, root)) {
    // others have no attribute `partition`; this is only quicker
    if (!name.startsWith(disk)) continue;
    const read = (attribute: string) => readAttribute(disk, `${name}/${attribute}`, root);
    const [number, dev, start, size] = [
      read("partition"),
      read("dev"),
      read("start"),
      read("size"),
    ];
    if (number === undefined || dev === undefined) continue;
    if (start === undefined || size === undefined) continue;
    // made last, right before the partition can be opened
    if (!exists(`${root}/${disk}/${name}/holders`)) continue;
    const [major, minor] = parseDevnum(dev);
    partitions.push({
      name,
      number: Number(parseDecimal(number, U32_MAX)),
      major,
      minor,
      start: parseDecimal(start, U64_MAX),
      size: parseDecimal(size, U64_MAX),
    });
  }
  return partitions.sort((a, b) => a.number - b.number);
}

/** The disk's name that begins the bytes of a call and ends with a NUL; undefined: it is none. */
export function readName(bytes: Uint8Array): string | undefined {
  const end = bytes.subarray(0, Limit.NameBytes).indexOf(0);
  const name = Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString();
  // sysfs has "!" where the kernel's name has "/"
  return name === "" || name === "." || name === ".." || name.includes("/") ? undefined : name;
}

/** The disk that a call names: by loop number, or in its bytes where that is -1. */
function diskOfCall(number: number, bytes: Uint8Array): string | undefined {
  return number === -1 ? readName(bytes) : `loop${number}`;
}

/** `Call.ReadDisk`. */
export function readDisk(number: number, bytes: Uint8Array, root = SYSFS): number {
  const disk = diskOfCall(number, bytes);
  if (disk === undefined) return -Errno.EINVAL;
  for (;;) {
    const diskseq = readDiskseq(disk, root);
    const isBound = exists(`${root}/${disk}/loop`);
    const [dev, size] = [readAttribute(disk, "dev", root), readAttribute(disk, "size", root)];
    if (dev === undefined || size === undefined) return -Errno.ENOENT;
    // else it is not one instance that was looked at
    if (readDiskseq(disk, root) !== diskseq) continue;
    const sectors = parseDecimal(size, U64_MAX);
    const [major, minor] = parseDevnum(dev);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const set = (word: DiskWord, value: bigint) => view.setBigUint64(8 * word, value, true);
    set(DiskWord.Bound, (isLoop(disk) ? isBound : sectors > 0n) ? 1n : 0n);
    set(DiskWord.Diskseq, diskseq);
    set(DiskWord.Major, BigInt(major));
    set(DiskWord.Minor, BigInt(minor));
    set(DiskWord.Size, sectors);
    return 0;
  }
}

function isLoop(disk: string): boolean {
  return /^loop[0-9]+$/.test(disk);
}

/** 0 where there is none. */
function readDiskseq(disk: string, root: string): bigint {
  return parseDecimal(readAttribute(disk, "diskseq", root) ?? "0", U64_MAX);
}

/** See `Kernel.findDisk`. */
export function findDiskseq(diskseq: bigint, root = SYSFS): string | undefined {
  if (diskseq === 0n) return undefined;
  const has = (disk: string) => attempt(() => readDiskseq(disk, root)) === diskseq;
  return listNames(undefined, root).find(has);
}

/** See `Kernel.diskOf`. */
export function diskOfDevnum(
  major: number,
  minor: number,
  root = SYSFS_DEVNUMS,
): { disk: string; partition: number } | undefined {
  const devnum = `${major}:${minor}`;
  const path = orUndefined(() => realpathSync(`${root}/${devnum}`));
  if (path === undefined) return undefined;
  const [folder, name] = [dirname(path), basename(path)];
  const partition = readAttribute(name, "partition", folder);
  // last, so that it is still the device that was looked at
  if (readAttribute(name, "dev", folder) !== devnum) return undefined;
  if (partition === undefined) return { disk: name, partition: 0 };
  return { disk: basename(folder), partition: Number(parseDecimal(partition, U32_MAX)) };
}

/** `Call.ListPartitions`: the count of the records that fit. */
export function fillPartitions(number: number, bytes: Uint8Array, root = SYSFS): number {
  const disk = diskOfCall(number, bytes);
  if (disk === undefined) return -Errno.EINVAL;
  const partitions = listPartitions(disk, root);
  if (partitions.length === 0 && !exists(`${root}/${disk}`)) return -Errno.ENOENT;
  const size = 4 * PartitionEntryWord.Words;
  const count = Math.min(partitions.length, Math.floor(bytes.byteLength / size));
  partitions.slice(0, count).forEach((partition, index) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + index * size, size);
    view.setUint32(4 * PartitionEntryWord.Number, partition.number, true);
    view.setUint32(4 * PartitionEntryWord.Major, partition.major, true);
    view.setUint32(4 * PartitionEntryWord.Minor, partition.minor, true);
    view.setUint32(4 * (PartitionEntryWord.Minor + 1), 0, true);
    view.setBigUint64(4 * PartitionEntryWord.Start, partition.start, true);
    view.setBigUint64(4 * PartitionEntryWord.Size, partition.size, true);
  });
  return count;
}

/** `Call.FindUnbound`. */
export function findUnbound(first: number, root = SYSFS): number {
  const unbound = (number: number) => !exists(`${root}/loop${number}/loop`);
  return listLoops(first, root).find(unbound) ?? -Errno.ENOENT;
}

/**
 * The path of a loop device's image, as bytes since it need not be UTF-8; `undefined`: not bound.
 * The kernel appends ` (deleted)` to the path of a file that was removed.
 */
export function readBacking(number: number, root = SYSFS): Buffer | undefined {
  const text = orUndefined(() => readFileSync(`${root}/loop${number}/loop/backing_file`));
  return text?.at(-1) === 0x0a ? text.subarray(0, -1) : text;
}

/**
 * `Call.FindBacking`. Two nodes of one block device are one image, so `device` is compared with
 * st_rdev too. Looks at a path of anybody's, which can take as long as a dead server wants.
 */
export function findBacking(device: bigint, inode: bigint, first: number, root = SYSFS): number {
  for (const number of listLoops(first, root)) {
    const path = readBacking(number, root);
    if (path === undefined) continue;
    const stats = attempt(() => stat(path));
    if (stats === undefined || path.toString("latin1").endsWith(" (deleted)")) return number;
    if (stats.dev === device && stats.ino === inode) return number;
    if (stats.rdev !== 0n && stats.rdev === device) return number;
  }
  return -Errno.ENOENT;
}
