/**
 * The attach in one call on the kernel that runs: what the probe says of it, what that changes, and
 * that neither leaves a device or a node.
 */
import { readdirSync } from "node:fs";
import { version } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { realSystem } from "../../host/cli/checks.ts";
import { factsOf } from "../../host/cli/kernel-facts.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { callName, WatchedKernel } from "../helpers/kernels.ts";
import { kernelHasParsers } from "../helpers/needs.ts";
import { behaviour } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";

const needs = ["root", "sfdisk", "losetup"] as const;

/** Every so many calls: each begins a session anew. */
const stride = slowness > 1 ? 20 : 5;

/** Devices with numbers like that of the probe, in sysfs and in /dev. */
function probed(): string[] {
  return ["/sys/block", "/dev"].flatMap((path) =>
    readdirSync(path).filter((name) => /^loop4\d{3}/.test(name)),
  );
}

behaviour("the verdict is that of the version, and doctor tells it", ["root"], async (scene) => {
  const before = probed();
  const session = new Session(new LinuxKernel());
  const verdict = await session.probeScan();
  await session.close();
  assert.equal(probed(), before);
  const { stdout } = await scene.command("doctor", "--json");
  const { checks } = JSON.parse(stdout) as { checks: { name: string; found: string }[] };
  assert.is(checks.find(({ name }) => name === "scan")?.found, verdict);
  assert.equal(probed(), before);
  // Others may have backported the fix.
  if (!version().includes("Debian")) return;
  const isRacy = factsOf(realSystem.release).some(({ text }) => text.includes("losetup -P races"));
  assert.is(verdict, isRacy ? "racy" : "fixed");
});

behaviour("fast: one call where the kernel is fixed, else as ever", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const kernel = new WatchedKernel(new LinuxKernel());
  const session = new Session(kernel);
  const isFixed = (await session.probeScan()) === "fixed";
  const calls: string[] = [];
  kernel.after = (call) => {
    calls.push(callName(call));
    return undefined;
  };
  const disk = await session.attach(image, { fast: true });
  const hasParsers = await kernelHasParsers();
  const times = (name: string): number => calls.filter((one) => one === name).length;
  assert.is(disk.partscan, hasParsers ? "kernel" : "user");
  assert.is(times("LOOP_SET_STATUS64"), isFixed ? 0 : 1);
  assert.is(times("LOOP_CONFIGURE"), hasParsers ? 1 : 2);
  expectPartitions(disk.partitions, await expectedPartitions(image));
  await disk.detach();
  await session.close();
});

behaviour("attach --fast ends where attach does", needs, async (scene) => {
  const before = probed();
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image, "--fast");
  assert.is(device.partscan, (await kernelHasParsers()) ? "kernel" : "user");
  expectPartitions(device.partitions, await expectedPartitions(image));
  await scene.detach(device.device);
  assert.equal(probed(), before);
});

behaviour("an abort at any call of the probe leaves nothing", needs, async (scene) => {
  const before = probed();
  const image = await gptImage(scene.path("d.img"));
  const counted = new WatchedKernel(new LinuxKernel());
  const whole = new Session(counted);
  await whole.probeScan();
  await whole.close();
  for (let nth = 1; nth <= counted.calls; nth += stride) {
    const kernel = new WatchedKernel(new LinuxKernel());
    const session = new Session(kernel);
    const controller = new AbortController();
    kernel.before = (_, index) => {
      if (index === nth) controller.abort(new Error("enough"));
      return undefined;
    };
    const options = { fast: true, signal: controller.signal };
    const message = await session.attach(image, options).catch((error: Error) => error.message);
    assert.is(message, "enough", `call ${nth}`);
    assert.equal(probed(), before, `call ${nth}`);
    await session.close();
  }
});

test.run();
