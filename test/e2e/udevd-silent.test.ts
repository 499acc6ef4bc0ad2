/**
 * Where udevd is stopped, slow or not there: what awaits it ends in time and says which device it
 * has not processed, and what does not await it is not kept waiting.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../host/index.ts";
import { runApart } from "../helpers/apart.ts";
import { boundBelow, partitionsOf, until } from "../helpers/devices.ts";
import { errorOf, expectRefusal, reasonOf } from "../helpers/expect.ts";
import { isSynthetic } from "../helpers/heard.ts";
import { gptImage } from "../helpers/images.ts";
import { command } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { deadlineMs, expectProcessed, expectUnprocessed, Udevd } from "../helpers/udevd.ts";

const needs = ["root", "udevd", "sfdisk"] as const;
const patient = { deadlineMs };

const silent = "udev has not processed";

/**
 * A timeout that is over before udev is awaited, or has begun, on a busy machine, makes way for a
 * longer one.
 */
async function untilSilent(
  device: string,
  attempt: (timeoutMs: number) => Promise<string>,
  andAlso = "",
): Promise<void> {
  const texts = [`${silent} ${device}`, andAlso];
  let told = "";
  for (let timeoutMs = 1500; timeoutMs < 100_000; timeoutMs *= 4) {
    told = await attempt(timeoutMs);
    if (texts.every((text) => told.includes(text))) return;
  }
  assert.unreachable(told);
}

async function messageOf(attempt: Promise<unknown>): Promise<string> {
  return (await errorOf(attempt, "ERR_LOOP_TIMEOUT")).message;
}

function expectUndone(scene: Scene, { number }: Udevd): void {
  assert.equal(boundBelow(scene.directory), []);
  assert.equal(partitionsOf(number), []);
}

behaviour(
  "a stopped udevd: attach times out, says so, and is undone",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    await udevd.pause();
    const { device } = udevd;

    await untilSilent(device, async (timeoutMs) => {
      const attaching = udevd.attach(image, { udev: true, timeoutMs });
      const error = await errorOf(attaching, "ERR_LOOP_TIMEOUT");
      assert.match(error.message, "undone");
      if (error.message.includes(silent)) assert.is(error.device, device);
      expectUndone(scene, udevd);
      return error.message;
    });

    const abort = new AbortController();
    setTimeout(() => abort.abort("enough"), 100);
    const aborted = udevd.attach(image, { udev: true, signal: abort.signal });
    assert.is(await reasonOf(aborted), "enough");
    expectUndone(scene, udevd);

    await untilSilent(device, async (timeoutMs) => {
      const words = ["--udev", "--device", device, "--timeout", `${timeoutMs}ms`];
      const outcome = await command(["attach", image, ...words]);
      expectRefusal(outcome, 6, "timed out", "undone");
      expectUndone(scene, udevd);
      return outcome.stderr;
    });
  },
  patient,
);

behaviour(
  "a stopped udevd: who does not ask for it is not kept waiting",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    await udevd.pause();
    const { device } = udevd;
    const attached = await scene.attach(image, "--device", device);
    expectUnprocessed(udevd, attached);
    await scene.detach(device);

    const attachment = await udevd.attach(image);
    expectUnprocessed(udevd, attachment);
    const target = { device, partitions: true };
    assert.is((await waitFor(target, { timeoutMs: 10_000 })).diskseq, attachment.diskseq);
    await untilSilent(udevd.disk, (timeoutMs) =>
      messageOf(waitFor({ ...target, udev: true }, { timeoutMs })),
    );
    await untilSilent(udevd.disk, async (timeoutMs) => {
      const words = ["--partitions", "--udev", "--timeout", `${timeoutMs}ms`];
      const outcome = await command(["wait", device, ...words]);
      expectRefusal(outcome, 6, "timed out");
      return outcome.stderr;
    });
    await attachment.detach();

    const pending = udevd.attach(image, { udev: true });
    await sleep(100);
    udevd.resume();
    expectProcessed(udevd, await pending);
  },
  patient,
);

behaviour(
  "a partition that udev has not processed is named",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const wait = `until [ -e /run/go ]; do sleep 0.05; done`;
    const udevd = await Udevd.start(scene, [`KERNEL=="*p2", PROGRAM="/bin/sh -c '${wait}'"`]);
    scene.defer(() => writeFileSync("/run/go", ""));
    const { device } = udevd;
    await untilSilent(
      `${device}p2`,
      (timeoutMs) => messageOf(udevd.attach(image, { udev: true, timeoutMs })),
      // udev has the disk open while it is at work
      `${device} is held open by`,
    );
    assert.equal(partitionsOf(udevd.number), []);
  },
  patient,
);

behaviour(
  "without a udevd attach does not wait for one",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    const { device } = udevd;
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await udevd.stop(signal);
      const heard = await udevd.listen();
      const warnings: string[] = [];
      const onWarning = ({ code }: { code: string }) => warnings.push(code);
      const attachment = await udevd.attach(image, { udev: true, onWarning });
      assert.equal(warnings, ["no-udev"]);
      expectUnprocessed(udevd, attachment);
      await attachment.detach();
      await heard.catchUp(udevd.disk, ["kernel"]);
      assert.equal(heard.uevents("kernel", "add").length, 3);
      assert.equal(heard.uevents("kernel").filter(isSynthetic), []);

      const attached = await scene.attach(image, "--device", device, "--udev");
      assert.match(attached.stderr, /^diskseq: warning: .*no udevd runs here/m);
      await scene.detach(device);
      const plain = await scene.attach(image, "--device", device);
      assert.not.match(plain.stderr, "udev");
      assert.is(plain.partitions.length, 3);
      await scene.detach(device);
    }
  },
  patient,
);

behaviour(
  "a udevd that dies while it is awaited: attach times out and is undone",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const udevd = await Udevd.start(scene);
    await udevd.pause();
    const message = messageOf(udevd.attach(image, { udev: true, timeoutMs: 6000 }));
    await until("the partitions", () => partitionsOf(udevd.number).length === 3);
    await udevd.stop("SIGKILL");
    assert.match(await message, `udev has not processed ${udevd.device};`);
    expectUndone(scene, udevd);
  },
  patient,
);

await runApart(() => test.run());
