/**
 * The whole API on a simulated kernel of every era, calls at once and in an order from a seed:
 * attach, list, monitor, wait, rescan, resize, detach, what a crash leaves. Without root.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LoopError } from "../../host/errors.ts";
import { Session, simulate } from "../../host/sim/index.ts";
import { eras, listenTo, mbrImage, numbered, twoSlots } from "../helpers/simulations.ts";

const path = "/images/disk.img";

for (const version of eras) {
  for (const seed of [undefined, 11] as const) {
    const how = seed === undefined ? "at once" : `seed ${seed}`;
    const open = () =>
      simulate({
        version,
        clock: "virtual",
        images: { [path]: mbrImage(twoSlots) },
        ...(seed === undefined ? {} : { seed }),
      });

    test(`${version}, ${how}: attach, list, detach, and what is told of it`, async () => {
      const session = open();
      const ear = await listenTo(session);
      const disk = await session.attach(path);
      assert.is(disk.identity, numbered.includes(version) ? "diskseq" : "best-effort");
      assert.equal(
        disk.partitions.map(({ device, start, size }) => [device, start, size]),
        [
          ["/dev/loop0p1", 4096, 8192],
          ["/dev/loop0p3", 16384, 49152],
        ],
      );
      const [listed, ...others] = await session.list();
      assert.is(others.length, 0);
      assert.is(listed?.backing.path, path);
      assert.equal(
        listed?.partitions.map(({ uuid }) => uuid),
        disk.partitions.map(({ uuid }) => uuid),
      );
      assert.is((await disk.detach()).result, "gone");
      assert.equal(await session.list(), []);
      const told = await ear.stop();
      const count = (action: string) => told.filter((text) => text.startsWith(action)).length;
      // Plugged once, unplugged once.
      assert.equal([count("add p"), count("remove p")], [2, 2], told.join());
      assert.ok(count("change") > 0);
      await session.close();
    });

    test(`${version}, ${how}: a wait comes true, and ends with the instance`, async () => {
      const session = open();
      const wait = session.waitFor({ device: "loop0", partitions: [1, 3] });
      const disk = await session.attach(path, { persistent: true });
      const waited = await wait;
      assert.is(waited.result, "ready");
      assert.is(waited.partitions.length, 2);
      await disk.release();
      const over = session.waitFor({ device: "/dev/loop0", removed: true });
      await session.detach("/dev/loop0p3");
      assert.is((await over).result, "gone");
      await session.close();
    });

    test(`${version}, ${how}: rescan and resize touch what differs`, async () => {
      const session = open();
      const disk = await session.attach(path);
      const ear = await listenTo(session);
      const slots = [...twoSlots, { number: 2, start: 256, size: 64 }];
      session.kernel.setImage(path, mbrImage(slots, 2 << 20));
      const resized = await session.resize(path);
      assert.equal([resized.before, resized.size], [1 << 20, 2 << 20]);
      const rescanned = await session.rescan(disk.device);
      assert.equal([rescanned.added, rescanned.removed, rescanned.resized], [[2], [], []]);
      const told = await ear.stop();
      assert.equal(
        told.filter((text) => / p\d/.test(text)).map((text) => text.split(" #")[0]),
        ["add p2"],
      );
      await disk.detach();
      await session.close();
    });

    test(`${version}, ${how}: what a crash leaves is found and removed`, async () => {
      const session = open();
      const kernel = session.kernel.spawn();
      const disk = await new Session(kernel).attach(path, { persistent: true });
      await disk.release();
      kernel.kill();
      assert.is((await session.list()).length, 1);
      session.kernel.removeImage(path);
      const found = await session.collectGarbage();
      assert.equal(
        found.map(({ kind, image, result }) => [kind, image, result]),
        [["device", path, "found"]],
      );
      const removed = await session.collectGarbage({ apply: true });
      assert.is(removed[0]?.result, "removed");
      assert.equal(await session.list(), []);
      await session.close();
    });
  }
}

test("openBlock proves the instance, and refuses another", async () => {
  const session = simulate({ version: "6.1.192", images: { [path]: mbrImage(twoSlots) } });
  const disk = await session.attach(path);
  const block = await session.openBlock("/dev/loop0p1", { diskseq: disk.diskseq });
  assert.equal([block.devnum, block.diskseq], ["259:0", disk.diskseq]);
  assert.is(await session.diskseqOf("/dev/loop0"), disk.diskseq);
  await block.close();
  await disk.detach();
  const again = await session.attach(path);
  assert.is(again.device, disk.device);
  const { diskseq } = disk;
  const error = await session.openBlock(disk.device, { diskseq }).catch((one: LoopError) => one);
  assert.is((error as LoopError).code, "ERR_LOOP_STALE");
  await session.close();
});

test.run();
