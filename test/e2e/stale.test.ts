/**
 * Detach acts on the instance that it was given, whatever has that name by now.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { detach, waitFor } from "../../host/index.ts";
import {
  attribute,
  diskseqOf,
  isBound,
  numberOf,
  plainAttach,
  plainDetach,
} from "../helpers/devices.ts";
import { errorOf, expectRefusal } from "../helpers/expect.ts";
import { blankImage } from "../helpers/images.ts";
import { tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

behaviour(
  "diskseq:N of a reused name exits 4 and touches nothing",
  ["root", "diskseq", "losetup"],
  async (scene) => {
    const { device, stale, fresh } = await reuse(scene);
    expectRefusal(await scene.command("detach", `diskseq:${stale}`), 4);
    expectUntouched(scene, device, fresh);
    await plainDetach(device);
  },
);

behaviour(
  "a device and diskseq of a reused name reject as stale",
  ["root", "diskseq", "losetup"],
  async (scene) => {
    const { device, stale, fresh } = await reuse(scene);
    await errorOf(detach({ device, diskseq: BigInt(stale) }), "ERR_LOOP_STALE");
    expectUntouched(scene, device, fresh);
    await plainDetach(device);
  },
);

behaviour(
  "diskseq:N of the instance that is there detaches it",
  ["root", "diskseq"],
  async (scene) => {
    const device = await scene.attach(blankImage(scene.path("d.img"), 1 << 20));
    await scene.detach(`diskseq:${device.diskseq}`);
    assert.not.ok(isStill(numberOf(device.device), device.diskseq ?? 0));
  },
);

behaviour(
  "an instance that is over exits 4 also where the name is free",
  ["root", "diskseq"],
  async (scene) => {
    const device = await scene.attach(blankImage(scene.path("d.img"), 1 << 20));
    await scene.detach(device.device);
    expectRefusal(await scene.command("detach", `diskseq:${device.diskseq}`), 4);
  },
);

behaviour(
  "where the kernel has no diskseq, who names one is refused and the device stays",
  ["root", "no diskseq"],
  async (scene) => {
    const { device } = await scene.attach(blankImage(scene.path("d.img"), 1 << 20));
    const named = ["detach diskseq:77", "wait diskseq:77", "wait --removed diskseq:77"];
    for (const words of [...named, "monitor --diskseq 77"]) {
      expectRefusal(await scene.command(...words.split(" ")), 3, "this kernel has no diskseq");
    }
    await errorOf(detach({ device, diskseq: 77n }), "ERR_LOOP_ENVIRONMENT");
    await errorOf(waitFor({ device, diskseq: 77n, removed: true }), "ERR_LOOP_ENVIRONMENT");
    assert.ok(isBound(numberOf(device)));
    await scene.detach(device);
  },
);

/** One instance of ours, ended by others, then an instance of theirs under the same name. */
async function reuse(scene: Scene) {
  const other = blankImage(scene.path("other.img"), 2 << 20);
  for (let tries = 0; tries < 20; tries++) {
    const image = blankImage(scene.path(`d${tries}.img`), 1 << 20);
    const { device, diskseq } = await scene.attach(image);
    await plainDetach(device);
    try {
      await tool("losetup", [device, other]);
      return { device, stale: diskseq ?? 0, fresh: diskseqOf(numberOf(device)) };
    } catch {
      // Somebody else of this machine was quicker.
    }
  }
  throw new Error(`no device could be had twice, e.g. ${await plainAttach(other)}`);
}

function expectUntouched(scene: Scene, device: string, diskseq: number): void {
  assert.ok(isStill(numberOf(device), diskseq));
  assert.is(attribute(numberOf(device), "loop/backing_file"), scene.path("other.img"));
  assert.is(attribute(numberOf(device), "loop/autoclear"), "0");
}

function isStill(number: number, diskseq: number): boolean {
  return isBound(number) && diskseqOf(number) === diskseq;
}

test.run();
