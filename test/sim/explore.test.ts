/**
 * The explorer: what holds in every order, the same states in both builds, shards and bounds; and
 * that the properties can be violated: each precaution of the core, turned off, is missed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeedNumber, Violation } from "../../assembly/explore/words.ts";
import { openTrial } from "../../host/sim/explore/open.ts";
import { formatPath, parsePath } from "../../host/sim/explore/path.ts";
import { planRuns, runName } from "../../host/sim/explore/plan.ts";
import { type SearchResult, searchAll } from "../../host/sim/explore/search.ts";
import {
  defaultSetup,
  eras,
  type Precaution,
  type RivalName,
  rivalNames,
  type TrialSetup,
} from "../../host/sim/explore/setup.ts";
import { tellPath } from "../../host/sim/explore/story.ts";
import { simulate } from "../../host/sim/index.ts";

const all = { statesMax: 3_000_000, shard: 0, shards: 1 };
/** Small enough for a test: nothing is lost, nobody dies, what is sent is received next. */
const small: TrialSetup = { ...defaultSetup, loss: 0, crash: false, lag: 1 };

function withRival(name: RivalName, version: string, without: Precaution[] = []): TrialSetup {
  return { ...small, version, rivals: [{ name, rounds: 1 }], without };
}

function expectAllHold(result: SearchResult): void {
  const { violation, path, isExhaustive, states } = result;
  assert.is(Violation[violation], "None", `${formatPath(path)} after ${states} states`);
  assert.ok(isExhaustive, `given up at ${states} states`);
}

for (const version of eras) {
  test(`${version}: all holds with a lost datagram and a crash anywhere`, async () => {
    expectAllHold(await searchAll({ ...defaultSetup, version, lag: 2 }, {}, all));
  });
}

for (const name of ["opener", "detacher", "forger"] as const) {
  test(`all holds beside a ${name}, in every order`, async () => {
    const rivals = [{ name, rounds: 1 }];
    const result = await searchAll({ ...defaultSetup, rivals, lag: 2 }, {}, all);
    expectAllHold(result);
    assert.ok(result.states > 100_000, `${result.states} states are too few`);
  });
}

test("a thief attaches on every version", async () => {
  for (const version of eras) {
    const { trial } = await openTrial(withRival("thief", version));
    const isBound = () => [0, 1].some((loop) => trial.world.model.disk(loop)?.isBound);
    for (let deeds = 0; deeds < 40 && !isBound(); deeds++) {
      const [deed] = trial.choices.deeds.filter((one) => one >= DeedNumber.Actor);
      assert.ok(deed, version);
      trial.act(deed);
    }
    assert.ok(isBound(), version);
  }
});

/** Searches until something is violated, and goes the way that was found. */
async function expectFound(setup: TrialSetup, violation: Violation): Promise<SearchResult> {
  const result = await searchAll(setup, {}, all);
  assert.is(Violation[result.violation], Violation[violation], `${result.states} states`);
  const path = parsePath(formatPath(result.path));
  assert.equal(path, result.path);
  const story = await tellPath(setup, path);
  assert.is(story.violation, violation, "the path leads there");
  assert.is(story.steps.length, result.depth + 1);
  assert.is(result.isExhaustive, false);
  return result;
}

for (const version of ["6.1.192", "6.12.90", "6.18.32"]) {
  for (const precaution of ["split", "drain"] as const) {
    test(`${version}: without the ${precaution} partitions blink`, async () => {
      await expectFound(withRival("opener", version, [precaution]), Violation.Flap);
    });
  }
}

test("7.2.13: without the split nothing happens to them", async () => {
  expectAllHold(await searchAll(withRival("opener", "7.2.13", ["split"]), {}, all));
});

test("6.1.192: attached in one call partitions blink beside an opener", async () => {
  await expectFound({ ...withRival("opener", "6.1.192"), fast: true }, Violation.Flap);
});

for (const name of rivalNames) {
  test(`7.2.13: attached in one call all holds beside a ${name}`, async () => {
    expectAllHold(
      await searchAll({ ...withRival(name, "7.2.13"), fast: true, udev: false }, {}, all),
    );
  });
}

test("one call is safe beside an opener wherever the probe says that it is", async () => {
  const fixed: string[] = [];
  for (const version of eras) {
    const session = simulate({ version });
    const verdict = await session.probeScan();
    await session.close();
    if (verdict !== "fixed") continue;
    fixed.push(version);
    expectAllHold(await searchAll({ ...withRival("opener", version), fast: true }, {}, all));
  }
  assert.equal(fixed, ["5.10.223", "6.6.150", "7.1.5", "7.2.13"]);
});

test("6.12.90: without lock and private node udevd up to 258 re-reads", async () => {
  const setup = { ...withRival("udevd-258", "6.12.90", ["lock", "privateNode"]), udev: false };
  const { path } = await expectFound(setup, Violation.Flap);
  const { steps } = await tellPath(setup, path);
  assert.ok(steps.some(({ who, what }) => who === "udevd-258" && what === "BLKRRPART"));
});

test("6.12.90: by the name alone an event of another instance is believed", async () => {
  const setup = { ...withRival("thief", "6.12.90", ["diskseq"]), lag: 4 };
  const { path } = await expectFound(setup, Violation.Believed);
  const { steps } = await tellPath(setup, path);
  assert.ok(steps.some(({ what }) => what.startsWith("LOOP_CONFIGURE with an image of its own")));
});

test("both builds find the same states", async () => {
  const setups: TrialSetup[] = [
    small,
    { ...small, version: "5.10.223", loss: 1, crash: true },
    { ...small, version: "7.2.13", partscan: "user", aborts: 1 },
  ];
  for (const setup of setups) {
    const wasm = await searchAll(setup, {}, all);
    const js = await searchAll(setup, { js: true }, all);
    expectAllHold(js);
    const { states, transitions, depth, widest, reached } = wasm;
    assert.equal(
      [js.states, js.transitions, js.depth, js.widest, js.reached],
      [states, transitions, depth, widest, reached],
    );
  }
});

test("shards find together what one search finds", async () => {
  const setup = { ...small, crash: true };
  const whole = await searchAll(setup, {}, all);
  const parts = await Promise.all(
    [0, 1, 2].map((shard) => searchAll(setup, {}, { ...all, shard, shards: 3 })),
  );
  for (const part of parts) expectAllHold(part);
  const reached = new Set(parts.flatMap((part) => part.reached));
  assert.equal([...reached].sort(), [...whole.reached].sort());
});

test("a bound that is too small is no proof", async () => {
  const result = await searchAll(small, {}, { ...all, statesMax: 1000 });
  assert.is(result.violation, Violation.None);
  assert.is(result.isExhaustive, false);
});

test("a plan has each rival by itself, and our own ends", () => {
  const runs = planRuns(defaultSetup, () => 1);
  const names = runs.map(runName).sort();
  assert.equal(names, [
    "abort",
    "deadline",
    "detacher",
    "flooder",
    "forger",
    "opener",
    "thief",
    "tight-opener",
    "udevd-258",
    "udevd-258 asked",
    "udevd-258 awaited",
    "udevd-259",
    "udevd-259 asked",
    "udevd-259 awaited",
  ]);
  assert.ok(runs.every(({ rivals }) => rivals.length <= 1));
  assert.is(runs.filter(({ crash }) => !crash).length, 2);
});

test.run();
