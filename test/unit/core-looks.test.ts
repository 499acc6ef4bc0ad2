/** When sysfs is looked at, for whom, and what a look is worth. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import { CommandFlag, Event, Failure, Fault, Group, Step, WaitResult } from "../../host/core.ts";
import type { Bench } from "../helpers/bench.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { kernelEvent, udevEvent } from "../helpers/uevents.ts";
import { count, scene } from "./core-scene.ts";
import {
  bindElsewhere,
  expectQuiet,
  maskOf,
  millisecond,
  resultOf,
  second,
  waited,
  waitFor,
  watch,
} from "./core-watch-scene.ts";

test("an event of the instance, or of a later one, causes one look", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(5n * second);
  for (const number of [disk.diskseq, disk.diskseq + 7n]) {
    const uevent = { ...kernel.uevents.of(disk, "change"), diskseq: number };
    assert.is(
      looksAfter(bench, () => bench.hear(kernelEvent(uevent))),
      1,
    );
  }
});

test("a stale event, and one of another disk, cause none", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(5n * second);
  const stale = { ...kernel.uevents.of(disk, "change"), diskseq: disk.diskseq - 1n };
  const other = kernel.uevents.of(kernel.disk(1), "change");
  const silent = kernel.uevents.of(disk, "change");
  for (const datagram of [kernelEvent(stale), kernelEvent(other), udevEvent(silent)]) {
    assert.is(
      looksAfter(bench, () => assert.is(bench.hear(datagram), Fault.Ok)),
      0,
    );
  }
});

test("events while a disk is looked at cause one look more", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(5n * second);
  kernel.on(Step.LookPartitions, count(bench, Step.LookPartitions) + 1, {
    change: () => [1, 2, 3].map(() => disk.unbind() ?? bindElsewhere(kernel)),
  });
  const looks = looksAfter(bench, () => {
    bench.hear(kernelEvent(kernel.uevents.of(disk, "change")));
  });
  assert.is(looks, 2);
});

test("one look serves all who wait for a disk", async () => {
  const { kernel, bench } = await scene();
  const waits = [1, 3].map((number) =>
    bench.start(waitFor("loop0", { partitionMask: maskOf(number) })),
  );
  const other = bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(5n * second);
  kernel.uevents.isMute = true;
  const disk = bindElsewhere(kernel);
  const looks = looksAfter(bench, () => {
    bench.hear(kernelEvent(kernel.uevents.of(disk, "change")));
  });
  assert.is(looks, 1);
  for (const { end } of waits) assert.is(resultOf(end), "Ready");
  assert.not.ok(other.end);
});

test("after a loss every disk that is waited for is looked at, and no other", async () => {
  for (const group of [Group.Kernel, Group.Udev]) {
    const { kernel, bench } = await scene({ disks: 4 });
    for (const number of [0, 1]) {
      bench.start(waitFor(`loop${number}`, { partitionMask: maskOf(9) }));
    }
    bench.start(watch());
    bench.pass(5n * second);
    bench.hear(kernelEvent(kernel.uevents.of(kernel.disk(2), "change")));
    const before = count(bench, Step.LookDisk);
    assert.is(
      looksAfter(bench, () => bench.overrun(group, 3)),
      2,
    );
    const names = namesAsked(kernel, [Step.LookDisk]).slice(before);
    assert.equal(names.sort(), ["loop0", "loop1"]);
  }
});

test("a loss ends a wait that missed its event", async () => {
  const { kernel, bench } = await scene();
  const wait = bench.start(waitFor("loop0"));
  bench.pass(5n * second);
  kernel.uevents.isMute = true;
  bindElsewhere(kernel);
  bench.overrun(Group.Kernel, 0);
  bench.pass(50_000n);
  assert.is(resultOf(wait.end), "Ready");
});

test("a thousand waits on a thousand disks", async () => {
  const { kernel, bench } = await scene({ disks: 1000, watches: 1000, isFast: true });
  bench.inputsMax = 20_000;
  const waits = [...kernel.disks.keys()].map((number) => bench.start(waitFor(`loop${number}`)));
  bench.settle(bench.now + 10n * millisecond);
  assert.is(count(bench, Step.LookDisk), 1000);
  for (const number of kernel.disks.keys()) bindElsewhere(kernel, number);
  bench.settle();
  const seqs = waits.map(({ end }) => waited(end).current);
  assert.equal(
    seqs,
    [...kernel.disks.values()].map(({ diskseq }) => diskseq),
  );
  expectQuiet(kernel, bench);
});

test("a thousand waits on one disk", async () => {
  const { kernel, bench } = await scene({ watches: 1000, isFast: true });
  const masks = Array.from({ length: 1000 }, (_, index) => maskOf((index % 255) + 1));
  const waits = masks.map((partitionMask) => bench.start(waitFor("loop0", { partitionMask })));
  bench.pass(5n * second);
  kernel.table = Array.from({ length: 255 }, (_, i) => ({ number: i + 1, start: i, size: 1 }));
  kernel.uevents.isMute = true;
  const disk = bindElsewhere(kernel);
  const looks = looksAfter(bench, () => {
    bench.hear(kernelEvent(kernel.uevents.of(disk, "change")));
  });
  assert.is(looks, 1);
  for (const { end } of waits) assert.is(waited(end).partitions.length, 255);
  bench.settle();
  expectQuiet(kernel, bench);
});

test("a full core refuses a wait, and has changed nothing; an end makes room", async () => {
  const { bench } = await scene({ watches: 2 });
  const [first] = [waitFor("loop0"), watch()].map((command) => bench.start(command));
  bench.pass(millisecond);
  const before = bench.lockstep.hash();
  for (const command of [waitFor("loop1"), watch("loop1")]) {
    assert.is(bench.lockstep.command(bench.now, command).answer, -Fault.Full);
    assert.is(bench.lockstep.hash(), before);
  }
  bench.abort(first?.operation ?? 0);
  assert.is(bench.start(waitFor("loop1")).operation, first?.operation);
});

test("a disk that changes its instance while it is looked at is looked at on", async () => {
  const { kernel, bench } = await scene();
  const { diskseq } = bindElsewhere(kernel);
  kernel.on(Step.LookDisk, 1, { change: () => rebind(kernel) });
  const end = bench.run(waitFor("loop0", { partitionMask: maskOf(1, 3) }));
  const { result, current, partitions } = waited(end);
  assert.equal([result, partitions], [WaitResult.Ready, [1, 3]]);
  assert.is(current, kernel.disk(0).diskseq);
  assert.ok(current > diskseq);
  assert.equal([count(bench, Step.LookDisk), count(bench, Step.LookPartitions)], [1, 2]);
});

test("partitions of one instance are never taken for those of the next", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const wait = bench.start(waitFor("loop0", { partitionMask: maskOf(9), diskseq: disk.diskseq }));
  bench.pass(millisecond);
  kernel.uevents.isMute = true;
  disk.addPartition(9, 0n, 512n);
  kernel.uevents.isMute = false;
  // The partition is seen, and then another instance.
  kernel.on(Step.LookPartitions, 2, { change: () => rebind(kernel) });
  bench.pass(second);
  const { result, partitions } = waited(wait.end);
  assert.equal([result, partitions], [WaitResult.Superseded, [1, 3]]);
});

test("a disk that always changes while it is looked at is told in the end", async () => {
  const { kernel, bench } = await scene();
  bindElsewhere(kernel);
  kernel.on(Step.LookPartitions, 0, { change: () => rebind(kernel) });
  const end = bench.run(waitFor("loop0"));
  assert.equal([end.event, end.code, end.errno], [Event.Failed, Failure.System, 0]);
  assert.equal([count(bench, Step.LookDisk), count(bench, Step.LookAgain)], [9, 72]);
});

test("a look that began before a wait says nothing to it", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  let wait: ReturnType<Bench["start"]> | undefined;
  kernel.uevents.isMute = true;
  bench.beforeDelivery = ({ step }) => {
    if (step !== Step.LookAgain || wait) return;
    disk.unbind();
    wait = bench.start(waitFor("loop0"));
  };
  bench.pass(second);
  assert.ok(wait);
  assert.not.ok(wait?.end, "the instance that it tells of was over");
  bindElsewhere(kernel);
  bench.pass(1030n * millisecond);
  assert.is(waited(wait?.end).current, disk.diskseq);
});

test("a look that fails says nothing at all", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(millisecond);
  kernel.uevents.isMute = true;
  disk.unbind();
  kernel.on(Step.LookDisk, 2, -Errno.EIO);
  const wait = bench.start(waitFor("loop0"));
  bench.pass(second);
  assert.not.ok(wait.end, "what was seen before is not there");
});

test("a look that takes long stays with its disk, also when nobody waits any more", async () => {
  const { kernel, bench } = await scene({ operations: 1, watches: 1 });
  bindElsewhere(kernel);
  kernel.on(Step.LookPartitions, 1, { delayNs: second });
  for (const name of ["loop0", "sda", "sdb"]) {
    const wait = bench.start(waitFor(name));
    bench.pass(millisecond);
    bench.abort(wait.operation);
  }
  const wait = bench.start(waitFor("loop1"));
  bench.pass(1010n * millisecond);
  assert.not.ok(wait.end, "loop1 is not bound");
  const steps = [Step.LookDisk, Step.LookPartitions, Step.LookAgain];
  const names = namesAsked(kernel, steps).slice(0, 4);
  assert.equal(names, ["loop0", "loop0", "loop0", "loop1"]);
});

test("partitions count, however few a table may have", async () => {
  const { kernel, bench } = await scene({ partitions: 1 });
  const disk = bindElsewhere(kernel);
  const command = { partitionMask: maskOf(3) };
  assert.is(resultOf(bench.run(waitFor("loop0", command))), "Ready");
  const removed = bench.start(waitFor("loop0", { ...command, flags: CommandFlag.Removed }));
  bench.pass(millisecond);
  assert.not.ok(removed.end);
  disk.deletePartition(3);
  bench.pass(millisecond);
  assert.is(resultOf(removed.end), "Gone");
});

test("numbers that cannot be are not told", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  for (const number of [256, 70_000]) disk.partitions.set(number, { number, start: 0, size: 1 });
  assert.equal(waited(bench.run(waitFor("loop0"))).partitions, [1, 3]);
});

/** The first five letters of the names that these steps asked for. */
function namesAsked(kernel: ScriptedKernel, steps: readonly Step[]): string[] {
  const asked = kernel.log.filter(({ call }) => steps.includes(call.step));
  return asked.map(({ call }) => Buffer.from(call.bytes.subarray(0, 5)).toString());
}

/** How often sysfs is looked at on account of something, not of time. */
function looksAfter(bench: Bench, run: () => void): number {
  const before = count(bench, Step.LookDisk);
  run();
  bench.pass(100_000n);
  return count(bench, Step.LookDisk) - before;
}

/** Another instance, and no event tells of it. */
function rebind(kernel: ScriptedKernel): void {
  kernel.uevents.isMute = true;
  kernel.disk(0).unbind();
  bindElsewhere(kernel);
}

test.run();
