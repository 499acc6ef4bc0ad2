/** What a subscription is told of an event: whose it is, and what marks it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Action,
  CommandFlag,
  type CoreUevent,
  DeviceType,
  Group,
  Mark,
  Step,
  Verdict,
} from "../../host/core.ts";
import type { Operation } from "../helpers/bench.ts";
import type { ScriptedDisk } from "../helpers/scripted-disks.ts";
import { kernelEvent, otherEvent, type Uevent, udevEvent } from "../helpers/uevents.ts";
import { type Scene, type SceneOptions, scene } from "./core-scene.ts";
import { bindElsewhere, millisecond, second, waitFor, watch } from "./core-watch-scene.ts";

const udev = CommandFlag.Udev;

test("an event is told with all its words", async () => {
  const { bench, kernel, disk, hear, all } = await stage();
  hear("add", { partition: 3 });
  const [told] = all.uevents.slice(-1);
  const bytes = kernelEvent(kernel.uevents.of(disk, "add", 3)).bytes.length;
  assert.equal(told && { ...told, offset: 0 }, {
    event: 8,
    operation: all.operation,
    verdict: Verdict.Mine,
    marks: 0,
    group: Group.Kernel,
    action: Action.Add,
    deviceType: DeviceType.Partition,
    partition: 3,
    seqnum: kernel.uevents.seqnum - 1n,
    diskseq: disk.diskseq,
    major: 259,
    minor: 3,
    offset: 0,
    bytes,
    properties: told?.properties,
  });
  const [core] = bench.lockstep.cores;
  const at = told?.offset ?? 0;
  assert.is(at, (core?.slots.byteOffset ?? 0) - (core?.buffers.byteOffset ?? 0));
  const text = Buffer.from(core?.buffers.subarray(told?.properties ?? 0, at + bytes) ?? []);
  assert.ok(text.toString().startsWith("ACTION=add\0DEVPATH="));
});

test("an event is told to who listens to its disk, or to all, in its group", async () => {
  const { bench, kernel, all } = await stage();
  kernel.uevents.udev.isRunning = true;
  const commands = {
    own: watch("loop0"),
    other: watch("loop1"),
    both: watch("loop0", { flags: udev }),
    only: watch("", { flags: udev | CommandFlag.NoKernelGroup }),
  };
  const operations = Object.entries({ ...commands }).map(
    ([name, command]) => [name, bench.start(command)] as const,
  );
  bench.start(waitFor("loop0"));
  bench.settle(bench.now + millisecond);
  const uevent = kernel.uevents.of(kernel.disk(0), "change");
  bench.hear(kernelEvent(uevent));
  bench.hear(udevEvent(uevent));
  const groups = [["all", all] as const, ...operations].map(([name, { uevents }]) => {
    return [name, ...uevents.map(({ group }) => Group[group])];
  });
  assert.equal(groups, [
    ["all", "Kernel"],
    ["own", "Kernel"],
    ["other"],
    ["both", "Kernel", "Udev"],
    ["only", "Udev"],
  ]);
});

test("an event of no disk is told to who listens to all", async () => {
  const { bench, all, own } = await stage();
  bench.hear(otherEvent(5n));
  assert.equal(shown(all), ["add None"]);
  const [{ deviceType, diskseq, major, partition } = {}] = all.uevents;
  assert.equal([deviceType, diskseq, major, partition], [DeviceType.None, 0n, 0, 0]);
  assert.equal(shown(own), []);
});

test("without an instance an event is judged against the newest", async () => {
  const { disk, hear, all, own } = await stage();
  const later = { diskseq: disk.diskseq + 1n };
  hear("change");
  hear("change", later);
  hear("change");
  hear("change", later);
  for (const operation of [all, own]) {
    const verdicts = ["Mine", "Later", "Stale", "Mine"];
    assert.equal(
      shown(operation),
      verdicts.map((verdict) => `change ${verdict}`),
    );
  }
});

test("the first event of a disk is marked, but where sysfs was looked at", async () => {
  const { kernel, bench, hear, all } = await stage();
  const both = bench.start(watch("", { flags: udev }));
  bench.settle(bench.now + millisecond);
  for (const disk of [kernel.disk(0).name, kernel.disk(1).name]) {
    for (const group of [Group.Kernel, Group.Kernel, Group.Udev, Group.Udev]) {
      hear("change", { disk }, group);
    }
  }
  const [mine, first] = ["change Mine", "change Mine First"];
  assert.equal(shown(all), [mine, mine, first, mine]);
  assert.equal(shown(both), [mine, mine, mine, mine, first, mine, first, mine]);
});

test("with an instance an event is judged against that", async () => {
  const { bench, disk, hear } = await stage();
  const { diskseq } = disk;
  const mine = bench.start(watch("loop0", { diskseq }));
  bench.settle(bench.now + millisecond);
  for (const number of [diskseq, diskseq + 1n, diskseq - 1n, diskseq + 1n, diskseq]) {
    hear("change", { diskseq: number });
  }
  assert.equal(
    shown(mine),
    ["Mine", "Later", "Stale", "Later", "Mine"].map((v) => `change ${v}`),
  );
});

test("a partition that goes with its disk is the end of mine", async () => {
  const { bench, kernel, disk, hear, all } = await stage();
  bindElsewhere(kernel);
  const { diskseq } = disk;
  const mine = bench.start(watch("loop0", { diskseq }));
  bench.settle(bench.now + millisecond);
  const next = { diskseq: diskseq + 1n };
  hear("change", { diskseq, extras: { DISK_MEDIA_CHANGE: "1" } });
  hear("remove", { ...next, partition: 1 });
  hear("remove", { ...next, partition: 3 });
  hear("remove", { ...next, partition: 3 });
  hear("add", { ...next, partition: 1 });
  assert.equal(shown(mine).slice(-5), [
    "change Mine MediaChange",
    "remove1 Mine Ends",
    "remove3 Mine Ends",
    "remove3 Later",
    "add1 Later",
  ]);
  // The newest is the next one from the first event that is not an end.
  assert.equal(shown(all).slice(-4), [
    "remove1 Mine Ends",
    "remove3 Mine Ends",
    "remove3 Later",
    "add1 Mine",
  ]);
});

test("what is plugged and unplugged under a number is mine", async () => {
  const { disk, hear, all } = await stage();
  const { diskseq } = disk;
  hear("change");
  hear("add", { partition: 5 });
  hear("remove", { partition: 5 });
  hear("remove", { partition: 5, diskseq: diskseq + 1n });
  hear("add", { partition: 5, diskseq: diskseq + 1n });
  hear("change", { diskseq: diskseq + 2n });
  hear("remove", { partition: 5, diskseq: diskseq + 3n });
  assert.equal(shown(all), [
    "change Mine",
    "add5 Mine",
    "remove5 Mine",
    "remove5 Later",
    "add5 Mine",
    "change Later",
    "remove5 Mine Ends",
  ]);
});

test("each group has its own order: udev's words are late", async () => {
  const { bench, disk, hear } = await stage();
  const both = bench.start(watch("", { flags: udev }));
  bench.settle(bench.now + millisecond);
  const { diskseq } = disk;
  for (const group of [Group.Kernel, Group.Udev]) {
    hear("add", { partition: 5 }, group);
    hear("change", { diskseq: diskseq + 1n }, group);
  }
  assert.equal(shown(both), ["add5 Mine", "change Later", "add5 Mine", "change Later"]);
  assert.equal(
    both.uevents.map(({ group }) => group),
    [1, 1, 2, 2],
  );
});

test("an instance is judged in each group by what that told", async () => {
  const { bench, kernel, disk, hear } = await stage();
  kernel.uevents.udev.isRunning = true;
  const { diskseq } = disk;
  const mine = bench.start(watch("loop0", { diskseq, flags: udev }));
  bench.settle(bench.now + millisecond);
  hear("add", { partition: 5 });
  hear("remove", { partition: 5, diskseq: diskseq + 1n }, Group.Udev);
  hear("add", { partition: 5 }, Group.Udev);
  hear("remove", { partition: 5, diskseq: diskseq + 1n }, Group.Udev);
  hear("remove", { partition: 5, diskseq: diskseq + 1n });
  const ends = "remove5 Mine Ends";
  assert.equal(shown(mine), ["add5 Mine", "remove5 Later", "add5 Mine", ends, ends]);
});

test("what was plugged before a subscription began it learns from sysfs", async () => {
  const { bench, kernel, hear } = await stage();
  const disk = bindElsewhere(kernel, 1);
  const { diskseq } = disk;
  bench.settle(bench.now + millisecond);
  const flags = udev;
  const [mine, any] = [watch("loop1", { diskseq, flags }), watch("loop1")].map((command) =>
    bench.start(command),
  );
  bench.settle(bench.now + millisecond);
  const remove = { disk: disk.name, partition: 3, diskseq: diskseq + 1n };
  hear("remove", remove);
  hear("remove", remove, Group.Udev);
  assert.equal(shown(mine), ["remove3 Mine Ends", "remove3 Mine Ends"]);
  assert.equal(shown(any), ["remove3 Mine Ends"]);
});

test("what went unheard is learned from sysfs again", async () => {
  const { bench, kernel, hear } = await stage();
  const disk = bindElsewhere(kernel, 1);
  const { diskseq } = disk;
  bench.settle(bench.now + millisecond);
  const [mine, any] = [watch("loop1", { diskseq }), watch("loop1")].map((command) =>
    bench.start(command),
  );
  bench.settle(bench.now + millisecond);
  kernel.uevents.isMute = true;
  disk.deletePartition(1);
  disk.addPartition(7, 0n, 512n);
  bench.overrun(Group.Kernel, 2);
  bench.settle(bench.now + millisecond);
  for (const partition of [1, 3, 7]) {
    hear("remove", { disk: disk.name, partition, diskseq: diskseq + 1n });
  }
  assert.equal(shown(mine), ["remove1 Later", "remove3 Mine Ends", "remove7 Mine Ends"]);
  assert.equal(shown(any), ["remove1 Later", "remove3 Mine", "remove7 Mine"]);
});

test("a loss that a failed look follows is learned by the next", async () => {
  const { bench, kernel, hear } = await stage();
  const disk = bindElsewhere(kernel, 1);
  const { diskseq } = disk;
  bench.settle(bench.now + millisecond);
  const mine = bench.start(watch("loop1", { diskseq }));
  bench.settle(bench.now + millisecond);
  kernel.uevents.isMute = true;
  disk.deletePartition(1);
  for (const result of [-5, undefined]) {
    kernel.on(Step.LookDisk, 0, result === undefined ? {} : result);
    bench.overrun(Group.Kernel, 1);
    bench.settle(bench.now + millisecond);
  }
  hear("remove", { disk: disk.name, partition: 1, diskseq: diskseq + 1n });
  assert.equal(shown(mine), ["remove1 Later"]);
});

test("an end in one group that is lost leaves nothing plugged there", async () => {
  const { bench, kernel, disk, hear } = await stage();
  kernel.uevents.udev.isRunning = true;
  const { diskseq } = disk;
  const mine = bench.start(watch("loop0", { diskseq, flags: udev }));
  bench.settle(bench.now + millisecond);
  hear("add", { partition: 5 }, Group.Udev);
  bench.overrun(Group.Udev, 1);
  bench.settle(bench.now + millisecond);
  hear("remove", { partition: 5, diskseq: diskseq + 1n }, Group.Udev);
  assert.equal(shown(mine), ["add5 Mine", "remove5 Later"]);
});

test("without numbers, or without proof by them, events are of a name", async () => {
  const { bench, disk, hear, all } = await stage();
  const { diskseq } = disk;
  const [none, mine] = [CommandFlag.BestEffort, 0].map((flags) =>
    bench.start(watch("loop0", { diskseq, flags })),
  );
  bench.settle(bench.now + millisecond);
  hear("change");
  hear("change", { diskseq: 0n });
  assert.equal(shown(none), ["change BestEffort", "change BestEffort"]);
  assert.equal(shown(mine), ["change Mine", "change BestEffort"]);
  assert.equal(shown(all).slice(1), ["change BestEffort"]);
});

test("marks say more: synthetic, media change, out of order", async () => {
  const { kernel, hear, all } = await stage();
  hear("change", { extras: { SYNTH_UUID: "0" } });
  hear("change", { extras: { DISK_MEDIA_CHANGE: "1" } });
  const late = kernel.uevents.seqnum - 500n;
  hear("change", { seqnum: late });
  hear("change", { extras: { DISK_MEDIA_CHANGE: "0" } });
  assert.equal(shown(all), [
    "change Mine Synthetic",
    "change Mine MediaChange",
    "change Mine OutOfOrder",
    "change Mine",
  ]);
});

test("disks that nobody asks about are remembered while there is room", async () => {
  const { kernel, hear, all } = await stage({ operations: 1, watches: 2, disks: 5 });
  const nth = (index: number) => hear("change", { disk: kernel.disk(index).name });
  // One record is held by the other subscription; there are four in all.
  for (const index of [1, 2, 3, 1, 4, 1, 3, 2]) nth(index);
  const marks = (from: number) =>
    shown(all)
      .slice(from)
      .map((text) => text.includes("First"));
  assert.equal(marks(0), [true, true, true, false, true, false, false, true]);
});

test("nothing is remembered of disks over a time without listeners", async () => {
  const { bench, hear, all, own } = await stage();
  hear("change");
  for (const { operation } of [all, own]) bench.abort(operation);
  bench.settle();
  const again = bench.start(watch());
  bench.settle();
  hear("change");
  hear("change");
  assert.equal(shown(again), ["change Mine First", "change Mine"]);
});

test("where nobody subscribes no disk is remembered", async () => {
  const hashes: bigint[] = [];
  for (const isDisk of [true, false]) {
    const { bench, kernel } = await scene();
    bench.start(waitFor("loop9"));
    bench.settle(bench.now + millisecond);
    const uevent = kernel.uevents.of(kernel.disk(0), "change");
    for (const disk of ["sda", "sdb", "sdc", "sdd"]) {
      const seqnum = ++kernel.uevents.seqnum;
      bench.hear(isDisk ? kernelEvent({ ...uevent, disk, seqnum }) : otherEvent(seqnum));
    }
    hashes.push(bench.lockstep.hash());
  }
  assert.is(hashes[0], hashes[1]);
});

test("a loss is told to who listens to that group, with the number before it", async () => {
  const { bench, kernel, disk, all, own, hear } = await stage();
  kernel.uevents.udev.isRunning = true;
  const both = bench.start(watch("loop1", { flags: udev }));
  const wait = bench.start(waitFor("loop9"));
  bench.settle(bench.now + millisecond);
  hear("change", { disk: disk.name });
  const before = kernel.uevents.seqnum;
  bench.overrun(Group.Kernel, 7);
  bench.overrun(Group.Udev, 0);
  const losses = ({ losses }: Operation) =>
    losses.map(({ code, detail, detail2 }) => [code, detail, detail2]);
  assert.equal(losses(all), [[Group.Kernel, 7n, before]]);
  assert.equal(losses(own), [[Group.Kernel, 7n, before]]);
  assert.equal(losses(both), [
    [Group.Kernel, 7n, before],
    [Group.Udev, 0n, 0n],
  ]);
  assert.equal(losses(wait), []);
  bench.settle(bench.now + second);
});

interface Stage extends Scene {
  readonly disk: ScriptedDisk;
  /** subscriptions to all disks, and to loop0 */
  readonly all: Operation;
  readonly own: Operation;
  /** Hands an event of loop0 in, as things are but for what is said. */
  hear(action: string, facts?: Partial<Uevent>, group?: Group): void;
}

async function stage(options: SceneOptions = {}): Promise<Stage> {
  const play = await scene(options);
  const { kernel, bench } = play;
  const [all, own] = [watch(), watch("loop0")].map((command) => bench.start(command));
  assert.ok(all && own);
  bench.settle(bench.now + millisecond);
  const disk = kernel.disk(0);
  const hear: Stage["hear"] = (action, facts = {}, group = Group.Kernel) => {
    const uevent = kernel.uevents.of(disk, action, facts.partition ?? 0);
    const make = group === Group.Kernel ? kernelEvent : udevEvent;
    assert.is(bench.hear(make({ ...uevent, ...facts })), 0);
  };
  return { ...play, disk, all, own, hear };
}

/** `action[partition] Verdict Marks` */
function shown(operation: Operation | undefined): string[] {
  return (operation?.uevents ?? []).map(textOf);
}

function textOf({ action, partition, verdict, marks }: CoreUevent): string {
  const names = Object.values(Mark).filter((mark) => typeof mark === "number" && marks & mark);
  const what = `${Action[action]?.toLowerCase()}${partition || ""}`;
  return [what, Verdict[verdict], ...names.map((mark) => Mark[mark as Mark])].join(" ");
}

test.run();
