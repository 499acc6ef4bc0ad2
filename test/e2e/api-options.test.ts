/**
 * `attach` as a function: what its options do, and which ones it refuses.
 */
import { closeSync, openSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { attach, list } from "../../host/index.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import type { AttachOptions, LoopWarning, StepReport } from "../../host/types.ts";
import { attribute, isBound, numberOf, until } from "../helpers/devices.ts";
import { errorOf, reasonOf } from "../helpers/expect.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

const refused: readonly (readonly [string, object])[] = [
  ["a negative offset", { offset: -1 }],
  ["an offset that is no whole number", { offset: 1.5 }],
  ["an offset that is no number", { offset: Number.NaN }],
  ["an offset beyond 63 bits", { offset: 2n ** 63n }],
  ["an unsafe number as offset", { offset: 2 ** 53 }],
  ["a negative size limit", { sizeLimit: -4096n }],
  ["sectors of 513 bytes", { sectorSize: 513 }],
  ["sectors of 8192 bytes", { sectorSize: 8192 }],
  ["an unknown partscan", { partscan: "maybe" }],
  ["an unknown lock", { lock: "exclusive" }],
  ["a negative device", { device: -1 }],
  ["a device that no kernel has", { device: 2 ** 20 }],
  ["a reference of 64 bytes", { reference: "x".repeat(64) }],
  ["a reference with a NUL", { reference: "a\0b" }],
  ["a negative timeout", { timeoutMs: -1 }],
  ["a timeout that is no number", { timeoutMs: Number.NaN }],
];

for (const [what, options] of refused) {
  behaviour(`${what} is the caller's mistake`, [], async (scene) => {
    const image = blankImage(scene.path("d.img"), 1 << 20);
    await errorOf(attach(image, options as AttachOptions), "ERR_LOOP_ARGUMENT");
  });
}

behaviour("an image may be a file: URL", ["root"], async (scene) => {
  const image = blankImage(scene.path("d #1.img"), 1 << 20);
  const attachment = await attach(pathToFileURL(image));
  assert.is(attachment.backing.path, image);
  await attachment.detach();
});

behaviour("another kind of URL is refused", [], async () => {
  await errorOf(attach(new URL("https://example.org/d.img")), "ERR_LOOP_ARGUMENT");
});

behaviour(
  "an image may be a descriptor, which stays the caller's",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const descriptor = openSync(image, "r+");
    const attachment = await attach(descriptor);
    assert.is(attachment.backing.path, image);
    assert.is(attachment.readOnly, false);
    assert.is(attachment.partitions.length, 3);
    await attachment.detach();
    closeSync(descriptor);
  },
);

behaviour("a read-only descriptor makes a read-only device", ["root"], async (scene) => {
  const descriptor = openSync(blankImage(scene.path("d.img"), 1 << 20), "r");
  const attachment = await attach(descriptor, { onWarning: () => {} });
  assert.is(attachment.readOnly, true);
  await attachment.detach();
  closeSync(descriptor);
});

behaviour("device: that number, made if there is none", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const device = 700 + Math.floor(Math.random() * 200);
  const attachment = await attach(image, { device });
  assert.is(attachment.device, `/dev/loop${device}`);
  assert.is(attachment.devnum, attribute(device, "dev"));

  const other = blankImage(scene.path("other.img"), 1 << 20);
  const error = await errorOf(attach(other, { device, timeoutMs: 500 }), "ERR_LOOP_BUSY");
  assert.is(error.device, attachment.device);
  await attachment.detach();
});

behaviour("the reference ends in lo_file_name", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const given = await attach(image, { reference: "my-reference" });
  assert.is(await referenceOf(given.device), "my-reference");
  await given.detach();
  const usual = await attach(image);
  assert.is(await referenceOf(usual.device), "diskseq:d.img");
  await usual.detach();
});

behaviour(
  "a long name is cut to a reference at a character",
  ["root", "losetup"],
  async (scene) => {
    const image = blankImage(scene.path(`${"\u00fc".repeat(60)}.img`), 1 << 20);
    const attachment = await attach(image);
    assert.match(await referenceOf(attachment.device), /^diskseq:\u00fc+$/);
    await attachment.detach();
  },
);

behaviour("direct I/O is what the kernel says", ["root"], async (scene) => {
  const warnings: LoopWarning[] = [];
  const attachment = await attach(blankImage(scene.path("d.img"), 1 << 20), {
    directIO: true,
    onWarning: (warning) => warnings.push(warning),
  });
  const isDirect = attribute(numberOf(attachment.device), "loop/dio") === "1";
  assert.is(attachment.directIO, isDirect);
  assert.is(
    warnings.some(({ code }) => code === "direct-io-dropped"),
    !isDirect,
  );
  await attachment.detach();
});

behaviour("lock none: others can lock the device", ["root", "flock"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const free = await attach(image, { lock: "none" });
  await tool("flock", ["--exclusive", "--nonblock", free.device, "true"]);
  await free.detach();
  const shared = await attach(image);
  await reasonOf(tool("flock", ["-x", "-n", shared.device, "true"]));
  await tool("flock", ["--shared", "--nonblock", shared.device, "true"]);
  await shared.detach();
});

behaviour("every call is reported with its time", ["root"], async (scene) => {
  const steps: StepReport[] = [];
  const attachment = await attach(blankImage(scene.path("d.img"), 1 << 20), {
    onStep: (step) => steps.push(step),
  });
  assert.ok(steps.some(({ syscall }) => syscall === "LOOP_CONFIGURE"));
  for (const { step, durationMs, startMs } of steps) {
    assert.match(step, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    assert.ok(durationMs >= 0 && startMs >= 0);
  }
  await attachment.detach();
});

behaviour("list has it with the same identity", ["root"], async (scene) => {
  const attachment = await attach(blankImage(scene.path("d.img"), 1 << 20));
  const listed = (await list()).find(({ device }) => device === attachment.device);
  assert.is(listed?.diskseq, attachment.diskseq);
  assert.equal(listed?.backing, attachment.backing);
  await attachment.detach();
  const number = numberOf(attachment.device);
  await until(
    "it to be unbound or another's",
    () => !isBound(number) || attribute(number, "diskseq") !== String(attachment.diskseq),
  );
});

/** lo_file_name by LOOP_GET_STATUS64: sysfs does not show it, nor does every losetup. */
async function referenceOf(device: string): Promise<string> {
  const kernel = new LinuxKernel();
  const descriptor = openSync(device, "r");
  const bytes = new Uint8Array(232);
  const result = await kernel.perform({
    ...noCall,
    call: Call.IoctlBuffer,
    descriptor,
    request: Ioctl.LOOP_GET_STATUS64,
    bytes,
  });
  closeSync(descriptor);
  await kernel.close();
  assert.is(result, 0);
  // include/uapi/linux/loop.h: struct loop_info64 has lo_file_name[64] at 56.
  return new TextDecoder("utf-8", { fatal: true })
    .decode(bytes.subarray(56, 120))
    .replace(/\0.*$/s, "");
}

const noCall = {
  ticket: 1,
  operation: 0,
  step: 0,
  place: Place.None,
  number: -1,
  partition: 0,
  argument: 0n,
  argument2: 0n,
  path: undefined,
} as const;

test.run();
