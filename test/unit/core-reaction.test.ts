/**
 * Attaches that had to open the public node: udev sees their writable descriptor closed, and reads
 * the table again where no lock is in its way. So the lock stays until udev has answered the close.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import {
  Command,
  CommandFlag,
  type CoreCommand,
  Event,
  Failure,
  Group,
  Step,
} from "../../host/core.ts";
import type { Uevent } from "../helpers/uevents.ts";
import { kernelEvent } from "../helpers/uevents.ts";
import { count, expectGivenBack, type Scene, type SceneOptions, scene } from "./core-scene.ts";
import { expectQuiet, millisecond, second } from "./core-watch-scene.ts";

const flags = CommandFlag.Persistent | CommandFlag.NoLock;
const attach: CoreCommand = { command: Command.Attach, flags };

/** udev's answer to a close. */
const bare = { SYNTH_UUID: "0" };

interface Exposed extends Scene {
  /** An event of the disk is told; without: the answer. */
  tell(facts?: Partial<Uevent>): void;
  /** How often the writable descriptor was closed, and the lock given up. */
  done(): number[];
}

/** No node can be made that udev does not watch. */
async function exposed(options: SceneOptions = {}): Promise<Exposed> {
  const play = await scene(options);
  const { kernel, bench } = play;
  kernel.uevents.udev.isRunning = true;
  kernel.on(Step.MakePrivate, 0, -Errno.EPERM).on(Step.MakeHidden, 0, -Errno.EROFS);
  return {
    ...play,
    tell: (facts) => {
      const { partition = 0 } = facts ?? {};
      const uevent = kernel.uevents.of(kernel.disk(0), "change", partition, bare);
      bench.hear(kernelEvent({ ...uevent, ...facts }));
    },
    done: () => [count(bench, Step.CloseWritable), count(bench, Step.UnlockDevice)],
  };
}

test("the lock stays until udev has answered the close", async () => {
  for (const diskseq of ["rises", "stays", "none"] as const) {
    const { kernel, bench, tell, done } = await exposed();
    kernel.diskseq = diskseq;
    const operation = bench.start(attach);
    bench.pass(100n * millisecond);
    assert.equal(done(), [1, 0], diskseq);
    const now = bench.now;
    tell();
    bench.pass(millisecond);
    assert.equal(done(), [1, 1]);
    assert.is(operation.end?.event, Event.Attached);
    assert.ok(bench.now - now <= millisecond, "it wakes");
    expectQuiet(kernel, bench);
  }
});

test("what is not the answer ends nothing", async () => {
  const { kernel, bench, tell, done } = await exposed({ disks: 2 });
  const operation = bench.start(attach);
  bench.pass(100n * millisecond);
  const { diskseq } = kernel.disk(0);
  tell({ extras: {} });
  tell({ extras: { SYNTH_UUID: "8a0ae1a1-0000-4000-8000-000000000000" } });
  tell({ action: "add" });
  tell({ partition: 1, major: 259, minor: 1 });
  tell({ disk: "loop1", minor: 1 });
  tell({ diskseq: diskseq - 1n });
  tell({ diskseq: diskseq + 1n });
  bench.pass(millisecond);
  assert.equal(done(), [1, 0]);
  tell();
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("what comes before the close is no answer to it", async () => {
  const { kernel, bench, tell, done } = await exposed();
  kernel.on(Step.KeepSet, 1, { delayNs: 50n * millisecond });
  const operation = bench.start(attach);
  bench.pass(20n * millisecond);
  assert.equal(done(), [0, 0]);
  tell();
  bench.pass(100n * millisecond);
  assert.equal(done(), [1, 0]);
  tell();
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("nothing is closed before the answer can be heard", async () => {
  const { kernel, bench, tell, done } = await exposed();
  kernel.on(Step.Subscribe, 2, { delayNs: second });
  const operation = bench.start(attach);
  bench.pass(900n * millisecond);
  assert.equal(done(), [0, 0]);
  bench.pass(200n * millisecond);
  assert.equal(done(), [1, 0]);
  tell();
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("a udev that was at work on the disk never answers: three seconds are enough", async () => {
  const { kernel, bench, done } = await exposed();
  const began = bench.now;
  assert.is(bench.run(attach).event, Event.Attached);
  const took = bench.now - began;
  assert.ok(took > 2n * second && took < 6n * second, `${took}`);
  assert.equal(done(), [1, 1]);
  expectQuiet(kernel, bench);
});

test("where no udevd runs, or nothing is heard, nothing is awaited", async () => {
  for (const deaf of ["no udevd", Group.Udev, Group.Kernel]) {
    const { kernel, bench } = await exposed();
    if (typeof deaf === "number") kernel.uevents.answers.set(deaf, -Errno.EPERM);
    else kernel.uevents.udev.isRunning = false;
    const began = bench.now;
    assert.is(bench.run(attach).event, Event.Attached);
    assert.ok(bench.now - began < 100n * millisecond, `${deaf}`);
    expectQuiet(kernel, bench);
  }
});

test("who awaits udev's work awaits its answer, too", async () => {
  const { kernel, bench, tell, done } = await exposed();
  const operation = bench.start({ ...attach, flags: flags | CommandFlag.Udev });
  bench.pass(100n * millisecond);
  assert.equal(done(), [1, 0]);
  assert.equal(kernel.uevents.triggers, []);
  tell();
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
  expectQuiet(kernel, bench);
});

test("a later try that finds a private node awaits nothing", async () => {
  const play = await scene();
  const { kernel, bench } = play;
  kernel.uevents.udev.isRunning = true;
  kernel.on(Step.MakePrivate, 1, -Errno.EPERM).on(Step.MakeHidden, 1, -Errno.EROFS);
  kernel.on(Step.Configure, 1, -Errno.EBUSY);
  const began = bench.now;
  assert.is(bench.run(attach).event, Event.Attached);
  assert.is(count(bench, Step.OpenPublic), 1);
  assert.ok(bench.now - began < second);
  expectQuiet(kernel, bench);
});

test("an abort, or the deadline, while the answer is awaited gives all back", async () => {
  for (const how of ["abort", "deadline"]) {
    const { kernel, bench, done } = await exposed();
    const operation = bench.start({ ...attach, timeoutNs: 2n * second });
    bench.pass(100n * millisecond);
    assert.equal(done(), [1, 0]);
    if (how === "abort") bench.abort(operation.operation);
    bench.settle();
    assert.is(operation.end?.code, how === "abort" ? Failure.Aborted : Failure.TimedOut);
    expectGivenBack(kernel);
    expectQuiet(kernel, bench);
  }
});

test.run();
