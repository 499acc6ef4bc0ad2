/**
 * The images of a trace, as the model has them: which bytes of them were read, hence what the
 * kernel's parsers would make of them.
 */
import { ImageKind, TableKind } from "../../../assembly/kernel/setup.ts";
import type { Model, ModelImage } from "../model.ts";
import { TableReader } from "../table-reader.ts";
import type { Listed } from "./answers.ts";
import type { Outlook } from "./outlook.ts";

const pieceBytes = 512;

/** Bytes that were read of an image, in pieces of a sector. */
type Pieces = Map<bigint, Uint8Array>;

export class TracedImages {
  readonly #model: Model;
  readonly #outlook: Outlook;
  readonly #tables: TableReader;
  readonly #pieces = new Map<number, Pieces>();
  /** partitions of images that nobody read: as they were found on a device */
  readonly #found = new Map<number, readonly Listed[]>();
  /** the place of one that others attach: nothing is known of it */
  readonly foreign: number;
  /** of what is no image: a directory, a disk of another driver */
  readonly other: number;

  constructor(model: Model, outlook: Outlook, entriesMax: number) {
    this.#model = model;
    this.#outlook = outlook;
    this.#tables = new TableReader(entriesMax);
    this.foreign = outlook.images.length;
    this.other = this.foreign + 1;
    this.#set(this.foreign, 1n << 20n);
    model.setImage(this.other, { bytes: 0, kind: ImageKind.Other });
    for (const image of outlook.images.keys()) this.#set(image, outlook.sizeAt(image, 0));
  }

  /** The place of an image, -1: the trace knows none of that inode. */
  find(device: bigint, inode: bigint): number {
    return this.#outlook.images.findIndex((one) => one.device === device && one.inode === inode);
  }

  /** Tells the model how big an image is at a record. */
  resize(image: number, index: number): void {
    this.#model.truncate(image, this.#outlook.sizeAt(image, index));
  }

  /** Another size than the trace says of it by itself. */
  setSize(image: number, bytes: bigint): void {
    this.#model.truncate(image, bytes);
  }

  /** What was read of an image. */
  learn(image: number, offset: bigint, bytes: Uint8Array): void {
    const pieces: Pieces = this.#pieces.get(image) ?? new Map();
    this.#pieces.set(image, pieces);
    for (let at = 0; at + pieceBytes <= bytes.length; at += pieceBytes) {
      pieces.set(offset + BigInt(at), bytes.slice(at, at + pieceBytes));
    }
  }

  /** A device had these partitions, so its image does. */
  learnPartitions(image: number, partitions: readonly Listed[]): void {
    this.#found.set(image, partitions);
  }

  /** Tells the model of the table that a device shows which begins at `offset`. */
  readTable(image: number, index: number, offset: bigint, sizeLimit: bigint): void {
    if (image < 0 || image >= this.foreign) return;
    const size = this.#outlook.sizeAt(image, index);
    const pieces = this.#pieces.get(image);
    if (pieces === undefined) {
      this.#set(image, size, this.#listed(image, offset));
      return;
    }
    const read = (from: bigint, into: Uint8Array): void => fill(pieces, from, into);
    const source = { size: () => size, read };
    this.#set(image, size, this.#tables.read(source, offset, sizeLimit));
  }

  #listed(image: number, tableAt: bigint): Partial<ModelImage> {
    const found = this.#found.get(image) ?? [];
    if (found.length === 0) return {};
    const entries = found.map(({ number, start, size }) => ({ number, start, size }));
    return { table: TableKind.Mbr, tableAt, entries };
  }

  #set(index: number, bytes: bigint, table: Partial<ModelImage> = {}): void {
    const { device = 1n, inode = BigInt(index + 1) } = this.#outlook.images[index] ?? {};
    this.#model.setImage(index, { bytes, device, inode, ...table });
  }
}

function fill(pieces: Pieces, from: bigint, into: Uint8Array): void {
  into.fill(0);
  const size = BigInt(pieceBytes);
  for (let at = from - (from % size); at < from + BigInt(into.length); at += size) {
    const piece = pieces.get(at);
    if (piece === undefined) continue;
    const skip = at < from ? Number(from - at) : 0;
    const to = at < from ? 0 : Number(at - from);
    into.set(piece.subarray(skip, skip + into.length - to), to);
  }
}
