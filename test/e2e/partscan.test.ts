/**
 * Who makes the partitions: the kernel, the product, nobody.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attribute, numberOf, partitionsOf } from "../helpers/devices.ts";
import { expectKernelAgrees, expectNoWarning, expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { kernelHasParsers } from "../helpers/needs.ts";
import { behaviour } from "../helpers/scene.ts";

const needs = ["root", "sfdisk", "losetup"] as const;

behaviour("kernel: by its parsers, else by ours, which is said once", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image, "--partscan=kernel");
  const byKernel = await kernelHasParsers();
  const maker = byKernel ? "kernel" : "user";
  assert.is(device.partscan, maker);
  assert.equal(new Set(device.partitions.map(({ by }) => by)), new Set([maker]));
  assert.is(attribute(numberOf(device.device), "loop/partscan"), byKernel ? "1" : "0");
  const warnings = device.stderr.split("\n").filter((line) => line.includes("cannot read"));
  assert.is(warnings.length, byKernel ? 0 : 1, device.stderr);
  expectPartitions(device.partitions, await expectedPartitions(image));
  await scene.detach(device.device);
});

behaviour("kernel is the default", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image);
  assert.is(device.partscan, (await kernelHasParsers()) ? "kernel" : "user");
  await scene.detach(device.device);
});

behaviour("user: ours, with scanning off so that no re-read drops them", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image, "--partscan=user");
  assert.is(device.partscan, "user");
  assert.equal(new Set(device.partitions.map(({ by }) => by)), new Set(["user"]));
  assert.is(attribute(numberOf(device.device), "loop/partscan"), "0");
  expectNoWarning(device);
  expectKernelAgrees(device);
  await scene.detach(device.device);
});

behaviour("none: no partitions, although there is a table", needs, async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")), "--partscan=none");
  assert.is(device.partscan, "none");
  assert.equal(device.partitions, []);
  assert.equal(partitionsOf(numberOf(device.device)), []);
  expectNoWarning(device);
  await scene.detach(device.device);
});

test.run();
