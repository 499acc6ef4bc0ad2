/**
 * What of a datagram counts before its verdict: who sent it, whether it came before, which group it
 * is of. What is refused has changed nothing, and is told to nobody.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Command,
  CommandFlag,
  DatagramFlag,
  Fault,
  Group,
  Limit,
  Mark,
  Verdict,
} from "../../assembly/abi.ts";
import { openBoth } from "../helpers/cores.ts";
import {
  type Datagram,
  kernelMessage,
  loopProperties,
  type Said,
  udevMessage,
} from "../helpers/datagrams.ts";
import { Stage } from "../helpers/stage.ts";

/** Numbers that are remembered below the highest one. */
const window = 16384n;

const said = (more: Partial<Said> = {}): string[] =>
  loopProperties({ action: "change", seqnum: 1n, diskseq: 5, ...more });
const kernel = (more?: Partial<Said>): Datagram => kernelMessage(said(more));
const udev = (more?: Partial<Said>): Datagram => udevMessage(said(more));

class Scene {
  readonly stage: Stage;
  readonly watch: number;

  static async begin(): Promise<Scene> {
    return new Scene(new Stage(await openBoth({ operations: 1, partitions: 8, watches: 8 })));
  }

  private constructor(stage: Stage) {
    this.stage = stage;
    this.watch = stage.open(Command.Watch, "", { flags: CommandFlag.Udev }).number;
  }

  /** Hands one in that is taken; what is told of it. */
  take(datagram: Datagram, slot?: number) {
    const { fault, told } = this.stage.hear(datagram, slot);
    assert.is(fault, Fault.Ok, Fault[fault]);
    const uevent = told.get(this.watch);
    assert.ok(uevent, "not told");
    return uevent;
  }

  /** Hands one in that is refused, and must have changed nothing. */
  refuse(datagram: Datagram, fault: Fault, slot?: number): void {
    const before = this.stage.lockstep.hash();
    const heard = this.stage.hear(datagram, slot);
    assert.is(heard.fault, fault, `${Fault[heard.fault]} instead of ${Fault[fault]}`);
    assert.is(heard.told.size, 0, "it was told");
    assert.is(this.stage.lockstep.hash(), before, "it has changed something");
  }
}

/* Who sent it. */

const forgeries: Readonly<Record<string, Datagram>> = {
  "the kernel's, from a process": { ...kernel(), portId: 1, pid: 1 },
  "the kernel's, injected through the kernel by a process": { ...kernel(), pid: 1 },
  "the kernel's, from a process outside this pid namespace": { ...kernel(), portId: 77 },
  "the kernel's, of a port that is below 0": { ...kernel(), portId: -1 },
  "the kernel's, of a user": { ...kernel(), uid: 1000 },
  "the kernel's, of the overflow user": { ...kernel(), uid: 65534 },
  "the kernel's, without credentials": { ...kernel(), flags: 0 },
  "the kernel's, without credentials and cut": { ...kernel(), flags: DatagramFlag.Truncated },
  "udev's, from the kernel": { ...udev(), portId: 0, pid: 0 },
  "udev's, of a user": { ...udev(), uid: 1000 },
  "udev's, without credentials": { ...udev(), flags: 0 },
};

for (const [title, datagram] of Object.entries(forgeries)) {
  test(`refused as forged: ${title}`, async () => {
    const scene = await Scene.begin();
    scene.refuse(datagram, Fault.Forged);
    // What is refused does not count as seen.
    scene.take(kernel());
    scene.take(udev());
  });
}

test("what did not fit is refused, whatever it says", async () => {
  const scene = await Scene.begin();
  const flags = DatagramFlag.Credentials | DatagramFlag.Truncated;
  scene.refuse({ ...kernel(), flags }, Fault.Truncated);
  scene.refuse({ ...kernel(), flags, bytes: new Uint8Array(0) }, Fault.Truncated);
  scene.take(kernel());
});

test("unknown bits of the flags are nothing", async () => {
  const scene = await Scene.begin();
  scene.take({ ...kernel(), flags: DatagramFlag.Credentials | 0x7ffffff0 });
});

test("slots, groups and lengths that cannot be are refused", async () => {
  const scene = await Scene.begin();
  for (const slot of [-1, Limit.DatagramSlots, 1 << 30, -(2 ** 31)]) {
    const { cores, now } = scene.stage.lockstep;
    for (const core of cores) assert.is(core.handleDatagram(now, slot), Fault.BadArgument);
  }
  for (const group of [0, 3, -1, 2 ** 31 - 1]) {
    scene.refuse({ ...kernel(), group }, Fault.BadArgument);
  }
  for (const length of [-1, -(2 ** 31), 64 * 8192 + 1, 2 ** 31 - 1]) {
    scene.refuse({ ...kernel(), length }, Fault.BadArgument);
  }
  // In the last slot there is room for one slot only.
  scene.refuse({ ...kernel(), length: 8193 }, Fault.BadArgument, Limit.DatagramSlots - 1);
  scene.take(kernel(), Limit.DatagramSlots - 1);
});

test("nothing that is no datagram is taken", async () => {
  const scene = await Scene.begin();
  for (const group of [Group.Kernel, Group.Udev]) {
    const { bytes, ...facts } = group === Group.Kernel ? kernel() : udev();
    scene.refuse({ ...facts, bytes: new Uint8Array(0) }, Fault.Malformed);
    scene.refuse({ ...facts, bytes: new Uint8Array(300) }, Fault.Malformed);
    scene.refuse({ ...facts, bytes: bytes.subarray(1) }, Fault.Malformed);
  }
  // Each group's own, in the other one.
  scene.refuse({ ...kernel(), bytes: udev().bytes }, Fault.Malformed);
  scene.refuse({ ...udev(), bytes: kernel().bytes }, Fault.Malformed);
});

/* Whether it came before. */

test("an event that was handed in is refused again and again", async () => {
  const scene = await Scene.begin();
  scene.take(kernel({ seqnum: 7 }));
  for (let times = 0; times < 3; times++) scene.refuse(kernel({ seqnum: 7 }), Fault.Duplicate);
  // By its number alone: the kernel gives it once.
  scene.refuse(kernel({ seqnum: 7, action: "remove", partition: 3 }), Fault.Duplicate);
  scene.take(kernel({ seqnum: 8 }));
  scene.refuse(kernel({ seqnum: 7 }), Fault.Duplicate);
});

test("SEQNUM 0 is a number like others", async () => {
  const scene = await Scene.begin();
  scene.take(kernel({ seqnum: 0 }));
  scene.refuse(kernel({ seqnum: 0 }), Fault.Duplicate);
  scene.take(kernel({ seqnum: 1 }));
  scene.refuse(kernel({ seqnum: 0 }), Fault.Duplicate);
});

test("an event that is late is taken once, and marked", async () => {
  const scene = await Scene.begin();
  assert.is(scene.take(kernel({ seqnum: 20 })).marks & Mark.OutOfOrder, 0);
  assert.is(scene.take(kernel({ seqnum: 10 })).marks & Mark.OutOfOrder, Mark.OutOfOrder);
  scene.refuse(kernel({ seqnum: 10 }), Fault.Duplicate);
  assert.is(scene.take(kernel({ seqnum: 19 })).marks & Mark.OutOfOrder, Mark.OutOfOrder);
  assert.is(scene.take(kernel({ seqnum: 21 })).marks & Mark.OutOfOrder, 0);
});

test("a leap of any width forgets what is too old, and nothing else", async () => {
  for (const leap of [1n, window - 1n, window, window + 1n, 3n * window, 1n << 31n, 1n << 62n]) {
    const scene = await Scene.begin();
    const from = 100_000n;
    scene.take(kernel({ seqnum: from }));
    scene.take(kernel({ seqnum: from - 8n }));
    scene.take(kernel({ seqnum: from + leap }));
    scene.refuse(kernel({ seqnum: from + leap }), Fault.Duplicate);
    const isKnown = leap < window;
    if (isKnown) scene.refuse(kernel({ seqnum: from }), Fault.Duplicate);
    else scene.take(kernel({ seqnum: from }));
    // Numbers that share a place with old ones were not seen.
    const alias = from - 8n + window;
    if (alias !== from + leap) scene.take(kernel({ seqnum: alias }));
    scene.take(kernel({ seqnum: from + leap - 1n === from ? from + 2n : from + leap - 1n }));
  }
});

test("the highest numbers there are", async () => {
  const scene = await Scene.begin();
  const most = 10n ** 19n - 1n;
  scene.take(kernel({ seqnum: most }));
  scene.refuse(kernel({ seqnum: most }), Fault.Duplicate);
  assert.is(scene.take(kernel({ seqnum: most - 1n })).seqnum, most - 1n);
  assert.is(scene.take(kernel({ seqnum: 1 })).marks & Mark.OutOfOrder, Mark.OutOfOrder);
  scene.refuse(kernel({ seqnum: most + 1n }), Fault.Malformed);
  scene.refuse(kernel({ seqnum: most - 1n }), Fault.Duplicate);
});

test("events of other devices count as seen too", async () => {
  const scene = await Scene.begin();
  const bdi = ["ACTION=add", "DEVPATH=/devices/virtual/bdi/7:300", "SUBSYSTEM=bdi", "SEQNUM=40"];
  assert.is(scene.take(kernelMessage(bdi)).verdict, Verdict.None);
  scene.refuse(kernelMessage(bdi), Fault.Duplicate);
  scene.refuse(kernel({ seqnum: 40 }), Fault.Duplicate);
});

/* Groups. */

test("a number is seen in each group by itself", async () => {
  const scene = await Scene.begin();
  assert.is(scene.take(kernel({ seqnum: 9 })).group, Group.Kernel);
  assert.is(scene.take(udev({ seqnum: 9 })).group, Group.Udev);
  scene.refuse(kernel({ seqnum: 9 }), Fault.Duplicate);
  scene.refuse(udev({ seqnum: 9 }), Fault.Duplicate);
  // A far number of one group is no leap of the other.
  scene.take(udev({ seqnum: 1n << 40n }));
  assert.is(scene.take(kernel({ seqnum: 10 })).marks & Mark.OutOfOrder, 0);
  scene.refuse(kernel({ seqnum: 9 }), Fault.Duplicate);
});

test("the newest instance is told of in each group by itself", async () => {
  const scene = await Scene.begin();
  const verdictOf = (datagram: Datagram) => {
    const { verdict, marks } = scene.take(datagram);
    return [verdict, marks & Mark.First];
  };
  assert.equal(verdictOf(kernel({ seqnum: 1, diskseq: 5 })), [Verdict.Mine, Mark.First]);
  assert.equal(verdictOf(kernel({ seqnum: 2, diskseq: 6 })), [Verdict.Later, 0]);
  // udev is behind: what it says of 5 is no news of 6, and its first is its first.
  assert.equal(verdictOf(udev({ seqnum: 1, diskseq: 5 })), [Verdict.Mine, Mark.First]);
  assert.equal(verdictOf(kernel({ seqnum: 3, diskseq: 5 })), [Verdict.Stale, 0]);
  assert.equal(verdictOf(udev({ seqnum: 2, diskseq: 6 })), [Verdict.Later, 0]);
});

test("a subscription hears the groups that it asked for", async () => {
  const stage = new Stage(await openBoth({ operations: 1, partitions: 8, watches: 8 }));
  const open = (flags: number) => stage.open(Command.Watch, "", { flags }).number;
  const kernelOnly = open(0);
  const both = open(CommandFlag.Udev);
  const udevOnly = open(CommandFlag.Udev | CommandFlag.NoKernelGroup);
  const hearers = (datagram: Datagram) => [...stage.hear(datagram).told.keys()].sort();
  assert.equal(hearers(kernel()), [kernelOnly, both].sort());
  assert.equal(hearers(udev()), [both, udevOnly].sort());
});

/* A partition's end. */

test("an end that went unheard makes no later end mine", async () => {
  const stage = new Stage(await openBoth({ operations: 1, partitions: 8, watches: 8 }));
  const watch = stage.open(Command.Watch, "loop300", { diskseq: 10n }).number;
  let seqnum = 0;
  const verdictOf = (action: string, diskseq: number) => {
    seqnum += 1;
    const { told } = stage.hear(kernel({ action, partition: 1, diskseq, seqnum }));
    const { verdict, marks } = told.get(watch) ?? {};
    return [verdict, marks];
  };
  assert.equal(verdictOf("add", 10), [Verdict.Mine, 0]);
  // Its remove, which carries 11, is lost. Another attach has a partition of that number.
  assert.equal(verdictOf("add", 12), [Verdict.Later, 0]);
  assert.equal(verdictOf("remove", 13), [Verdict.Later, 0]);
});

test("one end is one end", async () => {
  const stage = new Stage(await openBoth({ operations: 1, partitions: 8, watches: 8 }));
  const watch = stage.open(Command.Watch, "loop300", { diskseq: 10n }).number;
  const hear = (action: string, diskseq: number, seqnum: number) => {
    const { told } = stage.hear(kernel({ action, partition: 200, diskseq, seqnum }));
    return told.get(watch);
  };
  hear("add", 10, 1);
  assert.is(hear("remove", 11, 2)?.marks, Mark.Ends);
  assert.is(hear("remove", 11, 3)?.verdict, Verdict.Later);
  assert.is(hear("change", 11, 4)?.verdict, Verdict.Later);
});

/* Losses. */

test("a loss is told with what came before it, and forgets no number", async () => {
  const scene = await Scene.begin();
  scene.take(kernel({ seqnum: 30 }));
  scene.take(kernel({ seqnum: 25 }));
  const [lost, ...more] = scene.stage.lose(Group.Kernel, 12);
  assert.equal([lost?.code, lost?.detail, lost?.detail2, more.length], [Group.Kernel, 12n, 30n, 0]);
  scene.refuse(kernel({ seqnum: 30 }), Fault.Duplicate);
  const [none] = scene.stage.lose(Group.Udev, 0);
  assert.equal([none?.code, none?.detail, none?.detail2], [Group.Udev, 0n, 0n]);
});

test("losses that cannot be are refused", async () => {
  const scene = await Scene.begin();
  const { lockstep } = scene.stage;
  const before = lockstep.hash();
  for (const [group, count] of [
    [0, 1],
    [3, 1],
    [-1, 1],
    [1, -1],
  ] as const) {
    const output = lockstep.overrun(lockstep.now, group, count);
    assert.is(output.answer, Fault.BadArgument);
    assert.is(output.hash, before);
  }
});

test.run();
