/**
 * Simulated kernels for tests: a device loop0 and images with and without a table, calls by their
 * names, and what a listener hears in few words: `change(+0)`, `change MEDIA(+0)`, `add p1(+1)`,
 * where the number is the diskseq, counted from the one at the start.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { TableKind } from "../../assembly/kernel/setup.ts";
import { BlkpgOperation, OpenFlag } from "../../assembly/wire/linux.ts";
import { loadJsModel, loadWasmModel } from "../../host/sim/load.ts";
import {
  type Model,
  type ModelCall,
  type ModelImage,
  type ModelOptions,
  Step,
} from "../../host/sim/model.ts";
import { packageRoot } from "./root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/kernel.wasm"));

/** Images by their index. */
export enum Image {
  Gpt = 0,
  /** another table, as long */
  Other = 1,
  None = 2,
}

export const images: readonly ModelImage[] = [
  gpt("gpt", [
    [1, 2048, 2048],
    [2, 4096, 2048],
    [3, 6144, 2048],
  ]),
  gpt("other", [
    [1, 2048, 1024],
    [2, 4096, 1024],
  ]),
  { bytes: 8 << 20 },
];

/** A GPT of 8 MiB: number, start and size of each partition. */
function gpt(name: string, parts: readonly (readonly [number, number, number])[]): ModelImage {
  return {
    bytes: 8 << 20,
    table: TableKind.Gpt,
    sectorsMin: 16351n,
    entries: parts.map(([number, start, size]) => ({
      number,
      start: BigInt(start),
      size: BigInt(size),
      name: `${name} ${number}`,
      uuid: `00000000-0000-4000-8000-00000000000${number}`,
    })),
  };
}

export function openWasmModel(options: Partial<ModelOptions> = {}): Model {
  return loadWasmModel(wasmBytes, { images, maxLoop: 1, ...options });
}

export function openJsModel(options: Partial<ModelOptions> = {}): Promise<Model> {
  return loadJsModel({ images, maxLoop: 1, ...options });
}

/** One process and a listener, on one model. */
export class Bench {
  readonly model: Model;
  readonly #socket: number;
  readonly #diskseq: number;

  constructor(model: Model) {
    this.model = model;
    this.#socket = model.openSocket(3, Group.Kernel, 1 << 24);
    this.#diskseq = this.diskseq;
  }

  static async open(version: string, options: Partial<ModelOptions> = {}): Promise<Bench> {
    return new Bench(await openJsModel({ version, ...options }));
  }

  get diskseq(): number {
    return Number(this.model.disk(0)?.diskseq ?? 0n);
  }

  /** A call that nothing interferes with. */
  call(routine: Routine, call: ModelCall = {}, process = 0): number {
    return this.model.call(process, routine, call);
  }

  begin(routine: Routine, call: ModelCall = {}, process = 0): number {
    return this.model.begin(process, routine, call);
  }

  /** Runs a task on until it has sent an event, is done or waits. */
  untilEvent(task: number): readonly string[] {
    for (;;) {
      const step = this.model.step(task);
      const heard = this.heard();
      if (heard.length > 0 || step !== Step.Ran) return heard;
    }
  }

  image(image: Image, flags: number = OpenFlag.O_RDWR): number {
    return this.model.openImage(0, image, flags);
  }

  open(flags: number = OpenFlag.O_RDWR, partition = 0, process = 0): number {
    return this.call(Routine.Open, { a: 0, b: flags, c: partition }, process);
  }

  close(file: number, process = 0): number {
    return this.call(Routine.Close, { a: file }, process);
  }

  /** Numbers of the partitions in sysfs. */
  get partitions(): readonly number[] {
    return this.model.disk(0)?.partitions.map(({ number }) => number) ?? [];
  }

  /** What was sent since. */
  heard(): string[] {
    const heard: string[] = [];
    for (;;) {
      const received = this.model.receive(this.#socket);
      if (typeof received === "number") return heard;
      heard.push(this.#brief(new TextDecoder().decode(received.bytes).split("\0")));
    }
  }

  #brief(strings: readonly string[]): string {
    const value = (key: string) =>
      strings.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1);
    const words = [value("ACTION")];
    if (value("SUBSYSTEM") === "bdi") words.push("bdi");
    if (value("PARTN") !== undefined) words.push(`p${value("PARTN")}`);
    if (value("DISK_MEDIA_CHANGE") !== undefined) words.push("MEDIA");
    if (value("DISK_RO") !== undefined) words.push(`RO=${value("DISK_RO")}`);
    if (value("RESIZE") !== undefined) words.push("RESIZE");
    if (value("SYNTH_UUID") !== undefined) words.push(`SYNTH=${value("SYNTH_UUID")}`);
    const diskseq = value("DISKSEQ");
    const number = diskseq === undefined ? "" : `(+${Number(diskseq) - this.#diskseq})`;
    return `${words.join(" ")}${number}`;
  }
}

/** One attached device. */
export async function attached(
  version: string,
  image: Image,
  access: number = OpenFlag.O_RDWR,
  imageAccess: number = OpenFlag.O_RDWR,
): Promise<{ bench: Bench; device: number }> {
  const bench = await Bench.open(version);
  const device = bench.open(access);
  const backing = bench.image(image, imageAccess);
  assert.is(bench.call(Routine.Configure, { a: device, b: backing }), 0);
  bench.heard();
  return { bench, device };
}

/** BLKPG_ADD_PARTITION of 1 MiB. */
export function addPartition(bench: Bench, a: number, c: number, at: bigint = BigInt(c)): number {
  const b = BlkpgOperation.BLKPG_ADD_PARTITION;
  return bench.call(Routine.Blkpg, { a, b, c, e: at << 20n, f: 1n << 20n });
}
