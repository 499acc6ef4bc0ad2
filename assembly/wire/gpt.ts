/**
 * The GUID partition table: a header at LBA 1, its copy at the last LBA, an array of entries.
 * Decodes and judges bytes that somebody else has read. Source: UEFI 2.10 section 5.3; which table
 * Linux accepts: block/partitions/efi.c (is_gpt_valid, is_pmbr_valid, is_pte_valid).
 *
 *   header  0 "EFI PART" | 8 revision | 12 header bytes | 16 header CRC | 20 0 | 24 my LBA
 *           32 other LBA | 40 first usable | 48 last usable | 56 disk GUID | 72 entries LBA
 *           80 entry count | 84 entry bytes | 88 entries CRC | 92 end
 *   entry   0 type GUID | 16 unique GUID | 32 first LBA | 40 last LBA | 48 attributes | 56 name, 72
 */
import { Crc32 } from "./crc32.ts";

export enum Gpt {
  HeaderBytes = 92,
  /** What Linux reads: sizeof(gpt_entry). UEFI allows 128 times any power of two. */
  EntryBytes = 128,
  TypeGuid = 0,
  UniqueGuid = 16,
  Name = 56,
  NameBytes = 72,
  /** More entries than this are no table; the kernel itself gives up above 4 MiB. */
  EntriesBytesMax = 16777216,
  KernelEntriesBytesMax = 4194304,
}

/** Why bytes are no header. */
export enum GptFault {
  Ok = 0,
  Signature = 1,
  HeaderBytes = 2,
  HeaderCrc = 3,
  /** It says that it lies elsewhere. */
  Position = 4,
}

/** One header, decoded into this one object. */
export class GptHeader {
  otherLba: u64 = u64(0);
  firstUsable: u64 = u64(0);
  lastUsable: u64 = u64(0);
  entriesLba: u64 = u64(0);
  entryCount: u32 = 0;
  entryBytes: u32 = 0;
  entriesCrc: u32 = 0;
  private readonly crc: Crc32;

  constructor(crc: Crc32) {
    this.crc = crc;
  }

  /** Decodes the header at `at`, which was read from `lba`; the view holds the whole sector. */
  decode(view: DataView, at: i32, sectorSize: i32, lba: u64): i32 {
    if (at + sectorSize > view.byteLength) return GptFault.Signature;
    // "EFI PART"
    if (view.getUint32(at, true) !== 0x20494645) return GptFault.Signature;
    if (view.getUint32(at + 4, true) !== 0x54524150) return GptFault.Signature;
    const bytes = view.getUint32(at + 12, true);
    if (bytes < u32(Gpt.HeaderBytes) || bytes > u32(sectorSize)) return GptFault.HeaderBytes;
    let sum = this.crc.update(0, view, at, 16);
    sum = this.crc.updateZeros(sum, 4);
    sum = this.crc.update(sum, view, at + 20, i32(bytes) - 20);
    if (sum !== view.getUint32(at + 16, true)) return GptFault.HeaderCrc;
    if (view.getUint64(at + 24, true) !== lba) return GptFault.Position;
    this.otherLba = view.getUint64(at + 32, true);
    this.firstUsable = view.getUint64(at + 40, true);
    this.lastUsable = view.getUint64(at + 48, true);
    this.entriesLba = view.getUint64(at + 72, true);
    this.entryCount = view.getUint32(at + 80, true);
    this.entryBytes = view.getUint32(at + 84, true);
    this.entriesCrc = view.getUint32(at + 88, true);
    return GptFault.Ok;
  }

  /** Bytes of the entry array. */
  entriesBytes(): u64 {
    return u64(u64(this.entryCount) * u64(this.entryBytes));
  }

  /** Whether the array can be read at all on a disk of so many LBAs. */
  isReadable(lbaCount: u64, sectorSize: i32): bool {
    if (this.entryBytes < u32(Gpt.EntryBytes) || this.entryBytes % 8 !== 0) return false;
    if (this.entryCount === 0 || this.entriesBytes() > u64(Gpt.EntriesBytesMax)) return false;
    if (this.entriesLba >= lbaCount) return false;
    const room = u64(u64(lbaCount - this.entriesLba) * u64(sectorSize));
    return this.entriesBytes() <= room;
  }

  /** Whether Linux takes this header, given that its CRC and its place are good. */
  isForKernel(lastLba: u64): bool {
    return (
      this.firstUsable <= lastLba &&
      this.lastUsable <= lastLba &&
      this.lastUsable >= this.firstUsable &&
      this.entryBytes === u32(Gpt.EntryBytes) &&
      this.entriesBytes() <= u64(Gpt.KernelEntriesBytesMax)
    );
  }
}

/** Whether an entry holds a partition: its type GUID is not zero. */
export function gptEntryIsUsed(view: DataView, at: i32): bool {
  return view.getUint64(at, true) !== u64(0) || view.getUint64(at + 8, true) !== u64(0);
}

export function gptEntryFirst(view: DataView, at: i32): u64 {
  return view.getUint64(at + 32, true);
}

export function gptEntryLast(view: DataView, at: i32): u64 {
  return view.getUint64(at + 40, true);
}
