/**
 * Datagrams that a process with root makes up: what cannot be from the kernel or udev is counted
 * and changes nothing; what looks like udev's is told as such, and ends no wait.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import type { Uevent, UeventRejected } from "../../host/stream-types.ts";
import {
  kernelMessage,
  loopProperties,
  type Said,
  stringsBytes,
  udevHeader,
  udevMessage,
} from "../helpers/datagrams.ts";
import { attribute } from "../helpers/devices.ts";
import { errorOf, expectRefusal } from "../helpers/expect.ts";
import { type OwnLoop, ownLoop } from "../helpers/loops.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import {
  type Forger,
  type Forgery,
  forge,
  injection,
  startBesideUdevd,
} from "../helpers/senders.ts";
import {
  begin,
  type Collector,
  collect,
  isSettled,
  openSession,
  soon,
  type TestSession,
  Writer,
} from "../helpers/streams.ts";

type Reason = UeventRejected["reason"];
type Kind = readonly [what: string, reason: Reason, forgery: Forgery];

behaviour(
  "what is forged is counted and changes nothing",
  ["root", "diskseq", "python3"],
  async (scene) => {
    const { loop, session, collector, monitor } = await stage(scene);
    const waits = await beginWaits(session, loop);
    const lies = new Lies(loop);
    const kinds = [...forgedKinds(lies), ...brokenKinds(lies)];
    const { pid, portId } = await forge(kinds.map(([, , forgery]) => forgery));
    const rejected = () => rejectedOf(collector, pid);
    await collector.until("all forgeries", () => rejected().length >= kinds.length);

    for (const group of ["kernel", "udev"] as const) {
      // Of one socket in the order of sending; none told as something else in between.
      const expected = kinds.filter(
        ([, , { to }]) => (to === Group.Udev ? "udev" : "kernel") === group,
      );
      const got = rejected().filter((item) => item.group === group);
      assert.is(got.length, expected.length);
      for (const [index, [what, reason, { to, uid = 0 }]] of expected.entries()) {
        const port = to === "kernel-itself" ? 0 : portId;
        assert.equal([got[index]?.reason, got[index]?.uid], [reason, uid], what);
        assert.is(got[index]?.portId, port, what);
      }
    }
    // Others may forge, too: whatever is counted is told.
    const told = (wanted: Reason) =>
      collector.items.filter((item) => item.type === "rejected" && item.reason === wanted).length;
    for (const reason of ["forged", "malformed", "truncated"] as const) {
      const isTold = () => told(reason) === monitor.counts[reason];
      await collector.until(`every one that is ${reason}`, isTold);
    }
    assert.equal(lies.told(collector), []);
    await expectGoingOn(session, loop, collector);
    await waits.expectOpen();
    await waits.play();
  },
);

behaviour(
  "what root says as udev is told as udev's, and ends no wait",
  ["root", "diskseq", "python3"],
  async (scene) => {
    const { loop, session, collector, monitor } = await stage(scene);
    const { diskseq } = loop;
    const waits = await beginWaits(session, loop);
    const lies = new Lies(loop);
    const partition = { partition: 1, diskseq };
    const said = [
      lies.say({ action: "change", diskseq: diskseq + 1n }),
      lies.say({ action: "change", diskseq, extra: ["DISK_MEDIA_CHANGE=1"] }),
      lies.say({ action: "remove", ...partition, diskseq: diskseq + 1n }),
      lies.say({ action: "remove", ...partition }),
      lies.say({ action: "add", partition: 5, diskseq }),
      lies.say({ action: "change", diskseq, extra: long(64 << 10) }),
      lies.say({ action: "remove", diskseq }),
      lies.say({ action: "add", diskseq: diskseq - 1n }),
    ];
    const messages = said.map((properties) => udevMessage(properties));
    const twice = [...messages, ...messages].map(({ bytes }) => ({ to: Group.Udev, bytes }));
    const { pid } = await forge(twice);
    await collector.until("the duplicates", () => rejectedOf(collector, pid).length >= said.length);
    assert.equal(
      rejectedOf(collector, pid).map(({ reason, group }) => `${reason} ${group}`),
      said.map(() => "duplicate udev"),
    );
    assert.ok(monitor.counts.duplicate >= said.length);
    const told = lies.told(collector);
    assert.equal(
      told.map(({ group, verdict, device }) => [group, verdict, device]),
      [
        ["udev", "later", loop.device],
        ["udev", "mine", loop.device],
        ["udev", "mine", `${loop.device}p1`],
        ["udev", "mine", `${loop.device}p1`],
        ["udev", "mine", `${loop.device}p5`],
        ["udev", "mine", loop.device],
        ["udev", "mine", loop.device],
        ["udev", "stale", loop.device],
      ],
    );
    await expectGoingOn(session, loop, collector);
    await waits.expectOpen();
    await waits.play();
  },
);

behaviour(
  "a wait for udev does not end by what is said, but by what udev has written down",
  ["root", "diskseq", "namespaces", "python3"],
  async (scene) => {
    const { loop, collector } = await stage(scene);
    const { name, diskseq } = loop;
    const words = ["wait", name, "--partitions=1", "--udev", "--json"];
    const claim = async () => {
      const lies = new Lies(loop);
      const said = [
        lies.say({ action: "change", diskseq }),
        lies.say({ action: "change", partition: 1, diskseq }),
      ];
      await forge(said.map((one) => ({ to: Group.Udev, bytes: udevMessage(one).bytes })));
    };
    /** It listens when it asks udev to look again. */
    const asked = (count: number) =>
      collector.until("asks udev", () => synthetic(collector, loop).length >= count);

    const believer = startBesideUdevd(scene, [...words, "--timeout=3s"]);
    await asked(2);
    await claim();
    expectRefusal(await believer.end(), 6, `udev has not processed ${name}`);

    const before = synthetic(collector, loop).length;
    const waiter = startBesideUdevd(scene, [...words, "--timeout=30s"]);
    await asked(before + 2);
    const devnum = (path: string) => attribute(loop.number, `${path}dev`) ?? "";
    await waiter.record(devnum(""));
    await waiter.record(devnum(`${name}p1/`));
    await claim();
    const { status, stdout, stderr } = await waiter.end();
    assert.is(status, 0, stderr);
    const [waited] = (JSON.parse(stdout) as { waited: { result: string }[] }).waited;
    assert.is(waited?.result, "ready");
  },
);

/* What there is. */

/** A device with partition 1, and a monitor that judges against its instance and tells all. */
async function stage(scene: Scene) {
  const loop = await ownLoop(scene);
  await loop.addPartition(1);
  const session = openSession(scene);
  const options = { disk: loop.name, diskseq: loop.diskseq, rejected: true } as const;
  const groups = ["kernel", "udev"] as const;
  return { loop, session, ...(await collect(session, { ...options, groups })) };
}

/** Waits that would end if somebody's word were taken. */
async function beginWaits(session: TestSession, loop: OwnLoop) {
  const { device, diskseq } = loop;
  const gone = [
    begin(session, { device, removed: true }),
    begin(session, { diskseq, removed: true }),
    begin(session, { device: `${device}p1`, removed: true }),
  ];
  const ready = [
    begin(session, { device: `${device}p5` }),
    begin(session, { diskseq, partitions: [1, 5] }),
    begin(session, { device, partitions: [5], udev: true }),
  ];
  const stale = begin(session, { device, diskseq, partitions: [8] });
  await session.begun(7);
  await session.waitFor({ device, partitions: [1] });
  const expectOpen = async () => {
    // That look was after all that was said.
    await session.waitFor({ device, diskseq, partitions: [1] });
    for (const wait of [...gone, ...ready, stale]) assert.not.ok(await isSettled(wait));
  };
  /** They end when it is true. */
  const play = async () => {
    await loop.addPartition(5);
    // udev, where it runs, has its own pace.
    for (const wait of ready) assert.is((await soon("ready", wait, 10_000)).result, "ready");
    await loop.replace();
    await loop.deletePartition(1);
    await soon("stale", errorOf(stale, "ERR_LOOP_STALE"));
    for (const wait of gone) assert.is((await soon("gone", wait)).result, "gone");
  };
  return { expectOpen, play };
}

/** Genuine events are told as ever: of this instance, and not behind what was made up. */
async function expectGoingOn(session: TestSession, loop: OwnLoop, collector: Collector) {
  const newest = await collect(session, { disk: loop.name });
  const writer = new Writer(loop.name);
  writer.write(10);
  writer.close();
  for (const one of [collector, newest.collector]) {
    await one.until("genuine events", () => writer.of(one.uevents).length === 10);
    const told = writer.of(one.uevents);
    assert.ok(told.every(({ verdict, group }) => verdict === "mine" && group === "kernel"));
    assert.ok(told.some(({ marks }) => !marks.includes("out-of-order")));
  }
  newest.monitor.close();
}

function rejectedOf(collector: Collector, pid: Forger["pid"]): UeventRejected[] {
  return collector.items
    .filter((item) => item.type === "rejected")
    .filter((item) => item.pid === pid);
}

/** Those that neither a writer nor a partition made. */
function synthetic(collector: Collector, { name }: OwnLoop): Uevent[] {
  const { uevents } = collector;
  return uevents.filter(({ disk, properties }) => disk === name && properties.SYNTH_UUID);
}

/* What is made up. */

/** Properties of a device, each with a number and a mark of its own. */
class Lies {
  readonly #loop: OwnLoop;
  readonly #mark = crypto.randomUUID();
  #seqnum = BigInt(Date.now()) * 1000n;

  constructor(loop: OwnLoop) {
    this.#loop = loop;
  }

  say(said: Omit<Said, "seqnum" | "number">): string[] {
    const extra = [`LIE=${this.#mark}`, ...(said.extra ?? [])];
    const { number } = this.#loop;
    return loopProperties({ ...said, number, seqnum: ++this.#seqnum, extra });
  }

  /** That the instance is over and that another one has come. */
  later(): string[] {
    return this.say({ action: "change", diskseq: this.#loop.diskseq + 1000n });
  }

  told(collector: Collector): Uevent[] {
    return collector.uevents.filter(({ properties }) => properties.LIE === this.#mark);
  }
}

/** Whatever it says, it is not from where it would have to be. */
function forgedKinds(lies: Lies): Kind[] {
  const { bytes } = kernelMessage(lies.later());
  const kernel = (forged: Uint8Array): Forgery => ({ to: Group.Kernel, bytes: forged });
  return [
    ["as the kernel, from a port", "forged", kernel(bytes)],
    ["as the kernel, from a port, of nobody", "forged", { ...kernel(bytes), uid: 65534 }],
    [
      "64 KiB as the kernel",
      "forged",
      kernel(kernelMessage([...lies.later(), ...long(64 << 10)]).bytes),
    ],
    ["as udev, to the kernel's group", "forged", kernel(udevMessage(lies.later()).bytes)],
    ["one byte", "forged", kernel(Buffer.from("c"))],
    ["through the kernel", "forged", injection(lies.later())],
    ["through the kernel, of nobody", "forged", { ...injection(lies.later()), uid: 65534 }],
    ["as udev, of nobody", "forged", { ...udev(lies.later()), uid: 65534 }],
  ];
}

/** From root to udev's group, but not in udev's form. */
function brokenKinds(lies: Lies): Kind[] {
  const broken = (change: (bytes: Buffer, length: number) => void): Forgery => {
    const { to, bytes } = udev(lies.later());
    const copy = Buffer.from(bytes);
    change(copy, copy.length);
    return { to, bytes: copy };
  };
  const without = (key: string) => lies.later().filter((text) => !text.startsWith(`${key}=`));
  const offset = 16;
  const length = 20;
  const kinds: [string, Forgery][] = [
    ["another prefix", broken((bytes) => bytes.write("libudeV", "latin1"))],
    ["another magic", broken((bytes) => bytes.writeUInt32BE(0xfeedcaff, 8))],
    ["the magic of the other order", broken((bytes) => bytes.writeUInt32LE(0xfeedcafe, 8))],
    ["an offset past the end", broken((bytes, end) => bytes.writeUInt32LE(end + 1, offset))],
    ["an offset into the header", broken((bytes) => bytes.writeUInt32LE(8, offset))],
    ["a length past the end", broken((bytes, end) => bytes.writeUInt32LE(end - 39, length))],
    ["a length of all", broken((bytes) => bytes.writeUInt32LE(0xffffffff, length))],
    [
      "an offset and a length that wrap at 32 bits",
      broken((bytes, end) => {
        bytes.writeUInt32LE(0xffffff00, offset);
        bytes.writeUInt32LE(0x100 + end, length);
      }),
    ],
    ["no NUL at the end", broken((bytes, end) => bytes.fill(0x78, end - 1))],
    ["a header alone", { to: Group.Udev, bytes: udevHeader(0) }],
    ["half a header", { to: Group.Udev, bytes: udevHeader(0).subarray(0, 20) }],
    ["one byte", { to: Group.Udev, bytes: Buffer.from("l") }],
    ["NULs", { to: Group.Udev, bytes: Buffer.alloc(4096) }],
    ["as the kernel", { to: Group.Udev, bytes: kernelMessage(lies.later()).bytes }],
    ["64 KiB of keys and no DEVPATH", udev([...without("DEVPATH"), ...long(64 << 10)])],
    ["no DEVPATH", udev(without("DEVPATH"))],
    ["no SEQNUM", udev(without("SEQNUM"))],
    ["a SEQNUM beyond 64 bits", udev([...without("SEQNUM"), `SEQNUM=${1n << 70n}`])],
    ["a relative DEVPATH", udev([...without("DEVPATH"), "DEVPATH=devices/virtual/block/loop0"])],
    ["a DISKSEQ below 0", udev([...without("DISKSEQ"), "DISKSEQ=-1"])],
    ["two DISKSEQs", udev([...lies.later(), "DISKSEQ=1"])],
    ["a key without a value", udev([...lies.later(), "KEY"])],
  ];
  // more than all slots
  const huge = udev([...lies.later(), ...long(600 << 10)]);
  return [
    ...kinds.map(([what, forgery]): Kind => [what, "malformed", forgery]),
    ["600 KiB", "truncated", huge],
  ];
}

function udev(properties: readonly string[]): Forgery {
  const bytes = stringsBytes(properties);
  return { to: Group.Udev, bytes: Buffer.concat([udevHeader(bytes.length), bytes]) };
}

/** Keys of so many bytes together, or a few more. */
function long(bytes: number): string[] {
  return Array.from({ length: Math.ceil(bytes / 32) }, (_, n) => `KEY_${n}=`.padEnd(31, "x"));
}

test.run();
