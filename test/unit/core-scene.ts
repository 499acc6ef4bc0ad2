/**
 * One image, one scripted kernel and the cores beside each other, for the tests of the state
 * machine; and what must hold when an operation has given everything back.
 */
import * as assert from "uvu/assert";
import type { CoreCommand, CoreOptions } from "../../host/core.ts";
import { Command, Event, Result, type Step } from "../../host/core.ts";
import { Bench, type Operation } from "../helpers/bench.ts";
import { type OutEvent, openBoth, openJs } from "../helpers/cores.ts";
import { type Image, imageOf, type TableEntry } from "../helpers/scripted-disks.ts";
import { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { imageOfVector, readVectorFiles } from "../helpers/vectors.ts";

/** In 512-byte sectors, of `mbrImage`. */
export const slots: readonly TableEntry[] = [
  { number: 1, start: 8, size: 16 },
  { number: 3, start: 32, size: 96 },
];

/** 64 KiB with the slots in its MBR, all of one type. */
export function mbrImage(entries: readonly TableEntry[] = slots, type = 0x83): Image {
  const bytes = Buffer.alloc(65536);
  for (const { number, start, size } of entries) {
    const at = 0x1be + 16 * (number - 1);
    bytes.writeUInt8(type, at + 4);
    bytes.writeUInt32LE(start, at + 8);
    bytes.writeUInt32LE(size, at + 12);
  }
  bytes.writeUInt16LE(0xaa55, 510);
  return imageOf(bytes);
}

/** 64 KiB without a table. */
export function plainImage(): Image {
  return imageOf(new Uint8Array(65536));
}

/** The image of a test vector. */
export function vectorImage(title: string): Image {
  const vectors = readVectorFiles().flatMap((file) => file.vectors);
  const vector = vectors.find((one) => one.title === title);
  assert.ok(vector, `no vector '${title}'`);
  return imageOfVector(vector);
}

export interface Scene {
  readonly kernel: ScriptedKernel;
  readonly bench: Bench;
  /** Runs an attach to its end. */
  attach(command?: Partial<CoreCommand>): OutEvent;
  /** Runs a detach of what an attach gave, through its descriptor. */
  detach(attached: OutEvent, command?: Partial<CoreCommand>): OutEvent;
}

export interface SceneOptions extends Partial<CoreOptions> {
  readonly image?: Image;
  readonly table?: readonly TableEntry[];
  readonly disks?: number;
  /** JavaScript alone */
  readonly isFast?: boolean;
}

export async function scene(options: SceneOptions = {}): Promise<Scene> {
  const { image = mbrImage(), table = slots, disks, isFast, ...core } = options;
  const lockstep = await (isFast ? openJs : openBoth)({ operations: 4, partitions: 16, ...core });
  const kernel = new ScriptedKernel(image, disks);
  kernel.table = table;
  const bench = new Bench(lockstep, kernel);
  kernel.uevents.audience = bench;
  return {
    kernel,
    bench,
    attach: (command) => bench.run({ command: Command.Attach, ...command }),
    detach: (attached, command) => bench.run({ ...detachOf(attached), ...command }),
  };
}

/** The command that detaches what an attach gave. */
export function detachOf(attached: OutEvent): CoreCommand {
  assert.is(attached.event, Event.Attached);
  const word = (at: Result) => attached.result[at] ?? 0n;
  return {
    command: Command.Detach,
    number: attached.number,
    descriptor: Number(word(Result.Descriptor)),
    diskseq: word(Result.Identity) === 1n ? word(Result.Diskseq) : 0n,
    backingDevice: word(Result.BackingDevice),
    backingInode: word(Result.BackingInode),
  };
}

/** Nothing is open but these descriptors, nothing of ours is bound, no node is left. */
export function expectGivenBack(kernel: ScriptedKernel, except: readonly number[] = []): void {
  assert.equal([...kernel.opened.keys()], [...except], "descriptors are open");
  assert.is(kernel.hiddenNodes.size, 0, "a node was left");
  for (const disk of kernel.disks.values()) {
    if (except.length === 0) assert.not.ok(disk.info, `loop${disk.number} is bound`);
  }
}

export interface Told {
  readonly end: OutEvent;
  readonly warnings: readonly OutEvent[];
  readonly codes: readonly number[];
}

/** An attach, with what was told on the way. */
export function told({ bench }: Scene, command: Partial<CoreCommand> = {}): Told {
  const { end, warnings } = settled(bench, { command: Command.Attach, ...command });
  assert.ok(end);
  return { end, warnings, codes: warnings.map(({ code }) => code) };
}

/** An operation that was run to its end. */
export function settled(bench: Bench, command: CoreCommand): Operation {
  const operation = bench.start(command);
  bench.settle();
  return operation;
}

/** How many calls a step made. */
export function count({ calls }: Bench, step: Step): number {
  return calls.filter((call) => call.step === step).length;
}
