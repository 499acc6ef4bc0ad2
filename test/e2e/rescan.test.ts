/**
 * Rescan of a bound device whose table was rewritten: what differs is changed and nothing else,
 * nothing where something is in use, and only the instance that was asked for.
 */
import { readFileSync, statSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attach, rescan } from "../../host/index.ts";
import type { Rescanned } from "../../host/stream-types.ts";
import {
  descriptorCount,
  diskseqOf,
  numberOf,
  partitionsOf,
  plainAttach,
  plainDetach,
} from "../helpers/devices.ts";
import { errorOf, reasonOf } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, expectedPartitions, patchImage, sfdisk } from "../helpers/images.ts";
import { start, tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

const needs = ["root", "sfdisk"] as const;

/** Partition number, first sector, sectors; type. */
type Slot = readonly [number: number, start: number, size: number, type?: string];

const before: readonly Slot[] = [
  [1, 2056, 8192],
  [2, 10_248, 20_480],
  [3, 30_728, 4096],
  [4, 40_960, 2048],
];

/** 1 stays, 2 is shorter, 3 is elsewhere, 4 is longer. */
const after: readonly Slot[] = [
  [1, 2056, 8192],
  [2, 10_248, 8192],
  [3, 18_440, 16_384],
  [4, 40_960, 4096],
];

for (const label of ["gpt", "dos"]) {
  for (const partscan of ["user", "none"] as const) {
    behaviour(`${label}, ${partscan}: only what differs changes`, needs, async (scene) => {
      const image = await tableImage(scene, label, before);
      await using attachment = await attach(image, { partscan });
      const { device, diskseq } = attachment;
      if (partscan === "none") await rescan(device);
      const first = identityOf(`${device}p1`);
      const second = identityOf(`${device}p2`);
      await write(device, label, after);
      const rescanned = await rescan(device);
      assert.equal(rescanned, {
        device,
        diskseq,
        added: [3],
        removed: [3],
        resized: [2, 4],
        partitions: rescanned.partitions,
      });
      await expectTable(rescanned);
      assert.equal(identityOf(`${device}p1`), first);
      assert.equal(identityOf(`${device}p2`), second);
    });
  }

  behaviour(`${label}: partitions appear where there were none`, needs, async (scene) => {
    const image = blankImage(scene.path("d.img"), 32 << 20);
    await using attachment = await attach(image, { partscan: "none" });
    await write(attachment.device, label, before);
    const rescanned = await rescan(attachment.device);
    assert.equal(rescanned.added, [1, 2, 3, 4]);
    await expectTable(rescanned);
  });

  behaviour(`${label}: partitions come and go`, needs, async (scene) => {
    const image = await tableImage(scene, label, before.slice(0, 2));
    await using attachment = await attach(image, { partscan: "user" });
    await write(attachment.device, label, before.slice(1));
    const rescanned = await rescan(attachment.device);
    assert.equal([rescanned.removed, rescanned.added], [[1], [3, 4]]);
    await expectTable(rescanned);
  });

  behaviour(`${label}: a table that is as it was changes nothing`, needs, async (scene) => {
    const image = await tableImage(scene, label, before);
    await using attachment = await attach(image, { partscan: "user" });
    const nodes = before.map(([number]) => identityOf(`${attachment.device}p${number}`));
    const rescanned = await rescan(attachment.device);
    const { added, removed, resized } = rescanned;
    assert.equal([added, removed, resized], [[], [], []]);
    await expectTable(rescanned);
    const now = before.map(([number]) => identityOf(`${attachment.device}p${number}`));
    assert.equal(now, nodes);
  });
}

behaviour("logical partitions follow their chain", needs, async (scene) => {
  const extended: readonly Slot[] = [
    [1, 2056, 8192],
    [2, 12_288, 40_960, "5"],
  ];
  const image = await tableImage(scene, "dos", [...extended, [5, 14_336, 8192], [6, 24_576, 2048]]);
  await using attachment = await attach(image, { partscan: "user" });
  await write(attachment.device, "dos", [...extended, [5, 14_336, 4096], [6, 20_480, 2048]]);
  const rescanned = await rescan(attachment.device);
  assert.equal([rescanned.removed, rescanned.added, rescanned.resized], [[6], [6], [5]]);
  await expectTable(rescanned);
});

behaviour("sectors of 4096 bytes", [...needs, "losetup"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 64 << 20);
  const device = await plainAttach("--sector-size", "4096", image);
  await write(device, "gpt", [[1, 257, 1024]]);
  assert.equal((await rescan(device)).added, [1]);
  await write(device, "gpt", [[1, 257, 2048]]);
  const rescanned = await rescan(device);
  assert.equal(rescanned.resized, [1]);
  await expectTable(rescanned);
  await dropAll(device);
});

behaviour("a table that was written to the image itself", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "user" });
  // The device's cache holds the table as it was.
  await tool("sfdisk", ["--json", attachment.device]);
  await write(image, "gpt", after);
  assert.equal((await rescan(attachment.device)).resized, [2, 4]);
});

for (const [what, table] of [
  ["go", before.slice(0, 1)],
  ["move", [...before.slice(0, 1), [2, 20_480, 4096], ...before.slice(3)] as Slot[]],
  ["shrink", after],
] as const) {
  behaviour(
    `an open partition that must ${what}: busy, nothing is changed`,
    needs,
    async (scene) => {
      const image = await tableImage(scene, "gpt", before);
      await using attachment = await attach(image, { partscan: "user" });
      const { device } = attachment;
      const holder = await hold(scene, "open", `${device}p2`);
      await write(device, "gpt", table);
      const shown = partitionsOf(numberOf(device));
      const error = await errorOf(rescan(device), "ERR_LOOP_BUSY");
      assert.match(error.message, `${device}p2`);
      assert.equal(
        error.holders.map(({ kind, pid }) => [kind, pid]),
        [["descriptor", holder.pid]],
      );
      assert.equal(partitionsOf(numberOf(device)), shown);
      await holder.stop();
      await expectTable(await rescan(device));
    },
  );
}

behaviour("an open partition may grow, or stay as it is", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "user" });
  const { device } = attachment;
  const holders = [
    await hold(scene, "open", `${device}p4`),
    await hold(scene, "open", `${device}p1`),
  ];
  await write(device, "gpt", after);
  const rescanned = await rescan(device);
  assert.equal(rescanned.resized, [2, 4]);
  await expectTable(rescanned);
  for (const holder of holders) await holder.stop();
});

for (const isScanned of [false, true]) {
  const flags = isScanned ? ["--partscan"] : [];
  const how = isScanned ? "on" : "off";
  behaviour(
    `without a table all partitions go, scanning ${how}`,
    [...needs, "losetup", "partx"],
    async (scene) => {
      const image = await tableImage(scene, "gpt", before);
      const device = await plainAttach(...flags, image);
      await tool("partx", ["--update", device]);
      assert.is(partitionsOf(numberOf(device)).length, 4);
      await tool("wipefs", ["--all", "--force", "--lock=no", device]);
      const holder = await hold(scene, "open", `${device}p3`);
      const error = await errorOf(rescan(device), "ERR_LOOP_BUSY");
      assert.is(error.holders[0]?.pid, holder.pid);
      assert.is(partitionsOf(numberOf(device)).length, 4);
      await holder.stop();
      const rescanned = await rescan(device);
      assert.equal([rescanned.removed, rescanned.partitions], [[1, 2, 3, 4], []]);
      assert.equal(partitionsOf(numberOf(device)), []);
      await plainDetach(device);
    },
  );
}

behaviour("a damaged table is refused, nothing is changed", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "user" });
  const shown = partitionsOf(numberOf(attachment.device));
  patchImage(image, 512, Buffer.alloc(512));
  patchImage(image, (32 << 20) - 512, Buffer.alloc(512));
  const error = await errorOf(rescan(attachment.device), "ERR_LOOP_TABLE");
  assert.match(error.message, "rescan of");
  assert.equal(partitionsOf(numberOf(attachment.device)), shown);
});

behaviour("one good copy of a GPT will do, and is told", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "none" });
  patchImage(image, 512, Buffer.alloc(512));
  const codes: string[] = [];
  const onWarning = ({ code }: { code: string }) => void codes.push(code);
  assert.equal((await rescan(attachment.device, { onWarning })).added, [1, 2, 3, 4]);
  assert.equal(codes, ["gpt-copy-damaged"]);
});

behaviour("a lock of others is waited for", [...needs, "flock"], async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "none", lock: "none" });
  const { device } = attachment;
  const holder = await hold(scene, "lock", device);
  const error = await errorOf(rescan(device, { timeoutMs: 300 }), "ERR_LOOP_BUSY");
  assert.ok(
    error.holders.some(({ pid }) => pid === holder.pid),
    JSON.stringify(error.holders),
  );
  assert.equal(partitionsOf(numberOf(device)), []);
  const rescanning = rescan(device, { timeoutMs: 20_000 });
  await holder.stop();
  assert.equal((await rescanning).added, [1, 2, 3, 4]);
});

for (const lock of ["shared", "none"] as const) {
  behaviour(`lock ${lock}: a handle's lock is as it was`, [...needs, "flock"], async (scene) => {
    const image = await tableImage(scene, "gpt", before);
    await using attachment = await attach(image, { partscan: "none", lock });
    const count = descriptorCount();
    await rescan(attachment.device);
    const isFree = async (how: string) =>
      (await start("flock", ["--nonblock", how, attachment.device, "true"]).outcome).status === 0;
    assert.is(await isFree("--shared"), true);
    assert.is(await isFree("--exclusive"), lock === "none");
    assert.is(descriptorCount(), count);
  });
}

behaviour("a rescan and a detach of one handle take turns", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  const attachment = await attach(image, { partscan: "none" });
  scene.watch({ device: attachment.device, partitions: await expectedPartitions(image) });
  const target = { device: attachment.device, diskseq: attachment.diskseq };
  const rescans = Promise.allSettled([rescan(target), rescan(target)]);
  await new Promise(setImmediate);
  const detached = attachment.detach();
  const added: number[][] = [];
  for (const end of await rescans) {
    if (end.status === "fulfilled") added.push(end.value.added.slice());
    // Its target was looked up when the detach had begun.
    else assert.match(String(end.reason.code), /^ERR_LOOP_(STALE|NOT_ATTACHED)$/);
  }
  assert.equal(added, [[1, 2, 3, 4], []].slice(0, added.length));
  assert.is((await detached).result, "gone");
});

for (const form of ["partition", "image", "diskseq"] as const) {
  const isByNumber = form === "diskseq" ? (["diskseq"] as const) : [];
  behaviour(`rescan by ${form}`, [...needs, ...isByNumber], async (scene) => {
    const image = await tableImage(scene, "gpt", before.slice(0, 1));
    await using attachment = await attach(image, { partscan: "user" });
    await write(image, "gpt", before);
    const { device, diskseq } = attachment;
    const target = { partition: `${device}p1`, image, diskseq: `diskseq:${diskseq}` }[form];
    assert.equal((await rescan(target)).added, [2, 3, 4]);
  });
}

behaviour(
  "an instance that is over is not touched",
  [...needs, "diskseq", "losetup"],
  async (scene) => {
    const image = await tableImage(scene, "gpt", before);
    const device = await plainAttach(image);
    const diskseq = diskseqOf(numberOf(device));
    await errorOf(rescan({ device, diskseq: diskseq - 1 }), "ERR_LOOP_STALE");
    assert.equal(partitionsOf(numberOf(device)), []);
    await plainDetach(device);
    // With the number, so that it is nobody else's by then.
    await errorOf(rescan({ device, diskseq }), "ERR_LOOP_NOT_ATTACHED", "ERR_LOOP_STALE");
  },
);

behaviour("a signal that is aborted rejects with its reason", needs, async (scene) => {
  const image = await tableImage(scene, "gpt", before);
  await using attachment = await attach(image, { partscan: "none" });
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  assert.is(await reasonOf(rescan(attachment.device, { signal })), reason);
  assert.equal(partitionsOf(numberOf(attachment.device)), []);
});

/** 32 MiB with this table. */
async function tableImage(scene: Scene, label: string, slots: readonly Slot[]): Promise<string> {
  const image = blankImage(scene.path("d.img"), 32 << 20);
  await write(image, label, slots);
  return image;
}

async function write(path: string, label: string, slots: readonly Slot[]): Promise<void> {
  const lines = slots.map(([number, first, size, type = label === "gpt" ? "L" : "83"]) => {
    return `p${number}: start=${first}, size=${size}, type=${type}`;
  });
  await sfdisk(path, [`label: ${label}`, ...lines]);
}

/** What is told, and what the kernel has, is what sfdisk reads on the device. */
async function expectTable({ device, partitions }: Rescanned): Promise<void> {
  const expected = (await expectedPartitions(device)).map(({ number, start, size }) => ({
    number,
    start,
    size,
  }));
  assert.equal(partitionsOf(numberOf(device)), expected);
  const told = partitions.map(({ number, start, size }) => ({ number, start, size }));
  assert.equal(told, expected);
  for (const { device: node, devnum } of partitions) {
    const name = node.slice("/dev/".length);
    assert.is(devnum, readFileSync(`/sys/class/block/${name}/dev`, "utf8").trim());
  }
}

/** Of a partition that was dropped and added again these differ. */
function identityOf(node: string) {
  const folder = `/sys/class/block/${node.slice("/dev/".length)}/`;
  return { inode: statSync(folder).ino, devnum: readFileSync(`${folder}dev`, "utf8") };
}

/** Plain losetup leaves partitions behind. */
async function dropAll(device: string): Promise<void> {
  await tool("partx", ["--delete", device]);
  await plainDetach(device);
}

test.run();
