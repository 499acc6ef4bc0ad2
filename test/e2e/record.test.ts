/**
 * `diskseq record` as a process on real events: what another process does to a loop device is in
 * the file, and what sysfs showed of it; the file runs again; how it ends.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { linuxFilesystem, mebibyte, writeImage } from "../../host/cli/image.ts";
import { gptImage } from "../helpers/images.ts";
import { leaksOf } from "../helpers/leaks.ts";
import { ownLoop } from "../helpers/loops.ts";
import { command, type Running, startCommand } from "../helpers/process.ts";
import { readRecorded } from "../helpers/recorded.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

async function recording(
  scene: Scene,
  args: readonly string[],
  wrapper: readonly string[] = [],
): Promise<Running> {
  const running = startCommand(["record", ...args], { directory: scene.directory, wrapper });
  scene.defer(() => running.stop("SIGKILL"));
  await running.shows("record: recording to");
  return running;
}

async function expectReplays(path: string): Promise<void> {
  const { status, stdout, stderr } = await command(["replay", path]);
  assert.is(status, 0, stdout + stderr);
}

behaviour("an attach of another process, all of it", ["root"], async (scene) => {
  const path = scene.path("t.ndjson");
  const image = await gptImage(scene.path("d.img"));
  const running = await recording(scene, [path, "--json"]);
  const disk = await scene.attach(image);
  await scene.detach(disk.device);
  running.child.kill("SIGINT");
  const { status, stdout, stderr } = await running.outcome;
  assert.is(status, 0, stderr);

  const summary = JSON.parse(stdout);
  const entries = readRecorded(path);
  const told = entries.flatMap((entry) => (entry.kind === "uevent" ? [entry] : []));
  assert.equal([summary.path, summary.error, summary.told], [path, null, told.length]);
  assert.is(summary.bytes, statSync(path).size);
  for (const { strings } of told) assert.ok(strings.includes("SUBSYSTEM=block"), strings.join());
  const diskseq = BigInt(disk.diskseq ?? 0);
  const name = disk.device.slice("/dev/".length);
  const added = told.filter(
    (event) => event.diskseq === diskseq && event.strings.includes("ACTION=add"),
  );
  assert.is(added.length >= disk.partitions.length, true, `${added.length} partitions`);
  const looks = entries.filter((entry) => entry.kind === "disk" || entry.kind === "partitions");
  const ofDisk = looks.filter((entry) => entry.disk === name);
  const bound = ofDisk.find((entry) => entry.kind === "disk" && entry.diskseq === diskseq);
  assert.ok(bound?.kind === "disk" && bound.isBound && bound.size === statSync(image).size);
  const numbers = disk.partitions.map(({ number }) => number).join();
  assert.ok(
    ofDisk.some((entry) => entry.kind === "partitions" && entry.numbers.join() === numbers),
  );
  // Every disk of the machine was looked at before.
  const early = new Set(looks.map((entry) => entry.disk));
  for (const other of readdirSync("/sys/block").filter((one) => /^loop\d$/.test(one))) {
    assert.ok(early.has(other), other);
  }
  await expectReplays(path);
});

behaviour("one disk, so many events, and SIGTERM", ["root"], async (scene) => {
  const loop = await ownLoop(scene);
  const running = await recording(scene, ["one.ndjson", "--disk", loop.device]);
  await loop.addPartition(1);
  const next = await loop.replace();
  running.child.kill("SIGTERM");
  const { status, stdout, stderr } = await running.outcome;
  assert.equal([status, stdout], [0, "one.ndjson\n"], stderr);
  const entries = readRecorded(scene.path("one.ndjson"));
  const told = entries.flatMap((entry) => (entry.kind === "uevent" ? [entry] : []));
  assert.ok(told.some(({ strings }) => strings.includes("PARTN=1")));
  for (const { strings } of told) {
    assert.ok(strings.some((one) => one.startsWith("DEVPATH=") && one.includes(loop.name)));
  }
  const disks = entries.flatMap((entry) => (entry.kind === "disk" ? [entry] : []));
  assert.ok(disks.every(({ disk }) => disk === loop.name));
  assert.ok(disks.some(({ diskseq }) => diskseq === next));
  await expectReplays(scene.path("one.ndjson"));

  const counted = await recording(scene, ["--disk", loop.device, "--count", "2"]);
  await loop.deletePartition(1);
  await loop.addPartition(2);
  const outcome = await counted.outcome;
  assert.is(outcome.status, 0, outcome.stderr);
  const own = outcome.stdout.trim();
  assert.match(own, /^diskseq-\d{8}T\d{6}Z\.ndjson$/);
  await expectReplays(scene.path(own));
  const again = await command(["record", own, "--for", "1ms"], { directory: scene.directory });
  assert.is(again.status, 2);
  assert.match(again.stderr, "--force replaces it");
});

behaviour("redacted, no name of an image or a partition is in it", ["root"], async (scene) => {
  const image = scene.path("canary.img");
  writeImage(image, 8 * mebibyte, [
    { name: "name-canary", type: linuxFilesystem, start: mebibyte, size: 4 * mebibyte },
  ]);
  const own = scene.path("own.ndjson");
  const others = scene.path("others.ndjson");
  const running = await recording(scene, [others, "--redact"]);
  const disk = await scene.attach(image, "--trace", own, "--redact");
  await scene.detach(disk.device);
  running.child.kill("SIGINT");
  assert.is((await running.outcome).status, 0);
  const uuid = disk.partitions[0]?.uuid ?? "";
  const guid = Buffer.from(readFileSync(image).subarray(1024 + 16, 1024 + 32));
  for (const path of [own, others]) {
    assert.equal(leaksOf(path, ["canary", uuid, uuid.toLowerCase(), guid]), [], path);
    await expectReplays(path);
  }
  const told = readRecorded(others).flatMap((one) => (one.kind === "uevent" ? [one] : []));
  assert.ok(told.some(({ diskseq }) => diskseq === BigInt(disk.diskseq ?? 0)));
});

behaviour("without any capability it records the same", ["root", "setpriv"], async (scene) => {
  const none = ["--bounding-set=-all", "--inh-caps=-all"];
  const loop = await ownLoop(scene);
  const path = scene.path("user.ndjson");
  const args = [path, "--disk", loop.name, "--for", "1s"];
  const running = await recording(scene, args, ["setpriv", ...none]);
  const next = await loop.replace();
  const { status, stderr } = await running.outcome;
  assert.is(status, 0, stderr);
  const entries = readRecorded(path);
  assert.ok(entries.some((entry) => entry.kind === "uevent"));
  const disks = entries.flatMap((entry) => (entry.kind === "disk" ? [entry] : []));
  assert.ok(disks.some(({ diskseq }) => diskseq === next));
  assert.match(
    readFileSync(path, "utf8").split("\n", 1)[0] ?? "",
    '"capabilities":"0000000000000000"',
  );
  await expectReplays(path);
  const refused = await command(["record", "/proc/t.ndjson", "--for", "1ms"]);
  assert.is(refused.status, 1);
  assert.not.ok(existsSync("/proc/t.ndjson"));
});

test.run();
