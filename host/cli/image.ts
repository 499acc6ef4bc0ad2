/**
 * Writes small disk images with a GPT, for `demo` and `doctor`. Sparse: only the tables take room.
 *
 * Layout in sectors of 512 bytes (UEFI 2.10, chapter 5):
 *   0 protective MBR | 1 header | 2-33 entries | partitions | -33..-2 entries | -1 header
 */
import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";

export const linuxFilesystem = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
export const efiSystem = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

export const mebibyte = 1 << 20;
/** What `withImage` makes. */
export const smallImageBytes = 8 * mebibyte;

const sector = 512;
const entryCount = 128;
const entryBytes = 128;
const entrySectors = (entryCount * entryBytes) / sector;
const headerBytes = 92;

export interface ImagePartition {
  readonly name: string;
  readonly type: string;
  /** Bytes, multiples of 512. */
  readonly start: number;
  readonly size: number;
}

/** Calls with the path of an 8 MiB image in a directory that is gone afterwards. */
export async function withImage<T>(
  name: string,
  partitions: readonly ImagePartition[],
  work: (path: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "diskseq-"));
  try {
    const path = join(directory, name);
    writeImage(path, smallImageBytes, partitions);
    return await work(path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes the file; refuses where there is one. */
export function writeImage(
  path: string,
  size: number,
  partitions: readonly ImagePartition[],
): void {
  const sectors = size / sector;
  const entries = encodeEntries(partitions);
  const disk = encodeGuid(randomUUID());
  const primary = encodeHeader({ sectors, disk, entries, at: 1, other: sectors - 1, first: 2 });
  const backup = encodeHeader({
    sectors,
    disk,
    entries,
    at: sectors - 1,
    other: 1,
    first: sectors - 1 - entrySectors,
  });
  const file = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(file, size);
    const put = (bytes: Buffer, at: number) => writeSync(file, bytes, 0, bytes.length, at * sector);
    put(encodeProtectiveMbr(sectors), 0);
    put(primary, 1);
    put(entries, 2);
    put(entries, sectors - 1 - entrySectors);
    put(backup, sectors - 1);
  } finally {
    closeSync(file);
  }
}

function encodeProtectiveMbr(sectors: number): Buffer {
  const bytes = Buffer.alloc(sector);
  const entry = 446;
  bytes.writeUIntBE(0x000200, entry + 1, 3);
  bytes.writeUInt8(0xee, entry + 4);
  bytes.writeUIntBE(0xffffff, entry + 5, 3);
  bytes.writeUInt32LE(1, entry + 8);
  bytes.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), entry + 12);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

interface Header {
  readonly sectors: number;
  readonly disk: Buffer;
  readonly entries: Buffer;
  /** Where it is, where its copy is, where its entries begin. */
  readonly at: number;
  readonly other: number;
  readonly first: number;
}

function encodeHeader({ sectors, disk, entries, at, other, first }: Header): Buffer {
  const bytes = Buffer.alloc(sector);
  bytes.write("EFI PART", 0, "latin1");
  bytes.writeUInt32LE(0x00010000, 8);
  bytes.writeUInt32LE(headerBytes, 12);
  bytes.writeBigUInt64LE(BigInt(at), 24);
  bytes.writeBigUInt64LE(BigInt(other), 32);
  bytes.writeBigUInt64LE(BigInt(2 + entrySectors), 40);
  bytes.writeBigUInt64LE(BigInt(sectors - 2 - entrySectors), 48);
  disk.copy(bytes, 56);
  bytes.writeBigUInt64LE(BigInt(first), 72);
  bytes.writeUInt32LE(entryCount, 80);
  bytes.writeUInt32LE(entryBytes, 84);
  bytes.writeUInt32LE(crc32(entries), 88);
  // Counted with its own field still zero.
  bytes.writeUInt32LE(crc32(bytes.subarray(0, headerBytes)), 16);
  return bytes;
}

function encodeEntries(partitions: readonly ImagePartition[]): Buffer {
  const bytes = Buffer.alloc(entryCount * entryBytes);
  partitions.forEach(({ name, type, start, size }, index) => {
    const entry = bytes.subarray(index * entryBytes, (index + 1) * entryBytes);
    encodeGuid(type).copy(entry, 0);
    encodeGuid(randomUUID()).copy(entry, 16);
    entry.writeBigUInt64LE(BigInt(start / sector), 32);
    entry.writeBigUInt64LE(BigInt((start + size) / sector - 1), 40);
    entry.write(name.slice(0, 36), 56, "utf16le");
  });
  return bytes;
}

/** The first three groups are little-endian. */
function encodeGuid(text: string): Buffer {
  const groups = text.split("-").map((group) => Buffer.from(group, "hex"));
  return Buffer.concat(groups.map((group, index) => (index < 3 ? group.reverse() : group)));
}
