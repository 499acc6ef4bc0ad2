/**
 * A partition that is opened after it was unplugged: whoever looked it up before still gets it. It
 * is listed nowhere and keeps every scan of its disk away, of later instances too, and the kernel
 * says nothing of that.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { Step } from "../../assembly/core/steps.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { Session, simulate } from "../../host/sim/index.ts";
import type { SimKernel } from "../../host/sim/kernel.ts";
import { mbrImage, numbered, twoSlots } from "../helpers/simulations.ts";

const path = "/images/disk.img";
/** Most need a few dozen. */
const roundsMax = 1000;
const versions = ["5.10.223", "6.1.192", "6.12.90", "7.2.13"];

function perform(kernel: SimKernel, words: object): number | Promise<number> {
  const none = { ticket: 0, operation: 0, step: 0, descriptor: -1, request: 0, place: Place.Disk };
  const rest = { number: 0, partition: 0, argument: 0n, argument2: 0n, path: undefined };
  const bytes = new Uint8Array(0);
  return kernel.perform({ ...none, ...rest, bytes, call: Call.Open, ...words });
}

function numbers(session: ReturnType<typeof open>, disk = "loop0"): number[] {
  const names = session.kernel.listNames(disk).filter((name) => name.startsWith(`${disk}p`));
  return names.map((name) => Number(name.slice(disk.length + 1))).sort();
}

/** Tells of every call of a session's before it is made. */
function listening(kernel: SimKernel, tell: (call: KernelCall) => void): SimKernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "perform") return value.bind(target);
      return (call: KernelCall) => {
        tell(call);
        return target.perform(call);
      };
    },
  });
}

/** Opens a partition again and again while it is unplugged, until that is an orphan. */
async function orphan(session: ReturnType<typeof open>, kernel = session.kernel.spawn()) {
  let opened: (number | Promise<number>)[] = [];
  const victim = new Session(
    listening(session.kernel, ({ step }) => {
      if (step !== Step.ClearTarget) return;
      opened.push(perform(kernel, { place: Place.Partition, partition: 3 }));
    }),
  );
  for (let round = 0; round < roundsMax; round++) {
    const disk = await victim.attach(path);
    opened = [];
    const isOver = await disk.detach({ timeoutMs: 10 }).then(
      () => true,
      () => false,
    );
    const descriptors = (await Promise.all(opened)).filter((one) => one >= 0);
    const close = async () => {
      for (const descriptor of descriptors) await perform(kernel, { call: Call.Close, descriptor });
    };
    // Who comes too early holds the device, who comes too late is told that nothing is there.
    if (isOver && descriptors.length > 0 && numbers(session).length === 0) return close;
    await close();
  }
  throw new Error(`no orphan in ${roundsMax} rounds`);
}

function open(version: string, seed: number) {
  return simulate({ version, clock: "virtual", images: { [path]: mbrImage(twoSlots) }, seed });
}

for (const version of versions) {
  test(`${version}: a disk that cannot be scanned is waited for`, async () => {
    const session = open(version, 1);
    const close = await orphan(session);
    const attach = session.attach(path, { device: 0 });
    session.kernel.alarm(session.kernel.now() + 100_000_000n, () => void close());
    const disk = await attach;
    assert.equal([disk.device, disk.partscan], ["/dev/loop0", "kernel"]);
    assert.is(disk.partitions.length, 2);
    await session.close();
  });

  // Before 5.15 nobody can tell that what is still bound there is ours.
  if (!numbered.includes(version)) continue;
  test(`${version}: another is taken where any will do`, async () => {
    const session = open(version, 2);
    const close = await orphan(session);
    const disk = await session.attach(path);
    assert.equal([disk.device, disk.partscan], ["/dev/loop1", "kernel"]);
    assert.is(disk.partitions.length, 2);
    await close();
    const second = await session.attach(path, { allowOverlap: true });
    assert.equal([second.device, second.partscan], ["/dev/loop0", "kernel"]);
    await session.close();
  });
}

/** When the stranger lets go: a step of the attach, and which time. */
const ends = [
  [Step.AddPartition, 1],
  [Step.ListPartitions, 1],
  [Step.OpenNode, 1],
  [Step.StatNode, 1],
  [Step.SeqNode, twoSlots.length],
] as const;
for (const [end, time] of ends) {
  test(`what a scan drops that was put off until ${Step[end]} is made elsewhere`, async () => {
    const session = open("6.1.192", end);
    const close = await orphan(session);
    let times = 0;
    const closing = listening(session.kernel, ({ step }) => {
      if (step === end && ++times === time) void close();
    });
    const disk = await new Session(closing).attach(path, { partscan: "user" });
    assert.equal([disk.device, disk.partscan], ["/dev/loop1", "user"]);
    assert.equal(numbers(session, "loop1"), [1, 3]);
    await session.close();
  });
}

test.run();
