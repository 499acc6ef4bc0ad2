/**
 * Partitions of an earlier attach that the kernel left on an unbound device (blktests loop/013):
 * removed by the next attach, or let be where somebody has one open.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isBound, numberOf, partitionsOf, plainAttach, plainDetach } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, expectedPartitions, gptImage, mbrImage } from "../helpers/images.ts";
import { start, tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

const needs = ["root", "sfdisk", "losetup", "partx"] as const;

behaviour("an attach shows its own partitions, none of those left", needs, async (scene) => {
  const device = await leave(scene);
  const image = await mbrImage(scene.path("d.img"));
  const attached = await scene.attach(image, "--device", device, "--partscan=user");
  expectPartitions(attached.partitions, await expectedPartitions(image));
  expectKernelAgrees(attached);
  await scene.detach(attached.device);
});

behaviour("an image without a table has no partitions on such a device", needs, async (scene) => {
  const device = await leave(scene);
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const attached = await scene.attach(image, "--device", device);
  assert.equal(attached.partitions, []);
  assert.equal(partitionsOf(numberOf(device)), []);
  await scene.detach(attached.device);
});

behaviour("a device of which a left partition is open is passed over", needs, async (scene) => {
  const device = await leave(scene);
  if (partitionsOf(numberOf(device)).length === 0) {
    return;
  }
  const holder = await hold(scene, "open", `${device}p1`);
  const image = await mbrImage(scene.path("d.img"));
  const attached = await scene.attach(image);
  assert.is.not(attached.device, device);
  expectPartitions(attached.partitions, await expectedPartitions(image));
  await scene.detach(attached.device);
  await holder.stop();
  const last = await scene.attach(image, "--device", device);
  await scene.detach(last.device);
});

behaviour("detach removes partitions that others added", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const attached = await scene.attach(image, "--partscan=none");
  await tool("partx", ["--add", attached.device]);
  assert.is(partitionsOf(numberOf(attached.device)).length, 3);
  scene.watch({ device: attached.device, partitions: await expectedPartitions(image) });
  await scene.detach(attached.device);
});

/** A device with three partitions on it, unbound by plain losetup; some kernels drop them. */
async function leave(scene: Scene): Promise<string> {
  const image = await gptImage(scene.path("earlier.img"));
  const device = await plainAttach(image);
  scene.watch({ device, partitions: await expectedPartitions(image) });
  const number = numberOf(device);
  await tool("partx", ["--update", device]);
  assert.is(partitionsOf(number).length, 3);
  scene.defer(async () => {
    if (!isBound(number) && partitionsOf(number).length > 0) {
      await start("partx", ["--delete", device]).outcome;
    }
  });
  await plainDetach(device);
  return device;
}

test.run();
