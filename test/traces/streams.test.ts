/**
 * Every recorded stream, whole, on both builds: the right verdict for every single event to every
 * instance, the right end of every wait. Nothing but events wakes whoever waits: time stands still
 * until the last record.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Action, Group, Mark, Verdict } from "../../assembly/abi.ts";
import { Lockstep, openBoth, openWasm } from "../helpers/cores.ts";
import type { Facts } from "../helpers/naive-uevent.ts";
import { type Outcome, Passage } from "../helpers/passage.ts";
import { Stage } from "../helpers/stage.ts";
import {
  type Entry,
  type Instance,
  instancesOf,
  readTrace,
  traceNames,
} from "../helpers/traces.ts";

/**
 * What the files hold, counted by other means. Ends: removes of partitions that carry a number
 * under which nothing was bound, or that of a LOOP_CHANGE_FD, which drops them after it rose.
 */
const contents = {
  "linux-5.10": { messages: 514, instances: 69, ends: 0 },
  "linux-6.1": { messages: 583, instances: 70, ends: 143 },
  "linux-6.1-udev252": { messages: 1476, instances: 70, ends: 288 },
};

for (const name of traceNames) {
  const content = contents[name];
  test(`${name}: every event has its verdict, every wait its end`, async () => {
    const trace = readTrace(name);
    const entries = trace.chapters.flatMap((chapter) => chapter.entries);
    const instances = instancesOf(entries);
    const both = await openBoth({ operations: 1, partitions: 16, watches: 512 });
    const passage = new Passage(new Stage(both), trace.device);
    passage.follow(instances, entries);
    for (const entry of entries) passage.pass(entry);
    assert.equal(
      passage.finish(),
      instances.map((instance) => expected(instance, entries)),
    );
    const judgements = [...passage.verdicts.values()].flatMap((map) => [...map.values()]);
    const ends = judgements.filter(({ marks }) => marks === Mark.Ends).length;
    const has = (verdict: Verdict) => judgements.some((one) => one.verdict === verdict);
    assert.equal({ messages: passage.verdicts.size, instances: instances.length, ends }, content);
    const isProven = name !== "linux-5.10";
    for (const one of [Verdict.Mine, Verdict.Later]) assert.is(has(one), isProven);
    assert.is(has(Verdict.BestEffort), !isProven);
  });
}

for (const name of traceNames) {
  test(`${name}: a socket that overran, as it was read`, () => {
    const trace = readTrace(name);
    const chapter = trace.chapters.find(({ entries }) => overrunOf(entries));
    assert.ok(chapter);
    const read = overrunOf(chapter.entries)?.read ?? [];
    const lockstep = new Lockstep([openWasm({ operations: 1, partitions: 16, watches: 512 })]);
    const passage = new Passage(new Stage(lockstep), trace.device);
    let [lost, pending] = [0, 0];
    for (const one of trace.chapters) {
      for (const entry of one.entries) {
        if (one === chapter && entry.kind === "overrun") continue;
        const isMessage = entry.kind === "message";
        if (one === chapter && isMessage && !read.includes(entry.message.facts.seqnum)) {
          pending += 1;
          continue;
        }
        if (pending > 0) passage.lose(Group.Kernel, pending);
        lost += pending;
        pending = 0;
        passage.pass(entry);
      }
    }
    assert.ok(lost > 3, `${lost} lost`);
    assert.is(passage.verdicts.size, contents[name].messages - lost);
  });
}

/** What is made of one message, so that the oracle says something else of it. */
const wrongs: readonly ((facts: Facts) => Facts)[] = [
  (facts) => ({ ...facts, diskseq: facts.diskseq + 1n }),
  (facts) => ({ ...facts, diskseq: facts.diskseq - 1n }),
  (facts) => ({ ...facts, action: Action.Move }),
  (facts) => ({ ...facts, partition: facts.partition + 1 }),
  (facts) => ({ ...facts, isMediaChange: !facts.isMediaChange }),
  (facts) => ({ ...facts, properties: facts.properties + 1 }),
];

test("an oracle that is wrong of one message is noticed, at that message", () => {
  const trace = readTrace("linux-6.1");
  const entries = trace.chapters.flatMap((chapter) => chapter.entries).slice(0, 60);
  for (const [kind, wrong] of wrongs.entries()) {
    for (const [at, entry] of entries.entries()) {
      if (entry.kind !== "message" || entry.message.facts.disk === "") continue;
      const message = { ...entry.message, facts: wrong(entry.message.facts) };
      const lockstep = new Lockstep([openWasm({ operations: 1, partitions: 16, watches: 64 })]);
      const passage = new Passage(new Stage(lockstep), trace.device);
      passage.follow(instancesOf(entries), entries);
      for (const before of entries.slice(0, at)) passage.pass(before);
      const found = failureOf(() => passage.hear(message));
      assert.match(found, new RegExp(`line ${message.line}\\b`), `wrong ${kind}`);
    }
  }
});

/** What an assertion says; uvu's own `throws` lets them through. */
function failureOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  return "nothing was noticed";
}

function overrunOf(entries: readonly Entry[]) {
  return entries.find((entry) => entry.kind === "overrun");
}

/** All three waits end; the one that nothing can fulfil says what is there instead. */
function expected({ diskseq, to }: Instance, entries: readonly Entry[]): Outcome {
  const next = entries[to];
  const isReplaced = next?.kind === "shown" && next.shown?.isBound === true;
  const never = isReplaced ? "Superseded" : "Gone";
  return { diskseq, ready: "Ready", removed: "Gone", never };
}

test.run();
