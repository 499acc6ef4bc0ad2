/**
 * A drive with removable media: another medium is another instance, as another drive of the same
 * name is; one that was spun down and up is the same. Watched, waited for and judged by the diskseq
 * alone.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskseqOf, openBlock } from "../../host/block.ts";
import { until } from "../helpers/devices.ts";
import { errorOf, expectRefusal } from "../helpers/expect.ts";
import { behaviour } from "../helpers/scene.ts";
import { ownScsiDisk } from "../helpers/scsi-disks.ts";
import {
  begin,
  type Collector,
  collect,
  isSettled,
  openSession,
  soon,
} from "../helpers/streams.ts";

const needs = ["root", "diskseq", "scsi_debug"] as const;

/** `change later`: what was told of an instance. */
function told({ uevents }: Collector, of: bigint): string[] {
  const events = uevents.filter(({ diskseq, devtype }) => diskseq === of && devtype === "disk");
  return events.map(({ action, verdict }) => `${action} ${verdict}`);
}

behaviour("another medium is another instance, the same one is not", needs, async (scene) => {
  const disk = await ownScsiDisk(scene);
  const { name, device, diskseq: first } = disk;
  const session = openSession(scene);
  const against = await collect(session, { disk: name, diskseq: first });
  const newest = await collect(session, { disk: device });
  const ready = await session.waitFor({ device });
  assert.equal([ready.result, ready.diskseq], ["ready", first]);
  const stale = begin(session, { device, diskseq: first, partitions: [1] });
  const gone = begin(session, { diskseq: first, removed: true });
  await session.begun(3);

  disk.restart();
  await against.collector.flush(name);
  assert.is(await diskseqOf(session, device), first);
  assert.is((await session.waitFor({ device, diskseq: first })).diskseq, first);
  for (const wait of [stale, gone]) assert.not.ok(await isSettled(wait));

  let before = first;
  for (let medium = 0; medium < 3; medium++) {
    disk.changeMedium();
    await until("the kernel to see the medium", () => disk.diskseq > before);
    const now = disk.diskseq;
    assert.is(await diskseqOf(session, device), now);
    assert.is((await session.waitFor({ device })).diskseq, now);
    for (const old of [before, first]) {
      await errorOf(session.waitFor({ device, diskseq: old }), "ERR_LOOP_STALE");
      await errorOf(openBlock(session, device, { diskseq: old }), "ERR_LOOP_STALE");
    }
    await using block = await openBlock(session, device, { diskseq: now });
    assert.is(await diskseqOf(session, block.fd), now);
    before = now;
  }
  assert.is((await soon("gone", gone)).result, "gone");
  await soon("stale", errorOf(stale, "ERR_LOOP_STALE"));

  for (const { collector } of [against, newest]) await collector.flush(name);
  assert.ok(told(against.collector, first).every((text) => text === "change mine"));
  const later = told(against.collector, before);
  assert.ok(later.length > 0 && later.every((text) => text === "change later"), later.join());
  const announced = newest.collector.uevents.filter(({ marks }) => marks.includes("media-change"));
  assert.ok(announced.some(({ diskseq }) => diskseq === before));
});

behaviour(
  "the command waits for a medium, and exits 4 when it is another, or another drive's",
  needs,
  async (scene) => {
    const disk = await ownScsiDisk(scene);
    const { device } = disk;
    const change = async () => {
      const before = disk.diskseq;
      disk.changeMedium();
      await until("the kernel to see the medium", () => disk.diskseq > before);
    };
    const replace = async () => {
      await disk.remove();
      await disk.addAgain();
    };
    for (const end of [change, replace]) {
      const target = `diskseq:${disk.diskseq}`;
      const outcome = await scene.command("wait", target, "--json", "--timeout=20s");
      assert.is(outcome.status, 0, outcome.stderr);
      assert.is(JSON.parse(outcome.stdout).waited[0].device, device);
      await end();
      expectRefusal(await scene.command("wait", target, "--timeout=20s"), 4);
      const removed = await scene.command("wait", target, "--removed", "--timeout=20s");
      assert.is(removed.status, 0, removed.stderr);
    }
  },
);

test.run();
