/**
 * What the model must be able to show: with a protection left out, the order of steps that hurts is
 * found, and with it there is none. Exhaustive for the steps of a scripted attach, openers and a
 * udevd; a random scheduler finds it, too.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ActorKind } from "../../assembly/world/layout.ts";
import { Random } from "../../host/sim/random.ts";
import type { SimActor, SimWorld } from "../../host/sim/world.ts";
import {
  type AttachScript,
  attachScript,
  beginning,
  openWasmWorld,
  stepScript,
} from "../helpers/worlds.ts";
import { type Searched, search } from "./search.ts";

const opener = { kind: ActorKind.Opener, process: 1, budget: 2 } as const;
const tight = { kind: ActorKind.TightOpener, process: 1, budget: 2 } as const;
const udevdDrops = { kind: ActorKind.UdevdDrops, process: 1 } as const;
const udevdKeeps = { kind: ActorKind.UdevdKeeps, process: 1 } as const;

const split = { split: true, drain: true } as const;
const racy = ["5.15.215", "6.1.192", "6.6.140", "6.12.90", "6.18.32", "7.0.0"];
const fixed = ["6.6.141", "6.12.91", "6.18.33", "7.1.5", "7.2.13"];

for (const version of racy) {
  test(`${version}: one call and an opener: plugged, dead, plugged`, () => {
    assert.ok(flaps(version, opener, {}).found);
  });

  test(`${version}: split without the drain: likewise`, () => {
    assert.ok(flaps(version, opener, { split: true }).found);
  });

  test(`${version}: split and drained: never`, () => {
    expectNever(flaps(version, opener, split));
    expectNever(flaps(version, tight, split));
  });
}

for (const version of fixed) {
  test(`${version}: one call and an opener: never`, () => {
    expectNever(flaps(version, opener, {}));
    expectNever(flaps(version, tight, {}));
  });
}

for (const version of ["6.1.192", "7.2.13"]) {
  test(`${version}: udevd up to 258 reads the table anew when the device is closed`, () => {
    const { found } = flaps(version, udevdDrops, split);
    assert.ok(found?.story.includes("actor 0: Reread"));
  });

  test(`${version}: not while the lock is held, not through a private node`, () => {
    expectNever(flaps(version, udevdDrops, { ...split, lock: true, keep: true }));
    expectNever(flaps(version, udevdDrops, { ...split, privateNode: true }));
    expectNever(flaps(version, udevdDrops, { ...split, lock: true, privateNode: true }));
  });

  test(`${version}: a lock that is given up at once is no protection`, () => {
    assert.ok(flaps(version, udevdDrops, { ...split, lock: true }).found);
  });

  test(`${version}: udevd from 259 on drops nothing`, () => {
    const searched = flaps(version, udevdKeeps, split);
    expectNever(searched);
    assert.ok(searched.deeds.has("Compare"));
  });
}

test("6.1.192: udevd's own open is the racing one where the attach is one call", () => {
  const { found } = flaps("6.1.192", udevdKeeps, { lock: true, privateNode: true });
  assert.ok(found);
});

test("6.1.192: an opener and udevd together do nothing to a careful attach", () => {
  const careful = { ...split, lock: true, privateNode: true };
  expectNever(
    flapsOfMany(
      "6.1.192",
      [
        { ...opener, budget: 1 },
        { ...udevdDrops, process: 2 },
      ],
      careful,
    ),
  );
});

test("a random scheduler finds the race, and none where there is none", () => {
  const firstSeed = Number(process.env.DISKSEQ_SEED ?? 1);
  const seeds = process.env.DISKSEQ_SEED === undefined ? 300 : 1;
  let raced = 0;
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    if (randomRun("6.1.192", {}, seed)) raced++;
    assert.not.ok(
      randomRun("6.1.192", split, seed),
      `alone: DISKSEQ_SEED=${seed} node build/test/model/controls.test.js`,
    );
  }
  if (seeds > 1) assert.ok(raced > 0);
});

/** Whether one random order makes a partition blink. */
function randomRun(version: string, options: AttachScript, seed: number): boolean {
  const world = openWasmWorld([opener], { version });
  const random = new Random(seed);
  const script = attachScript(options);
  let place = beginning;
  while (place.line < script.length || world.choices(0) > 0) {
    if (world.choices(0) > 0 && random.next() < 0.5) world.act(0, 0);
    else place = stepScript(world, script, place) ?? place;
  }
  return world.flap !== undefined;
}

function flaps(version: string, actor: SimActor, options: AttachScript): Searched {
  return flapsOfMany(version, [actor], options);
}

function flapsOfMany(
  version: string,
  actors: readonly SimActor[],
  options: AttachScript,
): Searched {
  const script = attachScript(options);
  const world = openWasmWorld(actors, { version });
  const isFound = (one: SimWorld) => one.flap !== undefined;
  const atEnd = (one: SimWorld) => assert.is(one.model.disk(0)?.partitions.length, 3);
  return search({ world, actors: actors.length, script, isFound, atEnd });
}

/** All orders were tried, and some came to an end. */
function expectNever({ found, ends, states }: Searched): void {
  assert.is(found?.story.join("\n"), undefined);
  assert.ok(ends > 0 && states > 30, `${states} states`);
}

test.run();
