/**
 * Tries of a device, bounded by 64 and by the deadline, with a back-off that the seed decides;
 * calls that a signal interrupts; closes that report an error.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, Lock } from "../../assembly/wire/linux.ts";
import { Event, Failure, Partscan, Step, TimeoutReason, Warning } from "../../host/core.ts";
import { expectGivenBack, type Scene, scene, settled } from "./core-scene.ts";

const millisecond = 1_000_000n;

test("a device that is always busy is tried 64 times", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Configure, 0, -Errno.EBUSY);
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.event, Event.Failed);
  assert.is(operation.end?.code, Failure.TriesExhausted);
  assert.is(operation.end?.errno, Errno.EBUSY);
  assert.is(operation.tries.length, 64);
  for (const tried of operation.tries) {
    assert.is(tried.step, Step.Configure);
    assert.is(tried.errno, Errno.EBUSY);
    assert.ok(tried.number >= 0);
  }
  expectGivenBack(kernel);
});

test("the deadline ends the tries earlier", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Configure, 0, -Errno.EBUSY);
  const operation = bench.start({ command: 1, timeoutNs: 100n * millisecond });
  const began = bench.now;
  bench.settle();
  assert.is(operation.end?.code, Failure.TimedOut);
  assert.ok(operation.tries.length > 1 && operation.tries.length < 64);
  assert.ok(bench.now - began < 101n * millisecond);
  expectGivenBack(kernel);
});

test("the back-off stays below its bound, which rises with the tries", async () => {
  const waits = await backoffs(1n);
  assert.is(waits.length, 63);
  for (const [index, wait] of waits.entries()) {
    const bound = 10 + Math.floor((240 * (index + 1)) / 64);
    assert.ok(wait < BigInt(bound) * millisecond, `try ${index + 1}: ${wait}`);
  }
  assert.ok(new Set(waits).size > 60, "they hardly differ");
});

test("the same seed waits the same, another seed otherwise", async () => {
  assert.equal(await backoffs(7n), await backoffs(7n));
  assert.not.equal(await backoffs(7n), await backoffs(9n));
});

test("a number that was lost twice is passed over", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Configure, 1, -Errno.EBUSY).on(Step.Configure, 2, -Errno.EBUSY);
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.event, Event.Attached);
  assert.equal(
    operation.tries.map(({ number }) => number),
    [0, 0],
  );
  assert.is(operation.end?.number, 1);
});

test("a locked device is passed over at once", async () => {
  const { kernel, bench } = await scene();
  kernel.disk(0).lockOfOthers = Lock.LOCK_EX;
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.number, 1);
  assert.is(operation.tries.length, 1);
  assert.is(operation.tries[0]?.step, Step.LockDevice);
});

test("where all devices are locked a new one is made", async () => {
  const { kernel, attach } = await scene({ disks: 2 });
  for (const disk of kernel.disks.values()) disk.lockOfOthers = Lock.LOCK_EX;
  const end = attach();
  assert.is(end.event, Event.Attached);
  assert.is(end.number, 2);
});

test("a shared lock of others is no obstacle", async () => {
  const { kernel, attach } = await scene();
  kernel.disk(0).lockOfOthers = Lock.LOCK_SH;
  assert.is(attach().number, 0);
});

test("a node that is never there is given up after a few tries", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.OpenDevice, 0, -Errno.ENOENT);
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.code, Failure.System);
  assert.is(operation.end?.errno, Errno.ENOENT);
  assert.is(operation.end?.step, Step.OpenDevice);
  assert.ok(operation.tries.length < 16, `${operation.tries.length} tries`);
});

test("a node that may not be opened is given up after 16 tries", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.OpenDevice, 0, -Errno.EACCES);
  const { end, tries } = settled(bench, { command: 1 });
  assert.equal([end?.code, end?.errno], [Failure.System, Errno.EACCES]);
  assert.is(tries.length, 16);
  expectGivenBack(kernel);
});

test("an interrupted call is repeated, any call but a close", async () => {
  for (const partscan of [Partscan.Kernel, Partscan.User]) {
    const plain = await scene({ isFast: true });
    plain.detach(plain.attach({ partscan }));
    const steps = [...new Set(plain.bench.calls.map(({ step }) => step))];
    const normal = plain.bench.calls.length;
    for (const step of steps) {
      const stage = await scene({ isFast: true });
      stage.kernel.on(step, 1, -Errno.EINTR);
      const attached = stage.attach({ partscan });
      assert.is(attached.event, Event.Attached, Step[step]);
      assert.is(stage.detach(attached).event, Event.Detached, Step[step]);
      const isClose = Step[step]?.includes("Close");
      assert.is(stage.bench.calls.length, isClose ? normal : normal + 1, Step[step]);
    }
  }
});

test("a call that is interrupted for ever fails with EINTR", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.ReadHead, 0, -Errno.EINTR);
  const end = bench.run({ command: 1 });
  assert.is(end.code, Failure.System);
  assert.is(end.errno, Errno.EINTR);
  assert.is(end.step, Step.ReadHead);
  assert.ok(bench.calls.filter(({ step }) => step === Step.ReadHead).length <= 65);
  expectGivenBack(kernel);
});

test("giving back that is interrupted for ever goes on", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.DrainOpen, 0, -Errno.ENOMEM).on(Step.UndoClear, 0, -Errno.EINTR);
  const end = bench.run({ command: 1 });
  assert.is(end.code, Failure.System);
  assert.is(end.errno, Errno.ENOMEM);
  expectGivenBack(kernel);
});

test("a leftover that is there and is not is no reason to try for ever", async () => {
  const { kernel, bench } = await scene();
  kernel.disk(0).partitions.set(1, { number: 1, start: 0, size: 8 });
  kernel.on(Step.DeleteLeftover, 0, -Errno.ENXIO);
  const operation = bench.start({ command: 1, timeoutNs: 10_000n * millisecond });
  bench.settle();
  assert.ok(operation.end);
});

test("an interrupted removal of a leftover removes the same one", async () => {
  const { kernel, attach } = await scene();
  kernel.disk(0).partitions.set(9, { number: 9, start: 0, size: 8 });
  kernel.on(Step.DeleteLeftover, 1, -Errno.EINTR);
  assert.is(attach().event, Event.Attached);
  assert.equal([...kernel.disk(0).partitions.keys()], [1, 3]);
});

test("a close that reports an error is told, and is no failure", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.CloseImage, 1, -Errno.EIO).on(Step.CloseControl, 1, -Errno.EINTR);
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.event, Event.Attached);
  const told = operation.warnings.filter(({ code }) => code === Warning.CloseFailed);
  assert.equal(
    told.map(({ step, errno }) => [Step[step], errno]),
    [
      ["CloseControl", Errno.EINTR],
      ["CloseImage", Errno.EIO],
    ],
  );
});

test("what is looked at again is looked at less and less often", async () => {
  const { kernel, bench } = await scene();
  kernel.isControlLocked = true;
  const operation = bench.start({ command: 1, timeoutNs: 500n * millisecond });
  const waits: bigint[] = [];
  let at = 0n;
  for (let now = bench.now; operation.end === undefined; now += 10_000n) {
    bench.settle(now);
    const { timeout } = bench;
    if (timeout.reason !== TimeoutReason.Poll || timeout.at === at) continue;
    at = timeout.at;
    waits.push(at - bench.now);
  }
  assert.is(operation.end?.code, Failure.TimedOut);
  assert.is(operation.end?.step, Step.LockControl);
  assert.ok(waits.length > 10 && waits.length < 80, `${waits.length} looks`);
  assert.ok((waits[0] ?? 0n) < 2n * millisecond);
  assert.ok(waits.slice(6).every((wait) => wait >= 7n * millisecond && wait <= 24n * millisecond));
  assert.is(kernel.opened.size, 0);
});

test("a status that changes all the time is set ever more slowly", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.ScanSet, 0, -Errno.EAGAIN);
  const operation = bench.start({ command: 1, timeoutNs: 2_000n * millisecond });
  bench.settle();
  assert.ok(operation.end);
  const times = bench.calls.filter(({ step }) => step === Step.ScanSet).length;
  assert.ok(times <= 300, `${times} times in 2 s`);
});

/** How long each back-off of an attach is that never gets a device. */
async function backoffs(seed: bigint): Promise<bigint[]> {
  const stage: Scene = await scene({ seed });
  stage.kernel.on(Step.OpenDevice, 0, -Errno.EBUSY);
  const operation = stage.bench.start({ command: 1 });
  const waits: bigint[] = [];
  while (operation.end === undefined) {
    const { at, reason } = stage.bench.timeout;
    if (reason === TimeoutReason.Backoff) {
      waits.push(at - stage.bench.now);
      stage.bench.settle(at);
    } else stage.bench.settle(stage.bench.now + 1_000n);
  }
  return waits;
}

test.run();
