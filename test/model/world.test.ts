/**
 * What there is in the simulated kernel beside devices: locks, sockets that overrun, udev's watches
 * and messages, the end of a process, and what is refused because it makes no sense.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Action, Group } from "../../assembly/abi.ts";
import { Sender } from "../../assembly/kernel/format.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Errno, Lock, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { LoopError } from "../../host/errors.ts";
import { Step } from "../../host/sim/model.ts";
import { addPartition, attached, Bench, Image, openWasmModel } from "../helpers/models.ts";

const { LO_FLAGS_AUTOCLEAR, LO_FLAGS_PARTSCAN } = LoFlag;
const live = "6.18.44";
const RW = OpenFlag.O_RDWR;
const RO = OpenFlag.O_RDONLY;

test("a lossy socket loses one datagram", async () => {
  const bench = await Bench.open(live);
  const socket = bench.model.openSocket(1, Group.Kernel, 1 << 24);
  bench.model.lose(socket);
  for (let event = 0; event < 2; event++) bench.model.trigger(0, 0, 3);
  assert.is(bench.model.receive(socket), -Errno.ENOBUFS);
  assert.is(bench.model.receive(socket), -Errno.EAGAIN, "the latch holds until it is empty");
});

test("forged events say who sent them, as a receiver is told", async () => {
  const bench = await Bench.open(live, { sockets: 4 });
  const sockets = [Group.Kernel, Group.Udev].map((group) =>
    bench.model.openSocket(1, group, 1 << 24),
  );
  const event = { action: Action.Change, number: 0, diskseq: 77 };
  const sent = (group: Group, sender: Sender) => {
    assert.is(bench.model.forge({ ...event, group, sender }), 0);
    const received = bench.model.receive(sockets[group - 1] ?? -1);
    assert.type(received, "object");
    if (typeof received === "number") return undefined;
    assert.match(new TextDecoder("latin1").decode(received.bytes), "DISKSEQ=77");
    return [received.portId > 0, received.pid > 0];
  };
  assert.equal(sent(Group.Kernel, Sender.Forger), [true, true]);
  assert.equal(sent(Group.Kernel, Sender.Injector), [false, true]);
  assert.equal(sent(Group.Udev, Sender.Udev), [true, true]);
  for (const wrong of [
    { ...event, group: Group.None, sender: Sender.Forger },
    { ...event, group: Group.Kernel, sender: Sender.Kernel },
    { ...event, group: Group.Kernel, sender: Sender.Forger, action: Action.Other },
    { ...event, group: Group.Kernel, sender: Sender.Forger, partition: 256 },
  ]) {
    assert.is(bench.model.forge(wrong), -Errno.EINVAL);
  }
});

test("since 6.9 two events may come in the other order", async () => {
  for (const [version, isSwapped] of [
    ["6.8.1", false],
    ["6.9.0", true],
  ] as const) {
    const bench = await Bench.open(version);
    const socket = bench.model.openSocket(1, Group.Kernel, 1 << 24);
    bench.model.trigger(0, 0, 3);
    assert.is(bench.model.swap(socket), false, "there is but one");
    bench.model.trigger(0, 0, 3);
    assert.is(bench.model.swap(socket), isSwapped);
    const order = () => {
      const received = bench.model.receive(socket);
      const bytes = typeof received === "number" ? new Uint8Array() : received.bytes;
      return Number(/SEQNUM=(\d+)/.exec(new TextDecoder().decode(bytes))?.[1]);
    };
    const first = order();
    assert.is(first > order(), isSwapped);
  }
});

test("udev forwards an event, with its magic and as a process of its own", async () => {
  const bench = await Bench.open(live, { sockets: 3 });
  const own = bench.model.openSocket(2, Group.Kernel, 1 << 24);
  const listener = bench.model.openSocket(1, Group.Udev, 1 << 24);
  bench.model.trigger(0, 0, 3, new Uint8Array(16));
  bench.model.forward(own);
  bench.model.drop(own);
  assert.is(bench.model.receive(own), -Errno.EAGAIN);
  const received = bench.model.receive(listener);
  assert.type(received, "object");
  if (typeof received === "number") return;
  const text = new TextDecoder("latin1").decode(received.bytes);
  assert.is(text.slice(0, 8), "libudev\0");
  const view = new DataView(received.bytes.buffer, received.bytes.byteOffset);
  assert.is(view.getUint32(8, false), 0xfeedcafe);
  assert.is(view.getUint32(20, true), received.bytes.length - 40);
  const strings = text.slice(40).split("\0");
  assert.ok(strings.includes("DEVNAME=/dev/loop0"));
  assert.ok(strings.includes("SYNTH_UUID=00000000-0000-0000-0000-000000000000"));
  assert.ok(received.portId > 0 && received.pid > 0);
  assert.is(received.uid, 0);
});

test("flock is of the inode, and a failed upgrade loses what was held", async () => {
  const bench = await Bench.open(live);
  const [a, b] = [bench.open(RO), bench.open(RO)];
  const hidden = bench.call(Routine.Open, { a: 7, b: RW, c: 0, d: 1 });
  const flock = (file: number, operation: number) => bench.model.flock(0, file, operation);
  assert.equal([flock(a, Lock.LOCK_SH), flock(b, Lock.LOCK_SH)], [0, 0]);
  assert.is(flock(a, Lock.LOCK_EX), -Errno.EAGAIN);
  assert.is(flock(b, Lock.LOCK_EX), 0, "the first one's lock is gone");
  assert.is(flock(hidden, Lock.LOCK_EX), 0, "another inode of the same device");
  assert.is(flock(a, Lock.LOCK_SH), -Errno.EAGAIN);
  bench.close(b);
  assert.is(flock(a, Lock.LOCK_EX), 0);
  assert.is(flock(a, 77), -Errno.EINVAL);
  assert.is(flock(99, Lock.LOCK_SH), -Errno.EBADF);
  assert.is(flock(a, Lock.LOCK_UN), 0);
  const path = bench.image(Image.None, OpenFlag.O_PATH);
  assert.is(flock(path, Lock.LOCK_SH), -Errno.EBADF);
});

test("after an overrun a socket takes nothing until it was emptied", async () => {
  const bench = await Bench.open(live);
  const socket = bench.model.openSocket(1, Group.Kernel, 2304);
  const send = () => bench.model.trigger(0, 0, 3);
  const read = () => {
    const received = bench.model.receive(socket);
    return typeof received === "number" ? received : "event";
  };
  for (let event = 0; event < 4; event++) send();
  assert.equal([read(), read()], [-Errno.ENOBUFS, "event"]);
  send();
  assert.equal([read(), read()], ["event", -Errno.EAGAIN], "the one between was lost");
  send();
  assert.equal([read(), read()], ["event", -Errno.EAGAIN]);
});

test("without ENOBUFS losses are silent, counted, and leave no latch", async () => {
  const bench = await Bench.open(live);
  const socket = bench.model.openSocket(1, Group.Kernel, 2304, true);
  const send = () => bench.model.trigger(0, 0, 3);
  for (let event = 0; event < 4; event++) send();
  assert.type(bench.model.receive(socket), "object");
  send();
  let events = 0;
  while (typeof bench.model.receive(socket) === "object") events++;
  assert.is(events, 2);
  assert.is(bench.model.takeDrops(1, Group.Kernel), 2);
  assert.is(bench.model.takeDrops(1, Group.Kernel), 0);
  assert.is(bench.model.takeDrops(1, Group.Udev), 0);
});

test("a queue that is full overruns, whatever its buffer", async () => {
  const bench = await Bench.open(live, { queue: 2 });
  const socket = bench.model.openSocket(1, Group.Kernel, 1 << 24);
  for (let event = 0; event < 3; event++) bench.model.trigger(0, 0, 3);
  assert.is(bench.model.receive(socket), -Errno.ENOBUFS);
});

test("synthetic events carry their UUID; others are refused", async () => {
  const { bench, device } = await attached(live, Image.None);
  addPartition(bench, device, 1);
  bench.heard();
  const uuid = Uint8Array.from({ length: 16 }, (_, index) => index * 17);
  assert.is(bench.model.trigger(0, 0, 3, uuid), 0);
  assert.is(bench.model.trigger(0, 1, 1), 0);
  assert.equal(bench.heard(), [
    "change SYNTH=00112233-4455-6677-8899-aabbccddeeff(+1)",
    "add p1 SYNTH=0(+1)",
  ]);
  assert.is(bench.model.trigger(9, 0, 3), -Errno.ENOENT);
  assert.is(bench.model.trigger(0, 4, 3), -Errno.ENOENT);
  assert.is(bench.model.trigger(0, 0, 0), -Errno.EINVAL);
});

test("a process that ends gives everything back, in the middle of a call too", async () => {
  const bench = await Bench.open("6.12.90");
  const flags = LO_FLAGS_PARTSCAN | LO_FLAGS_AUTOCLEAR;
  const call = { a: bench.open(), b: bench.image(Image.Gpt), c: flags };
  const task = bench.begin(Routine.Configure, call);
  bench.untilEvent(task);
  const exit = bench.begin(Routine.Exit);
  assert.is(bench.model.run(exit), Step.Blocked, "the call runs to its end");
  assert.is(bench.model.run(task), Step.Done);
  assert.is(bench.model.run(exit), Step.Done);
  assert.equal([bench.model.disk(0)?.isBound, bench.partitions], [false, []]);
  assert.is(bench.open(RW), 0, "its descriptors are free");
});

test("a call of a dying process gets out of a lock that it waits for", async () => {
  const bench = await Bench.open("6.12.90");
  const other = bench.open(RW, 0, 1);
  const task = bench.begin(Routine.Configure, { a: bench.open(), b: bench.image(Image.Gpt) });
  bench.untilEvent(task);
  const waiting = bench.begin(Routine.GetStatus, { a: other }, 1);
  assert.is(bench.model.run(waiting), Step.Blocked);
  const exit = bench.begin(Routine.Exit, {}, 1);
  assert.is(bench.model.run(waiting), Step.Done);
  assert.is(bench.model.run(exit), Step.Done);
  assert.is(bench.model.run(task), Step.Done);
});

test("closing a descriptor for writing is noticed through the watched node only", async () => {
  const { bench, device } = await attached(live, Image.None);
  const { model } = bench;
  addPartition(bench, device, 1);
  for (const partition of [0, 1]) {
    assert.is(model.watch(0, partition, true), 0);
    bench.close(bench.open(RO, partition));
    const [a, c] = partition === 0 ? [7, 0] : [259, 0];
    bench.close(bench.call(Routine.Open, { a, b: RW, c, d: 1 }));
    assert.is(model.isNoticed(0, partition), false);
    bench.close(bench.open(RW, partition));
    assert.is(model.isNoticed(0, partition), true);
    assert.is(model.watch(0, partition, false), 0, "which takes the notice");
    bench.close(bench.open(RW, partition));
    assert.is(model.isNoticed(0, partition), false);
  }
  assert.is(model.isNoticed(7, 0), false);
  assert.is(model.writeRecord(7, 0), -Errno.ENOENT);
  assert.is(model.dirty(7), -Errno.ENOENT);
  assert.is(model.watch(5, 0, true), -Errno.ENOENT);
  assert.is(model.watch(0, 5, true), -Errno.ENOENT);
});

test("what makes no sense is refused, or a panic that says where", async () => {
  const bench = await Bench.open(live);
  assert.is(bench.call(99 as Routine), -Errno.ENOSYS);
  assert.is(bench.call(Routine.None), -Errno.ENOSYS);
  assert.is(bench.call(Routine.Close, { a: -1 }), -Errno.EBADF);
  assert.is(bench.call(Routine.Open, { a: -1, b: RO }), -Errno.ENOENT);
  assert.is(bench.call(Routine.Open, { a: 5, b: RO, d: 1 }), -Errno.ENXIO);
  assert.is(bench.model.openSocket(0, 3, 2304), -Errno.EINVAL);
  const model = openWasmModel({ version: live });
  assert.throws(
    () => model.begin(77, Routine.Close),
    (error: unknown) => error instanceof LoopError && /kernel\/\w+\.ts:\d+/.test(error.message),
  );
  for (const wrong of [{ loops: 0 }, { partitions: 256 }, { maxLoop: 9 }, { version: "6.1" }]) {
    assert.throws(() => openWasmModel(wrong));
  }
});

test.run();
