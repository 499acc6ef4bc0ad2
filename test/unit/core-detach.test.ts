/** Detaches: the instance is proven first, what others hold is waited for or told. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, Lock } from "../../assembly/wire/linux.ts";
import {
  CommandFlag,
  type CoreCommand,
  DetachResult,
  Event,
  Failure,
  Partscan,
  Result,
  Step,
  Warning,
} from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import { mode } from "../helpers/scripted-disks.ts";
import { count, detachOf, type Scene, scene, settled, slots } from "./core-scene.ts";

const timeoutNs = 1_000_000_000n;

test("a detach leaves nothing, through the handle's descriptor or its own", async () => {
  for (const isHandle of [true, false]) {
    for (const clearsAtClose of [true, false]) {
      const stage = await scene();
      stage.kernel.clearsAtClose = clearsAtClose;
      const attached = stage.attach({ flags: isHandle ? 0 : CommandFlag.Persistent });
      if (!isHandle) stage.kernel.opened.clear();
      const end = stage.detach(attached, isHandle ? {} : { descriptor: -1 });
      assert.equal([end.event, end.code], [Event.Detached, DetachResult.Gone]);
      assert.is(stage.kernel.opened.size, 0);
      assert.not.ok(stage.kernel.disk(0).info);
      assert.is(stage.kernel.disk(0).partitions.size, 0);
    }
  }
});

test("another instance is left alone", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).diskseq += 1n;
  const end = stage.detach(attached);
  assert.is(end.code, Failure.Superseded);
  assert.is(end.detail, stage.kernel.disk(0).diskseq);
  expectUntouched(stage, attached);
});

test("another backing file is another instance, where the diskseq says nothing", async () => {
  const stage = await scene();
  stage.kernel.diskseq = "none";
  const attached = stage.attach();
  for (const command of [{ backingInode: 1n }, { backingDevice: 1n }]) {
    assert.is(stage.detach(attached, command).code, Failure.Superseded);
    expectUntouched(stage, attached);
  }
});

test("a device that is no loop device is left alone", async () => {
  for (const [word, value] of [
    [24, 8n],
    [0, BigInt(mode.regular)],
  ] as const) {
    const stage = await scene();
    const attached = stage.attach();
    stage.kernel.on(Step.StatTarget, 1, { change: (view) => view.setBigUint64(word, value, true) });
    assert.is(stage.detach(attached).code, Failure.NotLoop);
    expectUntouched(stage, attached);
  }
});

test("a device that is not attached", async () => {
  const { kernel, bench } = await scene();
  const end = bench.run({ command: 2, number: 0 });
  assert.is(end.code, Failure.NotAttached);
  assert.is(kernel.opened.size, 0);
});

test("a device that does not exist", async () => {
  const { bench } = await scene();
  assert.is(bench.run({ command: 2, number: 5 }).code, Failure.NotAttached);
  assert.is(bench.run({ command: 2, number: 5, diskseq: 9n }).code, Failure.Superseded);
});

test("an instance that is on its way out already", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const disk = stage.kernel.disk(0);
  disk.clear(1);
  const operation = stage.bench.start({ ...detachOf(attached), descriptor: -1, timeoutNs });
  stage.bench.settle(stage.bench.now + 50_000_000n);
  assert.not.ok(operation.end);
  stage.kernel.opened.clear();
  stage.kernel.letGo(0);
  stage.bench.settle();
  assert.is(operation.end?.code, Failure.Superseded);
});

test("a lock of others is waited for until the deadline", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).lockOfOthers = Lock.LOCK_SH;
  const end = stage.detach(attached, { timeoutNs });
  assert.is(end.code, Failure.DeviceLocked);
  assert.is(end.step, Step.LockTarget);
  expectUntouched(stage, attached);
  stage.kernel.disk(0).lockOfOthers = 0;
  assert.is(stage.detach(attached).event, Event.Detached);
});

test("a lock that others let go is taken", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const disk = stage.kernel.disk(0);
  disk.lockOfOthers = Lock.LOCK_EX;
  stage.kernel.on(Step.LockTarget, 5, { change: () => (disk.lockOfOthers = 0) });
  assert.is(stage.detach(attached, { timeoutNs }).event, Event.Detached);
  assert.is(count(stage.bench, Step.LockTarget), 6);
});

test("the lock is not asked for where none is wanted", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).lockOfOthers = Lock.LOCK_EX;
  assert.is(stage.detach(attached, { flags: CommandFlag.NoLock }).event, Event.Detached);
});

test("a failed flush is told at the end, and the device is gone all the same", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.on(Step.FlushTarget, 1, -Errno.EIO);
  const end = stage.detach(attached);
  assert.is(end.event, Event.Failed);
  assert.equal([end.code, end.errno, end.step], [Failure.FlushFailed, Errno.EIO, Step.FlushTarget]);
  assert.not.ok(stage.kernel.disk(0).info);
  assert.is(BigInt.asIntN(64, end.result[Result.Descriptor] ?? 0n), -1n);
});

test("a device that others hold is deferred at the deadline, and they are named once", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).holders = 2;
  const operation = settled(stage.bench, { ...detachOf(attached), timeoutNs });
  assert.equal(
    [operation.end?.event, operation.end?.code],
    [Event.Detached, DetachResult.Deferred],
  );
  assert.equal(
    operation.warnings.map(({ code, detail }) => [code, detail]),
    [[Warning.Waiting, 2n]],
  );
  assert.is(count(stage.bench, Step.NameHolders), 1);
});

test("a device that others hold for a moment is waited for in silence", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const disk = stage.kernel.disk(0);
  disk.holders = 1;
  const change = () => {
    disk.holders = 0;
    stage.kernel.letGo(0);
  };
  stage.kernel.on(Step.ReadTarget, 2, { change });
  const operation = settled(stage.bench, { ...detachOf(attached), timeoutNs });
  assert.equal([operation.end?.event, operation.end?.code], [Event.Detached, DetachResult.Gone]);
  assert.equal(operation.warnings, []);
});

test("lazily, a deferred detach is good enough", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).holders = 1;
  const began = stage.bench.now;
  const end = stage.detach(attached, { flags: CommandFlag.Lazy });
  assert.equal([end.event, end.code], [Event.Detached, DetachResult.Deferred]);
  assert.ok(stage.bench.now - began < 100_000_000n);
});

test("a number that went to a later instance while waiting is gone", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const disk = stage.kernel.disk(0);
  disk.holders = 1;
  stage.kernel.on(Step.ReadTarget, 3, { change: (view) => view.setBigUint64(8, 9999n, true) });
  assert.is(stage.detach(attached, { timeoutNs }).code, DetachResult.Gone);
});

test("our own partitions are deleted unless somebody holds the device", async () => {
  for (const holders of [0, 1]) {
    const stage = await scene();
    const attached = stage.attach({ partscan: Partscan.User });
    const disk = stage.kernel.disk(0);
    disk.holders = holders;
    const end = stage.detach(attached, { timeoutNs });
    assert.is(end.code, holders === 0 ? DetachResult.Gone : DetachResult.Deferred);
    assert.is(disk.partitions.size, holders === 0 ? 0 : slots.length);
    assert.is(count(stage.bench, Step.DeleteTarget), holders === 0 ? slots.length : 0);
  }
});

test("partitions that others leave behind are swept, unless it is bound again", async () => {
  for (const isBound of [false, true]) {
    const stage = await scene();
    const attached = stage.attach();
    const disk = stage.kernel.disk(0);
    // The last close, which drops them, is somebody else's and not over yet.
    const change = () => {
      for (const slot of slots) disk.partitions.set(slot.number, slot);
    };
    stage.kernel.on(Step.ReadTarget, 1, { change });
    if (isBound) stage.kernel.on(Step.SweepStatus, 1, 0);
    assert.is(stage.detach(attached, { timeoutNs }).code, DetachResult.Gone);
    assert.is(disk.partitions.size, isBound ? slots.length : 0);
    assert.is(stage.kernel.opened.size, 0);
  }
});

test("partitions of the kernel are left to the kernel", async () => {
  const stage = await scene();
  stage.detach(stage.attach());
  assert.is(count(stage.bench, Step.ListTarget), 0);
  assert.is(count(stage.bench, Step.DeleteTarget), 0);
});

test("LOOP_CLR_FD that fails is repeated, and given up", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.on(Step.ClearTarget, 0, -Errno.EIO);
  const end = stage.detach(attached);
  assert.equal([end.code, end.errno, end.step], [Failure.System, Errno.EIO, Step.ClearTarget]);
  assert.ok(count(stage.bench, Step.ClearTarget) <= 10);
  expectUntouched(stage, attached);
});

test("LOOP_CLR_FD that is busy is repeated until the deadline", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.on(Step.ClearTarget, 0, -Errno.EBUSY);
  assert.is(stage.detach(attached, { timeoutNs }).code, Failure.TimedOut);
  assert.ok(count(stage.bench, Step.ClearTarget) > 20);
  expectUntouched(stage, attached);
});

test("a release closes the descriptor and does nothing else", async () => {
  const stage = await scene();
  const attached = stage.attach({ flags: CommandFlag.Persistent });
  const before = stage.bench.calls.length;
  const end = stage.detach(attached, { flags: CommandFlag.Release });
  assert.equal([end.event, end.code], [Event.Detached, DetachResult.Released]);
  assert.is(stage.bench.calls.length, before + 1);
  assert.ok(stage.kernel.disk(0).info);
  assert.is(stage.kernel.opened.size, 0);
});

test("a release without a descriptor is refused", async () => {
  const { bench } = await scene();
  const command: CoreCommand = { command: 2, number: 0, flags: CommandFlag.Release };
  assert.ok(bench.lockstep.command(bench.now, command).answer < 0);
});

/** The handle's descriptor is open, with its shared lock, and the device is bound. */
function expectUntouched({ kernel }: Scene, attached: OutEvent): void {
  const descriptor = Number(attached.result[Result.Descriptor]);
  assert.equal([...kernel.opened.keys()], [descriptor]);
  assert.is(kernel.opened.get(descriptor)?.lock, Lock.LOCK_SH);
  assert.ok(kernel.disk(attached.number).info);
}

test.run();
