/**
 * Every recorded stream again and again, each time with one thing wrong: one event lost without a
 * word, a few lost and told so, two neighbours in the wrong order, one event twice. All ends as if
 * nothing had been wrong: every wait, every instance, and what comes after.
 *
 * A run covers the chapter that is disturbed (a scenario, or one round of a race) and the one after
 * it, from the state that the core has there in the undisturbed stream. So it is the whole file but
 * for the end: what came before is in that state, and as no instance outlives its chapter, what is
 * wrong in one reaches no farther than to what the core remembers of the disk; the chapter after it
 * shows that.
 *
 * `DISKSEQ_ONLY=TRACE:DISTURBANCE:LINE node build/test/traces/disturbed.test.js` runs one alone.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Action, DeviceType, type Group } from "../../assembly/abi.ts";
import { type Core, loadJsCore } from "../../host/core.ts";
import { Lockstep, openWasm } from "../helpers/cores.ts";
import { type Outcome, Passage, type Past } from "../helpers/passage.ts";
import { restore, Stage } from "../helpers/stage.ts";
import {
  type Entry,
  instancesOf,
  type Message,
  readTrace,
  type Trace,
  traceNames,
} from "../helpers/traces.ts";

const options = { operations: 1, partitions: 16, watches: 32 };
/** JavaScript is slow: so many runs are made on Wasm alone for each one on both builds. */
const wasmRuns = 80;
/** Most events that are lost in one go. */
const gapMax = 8;

const wasm = openWasm(options);
const js = await loadJsCore(options);
const only = process.env.DISKSEQ_ONLY;

/** An entry; or its message once more; or as many lost as say so, with it the last. */
interface Step {
  readonly entry: Entry;
  readonly isAgain?: boolean;
  readonly lost?: number;
}

/** A chapter with the one after it. */
interface Pair {
  readonly device: string;
  /** what the core remembers where it begins */
  readonly state: Uint8Array;
  readonly now: bigint;
  readonly past: Past;
  readonly entries: readonly Entry[];
  /** indices of the chapter's own messages */
  readonly messages: readonly number[];
}

interface Run {
  readonly outcomes: readonly Outcome[];
  readonly verdicts: Passage["verdicts"];
}

/** Time passes, so that each state is looked at; or whoever waits is woken by events alone. */
type Looks = "by time" | "by events";

const pairs = new Map<string, readonly Pair[]>();
let runs = 0;

function run(cores: readonly Core[], pair: Pair, steps: readonly Step[], looks: Looks): Run {
  for (const core of cores) restore(core, pair.state);
  // Copies of what calls carry would take most of the time.
  const isAlone = cores.length === 1;
  const lockstep = new Lockstep(cores, !isAlone, isAlone);
  lockstep.now = pair.now;
  const passage = new Passage(new Stage(lockstep), pair.device, pair.past);
  passage.follow(instancesOf(pair.entries), pair.entries);
  for (const { entry, isAgain, lost } of steps) {
    if (entry.kind === "message" && lost !== undefined) passage.lose(groupOf(entry.message), lost);
    else if (entry.kind === "message" && isAgain) passage.hearAgain(entry.message);
    else passage.pass(entry);
    if (looks === "by time" && entry.kind === "shown") passage.look();
  }
  return { outcomes: passage.finish(), verdicts: passage.verdicts };
}

const groupOf = ({ datagram }: Message) => datagram.group as Group;

/** The chapters of a trace, each with what the core remembers where it begins. */
function pairsOf(trace: Trace): readonly Pair[] {
  const known = pairs.get(trace.name);
  if (known) return known;
  const core = openWasm(options);
  const lockstep = new Lockstep([core]);
  const passage = new Passage(new Stage(lockstep), trace.device);
  const made = trace.chapters.map((chapter, index): Pair => {
    const next = trace.chapters[index + 1]?.entries ?? [];
    const messages = chapter.entries.flatMap(({ kind }, at) => (kind === "message" ? [at] : []));
    const begin = { state: core.state.slice(), now: lockstep.now, past: passage.past() };
    for (const entry of chapter.entries) passage.pass(entry);
    return { device: trace.device, ...begin, entries: [...chapter.entries, ...next], messages };
  });
  pairs.set(trace.name, made);
  return made;
}

function messageAt({ entries, messages }: Pair, nth: number): Message | undefined {
  const entry = entries[messages[nth] ?? -1];
  return entry?.kind === "message" ? entry.message : undefined;
}

/** What is wrong: the steps with it, and the messages whose verdicts it may change. */
interface Disturbed {
  readonly steps: readonly Step[];
  readonly mayDiffer: (message: Message) => boolean;
}

/** Makes one thing wrong at a message; undefined where it cannot be. */
type Disturbance = (pair: Pair, nth: number) => Disturbed | undefined;

const disturbances: Readonly<Record<string, Disturbance>> = {
  /** One event lost without a word. */
  lost: (pair, nth) => without(pair, nth, 1, false),

  /** Up to eight of a group lost, and told so. */
  missed: (pair, nth) => without(pair, nth, 1 + (nth % gapMax), true),

  /** One event delivered after the one that follows it. */
  late(pair, nth) {
    const [from, to] = [pair.messages[nth], pair.messages[nth + 1]];
    const [moved, next] = [messageAt(pair, nth), messageAt(pair, nth + 1)];
    if (from === undefined || to === undefined || !moved || !next) return undefined;
    const { entries } = pair;
    const order = [...entries.slice(0, from), ...entries.slice(from + 1, to + 1)];
    const all = [...order, ...entries.slice(from, from + 1), ...entries.slice(to + 1)];
    // A partition's events never change places: they are sent under one lock.
    const isSame = isSameDevice(moved, next);
    const mayDiffer = (message: Message) => isSame && isSameDevice(message, moved);
    return { steps: all.map((entry) => ({ entry })), mayDiffer };
  },

  /** One event twice. */
  doubled(pair, nth) {
    const at = pair.messages[nth];
    const steps = pair.entries.flatMap((entry, index) =>
      index === at ? [{ entry }, { entry, isAgain: true }] : [{ entry }],
    );
    return { steps, mayDiffer: () => false };
  },
};

/** So many messages of one group less, from one on. */
function without(pair: Pair, nth: number, count: number, isTold: boolean): Disturbed {
  const first = messageAt(pair, nth);
  const own = pair.messages.flatMap((_, index) => messageAt(pair, index) ?? []);
  const group = own.filter((one) => first && groupOf(one) === groupOf(first));
  const from = first ? group.indexOf(first) : 0;
  const gone = group.slice(from, from + count);
  const steps = pair.entries.flatMap((entry): Step[] => {
    if (entry.kind !== "message" || !gone.includes(entry.message)) return [{ entry }];
    return isTold && entry.message === gone.at(-1) ? [{ entry, lost: gone.length }] : [];
  });
  // Of a partition that was never seen to come, the end with the next number says less.
  const adds = gone.filter(({ facts }) => facts.action === Action.Add);
  const mayDiffer = (message: Message) =>
    own.includes(message) &&
    message.facts.action === Action.Remove &&
    adds.some((add) => isSameDevice(add, message));
  return { steps, mayDiffer };
}

/** Of one partition, by one group. */
function isSameDevice(a: Message, b: Message): boolean {
  const isPartition = (one: Message) => one.facts.deviceType === DeviceType.Partition;
  if (!isPartition(a) || !isPartition(b)) return false;
  return groupOf(a) === groupOf(b) && a.facts.partition === b.facts.partition;
}

/** Equal ends, and equal verdicts to the instances that both runs followed by then. */
function expectSame(run: Run, reference: Run, mayDiffer: Disturbed["mayDiffer"]): void {
  assert.equal(run.outcomes, reference.outcomes);
  for (const [message, verdicts] of run.verdicts) {
    if (mayDiffer(message)) continue;
    for (const [diskseq, judgement] of verdicts) {
      const other = reference.verdicts.get(message)?.get(diskseq);
      if (!other) continue;
      const isSame = judgement.verdict === other.verdict && judgement.marks === other.marks;
      assert.ok(isSame, `line ${message.line} to ${diskseq}: another verdict than undisturbed`);
    }
  }
}

for (const name of traceNames) {
  const trace = readTrace(name);
  for (const [what, disturb] of Object.entries(disturbances)) {
    test(`${name}: all is the same with any one event ${what}`, () => {
      let disturbed = 0;
      for (const pair of pairsOf(trace)) {
        const undisturbed = pair.entries.map((entry) => ({ entry }));
        const reference = run([wasm], pair, undisturbed, "by time");
        for (const nth of pair.messages.keys()) {
          const title = `${name}:${what}:${messageAt(pair, nth)?.line}`;
          if (only !== undefined && only !== title) continue;
          const made = disturb(pair, nth);
          if (!made) continue;
          disturbed += 1;
          const cores = runs++ % wasmRuns === 0 || only !== undefined ? [wasm, js] : [wasm];
          try {
            expectSame(run(cores, pair, made.steps, "by time"), reference, made.mayDiffer);
            // How it ends may differ: what was there for a moment may not have been looked at.
            run(cores, pair, made.steps, "by events");
          } catch (cause) {
            const file = "build/test/traces/disturbed.test.js";
            const command = `DISKSEQ_ONLY=${title} node ${file}`;
            const { details = "" } = cause as { details?: string };
            throw new Error(`${String(cause)}\n${details}\nalone: ${command}`, { cause });
          }
        }
      }
      if (only === undefined) assert.ok(disturbed > 400, `${disturbed} runs`);
    });
  }
}

test("a trace, a disturbance and a line that are asked for are there", () => {
  assert.ok(only === undefined || runs > 0, `no ${only}`);
});

test.run();
