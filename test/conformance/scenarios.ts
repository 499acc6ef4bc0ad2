/**
 * The sessions that the vectors are made of: each runs on a simulated kernel, or on a scripted one
 * where udev has its say, and leaves a tape. The same in every run: images lie in memory, time and
 * order come from a seed.
 */
import {
  Command,
  CommandFlag,
  type CoreOptions,
  defaultCoreOptions,
  Partscan,
} from "../../host/core.ts";
import { Session, SimKernel, type SimOptions } from "../../host/sim/index.ts";
import { Bench } from "../helpers/bench.ts";
import { Lockstep, openWasm } from "../helpers/cores.ts";
import { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { listenTo, mbrImage, twoSlots } from "../helpers/simulations.ts";
import { imageOfVector, readVectorFiles } from "../helpers/vectors.ts";
import { mbrImage as scriptedImage } from "../unit/core-scene.ts";
import { playEvents, playRefusals } from "./by-hand.ts";
import { Tape } from "./tape.ts";

export interface Scenario {
  /** of its file */
  readonly name: string;
  readonly title: string;
  record(): Promise<Tape>;
}

const path = "/disk.img";
const millisecond = 1_000_000n;
const capacities = { operations: 4, partitions: 16, watches: 8 };

function tape(own: Partial<CoreOptions> = {}): Tape {
  return new Tape(openWasm({ seed: 1n, ...capacities, ...own }));
}

interface Play {
  readonly session: Session;
  readonly kernel: SimKernel;
  /** another process on the same machine, which is on no tape */
  spawn(): Session;
}

/** A session on a simulated kernel with one image of two partitions. */
async function simulated(
  options: Partial<SimOptions>,
  work: (play: Play) => Promise<void>,
  own: Partial<CoreOptions> = {},
): Promise<Tape> {
  const made = tape({ seed: BigInt(options.seed ?? 1), ...own });
  const images = { [path]: mbrImage(twoSlots) };
  const kernel = new SimKernel({ version: "6.1.192", clock: "virtual", images, ...options });
  const session = new Session(kernel, { core: made.core });
  const others: Session[] = [];
  const spawn = (): Session => {
    const other = new Session(kernel.spawn(), { seed: 9n, operations: 4 });
    others.push(other);
    return other;
  };
  await work({ session, kernel, spawn });
  for (const one of [...others, session]) await one.close();
  return made;
}

/** The image of a test vector for parsers. */
function tableImage(file: string, title: string) {
  const found = readVectorFiles().find(({ name }) => name === file);
  const vector = found?.vectors.find((one) => one.title === title);
  if (vector === undefined) throw new Error(`${file} has no vector '${title}'`);
  return imageOfVector(vector);
}

function tableSimImage(file: string, title: string) {
  const { size, pieces } = tableImage(file, title);
  return { size, pieces: pieces.map(([offset, bytes]) => ({ offset, bytes })) };
}

function played(play: (tape: Tape) => void): Tape {
  const made = tape();
  play(made);
  return made;
}

/** How it ended is in the vectors. */
async function either(work: Promise<unknown>): Promise<void> {
  await work.catch(() => {});
}

async function attachAndDetach({ session }: Play): Promise<void> {
  const disk = await session.attach(path);
  await disk.detach();
}

/** A scripted kernel with an image of the same two partitions. */
function scripted() {
  const made = tape();
  const kernel = new ScriptedKernel(scriptedImage());
  kernel.table = twoSlots;
  const bench = new Bench(new Lockstep([made.core]), kernel);
  kernel.uevents.audience = bench;
  return { made, kernel, bench };
}

export const scenarios: readonly Scenario[] = [
  {
    name: "attach-mbr",
    title: "an attach with two partitions of an MBR, and its detach; a core of the usual size",
    record: () => simulated({}, attachAndDetach, defaultCoreOptions),
  },
  {
    name: "attach-gpt",
    title: "a GPT whose partitions are made one by one, read-only, at a device that is asked for",
    record: () => {
      const image = tableSimImage("gpt.md", "Unused entries between used ones");
      return simulated({ images: { [path]: image } }, async ({ session }) => {
        const disk = await session.attach(path, { partscan: "user", readOnly: true, device: 5 });
        await disk.detach();
      });
    },
  },
  {
    name: "attach-logical",
    title: "logical partitions of an MBR in an image that cannot be written; no udevd to await",
    record: () => {
      const title = "Two logicals, after a primary, extended of type 0f";
      const image = { ...tableSimImage("mbr-logical.md", title), isWritable: false };
      const options = { images: { [path]: image }, version: "7.2.13" };
      return simulated(options, async ({ session }) => {
        const disk = await session.attach(path, { udev: true, directIO: true });
        await disk.detach();
      });
    },
  },
  {
    name: "one-call",
    title: "a kernel whose scan does not race: LOOP_CONFIGURE makes the partitions",
    record: () =>
      simulated({ version: "7.2.13" }, async ({ session }) => {
        const disk = await session.attach(path, { fast: true });
        await disk.detach();
      }),
  },
  {
    name: "hidden-node",
    title: "no private node is to be had: one in /dev under a name of our own",
    record: () =>
      simulated({ faults: [{ step: "make-private", errno: "ENOSYS" }] }, attachAndDetach),
  },
  {
    name: "old-kernel",
    title: "before 5.8: LOOP_SET_FD, no diskseq, identity is best effort",
    record: () => simulated({ version: "5.4.0" }, attachAndDetach),
  },
  {
    name: "no-parsers",
    title: "a kernel that cannot read the table: undone, and made by BLKPG",
    record: () => simulated({ parsers: false, version: "6.12.90" }, attachAndDetach),
  },
  {
    name: "retries",
    title: "tries that are lost to others, and back-off",
    record: () => {
      const faults = [
        { call: "LOOP_CONFIGURE", nth: 1, errno: "EBUSY" },
        { call: "LOOP_CONFIGURE", nth: 2, errno: "EAGAIN" },
        { step: "open-device", nth: 3, errno: "ENXIO" },
      ];
      return simulated({ faults, seed: 3 }, attachAndDetach);
    },
  },
  {
    name: "failures",
    title: "calls that fail for good: all is given back, and the error told",
    record: () => {
      const nths = [2, 9, 25, 50, 81];
      const faults = nths.map((nth) => ({ nth, errno: "EIO" }));
      return simulated({ faults, version: "6.12.90" }, async ({ session }) => {
        for (const _ of nths) await either(session.attach(path).then((disk) => disk.detach()));
      });
    },
  },
  {
    name: "timeout",
    title: "a call that takes too long: timed out, undone, reported early, aborted",
    record: () => {
      const faults = [{ call: "LOOP_CONFIGURE", nth: 1, delayMs: 4000 }];
      return simulated({ faults, latencyMs: 5 }, async ({ session }) => {
        await either(session.attach(path, { timeoutMs: 500 }));
        const aborted = new AbortController();
        const onStep = () => aborted.abort();
        await either(session.attach(path, { signal: aborted.signal, onStep }));
      });
    },
  },
  {
    name: "busy",
    title: "somebody has a partition open: a rescan, and a detach that is deferred and timed out",
    record: () =>
      simulated({}, async ({ session, spawn }) => {
        const disk = await session.attach(path);
        const block = await spawn().openBlock("/dev/loop0p3");
        await either(session.rescan(disk.device));
        await either(disk.detach({ timeoutMs: 1000 }));
        await block.close();
      }),
  },
  {
    name: "overlap",
    title: "what others have: the same bytes, a number, a lock; another instance, and none",
    record: () =>
      simulated({ version: "6.18.44" }, async ({ session, spawn }) => {
        const disk = await spawn().attach(path);
        await either(session.attach(path));
        await either(session.attach(path, { device: 0, allowOverlap: true }));
        await either(session.rescan(disk.device, { timeoutMs: 50 }));
        await either(session.detach({ device: disk.device, diskseq: 77n }));
        await disk.detach();
        await either(session.detach(disk.device));
      }),
  },
  {
    name: "waits",
    title: "waits and subscriptions while others attach, detach and attach again",
    record: () =>
      simulated({ seed: 11, version: "6.12.90" }, async ({ session, spawn }) => {
        const ear = await listenTo(session);
        const ready = session.waitFor({ device: "loop0", partitions: [1, 3] });
        const other = spawn();
        const disk = await other.attach(path, { persistent: true });
        await ready;
        const diskseq = disk.diskseq ?? 0n;
        const own = await session.monitor({ disk: "loop0", diskseq });
        const over = session.waitFor({ diskseq, removed: true });
        await disk.detach();
        await over;
        const later = session.waitFor({ device: "loop0", diskseq }).catch(() => {});
        const again = await other.attach(path);
        await later;
        await either(session.waitFor({ device: "loop0", diskseq }));
        await again.detach();
        own.close();
        await ear.stop();
      }),
  },
  {
    name: "losses",
    title: "half of the datagrams are lost: gaps are told, waits come true all the same",
    record: () =>
      simulated({ seed: 5, loss: 0.5, version: "7.2.13" }, async ({ session }) => {
        const ear = await listenTo(session);
        const wait = session.waitFor({ device: "loop0", partitions: [1, 3] });
        const disk = await session.attach(path);
        await wait;
        await disk.detach();
        await ear.stop();
      }),
  },
  {
    name: "udev",
    title: "udev is awaited; it is silent and asked; it stays silent and the time is over",
    record: async () => {
      const { made, kernel, bench } = scripted();
      const flags = CommandFlag.Udev | CommandFlag.AllowOverlap;
      const attach = { command: Command.Attach, flags };
      const { udev } = kernel.uevents;
      udev.isRunning = true;
      bench.run(attach);
      udev.processes = "synthetic";
      bench.run(attach);
      udev.processes = "none";
      bench.run({ ...attach, timeoutNs: 300n * millisecond });
      return made;
    },
  },
  {
    name: "change",
    title: "the file grew and has another table: resize, rescan",
    record: () =>
      simulated({}, async ({ session, kernel }) => {
        const disk = await session.attach(path);
        const slots = [
          { number: 1, start: 8, size: 8 },
          { number: 2, start: 256, size: 64 },
        ];
        kernel.setImage(path, mbrImage(slots, 2 << 20));
        await session.resize(path);
        await session.rescan(disk.device);
        await disk.detach();
      }),
  },
  {
    name: "sweep",
    title: "partitions that a death left on an unbound device are swept, but the one in use",
    record: async () => {
      const { made, kernel, bench } = scripted();
      const disk = kernel.disk(0);
      for (const { number, start, size } of twoSlots) {
        disk.partitions.set(number, { number, start, size });
      }
      disk.used.add(1);
      bench.run({ command: Command.Sweep, number: 0 });
      disk.used.clear();
      bench.run({ command: Command.Sweep, number: 0 });
      return made;
    },
  },
  {
    name: "events",
    title: "what a datagram can be to an instance: stale, mine, later, its end, out of order",
    record: async () => played(playEvents),
  },
  {
    name: "refusals",
    title: "commands, datagrams and completions that are refused, and change nothing",
    record: async () => played(playRefusals),
  },
  {
    name: "probe",
    title: "tables that are decoded, are ambiguous, or lead in a circle",
    record: async () => {
      const made = tape({ partitions: 64 });
      const cases = [
        ["gpt.md", "Both copies are good, 4096-byte sectors"],
        ["gpt.md", "Headers of two sector sizes"],
        ["gpt.md", "Names with lone surrogates, control characters, and units after a NUL"],
        ["mbr-logical.md", "30 logicals"],
        ["mbr-logical.md", "A loop of five links after a tail of 25"],
      ] as const;
      const lockstep = new Lockstep([made.core]);
      for (const [file, title] of cases) {
        const bench = new Bench(lockstep, new ScriptedKernel(tableImage(file, title)));
        bench.run({ command: Command.Probe, partscan: Partscan.Kernel });
      }
      return made;
    },
  },
  {
    name: "panic",
    title: "a host whose time runs backwards: the core panics",
    record: async () => {
      const made = tape();
      made.core.handleTimeout(2n);
      try {
        made.core.handleTimeout(1n);
      } catch {
        // That is the point: the input stays on the tape, without an answer.
      }
      return made;
    },
  },
];
