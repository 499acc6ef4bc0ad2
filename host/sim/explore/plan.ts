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
    ...names.map((name) => forRival(common, name, rounds(name))),
    { ...common, deadlines: 1 },
    { ...common, aborts: 1 },
  ];
}

/** A flooder is there to have datagrams dropped: with it any number of them may wait for us, what
 *  does not fit is lost, and no more has to be. */
function forRival(common: TrialSetup, name: RivalName, rounds: number): TrialSetup {
  const flood = name === "flooder" ? { lag: 0, loss: 0 } : {};
  return { ...common, rivals: [{ name, rounds }], ...flood };
}

/** What a run is called: `thief`, `opener+forger`, `deadline`. */
export function runName({ rivals, deadlines, aborts }: TrialSetup): string {
  const names = rivals.map(({ name, rounds }) => (rounds > 1 ? `${name}:${rounds}` : name));
  if (deadlines > 0) names.push("deadline");
  if (aborts > 0) names.push("abort");
  return names.join("+") || "none";
}

/** Part `shard` of so many of a list of runs. */
export function shardOf<T>(runs: readonly T[], shard: number, shards: number): T[] {
  return runs.filter((_, index) => index % shards === shard);
}
