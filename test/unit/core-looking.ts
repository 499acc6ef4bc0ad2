/** Scenarios of the lookout: waits, subscriptions and attaches that await udev, for `core-rows`. */
import { CommandFlag, Event, Step } from "../../host/core.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import type { Scene } from "./core-scene.ts";
import type { Scenario } from "./core-sweep.ts";
import { bindElsewhere, maskOf, second, swap, waitFor, watch } from "./core-watch-scene.ts";

const timeoutNs = 2n * second;

function runUdev({ uevents }: ScriptedKernel): void {
  uevents.udev.isRunning = true;
}

function attachWithUdev(scene: Scene): void {
  const attached = scene.attach({ flags: CommandFlag.Udev });
  if (attached.event === Event.Attached) scene.detach(attached);
}

/** Another process attaches; a wait ends by what there is. */
function waitForOthers({ kernel, bench }: Scene, flags: number, partitions = maskOf(1, 3)): void {
  bindElsewhere(kernel);
  bench.run(waitFor("loop0", { partitionMask: partitions, flags, timeoutNs }));
}

export const lookingScenarios: readonly Scenario[] = [
  { name: "udev processes what is attached", prepare: runUdev, run: attachWithUdev },
  {
    name: "udev is asked",
    prepare: (kernel) => {
      runUdev(kernel);
      kernel.uevents.udev.processes = "synthetic";
    },
    run: attachWithUdev,
  },
  { name: "no udev", run: attachWithUdev },
  { name: "a wait", run: (scene) => waitForOthers(scene, 0) },
  { name: "a wait in vain", run: (scene) => waitForOthers(scene, 0, maskOf(7)) },
  {
    name: "a wait for what is not there",
    run: ({ bench }) => void bench.run(waitFor("loop9", { timeoutNs })),
  },
  {
    name: "a wait for udev",
    prepare: runUdev,
    run: (scene) => waitForOthers(scene, CommandFlag.Udev),
  },
  {
    name: "another instance while it is looked at",
    prepare: (kernel) => kernel.on(Step.LookPartitions, 1, { change: () => swap(kernel.disk(0)) }),
    run: (scene) => waitForOthers(scene, 0),
  },
  {
    name: "a subscription",
    run: ({ bench, kernel }) => {
      const { operation } = bench.start(watch("loop0"));
      bindElsewhere(kernel);
      bench.settle();
      bench.abort(operation);
    },
  },
];
