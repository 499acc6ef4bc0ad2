/** How waits end: by what a look at sysfs shows, by their deadline, by an abort. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import {
  Call,
  Command,
  CommandFlag,
  Event,
  Failure,
  Step,
  TimeoutReason,
  WaitResult,
} from "../../host/core.ts";
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
} from "./core-watch-scene.ts";

test("ready at once from sysfs, without an event", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.isMute = true;
  const { diskseq } = bindElsewhere(kernel);
  const began = bench.now;
  const end = bench.run(waitFor("loop0", { diskseq, partitionMask: maskOf(1, 3) }));
  assert.equal(waited(end), {
    result: WaitResult.Ready,
    diskseq,
    current: diskseq,
    devnum: "7:0",
    partitions: [1, 3],
  });
  assert.ok(bench.now - began < millisecond);
  expectQuiet(kernel, bench);
});

test("sysfs is looked at only when the events are listened to", async () => {
  const { kernel, bench } = await scene();
  bindElsewhere(kernel);
  bench.run(waitFor("loop0"));
  assert.equal(
    bench.calls.map(({ step }) => step),
    [Step.Subscribe, Step.LookDisk, Step.LookPartitions, Step.LookAgain, Step.Unsubscribe],
  );
});

test("ready as soon as an event says so", async () => {
  const { kernel, bench } = await scene();
  const wait = bench.start(waitFor("loop0", { partitionMask: maskOf(3) }));
  bench.pass(5n * second);
  assert.not.ok(wait.end);
  const { diskseq } = bindElsewhere(kernel);
  bench.pass(50_000n);
  const { result, current, partitions } = waited(wait.end);
  assert.equal([result, current, partitions], [WaitResult.Ready, diskseq, [1, 3]]);
  bench.settle();
  expectQuiet(kernel, bench);
});

test("ready without any event: sysfs is looked at from time to time", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.isMute = true;
  const wait = bench.start(waitFor("loop0"));
  const looks: bigint[] = [];
  bench.beforeDelivery = ({ step }) => {
    if (step === Step.LookDisk) looks.push(bench.now / millisecond);
  };
  bench.pass(5n * second);
  assert.is(bench.timeout.reason, TimeoutReason.Poll);
  const gaps = looks.slice(1).map((at, index) => Number(at - (looks[index] ?? 0n)));
  assert.equal(gaps, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
  bindElsewhere(kernel);
  bench.pass(1030n * millisecond);
  assert.is(resultOf(wait.end), "Ready");
});

test("partitions of a mask are waited for one and all", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const wait = bench.start(waitFor("loop0", { partitionMask: maskOf(1, 64, 255) }));
  for (const [number, start] of [
    [64, 0n],
    [255, 512n],
  ] as const) {
    bench.pass(millisecond);
    assert.not.ok(wait.end, `without ${number}`);
    assert.is(disk.addPartition(number, start, 512n), 0);
  }
  bench.pass(millisecond);
  assert.equal(waited(wait.end).partitions, [1, 3, 64, 255]);
});

test("superseded at once after an event", async () => {
  const { kernel, bench } = await scene();
  const { diskseq } = bindElsewhere(kernel);
  const wait = bench.start(waitFor("loop0", { diskseq, partitionMask: maskOf(9) }));
  bench.pass(millisecond);
  kernel.uevents.isMute = true;
  kernel.disk(0).unbind();
  kernel.uevents.isMute = false;
  const later = bindElsewhere(kernel).diskseq;
  bench.pass(50_000n);
  assert.equal(waited(wait.end), {
    result: WaitResult.Superseded,
    diskseq,
    current: later,
    devnum: "7:0",
    partitions: [1, 3],
  });
});

test("a wait for whichever is there stays with the one it saw", async () => {
  const { kernel, bench } = await scene();
  const { diskseq } = bindElsewhere(kernel);
  const wait = bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
  bench.pass(millisecond);
  kernel.disk(0).unbind();
  bindElsewhere(kernel).addPartition(9, 0n, 512n);
  bench.pass(millisecond);
  const { result, diskseq: asked } = waited(wait.end);
  assert.equal([result, asked], [WaitResult.Superseded, diskseq]);
});

test("gone when it is unbound, or its disk is no more", async () => {
  for (const isRemoved of [false, true]) {
    const { kernel, bench } = await scene();
    const disk = bindElsewhere(kernel);
    const { diskseq } = disk;
    const wait = bench.start(waitFor("loop0", { partitionMask: maskOf(9) }));
    bench.pass(millisecond);
    disk.unbind();
    if (isRemoved) kernel.disks.delete(0);
    bench.pass(millisecond);
    const { result, diskseq: asked, current, devnum } = waited(wait.end);
    assert.equal([result, asked], [WaitResult.Gone, diskseq]);
    assert.equal([current, devnum], isRemoved ? [0n, "0:0"] : [disk.diskseq, "7:0"]);
  }
});

test("over before it began", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const diskseq = disk.diskseq - 1n;
  assert.is(resultOf(bench.run(waitFor("loop0", { diskseq }))), "Superseded");
  disk.unbind();
  assert.is(resultOf(bench.run(waitFor("loop0", { diskseq }))), "Gone");
  assert.is(resultOf(bench.run(waitFor("loop7", { diskseq }))), "Gone");
  expectQuiet(kernel, bench);
});

test("a number that is yet to come is waited for", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const diskseq = disk.diskseq + 5n;
  const wait = bench.start(waitFor("loop0", { diskseq }));
  bench.pass(millisecond);
  disk.unbind();
  bench.pass(millisecond);
  assert.not.ok(wait.end);
  kernel.diskseq = "stays";
  disk.diskseq = diskseq;
  bindElsewhere(kernel);
  bench.pass(millisecond);
  assert.is(resultOf(wait.end), "Ready");
});

test("a disk that nobody has seen is waited for", async () => {
  const { kernel, bench } = await scene({ disks: 1 });
  const wait = bench.start(waitFor("loop1"));
  bench.pass(second);
  assert.not.ok(wait.end);
  kernel.openImage();
  bench.run({ command: Command.Attach, number: 1 });
  bench.pass(1030n * millisecond);
  assert.is(resultOf(wait.end), "Ready");
});

test("removed: the disk", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const { diskseq } = disk;
  const waits = [diskseq, 0n].map((one) =>
    bench.start(waitFor("loop0", { diskseq: one, flags: CommandFlag.Removed })),
  );
  bench.pass(second);
  assert.equal(
    waits.map(({ end }) => end),
    [undefined, undefined],
  );
  disk.unbind();
  bindElsewhere(kernel);
  bench.pass(millisecond);
  for (const { end } of waits) {
    assert.equal([resultOf(end), waited(end).diskseq], ["Gone", diskseq]);
  }
  expectQuiet(kernel, bench);
});

test("removed: all partitions of the mask", async () => {
  const { kernel, bench } = await scene();
  const disk = bindElsewhere(kernel);
  const flags = CommandFlag.Removed;
  const wait = bench.start(waitFor("loop0", { flags, partitionMask: maskOf(1, 3, 9) }));
  bench.pass(millisecond);
  disk.deletePartition(1);
  bench.pass(millisecond);
  assert.not.ok(wait.end);
  disk.deletePartition(3);
  bench.pass(millisecond);
  const { result, current } = waited(wait.end);
  assert.equal([result, current], [WaitResult.Gone, disk.diskseq]);
});

test("removed: not there to begin with", async () => {
  const { kernel, bench } = await scene();
  const flags = CommandFlag.Removed;
  assert.is(resultOf(bench.run(waitFor("loop0", { flags }))), "Gone", "unbound");
  assert.is(resultOf(bench.run(waitFor("loop7", { flags }))), "Gone", "absent");
  const { diskseq } = bindElsewhere(kernel);
  const partitionMask = maskOf(2);
  assert.is(resultOf(bench.run(waitFor("loop0", { flags, partitionMask }))), "Gone", "no p2");
  const earlier = { flags, diskseq: diskseq - 1n };
  assert.is(resultOf(bench.run(waitFor("loop0", earlier))), "Gone", "an earlier instance");
});

test("a deadline ends a wait to the nanosecond", async () => {
  const { kernel, bench } = await scene();
  const began = bench.now;
  const wait = bench.start(waitFor("loop0", { timeoutNs: 700n * millisecond }));
  assert.is(bench.timeout.reason, TimeoutReason.Deadline);
  assert.is(bench.timeout.at, began + 700n * millisecond);
  bench.settle(began + 700n * millisecond);
  assert.equal([wait.end?.event, wait.end?.code], [Event.Failed, Failure.TimedOut]);
  bench.settle();
  expectQuiet(kernel, bench);
});

test("a wait is aborted at once, whatever the lookout does", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.LookDisk, 2, { hangs: true });
  const wait = bench.start(waitFor("loop0"));
  bench.pass(millisecond);
  bench.abort(wait.operation);
  assert.equal([wait.end?.event, wait.end?.code], [Event.Failed, Failure.Aborted]);
  bench.settle();
  expectQuiet(kernel, bench);
  const hung = bench.start(waitFor("loop0"));
  bench.pass(millisecond);
  bench.abort(hung.operation);
  assert.is(hung.end?.code, Failure.Aborted);
  bench.returnHung();
  bench.settle();
  expectQuiet(kernel, bench);
});

test("an aborted wait is unknown from there on", async () => {
  const { bench } = await scene();
  const wait = bench.start(waitFor("loop0"));
  bench.abort(wait.operation);
  const command = { command: Command.Abort, number: wait.operation };
  assert.ok(bench.lockstep.command(bench.now, command).answer < 0);
});

test("looks that fail again and again are told in the end", async () => {
  for (const step of [Step.LookDisk, Step.LookPartitions, Step.LookAgain]) {
    const { kernel, bench } = await scene();
    bindElsewhere(kernel);
    kernel.on(step, 0, -Errno.EIO);
    const end = bench.run(waitFor("loop0"));
    assert.equal([end.event, end.code, end.errno], [Event.Failed, Failure.System, Errno.EIO]);
    assert.is(count(bench, step), 9);
    expectQuiet(kernel, bench);
  }
});

test("looks that fail a few times are nothing", async () => {
  const { kernel, bench } = await scene();
  bindElsewhere(kernel);
  for (let nth = 1; nth <= 8; nth++) kernel.on(Step.LookAgain, nth, -Errno.EIO);
  assert.is(resultOf(bench.run(waitFor("loop0"))), "Ready");
  assert.is(count(bench, Step.LookAgain), 9);
});

test("a disk that vanishes while it is looked at is gone", async () => {
  for (const step of [Step.LookDisk, Step.LookPartitions]) {
    const { kernel, bench } = await scene();
    const { diskseq } = bindElsewhere(kernel);
    kernel.on(step, 1, { change: () => kernel.disks.delete(0) });
    assert.is(resultOf(bench.run(waitFor("loop0", { diskseq }))), "Gone", Step[step]);
  }
});

test("any disk can be waited for, by a name of up to 31 bytes", async () => {
  const { kernel, bench } = await scene();
  const name = "a".repeat(30);
  for (const letter of ["y", "z"]) {
    const disk = kernel.addOther(`${name}${letter}`);
    disk.bindForeign({});
    const { result, current } = waited(bench.run(waitFor(disk.name)));
    assert.equal([result, current], [WaitResult.Ready, disk.diskseq]);
  }
  const asked = kernel.log.filter(({ call }) => call.call === Call.ReadDisk);
  const names = asked.map(({ call }) => Buffer.from(call.bytes.subarray(0, 32)).toString());
  assert.equal(
    names,
    ["y", "y", "z", "z"].map((letter) => `${name}${letter}\0`),
  );
});

test("without disk sequence numbers names are all there is", async () => {
  const { kernel, bench } = await scene();
  kernel.diskseq = "none";
  const flags = CommandFlag.BestEffort;
  const wait = bench.start(waitFor("loop0", { flags, partitionMask: maskOf(1) }));
  bench.pass(millisecond);
  const disk = bindElsewhere(kernel);
  bench.pass(millisecond);
  assert.equal([resultOf(wait.end), waited(wait.end).current], ["Ready", 0n]);
  const over = bench.start(waitFor("loop0", { flags, partitionMask: maskOf(9) }));
  bench.pass(millisecond);
  disk.unbind();
  bench.pass(millisecond);
  assert.equal([resultOf(over.end), waited(over.end).diskseq], ["Gone", 0n]);
});

test("a number that did not rise proves nothing, and is not asked", async () => {
  const { kernel, bench } = await scene();
  kernel.diskseq = "stays";
  const disk = bindElsewhere(kernel);
  const { diskseq } = disk;
  const flags = CommandFlag.BestEffort;
  const wait = bench.start(waitFor("loop0", { flags, diskseq, partitionMask: maskOf(9) }));
  const exact = bench.start(waitFor("loop0", { diskseq, partitionMask: maskOf(9) }));
  bench.pass(millisecond);
  disk.diskseq += 1n;
  disk.addPartition(9, 0n, 512n);
  bench.pass(millisecond);
  assert.equal([resultOf(wait.end), resultOf(exact.end)], ["Ready", "Superseded"]);
});

test.run();
