/**
 * What the simulated kernel is told at start and never changes: its version and module parameters,
 * and what its partition parsers make of every image. No part of the state.
 */
import { Era } from "./eras.ts";

/** Byte offsets of an image's record. */
export enum ImageFact {
  /** `ImageKind` */
  Kind = 0,
  /** 1: it can be opened for writing. */
  Writable = 4,
  /** Logical block size of what it lies on. */
  DeviceBlockSize = 8,
  /** `TableKind` */
  Table = 12,
  /** Sector size that the table is written in. */
  SectorSize = 16,
  Entries = 20,
  /** 64-bit: st_dev as the kernel encodes it, st_ino, st_rdev; sectors of 512 bytes that a GPT
   *  needs to be believed; the byte of the image that the table counts from. */
  Device = 24,
  Inode = 32,
  Rdev = 40,
  SectorsMin = 48,
  TableAt = 56,
  Bytes = 64,
}

export enum ImageKind {
  Regular = 0,
  Block = 1,
  /** A directory, a pipe. */
  Other = 2,
}

export enum TableKind {
  None = 0,
  /** Found only at its own sector size. */
  Gpt = 1,
  /** In units of the device's block size. */
  Mbr = 2,
}

/** Byte offsets of an entry; texts end with a NUL. */
export enum EntryFact {
  Number = 0,
  /** 64-bit, sectors of 512 bytes */
  Start = 8,
  Size = 16,
  Uuid = 24,
  Name = 64,
  Bytes = 176,
}

export class Setup {
  readonly era: Era;
  readonly images: i32;
  readonly entries: i32;
  readonly maxPart: i32;
  /** 0: this kernel was built without partition parsers. */
  readonly parsers: i32;
  readonly buffer: ArrayBuffer;
  readonly view: DataView;
  private readonly stride: i32;

  constructor(era: Era, images: i32, entries: i32, maxPart: i32, parsers: i32) {
    const stride = ImageFact.Bytes + entries * EntryFact.Bytes;
    const buffer = new ArrayBuffer(images * stride);
    this.era = era;
    this.images = images;
    this.entries = entries;
    this.maxPart = maxPart;
    this.parsers = parsers;
    this.buffer = buffer;
    this.view = new DataView(buffer);
    this.stride = stride;
  }

  imageAt(image: i32): i32 {
    assert(image >= 0 && image < this.images);
    return image * this.stride;
  }

  get(image: i32, fact: i32): i32 {
    return this.view.getInt32(this.imageAt(image) + fact, true);
  }

  get64(image: i32, fact: i32): u64 {
    return this.view.getUint64(this.imageAt(image) + fact, true);
  }

  entryAt(image: i32, entry: i32): i32 {
    assert(entry >= 0 && entry < this.entries);
    return this.imageAt(image) + ImageFact.Bytes + entry * EntryFact.Bytes;
  }
}
