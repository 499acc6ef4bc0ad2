/**
 * How fast the explorer is: the shipped core, the simulated kernel and rivals, every order of what
 * they do, beside Spin on a reduced model of the same, written for it by hand.
 */
import { openTrial } from "../../host/sim/explore/open.ts";
import { defaultSetup } from "../../host/sim/explore/setup.ts";
import type { Scale } from "./scale.ts";
import { expectFlaps, missingSpin, type Search, Verifier, ways } from "./spin.ts";
import { figure, Rounds, type Row, type Section, skipped } from "./table.ts";

const ours = "diskseq's explorer";
const head = "the same, its first states";
const script = "the same in the JavaScript build";

/** What the model has as well: one opener, one loss, a crash. */
const setup = {
  ...defaultSetup,
  version: "6.12.90",
  rivals: [{ name: "opener", rounds: 1 }],
} as const;

/** Goes on from so many states at a time. */
const slice = 5000;

/** Gone on from so many states, or from all. */
async function explored(states: number, js: boolean): Promise<Search> {
  const { trial } = await openTrial(setup, { js });
  const search = trial.search();
  const began = performance.now();
  for (let left = states; left > 0; left -= slice) {
    if (search.run(Math.min(left, slice))) break;
  }
  const seconds = (performance.now() - began) / 1000;
  if (search.found !== undefined) throw new Error(`violation ${search.found.violation}`);
  const { states: found, transitions, bytes } = search.report;
  return { states: found, transitions, bytes, seconds };
}

type Case = readonly [name: string, run: () => Promise<Search>];

function spinCases(directory: string, { openers, optimize }: Scale): Case[] {
  expectFlaps(directory);
  const spin = [`-DOPENERS=${openers}`];
  return ways.map(({ name, defines }) => {
    const verifier = new Verifier(directory, defines, spin, optimize);
    return [name, async () => verifier.measure()] as const;
  });
}

/** Two searches of all that can happen in one model find as much, in whatever order. */
function expectAgreement(last: ReadonlyMap<string, Search>): void {
  const whole = ways.filter(({ defines }) => defines.length > 0);
  const counts = new Set(whole.map(({ name }) => last.get(name)?.states));
  if (counts.size === 1) return;
  throw new Error(`Spin's searches found different numbers of states: ${[...counts].join(", ")}`);
}

export async function explore(scale: Scale, directory: string): Promise<Section> {
  const missing = missingSpin();
  const base = missing === undefined ? (ways[0]?.name ?? "") : ours;
  const cases: Case[] = [
    ...(missing === undefined ? spinCases(directory, scale) : []),
    [ours, () => explored(scale.searchStates, false)],
    [head, () => explored(scale.scriptStates, false)],
    [script, () => explored(scale.scriptStates, true)],
  ];
  const states = new Rounds();
  const transitions = new Rounds();
  const last = new Map<string, Search>();
  for (let round = 0; round < scale.searches; round++) {
    for (const [name, run] of cases) {
      const search = await run();
      states.add(name, search.states / search.seconds);
      transitions.add(name, search.transitions / search.seconds);
      last.set(name, search);
    }
  }
  if (missing === undefined) expectAgreement(last);
  const rows = cases.map(([name]): Row => {
    const search = last.get(name);
    const of = name === script ? head : base;
    const [stateRatio, transitionRatio] = [states.ratio(name, of), transitions.ratio(name, of)];
    const [count, bytes] = [search?.states ?? Number.NaN, search?.bytes ?? Number.NaN];
    return {
      name,
      cells: [
        figure(states.median(name)),
        stateRatio.text,
        figure(transitions.median(name)),
        transitionRatio.text,
        figure(count),
        figure(bytes / count),
      ],
      values: {
        statesPerSecond: states.median(name),
        stateRatio: stateRatio.value,
        transitionsPerSecond: transitions.median(name),
        transitionRatio: transitionRatio.value,
        states: count,
        bytesPerState: bytes / count,
      },
    };
  });
  if (missing !== undefined) rows.unshift(skipped("Spin", missing));
  return {
    title: "all that can happen",
    columns: ["states/s", "x", "transitions/s", "x", "states", "bytes/state"],
    rows,
    notes: [
      "x: of Spin's first line; of the JavaScript build: of the line above it. Bytes: of all that",
      `is kept. Spin: pan on test/bench/attach.pml with openers: ${scale.openers}, all of it,`,
      "without partial-order reduction but for its last line; no states in atomic sequences.",
      "It finds nothing there, and the flap without the split and without the drain. A state of",
      "that model has some 90 bytes and a step sets a few; a state of the explorer has 9 KiB, and",
      "a step is one of the core as shipped on a whole kernel. The explorer goes on from",
      `${figure(scale.searchStates)} states, or ${figure(scale.scriptStates)} beside JavaScript.`,
    ],
  };
}
