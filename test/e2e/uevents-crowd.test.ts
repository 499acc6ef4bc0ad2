/**
 * Many waits at once, of several devices: each ends as its own instance did.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call } from "../../assembly/abi.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { errorOf } from "../helpers/expect.ts";
import { WatchedKernel } from "../helpers/kernels.ts";
import { type OwnLoop, ownLoop } from "../helpers/loops.ts";
import { note } from "../helpers/note.ts";
import { behaviour } from "../helpers/scene.ts";
import { begin, openSessionOn, soon, type TestSession } from "../helpers/streams.ts";

const devices = 4;
/** Of each kind, for each device. */
const each = 10;
const kinds = 5;

behaviour(
  `${devices * each * kinds} waits at once on ${devices} devices`,
  ["root", "diskseq"],
  async (scene) => {
    const kernel = new WatchedKernel(new LinuxKernel());
    let looks = 0;
    kernel.before = (call) => {
      if (call.call === Call.ListPartitions && call.number === -1) looks++;
      return undefined;
    };
    const session = openSessionOn(scene, kernel);
    const loops = await Promise.all(Array.from({ length: devices }, () => ownLoop(scene)));
    for (const loop of loops) await loop.addPartition(1);
    const crowds = loops.map((loop) => crowdOf(session, loop));
    await session.begun(devices * each * kinds);
    await Promise.all(loops.map(({ device }) => session.waitFor({ device })));
    await Promise.all(crowds.map((crowd) => crowd.play()));
    note(`${devices * each * kinds} waits took ${looks} looks at sysfs`);
  },
);

/** What is waited for on one device, and then done to it. */
function crowdOf(session: TestSession, loop: OwnLoop): { play(): Promise<void> } {
  const { device, diskseq } = loop;
  const times = <T>(make: () => T): T[] => Array.from({ length: each }, make);
  const ready = times(() => begin(session, { device: `${device}p2` }));
  const both = times(() => begin(session, { diskseq, partitions: [2, 3] }));
  const without = times(() => begin(session, { device: `${device}p1`, removed: true }));
  const stale = times(() => begin(session, { device, partitions: [1, 2, 3, 9] }));
  const gone = times(() => begin(session, { diskseq, removed: true }));
  const play = async () => {
    await loop.addPartition(2);
    await expectAll(ready, "ready", [1, 2]);
    await loop.addPartition(3);
    await expectAll(both, "ready", [1, 2, 3]);
    await loop.deletePartition(1);
    await expectAll(without, "gone", [2, 3]);
    await loop.replace();
    for (const wait of stale) await soon("stale", errorOf(wait, "ERR_LOOP_STALE"));
    await expectAll(gone, "gone", []);
  };
  const expectAll = async (waits: typeof ready, result: string, numbers: number[]) => {
    for (const waited of await soon(result, Promise.all(waits))) {
      assert.equal([waited.result, waited.device, waited.diskseq], [result, device, diskseq]);
      assert.equal(
        waited.partitions.map(({ number }) => number),
        numbers,
      );
    }
  };
  return { play };
}

test.run();
