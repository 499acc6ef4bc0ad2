/** Which searches a plain `explore` is: one rival of each kind at a time, and our own ends. */
import { type RivalName, rivalNames, type TrialSetup } from "./setup.ts";

/** Those with the most states first, so that the last ones are short. */
const bySize: readonly RivalName[] = [
  "udevd-258",
  "udevd-259",
  "thief",
  "detacher",
  "flooder",
  "forger",
  "opener",
  "tight-opener",
];

/** The runs of a plan, from what they have in common. */
export function planRuns(common: TrialSetup, rounds: (name: RivalName) => number): TrialSetup[] {
  const names = rivalNames.toSorted((a, b) => bySize.indexOf(a) - bySize.indexOf(b));
  return [
    ...names.flatMap((name) => forRival(common, name, rounds(name))),
    { ...common, deadlines: 1 },
    { ...common, aborts: 1 },
  ];
}

/** By itself, and what has to be smaller or larger because of it. */
function forRival(common: TrialSetup, name: RivalName, rounds: number): TrialSetup[] {
  const setup = { ...common, rivals: [{ name, rounds }] };
  // It is there to have datagrams dropped: any number may wait for us, what does not fit is lost.
  if (name === "flooder") return [{ ...setup, lag: 0, loss: 0 }];
  if (!isUdevd(name)) return [setup];
  // Awaited it has many more orders: what is sent is received next, and udev is either asked while
  // it is at work, or something is lost or somebody dies.
  const near = { ...setup, lag: Math.min(1, setup.lag) };
  return [
    { ...near, loss: 0, crash: false },
    { ...near, asks: 0 },
    { ...setup, udev: false },
  ];
}

function isUdevd(name: RivalName): boolean {
  return name.startsWith("udevd");
}

/** What a run is called: `thief`, `opener+forger`, `deadline`, `udevd-258 asked`. */
export function runName({ rivals, deadlines, aborts, asks, udev }: TrialSetup): string {
  const names = rivals.map(({ name, rounds }) => {
    if (isUdevd(name)) return udev ? `${name} ${asks > 0 ? "asked" : "awaited"}` : name;
    return rounds > 1 ? `${name}:${rounds}` : name;
  });
  if (deadlines > 0) names.push("deadline");
  if (aborts > 0) names.push("abort");
  return names.join("+") || "none";
}

/** Part `shard` of so many of a list of runs. */
export function shardOf<T>(runs: readonly T[], shard: number, shards: number): T[] {
  return runs.filter((_, index) => index % shards === shard);
}
