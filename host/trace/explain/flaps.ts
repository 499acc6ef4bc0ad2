/**
 * Flaps: partitions that went together and came again together, each with why it did. Groups what
 * happened to single partitions; causes are named elsewhere.
 */
import { type Conclusion, isEvent, Judge } from "./causes.ts";
import type { Life, Replug } from "./lives.ts";
import type { GapMoment, Log, Moment } from "./moments.ts";

/** Partitions that went together and came again together. */
export interface Flap extends Conclusion {
  readonly disk: string;
  readonly partitions: readonly number[];
  /** before and after; null: no number */
  readonly diskseq: readonly [number | null, number | null];
  /** the same instance: whoever used it was let down */
  readonly isSameInstance: boolean;
  /** ns since the beginning of the log, and the lines there */
  readonly unplugged: { readonly at: number; readonly line: number };
  readonly plugged: { readonly at: number; readonly line: number };
}

/** `gaps`: those of the log. */
export function flapsOf(life: Life, log: Log, gaps: readonly GapMoment[]): Flap[] {
  const places = new Map(life.moments.map((moment, place) => [moment, place]));
  return together(life).map((replugs) => {
    const [first] = replugs;
    if (first === undefined) throw new Error("no flap is empty");
    const judge = new Judge({ life, log, gaps, places }, first);
    const { before, after } = first;
    const [, end, again] = first.at.map((index) => life.moments[index]);
    return {
      disk: life.disk,
      partitions: replugs.map(({ after: { partition } }) => partition),
      diskseq: [before.diskseq, after.diskseq],
      isSameInstance: judge.isSameInstance,
      ...judge.conclusion(),
      unplugged: { at: end?.at ?? 0, line: end?.line ?? 0 },
      plugged: { at: again?.at ?? 0, line: again?.line ?? 0 },
    };
  });
}

/** Those whose partitions went in one run of events and came in one. */
function together({ moments, replugs }: Life): Replug[][] {
  const runs = runsOf(moments);
  const groups = new Map<string, Replug[]>();
  for (const replug of replugs) {
    const [, end, again] = replug.at;
    const key = `${runs[end]} ${runs[again]}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [replug]);
    else group.push(replug);
  }
  return [...groups.values()];
}

/** For each moment the number of its run: events that follow one another and say the same. */
function runsOf(moments: readonly Moment[]): number[] {
  let run = 0;
  let told = "";
  return moments.map((moment) => {
    if (isEvent(moment)) {
      const { partition, action } = moment;
      const own = partition === 0 ? "disk" : action;
      if (own !== told) run += 1;
      told = own;
    }
    return run;
  });
}
