/**
 * A udevd reads a partition table again when a writer has closed the disk's node; those before 259
 * drop every partition for it. Not while the lock is held, and not when diskseq itself has written.
 */
import { closeSync, openSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ioctl, LoFlag } from "../../assembly/wire/linux.ts";
import { loopFlags, setLoopFlags } from "../../assembly/wire/loop.ts";
import type { Attachment } from "../../host/index.ts";
import { addressOf, ioctlBuffer } from "../../host/linux/libc.ts";
import { runApart } from "../helpers/apart.ts";
import { partitionsOf, until } from "../helpers/devices.ts";
import { type Heard, isSynthetic, patientMs, spelled } from "../helpers/heard.ts";
import { gptImage } from "../helpers/images.ts";
import { tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";
import { deadlineMs, Udevd } from "../helpers/udevd.ts";

const needs = ["root", "udevd", "sfdisk", "partx"] as const;
const patient = { deadlineMs };
/** A slow machine takes half a minute for each. */
const rounds = slowness > 1 ? 2 : 10;

const loopInfoBytes = 232;

interface Stage {
  readonly udevd: Udevd;
  readonly heard: Heard;
  readonly attachment: Attachment;
}

/** Attached with partitions that a re-read of the table drops, and all told. */
async function setUp(scene: Scene, lock: "shared" | "none"): Promise<Stage> {
  const image = await gptImage(scene.path("d.img"));
  const udevd = await Udevd.start(scene);
  const attachment = await udevd.attach(image, { partscan: "none", lock });
  allowPartscan(udevd.device);
  // where the kernel has no parser for them
  await tool("partx", ["--update", udevd.device]);
  assert.is(partitionsOf(udevd.number).length, 3);
  await udevd.settle();
  const heard = await udevd.listen(attachment.diskseq);
  return { udevd, heard, attachment };
}

/** While it is off, the kernel refuses every re-read. */
function allowPartscan(device: string): void {
  const info = new DataView(new ArrayBuffer(loopInfoBytes));
  const descriptor = openSync(device, "r");
  try {
    const address = addressOf(new Uint8Array(info.buffer));
    assert.is(ioctlBuffer(descriptor, Ioctl.LOOP_GET_STATUS64, address), 0);
    setLoopFlags(info, 0, loopFlags(info, 0) | LoFlag.LO_FLAGS_PARTSCAN);
    assert.is(ioctlBuffer(descriptor, Ioctl.LOOP_SET_STATUS64, address), 0);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes nothing, takes no lock. */
function openAndClose(device: string): void {
  closeSync(openSync(device, "r+"));
}

/** What udevd does where it does not re-read, and after: it has the disk processed again. */
function wasNoticed(heard: Heard, device: string): boolean {
  return heard.uevents("kernel", "change").some((one) => isSynthetic(one) && one.device === device);
}

behaviour(
  "a writer beside an attachment: its lock keeps udev from a re-read",
  needs,
  async (scene) => {
    const { udevd, heard, attachment } = await setUp(scene, "shared");
    for (let round = 0; round < rounds / 2; round++) {
      heard.items.length = 0;
      openAndClose(udevd.device);
      await until("udevd to notice", () => wasNoticed(heard, udevd.device), patientMs);
      await heard.catchUp(udevd.disk);
      assert.equal(spelled(heard.uevents("kernel", "remove", "add")), []);
    }
    assert.is(partitionsOf(udevd.number).length, 3);
    assert.is(heard.uevents("kernel", "change").at(-1)?.diskseq, attachment.diskseq);
  },
  patient,
);

behaviour(
  "a writer beside an attachment without a lock: udev re-reads, and partitions go",
  needs,
  async (scene) => {
    const { udevd, heard, attachment } = await setUp(scene, "none");
    const removed = () => heard.uevents("kernel", "remove");
    openAndClose(udevd.device);
    await until("the partitions to go", () => removed().length === 3, patientMs);
    const names = [1, 2, 3].map((number) => `remove loop${udevd.number}p${number}`);
    assert.equal(spelled(removed()).sort(), names);
    const proof = attachment.diskseq === null ? "best-effort" : "mine";
    for (const { diskseq, verdict } of removed()) {
      assert.equal([diskseq, verdict], [attachment.diskseq, proof]);
    }
  },
  patient,
);

for (const partscan of ["user", "kernel"] as const) {
  behaviour(
    `nothing that attach does has udev re-read (${partscan})`,
    needs,
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const udevd = await Udevd.start(scene);
      for (let round = 0; round < rounds; round++) {
        const heard = await udevd.listen();
        const device = udevd.device;
        const attached = await scene.attach(image, "--device", device, "--partscan", partscan);
        await heard.catchUp(udevd.disk);
        const expected = attached.partitions.map(
          ({ number }) => `add loop${udevd.number}p${number}`,
        );
        const own = heard.uevents("kernel", "add", "remove");
        const mine = own.filter(({ diskseq }) => Number(diskseq) === (attached.diskseq ?? 0));
        assert.equal(spelled(mine), expected);
        assert.equal(heard.uevents("kernel").filter(isSynthetic), []);
        await scene.detach(device);
        await udevd.settle();
      }
    },
    patient,
  );
}

await runApart(() => test.run());
