/**
 * Scenarios that together make every kind of call. `core-rows.test.ts` runs each of them with every
 * call answered by every errno that the tables name.
 */
import { Lock } from "../../assembly/wire/linux.ts";
import { CommandFlag, type CoreCommand, Event, Partscan, Step } from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import { mode } from "../helpers/scripted-disks.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { changeScenarios } from "./core-changes.ts";
import { lookingScenarios } from "./core-looking.ts";
import { plainImage, type Scene, type SceneOptions, slots, vectorImage } from "./core-scene.ts";

export interface Scenario {
  readonly name: string;
  readonly options?: SceneOptions;
  readonly prepare?: (kernel: ScriptedKernel) => void;
  /** Attaches without, and detaches again. */
  readonly run?: Run;
}

export type Run = (scene: Scene) => void;

const gptTable = [
  { number: 1, start: 40, size: 4 },
  { number: 2, start: 44, size: 2 },
];
const gptOf = (title: string): SceneOptions => ({ image: vectorImage(title), table: gptTable });
const logicals = [
  { number: 1, start: 8, size: 2 },
  { number: 5, start: 10, size: 6 },
  { number: 6, start: 18, size: 6 },
];

/** Partitions that are still there although the device is unbound. */
function restore(kernel: ScriptedKernel): void {
  for (const slot of slots) kernel.disk(0).partitions.set(slot.number, slot);
}

/** Attaches with options, then detaches. */
function cycle(command: Parameters<Scene["attach"]>[0], isHandle = true): Run {
  return (scene) => {
    const attached = scene.attach(command);
    if (attached.event !== Event.Attached) return;
    scene.detach(attached, isHandle ? {} : { descriptor: -1 });
  };
}

export const scenarios: readonly Scenario[] = [
  ...changeScenarios,
  ...lookingScenarios,
  { name: "an MBR, by the kernel" },
  { name: "a GPT, by the kernel", options: gptOf("Both copies are good, 512-byte sectors") },
  { name: "a GPT in several reads", options: { image: vectorImage("1000 entries"), table: [] } },
  { name: "the backup of a GPT", options: gptOf("The primary header is bad, 512-byte sectors") },
  { name: "the backup's entries", options: gptOf("The primary's entries are bad") },
  { name: "both entries are bad", options: gptOf("Both copies' entries are bad") },
  {
    name: "the sector size of a GPT",
    run: cycle({ partscan: Partscan.None }),
    options: gptOf("No partitions wanted: the GPT tells the sector size all the same"),
  },
  {
    name: "the sector size of a backup",
    run: cycle({ partscan: Partscan.None }),
    options: gptOf("No partitions wanted: the backup tells the sector size"),
  },
  {
    name: "logical partitions",
    options: { image: vectorImage("Two logicals, extended of type 85"), table: logicals },
  },
  { name: "no table", options: { image: plainImage(), table: [] } },
  { name: "by us", run: cycle({ partscan: Partscan.User }) },
  {
    name: "by us, held",
    run: cycle({ partscan: Partscan.User }),
    prepare: (kernel) =>
      kernel
        .on(Step.ListTarget, 1, {
          change: () => {
            kernel.disk(0).holders = 1;
          },
        })
        .on(Step.NameHolders, 1, {
          change: () => {
            kernel.disk(0).holders = 0;
            kernel.letGo(0);
          },
        }),
  },
  { name: "nothing wanted", run: cycle({ partscan: Partscan.None, sectorSize: 512 }) },
  { name: "in one call", run: cycle({ flags: CommandFlag.OneCall }) },
  { name: "read-only", run: cycle({ flags: CommandFlag.ReadOnly }) },
  {
    name: "an image that cannot be written",
    prepare: (kernel) => {
      kernel.isImageWritable = false;
    },
  },
  {
    name: "the caller's descriptor",
    run: (scene) => cycle({ descriptor: scene.kernel.openImage() })(scene),
  },
  {
    name: "a block device as image",
    prepare: (kernel) => {
      kernel.imageMode = mode.block;
    },
  },
  { name: "an explicit number", run: cycle({ number: 1 }) },
  { name: "an explicit new number", run: cycle({ number: 7 }) },
  {
    name: "the old path",
    run: cycle({ sectorSize: 4096, flags: CommandFlag.DirectIo, partscan: Partscan.None }),
    prepare: (kernel) => {
      kernel.hasConfigure = false;
    },
  },
  {
    name: "no parser",
    prepare: (kernel) => {
      kernel.hasParser = false;
    },
  },
  {
    name: "a scan that is put off",
    prepare: (kernel) => kernel.on(Step.ListPartitions, 1, 0),
  },
  {
    name: "persistent, unlocked",
    run: cycle({ flags: CommandFlag.Persistent | CommandFlag.NoLock }, false),
  },
  {
    name: "nodes are made",
    run: cycle({ flags: CommandFlag.MakeNodes }),
    prepare: (kernel) => kernel.on(Step.OpenDevice, 1, -2).on(Step.OpenNode, 1, -2),
  },
  { name: "a hidden node", prepare: (kernel) => kernel.on(Step.MakePrivate, 0, -1) },
  {
    name: "a hidden node that cannot be opened",
    prepare: (kernel) => kernel.on(Step.OpenPrivate, 0, -13).on(Step.OpenHidden, 0, -1),
  },
  {
    name: "the public node",
    prepare: (kernel) => kernel.on(Step.MakePrivate, 0, -1).on(Step.MakeHidden, 0, -13),
  },
  {
    name: "the public node, beside udev",
    prepare: (kernel) => {
      kernel.uevents.udev.isRunning = true;
      kernel.on(Step.MakePrivate, 0, -1).on(Step.MakeHidden, 0, -13);
    },
  },
  {
    name: "locked devices are passed over",
    options: { disks: 2 },
    prepare: (kernel) => {
      for (const disk of kernel.disks.values()) disk.lockOfOthers = Lock.LOCK_EX;
    },
  },
  {
    name: "a locked device, another is free",
    options: { disks: 3 },
    prepare: (kernel) => {
      kernel.disk(0).lockOfOthers = Lock.LOCK_EX;
    },
  },
  {
    name: "leftovers",
    prepare: (kernel) => {
      for (const slot of slots) kernel.disk(0).partitions.set(slot.number, slot);
    },
  },
  {
    name: "the image is attached elsewhere",
    prepare: (kernel) => kernel.disk(0).bindForeign({ offset: 1n << 20n }),
  },
  {
    name: "loop-control is busy",
    prepare: (kernel) => {
      kernel.isControlLocked = true;
      kernel
        .on(Step.LockControl, 2, {
          change: () => {
            kernel.isControlLocked = false;
          },
        })
        .on(Step.LockControl, 3, {});
    },
  },
  {
    name: "a scan at any open",
    prepare: (kernel) => {
      kernel.scansAtOpen = true;
    },
  },
  {
    name: "max_part",
    prepare: (kernel) => {
      kernel.forcesPartscan = true;
    },
  },
  {
    name: "no diskseq",
    prepare: (kernel) => {
      kernel.diskseq = "none";
    },
    run: cycle({}, false),
  },
  { name: "held", run: (scene) => hold(scene, 0) },
  { name: "held, lazily", run: (scene) => hold(scene, CommandFlag.Lazy) },
  { name: "superseded", run: (scene) => supersede(scene, { descriptor: -1 }) },
  { name: "superseded, through a handle", run: (scene) => supersede(scene, {}) },
  {
    name: "released",
    run: (scene) => void scene.detach(scene.attach(), { flags: CommandFlag.Release }),
  },
  {
    name: "a failed attach that others hold for a moment",
    run: (scene) => void failHeld(scene, 3),
  },
  { name: "a failed attach that others hold", run: (scene) => void failHeld(scene, 0) },
  { name: "held while the deadline passes", run: (scene) => hold(scene, 0, 3_000_000_000n) },
  {
    name: "the old path, plain",
    prepare: (kernel) => {
      kernel.hasConfigure = false;
    },
  },
  {
    name: "by us, and a wrong node at the end",
    run: cycle({ partscan: Partscan.User }),
    prepare: (kernel) => kernel.on(Step.StatNode, 2, { change: zero }),
  },
  {
    name: "a hidden node, and no descriptor",
    prepare: (kernel) => kernel.on(Step.MakePrivate, 0, -1).on(Step.OpenHidden, 0, -5),
  },
  {
    name: "a device given back that others hold",
    run: cycle({ timeoutNs: 400_000_000n }),
    prepare: (kernel) =>
      kernel.on(Step.DrainOpen, 1, {
        result: -16,
        change: () => {
          kernel.disk(0).holders = 1;
        },
      }),
  },
  {
    name: "given back while others look",
    prepare: (kernel) =>
      kernel
        .on(Step.SizeAfter, 1, {
          result: -5,
          change: () => {
            kernel.disk(0).holders = 1;
          },
        })
        .on(Step.UndoRead, 2, {
          change: () => {
            kernel.disk(0).holders = 0;
            kernel.letGo(0);
          },
        }),
  },
  {
    name: "given back, its partitions a little later",
    prepare: (kernel) => kernel.on(Step.SizeAfter, 1, -5).on(Step.UndoLook, 1, { result: 1 }),
  },
  {
    name: "the kernel's partitions, dropped by somebody else's close",
    prepare: (kernel) => kernel.on(Step.ReadTarget, 1, { change: () => restore(kernel) }),
  },
  {
    name: "the kernel's partitions, and the number is taken again",
    prepare: (kernel) =>
      kernel
        .on(Step.ReadTarget, 1, { change: () => restore(kernel) })
        .on(Step.SweepRead, 1, { change: (view) => view.setBigUint64(0, 1n, true) }),
  },
  { name: "probed", run: (scene) => void scene.bench.run({ command: 3 }) },
  {
    name: "the node is gone at the detach",
    run: (scene) => {
      const attached = scene.attach();
      scene.kernel.on(Step.OpenTarget, 1, -6);
      scene.detach(attached, { descriptor: -1, timeoutNs: 1_000_000_000n });
    },
  },
];

/** Somebody holds the device until its holders were named. */
function hold(scene: Scene, flags: number, delayNs = 0n): void {
  const attached = scene.attach();
  if (attached.event !== Event.Attached) return;
  const disk = scene.kernel.disk(attached.number);
  disk.holders = 1;
  const change = () => {
    if (flags === 0 && delayNs === 0n) scene.kernel.dropHolders(attached.number);
    disk.holders = 0;
  };
  scene.kernel.on(Step.NameHolders, 1, { change, delayNs });
  scene.detach(attached, { flags });
}

/** An attach finds a wrong node; others have the device open until the n-th look at it. */
export function failHeld({ kernel, attach }: Scene, looks: number): OutEvent {
  kernel.on(Step.StatNode, 1, {
    change: (view) => {
      zero(view);
      kernel.disk(0).holders = 1;
    },
  });
  const change = () => kernel.dropHolders(0);
  if (looks > 0) kernel.on(Step.UndoRead, looks, { change });
  return attach();
}

/** The number belongs to a later instance. */
function supersede(scene: Scene, command: Partial<CoreCommand>): void {
  const attached = scene.attach();
  if (attached.event !== Event.Attached) return;
  scene.kernel.disk(attached.number).diskseq += 5n;
  scene.detach(attached, command);
}

function zero(view: DataView): void {
  for (let at = 0; at < view.byteLength; at++) view.setUint8(at, 0);
}
