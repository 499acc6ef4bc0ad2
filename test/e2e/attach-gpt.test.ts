/**
 * A GPT image made by sfdisk, attached by the command: the result is what sfdisk reads and what the
 * kernel has.
 */
import { statSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attribute, instanceOf, numberOf } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { command } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour("a GPT image has the partitions that sfdisk reads", ["root", "sfdisk"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image);
  expectPartitions(device.partitions, await expectedPartitions(image));
  expectKernelAgrees(device);
  await scene.detach(device.device);
});

behaviour("the result has every field, and nothing else", ["root", "sfdisk"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const { stderr: _, ...device } = await scene.attach(image);
  const { ino } = statSync(image);
  assert.equal(Object.keys(device).sort(), [...deviceFields].sort());
  for (const partition of device.partitions) {
    assert.equal(Object.keys(partition).sort(), [...partitionFields].sort());
    assert.match(partition.by ?? "", /^(kernel|user)$/);
  }
  assert.match(device.device, /^\/dev\/loop\d+$/);
  assert.is(device.devnum, attribute(numberOf(device.device), "dev"));
  assert.is(device.backing.path, image);
  assert.is(device.backing.ino, ino);
  assert.match(device.backing.dev ?? "", /^\d+:\d+$/);
  assert.is(device.offset, 0);
  assert.is(device.sizeLimit, 0);
  assert.is(device.sectorSize, 512);
  assert.is(device.readOnly, false);
  assert.is(device.directIO, false);
  assert.is(device.persistent, true);
  const instance = instanceOf(numberOf(device.device));
  assert.is(device.diskseq, instance === null ? null : Number(instance));
  assert.is(device.identity, instance === null ? "best-effort" : "diskseq");
  await scene.detach(instance === null ? device.device : `diskseq:${instance}`);
});

behaviour(
  "text output is the device, then a line a partition",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const { status, stdout } = await command(["attach", image]);
    assert.is(status, 0);
    const [device = "", ...lines] = stdout.trimEnd().split("\n");
    assert.match(device, /^\/dev\/loop\d+$/);
    assert.is(lines.length, 3);
    lines.forEach((line, index) => {
      assert.ok(line.includes(`${device}p${index + 1}`), line);
    });
    await scene.detach(device);
  },
);

const deviceFields = [
  "device",
  "devnum",
  "diskseq",
  "backing",
  "offset",
  "sizeLimit",
  "sectorSize",
  "readOnly",
  "directIO",
  "persistent",
  "partscan",
  "partitions",
  "identity",
] as const;

const partitionFields = [
  "number",
  "device",
  "devnum",
  "start",
  "size",
  "type",
  "uuid",
  "name",
  "by",
] as const;

test.run();
