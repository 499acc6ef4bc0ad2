/**
 * What others hold of a device stops nobody: the attach goes on, with another number if it must.
 */
import { closeSync, openSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Place } from "../../assembly/abi.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { isBound } from "../helpers/devices.ts";
import { expectRefusal } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { WatchedKernel } from "../helpers/kernels.ts";
import { command, tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";

for (const what of ["lock", "exclusive"] as const) {
  const name = what === "lock" ? "a lock on" : "an exclusive open of";
  behaviour(
    `${name} the lowest free device stops nobody`,
    ["root", "losetup", "flock"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const free = await lowestFree();
      await hold(scene, what, free);
      const device = await scene.attach(image);
      assert.is.not(device.device, free);
      assert.is(device.partitions.length, 3);
      assert.ok(device.stderr.length < 2000, device.stderr);
      await scene.detach(device.device);
    },
  );

  behaviour(
    `${name} a device asked for by number is said`,
    ["root", "losetup", "flock"],
    async (scene) => {
      const image = blankImage(scene.path("d.img"), 1 << 20);
      const free = await lowestFree();
      const holder = await hold(scene, what, free);
      const args = ["attach", image, "--device", free, "--timeout", `${slowness}s`];
      const outcome = await command(args);
      expectRefusal(outcome, [1, 5, 6], free);
      assert.not.ok(isBound(Number(free.slice("/dev/loop".length))));
      await holder.stop();
    },
  );
}

behaviour(
  "an open descriptor on the lowest free device stops nobody",
  ["root", "losetup"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const free = await lowestFree();
    const descriptor = openSync(free, "r");
    const device = await scene.attach(image);
    closeSync(descriptor);
    assert.is(device.partitions.length, 3);
    await scene.detach(device.device);
  },
);

behaviour(
  "an open descriptor that comes while partitions are made stops nobody",
  ["root", "sfdisk"],
  async (scene) => {
    const kernel = new WatchedKernel(new LinuxKernel());
    const opened: number[] = [];
    let number = -1;
    let held = "";
    kernel.before = (call) => {
      number = call.place === Place.Disk ? call.number : number;
      if (call.request === Ioctl.LOOP_SET_STATUS64 && opened.length === 0) {
        held = `/dev/loop${number}`;
        opened.push(openSync(held, "r"));
      }
      return undefined;
    };
    scene.defer(() => opened.forEach(closeSync));
    const session = new Session(kernel);
    const image = await gptImage(scene.path("d.img"));
    const attachment = await session.attach(image, { timeoutMs: slowness * 10_000 });
    assert.is(opened.length, 1);
    assert.is(attachment.partitions.length, 3);
    // Only where the kernel has no parsers another device was taken than the one that is held.
    if (attachment.device === held) opened.splice(0).forEach(closeSync);
    await attachment.detach();
    // A device that was given back may be bound until the other one closes it.
    await (await session.attach(image, { timeoutMs: slowness * 10_000 })).detach();
    opened.splice(0).forEach(closeSync);
    await session.close();
  },
);

/** Nobody else of this machine takes part: the number is a guess, as it is for everybody. */
async function lowestFree(): Promise<string> {
  return (await tool("losetup", ["--find"])).trim();
}

test.run();
