/**
 * The DOS partition table: four slots in sector 0, and one sector of four for every logical
 * partition. Decodes bytes that somebody else has read; follows no chain itself. What Linux makes
 * of it: block/partitions/msdos.c.
 *
 *   sector  0x1b8 disk signature | 0x1be four slots of 16 bytes | 0x1fe 55 aa
 *   slot    0 boot (00 or 80) | 4 type | 8 first sector | 12 sectors
 */

export enum Mbr {
  SectorBytes = 512,
  Slots = 4,
  /** Logical partitions are numbered from here. */
  FirstLogical = 5,
  /** The kernel follows so many links without a partition, then stops (loopct). */
  EmptyLinksMax = 100,
}

/** What a first sector is. */
export enum MbrKind {
  /** Nothing that Linux takes for a table. */
  None = 0,
  Dos = 1,
  /** A slot of type 0xee: DOS tools keep off, Linux too; GPT only if it is at LBA 1. */
  Protective = 2,
  /** 0xee somewhere, but not as UEFI wants it: neither GPT nor DOS for Linux. */
  ProtectiveElsewhere = 3,
}

const EFI_GPT: u32 = 0xee;

/** Judges the first `bytes` of a disk, which lie at `at`. */
export function mbrKind(view: DataView, at: i32, bytes: i32): i32 {
  if (bytes < Mbr.SectorBytes || !hasMagic(view, at)) return MbrKind.None;
  let protectiveSlots = 0;
  let goodSlots = 0;
  for (let slot = 0; slot < Mbr.Slots; slot++) {
    if (mbrType(view, at, slot) !== EFI_GPT) continue;
    protectiveSlots++;
    if (mbrStart(view, at, slot) === u64(1)) goodSlots++;
  }
  if (goodSlots > 0) return MbrKind.Protective;
  if (isAix(view, at, bytes)) return MbrKind.None;
  for (let slot = 0; slot < Mbr.Slots; slot++) {
    const boot = view.getUint8(at + 0x1be + slot * 16);
    // A FAT boot sector without a table, or no table at all: either way no partitions.
    if (boot !== 0 && boot !== 0x80) return MbrKind.None;
  }
  return protectiveSlots > 0 ? MbrKind.ProtectiveElsewhere : MbrKind.Dos;
}

/** 55 aa at the end of a sector of 512 bytes. */
export function hasMagic(view: DataView, at: i32): bool {
  if (at + Mbr.SectorBytes > view.byteLength) return false;
  return view.getUint8(at + 510) === 0x55 && view.getUint8(at + 511) === 0xaa;
}

/**
 * Linux leaves a disk to its AIX parser (msdos.c, aix_magic_present) when it begins with "IBMA" in
 * EBCDIC, has "_LVM" in sector 7, and no slot of a type that only others use.
 */
function isAix(view: DataView, at: i32, bytes: i32): bool {
  if (view.getUint32(at, false) !== 0xc9c2d4c1) return false;
  for (let slot = 0; slot < Mbr.Slots; slot++) {
    const type = mbrType(view, at, slot);
    // Linux swap (and old Solaris), Linux RAID, Linux, Linux LVM.
    if (type === 0x82 || type === 0xfd || type === 0x83 || type === 0x8e) return false;
    if (mbrIsExtended(type)) return false;
  }
  const label = 7 * Mbr.SectorBytes;
  return bytes >= label + 4 && view.getUint32(at + label, false) === 0x5f4c564d;
}

/** Disk signature; its eight hex digits begin every MBR partition's uuid. */
export function diskSignature(view: DataView, at: i32): u32 {
  return view.getUint32(at + 0x1b8, true);
}

export function mbrType(view: DataView, at: i32, slot: i32): u32 {
  return u32(view.getUint8(at + 0x1be + slot * 16 + 4));
}

/** First sector, in sectors of the disk's logical size, relative to what the slot's sector is. */
export function mbrStart(view: DataView, at: i32, slot: i32): u64 {
  return u64(view.getUint32(at + 0x1be + slot * 16 + 8, true));
}

export function mbrSize(view: DataView, at: i32, slot: i32): u64 {
  return u64(view.getUint32(at + 0x1be + slot * 16 + 12, true));
}

/**
 * Types whose inside the kernel reads by parsers that we do not have (msdos.c, subtypes): BSD,
 * Minix, UnixWare, Solaris. Old Solaris is left out: its type is that of Linux swap.
 */
export function mbrIsNesting(type: u32): bool {
  if (type === 0xa5 || type === 0xa6 || type === 0xa9) return true;
  return type === 0x81 || type === 0x63 || type === 0xbf;
}

/** DOS, Windows 98 and Linux extended partitions. */
export function mbrIsExtended(type: u32): bool {
  return type === 0x05 || type === 0x0f || type === 0x85;
}
