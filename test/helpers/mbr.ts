/**
 * Writes partition tables of the DOS kind that no tool would write.
 *
 * Bytes 446-509 of a table's sector are four entries of 16 bytes: type at 4, first sector at 8,
 * number of sectors at 12; 0x55 0xaa at 510.
 */
import { patchImage } from "./images.ts";

const sector = 512;

export interface MbrEntry {
  readonly type: number;
  /** Sectors; in a chain relative, as on disk. */
  readonly start: number;
  readonly size: number;
}

/** Writes a table of up to four entries into the sector. */
export function writeMbr(path: string, at: number, entries: readonly MbrEntry[]): void {
  const bytes = Buffer.alloc(sector);
  entries.forEach(({ type, start, size }, index) => {
    const entry = 446 + 16 * index;
    bytes.writeUInt8(type, entry + 4);
    bytes.writeUInt32LE(start, entry + 8);
    bytes.writeUInt32LE(size, entry + 12);
  });
  bytes.writeUInt16LE(0xaa55, 510);
  patchImage(path, at * sector, bytes);
}
