/**
 * What people attach images for: a file system in a partition, its files there the next time.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gptImage, mbrImage } from "../helpers/images.ts";
import { tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

const needs = ["root", "sfdisk", "mkfs.ext4", "mount"] as const;

for (const [table, make, number] of [
  ["GPT", gptImage, 2],
  ["MBR", mbrImage, 5],
] as const) {
  behaviour(`a file in a ${table} partition survives a detach`, needs, async (scene) => {
    const image = await make(scene.path("d.img"));
    const point = scene.path("mnt");
    mkdirSync(point);
    const text = `written to ${table} at ${Date.now()}\n`;

    const first = await scene.attach(image);
    const node = `${first.device}p${number}`;
    await tool("mkfs.ext4", ["-q", node]);
    await tool("mount", [node, point]);
    writeFileSync(`${point}/file`, text);
    await tool("umount", [point]);
    await scene.detach(first.device);

    const second = await scene.attach(image);
    await tool("mount", [`${second.device}p${number}`, point]);
    assert.is(readFileSync(`${point}/file`, "utf8"), text);
    await tool("umount", [point]);
    await scene.detach(second.device);
  });
}

behaviour("what was written to the device is in the file after detach", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image);
  const { start = 0 } = device.partitions[0] ?? {};
  writeFileSync(`${device.device}p1`, "through the partition");
  await scene.detach(device.device);
  const bytes = readFileSync(image).subarray(start, start + 21);
  assert.is(bytes.toString(), "through the partition");
});

test.run();
