/**
 * What the processes of one simulation share: the model, the images, the time, and who has what
 * open. Answers what sysfs and /proc show of it.
 */
import type { Holder } from "../kernel.ts";
import { partitionName } from "../names.ts";
import { diskAttribute } from "./attributes.ts";
import type { Clock } from "./clock.ts";
import type { Model, ModelDisk, ModelPartition } from "./model.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Images } from "./sources.ts";

/** A loop device, or with a number above 0 a partition of it. */
export interface Node {
  readonly number: number;
  readonly partition: number;
}

/** An open file of the model, as whoever opened it. */
export interface Opened extends Node {
  readonly process: number;
  readonly kind: "image" | "disk" | "control";
  /** index of the image */
  readonly image: number;
  isLocked: boolean;
}

export interface Process {
  readonly pid: number;
  readonly command: string;
}

const loopMajor = 7;

export class Machine {
  readonly model: Model;
  readonly images: Images;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** by the model's number of the file */
  readonly opened = new Map<number, Opened>();
  readonly processes = new Map<number, Process>();
  /** loop devices whose image is another device: that device */
  readonly stacked = new Map<number, Opened>();
  /** numbers that a loop device may have */
  readonly #numbers = new Set<number>();

  readonly #processesMax: number;

  constructor(
    parts: Pick<Machine, "model" | "images" | "clock" | "scheduler">,
    maxLoop: number,
    processesMax: number,
  ) {
    this.#processesMax = processesMax;
    this.model = parts.model;
    this.images = parts.images;
    this.clock = parts.clock;
    this.scheduler = parts.scheduler;
    for (let number = 0; number < maxLoop; number++) this.#numbers.add(number);
  }

  /** The number of a new process. */
  enter(): number {
    let process = 0;
    while (this.processes.has(process)) process += 1;
    if (process === this.#processesMax) throw new RangeError(`${process} processes are too many`);
    this.processes.set(process, { pid: 1000 + process, command: `process-${process}` });
    return process;
  }

  leave(process: number): void {
    this.processes.delete(process);
  }

  /** loop-control has spoken of this number. */
  learn(number: number): void {
    this.#numbers.add(number);
  }

  /** Loop devices that sysfs shows, ascending. */
  numbers(): number[] {
    const there = [...this.#numbers].filter((number) => this.model.disk(number) !== undefined);
    return there.sort((a, b) => a - b);
  }

  /* sysfs. */

  listNames(disk?: string): string[] {
    if (disk === undefined) return this.numbers().map((number) => `loop${number}`);
    const found = this.disk(disk);
    if (found === undefined) return [];
    const names = found.partitions.map(({ number }) => partitionName(disk, number));
    const fixed = ["dev", "queue", "ro", "size", "uevent"];
    if (found.diskseq !== 0n) fixed.push("diskseq");
    if (found.isBound) fixed.push("loop");
    return [...fixed, ...names].sort();
  }

  readAttribute(disk: string, attribute: string): string | undefined {
    const found = this.disk(disk);
    if (found === undefined) return undefined;
    const [folder = "", key] = attribute.split("/");
    if (key !== undefined && folder.startsWith(disk)) {
      const partition = found.partitions.find((one) => partitionName(disk, one.number) === folder);
      return partition && partitionAttribute(partition, key);
    }
    if (attribute === "dev") return `${loopMajor}:${found.minor}`;
    if (attribute === "loop/backing_file") return this.#backingPath(disk, found);
    return diskAttribute(found, attribute);
  }

  #backingPath(disk: string, { isBound, backing }: ModelDisk): string | undefined {
    if (!isBound) return undefined;
    if (backing >= 0) return this.images.path(backing);
    const device = this.stacked.get(numberOf(disk));
    return device && `/dev/${nameOf(device)}`;
  }

  /** The disk of a kernel name; undefined: sysfs shows none. */
  disk(name: string): ModelDisk | undefined {
    const number = numberOf(name);
    return number < 0 ? undefined : this.model.disk(number);
  }

  findDisk(diskseq: bigint): string | undefined {
    if (diskseq === 0n) return undefined;
    const found = this.numbers().find((number) => this.model.disk(number)?.diskseq === diskseq);
    return found === undefined ? undefined : `loop${found}`;
  }

  diskOf(major: number, minor: number): { disk: string; partition: number } | undefined {
    for (const number of this.numbers()) {
      const disk = `loop${number}`;
      const found = this.model.disk(number);
      if (found === undefined) continue;
      if (major === loopMajor && found.minor === minor) return { disk, partition: 0 };
      const partition = found.partitions.find((one) => one.major === major && one.minor === minor);
      if (partition) return { disk, partition: partition.number };
    }
    return undefined;
  }

  /** The device number of a node in /dev; undefined: there is no such node. */
  devnumOf(name: string): readonly [major: number, minor: number] | undefined {
    const [, disk = "", number] = /^(loop\d+)(?:p(\d+))?$/.exec(name) ?? [];
    const found = this.disk(disk);
    if (found === undefined) return undefined;
    if (number === undefined) return [loopMajor, found.minor];
    const partition = found.partitions.find((one) => one.number === Number(number));
    return partition && [partition.major, partition.minor];
  }

  /* Who has what open. */

  holders(disk: string, isMeant: (file: number, opened: Opened) => boolean): Holder[] {
    const number = numberOf(disk);
    const holders: Holder[] = [];
    for (const [file, opened] of this.opened) {
      if (opened.kind !== "disk" || opened.number !== number || !isMeant(file, opened)) continue;
      const process = this.processes.get(opened.process);
      if (process) holders.push({ kind: "descriptor", ...process, device: nameOf(opened) });
    }
    for (const [upper, lower] of this.stacked) {
      if (lower.number !== number || !this.model.disk(upper)?.isBound) continue;
      holders.push({ kind: "device", path: `loop${upper}`, device: nameOf(lower) });
    }
    return holders;
  }
}

/** -1: no loop device is called so. */
function numberOf(disk: string): number {
  return Number(/^loop(\d{1,7})$/.exec(disk)?.[1] ?? -1);
}

/** Kernel name of a disk, or of a partition of it. */
export function nameOf({ number, partition }: Node): string {
  return partition === 0 ? `loop${number}` : partitionName(`loop${number}`, partition);
}

function partitionAttribute(partition: ModelPartition, key: string): string | undefined {
  const { number, start, size, major, minor } = partition;
  const all: Readonly<Record<string, string>> = {
    partition: String(number),
    start: String(start),
    size: String(size),
    dev: `${major}:${minor}`,
  };
  return all[key];
}
