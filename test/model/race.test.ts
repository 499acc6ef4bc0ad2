/**
 * The partition-scan race, step by step: an opener that comes between the announcement of an attach
 * and its scan makes the partitions appear, vanish and appear again, on the kernels that leave a
 * scan pending; never on those that do not, and never with a drained, split attach.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Errno, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { Step } from "../../host/sim/model.ts";
import { Bench, Image } from "../helpers/models.ts";

const PARTSCAN = LoFlag.LO_FLAGS_PARTSCAN;
const READ = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;
const adds = ["add p1(+1)", "add p2(+1)", "add p3(+1)"];
const removes = ["remove p1(+1)", "remove p2(+1)", "remove p3(+1)"];
const plugged = ["change(+1)", ...adds];

const racy = ["5.15.215", "6.1.192", "6.6.140", "6.12.90", "6.18.32", "7.0.0"];
const fixed = ["6.6.141", "6.12.91", "6.18.33", "7.1.5", "7.2.13"];

for (const version of racy) {
  test(`${version}: plugged, dead, plugged`, async () => {
    const bench = await Bench.open(version);
    const task = configure(bench);
    assert.equal(bench.untilEvent(task), ["change(+1)"], "the attach is announced");
    const opener = untilOpened(bench, task);
    assert.equal(bench.heard(), plugged, "the opener's scan");
    assert.is(bench.model.run(task), Step.Done);
    assert.is(bench.model.finish(task), 0);
    assert.equal(bench.heard(), [...removes, ...plugged], "the scan of the attach");
    bench.close(opener, 1);
    assert.equal(bench.heard(), []);
  });

  test(`${version}: a partition that is open already stops the second scan`, async () => {
    const bench = await Bench.open(version);
    const task = configure(bench);
    bench.untilEvent(task);
    untilOpened(bench, task);
    const partition = bench.open(READ, 2, 1);
    assert.ok(partition >= 0);
    bench.heard();
    assert.is(bench.model.run(task), Step.Done);
    assert.is(bench.model.finish(task), 0);
    assert.equal(bench.heard(), []);
    assert.equal(bench.partitions, [1, 2, 3]);
  });

  test(`${version}: split and drained there is one scan, whenever the opener comes`, async () => {
    // The opener comes after any number of steps of the whole attach.
    for (let steps = 0; ; steps++) {
      const { bench, isOver } = await splitAttach(version, steps, true);
      assert.equal(blinks(bench), [], `an opener after ${steps} steps`);
      if (isOver) {
        assert.ok(steps > 5);
        return;
      }
    }
  });

  test(`${version}: split without the drain there is an order that blinks`, async () => {
    let found = 0;
    for (let steps = 0; ; steps++) {
      const { bench, isOver } = await splitAttach(version, steps, false);
      if (blinks(bench).length > 0) found++;
      if (isOver) break;
    }
    assert.ok(found > 0);
  });
}

for (const version of fixed) {
  test(`${version}: whenever an opener comes, nothing blinks`, async () => {
    for (let steps = 0; ; steps++) {
      const bench = await Bench.open(version);
      const task = configure(bench);
      const isOver = runSteps(bench, [task], steps);
      const opener = bench.begin(Routine.Open, { a: 0, b: READ }, 1);
      finishBoth(bench, task, opener, isOver);
      assert.equal(blinks(bench), [], `an opener after ${steps} steps`);
      assert.equal(bench.partitions, [1, 2, 3]);
      if (isOver) return;
    }
  });
}

test("an opener waits for the attach where lo_open is, and drains it where none is", async () => {
  for (const [version, waits] of [
    ["6.1.192", false],
    ["6.6.140", false],
    ["6.12.90", true],
    ["5.15.215", true],
  ] as const) {
    const bench = await Bench.open(version);
    const task = configure(bench);
    // The media change is over and the device is not bound yet.
    while (bench.model.disk(0)?.diskseq === 1n) bench.model.step(task);
    bench.model.step(task);
    const opener = bench.begin(Routine.Open, { a: 0, b: READ }, 1);
    const step = bench.model.run(opener);
    assert.is(step, waits ? Step.Blocked : Step.Done, version);
    assert.is(bench.model.run(task), waits ? Step.Blocked : Step.Done, version);
    if (waits) continue;
    assert.equal(blinks(bench), [], version);
  }
});

test("who claims the disk waits for the attach, who holds it keeps it away", async () => {
  const bench = await Bench.open("6.12.90");
  const reader = bench.open(READ, 0, 1);
  const task = configure(bench);
  while (bench.untilEvent(task).at(-1) !== "add p1(+1)");
  const claimer = bench.begin(Routine.Open, { a: 0, b: READ | OpenFlag.O_EXCL }, 1);
  bench.model.step(claimer);
  assert.is(bench.model.step(claimer), Step.Blocked);
  const reread = bench.begin(Routine.Reread, { a: reader }, 1);
  assert.is(bench.model.run(reread), Step.Blocked);
  assert.is(bench.model.run(task), Step.Done);
  assert.is(bench.model.run(claimer), Step.Done);
  const holder = bench.model.finish(claimer);
  assert.ok(holder >= 0);
  assert.is(bench.model.run(reread), Step.Done);
  assert.is(bench.model.finish(reread), -Errno.EBUSY);
});

test("sysfs shows no image before the change is told, with the number that it had", async () => {
  for (const version of ["5.10.223", "6.1.192", "6.18.44"]) {
    const bench = await Bench.open(version);
    const device = bench.open();
    const image = bench.image(Image.Gpt);
    assert.is(bench.model.run(bench.begin(Routine.Configure, { a: device, b: image })), Step.Done);
    bench.heard();
    let task = bench.begin(Routine.ClearFd, { a: device });
    while (bench.model.disk(0)?.isBound) {
      // From 6.11 on the last close clears it.
      if (bench.model.step(task) === Step.Done) task = bench.begin(Routine.Close, { a: device });
    }
    assert.equal(bench.heard(), [], version);
    assert.is(bench.model.run(task), Step.Done);
    assert.ok(
      bench.heard().some((event) => event.startsWith("change")),
      version,
    );
  }
});

/** Begins LOOP_CONFIGURE with PARTSCAN. */
function configure(bench: Bench, flags: number = PARTSCAN): number {
  const image = bench.image(Image.Gpt);
  const device = bench.open();
  return bench.begin(Routine.Configure, { a: device, b: image, c: flags });
}

/** An opener that gets in while the attach is under way: its descriptor. */
function untilOpened(bench: Bench, task: number): number {
  const opener = bench.begin(Routine.Open, { a: 0, b: READ }, 1);
  // It waits for lo_mutex, where lo_open takes it, until the attach gives that up.
  while (bench.model.run(opener) !== Step.Done) {
    assert.is(bench.model.step(task), Step.Ran);
  }
  return bench.model.finish(opener);
}

/** The whole split attach with an opener that comes after so many steps. */
async function splitAttach(version: string, steps: number, drains: boolean) {
  const bench = await Bench.open(version);
  const image = bench.image(Image.Gpt);
  const device = bench.open();
  const calls = [
    () => bench.begin(Routine.Configure, { a: device, b: image }),
    ...(drains
      ? [
          () => bench.begin(Routine.Open, { a: 0, b: READ }),
          (drain: number) => bench.begin(Routine.Close, { a: drain }),
        ]
      : []),
    () => bench.begin(Routine.SetStatus, { a: device, c: PARTSCAN }),
  ];
  let left = steps;
  let opener = -1;
  let last = 0;
  for (const begin of calls) {
    const task = begin(last);
    for (let step = bench.model.step(task); step !== Step.Done; step = bench.model.step(task)) {
      if (opener >= 0 && bench.model.run(opener) === Step.Done) opener = closed(bench, opener);
      if (opener === -1 && left-- === 0) opener = bench.begin(Routine.Open, { a: 0, b: READ }, 1);
    }
    last = bench.model.finish(task);
    if (opener === -1 && left-- === 0) opener = bench.begin(Routine.Open, { a: 0, b: READ }, 1);
  }
  if (opener >= 0) {
    assert.is(bench.model.run(opener), Step.Done);
    opener = closed(bench, opener);
  }
  assert.equal(bench.partitions, [1, 2, 3]);
  return { bench, isOver: opener === -1 };
}

/** Closes what an opener opened; -2: it has been. */
function closed(bench: Bench, opener: number): number {
  bench.close(bench.model.finish(opener), 1);
  return -2;
}

function runSteps(bench: Bench, [task = -1]: readonly number[], steps: number): boolean {
  for (let step = 0; step < steps; step++) {
    if (bench.model.step(task) === Step.Done) return true;
  }
  return false;
}

function finishBoth(bench: Bench, task: number, opener: number, isOver: boolean): void {
  let isDone = isOver;
  let isOpen = false;
  while (!isDone || !isOpen) {
    if (!isOpen) isOpen = bench.model.run(opener) === Step.Done;
    if (!isDone) isDone = bench.model.step(task) === Step.Done;
  }
  assert.is(bench.model.finish(task), 0);
  assert.ok(bench.model.finish(opener) >= 0);
}

/** Partitions that were unplugged. */
function blinks(bench: Bench): string[] {
  return bench.heard().filter((text) => text.startsWith("remove"));
}

test.run();
