/**
 * The probe of the kernel's scan, and the attach in one call that it allows: the verdict of each
 * version, never `fixed` where it is not, whoever meddles and whatever fails; nothing is left.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { Ioctl, OpenFlag } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { blankCall } from "../../host/list.ts";
import type { Kernel } from "../../host/sim/index.ts";
import { LoopError, Session, SimKernel, type SimOptions, simulate } from "../../host/sim/index.ts";
import { KernelDecorator, LyingKernel, WatchedKernel } from "../helpers/kernels.ts";
import { mbrImage, twoSlots } from "../helpers/simulations.ts";

const path = "/images/disk.img";
/** The device that the probe takes first. */
const number = 4095;

const verdicts = {
  "5.4.286": "unknown", // no LOOP_CONFIGURE
  "5.8.5": "fixed",
  "5.10.223": "fixed",
  "5.15.100": "racy",
  "5.15.140": "unknown", // BLKPG adds nothing
  "5.15.215": "racy",
  "5.18.5": "racy",
  "6.1.192": "racy",
  "6.6.140": "racy",
  "6.6.141": "fixed",
  "6.12.90": "racy",
  "6.12.91": "fixed",
  "6.18.32": "racy",
  "6.18.33": "fixed",
  "7.0.0": "racy",
  "7.2.13": "fixed",
} as const;

for (const [version, verdict] of Object.entries(verdicts)) {
  test(`${version}: ${verdict}, and nothing is left`, async () => {
    const session = open({ version });
    const before = session.kernel.listNames();
    assert.is(await session.probeScan(), verdict);
    assert.equal(session.kernel.listNames(), before);
    assert.equal(await session.list(), []);
    await session.close();
  });
}

test("where the module forces a scan nothing can be shown", async () => {
  for (const version of ["6.1.192", "7.2.13"]) {
    const session = open({ version, maxPart: 15 });
    assert.is(await session.probeScan(), "unknown");
    await session.close();
  }
});

test("whichever call fails: no false verdict, and nothing is left", async () => {
  for (const version of ["6.1.192", "7.2.13"] as const) {
    const session = open({ version });
    const before = session.kernel.listNames();
    const found = new Set<string>();
    for (let nth = 1, isOver = false; !isOver; nth++) {
      const kernel = new Watched(session.kernel.spawn({ faults: [{ nth, errno: "EIO" }] }));
      const other = new Session(kernel);
      const verdict = await other.probeScan();
      isOver = kernel.calls < nth;
      assert.ok(verdict === "unknown" || verdict === verdicts[version], `${version}, call ${nth}`);
      found.add(verdict);
      await other.close();
      // What cannot be removed is left as others expect it.
      if (session.kernel.listNames().length > before.length) await remove(session);
      assert.equal(session.kernel.listNames(), before, `${version}, call ${nth}`);
      assert.equal(await session.list(), []);
    }
    assert.equal([...found].sort(), [verdicts[version], "unknown"].sort());
    await session.close();
  }
});

test("what a killed probe leaves without a node the next one takes away", async () => {
  for (const version of ["6.1.192", "7.2.13"] as const) {
    const sim = machine({ version });
    const before = sim.listNames();
    let left = 0;
    for (let nth = 1, isOver = false; !isOver; nth++) {
      const doomed = new Doomed(sim.spawn(), nth);
      const verdict = new Session(doomed).probeScan();
      isOver = (await Promise.race([verdict, doomed.killed])) !== undefined;
      const next = new Session(sim.spawn());
      // Between two calls it is a device as any other.
      if (sim.listNames().includes(`loop${number}`)) {
        if (isOpenable(sim)) await remove(next);
        else left += 1;
      }
      assert.is(await next.probeScan(), verdicts[version], `after call ${nth}`);
      assert.equal(sim.listNames(), before, `after call ${nth}`);
      await next.close();
    }
    assert.ok(left > 10, `${left}`);
  }
});

test("an opener at every moment hides no pending scan; without the removal it does", async () => {
  for (const isNodeKept of [false, true]) {
    const sim = machine({ version: "6.1.192" });
    const opener = sim.spawn();
    const lying = new LyingKernel(sim);
    lying.instead = ({ call, place }) =>
      isNodeKept && call === Call.RemoveNode && place === Place.Disk ? 0 : undefined;
    const kernel = new Watched(sim, lying);
    let opened = 0;
    kernel.before = () => {
      const descriptor = openDisk(opener);
      if (descriptor >= 0) opener.perform({ ...blankCall, call: Call.Close, descriptor });
      opened += descriptor >= 0 ? 1 : 0;
      return undefined;
    };
    const session = new Session(kernel);
    assert.is(await session.probeScan(), isNodeKept ? "fixed" : "racy");
    assert.ok(opened > 0, "the opener was never there");
    await session.close();
  }
});

test("who has the device open is waited for, not for ever; then it keeps its node", async () => {
  for (const letsGo of [true, false]) {
    const sim = machine({ version: "7.2.13" });
    const holder = sim.spawn();
    const kernel = new Watched(sim);
    let descriptor = -1;
    kernel.before = ({ call, place }) => {
      if (call === Call.RemoveNode && place === Place.Disk) descriptor = openDisk(holder);
      return undefined;
    };
    const letGo = (): number => holder.perform({ ...blankCall, call: Call.Close, descriptor }) as 0;
    if (letsGo) sim.alarm(sim.now() + 300_000_000n, letGo);
    const session = new Session(kernel);
    const began = sim.now();
    assert.is(await session.probeScan(), letsGo ? "fixed" : "unknown");
    assert.ok(descriptor >= 0);
    assert.ok(sim.now() - began < 6_000_000_000n);
    if (!letsGo) {
      letGo();
      await remove(session);
    }
    assert.not.ok(sim.listNames().includes(`loop${number}`));
    await session.close();
  }
});

test("a number that is taken is let be", async () => {
  const session = open({ version: "7.2.13" });
  const taken = await session.attach(path, { device: number });
  assert.is(await session.probeScan(), "fixed");
  assert.is((await session.list()).length, 1);
  await taken.detach();
  await session.close();
});

test("fast is one call where that is safe, else the split, and is asked once", async () => {
  for (const [version, calls] of [
    ["7.2.13", []],
    ["6.1.192", ["drain-open", "drain-close", "drain-list", "scan-status", "scan-set"]],
  ] as const) {
    const kernel = new Watched(machine({ version }));
    const session = new Session(kernel);
    const steps: string[] = [];
    const onStep = ({ step }: { step: string }): void => void steps.push(step);
    const options = { fast: true, allowOverlap: true } as const;
    const disks = await Promise.all([1, 2].map(() => session.attach(path, options)));
    disks.push(await session.attach(path, { ...options, onStep }));
    assert.equal(
      steps.filter((step) => /^(drain|scan)/.test(step)),
      calls,
    );
    assert.is(kernel.probes, 1);
    for (const { partscan, partitions } of disks) {
      assert.equal([partscan, ...partitions.map(({ by }) => by)], ["kernel", "kernel", "kernel"]);
    }
    await session.close();
  }
});

test("without fast, and where the kernel is not to scan, nothing is asked", async () => {
  const kernel = new Watched(machine({ version: "7.2.13" }));
  const session = new Session(kernel);
  const all = [{}, { fast: true, partscan: "user" }, { fast: true, partscan: "none" }] as const;
  for (const options of all) await (await session.attach(path, options)).detach();
  assert.is(kernel.probes, 0);
  await session.close();
});

test("the time that the question takes is the attach's; nothing is left", async () => {
  const faults = [
    { call: "LOOP_CTL_ADD", delayMs: 2000 },
    { step: "open-image", delayMs: 1 },
  ];
  const session = open({ version: "7.2.13", faults });
  const before = session.kernel.listNames();
  const error = await session.attach(path, { fast: true, timeoutMs: 1000 }).catch((one) => one);
  assert.instance(error, LoopError);
  assert.is((error as LoopError).code, "ERR_LOOP_TIMEOUT");
  assert.equal(session.kernel.listNames(), before);
  assert.equal(await session.list(), []);
  await session.close();
});

test("an abort leaves no device, and the verdict to the next", async () => {
  const kernel = new Watched(machine({ version: "7.2.13" }));
  const before = kernel.listNames();
  const session = new Session(kernel);
  const controller = new AbortController();
  kernel.before = ({ request }) => {
    if (request === Ioctl.LOOP_CONFIGURE) controller.abort(new Error("enough"));
    return undefined;
  };
  const aborted = session.attach(path, { fast: true, signal: controller.signal });
  assert.is(await aborted.catch((error: Error) => error.message), "enough");
  assert.equal(kernel.listNames(), before);
  const disk = await session.attach(path, { fast: true });
  assert.is(disk.partitions.length, 2);
  assert.is(kernel.probes, 1);
  await session.close();
});

/** Counts probes, and keeps the simulation's time. */
class Watched extends WatchedKernel {
  readonly #sim: SimKernel;
  probes = 0;

  constructor(sim: SimKernel, inner: Kernel = sim) {
    super(inner);
    this.#sim = sim;
    this.after = ({ request, argument }) => {
      const isProbe = request === Ioctl.LOOP_CTL_ADD && argument === BigInt(number);
      if (isProbe) this.probes += 1;
      return undefined;
    };
  }

  alarm(at: bigint, ring: () => void): () => void {
    return this.#sim.alarm(at, ring);
  }
}

/** Is killed at its nth call. */
class Doomed extends KernelDecorator {
  readonly killed: Promise<undefined>;
  readonly #sim: SimKernel;
  #left: number;
  #die: (value: undefined) => void = () => {};

  constructor(sim: SimKernel, nth: number) {
    super(sim);
    this.#sim = sim;
    this.#left = nth;
    this.killed = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  override perform(call: KernelCall): number | Promise<number> {
    this.#left -= 1;
    if (this.#left > 0) return super.perform(call);
    this.#sim.kill();
    this.#die(undefined);
    return new Promise(() => {});
  }

  alarm(at: bigint, ring: () => void): () => void {
    return this.#sim.alarm(at, ring);
  }
}

function isOpenable(kernel: SimKernel): boolean {
  const descriptor = openDisk(kernel);
  if (descriptor >= 0) kernel.perform({ ...blankCall, call: Call.Close, descriptor });
  return descriptor >= 0;
}

function machine(options: SimOptions): SimKernel {
  const images = { [path]: mbrImage(twoSlots) };
  return new SimKernel({ clock: "virtual", images, ...options });
}

function open(options: SimOptions) {
  const images = { [path]: mbrImage(twoSlots) };
  return simulate({ clock: "virtual", images, ...options });
}

function openDisk(kernel: SimKernel): number {
  const request = OpenFlag.O_NONBLOCK;
  return kernel.perform({
    ...blankCall,
    ...{ call: Call.Open, place: Place.Disk, number, request },
  }) as number;
}

/** The probe's device, by its public node: an attach to that number, and its removal. */
async function remove(session: Session): Promise<void> {
  await (await session.attach(path, { device: number })).detach();
  const call = { ...blankCall, call: Call.Open, place: Place.Control, request: OpenFlag.O_RDWR };
  const descriptor = await session.kernel.perform(call);
  const request = Ioctl.LOOP_CTL_REMOVE;
  const argument = BigInt(number);
  const control = { ...blankCall, descriptor, request, argument };
  assert.ok((await session.kernel.perform({ ...control, call: Call.IoctlValue })) >= 0);
  await session.kernel.perform({ ...control, call: Call.Close });
}

test.run();
