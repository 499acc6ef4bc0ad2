/**
 * Offset and size limit: the part of the image that the device shows.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attribute, numberOf } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { blankImage, expectedPartitions, gptImage } from "../helpers/images.ts";
import { behaviour } from "../helpers/scene.ts";

const MiB = 1024 * 1024;

behaviour("an image inside a file is attached by --offset", ["root", "sfdisk"], async (scene) => {
  const inner = await gptImage(scene.path("inner.img"));
  const image = scene.path("d.img");
  writeFileSync(image, Buffer.concat([Buffer.alloc(3 * MiB, 0xaa), readFileSync(inner)]));
  const device = await scene.attach(image, "--offset", "3M");
  assert.is(device.offset, 3 * MiB);
  expectPartitions(device.partitions, await expectedPartitions(inner));
  expectKernelAgrees(device);
  await scene.detach(device.device);
});

// util-linux ts/losetup: file-show, file-offset, file-sizelimit, file-section
for (const [offset, limit, size] of [
  [0, 0, 10 * MiB],
  [MiB, 0, 9 * MiB],
  [0, 3 * MiB, 3 * MiB],
  [MiB, 3 * MiB, 3 * MiB],
] as const) {
  const sentence = `offset ${offset} and size limit ${limit} of 10 MiB show ${size} bytes`;
  behaviour(sentence, ["root"], async (scene) => {
    const image = blankImage(scene.path("d.img"), 10 * MiB);
    const device = await scene.attach(image, `--offset=${offset}`, `--size-limit=${limit}`);
    const number = numberOf(device.device);
    assert.equal([device.offset, device.sizeLimit], [offset, limit]);
    assert.is(attribute(number, "loop/offset"), String(offset));
    assert.is(attribute(number, "loop/sizelimit"), String(limit));
    assert.is(Number(attribute(number, "size")) * 512, size);
    await scene.detach(device.device);
  });
}

behaviour("bytes that fill no sector are lost, and it says so", ["root"], async (scene) => {
  const device = await scene.attach(blankImage(scene.path("d.img"), MiB + 100));
  assert.match(device.stderr, /warning: .*\b100\b/);
  assert.is(Number(attribute(numberOf(device.device), "size")) * 512, MiB);
  await scene.detach(device.device);
});

test.run();
