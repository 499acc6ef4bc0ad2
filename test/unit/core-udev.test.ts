/** Attaches that return when udev has processed the disk and all partitions of this attach. */
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
  Partscan,
  Step,
  Warning,
} from "../../host/core.ts";
import type { Operation } from "../helpers/bench.ts";
import { type Uevent, udevEvent } from "../helpers/uevents.ts";
import { count, expectGivenBack, type Scene, type SceneOptions, scene } from "./core-scene.ts";
import { expectQuiet, millisecond, second, waitFor } from "./core-watch-scene.ts";

const flags = CommandFlag.Udev;
const attach: CoreCommand = { command: Command.Attach, flags };

test("both groups are subscribed to before anything is configured", async () => {
  const { kernel, bench } = await stage();
  kernel.on(Step.Subscribe, 2, { delayNs: second });
  const operation = bench.start(attach);
  bench.pass(millisecond);
  assert.equal([count(bench, Step.Subscribe), count(bench, Step.OpenControl)], [2, 0]);
  bench.settle();
  assert.is(operation.end?.event, Event.Attached);
  expectQuiet(kernel, bench);
});

test("it returns when udev has processed the disk and all partitions", async () => {
  for (const partscan of [Partscan.Kernel, Partscan.User]) {
    const { kernel, bench } = await stage();
    kernel.uevents.udev.delayNs = 60n * millisecond;
    const began = bench.now;
    const operation = bench.start({ ...attach, partscan });
    bench.pass(60n * millisecond);
    assert.not.ok(operation.end);
    bench.settle();
    assert.is(operation.end?.event, Event.Attached);
    assert.equal([...kernel.uevents.udev.records.keys()].sort(), ["259:1", "259:3", "7:0"]);
    assert.ok(bench.now - began < 62n * millisecond, "its word wakes");
    assert.equal(kernel.uevents.triggers, []);
    expectQuiet(kernel, bench);
  }
});

test("udev may be done before the first look", async () => {
  for (const partscan of [Partscan.Kernel, Partscan.User]) {
    const { kernel, bench } = await stage();
    kernel.on(Step.LookDisk, 1, { delayNs: 50n * millisecond });
    const operation = bench.start({ ...attach, partscan });
    bench.pass(100n * millisecond);
    assert.is(operation.end?.event, Event.Attached);
    assert.equal(kernel.uevents.triggers, [], "what it wrote is known for new");
    expectQuiet(kernel, bench);
  }
});

test("without partitions the disk is enough", async () => {
  const { kernel, bench } = await stage();
  assert.is(bench.run({ ...attach, partscan: Partscan.None }).event, Event.Attached);
  assert.equal([...kernel.uevents.udev.records.keys()], ["7:0"]);
});

test("without the flag nothing is subscribed to and nothing awaited", async () => {
  const { kernel, bench } = await stage();
  kernel.uevents.udev.processes = "none";
  for (const command of [Command.Probe, Command.Attach]) {
    const end = bench.run({ command, flags: command === Command.Probe ? flags : 0 });
    assert.is(end.event, command === Command.Probe ? Event.Probed : Event.Attached);
    assert.is(count(bench, Step.Subscribe), 0, Command[command]);
  }
});

test("every single device is awaited", async () => {
  for (const last of [0, 1, 3]) {
    const { bench, process, operation } = await awaiting();
    for (const partition of [0, 1, 3]) if (partition !== last) process({ partition });
    bench.pass(100n * millisecond);
    assert.not.ok(operation.end, `without ${last}`);
    process({ partition: last });
    bench.pass(millisecond);
    assert.is(operation.end?.event, Event.Attached);
  }
});

test("words about an earlier or a later instance end nothing", async () => {
  for (const difference of [-1n, 1n, 1n << 40n]) {
    const { bench, kernel, process, operation } = await awaiting();
    const diskseq = kernel.disk(0).diskseq + difference;
    for (const partition of [0, 1, 3]) process({ partition, diskseq });
    bench.pass(100n * millisecond);
    assert.not.ok(operation.end, `${difference}`);
    for (const partition of [0, 1, 3]) process({ partition });
    bench.pass(100n * millisecond);
    assert.is(operation.end?.event, Event.Attached, `${difference}: forged ones do no harm`);
  }
});

test("words without a record end nothing", async () => {
  const { kernel, bench, say, process, operation } = await awaiting();
  for (const partition of [0, 1, 3]) say({ partition });
  bench.pass(400n * millisecond);
  assert.not.ok(operation.end);
  for (const partition of [1, 3]) process({ partition });
  bench.pass(50n * millisecond);
  assert.not.ok(operation.end, "the disk's own is missing still");
  kernel.uevents.udev.write({ action: "change", major: 7, minor: 0 });
  bench.pass(40n * millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("a record that was there before is no proof", async () => {
  const { kernel, bench } = await stage();
  const { udev } = kernel.uevents;
  udev.processes = "none";
  udev.write({ action: "change", major: 7, minor: 0 });
  const { say, process, operation } = begin(kernel, bench);
  for (const partition of [1, 3]) process({ partition });
  say({ partition: 0 });
  bench.pass(400n * millisecond);
  assert.not.ok(operation.end);
  process({ partition: 0 });
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("nor is one of an earlier attach that somebody else waited for", async () => {
  const { kernel, bench } = await stage();
  const { udev } = kernel.uevents;
  bench.start(waitFor("loop0", { flags, diskseq: 1n << 60n }));
  const first = bench.start(attach);
  bench.pass(50n * millisecond);
  assert.is(first.end?.event, Event.Attached);
  kernel.opened.clear();
  kernel.letGo(0);
  bench.pass(50n * millisecond);
  udev.processes = "none";
  const { say, process, operation } = begin(kernel, bench);
  for (const partition of [1, 3]) process({ partition });
  say({ partition: 0 });
  bench.pass(400n * millisecond);
  assert.not.ok(operation.end);
});

test("words from others than root and udev count for nothing", async () => {
  const { kernel, bench, operation } = await awaiting();
  for (const partition of [0, 1, 3]) {
    const uevent = kernel.uevents.of(kernel.disk(0), "change", partition);
    kernel.uevents.udev.write(uevent);
    for (const forged of [{ uid: 1000 }, { flags: 0 }, { portId: 0, pid: 0 }]) {
      assert.not.equal(bench.hear({ ...udevEvent(uevent), ...forged }), 0);
    }
  }
  bench.pass(400n * millisecond);
  assert.not.ok(operation.end);
});

test("a partition that goes and comes again is processed again", async () => {
  const { kernel, bench, process, operation } = await awaiting();
  for (const partition of [0, 1]) process({ partition });
  bench.pass(50n * millisecond);
  const disk = kernel.disk(0);
  disk.deletePartition(1);
  kernel.uevents.udev.write({ action: "remove", major: 259, minor: 1 });
  disk.addPartition(1, 4096n, 8192n);
  bench.pass(millisecond);
  process({ partition: 3 });
  bench.pass(50n * millisecond);
  assert.not.ok(operation.end);
  process({ partition: 1, action: "add" });
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("udev's removes are no processing", async () => {
  const { bench, kernel, process, say, operation } = await awaiting();
  for (const partition of [0, 1]) process({ partition });
  kernel.uevents.udev.write({ action: "add", major: 259, minor: 3 });
  say({ partition: 3, action: "remove" });
  bench.pass(100n * millisecond);
  assert.not.ok(operation.end);
});

test("a silent udev is asked for each device, after half a second and ever more", async () => {
  const { kernel, bench, operation, bound } = await awaiting();
  const { triggers } = kernel.uevents;
  bench.pass(499n * millisecond - (bench.now - bound));
  assert.equal(triggers, []);
  bench.pass(3n * millisecond);
  assert.equal(
    triggers.map(({ disk, partition }) => [disk, partition]),
    [
      ["loop0", 0],
      ["loop0", 1],
      ["loop0", 3],
    ],
  );
  assert.is(new Set(triggers.map(({ uuid }) => uuid)).size, 3);
  // After 1, 2, 4, 8 and 8 seconds more.
  for (const [index, seconds] of [1n, 2n, 4n, 8n, 8n].entries()) {
    bench.pass(seconds * second - 200n * millisecond);
    assert.is(triggers.length, 3 * (index + 1), `too early the ${index + 2}nd time`);
    bench.pass(200n * millisecond);
    assert.is(triggers.length, 3 * (index + 2));
  }
  assert.not.ok(operation.end);
});

test("a question that the kernel has swallowed is asked again", async () => {
  const { kernel, bench, operation } = await awaiting();
  bench.pass(second);
  assert.is(kernel.uevents.triggers.length, 3);
  assert.not.ok(operation.end);
  kernel.uevents.udev.processes = "synthetic";
  bench.pass(second);
  assert.is(kernel.uevents.triggers.length, 6);
  assert.is(operation.end?.event, Event.Attached);
});

test("only what is unprocessed is asked for, and what answers is believed", async () => {
  const { kernel, bench, process, operation } = await awaiting();
  for (const partition of [0, 1]) process({ partition });
  kernel.uevents.udev.processes = "synthetic";
  bench.pass(second);
  assert.equal(
    kernel.uevents.triggers.map(({ partition }) => partition),
    [3],
  );
  assert.is(operation.end?.event, Event.Attached);
});

test("a udev that cannot be asked is waited for all the same", async () => {
  const { kernel, bench, process, operation } = await awaiting();
  kernel.on(Step.Trigger, 0, -Errno.EROFS);
  bench.pass(second);
  assert.is(count(bench, Step.Trigger), 3);
  for (const partition of [0, 1, 3]) process({ partition });
  bench.pass(millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("an instance that the kernel tells nothing of is asked for", async () => {
  const { kernel, bench } = await stage();
  kernel.uevents.isMute = true;
  const operation = bench.start(attach);
  bench.pass(100n * millisecond);
  assert.not.ok(operation.end);
  kernel.uevents.isMute = false;
  bench.settle();
  assert.is(operation.end?.event, Event.Attached);
  assert.is(kernel.uevents.triggers.length, 3);
});

test("when words of udev are lost it is asked at once, and again each time", async () => {
  const { kernel, bench, operation } = await awaiting();
  const { triggers, udev } = kernel.uevents;
  bench.overrun(Group.Kernel, 1);
  bench.pass(millisecond);
  assert.is(triggers.length, 0, "the kernel's are not udev's");
  for (const round of [1, 2, 3]) {
    bench.overrun(Group.Udev, 4);
    bench.pass(10n * millisecond);
    assert.is(triggers.length, round * 3);
  }
  udev.processes = "all";
  bench.overrun(Group.Udev, 0);
  bench.pass(10n * millisecond);
  assert.is(operation.end?.event, Event.Attached);
});

test("nothing is asked of a device that is not bound", async () => {
  const { kernel, bench } = await stage();
  kernel.uevents.udev.processes = "none";
  kernel.on(Step.Configure, 1, { delayNs: 5n * second });
  kernel.on(Step.StatusDevice, 1, { delayNs: 5n * second });
  bench.start(attach);
  bench.pass(second);
  bench.overrun(Group.Udev, 1);
  bench.pass(second);
  assert.equal(kernel.uevents.triggers, []);
});

test("without udevd there is nothing to await, and that is told", async () => {
  for (const [answer, errno] of [
    [undefined, 0],
    [-Errno.EPERM, Errno.EPERM],
  ] as const) {
    const { kernel, bench } = await stage();
    if (answer === undefined) kernel.uevents.udev.isRunning = false;
    else kernel.uevents.answers.set(Group.Udev, answer);
    const operation = bench.start(attach);
    bench.settle();
    assert.is(operation.end?.event, Event.Attached);
    assert.equal(
      operation.warnings.map((warning) => [warning.code, warning.errno]),
      [[Warning.NoUdev, errno]],
    );
    assert.is(count(bench, Step.LookRecord), 0);
    expectQuiet(kernel, bench);
  }
});

test("a udev that says nothing until the deadline fails the attach", async () => {
  for (const silent of [0, 1, 3]) {
    const { kernel, bench, process, operation } = await awaiting({ timeoutNs: 2n * second });
    for (const partition of [0, 1, 3]) if (partition !== silent) process({ partition });
    bench.settle();
    const { event, code, detail, step } = operation.end ?? {};
    assert.equal([event, code, step], [Event.Failed, Failure.UdevSilent, Step.AwaitUdev]);
    assert.is(detail, BigInt(silent));
    expectGivenBack(kernel);
    expectQuiet(kernel, bench);
  }
});

test("an abort while udev is awaited gives all back", async () => {
  const { kernel, bench, operation } = await awaiting();
  bench.abort(operation.operation);
  bench.settle();
  assert.is(operation.end?.code, Failure.Aborted);
  expectGivenBack(kernel);
  expectQuiet(kernel, bench);
});

test("an abort, or the deadline, while the stream is awaited ends at once", async () => {
  for (const how of ["abort", "deadline"]) {
    const { kernel, bench } = await stage();
    kernel.on(Step.Subscribe, 1, { hangs: true });
    const operation = bench.start({ ...attach, timeoutNs: 10n * second });
    bench.pass(second);
    if (how === "abort") bench.abort(operation.operation);
    bench.pass(10n * second);
    assert.is(operation.end?.code, how === "abort" ? Failure.Aborted : Failure.TimedOut);
    expectGivenBack(kernel);
    bench.returnHung();
    bench.settle();
    expectQuiet(kernel, bench);
  }
});

test("two at once, each its own device", async () => {
  const { kernel, bench } = await stage({ disks: 4 });
  kernel.uevents.udev.processes = "none";
  const command = { ...attach, flags: flags | CommandFlag.AllowOverlap };
  const operations = [1, 2].map(() => bench.start(command));
  bench.pass(50n * millisecond);
  for (const [index, operation] of [...operations.entries()].reverse()) {
    for (const partition of [0, 1, 3]) {
      kernel.uevents.udev.process(kernel.uevents.of(kernel.disk(index), "change", partition));
    }
    bench.pass(millisecond);
    assert.is(operation.end?.event, Event.Attached);
    assert.is(operation.end?.number, index);
    assert.not.ok(index === 1 && operations[0]?.end);
  }
  bench.settle();
  expectQuiet(kernel, bench);
});

test("a device that is lost and another one taken", async () => {
  const { kernel, bench } = await stage();
  kernel.on(Step.Configure, 1, -Errno.EBUSY).on(Step.Configure, 2, -Errno.EBUSY);
  const end = bench.run(attach);
  assert.equal([end.event, end.number], [Event.Attached, 1]);
  assert.equal([...kernel.uevents.udev.records.keys()].sort(), ["259:257", "259:259", "7:1"]);
  expectQuiet(kernel, bench);
});

test("without disk sequence numbers udev's word is taken by the name", async () => {
  for (const diskseq of ["none", "stays"] as const) {
    const { kernel, bench } = await stage();
    kernel.diskseq = diskseq;
    assert.is(bench.run(attach).event, Event.Attached);
    expectQuiet(kernel, bench);
  }
});

test("numbers of any length", async () => {
  for (const number of [9, 10, 12_345, 1_048_575]) {
    const { kernel, bench } = await stage();
    const end = bench.run({ ...attach, number, partscan: Partscan.None });
    assert.is(end.event, Event.Attached, `${number}`);
    const asked = kernel.log.find(({ call }) => call.step === Step.LookDisk);
    const name = Buffer.from(asked?.call.bytes.subarray(0, 32) ?? []).toString();
    assert.is(name.replaceAll("\0", ""), `loop${number}`);
  }
});

async function stage(options: SceneOptions = {}): Promise<Scene> {
  const play = await scene(options);
  play.kernel.uevents.udev.isRunning = true;
  return play;
}

interface Awaiting extends Scene {
  readonly operation: Operation;
  /** when the device was bound */
  readonly bound: bigint;
  /** udev processes an event, or only says so */
  process(facts: Partial<Uevent>): void;
  say(facts: Partial<Uevent>): void;
}

/** An attach that awaits udev, which processes nothing by itself. */
async function awaiting(command: Partial<CoreCommand> = {}): Promise<Awaiting> {
  const play = await stage();
  play.kernel.uevents.udev.processes = "none";
  return { ...play, ...begin(play.kernel, play.bench, command) };
}

function begin(
  kernel: Scene["kernel"],
  bench: Scene["bench"],
  command: Partial<CoreCommand> = {},
): Omit<Awaiting, keyof Scene> {
  let bound = 0n;
  bench.beforeDelivery = ({ step }) => {
    if (step === Step.Configure) bound = bench.now;
  };
  const operation = bench.start({ ...attach, ...command });
  bench.pass(50n * millisecond);
  bench.beforeDelivery = undefined;
  assert.not.ok(operation.end);
  assert.ok(kernel.disk(0).partitions.size === 2, "it has come so far");
  const { udev } = kernel.uevents;
  const of = ({ partition = 0, action = "change", ...facts }: Partial<Uevent>) => {
    return { ...kernel.uevents.of(kernel.disk(0), action, partition), ...facts };
  };
  return {
    operation,
    bound,
    process: (facts) => udev.process(of(facts)),
    say: (facts) => udev.say(of(facts)),
  };
}

test.run();
