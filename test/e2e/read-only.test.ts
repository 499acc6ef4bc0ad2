/**
 * Read-only devices: asked for, or because the image cannot be written.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attribute, numberOf } from "../helpers/devices.ts";
import { expectNoWarning } from "../helpers/expect.ts";
import { gptImage } from "../helpers/images.ts";
import { tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour("a read-only device refuses writes", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")), "--read-only");
  assert.is(device.readOnly, true);
  assert.is(attribute(numberOf(device.device), "ro"), "1");
  assert.is(device.partitions.length, 3);
  for (const node of [device.device, `${device.device}p1`]) {
    assert.throws(() => writeFileSync(node, "x"), /EACCES|EPERM|EROFS/);
  }
  await scene.detach(device.device);
});

behaviour(
  "an image on a read-only mount falls back, and says so",
  ["root", "sfdisk", "mount"],
  async (scene) => {
    mkdirSync(scene.path("source"));
    mkdirSync(scene.path("view"));
    await gptImage(scene.path("source/d.img"));
    await tool("mount", ["--bind", scene.path("source"), scene.path("view")]);
    scene.defer(() => tool("umount", [scene.path("view")]));
    await tool("mount", ["-o", "remount,bind,ro", scene.path("view")]);

    const device = await scene.attach(scene.path("view/d.img"));
    assert.is(device.readOnly, true);
    assert.is(device.partitions.length, 3);
    assert.match(device.stderr, /warning: .*read-only/);
    await scene.detach(device.device);
  },
);

behaviour("asked for, read-only needs no warning", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")), "-r", "--partscan=user");
  expectNoWarning(device);
  await scene.detach(device.device);
});

test.run();
