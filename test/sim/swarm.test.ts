/**
 * The swarm: many ways by chance in which all holds, the same for the same seed in both builds; and
 * bugs that are planted in the core, found, made short, and found again by what is printed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Told, Violation } from "../../assembly/explore/words.ts";
import { openTrial } from "../../host/sim/explore/open.ts";
import { eras, type TrialSetup } from "../../host/sim/explore/setup.ts";
import { shrink } from "../../host/sim/explore/shrink.ts";
import { drawTrial, swarm } from "../../host/sim/explore/swarm.ts";
import type { SimTrial } from "../../host/sim/explore/trial.ts";
import { buildPlanted, plants } from "../helpers/plants.ts";
import { command } from "../helpers/process.ts";

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

test("all holds on two thousand ways", async () => {
  const { strays, differing, checked, seeds, deeds } = await swarm(range(1, 2000), {}, {});
  assert.equal(
    strays.map(({ seed }) => `npx diskseq sim --seed ${seed}`),
    [],
  );
  assert.equal([seeds, checked, differing], [2000, 20, []]);
  assert.ok(deeds > 100_000);
});

test("a seed draws from all there is", () => {
  const draws = range(1, 500).map((seed) => drawTrial(seed));
  assert.equal(new Set(draws.map(({ setup }) => setup.version)), new Set(eras));
  const rivals = new Set(draws.flatMap(({ setup }) => setup.rivals.map(({ name }) => name)));
  assert.is(rivals.size, 8);
  assert.ok(draws.some(({ setup }) => setup.crash) && draws.some(({ setup }) => !setup.crash));
  assert.is(drawTrial(7, { version: "6.1.192" }).setup.version, "6.1.192");
});

test("both builds go the same way, state by state", async () => {
  for (const seed of range(100, 12)) {
    const { setup, seed: own, temper } = drawTrial(seed);
    const [wasm, js] = await Promise.all([openTrial(setup), openTrial(setup, { js: true })]);
    const one = wasm.trial.walk(own, 200, temper, true);
    const other = js.trial.walk(own, 200, temper, true);
    assert.equal(
      [other.violation, other.length, other.digest],
      [one.violation, one.length, one.digest],
      `seed ${seed}`,
    );
    assert.equal(other.deeds(), one.deeds());
  }
});

test("what is made blank is never read again", async () => {
  let count = 0;
  const crowd = ["thief", "opener", "udevd-258"] as const;
  const fixed: Partial<TrialSetup>[] = [
    {},
    { version: "5.10.223" },
    { rivals: crowd.map((name) => ({ name, rounds: 2 })), deadlines: 2, udev: true },
  ];
  for (const seed of range(3000, 400)) {
    const { setup, seed: own, temper } = drawTrial(seed, fixed[seed % fixed.length]);
    const walked = (await openTrial(setup)).trial.walk(own, 250, temper);
    const blank = (await openTrial(setup)).trial;
    const whole = (await openTrial(setup, {}, { keepsAll: true })).trial;
    for (const [index, deed] of walked.deeds().entries()) {
      const say = `seed ${seed}, deed ${index}`;
      assert.equal(whole.choices, blank.choices, say);
      assert.is(whole.act(deed), blank.act(deed), say);
      assert.equal(told(whole), told(blank), say);
      count += 1;
    }
  }
  assert.ok(count > 50_000, String(count));
});

/** All that the core told of a deed, and did. */
function told({ told: { buffer, byteOffset } }: SimTrial): Int32Array {
  return new Int32Array(buffer, byteOffset, Told.Words);
}

for (const plant of plants) {
  test(`planted: ${plant.name}; found, made short, found again`, async () => {
    const wasm = await buildPlanted(plant);
    const { strays } = await swarm(range(plant.first, 1000), {}, { wasm });
    const [stray] = strays;
    assert.ok(stray, `none of 1000 seeds from ${plant.first} on: look further, as \`first\` says`);
    assert.is(Violation[stray.violation], Violation[plant.violation]);
    const { setup } = drawTrial(stray.seed);
    const short = await shrink(setup, stray.deeds, stray.violation, { wasm });
    assert.ok(short.path.length < 20, `${short.path.length} steps`);
    const found = await command(["sim", "--seed", String(stray.seed), "--core", wasm]);
    assert.is(found.status, 8, found.stderr);
    const again = /^Again: npx diskseq (.*)$/m.exec(found.stdout)?.[1] ?? "";
    const outcome = await command(again.split(" "));
    assert.is(outcome.status, 8, outcome.stderr);
    assert.match(outcome.stdout, "Violated: ");
    // The core as it is goes the same way, as far as it can, and nothing is violated.
    const healthy = await command(["sim", "--seed", String(stray.seed)]);
    assert.is(healthy.status, 0, healthy.stdout);
  });
}

test.run();
