/**
 * Rescan, resize and sweep: only the instance that was asked for, only what differs, nothing where
 * something is in use; and the lock of a handle is what it was, however it ends.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BlkpgOperation, Errno, Ioctl, Lock } from "../../assembly/wire/linux.ts";
import {
  Call,
  ChangeWord,
  Command,
  CommandFlag,
  Event,
  Failure,
  Fault,
  Partscan,
  Result,
  Step,
  Table,
  Warning,
} from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import type { TableEntry } from "../helpers/scripted-disks.ts";
import { change, changeOf, others, partitionsOf, setOf, word } from "./core-changes.ts";
import { count, mbrImage, plainImage, type Scene, scene, settled, slots } from "./core-scene.ts";

const timeoutNs = 1_000_000_000n;

for (const partscan of [Partscan.Kernel, Partscan.User]) {
  const how = partscan === Partscan.Kernel ? "on" : "off";
  test(`what differs is changed and nothing else, PARTSCAN ${how}`, async () => {
    const stage = await scene();
    const attached = stage.attach({ partscan });
    stage.kernel.image = mbrImage(others);
    const end = change(stage, attached, Command.Rescan);
    assert.is(end.event, Event.Changed, Failure[end.code]);
    assert.equal(
      [ChangeWord.Removed, ChangeWord.Added, ChangeWord.Resized].map((word) => setOf(end, word)),
      [[3], [2, 3, 4], [1]],
    );
    assert.equal(partitionsOf(stage), others);
    assert.equal(
      end.partitions.map(({ number, start, size }) => [number, Number(start), Number(size)]),
      others.map(({ number, start, size }) => [number, start * 512, size * 512]),
    );
    assert.ok(end.partitions.every(({ major, minor }) => major === 259 && minor > 0));
    expectHandle(stage, attached);
  });
}

test("room is made before it is filled", async () => {
  const stage = await scene();
  const attached = stage.attach();
  // 1 grows to where 3 was, which moves to where there was nothing.
  stage.kernel.image = mbrImage([
    { number: 1, start: 8, size: 80 },
    { number: 3, start: 88, size: 8 },
  ]);
  assert.is(change(stage, attached, Command.Rescan).event, Event.Changed);
  const { BLKPG_ADD_PARTITION, BLKPG_DEL_PARTITION, BLKPG_RESIZE_PARTITION } = BlkpgOperation;
  assert.equal(changesOf(stage), [
    [BLKPG_DEL_PARTITION, 3],
    [BLKPG_RESIZE_PARTITION, 1],
    [BLKPG_ADD_PARTITION, 3],
  ]);
});

test("partitions are made where there were none", async () => {
  const stage = await scene();
  const attached = stage.attach({ partscan: Partscan.None });
  const end = change(stage, attached, Command.Rescan);
  assert.equal(setOf(end, ChangeWord.Added), [1, 3]);
  assert.equal(partitionsOf(stage), slots);
  assert.is(count(stage.bench, Step.FindUsers), 0);
});

test("a table that is as it was changes nothing", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const end = change(stage, attached, Command.Rescan);
  assert.is(end.event, Event.Changed);
  assert.equal(changesOf(stage), []);
  for (const word of [ChangeWord.Removed, ChangeWord.Added, ChangeWord.Resized]) {
    assert.equal(setOf(end, word), []);
  }
  assert.is(end.partitions.length, slots.length);
  expectHandle(stage, attached);
});

test("without a handle the device is opened for reading, locked and closed", async () => {
  const stage = await scene();
  const attached = release(stage);
  stage.kernel.image = mbrImage(others);
  const first = stage.bench.calls.length;
  assert.is(change(stage, attached, Command.Rescan, { descriptor: -1 }).event, Event.Changed);
  const calls = stage.bench.calls.slice(first);
  const open = calls.find(({ call }) => call === Call.Open);
  assert.is((open?.request ?? 3) & 3, 0);
  const locks = calls.filter(({ call }) => call === Call.Flock).map(({ request }) => request);
  assert.equal(locks, [Lock.LOCK_EX | Lock.LOCK_NB]);
  assert.is(calls.at(-1)?.step, Step.ReturnTarget);
  assert.is(stage.kernel.opened.size, 0);
});

test("the table is read in the sectors of the device, nothing of it from a cache", async () => {
  const stage = await scene();
  const attached = stage.attach({ sectorSize: 4096, partscan: Partscan.None });
  stage.kernel.sectorSize = 4096;
  stage.kernel.image = mbrImage([{ number: 1, start: 2, size: 3 }]);
  change(stage, attached, Command.Rescan);
  assert.equal(partitionsOf(stage), [{ number: 1, start: 16, size: 24 }]);
  const requests = stage.bench.calls.map(({ request }) => request);
  const flushed = requests.indexOf(Ioctl.BLKFLSBUF);
  const read = stage.bench.calls.findLastIndex(({ call }) => call === Call.Pread);
  assert.ok(flushed > 0 && flushed < read);
});

for (const [what, table] of [
  ["go", [{ number: 1, start: 8, size: 16 }]],
  ["move", [{ number: 3, start: 40, size: 8 }]],
  ["shrink", [{ number: 3, start: 32, size: 8 }]],
] as const) {
  test(`a partition that must ${what} and is in use: nothing is changed`, async () => {
    const stage = await scene();
    const attached = stage.attach();
    stage.kernel.disk(0).used.add(3);
    stage.kernel.image = mbrImage([...table, { number: 2, start: 24, size: 8 }]);
    const end = change(stage, attached, Command.Rescan);
    assert.equal([end.event, end.code, end.detail], [Event.Failed, Failure.PartitionBusy, 3n]);
    assert.equal(changesOf(stage), []);
    assert.equal(partitionsOf(stage), slots);
    expectHandle(stage, attached);
  });
}

test("one that grows, or stays, may be in use", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).used.add(1);
  const table = [{ number: 1, start: 8, size: 24 }];
  stage.kernel.image = mbrImage(table);
  const end = change(stage, attached, Command.Rescan);
  assert.is(end.event, Event.Changed);
  assert.equal([setOf(end, ChangeWord.Removed), setOf(end, ChangeWord.Resized)], [[3], [1]]);
  assert.equal(partitionsOf(stage), table);
});

test("one whose users nobody can see is the kernel's to refuse; what was done stays", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).used.add(3);
  stage.kernel.on(Step.FindUsers, 1, -Errno.ENOMEM);
  stage.kernel.image = mbrImage([{ number: 2, start: 24, size: 8 }]);
  const end = change(stage, attached, Command.Rescan);
  assert.equal([end.code, end.detail], [Failure.PartitionBusy, 3n]);
  assert.equal(partitionsOf(stage), [slots[1]]);
  expectHandle(stage, attached);
});

test("what is in the way of a new partition is told", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.image = mbrImage([...slots, { number: 4, start: 24, size: 8 }]);
  stage.kernel.on(Step.ChangePartition, 1, -Errno.EBUSY);
  const end = change(stage, attached, Command.Rescan);
  assert.equal([end.code, end.step, end.errno], [Failure.System, Step.ChangePartition, 16]);
});

test("a table that cannot be right changes nothing", async () => {
  for (const [image, code] of [
    [protectiveImage(), Failure.GptDamaged],
    [mbrImage([slots[0] ?? others[0], { number: 2, start: 20, size: 8 }] as TableEntry[]), 10],
    [mbrImage([{ number: 1, start: 1000, size: 8 }]), Failure.PartitionOutOfRange],
  ] as const) {
    const stage = await scene();
    const attached = stage.attach();
    stage.kernel.image = image;
    const end = change(stage, attached, Command.Rescan);
    assert.equal([end.event, end.code], [Event.Failed, code]);
    assert.equal(partitionsOf(stage), slots);
    expectHandle(stage, attached);
  }
});

test("without a table all partitions go; where the kernel scans, by its own re-read", async () => {
  for (const partscan of [Partscan.Kernel, Partscan.User]) {
    const stage = await scene();
    const attached = stage.attach({ partscan });
    stage.kernel.image = plainImage();
    stage.kernel.table = [];
    const end = change(stage, attached, Command.Rescan);
    assert.equal(setOf(end, ChangeWord.Removed), [1, 3]);
    assert.equal([end.partitions, partitionsOf(stage)], [[], []]);
    assert.is(count(stage.bench, Step.RereadTarget), partscan === Partscan.Kernel ? 1 : 0);
  }
});

test("partitions of a table that only the kernel reads stay", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.image = plainImage();
  const { end, warnings } = settled(stage.bench, changeOf(attached, Command.Rescan));
  assert.ok(end);
  assert.equal(
    [setOf(end, ChangeWord.Removed), setOf(end, ChangeWord.Added)],
    [
      [1, 3],
      [1, 3],
    ],
  );
  assert.equal(partitionsOf(stage), slots);
  const told = warnings.map(({ code, detail }) => [code, detail]);
  assert.equal(told, [
    [Warning.PartitionUnexpected, 1n],
    [Warning.PartitionUnexpected, 3n],
  ]);
});

test("the kernel's re-read is refused while something is open", async () => {
  for (const isSeen of [true, false]) {
    const stage = await scene();
    const attached = stage.attach();
    stage.kernel.image = plainImage();
    stage.kernel.disk(0).used.add(3);
    if (!isSeen) stage.kernel.on(Step.FindUsers, 1, 0);
    const end = change(stage, attached, Command.Rescan);
    assert.equal([end.code, end.detail], [Failure.PartitionBusy, isSeen ? 3n : 0n]);
    assert.equal(partitionsOf(stage), slots);
  }
});

test("what the kernel found within a BSD partition stays while that stays", async () => {
  const bsd = 0xa5;
  const inner = { number: 5, start: 40, size: 8 };
  for (const [isSame, partscan] of [
    [true, Partscan.Kernel],
    [false, Partscan.Kernel],
    [true, Partscan.User],
  ] as const) {
    const table = [...slots, inner];
    const stage = await scene({ image: mbrImage(slots, bsd), table });
    const attached = stage.attach({ partscan });
    stage.kernel.disk(0).partitions.set(inner.number, inner);
    if (!isSame) stage.kernel.image = mbrImage([{ number: 3, start: 32, size: 80 }], bsd);
    const end = change(stage, attached, Command.Rescan);
    assert.is(end.event, Event.Changed, Failure[end.code]);
    const isKept = isSame && partscan === Partscan.Kernel;
    assert.is(stage.kernel.disk(0).partitions.has(inner.number), isKept);
    assert.is(
      end.partitions.some(({ number }) => number === inner.number),
      isKept,
    );
  }
});

for (const command of [Command.Rescan, Command.Resize]) {
  const name = Command[command];
  test(`${name}: another instance is left alone`, async () => {
    const stage = await scene();
    const attached = stage.attach();
    stage.kernel.image = mbrImage(others);
    const end = change(stage, attached, command, { diskseq: 1n });
    assert.is(end.code, Failure.Superseded);
    assert.is(end.detail, stage.kernel.disk(0).diskseq);
    assert.is(change(stage, attached, command, { backingInode: 1n }).code, Failure.Superseded);
    assert.equal(partitionsOf(stage), slots);
    expectHandle(stage, attached);
  });

  test(`${name}: what is not attached, or not there`, async () => {
    const { bench, kernel } = await scene();
    assert.is(bench.run({ command, number: 0 }).code, Failure.NotAttached);
    assert.is(bench.run({ command, number: 5 }).code, Failure.NotAttached);
    assert.is(bench.run({ command, number: 5, diskseq: 9n }).code, Failure.Superseded);
    assert.is(kernel.opened.size, 0);
  });

  test(`${name}: an abort while any call is out leaves the handle as it was`, async () => {
    let index = 0;
    for (let isThere = true; isThere; index++) {
      const stage = await scene({ isFast: true });
      const { bench, kernel } = stage;
      const attached = stage.attach();
      kernel.image = mbrImage(others);
      const first = bench.calls.length;
      const operation = bench.start(changeOf(attached, command));
      bench.beforeDelivery = (_, at) => {
        if (at === first + index) bench.abort(operation.operation);
      };
      bench.settle();
      isThere = bench.calls.length > first + index;
      if (isThere && operation.end?.event !== Event.Changed) {
        assert.is(operation.end?.code, Failure.Aborted, `call ${index}`);
        assert.equal(partitionsOf(stage), slots, `call ${index}`);
      } else {
        assert.is(operation.end?.event, Event.Changed, `call ${index}`);
      }
      expectHandle(stage, attached);
    }
    assert.ok(index > 6, "too few calls");
  });
}

test("a lock of others is waited for until the deadline, and nothing is read", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).lockOfOthers = Lock.LOCK_SH;
  const end = change(stage, attached, Command.Rescan, { timeoutNs });
  assert.equal([end.code, end.step], [Failure.DeviceLocked, Step.LockTarget]);
  expectHandle(stage, attached);
});

test("a lock that others let go is taken, and the shared one is taken back", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const disk = stage.kernel.disk(0);
  disk.lockOfOthers = Lock.LOCK_EX;
  stage.kernel.on(Step.LockTarget, 5, { change: () => (disk.lockOfOthers = 0) });
  stage.kernel.on(Step.RelockTarget, 1, -Errno.EAGAIN).on(Step.RelockTarget, 2, -Errno.EAGAIN);
  assert.is(change(stage, attached, Command.Rescan).event, Event.Changed);
  assert.is(count(stage.bench, Step.RelockTarget), 3);
  expectHandle(stage, attached);
});

test("a resize takes no lock where none is wanted, and says what the device showed", async () => {
  const stage = await scene();
  const attached = stage.attach();
  const flags = CommandFlag.NoLock;
  stage.kernel.disk(0).lockOfOthers = Lock.LOCK_EX;
  for (const [before, size] of [
    [65536, 131072],
    [131072, 32768],
    [32768, 32768],
  ] as const) {
    stage.kernel.image = { ...stage.kernel.image, size };
    const end = change(stage, attached, Command.Resize, { flags });
    assert.is(end.event, Event.Changed);
    assert.is(word(end, ChangeWord.Before), BigInt(before));
    assert.is(end.result[Result.Size], BigInt(size));
    assert.equal(partitionsOf(stage), slots);
  }
  assert.is(stage.kernel.opened.get(descriptorOf(attached))?.lock, Lock.LOCK_SH);
});

test("a resize that the kernel refuses says so", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.on(Step.SetCapacity, 1, -Errno.EPERM);
  const end = change(stage, attached, Command.Resize);
  assert.equal([end.code, end.step, end.errno], [Failure.System, Step.SetCapacity, Errno.EPERM]);
  expectHandle(stage, attached);
});

test("arguments that make no sense are refused", async () => {
  const { bench } = await scene();
  for (const command of [Command.Rescan, Command.Resize, Command.Sweep]) {
    for (const more of [
      { number: -1 },
      { number: 0, flags: CommandFlag.Release, descriptor: 10 },
    ]) {
      const { answer } = bench.lockstep.command(bench.now, { command, ...more });
      assert.is(answer, -Fault.BadArgument);
    }
  }
});

test("the table is told", async () => {
  const stage = await scene();
  const attached = stage.attach();
  assert.is(change(stage, attached, Command.Rescan).result[Result.Table], BigInt(Table.Mbr));
});

/** A persistent device whose handle is released. */
function release(stage: Scene): OutEvent {
  const attached = stage.attach({ flags: CommandFlag.Persistent });
  stage.detach(attached, { flags: CommandFlag.Release });
  return attached;
}

/** BLKPG calls of a rescan that were performed: operation and number. */
function changesOf({ kernel }: Scene): [number, number][] {
  return kernel.log
    .filter(({ call }) => call.step === Step.ChangePartition)
    .map(({ call }) => [call.request, Buffer.from(call.bytes).readInt32LE(16)]);
}

function descriptorOf(attached: OutEvent): number {
  return Number(attached.result[Result.Descriptor]);
}

/** Only the handle's descriptor is open, with its shared lock. */
function expectHandle({ kernel }: Scene, attached: OutEvent): void {
  const descriptor = descriptorOf(attached);
  assert.equal([...kernel.opened.keys()], [descriptor]);
  assert.is(kernel.opened.get(descriptor)?.lock, Lock.LOCK_SH);
}

/** A protective MBR, and no GPT. */
function protectiveImage() {
  return mbrImage([{ number: 1, start: 1, size: 127 }], 0xee);
}

test.run();
