/** Attaches and their partitions: what is done, what is told, what the result says. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, LoFlag } from "../../assembly/wire/linux.ts";
import {
  CommandFlag,
  Event,
  Failure,
  Partscan,
  Result,
  Step,
  Table,
  Warning,
} from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import { imageInode } from "../helpers/scripted-disks.ts";
import {
  count,
  expectGivenBack,
  plainImage,
  scene,
  slots,
  told,
  vectorImage,
} from "./core-scene.ts";

test("a result tells the instance, its image and its partitions", async () => {
  const { kernel, attach } = await scene();
  const end = attach({ offset: 0n });
  const word = (at: Result) => end.result[at];
  assert.is(end.event, Event.Attached);
  assert.is(end.number, 0);
  assert.is(word(Result.Major), 7n);
  assert.is(word(Result.Minor), 0n);
  assert.is(word(Result.Diskseq), kernel.disk(0).diskseq);
  assert.is(word(Result.Identity), 1n);
  assert.is(word(Result.BackingInode), imageInode);
  assert.is(word(Result.SectorSize), 512n);
  assert.is(word(Result.Size), 65536n);
  assert.is(word(Result.Table), BigInt(Table.Mbr));
  assert.is(word(Result.Flags), BigInt(LoFlag.LO_FLAGS_AUTOCLEAR | LoFlag.LO_FLAGS_PARTSCAN));
  assert.equal(shown(end), [
    { number: 1, devnum: "259:1", start: 4096n, size: 8192n, byKernel: true },
    { number: 3, devnum: "259:3", start: 16384n, size: 49152n, byKernel: true },
  ]);
  expectGivenBack(kernel, [Number(word(Result.Descriptor))]);
});

test("a disk without a table is scanned by nobody", async () => {
  const { bench, attach } = await scene({ image: plainImage(), table: [] });
  assert.is(attach().result[Result.Table], BigInt(Table.None));
  assert.equal(count(bench, Step.ScanSet), 0);
});

test("the scan is drained before it is asked for", async () => {
  const { bench, attach } = await scene();
  attach();
  const steps = bench.calls.map(({ step }) => step);
  assert.ok(steps.indexOf(Step.CloseControl) < steps.indexOf(Step.DrainOpen));
  assert.ok(steps.indexOf(Step.DrainClose) < steps.indexOf(Step.ScanSet));
  assert.is(count(bench, Step.ScanSet), 1);
});

test("where a kernel scans at any open the partitions are taken as they are", async () => {
  const { kernel, bench, attach } = await scene();
  kernel.scansAtOpen = true;
  assert.is(shown(attach()).length, 2);
  assert.is(count(bench, Step.ScanSet), 0);
});

test("a forced PARTSCAN is told, and nothing is scanned again", async () => {
  const stage = await scene();
  stage.kernel.forcesPartscan = true;
  const { end, codes } = told(stage);
  assert.is(end.event, Event.Attached);
  assert.ok(codes.includes(Warning.PartscanForced));
  assert.is(count(stage.bench, Step.ScanSet), 0);
});

test("a missing parser is found once, told once and remembered", async () => {
  const stage = await scene({ disks: 4 });
  stage.kernel.hasParser = false;
  const flags = CommandFlag.AllowOverlap;
  const first = told(stage, { flags });
  assert.equal(first.codes, [Warning.NoKernelParser]);
  assert.is(first.end.result[Result.Partscan], BigInt(Partscan.User));
  assert.equal(
    shown(first.end).map(({ byKernel }) => byKernel),
    [false, false],
  );
  const scans = count(stage.bench, Step.ScanSet);
  const second = told(stage, { flags });
  assert.equal(second.codes, []);
  assert.is(second.end.result[Result.Partscan], BigInt(Partscan.User));
  assert.is(count(stage.bench, Step.ScanSet), scans);
});

test("a scan that was put off is no missing parser", async () => {
  const stage = await scene({ disks: 4 });
  stage.kernel.on(Step.ListPartitions, 1, 0);
  const { end, codes } = told(stage);
  assert.equal([codes, end.result[Result.Partscan]], [[], BigInt(Partscan.Kernel)]);
  assert.is(count(stage.bench, Step.RereadDevice), 1);
  assert.is(end.number, 0);
});

test("a disk that cannot be scanned is passed over, and given back", async () => {
  const stage = await scene({ disks: 4 });
  stage.kernel.on(Step.ListPartitions, 1, 0).on(Step.RereadDevice, 1, -Errno.EBUSY);
  const { end, codes } = told(stage);
  assert.equal([codes, end.result[Result.Partscan]], [[], BigInt(Partscan.Kernel)]);
  assert.is(end.number, 1);
  assert.is(stage.kernel.disk(0).info, undefined);
});

test("partitions of our own that are gone again are made on another disk", async () => {
  const stage = await scene({ disks: 4 });
  stage.kernel.on(Step.ListProven, 1, 1);
  const { end } = told(stage, { partscan: Partscan.User });
  assert.is(end.event, Event.Attached);
  assert.is(end.number, 1);
});

test("where they never stay they are missing", async () => {
  const stage = await scene({ disks: 64 });
  stage.kernel.on(Step.ListProven, 0, 0);
  const { end } = told(stage, { partscan: Partscan.User });
  assert.equal([end.code, end.detail], [Failure.PartitionMissing, 1n]);
  expectGivenBack(stage.kernel);
});

test("a missing parser of one table says nothing of the other", async () => {
  const { kernel, bench, attach } = await scene({ disks: 4 });
  const flags = CommandFlag.AllowOverlap;
  kernel.hasParser = false;
  attach({ flags });
  kernel.hasParser = true;
  kernel.image = vectorImage("One entry");
  kernel.table = [{ number: 1, start: 8, size: 2 }];
  assert.is(attach({ flags }).result[Result.Partscan], BigInt(Partscan.Kernel));
  assert.is(count(bench, Step.ScanSet), 2);
});

test("partitions that no table of ours has are kept, and told", async () => {
  const stage = await scene({ table: [...slots, { number: 9, start: 24, size: 8 }] });
  const { end, codes } = told(stage);
  assert.equal(codes, [Warning.PartitionUnexpected]);
  assert.equal(
    end.partitions.map(({ number, kind }) => [number, kind]),
    [
      [1, 0],
      [3, 0],
      [9, -1],
    ],
  );
});

test("where the kernel read another table, only partitions of ours are made", async () => {
  const { kernel, attach } = await scene({ table: [{ number: 9, start: 24, size: 8 }] });
  const end = attach();
  assert.is(end.event, Event.Attached);
  assert.equal([...kernel.disk(0).partitions.keys()], [1, 3]);
  assert.equal(
    end.partitions.map(({ number }) => number),
    [1, 3],
  );
});

test("more partitions than there is room for are a failure", async () => {
  const inTable = await scene({ partitions: 1 });
  assert.is(inTable.attach().code, Failure.TooManyPartitions);
  expectGivenBack(inTable.kernel);
  const unexpected = { number: 9, start: 24, size: 8 };
  const inKernel = await scene({ partitions: 2, table: [...slots, unexpected] });
  assert.is(inKernel.attach().code, Failure.TooManyPartitions);
  expectGivenBack(inKernel.kernel);
});

test("BLKPG that is busy: the same partition is fine, another in the way is told", async () => {
  const same = await scene();
  same.kernel.on(Step.AddPartition, 1, { result: -Errno.EBUSY, isPerformed: true });
  assert.is(same.attach({ partscan: Partscan.User }).event, Event.Attached);
  const other = await scene();
  other.kernel.on(Step.AddPartition, 1, -Errno.EBUSY);
  const end = other.attach({ partscan: Partscan.User });
  assert.equal([end.code, end.errno, end.step], [Failure.System, Errno.EBUSY, Step.AddPartition]);
  expectGivenBack(other.kernel);
});

test("a partition that the kernel did not make is a failure", async () => {
  const { kernel, attach } = await scene({ table: slots.slice(0, 1) });
  const end = attach();
  assert.is(end.code, Failure.PartitionMissing);
  assert.is(end.detail, 3n);
  expectGivenBack(kernel);
});

test("a partition that the kernel made elsewhere is a failure", async () => {
  for (const other of [{ size: 1 }, { start: 25 }]) {
    const { kernel, attach } = await scene({ table: slots.map((slot) => ({ ...slot, ...other })) });
    const end = attach();
    assert.is(end.code, Failure.PartitionMissing);
    assert.is(end.detail, 1n);
    expectGivenBack(kernel);
  }
});

test("a node that leads to another device or instance is a failure", async () => {
  for (const step of [Step.StatNode, Step.SeqNode]) {
    const { kernel, attach } = await scene();
    kernel.on(step, 2, {
      change: (view) => view.setBigUint64(step === Step.SeqNode ? 0 : 32, 999n, true),
    });
    const end = attach();
    assert.is(end.code, Failure.NodeMismatch, Step[step]);
    assert.is(end.detail, 3n);
    expectGivenBack(kernel);
  }
});

test("missing nodes are made where that is asked for, else waited for", async () => {
  for (const isMade of [true, false]) {
    const { kernel, bench, attach } = await scene();
    kernel.on(Step.OpenNode, 1, -Errno.ENOENT).on(Step.OpenNode, 2, -Errno.EACCES);
    assert.is(attach({ flags: isMade ? CommandFlag.MakeNodes : 0 }).event, Event.Attached);
    assert.is(count(bench, Step.MakeNode), isMade ? 1 : 0);
  }
});

test("a node that never comes is a failure in about half a second", async () => {
  const { kernel, bench, attach } = await scene();
  kernel.on(Step.OpenNode, 0, -Errno.ENOENT);
  const began = bench.now;
  const end = attach();
  assert.equal([end.code, end.step, end.errno], [Failure.System, Step.OpenNode, Errno.ENOENT]);
  assert.ok(bench.now - began > 200_000_000n && bench.now - began < 2_000_000_000n);
  expectGivenBack(kernel);
});

test("a persistent attach loses AUTOCLEAR at the end, an unlocked one its lock last", async () => {
  const { kernel, bench, attach } = await scene();
  const end = attach({ flags: CommandFlag.Persistent | CommandFlag.NoLock });
  assert.is(end.result[Result.Flags], BigInt(LoFlag.LO_FLAGS_PARTSCAN));
  assert.is(kernel.disk(0).flags, LoFlag.LO_FLAGS_PARTSCAN);
  const steps = bench.calls.map(({ step }) => step);
  assert.equal(steps.slice(-3), [Step.KeepSet, Step.CloseWritable, Step.UnlockDevice]);
  assert.equal(
    [...kernel.opened.values()].map(({ lock }) => lock),
    [0],
  );
});

function shown({ partitions }: OutEvent) {
  return partitions.map(({ number, major, minor, start, size, byKernel }) => {
    return { number, devnum: `${major}:${minor}`, start, size, byKernel };
  });
}

test.run();
