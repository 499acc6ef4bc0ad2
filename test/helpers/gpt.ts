/**
 * Spoils a GPT of 512-byte sectors: bad copies, and bad entries under good checksums.
 *
 * UEFI 2.10, 5.3: the header is 92 bytes at sector 1 and, as a copy, in the last sector; 128
 * entries of 128 bytes begin at the sector that the header names.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

const sector = 512;
const headerBytes = 92;
const entryBytes = 128;
const entriesBytes = 128 * entryBytes;

export type Copy = "primary" | "backup";

/** A bit of the header's checksum is flipped. */
export function damageGpt(path: string, copy: Copy): void {
  edit(path, (file, size) => {
    const at = headerAt(copy, size);
    const header = read(file, at, sector);
    header.writeUInt8(header.readUInt8(16) ^ 1, 16);
    writeSync(file, header, 0, sector, at);
  });
}

/** Sets first and last sector of an entry in both copies, and makes the checksums right. */
export function moveGptEntry(path: string, number: number, first: bigint, last: bigint): void {
  edit(path, (file, size) => {
    for (const copy of ["primary", "backup"] as const) {
      const at = headerAt(copy, size);
      const header = read(file, at, sector);
      const entriesAt = Number(header.readBigUInt64LE(72)) * sector;
      const entries = read(file, entriesAt, entriesBytes);
      entries.writeBigUInt64LE(first, (number - 1) * entryBytes + 32);
      entries.writeBigUInt64LE(last, (number - 1) * entryBytes + 40);
      header.writeUInt32LE(crc32(entries), 88);
      header.writeUInt32LE(0, 16);
      header.writeUInt32LE(crc32(header.subarray(0, headerBytes)), 16);
      writeSync(file, entries, 0, entriesBytes, entriesAt);
      writeSync(file, header, 0, sector, at);
    }
  });
}

function headerAt(copy: Copy, size: number): number {
  return copy === "primary" ? sector : size - sector;
}

function edit(path: string, change: (file: number, size: number) => void): void {
  const file = openSync(path, "r+");
  try {
    change(file, fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}

function read(file: number, at: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  readSync(file, buffer, 0, bytes, at);
  return buffer;
}
