/**
 * Fuzzes the reader of uevents and the ordering machine behind it: every truncation of a corpus of
 * real datagrams, and a million mutations of them, on both builds and before an independent oracle.
 * No panic, no wrong verdict, Wasm equal to JavaScript.
 *
 * `DISKSEQ_SEED=N` repeats a run (the seed is printed), with `DISKSEQ_BATCH=N` one batch of it;
 * `DISKSEQ_RUNS=N` makes so many mutations.
 */
import { stopCoverage } from "node:v8";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Action, Command, CommandFlag, Fault, Group, Mark, Verdict } from "../../assembly/abi.ts";
import { type Core, loadJsCore } from "../../host/core.ts";
import { Lockstep, openWasm } from "../helpers/cores.ts";
import type { Shown } from "../helpers/judge.ts";
import { type Facts, readNaively } from "../helpers/naive-uevent.ts";
import { note } from "../helpers/note.ts";
import { Stage } from "../helpers/stage.ts";
import { escaped, readCorpus, udevHeaderBytes } from "./corpus.ts";
import { Draws } from "./draws.ts";
import { Duel } from "./duel.ts";
import { Mutator, middle, ownDisk, secondDisk } from "./mutate.ts";
import { type Expected, type Input, Oracle, type Subscription } from "./oracle.ts";

// Other tests cover the same lines; to count them a million times costs half as much again.
stopCoverage();

const file = "build/test/fuzz/uevents.test.js";
const { DISKSEQ_SEED: seedText, DISKSEQ_RUNS: runsText, DISKSEQ_BATCH: batchText } = process.env;
const seed = seedText === undefined ? Date.now() % 2 ** 31 : Number(seedText);
const runs = Number(runsText ?? 1_000_000);
const batchRuns = 250;
/** Of a datagram that fails. */
const shownBytes = 4096;

const options = { operations: 1, partitions: 4, watches: 16 };
/** Records of disks: each watch, each operation and the lookout may hold one; two are held. */
const idleMax = options.watches + options.operations + 1 - 2;
const corpus = readCorpus();

const shown: Shown = { diskseq: BigInt(middle), isBound: true, partitions: [1, 2] };
const both = CommandFlag.Udev;
const wanted: readonly Omit<Subscription, "number">[] = [
  { name: "", diskseq: 0n, flags: both },
  { name: "", diskseq: 0n, flags: CommandFlag.Udev | CommandFlag.NoKernelGroup },
  { name: ownDisk, diskseq: BigInt(middle), flags: both },
  { name: ownDisk, diskseq: BigInt(middle + 1), flags: 0 },
  { name: ownDisk, diskseq: 0n, flags: both },
  { name: ownDisk, diskseq: 0n, flags: CommandFlag.BestEffort },
  { name: secondDisk, diskseq: BigInt(middle - 1), flags: both },
];

/** Cores with the subscriptions, and what they are told before the first datagram. */
function openStage(cores: readonly Core[]) {
  const stage = new Stage(new Lockstep(cores, false));
  stage.disks.set(ownDisk, shown);
  const subscriptions = wanted.map((one): Subscription => {
    const { name, diskseq, flags } = one;
    return { ...one, number: stage.open(Command.Watch, name, { diskseq, flags }).number };
  });
  const oracle = (read = readNaively) => {
    const made = new Oracle(subscriptions, idleMax, read);
    made.looked(ownDisk, shown, false);
    return made;
  };
  return { stage, subscriptions, oracle };
}

async function openDuel(wrap: (core: Core) => Core = (core) => core) {
  const cores = [openWasm(options), wrap(await loadJsCore(options))];
  const { stage, subscriptions, oracle } = openStage(cores);
  return { cores, duel: new Duel(cores, subscriptions, stage.lockstep.now), oracle };
}

type Opened = Awaited<ReturnType<typeof openDuel>>;

/** How often each fault, verdict and mark was seen. */
type Counts = Map<string, number>;

function count(counts: Counts, { fault, told }: Expected): void {
  const add = (name: string | undefined) =>
    counts.set(name ?? "", (counts.get(name ?? "") ?? 0) + 1);
  add(Fault[fault]);
  for (const judgement of told) {
    if (!judgement) continue;
    add(Verdict[judgement.verdict]);
    for (let bit = 1; bit <= Mark.First; bit *= 2) {
      if ((judgement.marks & bit) !== 0) add(Mark[bit]);
    }
  }
}

function describe({ datagram: { bytes, ...sender }, slot }: Input): string {
  const text = escaped(bytes.subarray(0, shownBytes));
  const more = bytes.length > shownBytes ? ` and ${bytes.length - shownBytes} bytes` : "";
  return `slot ${slot}, ${JSON.stringify(sender)}: ${text}${more}`;
}

/** One batch: from the same state, with numbers of its own. */
function runBatch(opened: Opened, from: number, batch: number, read = readNaively): Counts {
  const { duel } = opened;
  const oracle = opened.oracle(read);
  const mutator = new Mutator(new Draws(from, batch), corpus);
  const counts: Counts = new Map();
  duel.reset();
  for (let index = 0; index < batchRuns; index++) {
    const input = mutator.next();
    const expected = oracle.expect(input);
    try {
      duel.hear(input, expected);
      if (batchText !== undefined || index === batchRuns - 1) duel.hash();
    } catch (cause) {
      const command = `DISKSEQ_SEED=${from} DISKSEQ_BATCH=${batch} node ${file}`;
      throw new Error(`${String(cause)}\n${describe(input)}\nalone: ${command}`, { cause });
    }
    count(counts, expected);
    const seqnum = Number(expected.facts?.seqnum ?? 0);
    if (seqnum > mutator.seqnum && seqnum < Number.MAX_SAFE_INTEGER / 2) mutator.seqnum = seqnum;
  }
  return counts;
}

test("the corpus is taken, and no truncation of it is", async () => {
  const { duel, oracle } = await openDuel();
  assert.ok(corpus.length > 80);
  for (const { datagram, strings } of corpus) {
    duel.reset();
    const judge = oracle();
    for (let length = 0; length <= datagram.bytes.length; length++) {
      const input = {
        datagram: { ...datagram, bytes: datagram.bytes.subarray(0, length) },
        slot: 0,
      };
      const expected = judge.expect(input);
      const isWhole = length === datagram.bytes.length;
      assert.is(expected.fault, isWhole ? Fault.Ok : Fault.Malformed, `${strings} at ${length}`);
      duel.hear(input, expected);
    }
    duel.hash();
  }
});

test("a truncation that udev's header knows of is taken only where a string ends", async () => {
  const { duel, oracle } = await openDuel();
  const udev = corpus.filter(({ group }) => group === Group.Udev);
  let taken = 0;
  for (const { datagram } of udev) {
    duel.reset();
    const judge = oracle();
    for (let length = udevHeaderBytes; length < datagram.bytes.length; length++) {
      const bytes = Buffer.from(datagram.bytes.subarray(0, length));
      bytes.writeUInt32LE(length - udevHeaderBytes, 20);
      const input = { datagram: { ...datagram, bytes }, slot: 0 };
      const expected = judge.expect(input);
      // What is left out may be no more than what nobody reads: then its SEQNUM is known.
      if (bytes.at(-1) !== 0) assert.is(expected.fault, Fault.Malformed, escaped(bytes));
      if (expected.fault === Fault.Ok) taken += 1;
      duel.hear(input, expected);
    }
  }
  assert.is(taken, udev.length);
});

test(`${runs} mutations: no panic, no wrong verdict, Wasm equal to JavaScript`, async () => {
  const opened = await openDuel();
  const batches = Math.ceil(runs / batchRuns);
  const counts: Counts = new Map();
  const began = performance.now();
  const from = batchText === undefined ? 0 : Number(batchText);
  const to = batchText === undefined ? batches : from + 1;
  note(`seed ${seed}: DISKSEQ_SEED=${seed} node ${file} repeats this run`);
  for (let batch = from; batch < to; batch++) {
    for (const [name, times] of runBatch(opened, seed, batch)) {
      counts.set(name, (counts.get(name) ?? 0) + times);
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const list = [...counts].map(([name, times]) => `${name} ${times}`);
  note(`${(to - from) * batchRuns} datagrams in ${seconds} s: ${list.join(", ")}`);
  if (to - from < 40) return;
  const faults = ["Ok", "BadArgument", "Forged", "Truncated", "Malformed", "Duplicate"];
  const verdicts = ["None", "Stale", "Mine", "Later", "BestEffort"];
  const marks = ["OutOfOrder", "MediaChange", "Synthetic", "Ends", "First"];
  for (const name of [...faults, ...verdicts, ...marks]) assert.ok(counts.has(name), `no ${name}`);
  const inputs = (to - from) * batchRuns;
  assert.ok((counts.get("Ok") ?? 0) > inputs / 4, "too few are taken");
  assert.ok((counts.get("Malformed") ?? 0) > inputs / 4, "too few are refused");
});

test("no mutation ends a wait, whatever it wakes", async () => {
  const cores = [openWasm(options), await loadJsCore(options)];
  const { stage, oracle } = openStage(cores);
  const diskseq = BigInt(middle);
  const waits = [
    stage.open(Command.Wait, ownDisk, { diskseq, partitionMask: 1n << 77n }),
    stage.open(Command.Wait, ownDisk, { diskseq, flags: CommandFlag.Removed }),
    stage.open(Command.Wait, ownDisk, { diskseq: diskseq + 1n }),
  ];
  const judge = oracle();
  let looks = 0;
  stage.onLooked = (name, disk, isLossy) => {
    looks += 1;
    if (disk) judge.looked(name, disk, isLossy);
  };
  const mutator = new Mutator(new Draws(seed, -1), corpus);
  for (let index = 0; index < 40 * batchRuns; index++) {
    const input = mutator.next();
    const expected = judge.expect(input);
    const { fault, told } = stage.hear(input.datagram, input.slot);
    const place = `${describe(input)}\nagain: DISKSEQ_SEED=${seed} node ${file}`;
    assert.is(fault, expected.fault, place);
    assert.is(told.size, expected.told.filter((one) => one !== undefined).length, place);
    for (const wait of waits) assert.is(wait.ended, undefined, place);
  }
  stage.lockstep.hash();
  assert.ok(looks > 200, `${looks} looks`);
});

/** Readers with a mistake each that somebody might make. */
const wrongs: Readonly<Record<string, typeof readNaively>> = {
  "numbers are doubles": (group, bytes) =>
    changed(group, bytes, (facts) => ({ seqnum: BigInt(Number(facts.seqnum)) })),
  "numbers of 20 digits are read": (group, bytes) =>
    readNaively(group, replaced(bytes, /((?:SEQNUM|DISKSEQ)=\d{19})\d\0/, "$1\0")),
  "the last NUL need not be there": (group, bytes) =>
    readNaively(group, bytes.at(-1) === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)])),
  "an empty string ends it": (group, bytes) => readNaively(group, replaced(bytes, /\0\0$/, "\0")),
  "a key may come twice": (group, bytes) =>
    readNaively(group, replaced(bytes, /(\0MINOR=\d+)(?=\0.*\0MINOR=)/s, "\0X=1")),
  "the header need not agree": (group, bytes) =>
    group === Group.Udev ? readNaively(group, bytes) : readNaively(group, agreed(bytes)),
  "udev's length is not looked at": (group, bytes) => {
    const copy = Buffer.from(bytes);
    if (group === Group.Udev && copy.length >= 40) copy.writeInt32LE(copy.length - 40, 20);
    return readNaively(group, copy);
  },
  "partitions have 8 bits": (group, bytes) =>
    changed(group, bytes, ({ partition }) => ({ partition: partition & 255 })),
  "a name may have 32 bytes": (group, bytes) =>
    readNaively(group, replaced(bytes, /n{32}/g, "n".repeat(31))),
  "a remove is a change": (group, bytes) =>
    changed(group, bytes, ({ action, partition }) =>
      action === Action.Remove && partition === 2 ? { action: Action.Change } : {},
    ),
  "a diskseq below the watched one is it": (group, bytes) =>
    changed(group, bytes, ({ diskseq }) =>
      diskseq === BigInt(middle - 1) ? { diskseq: diskseq + 1n } : {},
    ),
};

function changed(
  group: number,
  bytes: Uint8Array,
  change: (facts: Facts) => Partial<Facts>,
): Facts | undefined {
  const facts = readNaively(group, bytes);
  return facts && { ...facts, ...change(facts) };
}

function replaced(bytes: Uint8Array, pattern: RegExp, by: string): Buffer {
  return Buffer.from(Buffer.from(bytes).toString("latin1").replace(pattern, by), "latin1");
}

function agreed(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes).toString("latin1");
  const value = (key: string) => new RegExp(`\0${key}=([^\0]*)\0`).exec(text)?.[1] ?? "";
  const header = `${value("ACTION")}@${value("DEVPATH")}`;
  return Buffer.from(header + text.slice(text.indexOf("\0")), "latin1");
}

for (const [name, read] of Object.entries(wrongs)) {
  test(`a reader that is wrong is found: ${name}`, async () => {
    const opened = await openDuel();
    const found = failureOf(() => {
      for (let batch = 0; batch < 200; batch++) runBatch(opened, 1, batch, read);
    });
    assert.match(found, /core 0: /);
    assert.match(found, /alone: DISKSEQ_SEED=1 DISKSEQ_BATCH=\d+ node/);
  });
}

/** A JavaScript build that is wrong in something now and then. */
const wrongBuilds: Readonly<Record<string, (core: Core) => Core>> = {
  "another word": (core) =>
    wrapped(core, (event) => ({ ...event, minor: event.minor === 2 ? 3 : event.minor })),
  "another memory": (core) =>
    wrapped(core, (event) => {
      const at = core.state.length - 1;
      if (event.verdict === Verdict.Stale) core.state[at] = (core.state[at] ?? 0) ^ 1;
      return event;
    }),
};

type Told = Exclude<ReturnType<Core["pollEvent"]>, undefined> & { minor: number };

function wrapped(core: Core, change: (event: Told & { verdict: Verdict }) => object): Core {
  return new Proxy(core, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key !== "pollEvent") return value.bind(target);
      return () => {
        const event = target.pollEvent();
        return event && "minor" in event ? change(event as Told & { verdict: Verdict }) : event;
      };
    },
  });
}

for (const [name, wrap] of Object.entries(wrongBuilds)) {
  test(`a build that differs is found: ${name}`, async () => {
    const opened = await openDuel(wrap);
    const found = failureOf(() => {
      for (let batch = 0; batch < 40; batch++) runBatch(opened, 1, batch);
    });
    assert.match(found, /core 1: /);
  });
}

/** What an error says; uvu's own `throws` lets them through. */
function failureOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  return "nothing was noticed";
}

test.run();
