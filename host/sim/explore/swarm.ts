/**
 * The swarm: long ways through trials, each of them drawn from a seed, with everything: version,
 * rivals, faults, how slow we are, how calm it is. The same seed is the same way.
 */
import type { Violation } from "../../../assembly/explore/words.ts";
import { Random } from "../random.ts";
import { type Build, openTrial } from "./open.ts";
import { defaultSetup, eras, rivalNames, type TrialSetup } from "./setup.ts";

/** Every so many seeds one is gone twice, and every state compared. */
const checkEvery = 100;
/** So many that violate something are enough. */
const straysMax = 5;

export interface Draw {
  readonly setup: TrialSetup;
  /** of the walk itself */
  readonly seed: number;
  readonly deeds: number;
  readonly temper: number;
}

/** What a seed means. `fixed` is not drawn. */
export function drawTrial(seed: number, fixed: Partial<TrialSetup> = {}): Draw {
  const random = new Random(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const rounds = () => 1 + random.below(3);
  const udevd = pick(["udevd-258", "udevd-259", undefined, undefined] as const);
  const others = rivalNames.filter((name) => !name.startsWith("udevd"));
  const drawn = Array.from({ length: random.below(4) }, () => pick(others));
  const rivals = [...new Set(drawn)].map((name) => ({ name, rounds: rounds() }));
  if (udevd !== undefined) rivals.push({ name: udevd, rounds: 1 });
  const setup: TrialSetup = {
    ...defaultSetup,
    version: pick(eras),
    rivals,
    loss: random.below(4),
    crash: random.below(3) === 0,
    deadlines: random.below(4) === 0 ? rounds() : 0,
    aborts: random.below(4) === 0 ? 1 : 0,
    rounds: rounds(),
    lag: pick([0, 1, 2, 4, 6]),
    udev: random.below(4) > 0,
    partscan: pick(["kernel", "kernel", "user", "none"] as const),
    ...fixed,
  };
  return {
    setup,
    seed: 1 + random.below(0x7ffffffe),
    deeds: pick([50, 200, 1000, 4000]),
    temper: pick([1, 2, 4, 16, 64]),
  };
}

export interface Stray {
  readonly seed: number;
  readonly violation: Violation;
  /** the deeds that led there */
  readonly deeds: readonly number[];
}

export interface SwarmResult {
  readonly seeds: number;
  readonly deeds: number;
  /** seeds that were gone twice, and those whose ways differed */
  readonly checked: number;
  readonly differing: readonly number[];
  readonly strays: readonly Stray[];
  readonly reached: readonly number[];
}

/** Goes the ways of some seeds. */
export async function swarm(
  seeds: Iterable<number>,
  fixed: Partial<TrialSetup>,
  build: Build,
  onSeed: (done: number) => Promise<void> | void = () => undefined,
): Promise<SwarmResult> {
  const reached = new Set<number>();
  const strays: Stray[] = [];
  const differing: number[] = [];
  let [count, deeds, checked] = [0, 0, 0];
  for (const seed of seeds) {
    const draw = drawTrial(seed, fixed);
    const isChecked = seed % checkEvery === 0;
    const { trial } = await openTrial(draw.setup, build);
    const walked = trial.walk(draw.seed, draw.deeds, draw.temper, isChecked);
    count += 1;
    deeds += walked.length;
    if (isChecked) {
      const again = (await openTrial(draw.setup, build)).trial;
      const twin = again.walk(draw.seed, draw.deeds, draw.temper, true);
      checked += 1;
      if (twin.digest !== walked.digest || twin.length !== walked.length) differing.push(seed);
    }
    for (const [at, is] of trial.reached.entries()) if (is !== 0) reached.add(at);
    if (walked.violation !== 0) {
      strays.push({ seed, violation: walked.violation, deeds: walked.deeds() });
      if (strays.length === straysMax) break;
    }
    await onSeed(count);
  }
  return { seeds: count, deeds, checked, differing, strays, reached: [...reached] };
}

/** What several found, as one. */
export function joinSwarms(results: readonly SwarmResult[]): SwarmResult {
  const sum = (key: "seeds" | "deeds" | "checked") =>
    results.reduce((total, result) => total + result[key], 0);
  return {
    seeds: sum("seeds"),
    deeds: sum("deeds"),
    checked: sum("checked"),
    differing: results.flatMap(({ differing }) => differing).sort((a, b) => a - b),
    strays: results.flatMap(({ strays }) => strays).sort((a, b) => a.seed - b.seed),
    reached: [...new Set(results.flatMap(({ reached }) => reached))],
  };
}
