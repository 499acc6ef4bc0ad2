/**
 * A node is opened only as the instance that was meant, also when that changes at any moment
 * between the look-up of the name and the open.
 */
import { symlinkSync, unlinkSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { diskseqOf, openBlock } from "../../host/block.ts";
import { LoopError } from "../../host/errors.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { descriptorCount } from "../helpers/devices.ts";
import { errorOf } from "../helpers/expect.ts";
import { KernelDecorator } from "../helpers/kernels.ts";
import { ownLoop } from "../helpers/loops.ts";
import { behaviour } from "../helpers/scene.ts";
import { openSession, openSessionOn } from "../helpers/streams.ts";
import { ownZram } from "../helpers/zrams.ts";

behaviour(
  "an instance that changes between look-up and open is refused, at whatever call",
  ["root", "diskseq"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const kernel = new MeddledKernel(new LinuxKernel());
    const session = openSessionOn(scene, kernel);
    const { device } = loop;
    await expectOpened(await openBlock(session, device), loop.diskseq);
    const calls = kernel.calls;
    const descriptors = descriptorCount();
    const outcomes: string[] = [];
    for (let at = 1; at <= calls; at++) {
      const before = loop.diskseq;
      kernel.meddle(at, () => loop.replace());
      const opened = await openBlock(session, device).catch((error: unknown) => error);
      const isMeant = kernel.lookedUpAfter < at;
      const isProven = at > kernel.provenAfter;
      if (isMeant && !isProven) {
        assert.ok(opened instanceof LoopError && opened.code === "ERR_LOOP_STALE", `call ${at}`);
        assert.ok(opened.message.includes(`diskseq ${loop.diskseq}, not to ${before}`));
      } else {
        assert.not.ok(opened instanceof Error, `call ${at}: ${String(opened)}`);
        const block = opened as Awaited<ReturnType<typeof openBlock>>;
        assert.is(block.diskseq, isMeant ? before : loop.diskseq, `call ${at}`);
        await block.close();
      }
      outcomes.push(isMeant && !isProven ? "refused" : "opened");
      assert.is(descriptorCount(), descriptors, `call ${at}`);
    }
    assert.ok(outcomes.includes("refused") && outcomes.includes("opened"), outcomes.join());
  },
);

behaviour(
  "a link that is moved between look-up and open is refused",
  ["root", "diskseq"],
  async (scene) => {
    const [one, other] = [await ownLoop(scene), await ownLoop(scene)];
    const kernel = new MeddledKernel(new LinuxKernel());
    const session = openSessionOn(scene, kernel);
    const link = scene.path("link");
    symlinkSync(one.device, link);
    await expectOpened(await openBlock(session, link), one.diskseq);
    await expectOpened(await openBlock(session, link, { diskseq: one.diskseq }), one.diskseq);
    await errorOf(openBlock(session, link, { diskseq: other.diskseq }), "ERR_LOOP_STALE");
    kernel.meddle(kernel.lookedUpAfter + 1, async () => {
      unlinkSync(link);
      symlinkSync(other.device, link);
    });
    const { message } = await errorOf(openBlock(session, link), "ERR_LOOP_STALE");
    assert.ok(message.includes(`diskseq ${other.diskseq}, not to ${one.diskseq}`), message);
    await expectOpened(await openBlock(session, link), other.diskseq);
  },
);

behaviour(
  "a device that is removed and made anew between look-up and open is refused",
  ["root", "diskseq", "zram"],
  async (scene) => {
    const zram = ownZram(scene);
    const kernel = new MeddledKernel(new LinuxKernel());
    const session = openSessionOn(scene, kernel);
    const { device, diskseq: first } = zram;
    await expectOpened(await openBlock(session, device), first);
    const anew = async () => {
      await zram.remove();
      await zram.addAgain();
    };
    for (const options of [{}, { diskseq: first }]) {
      kernel.meddleWhen(isReopen, anew);
      await errorOf(openBlock(session, device, options), "ERR_LOOP_STALE");
    }
    assert.ok(zram.diskseq > first);
    kernel.meddleWhen(isReopen, () => zram.remove());
    await errorOf(openBlock(session, device), "ERR_LOOP_NOT_ATTACHED");
    await errorOf(openBlock(session, device), "ERR_LOOP_NOT_ATTACHED");
  },
);

behaviour(
  "the diskseq of a name, of a partition, of a descriptor",
  ["root", "diskseq"],
  async (scene) => {
    const loop = await ownLoop(scene);
    await loop.addPartition(1);
    const session = openSession(scene);
    const { device, diskseq } = loop;
    for (const path of [device, `${device}p1`]) {
      assert.is(await diskseqOf(session, path), diskseq);
      await using block = await openBlock(session, path);
      assert.is(await diskseqOf(session, block.fd), diskseq);
    }
    const second = await loop.replace();
    assert.is(await diskseqOf(session, device), second);
    await errorOf(openBlock(session, device, { diskseq }), "ERR_LOOP_STALE");
  },
);

/** Opened as what it should be; closed after. */
async function expectOpened(
  block: Awaited<ReturnType<typeof openBlock>>,
  diskseq: bigint,
): Promise<void> {
  assert.is(block.diskseq, diskseq);
  await block.close();
}

function isReopen({ call, place }: KernelCall): boolean {
  return call === Call.Open && place === Place.Reopen;
}

/** Somebody who acts before one call; calls are counted from 1 on for each open. */
class MeddledKernel extends KernelDecorator {
  calls = 0;
  /** The number of calls made when the name was looked up, and when the number was read. */
  lookedUpAfter = 0;
  provenAfter = 0;
  #isTime: (call: KernelCall) => boolean = () => false;
  #act: () => Promise<unknown> = async () => {};

  meddle(at: number, act: () => Promise<unknown>): void {
    this.meddleWhen(() => this.calls === at, act);
    this.calls = 0;
  }

  meddleWhen(isTime: (call: KernelCall) => boolean, act: () => Promise<unknown>): void {
    this.#isTime = isTime;
    this.#act = act;
  }

  override async perform(call: KernelCall): Promise<number> {
    this.calls++;
    if (this.#isTime(call)) {
      this.#isTime = () => false;
      await this.#act();
    }
    if (call.request === Ioctl.BLKGETDISKSEQ) this.provenAfter = this.calls;
    return this.inner.perform(call);
  }

  override readAttribute(disk: string, attribute: string): string | undefined {
    if (attribute === "diskseq") this.lookedUpAfter = this.calls;
    return this.inner.readAttribute(disk, attribute);
  }
}

test.run();
