/**
 * What changes a device that stays, for `core-change.test.ts`, and as scenarios of `core-sweep.ts`.
 */
import {
  type ChangeWord,
  Command,
  CommandFlag,
  type CoreCommand,
  Event,
  EventWord,
  Partscan,
  Step,
} from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import type { TableEntry } from "../helpers/scripted-disks.ts";
import { detachOf, mbrImage, plainImage, type Scene, slots } from "./core-scene.ts";
import type { Run, Scenario } from "./core-sweep.ts";

const timeoutNs = 2_000_000_000n;

/** Against `slots`: 1 is shorter, 2 is new, 3 is elsewhere, 4 is new. */
export const others: readonly TableEntry[] = [
  { number: 1, start: 8, size: 8 },
  { number: 2, start: 16, size: 16 },
  { number: 3, start: 40, size: 8 },
  { number: 4, start: 48, size: 8 },
];

/** The command that changes what an attach gave, through its descriptor. */
export function changeOf(attached: OutEvent, command: Command, more?: Partial<CoreCommand>) {
  return { ...detachOf(attached), command, timeoutNs, ...more };
}

/** Runs a command on what an attach gave. */
export function change(
  { bench }: Scene,
  attached: OutEvent,
  command: Command,
  more?: Partial<CoreCommand>,
): OutEvent {
  return bench.run(changeOf(attached, command, more));
}

/** Attaches, changes the image, runs a command, detaches. */
function changed(
  command: Command,
  image = mbrImage(others),
  attach: Partial<CoreCommand> = {},
): Run {
  return (scene) => {
    const attached = scene.attach(attach);
    if (attached.event !== Event.Attached) return;
    scene.kernel.image = image;
    change(scene, attached, command);
    scene.detach(attached);
  };
}

/** The same without a handle. */
function released(command: Command): Run {
  return (scene) => {
    const attached = scene.attach({ flags: CommandFlag.Persistent });
    if (attached.event !== Event.Attached) return;
    scene.detach(attached, { flags: CommandFlag.Release });
    scene.kernel.image = mbrImage(others);
    change(scene, attached, command, { descriptor: -1 });
    scene.detach(attached, { descriptor: -1 });
  };
}

export const changeScenarios: readonly Scenario[] = [
  { name: "rescanned", run: changed(Command.Rescan) },
  { name: "rescanned, by us", run: changed(Command.Rescan, mbrImage(), { partscan: 2 }) },
  { name: "rescanned, the same", run: changed(Command.Rescan, mbrImage()) },
  { name: "rescanned, no table", run: changed(Command.Rescan, plainImage()) },
  {
    name: "rescanned, no table of ours",
    run: changed(Command.Rescan, plainImage(), { partscan: Partscan.User }),
  },
  { name: "rescanned, without a handle", run: released(Command.Rescan) },
  { name: "resized", run: changed(Command.Resize) },
  { name: "resized, without a handle", run: released(Command.Resize) },
  {
    name: "swept",
    prepare: ({ disks }) => {
      for (const slot of slots) disks.get(0)?.partitions.set(slot.number, slot);
    },
    run: ({ bench }) => void bench.run({ command: Command.Sweep, number: 0, timeoutNs }),
  },
  {
    name: "swept, and bound meanwhile",
    prepare: (kernel) => kernel.on(Step.SweepStatus, 1, 0),
    run: ({ bench }) => void bench.run({ command: Command.Sweep, number: 0, timeoutNs }),
  },
];

/** The numbers of a set. */
export function setOf(end: OutEvent, first: ChangeWord): number[] {
  const numbers: number[] = [];
  for (let number = 0; number < 256; number++) {
    const bits = word(end, first + (number >> 6));
    if ((bits >> BigInt(number & 63)) & 1n) numbers.push(number);
  }
  return numbers;
}

export function word(end: OutEvent, at: number): bigint {
  if (at === EventWord.Detail) return end.detail;
  return end.result[at - EventWord.Result] ?? 0n;
}

export function partitionsOf({ kernel }: Scene): TableEntry[] {
  return [...kernel.disk(0).partitions.values()].sort((a, b) => a.number - b.number);
}
