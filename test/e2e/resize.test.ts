/**
 * Resize of a bound device whose image was cut or has grown: the device follows, its partitions
 * stay as they are.
 */
import { statSync, truncateSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attach, rescan, resize } from "../../host/index.ts";
import {
  attribute,
  diskseqOf,
  instanceOf,
  numberOf,
  partitionsOf,
  plainAttach,
  plainDetach,
} from "../helpers/devices.ts";
import { errorOf, reasonOf } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { behaviour } from "../helpers/scene.ts";

const MiB = 1 << 20;

behaviour("the device follows its image up and down", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 4 * MiB);
  await using attachment = await attach(image);
  const { device, diskseq } = attachment;
  let before = 4 * MiB;
  for (const size of [8 * MiB, 2 * MiB, 2 * MiB, 3 * MiB]) {
    truncateSync(image, size);
    assert.is(bytesOf(device), before);
    assert.equal(await resize(device), { device, diskseq, before, size });
    assert.is(bytesOf(device), size);
    before = size;
  }
});

behaviour("bytes beyond the last sector are not shown", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), MiB);
  await using attachment = await attach(image);
  truncateSync(image, MiB + 1000);
  assert.is((await resize(image)).size, MiB + 512);
  assert.is(bytesOf(attachment.device), MiB + 512);
});

behaviour("offset and size limit stay", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 4 * MiB);
  await using attachment = await attach(image, { offset: MiB, sizeLimit: 6 * MiB });
  truncateSync(image, 6 * MiB);
  assert.is((await resize(attachment.device)).size, 5 * MiB);
  truncateSync(image, 20 * MiB);
  assert.is((await resize(attachment.device)).size, 6 * MiB);
});

behaviour(
  "without a handle, and while others lock it",
  ["root", "losetup", "flock"],
  async (scene) => {
    const image = blankImage(scene.path("d.img"), MiB);
    const device = await plainAttach(image);
    const diskseq = instanceOf(numberOf(device));
    const holder = await hold(scene, "lock", device);
    truncateSync(image, 2 * MiB);
    const target = diskseq === null ? device : { device, diskseq };
    assert.equal(await resize(target), { device, diskseq, before: MiB, size: 2 * MiB });
    await holder.stop();
    await plainDetach(device);
  },
);

behaviour(
  "the partitions stay until a rescan, which reads the same table",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    await using attachment = await attach(image, { partscan: "user" });
    const { device } = attachment;
    const shown = partitionsOf(numberOf(device));
    truncateSync(image, 2 * statSync(image).size);
    await resize(device);
    assert.equal(partitionsOf(numberOf(device)), shown);
    const { added, removed, resized } = await rescan(device);
    assert.equal([added, removed, resized], [[], [], []]);
  },
);

behaviour(
  "a table that points beyond the end is not for a rescan",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    await using attachment = await attach(image, { partscan: "user" });
    const { device } = attachment;
    const shown = partitionsOf(numberOf(device));
    truncateSync(image, 16 * MiB);
    assert.is((await resize(device)).size, 16 * MiB);
    await errorOf(rescan(device), "ERR_LOOP_TABLE");
    assert.equal(partitionsOf(numberOf(device)), shown);
  },
);

behaviour(
  "an instance that is over is not touched",
  ["root", "diskseq", "losetup"],
  async (scene) => {
    const image = blankImage(scene.path("d.img"), MiB);
    const device = await plainAttach(image);
    const diskseq = diskseqOf(numberOf(device));
    truncateSync(image, 2 * MiB);
    const stale = { device, diskseq: diskseq - 1 };
    const error = await errorOf(resize(stale), "ERR_LOOP_STALE");
    assert.match(error.message, "resize of");
    assert.is(bytesOf(device), MiB);
    await plainDetach(device);
    await errorOf(resize({ device, diskseq }), "ERR_LOOP_NOT_ATTACHED", "ERR_LOOP_STALE");
  },
);

behaviour("wrong options and an aborted signal", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), MiB);
  await using attachment = await attach(image);
  truncateSync(image, 2 * MiB);
  await errorOf(resize(attachment.device, { timeoutMs: 0 }), "ERR_LOOP_ARGUMENT");
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  assert.is(await reasonOf(resize(attachment.device, { signal })), reason);
  assert.is(bytesOf(attachment.device), MiB);
});

function bytesOf(device: string): number {
  return Number(attribute(numberOf(device), "size")) * 512;
}

test.run();
