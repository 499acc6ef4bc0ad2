/**
 * The images of a simulation: files of the machine, which are only ever read, and images that a
 * test gives in memory. Tells the model their sizes and tables whenever these can have changed.
 */
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from "node:fs";
import { resolve } from "node:path";
import { ImageKind } from "../../assembly/kernel/setup.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import type { FileFacts } from "../kernel.ts";
import type { Model } from "./model.ts";
import { type TableFacts, TableReader } from "./table-reader.ts";

/** An image in memory: its bytes, or its size and the pieces that are not zero. */
export type SimImage =
  | Uint8Array
  | {
      readonly size: number;
      readonly pieces?: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
      readonly isWritable?: boolean;
    };

/** Where the bytes of an image come from. */
export interface Source {
  size(): bigint;
  read(offset: bigint, into: Uint8Array): void;
}

interface Known {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
  readonly kind: ImageKind;
  readonly isWritable: boolean;
  source: Source;
  /** what the model was told */
  size: bigint;
  table: TableFacts;
  isDeleted: boolean;
  readonly descriptor: number;
}

/** A device that no machine has: 4095:0. */
const memoryDevice = 0xfff00n;
const noTable: TableFacts = { table: 0 };

export class Images {
  readonly #model: Model;
  readonly #max: number;
  readonly #tables: TableReader;
  readonly #known: Known[] = [];
  /** images in memory by their path */
  readonly #memory = new Map<string, number>();

  constructor(model: Model, max: number, entriesMax: number) {
    this.#model = model;
    this.#max = max;
    this.#tables = new TableReader(entriesMax);
  }

  /** Puts an image in memory at a path, or changes the one that is there. */
  put(path: string, image: SimImage): void {
    const key = resolve(path);
    const source = memorySource(image);
    const known = this.#known[this.#memory.get(key) ?? -1];
    if (known && !known.isDeleted) {
      known.source = source;
      this.sync();
      return;
    }
    const isWritable = image instanceof Uint8Array || image.isWritable !== false;
    const inode = BigInt(this.#known.length + 1);
    const index = this.#add({
      ...{ path: key, device: memoryDevice, inode, kind: ImageKind.Regular, isWritable },
      ...{ source, size: 0n, table: noTable, isDeleted: false, descriptor: -1 },
    });
    if (index < 0) throw new RangeError(`more than ${this.#max} images`);
    this.#memory.set(key, index);
  }

  /** No path leads to an image in memory any more; who has it open still has it. */
  remove(path: string): void {
    const key = resolve(path);
    const index = this.#memory.get(key);
    if (index === undefined) throw new RangeError(`no image in memory: ${path}`);
    this.#memory.delete(key);
    this.#markDeleted(index);
  }

  /** The image that a path leads to, or -errno. */
  find(path: string): number {
    const memory = this.#memory.get(resolve(path));
    if (memory !== undefined) return memory;
    try {
      return this.#file(path, statSync(path, { bigint: true }), () => realpathSync(path));
    } catch (error) {
      return errnoOf(error);
    }
  }

  /** The image behind a descriptor of this process, or -errno. */
  ofDescriptor(descriptor: number): number {
    try {
      const link = `/proc/self/fd/${descriptor}`;
      return this.#file(link, fstatSync(descriptor, { bigint: true }), () => readlinkSync(link));
    } catch (error) {
      return errnoOf(error);
    }
  }

  /** How a descriptor of this process was opened. */
  flagsOf(descriptor: number): number {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1");
    return Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? "0", 8);
  }

  facts(path: string): FileFacts | undefined {
    const known = this.#known[this.#memory.get(resolve(path)) ?? -1];
    if (known) {
      return { isBlockDevice: false, device: known.device, inode: known.inode, rdev: 0n };
    }
    try {
      const { dev: device, ino: inode, mode } = statSync(path, { bigint: true });
      // Devices of the machine are none of the simulation's.
      if ((Number(mode) & constants.S_IFMT) === constants.S_IFBLK) return undefined;
      return { isBlockDevice: false, device, inode, rdev: 0n };
    } catch {
      return undefined;
    }
  }

  /** As the kernel shows it. */
  path(index: number): string | undefined {
    const known = this.#known[index];
    return known && `${known.path}${known.isDeleted ? " (deleted)" : ""}`;
  }

  /** Tells the model of files that grew, shrank or lost their path. */
  sync(): void {
    for (const [index, known] of this.#known.entries()) {
      const size = known.kind === ImageKind.Regular ? known.source.size() : 0n;
      if (size !== known.size) {
        known.size = size;
        this.#model.truncate(index, size);
      }
      if (known.descriptor >= 0 && !known.isDeleted && !isThere(known)) this.#markDeleted(index);
    }
  }

  /** Tells the model of the table that a device shows which begins at `offset`. */
  readTable(index: number, offset: bigint, sizeLimit: bigint): void {
    const known = this.#known[index];
    if (known === undefined || known.kind !== ImageKind.Regular) return;
    known.table = this.#tables.read(known.source, offset, sizeLimit);
    this.#tell(index, known);
  }

  read(index: number, offset: bigint, into: Uint8Array): void {
    this.#known[index]?.source.read(offset, into);
  }

  close(): void {
    for (const { descriptor } of this.#known) if (descriptor >= 0) closeSync(descriptor);
    this.#known.length = 0;
    this.#memory.clear();
  }

  #file(path: string, stats: BigIntStats, name: () => string): number {
    if (stats.isBlockDevice()) return -Errno.ENXIO;
    const { dev: device, ino: inode } = stats;
    const index = this.#known.findIndex(
      (known) => known.device === device && known.inode === inode && !known.isDeleted,
    );
    if (index >= 0) return index;
    const isFile = stats.isFile();
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    const descriptor = isFile ? openSync(path, flags) : -1;
    const added = this.#add({
      path: name(),
      ...{ device, inode, isWritable: isFile && mayWrite(path) },
      kind: isFile ? ImageKind.Regular : ImageKind.Other,
      ...{ source: fileSource(descriptor), size: 0n, table: noTable },
      ...{ isDeleted: false, descriptor },
    });
    if (added < 0 && descriptor >= 0) closeSync(descriptor);
    return added;
  }

  #add(known: Known): number {
    const index = this.#known.length;
    if (index === this.#max) return -Errno.ENFILE;
    known.size = known.kind === ImageKind.Regular ? known.source.size() : 0n;
    this.#known.push(known);
    this.#tell(index, known);
    return index;
  }

  #tell(index: number, known: Known): void {
    const { device, inode, kind, isWritable, size, table } = known;
    this.#model.setImage(index, { bytes: size, device, inode, kind, isWritable, ...table });
  }

  #markDeleted(index: number): void {
    const known = this.#known[index];
    if (known) known.isDeleted = true;
    this.#model.unlink(index);
  }
}

function memorySource(image: SimImage): Source {
  const isBytes = image instanceof Uint8Array;
  const pieces = isBytes ? [{ offset: 0, bytes: image }] : (image.pieces ?? []);
  const size = BigInt(isBytes ? image.length : image.size);
  return {
    size: () => size,
    read: (from, into) => {
      into.fill(0);
      const start = Number(from);
      for (const { offset, bytes } of pieces) {
        const first = Math.max(offset, start);
        const last = Math.min(offset + bytes.length, start + into.length);
        if (first < last) into.set(bytes.subarray(first - offset, last - offset), first - start);
      }
    },
  };
}

function fileSource(descriptor: number): Source {
  return {
    size: () => (descriptor < 0 ? 0n : fstatSync(descriptor, { bigint: true }).size),
    read: (offset, into) => {
      into.fill(0);
      for (let done = 0; done < into.length; ) {
        const at = offset + BigInt(done);
        const count = readSync(descriptor, into, done, into.length - done, at);
        if (count === 0) break;
        done += count;
      }
    },
  };
}

function isThere({ path, device, inode }: Known): boolean {
  try {
    const stats = statSync(path, { bigint: true });
    return stats.dev === device && stats.ino === inode;
  } catch {
    return false;
  }
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function errnoOf(error: unknown): number {
  const { errno } = error as NodeJS.ErrnoException;
  return typeof errno === "number" ? errno : -Errno.EIO;
}
