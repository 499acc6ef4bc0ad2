/** One search from its start to its end, in pieces, with progress. */
import { Violation } from "../../../assembly/explore/words.ts";
import { type Build, openTrial } from "./open.ts";
import { compress, join, type PathElement, toTheEnd } from "./path.ts";
import type { TrialSetup } from "./setup.ts";
import type { Found, SearchReport, SimSearch } from "./trial.ts";

/** States between two looks at the clock. */
const piece = 500;

export interface Bounds {
  /** more states than this are not looked for */
  readonly statesMax: number;
  /** this part of so many */
  readonly shard: number;
  readonly shards: number;
}

export interface SearchResult extends SearchReport {
  readonly setup: TrialSetup;
  /** every order was tried, within the setup */
  readonly isExhaustive: boolean;
  readonly seconds: number;
  readonly violation: Violation;
  /** where there is one: the shortest way to it */
  readonly path: readonly PathElement[];
  /** numbers of `Reached` that were */
  readonly reached: readonly number[];
}

export interface Progress extends SearchReport {
  readonly seconds: number;
}

export async function searchAll(
  setup: TrialSetup,
  build: Build,
  { statesMax, shard, shards }: Bounds,
  hooks: { readonly onProgress?: (progress: Progress) => void; readonly signal?: AbortSignal } = {},
): Promise<SearchResult> {
  const { trial } = await openTrial(setup, build);
  const search = trial.search(shard, shards);
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  let told = begin;
  let isDone = false;
  while (!isDone && search.report.states < statesMax) {
    isDone = search.run(piece);
    if (performance.now() - told < 250) continue;
    told = performance.now();
    hooks.onProgress?.({ ...search.report, seconds: seconds() });
    // Others have their turn: signals, messages.
    await new Promise((resolve) => setImmediate(resolve));
    hooks.signal?.throwIfAborted();
  }
  const found = search.found;
  const reached = [...trial.reached.entries()].flatMap(([at, is]) => (is === 0 ? [] : [at]));
  return {
    ...search.report,
    setup,
    isExhaustive: isDone && found === undefined,
    seconds: seconds(),
    violation: found?.violation ?? 0,
    path: found === undefined ? [] : pathOf(search, found),
    reached,
  };
}

/** What happens by itself is told by its length. */
function pathOf(search: SimSearch, { states, path: deeds, violation }: Found): PathElement[] {
  const isEndless = violation === Violation.Livelock || violation === Violation.Stuck;
  const steps = deeds.map((deed, index) => {
    const [from, to] = [states[index], states[index + 1]];
    const isCalm = from !== undefined && to !== undefined && search.calmFrom(from) === to;
    return { deed, isCalm };
  });
  const path = compress(steps);
  // Nothing shows that it never ends but to go on.
  return isEndless ? join([...path, toTheEnd]) : path;
}
