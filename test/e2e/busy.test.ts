/**
 * Detach of a device that somebody holds: says who, waits until the deadline, and the device goes
 * with its holder.
 */
import { mkdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskseqOf, isBound, numberOf, partitionsOf, until } from "../helpers/devices.ts";
import type { expectRefusal } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { gptImage } from "../helpers/images.ts";
import { command, startCommand, tool } from "../helpers/process.ts";
import { type AttachedJson, behaviour, type Scene } from "../helpers/scene.ts";

behaviour(
  "a mounted partition makes detach exit 5 and name the mount point",
  ["root", "sfdisk", "mkfs.ext4", "mount"],
  async (scene) => {
    const { device, point } = await attachMounted(scene);
    const outcome = await command(["detach", device.device, "--timeout", "1s"]);
    expectBusy(outcome, point);
    assert.ok(isBound(numberOf(device.device)));
    await tool("umount", [point]);
    await goesAway(scene, device);
  },
);

for (const partition of ["", "p2"]) {
  const what = partition === "" ? "disk" : "partition";
  behaviour(
    `an open descriptor of the ${what} makes it exit 5 and name the process`,
    ["root", "sfdisk"],
    async (scene) => {
      const device = await scene.attach(await gptImage(scene.path("d.img")));
      const holder = await hold(scene, "open", `${device.device}${partition}`);
      const outcome = await command(["detach", device.device, "--timeout", "1s"]);
      expectBusy(outcome, String(holder.pid), "node");
      await holder.stop();
      await goesAway(scene, device);
    },
  );
}

behaviour("the holders are in the JSON result", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")));
  const holder = await hold(scene, "open", `${device.device}p1`);
  const outcome = await command(["detach", device.device, "--timeout", "2s", "--json"]);
  assert.is(outcome.status, 5);
  const [result] = JSON.parse(outcome.stdout).detached;
  assert.is(result.error.code, "ERR_LOOP_BUSY");
  const named = result.error.holders.find((one: { pid?: number }) => one.pid === holder.pid);
  assert.is(named?.kind, "descriptor");
  assert.is(named?.command, "node");
  assert.is(`/dev/${named?.device}`, `${device.device}p1`);
  await holder.stop();
  await goesAway(scene, device);
});

behaviour("detach is done as soon as the holder goes", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")));
  const holder = await hold(scene, "open", `${device.device}p1`);
  const running = startCommand(["detach", device.device, "--timeout", "20s"]);
  await running.shows(String(holder.pid));
  await holder.stop();
  const outcome = await running.outcome;
  assert.is(outcome.status, 0, outcome.stderr);
  assert.ok(outcome.tookMs < 10_000, `${outcome.tookMs} ms`);
});

behaviour(
  "--lazy exits 0 while a partition is mounted",
  ["root", "sfdisk", "mkfs.ext4", "mount"],
  async (scene) => {
    const { device, point } = await attachMounted(scene);
    const outcome = await command(["detach", device.device, "--lazy", "--json"]);
    assert.is(outcome.status, 0, outcome.stderr);
    const [result] = JSON.parse(outcome.stdout).detached;
    assert.is(result.result, "deferred");
    assert.ok(isBound(numberOf(device.device)));
    await tool("umount", [point]);
    await goesAway(scene, device);
  },
);

behaviour(
  "a lock that another process holds makes detach exit 5",
  ["root", "flock"],
  async (scene) => {
    const device = await scene.attach(await gptImage(scene.path("d.img")));
    const holder = await hold(scene, "lock", device.device);
    const outcome = await command(["detach", device.device, "--timeout", "1s"]);
    expectBusy(outcome, String(holder.pid), "sleep");
    await holder.stop();
    await scene.detach(`diskseq:${device.diskseq}`);
  },
);

async function attachMounted(scene: Scene) {
  const device = await scene.attach(await gptImage(scene.path("d.img")));
  const point = scene.path("mnt");
  mkdirSync(point);
  await tool("mkfs.ext4", ["-q", `${device.device}p2`]);
  await tool("mount", [`${device.device}p2`, point]);
  return { device, point };
}

function expectBusy(outcome: Parameters<typeof expectRefusal>[0], ...texts: string[]): void {
  assert.is(outcome.status, 5, outcome.stderr);
  for (const text of texts) {
    assert.ok(outcome.stderr.includes(text), `'${text}' in: ${outcome.stderr}`);
  }
  // A second for the detach, the rest for starting the process.
  assert.ok(outcome.tookMs < 10_000, `took ${outcome.tookMs} ms`);
}

/** Partitions of ours may stay on it where only a detach to the end removes them. */
async function goesAway(scene: Scene, device: AttachedJson): Promise<void> {
  const number = numberOf(device.device);
  const isGone = () => !isBound(number) || diskseqOf(number) !== device.diskseq;
  await until(`${device.device} to go`, isGone);
  if (!isBound(number) && partitionsOf(number).length > 0) {
    const next = await scene.attach(device.backing.path ?? "", "--device", device.device);
    await scene.detach(`diskseq:${next.diskseq}`);
  }
}

test.run();
