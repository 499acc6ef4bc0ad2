/**
 * A kernel that does not know LOOP_CONFIGURE, as those before 5.8: LOOP_SET_FD and
 * LOOP_SET_STATUS64 do the same. Here a decorator answers as such a kernel does.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import type { Attachment, AttachOptions } from "../../host/types.ts";
import { attribute, isBound, numberOf } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { blankImage, expectedPartitions, gpt4096Image, gptImage } from "../helpers/images.ts";
import { callName, LyingKernel } from "../helpers/kernels.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { openSessionOn } from "../helpers/streams.ts";

const MiB = 1 << 20;

class OldKernel extends LyingKernel {
  readonly called: string[] = [];

  override instead: LyingKernel["instead"] = (call) => {
    const name = callName(call);
    if (/^LOOP_(CONFIGURE|SET_)/.test(name)) this.called.push(name);
    return name === "LOOP_CONFIGURE" ? -Errno.EINVAL : undefined;
  };
}

/** By a process of its own: what it learns of the kernel, it keeps. */
async function attachOld(scene: Scene, image: string, options: AttachOptions = {}) {
  const kernel = new OldKernel(new LinuxKernel());
  const session = openSessionOn(scene, kernel);
  const attachment = await session.attach(image, options);
  scene.watch(attachment);
  assert.equal(kernel.called.slice(0, 3), ["LOOP_CONFIGURE", "LOOP_CONFIGURE", "LOOP_SET_FD"]);
  assert.is(kernel.called[3], "LOOP_SET_STATUS64");
  return { session, kernel, attachment };
}

async function expectDetached(attachment: Attachment): Promise<void> {
  await attachment.detach();
  assert.is(attribute(numberOf(attachment.device), "loop/backing_file"), undefined);
}

for (const partscan of ["kernel", "user"] as const) {
  behaviour(
    `partitions are there (${partscan}), and LOOP_CONFIGURE is asked for once`,
    ["root", "sfdisk", "losetup"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const expected = await expectedPartitions(image);
      const { session, kernel, attachment } = await attachOld(scene, image, { partscan });
      expectPartitions(attachment.partitions, expected);
      expectKernelAgrees(attachment.toJSON());
      await expectDetached(attachment);

      kernel.called.length = 0;
      const again = await session.attach(image, { partscan });
      expectPartitions(again.partitions, expected);
      assert.not.ok(kernel.called.includes("LOOP_CONFIGURE"));
      await expectDetached(again);
    },
  );
}

behaviour("a part of an image, by offset and size limit", ["root", "sfdisk"], async (scene) => {
  const inner = await gptImage(scene.path("inner.img"));
  const image = scene.path("d.img");
  const bytes = readFileSync(inner);
  writeFileSync(image, Buffer.concat([Buffer.alloc(3 * MiB), bytes, Buffer.alloc(MiB)]));
  const range = { offset: 3 * MiB, sizeLimit: bytes.length };
  const { attachment } = await attachOld(scene, image, range);
  const number = numberOf(attachment.device);
  assert.is(attribute(number, "loop/offset"), String(range.offset));
  assert.is(attribute(number, "loop/sizelimit"), String(range.sizeLimit));
  assert.is(Number(attribute(number, "size")) * 512, range.sizeLimit);
  expectPartitions(attachment.partitions, await expectedPartitions(inner));
  expectKernelAgrees(attachment.toJSON());
  await expectDetached(attachment);
});

behaviour("read-only", ["root", "sfdisk"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const { attachment } = await attachOld(scene, image, { readOnly: true });
  assert.is(attachment.readOnly, true);
  assert.is(attribute(numberOf(attachment.device), "ro"), "1");
  expectPartitions(attachment.partitions, await expectedPartitions(image));
  assert.throws(() => writeFileSync(attachment.device, "x"), /EACCES|EPERM|EROFS/);
  await expectDetached(attachment);
});

behaviour("sectors of 4096 bytes", ["root", "sfdisk", "losetup"], async (scene) => {
  const image = scene.path("d.img");
  const expected = await gpt4096Image(image);
  const { kernel, attachment } = await attachOld(scene, image);
  assert.ok(kernel.called.includes("LOOP_SET_BLOCK_SIZE"));
  assert.is(attribute(numberOf(attachment.device), "queue/logical_block_size"), "4096");
  expectPartitions(attachment.partitions, expected);
  await expectDetached(attachment);
});

behaviour("persistent: it stays when its process has let go", ["root", "sfdisk"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const { attachment } = await attachOld(scene, image, { persistent: true });
  await attachment.release();
  assert.ok(isBound(numberOf(attachment.device)));
  assert.is(attribute(numberOf(attachment.device), "loop/autoclear"), "0");
  expectKernelAgrees(attachment.toJSON());
  await scene.detach(attachment.device);
});

behaviour("not persistent: it goes when its process lets go", ["root"], async (scene) => {
  const { attachment } = await attachOld(scene, blankImage(scene.path("d.img"), MiB));
  assert.is(attribute(numberOf(attachment.device), "loop/autoclear"), "1");
  // The scene ends when nothing of it is bound.
  await attachment.release();
});

test.run();
