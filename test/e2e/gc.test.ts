/**
 * Garbage is found and given back: partitions left on an unbound device, devices of ours whose
 * image is deleted. What is in use stays, what belongs to others is not even looked at twice.
 */
import { renameSync, rmSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { attach } from "../../host/index.ts";
import type { Kernel } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import type { GarbageOptions } from "../../host/stream-types.ts";
import type { AttachOptions } from "../../host/types.ts";
import {
  instanceOf,
  isBound,
  numberOf,
  partitionsOf,
  plainAttach,
  plainDetach,
} from "../helpers/devices.ts";
import { errorOf, reasonOf } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { KernelDecorator, LyingKernel } from "../helpers/kernels.ts";
import { start } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";

const MiB = 1 << 20;
const needs = ["root", "sfdisk", "losetup"] as const;

/** Sees these loop devices and no other: the machine is not ours alone. */
class OwnKernel extends KernelDecorator {
  readonly #disks: readonly string[];

  constructor(devices: readonly string[]) {
    super(new LinuxKernel());
    this.#disks = devices.map((device) => device.slice("/dev/".length));
  }

  override listNames(disk?: string): string[] {
    return disk === undefined ? [...this.#disks] : super.listNames(disk);
  }
}

behaviour("partitions left on an unbound device are found, then removed", needs, async (scene) => {
  const device = await leave(scene);
  if (device === undefined) return;
  const diskseq = instanceOf(numberOf(device));
  const found = {
    kind: "partitions",
    device,
    diskseq,
    partitions: [1, 2, 3],
    image: null,
    reference: null,
    holders: [],
    error: null,
  };
  assert.equal(await collect([device]), [{ ...found, result: "found" }]);
  assert.is(partitionsOf(numberOf(device)).length, 3);
  assert.equal(await collect([device], { apply: true }), [{ ...found, result: "removed" }]);
  assert.equal(partitionsOf(numberOf(device)), []);
  assert.equal(await collect([device], { apply: true }), []);
});

behaviour("left partitions of which one is in use are kept", needs, async (scene) => {
  const device = await leave(scene);
  if (device === undefined) return;
  const holder = await hold(scene, "open", `${device}p2`);
  if (partitionsOf(numberOf(device)).length === 0) return expectNothing(device);
  const [found] = await collect([device]);
  assert.equal([found?.result, found?.holders[0]?.pid], ["found", holder.pid]);
  const [kept] = await collect([device], { apply: true });
  assert.equal([kept?.result, kept?.holders[0]?.pid], ["kept", holder.pid]);
  assert.is(partitionsOf(numberOf(device)).length, 3);
  await holder.stop();
  assert.is((await collect([device], { apply: true }))[0]?.result, "removed");
});

behaviour("one that is opened at the last moment is kept, the others go", needs, async (scene) => {
  const device = await leave(scene);
  if (device === undefined) return;
  const holder = await hold(scene, "open", `${device}p2`);
  if (partitionsOf(numberOf(device)).length === 0) return expectNothing(device);
  const kernel = new OwnKernel([device]);
  const find = kernel.findHolders.bind(kernel);
  let looks = 0;
  kernel.findHolders = async (disk) => (++looks === 1 ? [] : find(disk));
  const [kept] = await collectBy(kernel, { apply: true });
  assert.equal([kept?.result, kept?.holders[0]?.pid], ["kept", holder.pid]);
  assert.equal(
    partitionsOf(numberOf(device)).map(({ number }) => number),
    [2],
  );
  await holder.stop();
});

behaviour(
  "a device of ours whose image is deleted is found, then detached",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const device = await kept(image, { partscan: "user" });
    const number = numberOf(device);
    assert.equal(await collect([device]), [], "the image is there");
    rmSync(image);
    const found = {
      kind: "device",
      device,
      diskseq: instanceOf(number),
      partitions: [1, 2, 3],
      image,
      reference: "diskseq:d.img",
      holders: [],
      error: null,
    };
    assert.equal(await collect([device]), [{ ...found, result: "found" }]);
    assert.ok(isBound(number));
    assert.equal(await collect([device], { apply: true }), [{ ...found, result: "removed" }]);
    assert.not.ok(isBound(number) && instanceOf(number) === found.diskseq);
  },
);

behaviour("an image that another file took the place of is deleted", needs, async (scene) => {
  const image = blankImage(scene.path("d.img"), MiB);
  const device = await kept(image);
  renameSync(blankImage(scene.path("new.img"), MiB), image);
  const [removed] = await collect([device], { apply: true });
  assert.equal([removed?.result, removed?.image], ["removed", image]);
});

behaviour("a file may be called deleted", needs, async (scene) => {
  const image = blankImage(scene.path("d.img (deleted)"), MiB);
  const device = await kept(image);
  assert.equal(await collect([device], { apply: true }), []);
  assert.ok(isBound(numberOf(device)));
  await plainDetach(device);
});

for (const who of ["another process", "a handle of this one", "a mount-like claim"] as const) {
  behaviour(`a deleted image that is in use by ${who} is kept`, needs, async (scene) => {
    const image = blankImage(scene.path("d.img"), MiB);
    const attachment = await attach(image, { persistent: true });
    const { device } = attachment;
    // Runs when the holder is gone.
    scene.defer(() => plainDetach(device));
    let pid = process.pid;
    if (who !== "a handle of this one") {
      await attachment.release();
      const what = who === "another process" ? "open" : "exclusive";
      pid = (await hold(scene, what, device)).pid;
    }
    rmSync(image);
    const [garbage] = await collect([device], { apply: true });
    assert.equal([garbage?.result, garbage?.holders[0]?.pid], ["kept", pid]);
    assert.ok(isBound(numberOf(device)));
    await attachment.release();
  });
}

behaviour("devices of others are left alone", needs, async (scene) => {
  const images = ["a.img", "b.img"].map((name) => blankImage(scene.path(name), MiB));
  const theirs = await plainAttach(images[0] ?? "");
  const other = await kept(images[1] ?? "", { reference: "theirs" });
  for (const image of images) rmSync(image);
  assert.equal(await collect([theirs, other], { apply: true }), []);
  for (const device of [theirs, other]) {
    assert.ok(isBound(numberOf(device)));
    await plainDetach(device);
  }
});

behaviour("one failure does not keep the rest", needs, async (scene) => {
  const devices: string[] = [];
  for (const name of ["a.img", "b.img"]) {
    const image = blankImage(scene.path(name), MiB);
    devices.push(await kept(image));
    rmSync(image);
  }
  devices.sort((a, b) => numberOf(a) - numberOf(b));
  const kernel = new LyingKernel(new OwnKernel(devices));
  let failures = 0;
  kernel.instead = ({ request }) => {
    if (request !== Ioctl.LOOP_CLR_FD || failures >= 9) return undefined;
    failures += 1;
    return -5;
  };
  const [first, second] = await collectBy(kernel, { apply: true });
  assert.equal([first?.device, first?.result], [devices[0], "failed"]);
  await errorOf(Promise.reject(first?.error), "ERR_LOOP_SYSTEM");
  assert.equal([second?.device, second?.result, second?.error], [devices[1], "removed", null]);
  await plainDetach(devices[0] ?? "");
});

behaviour(
  "a device that was taken meanwhile is not touched",
  [...needs, "diskseq"],
  async (scene) => {
    const device = await leave(scene);
    if (device === undefined) return;
    const kernel = new OwnKernel([device]);
    const read = kernel.readAttribute.bind(kernel);
    // The number of the instance before.
    kernel.readAttribute = (disk, name) =>
      name === "diskseq" ? String(Number(read(disk, name)) - 1) : read(disk, name);
    const [garbage] = await collectBy(kernel, { apply: true });
    assert.is(garbage?.result, "failed");
    await errorOf(Promise.reject(garbage?.error), "ERR_LOOP_STALE");
    assert.is(partitionsOf(numberOf(device)).length, 3);
  },
);

behaviour("wrong options and an aborted signal", ["root"], async () => {
  await errorOf(collect([], { timeoutMs: -1 }), "ERR_LOOP_ARGUMENT");
  const reason = new Error("enough");
  assert.is(await reasonOf(collect(["/dev/loop0"], { signal: AbortSignal.abort(reason) })), reason);
});

/** From Linux 5.15 to 7.0 a scan is due after a detach: the first open has the kernel drop them. */
async function expectNothing(device: string): Promise<void> {
  assert.equal(await collect([device], { apply: true }), []);
}

async function collect(devices: readonly string[], options: GarbageOptions = {}) {
  return collectBy(new OwnKernel(devices), options);
}

async function collectBy(kernel: Kernel, options: GarbageOptions) {
  const session = new Session(kernel);
  try {
    return await session.collectGarbage({ timeoutMs: slowness * 5000, ...options });
  } finally {
    await session.close();
  }
}

/** A device that stays without a handle. */
async function kept(image: string, options: AttachOptions = {}): Promise<string> {
  const attachment = await attach(image, { persistent: true, ...options });
  await attachment.release();
  return attachment.device;
}

/**
 * A device with three partitions on it, unbound by plain losetup; undefined where the kernel drops
 * them, or somebody was quicker.
 */
async function leave(scene: Scene): Promise<string | undefined> {
  const image = await gptImage(scene.path("d.img"));
  const attachment = await attach(image, { persistent: true, partscan: "user" });
  await attachment.release();
  const { device } = attachment;
  scene.watch(attachment);
  scene.defer(() => start("partx", ["--delete", device]).outcome);
  await plainDetach(device);
  const number = numberOf(device);
  return isBound(number) || partitionsOf(number).length !== 3 ? undefined : device;
}

test.run();
