/**
 * Pieces of an image as a redacted trace shows them: built anew from blank bytes, of nothing but
 * what a partition table says by numbers and types. Names, unique GUIDs and signatures get
 * stand-ins; a checksum that was right is right again and one that was wrong stays wrong.
 *
 * What is written here is read from the core: which piece of what it asked for, and the checksum so
 * far. An entry array's own checksum comes before the array, so that is masked, and the array is
 * made to fit it by four bytes that the core never looks at.
 */
import { crc32 } from "node:zlib";
import { Limit } from "../../assembly/abi.ts";
import { Field } from "../../assembly/core/state.ts";
import { Step } from "../../assembly/core/steps.ts";
import { Gpt } from "../../assembly/wire/gpt.ts";
import { Mbr } from "../../assembly/wire/mbr.ts";
import type { CoreCall } from "../core-types.ts";
import { patchCrc } from "./crc-patch.ts";
import type { StandIns } from "./stand-ins.ts";

/** A field of the operation that has made a call. */
export type ReadField = (field: Field) => bigint;

/** What is under way, in the core that is recorded and in the one that is redacted. */
export interface Reader {
  readonly standIns: StandIns;
  readonly real: ReadField;
  readonly shadow: ReadField;
}

const signature = "EFI PART";
const entryAttributes = 48;

/** What a `Call.Pread` left, redacted. */
export function redactPiece(call: CoreCall, bytes: Buffer, reader: Reader): Buffer {
  const blank = Buffer.alloc(bytes.length);
  // One that came short says nothing but that.
  if (bytes.length < call.bytes) return blank;
  const position = Number(call.argument - reader.real(Field.Offset));
  switch (call.step) {
    case Step.ReadHead:
      putMbr(bytes, blank, reader.standIns);
      putHeaders(bytes, blank, position, reader, (size) => size);
      return blank;
    case Step.ReadTail: {
      const capacity = Number(reader.real(Field.Capacity));
      const last = (size: number) => (Math.floor(capacity / size) - 1) * size;
      putHeaders(bytes, blank, position, reader, last);
      return blank;
    }
    case Step.ReadOtherHeader: {
      const size = Number(reader.real(Field.SectorSize));
      putHeader(bytes, blank, 0, size, BigInt(position / size), reader.standIns);
      return blank;
    }
    case Step.ReadEntries:
      putEntries(bytes, blank, reader);
      return blank;
    case Step.ReadLogical:
      if (hasMagic(bytes)) putSlots(bytes, blank);
      return blank;
    default:
      throw new Error("a piece of the image that no step asks for");
  }
}

/* MBR. */

function hasMagic(bytes: Buffer): boolean {
  return bytes.length >= Mbr.SectorBytes && bytes.readUInt16LE(0x1fe) === 0xaa55;
}

const slotsAt = 0x1be;
const slotBytes = 16;

/** What makes a sector a table or none, and the numbers of one that is. */
function putMbr(from: Buffer, to: Buffer, standIns: StandIns): void {
  if (!hasMagic(from)) return;
  const slots = Array.from({ length: Mbr.Slots }, (_, slot) => slotsAt + slot * slotBytes);
  const isProtective = slots.some((at) => from[at + 4] === 0xee && from.readUInt32LE(at + 8) === 1);
  const isBootable = slots.every((at) => from[at] === 0 || from[at] === 0x80);
  if (!isProtective && !isBootable) {
    // The boot sector of a file system: no table, and its bytes are anything.
    to.writeUInt16LE(0xaa55, 0x1fe);
    to[slotsAt] = 1;
    return;
  }
  putSlots(from, to);
  standIns.bytes(from.subarray(0x1b8, 0x1bc)).copy(to, 0x1b8);
  // Signs of AIX, which has disks of its own.
  for (const [at, sign] of [
    [0, 0xc9c2d4c1],
    [7 * Mbr.SectorBytes, 0x5f4c564d],
  ] as const) {
    if (from.length >= at + 4 && from.readUInt32BE(at) === sign) to.writeUInt32BE(sign, at);
  }
}

function putSlots(from: Buffer, to: Buffer): void {
  to.writeUInt16LE(0xaa55, 0x1fe);
  for (let slot = 0; slot < Mbr.Slots; slot++) {
    const at = slotsAt + slot * slotBytes;
    to[at] = (from[at] ?? 0) & 0x80;
    from.copy(to, at + 4, at + 4, at + 5);
    from.copy(to, at + 8, at + 8, at + slotBytes);
  }
}

/* GPT. */

/** Headers of all sector sizes, each where it would be. */
function putHeaders(
  from: Buffer,
  to: Buffer,
  position: number,
  { standIns }: Reader,
  place: (sectorSize: number) => number,
): void {
  for (let size = 512; size <= 4096; size *= 2) {
    const at = place(size) - position;
    putHeader(from, to, at, size, BigInt(place(size) / size), standIns);
  }
}

function putHeader(
  from: Buffer,
  to: Buffer,
  at: number,
  size: number,
  lba: bigint,
  standIns: StandIns,
): void {
  if (at < 0 || at + size > from.length) return;
  const header = from.subarray(at, at + size);
  if (!isHeader(header, lba)) return;
  const bytes = header.readUInt32LE(12);
  const redacted = to.subarray(at, at + bytes);
  header.copy(redacted, 0, 0, 16);
  header.copy(redacted, 24, 24, 56);
  standIns.bytes(header.subarray(56, 72)).copy(redacted, 56);
  header.copy(redacted, 72, 72, 88);
  redacted.writeUInt32LE((header.readUInt32LE(88) ^ standIns.mask()) >>> 0, 88);
  redacted.writeUInt32LE(crc32(redacted), 16);
}

/** Whether the core takes it; to that, every other one is as good as none. */
function isHeader(header: Buffer, lba: bigint): boolean {
  if (header.toString("latin1", 0, signature.length) !== signature) return false;
  const bytes = header.readUInt32LE(12);
  if (bytes < Gpt.HeaderBytes || bytes > header.length) return false;
  const summed = Buffer.from(header.subarray(0, bytes));
  summed.writeUInt32LE(0, 16);
  return crc32(summed) === header.readUInt32LE(16) && header.readBigUInt64LE(24) === lba;
}

/** A piece of the array: whole entries, or a part of a very large one. */
function putEntries(from: Buffer, to: Buffer, { standIns, real, shadow }: Reader): void {
  const entryBytes = Number(BigInt.asUintN(32, real(Field.EntryBytes)));
  const done = Number(real(Field.EntriesDone));
  const isWhole = entryBytes <= Limit.BufferBytes;
  if (done % entryBytes === 0) {
    for (let at = 0; at < from.length; at += entryBytes) putEntry(from, to, at, standIns);
  }
  const total = Number(BigInt.asUintN(32, real(Field.EntryCount))) * entryBytes;
  if (done + from.length < total) return;
  const crcOf = (read: ReadField) => Number(BigInt.asUintN(32, read(Field.Crc)));
  const wanted = (crc32(from, crcOf(real)) ^ standIns.mask()) >>> 0;
  const patchAt = to.length - (isWhole ? entryBytes - entryAttributes : 4);
  patchCrc(to, patchAt, crcOf(shadow), wanted);
}

function putEntry(from: Buffer, to: Buffer, at: number, standIns: StandIns): void {
  const entry = from.subarray(at, at + Gpt.EntryBytes);
  if (entry.subarray(0, Gpt.UniqueGuid).every((byte) => byte === 0)) return;
  const redacted = to.subarray(at, at + Gpt.EntryBytes);
  entry.copy(redacted, 0, 0, Gpt.UniqueGuid);
  standIns.bytes(entry.subarray(Gpt.UniqueGuid, 32)).copy(redacted, Gpt.UniqueGuid);
  entry.copy(redacted, 32, 32, entryAttributes);
  const name = entry.toString("utf16le", Gpt.Name, Gpt.Name + Gpt.NameBytes);
  redacted.write(standIns.text(name.split("\0", 1)[0] ?? ""), Gpt.Name, "utf16le");
}
