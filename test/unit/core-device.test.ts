/** The image, the choice of a device and its configuration, on kernels of every kind. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, LoFlag } from "../../assembly/wire/linux.ts";
import { CommandFlag, Event, Failure, Mismatch, Result, Step, Warning } from "../../host/core.ts";
import { mode } from "../helpers/scripted-disks.ts";
import { count, expectGivenBack, plainImage, scene, settled, told } from "./core-scene.ts";
import { failHeld } from "./core-sweep.ts";

test("a node of the device that is no loop device is a failure", async () => {
  const { kernel, attach } = await scene();
  kernel.on(Step.StatDevice, 1, { change: (view) => view.setBigUint64(24, 8n, true) });
  assert.is(attach().code, Failure.NodeMismatch);
  expectGivenBack(kernel);
});

test("a kernel without LOOP_CONFIGURE is asked once in a process", async () => {
  const { kernel, bench, attach } = await scene({ disks: 4 });
  kernel.hasConfigure = false;
  const flags = CommandFlag.AllowOverlap;
  assert.is(attach({ flags }).event, Event.Attached);
  assert.is(attach({ flags }).event, Event.Attached);
  assert.is(count(bench, Step.Configure), 1);
  assert.is(count(bench, Step.ProbeConfigure), 1);
  assert.is(count(bench, Step.SetFd), 2);
});

test("where LOOP_CONFIGURE is known its EINVAL is about the arguments", async () => {
  const { kernel, attach } = await scene();
  kernel.on(Step.Configure, 1, -Errno.EINVAL);
  const end = attach();
  assert.is(end.code, Failure.System);
  assert.is(end.errno, Errno.EINVAL);
  assert.is(end.step, Step.Configure);
  expectGivenBack(kernel);
});

test("a configuration of nothing that succeeds is no reason to panic", async () => {
  const { kernel, attach } = await scene();
  kernel.on(Step.Configure, 1, -Errno.EINVAL).on(Step.ProbeConfigure, 1, 0);
  assert.is(attach().event, Event.Failed);
  expectGivenBack(kernel);
});

test("a diskseq that does not rise, or is not there, is no identity", async () => {
  for (const diskseq of ["stays", "none"] as const) {
    const stage = await scene();
    stage.kernel.diskseq = diskseq;
    const { end, codes } = told(stage);
    assert.equal(codes, [Warning.IdentityBestEffort]);
    assert.is(end.result[Result.Identity], 0n);
    assert.is(end.result[Result.Diskseq] === 0n, diskseq === "none");
    assert.is(stage.detach(end).event, Event.Detached);
  }
});

test("leftover partitions are deleted before, and told", async () => {
  const stage = await scene();
  stage.kernel.disk(0).partitions.set(7, { number: 7, start: 0, size: 8 });
  stage.kernel.disk(0).partitions.set(8, { number: 8, start: 8, size: 8 });
  const { end, warnings } = told(stage);
  assert.equal(
    warnings.map(({ code, detail }) => [code, detail]),
    [[Warning.LeftoversRemoved, 2n]],
  );
  assert.equal([...stage.kernel.disk(0).partitions.keys()], [1, 3]);
  assert.is(end.partitions.length, 2);
});

test("an open leftover: another number, or a failure where it was asked for", async () => {
  for (const number of [-1, 0]) {
    const { kernel, attach } = await scene();
    kernel.disk(0).partitions.set(7, { number: 7, start: 0, size: 8 });
    kernel.on(Step.DeleteLeftover, 1, -Errno.EBUSY);
    const end = attach({ number });
    if (number < 0) assert.is(end.number, 1);
    else {
      assert.is(end.code, Failure.LeftoverOpen);
      assert.is(end.detail, 7n);
      expectGivenBack(kernel);
    }
  }
});

test("an explicit device is made where it is missing, and refused where it is bound", async () => {
  const { kernel, attach } = await scene();
  assert.is(attach({ number: 9 }).number, 9);
  kernel.disk(1).bindForeign({ inode: 1n });
  const end = attach({ number: 1, flags: CommandFlag.AllowOverlap });
  assert.is(end.code, Failure.DeviceBound);
});

test("a device that is bound without a lock meanwhile is left alone", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.LockDevice, 1, { change: () => kernel.disk(0).bindForeign({ inode: 1n }) });
  const operation = bench.start({ command: 1 });
  bench.settle();
  assert.is(operation.end?.number, 1);
  assert.equal(operation.tries[0]?.errno, Errno.EBUSY);
  assert.ok(kernel.disk(0).info);
});

test("a device with leftovers that others hold exclusively is passed over at once", async () => {
  const stage = await scene();
  stage.kernel.disk(0).partitions.set(7, { number: 7, start: 0, size: 8 });
  stage.kernel.on(Step.ClaimDevice, 1, -Errno.EBUSY);
  const { end, tries } = settled(stage.bench, { command: 1 });
  assert.is(end?.number, 1);
  assert.is(tries.length, 1);
});

test("a device that is bound while its leftovers are claimed is left alone", async () => {
  const { kernel, attach } = await scene();
  kernel.disk(0).partitions.set(7, { number: 7, start: 0, size: 8 });
  kernel.on(Step.StatusClaimed, 1, 0);
  assert.is(attach().event, Event.Attached);
  assert.is(kernel.log.filter(({ call }) => call.step === Step.Configure).length, 1);
});

test("overlaps are refused, ranges beside one another and readers are not", async () => {
  const half = 32768n;
  const cases: [
    other: { offset?: bigint; limit?: bigint; flags?: number },
    command: object,
    isRefused: boolean,
  ][] = [
    [{}, {}, true],
    [{ offset: half }, {}, true],
    [{ offset: half }, { sizeLimit: half }, false],
    [{ limit: half }, { offset: half }, false],
    [{ limit: half }, { offset: half - 512n }, true],
    [{ offset: 1n << 40n }, {}, false],
    [{ limit: 1n << 40n }, { offset: half }, true],
    [{ flags: LoFlag.LO_FLAGS_READ_ONLY }, { flags: CommandFlag.ReadOnly }, false],
    [{ flags: LoFlag.LO_FLAGS_READ_ONLY }, {}, true],
    [{}, { flags: CommandFlag.ReadOnly }, true],
    [{}, { flags: CommandFlag.AllowOverlap }, false],
  ];
  for (const [index, [other, command, isRefused]] of cases.entries()) {
    const { kernel, attach } = await scene({ image: plainImage(), table: [] });
    kernel.disk(0).bindForeign(other);
    const end = attach(command);
    assert.is(end.event, isRefused ? Event.Failed : Event.Attached, `case ${index}`);
    if (isRefused) assert.equal([end.code, end.number], [Failure.Overlap, 0]);
  }
});

test("an image that cannot be written is attached for reading, and that is told", async () => {
  const stage = await scene();
  stage.kernel.isImageWritable = false;
  const { end, codes } = told(stage);
  assert.equal(codes, [Warning.FellBackToReadOnly]);
  assert.ok((end.result[Result.Flags] ?? 0n) & BigInt(LoFlag.LO_FLAGS_READ_ONLY));
  assert.is(count(stage.bench, Step.OpenPrivate), 0);
});

test("a caller's descriptor for reading is found out by what the kernel says", async () => {
  const stage = await scene();
  const { codes } = told(stage, { descriptor: stage.kernel.openImage(false) });
  assert.equal(codes, [Warning.FellBackToReadOnly]);
});

test("a caller's descriptor stays open", async () => {
  const { kernel, attach } = await scene();
  const descriptor = kernel.openImage();
  const end = attach({ descriptor });
  expectGivenBack(kernel, [descriptor, Number(end.result[Result.Descriptor])]);
});

test("only files and block devices are images", async () => {
  const { kernel, attach } = await scene();
  kernel.imageMode = mode.fifo;
  const end = attach();
  assert.is(end.code, Failure.NotImage);
  assert.is(end.detail, BigInt(mode.fifo));
  expectGivenBack(kernel);
});

test("a block device is measured and compared by its own number", async () => {
  const { kernel, bench, attach } = await scene({ image: plainImage(), table: [] });
  kernel.imageMode = mode.block;
  kernel.on(Step.StatusAfter, 1, { change: (view) => view.setBigUint64(16, 0x811n, true) });
  assert.is(attach().event, Event.Attached);
  assert.is(count(bench, Step.SizeImage), 1);
  const guard = bench.calls.find(({ step }) => step === Step.FindBacking);
  assert.equal([guard?.argument, guard?.argument2], [0x811n, 0n]);
});

test("an image that shrinks while it is read is a failure", async () => {
  const { kernel, attach } = await scene();
  kernel.on(Step.ReadHead, 1, 100);
  const end = attach();
  assert.is(end.code, Failure.ImageShrank);
  expectGivenBack(kernel);
});

test("what the kernel did not honour is a failure", async () => {
  const set = (at: number, value: bigint) => (view: DataView) => view.setBigUint64(at, value, true);
  const cases: [Step, (view: DataView) => void, Mismatch][] = [
    [Step.StatusAfter, set(8, 1n), Mismatch.Backing],
    [Step.StatusAfter, set(0, 1n), Mismatch.Backing],
    [Step.StatusAfter, set(24, 512n), Mismatch.Range],
    [Step.StatusAfter, set(32, 512n), Mismatch.Range],
    [Step.StatusAfter, (view) => view.setUint32(52, 0, true), Mismatch.Flags],
    [Step.SizeAfter, set(0, 512n), Mismatch.Size],
  ];
  for (const [step, change, mismatch] of cases) {
    const { kernel, attach } = await scene();
    kernel.on(step, 1, { change });
    const end = attach();
    assert.is(end.code, Failure.NotHonoured);
    assert.is(end.detail, BigInt(mismatch));
    expectGivenBack(kernel);
  }
  const { kernel, attach } = await scene();
  kernel.on(Step.StatusAfter, 1, { change: (view) => view.setUint32(52, 4, true) });
  assert.is(attach({ flags: CommandFlag.ReadOnly }).detail, BigInt(Mismatch.Flags));
});

test("a failed attach waits for others to let go, and says where they do not", async () => {
  for (const looks of [3, 0]) {
    const stage = await scene();
    const end = failHeld(stage, looks);
    assert.is(end.code, Failure.NodeMismatch);
    assert.is(end.detail2, looks === 0 ? 1n : 0n);
    assert.is(stage.kernel.opened.size, 0);
    assert.is(stage.kernel.disk(0).info === undefined, looks > 0);
  }
});

test("direct I/O that is not to be had is told", async () => {
  const stage = await scene();
  const change = (view: DataView) => view.setUint32(52, 4, true);
  stage.kernel.on(Step.StatusAfter, 1, { change });
  assert.equal(told(stage, { flags: CommandFlag.DirectIo }).codes, [Warning.DirectIoDropped]);
});

test("without a private node a hidden one, without that the public one: told", async () => {
  const hidden = await scene();
  hidden.kernel.on(Step.MakePrivate, 1, -Errno.ENOSYS);
  assert.equal(told(hidden).codes, []);
  assert.is(hidden.kernel.hiddenNodes.size, 0);
  assert.is(count(hidden.bench, Step.OpenHidden), 1);
  const open = await scene();
  open.kernel.on(Step.MakePrivate, 1, -Errno.EPERM).on(Step.MakeHidden, 1, -Errno.EROFS);
  assert.equal(told(open).codes, [Warning.PublicNode]);
});

test.run();
