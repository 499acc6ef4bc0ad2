/**
 * What others have made of the devices of a trace, on the model: how they had left a device when
 * the traced process came to it. What they do while it is at work are deeds.
 */
import { Routine } from "../../../assembly/kernel/routines.ts";
import { BlkpgOperation, LoFlag, OpenFlag } from "../../../assembly/wire/linux.ts";
import { type Model, type ModelCall, type ModelDisk, Step } from "../model.ts";
import type { Branch, Held } from "./branch.ts";
import type { Foresight, Found } from "./foresight.ts";
import type { TracedImages } from "./images.ts";

/** Processes of the model. */
export const TRACED = 0;
export const OTHERS = 1;
/** Hears the events. */
export const OBSERVER = 2;

const partscan = LoFlag.LO_FLAGS_PARTSCAN;
const autoclear = LoFlag.LO_FLAGS_AUTOCLEAR;

/** Of a device that nobody asked: device and inode are of no image. */
const unknown = { flags: 0, offset: 0n, sizeLimit: 0n, device: 0n, inode: 0n } as const;

export class Outsiders {
  readonly #model: Model;
  readonly #foresight: Foresight;
  readonly #images: TracedImages;
  readonly #control: number;

  /** The model's state is the one that the acceptance begins with. */
  constructor(model: Model, foresight: Foresight, images: TracedImages) {
    this.#model = model;
    this.#foresight = foresight;
    this.#images = images;
    this.#control = model.openControl(OTHERS, OpenFlag.O_RDWR);
  }

  /** The device is there, not bound, and has no partitions but those that are told. */
  free(branch: Branch, number: number): void {
    this.make(number);
    if (this.#model.disk(number)?.isBound) this.#detach(branch, number);
    this.sweep(number);
  }

  /** The device is as the trace finds it from its next record on; `isFree`: it is not bound. */
  adopt(branch: Branch, number: number, isFree: boolean): void {
    const told = this.#foresight.found(number, branch.index);
    const found = isFree ? { ...told, isBound: false } : told;
    this.free(branch, number);
    if (found.isBound) this.#bind(branch, number, found);
    else if (found.partitions.length > 0) this.#leavePartitions(number, found);
    branch.pairs.delete(number);
  }

  /** A descriptor of a device that a process has had since before the trace. */
  openFor(process: number, number: number): number {
    return this.#model.call(process, Routine.Open, { a: number, b: OpenFlag.O_RDONLY });
  }

  /** A device that is free goes to others. */
  occupy(number: number): void {
    const image = this.#model.openImage(OTHERS, this.#images.foreign, OpenFlag.O_RDWR);
    const disk = this.#attach(number, image, 0);
    this.call(Routine.Close, { a: disk });
    this.call(Routine.Close, { a: image });
  }

  /** The same, as the trace shows it next; false: it does not. */
  take(branch: Branch, number: number): boolean {
    const found = this.#foresight.found(number, branch.index);
    if (found.status !== undefined) this.#bind(branch, number, found);
    return found.status !== undefined;
  }

  /** The device is there. */
  make(number: number): void {
    if (this.#model.disk(number) === undefined) {
      this.call(Routine.ControlAdd, { a: this.#control, b: number });
    }
  }

  #bind(branch: Branch, number: number, found: Found): void {
    const { flags, offset, sizeLimit, device, inode } = found.status ?? unknown;
    const image = this.#images.find(device, inode);
    const index = image < 0 ? this.#images.foreign : image;
    this.#images.learnPartitions(index, found.partitions);
    this.#images.readTable(index, branch.index, offset, sizeLimit);
    const shown = found.size === undefined ? endOf(found) : found.size * 512n;
    this.#images.setSize(index, offset + (sizeLimit === 0n ? shown : sizeLimit));
    const isReadOnly = (flags & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
    const mode = isReadOnly ? OpenFlag.O_RDONLY : OpenFlag.O_RDWR;
    const file = this.#model.openImage(OTHERS, index, mode);
    const named = found.status && { name: found.status.name };
    const config = { d: found.blockSize, e: offset, f: sizeLimit, ...named };
    const disk = this.#attach(number, file, flags, config);
    this.call(Routine.Close, { a: file });
    this.#leavePartitions(number, found);
    // Somebody keeps it.
    if ((flags & autoclear) !== 0) this.hold(branch, number);
    this.call(Routine.Close, { a: disk });
  }

  /** Attaches as diskseq does: scanned once, by SET_STATUS64. -> the descriptor, still open */
  #attach(number: number, file: number, flags: number, more: ModelCall = {}): number {
    const mode = (flags & LoFlag.LO_FLAGS_READ_ONLY) !== 0 ? OpenFlag.O_RDONLY : OpenFlag.O_RDWR;
    const disk = this.call(Routine.Open, { a: number, b: mode });
    const config = { ...more, a: disk, b: file };
    const first = flags & ~partscan;
    if (this.call(Routine.Configure, { ...config, c: first }) < 0) {
      this.call(Routine.SetFd, config);
      this.call(Routine.SetStatus, { ...config, c: first });
    }
    const drain = this.call(Routine.Open, { a: number, b: OpenFlag.O_RDONLY });
    this.call(Routine.Close, { a: drain });
    if ((flags & partscan) !== 0) this.call(Routine.SetStatus, { ...config, c: flags });
    return disk;
  }

  /** Partitions that nobody's table has are somebody's BLKPG. */
  #leavePartitions(number: number, found: Found): void {
    const { partitions } = found;
    const there = new Set(this.#model.disk(number)?.partitions.map((one) => one.number));
    if (partitions.every((one) => there.has(one.number))) return;
    const isBound = this.#model.disk(number)?.isBound === true;
    const image = this.#model.openImage(OTHERS, this.#images.foreign, OpenFlag.O_RDWR);
    if (!isBound) {
      this.#images.setSize(this.#images.foreign, endOf(found));
      this.call(Routine.Close, { a: this.#attach(number, image, 0) });
    }
    const disk = this.call(Routine.Open, { a: number, b: OpenFlag.O_RDONLY });
    for (const one of partitions) {
      if (there.has(one.number)) continue;
      const [b, c] = [BlkpgOperation.BLKPG_ADD_PARTITION, one.number];
      this.call(Routine.Blkpg, { a: disk, b, c, e: one.start * 512n, f: one.size * 512n });
    }
    if (!isBound) this.call(Routine.ClearFd, { a: disk });
    this.call(Routine.Close, { a: disk });
    this.call(Routine.Close, { a: image });
  }

  /** Deletes all partitions; false: there are none. */
  sweep(number: number): boolean {
    const partitions = this.#model.disk(number)?.partitions ?? [];
    if (partitions.length === 0) return false;
    const b = BlkpgOperation.BLKPG_DEL_PARTITION;
    return this.#onDisk(number, (disk) => {
      for (const one of partitions) this.call(Routine.Blkpg, { a: disk, b, c: one.number });
      return true;
    });
  }

  /** The same, and nobody of them has one open any more. */
  letGoAndSweep(branch: Branch, number: number): boolean {
    this.#letGo(branch, (one) => one.number === number && one.partition > 0);
    return this.sweep(number);
  }

  #detach(branch: Branch, number: number): void {
    this.#letGo(branch, (one) => one.number === number);
    this.#clear(number);
  }

  #letGo(branch: Branch, isMeant: (one: Held) => boolean): void {
    for (const one of branch.held) if (isMeant(one)) this.call(Routine.Close, { a: one.file });
    branch.held = branch.held.filter((one) => !isMeant(one));
  }

  /** They open a device and keep it. */
  hold(branch: Branch, number: number, claim = 0): boolean {
    const file = this.call(Routine.Open, { a: number, b: OpenFlag.O_RDONLY | claim });
    if (file >= 0) branch.held = [...branch.held, { number, partition: 0, file }];
    return file >= 0;
  }

  /** A whole call of theirs: the result; -1: it would wait, or there is no room for it. */
  call(routine: Routine, call: ModelCall): number {
    const task = this.#model.begin(OTHERS, routine, call);
    if (task < 0 || this.#model.run(task) !== Step.Done) return -1;
    return this.#model.finish(task);
  }

  /** What the trace shows next and is not there: somebody's partitions, somebody's flag. */
  missing(branch: Branch, number: number): string | undefined {
    const found = this.#shown(number, branch.index);
    const disk = this.#model.disk(number);
    if (disk === undefined) return undefined;
    if (allows(found, disk)) return `loop${number}: partitions allowed`;
    const there = disk.partitions.map((one) => one.number);
    const isAll = found.partitions.every((one) => there.includes(one.number));
    return isAll ? undefined : `loop${number}: partitions added`;
  }

  /** Makes what is missing. */
  complete(branch: Branch, number: number): void {
    const found = this.#shown(number, branch.index);
    const disk = this.#model.disk(number);
    if (disk !== undefined && allows(found, disk)) {
      // As partx does, which makes all of them anew.
      this.#allowPartscan(number, disk);
      this.sweep(number);
    }
    this.#leavePartitions(number, found);
  }

  /** Also partitions that were gone when they were listed, and unplugged as this instance's. */
  #shown(number: number, from: number): Found {
    const found = this.#foresight.found(number, from);
    const listed = new Set(found.partitions.map((one) => one.number));
    const gone = this.#foresight.unplugged(number, from, true);
    return {
      ...found,
      partitions: [...found.partitions, ...gone.filter((one) => !listed.has(one.number))],
    };
  }

  #allowPartscan(number: number, { flags, offset, sizeLimit }: ModelDisk): void {
    const name = this.#foresight.nameOf(number);
    const status = { c: flags | partscan, e: offset, f: sizeLimit, ...(name && { name }) };
    this.#onDisk(number, (a) => this.call(Routine.SetStatus, { a, ...status }) === 0);
  }

  #clear(number: number): boolean {
    return this.#onDisk(number, (a) => this.call(Routine.ClearFd, { a }) === 0);
  }

  /** Opened for reading while it is worked on; false also where that cannot be. */
  #onDisk(number: number, work: (file: number) => boolean): boolean {
    const file = this.call(Routine.Open, { a: number, b: OpenFlag.O_RDONLY });
    if (file < 0) return false;
    const isDone = work(file);
    return this.call(Routine.Close, { a: file }) === 0 && isDone;
  }
}

/** Somebody has set LO_FLAGS_PARTSCAN. */
function allows({ status }: Found, { flags }: ModelDisk): boolean {
  return ((status?.flags ?? 0) & ~flags & partscan) !== 0;
}

/** Bytes that hold all partitions. */
function endOf({ partitions }: Found): bigint {
  const ends = partitions.map(({ start, size }) => (start + size) * 512n);
  return ends.reduce((last, end) => (end > last ? end : last), 1n << 20n);
}

/** A device that nobody of ours has is as they like from here on, until we come to it again. */
export function handOver(branch: Branch, number: number): void {
  branch.roles.set(number, "theirs");
  branch.owed = branch.owed.filter((one) => one.number !== number);
  branch.tell(`loop${number}: used for something else`);
}
