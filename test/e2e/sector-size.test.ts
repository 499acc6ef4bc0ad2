/**
 * Logical block size: found in the image's GPT, or as asked for.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attribute, numberOf } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { blankImage, gpt4096Image } from "../helpers/images.ts";
import { behaviour } from "../helpers/scene.ts";

const needs = ["root", "sfdisk", "losetup"] as const;

behaviour("a GPT of 4096-byte sectors is found without being told", needs, async (scene) => {
  const image = scene.path("d.img");
  const expected = await gpt4096Image(image);
  const device = await scene.attach(image);
  assert.is(device.sectorSize, 4096);
  assert.is(attribute(numberOf(device.device), "queue/logical_block_size"), "4096");
  expectPartitions(device.partitions, expected);
  expectKernelAgrees(device);
  await scene.detach(device.device);
});

behaviour("a blank image has sectors of 512 bytes", ["root"], async (scene) => {
  const device = await scene.attach(blankImage(scene.path("d.img"), 1 << 20));
  assert.is(device.sectorSize, 512);
  assert.equal(device.partitions, []);
  await scene.detach(device.device);
});

for (const size of ["512", "1024", "2048", "4096"]) {
  behaviour(`--sector-size ${size} is what the kernel uses`, ["root"], async (scene) => {
    const image = blankImage(scene.path("d.img"), 1 << 20);
    const device = await scene.attach(image, "--sector-size", size);
    assert.is(device.sectorSize, Number(size));
    assert.is(attribute(numberOf(device.device), "queue/logical_block_size"), size);
    await scene.detach(device.device);
  });
}

test.run();
