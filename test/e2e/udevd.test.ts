/**
 * With a udevd: what awaits it returns when it has processed the very instance, whatever is told
 * or lost; and monitors tell what it says.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../host/index.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { runApart } from "../helpers/apart.ts";
import { diskseqOf, until } from "../helpers/devices.ts";
import { claimProcessed } from "../helpers/forged.ts";
import { type Heard, isSynthetic, patientMs, spelled } from "../helpers/heard.ts";
import { gptImage } from "../helpers/images.ts";
import { startCommand } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";
import { deadlineMs, expectProcessed, Udevd } from "../helpers/udevd.ts";

const needs = ["root", "udevd", "diskseq", "sfdisk"] as const;
const patient = { deadlineMs };
const patience = `${patientMs / 1000}s`;
/** The first attach finds no record of udev's, those after it find one of another instance. */
const rounds = slowness > 1 ? 2 : 3;

/** Slow, and with a trace of what ran last of all: after udev has written its record. */
const slowRules = [
  'ENV{DEVTYPE}=="disk", PROGRAM="/bin/sleep 0.2"',
  'ENV{DEVTYPE}=="partition", RUN+="/bin/sh -c \'sleep 0.2; echo $env{DISKSEQ} >/run/%k\'"',
];

function expectRan(partitions: readonly { device: string }[], diskseq: bigint | number | null) {
  for (const { device } of partitions) {
    const ran = readFileSync(`/run/${device.slice("/dev/".length)}`, "utf8");
    assert.is(ran.trim(), String(diskseq));
  }
}

for (const partscan of ["user", "kernel"] as const) {
  behaviour(
    `attach returns when udev has processed disk and partitions (${partscan})`,
    needs,
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const udevd = await Udevd.start(scene, slowRules);
      for (let round = 0; round < rounds; round++) {
        const attachment = await udevd.attach(image, { udev: true, partscan });
        expectProcessed(udevd, attachment);
        expectRan(attachment.partitions, attachment.diskseq);
        await attachment.detach();
      }
    },
    patient,
  );
}

behaviour(
  "the command attach returns when udev has processed disk and partitions",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene, slowRules);
    for (let round = 0; round < rounds; round++) {
      const words = ["--udev", "--device", udevd.device, "--timeout", patience];
      const attached = await scene.attach(image, ...words);
      expectProcessed(udevd, attached);
      expectRan(attached.partitions, attached.diskseq);
      await scene.detach(attached.device);
    }
  },
  patient,
);

behaviour(
  "a monitor tells what the kernel says and what udev says of it",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    const heard = await udevd.listen();
    // 3 partitions added and removed, told by the kernel and by udev
    const words = ["--disk", udevd.device, "--devtype", "partition", "--count", "12", "--json"];
    const shown = startCommand(["monitor", ...words], { deadlineMs });
    await shown.shows("listening");
    const attachment = await udevd.attach(image);
    const { diskseq } = attachment;
    await udevd.settle();
    await attachment.detach();
    await heard.catchUp(udevd.disk);
    const { status, stdout, stderr } = await shown.outcome;
    assert.is(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    const told = lines.map((line) => JSON.parse(line)).filter(({ type }) => type === "uevent");
    assert.is(told.length, 12);
    const names = [1, 2, 3].map((number) => `loop${udevd.number}p${number}`);
    for (const action of ["add", "remove"]) {
      const expected = names.map((name) => `${action} ${name}`);
      assert.equal(spelled(heard.uevents("kernel", action)), expected);
      assert.equal(spelled(heard.uevents("udev", action)).sort(), expected);
      for (const group of ["kernel", "udev"]) {
        const mine = told.filter((event) => event.group === group && event.action === action);
        assert.equal(spelled(mine).sort(), expected);
      }
    }
    const items = heard.items.filter((item) => item.type === "uevent");
    assert.is(items.length, heard.items.length);
    for (const { diskseq: number, verdict, action } of items) {
      assert.is(number, diskseq);
      assert.ok(verdict === "mine" || (verdict === "later" && action === "change"), `${verdict}`);
    }
    for (const { properties } of heard.uevents("udev", "add")) {
      assert.is(properties.TEST_DISKSEQ, String(diskseq));
    }
  },
  patient,
);

behaviour(
  "what udev says late is stale, mine or later by its DISKSEQ",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    await udevd.pause();
    const before = await udevd.attach(image);
    await before.detach();
    const mine = await udevd.attach(image);
    const heard = await udevd.listen(mine.diskseq);
    udevd.resume();
    await udevd.settle();
    await mine.detach();
    const after = await udevd.attach(image, { udev: true });
    await after.detach();
    await heard.catchUp(udevd.disk);
    const own = BigInt(mine.diskseq ?? 0);
    const verdicts = new Set<unknown>();
    for (const { diskseq, verdict, marks } of heard.uevents("udev")) {
      const number = diskseq ?? 0n;
      const isMine = number === own || marks.includes("ends");
      const expected = number < own ? "stale" : isMine ? "mine" : "later";
      assert.is(verdict, expected);
      verdicts.add(verdict);
    }
    assert.equal([...verdicts], ["stale", "mine", "later"]);
  },
  patient,
);

behaviour(
  "a late wait has udev asked, once for each device",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    const attachment = await udevd.attach(image);
    const { device } = udevd;
    await udevd.settle();
    const heard = await udevd.listen();
    const names = [device, ...attachment.partitions.map((partition) => partition.device)];

    const words = ["--partitions", "--udev", "--timeout", patience, "--json"];
    const outcome = await scene.command("wait", device, ...words);
    assert.is(outcome.status, 0, outcome.stderr);
    const { waited } = JSON.parse(outcome.stdout);
    assert.is(waited[0].result, "ready");
    assert.is(waited[0].diskseq, Number(attachment.diskseq));
    await heard.catchUp(udevd.disk);
    expectAsked(heard, names);

    heard.items.length = 0;
    const target = { device, partitions: true, udev: true };
    const { result, diskseq, partitions } = await waitFor(target, { timeoutMs: patientMs });
    assert.equal([result, diskseq, partitions.length], ["ready", attachment.diskseq, 3]);
    await heard.catchUp(udevd.disk);
    expectAsked(heard, names);
  },
  patient,
);

/** One synthetic change of each, and nothing else. */
function expectAsked(heard: Heard, devices: readonly string[]): void {
  const events = heard.uevents("kernel");
  assert.equal(events.map(({ device }) => device).sort(), [...devices].sort());
  assert.ok(events.every((event) => event.action === "change" && isSynthetic(event)));
}

behaviour(
  "what udev said and nobody heard is asked again",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    const all = await udevd.listen();
    // room for two messages
    const session = new Session(new LinuxKernel({ receiveBufferBytes: 1 }));
    scene.defer(() => session.close());
    const small = await session.monitor({ disk: udevd.device, groups: ["udev"] });
    let hasGap = false;
    const reading = (async () => {
      for await (const { type } of small) hasGap ||= type === "gap";
    })();
    let left = 3;
    const attachment = await session.attach(image, {
      device: udevd.number,
      udev: true,
      partscan: "user",
      timeoutMs: patientMs,
      onStep: ({ step }) => {
        // hears nothing until udev has said it all
        if (step === "add-partition" && --left === 0) spawnSync("udevadm", ["settle"]);
      },
    });
    scene.defer(() => attachment.detach());
    assert.is(left, 0);
    expectProcessed(udevd, attachment);
    assert.ok(small.counts.lost > 0);
    await all.catchUp(udevd.disk);
    assert.ok(all.uevents("kernel").some(isSynthetic));
    small.close();
    await reading;
    assert.ok(hasGap);
  },
  patient,
);

for (const isFirst of [true, false]) {
  const when = isFirst ? "the first attach" : "an attach after another";
  behaviour(
    `a forged word of udev ends no wait (${when})`,
    [...needs, "python3"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      // what is believed too early is not processed by then
      const rules = ['ENV{DEVTYPE}=="partition", PROGRAM="/bin/sleep 0.2"'];
      const udevd = await Udevd.start(scene, rules);
      const before = isFirst ? undefined : await udevd.attach(image, { udev: true });
      await udevd.pause();
      // udev's records of it stay
      await before?.detach();
      const heard = await udevd.listen();

      const attaching = udevd.attach(image, { udev: true });
      await until("the partitions", () => heard.uevents("kernel", "add").length === 3, patientMs);
      const { device } = udevd;
      const options = { timeoutMs: patientMs };
      const waiting = waitFor({ device, partitions: [1, 2, 3], udev: true }, options);
      const diskseq = BigInt(diskseqOf(udevd.number));
      const genuine = heard.uevents("kernel", "add", "change");
      await claimProcessed(genuine.filter((event) => event.diskseq === diskseq));
      await until("the forged words", () => heard.uevents("udev", "add").length === 3, patientMs);
      assert.ok(heard.uevents("udev").every(({ verdict }) => verdict !== "stale"));
      assert.is(await Promise.race([attaching, waiting, sleep(300, "nothing")]), "nothing");

      udevd.resume();
      const first = await Promise.race([attaching, waiting]);
      // What is left of another instance's records, a forger can pass off as this one's.
      if (isFirst) {
        assert.equal(udevd.processed(first, ...first.partitions), Array(4).fill(diskseq));
      }
      assert.is((await waiting).diskseq, diskseq);
      await attaching;
      await udevd.settle();
      expectProcessed(udevd, await attaching);
    },
    patient,
  );
}

await runApart(() => test.run());
