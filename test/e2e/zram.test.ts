/**
 * Disks that are no loop devices, here zram: a new one of the same name is another instance, one
 * that is emptied is the same. Watched, waited for and judged by the diskseq alone.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskseqOf, openBlock } from "../../host/block.ts";
import { errorOf, expectRefusal } from "../helpers/expect.ts";
import { behaviour } from "../helpers/scene.ts";
import { begin, collect, isSettled, openSession, soon, Writer } from "../helpers/streams.ts";
import { ownZram } from "../helpers/zrams.ts";

const MiB = 1 << 20;

behaviour(
  "a zram device that is emptied is the same, one that is made anew is another",
  ["root", "diskseq", "zram"],
  async (scene) => {
    const zram = ownZram(scene);
    const { name, device, diskseq: first } = zram;
    const session = openSession(scene);
    const against = await collect(session, { disk: name, diskseq: first });
    const newest = await collect(session, { disk: device });
    const write = () => {
      const writer = new Writer(name);
      writer.write();
      writer.close();
    };

    const ready = [begin(session, { device }), begin(session, { diskseq: first })];
    const stale = begin(session, { device, diskseq: first, partitions: [1] });
    const gone = [
      begin(session, { diskseq: first, removed: true }),
      begin(session, { device, removed: true }),
    ];
    await session.begun(5);
    const empty = begin(session, { device }, { timeoutMs: 100 });
    assert.match((await errorOf(empty, "ERR_LOOP_TIMEOUT")).message, /no medium is in it/);
    for (const wait of [...ready, stale, ...gone]) assert.not.ok(await isSettled(wait));

    // The kernel tells nothing of the first size that it gets.
    zram.size(4 * MiB);
    for (const wait of ready) {
      const { result, diskseq } = await soon("ready", wait);
      assert.equal([result, diskseq], ["ready", first]);
    }
    assert.is(await diskseqOf(session, device), first);
    write();

    await zram.reset();
    assert.is(zram.diskseq, first);
    await against.collector.flush(name);
    assert.is(await diskseqOf(session, device), first);
    zram.size(8 * MiB);
    write();
    assert.is((await session.waitFor({ device, diskseq: first })).diskseq, first);
    for (const wait of [stale, ...gone]) assert.not.ok(await isSettled(wait));

    await zram.remove();
    for (const wait of gone) {
      const { result, diskseq } = await soon("gone", wait);
      assert.equal([result, diskseq], ["gone", first]);
    }
    await soon("stale", errorOf(stale, "ERR_LOOP_STALE"));
    const again = begin(session, { device });
    await session.begun(7);
    await zram.addAgain();
    const second = zram.diskseq;
    assert.ok(second > first);
    zram.size(4 * MiB);
    assert.is((await soon("again", again)).diskseq, second);
    await errorOf(session.waitFor({ diskseq: first }), "ERR_LOOP_STALE");
    await errorOf(session.waitFor({ device, diskseq: first }), "ERR_LOOP_STALE");
    await errorOf(openBlock(session, device, { diskseq: first }), "ERR_LOOP_STALE");
    await using block = await openBlock(session, device, { diskseq: second });
    assert.is(await diskseqOf(session, block.fd), second);

    for (const { collector } of [against, newest]) await collector.flush(name);
    const told = ({ collector }: typeof against, diskseq: bigint) =>
      collector.uevents
        .filter((event) => event.diskseq === diskseq)
        .map(({ action, verdict }) => `${action} ${verdict}`);
    const changes = Array.from({ length: 3 }, () => "change mine");
    const { length } = told(against, first);
    assert.equal(told(against, first).slice(0, 3), changes);
    assert.is(told(against, first)[length - 1], "remove mine");
    assert.is(told(against, second)[0], "add later");
    assert.ok(told(against, second).every((text) => text.endsWith(" later")));
    // A flush of each monitor, told to both.
    assert.equal(told(newest, second).slice(0, 2), ["add later", "change mine"]);
  },
);

behaviour(
  "the command waits for a zram device, and exits 4 when it is another one",
  ["root", "diskseq", "zram"],
  async (scene) => {
    const zram = ownZram(scene);
    const { name, device, diskseq: first } = zram;
    zram.size(MiB);
    for (const target of [name, device, `diskseq:${first}`]) {
      const outcome = await scene.command("wait", target, "--json", "--timeout=20s");
      assert.is(outcome.status, 0, outcome.stderr);
      const { waited } = JSON.parse(outcome.stdout) as { waited: Record<string, unknown>[] };
      assert.equal(
        waited.map(({ result, device, diskseq }) => [result, device, diskseq]),
        [["ready", device, Number(first)]],
      );
    }
    await zram.remove();
    await zram.addAgain();
    expectRefusal(await scene.command("wait", `diskseq:${first}`, "--timeout=20s"), 4);
    const removed = await scene.command("wait", `diskseq:${first}`, "--removed", "--timeout=20s");
    assert.is(removed.status, 0, removed.stderr);
  },
);

test.run();
