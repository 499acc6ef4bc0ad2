/**
 * Makes a way that violates something short: leaves out what can be left out, as long as the same
 * is violated. Deeds that are not possible any more are passed over.
 */
import { Violation } from "../../../assembly/explore/words.ts";
import { type Build, openTrial } from "./open.ts";
import { compress, follow, join, type PathElement, type Step, toTheEnd } from "./path.ts";
import type { TrialSetup } from "./setup.ts";
import type { SimTrial } from "./trial.ts";

export interface Shrunk {
  readonly setup: TrialSetup;
  readonly path: readonly PathElement[];
  readonly violation: Violation;
}

export async function shrink(
  setup: TrialSetup,
  deeds: readonly number[],
  violation: Violation,
  build: Build,
): Promise<Shrunk> {
  const raw = join(deeds.map((deed): PathElement => ({ deed, times: 1 })));
  /** What of a path was gone, to the end, where it violates the same. */
  const attempt = async (candidate: readonly PathElement[]) => {
    const { trial } = await openTrial(setup, build);
    const steps: Step[] = [];
    const found = follow(trial, join([...candidate, toTheEnd]), {
      onDeed: (deed, isCalm) => steps.push({ deed, isCalm }),
    });
    if (found !== violation) return undefined;
    return isOfTheEnd(trial, violation) ? join([...compress(steps), toTheEnd]) : compress(steps);
  };
  let path: readonly PathElement[] = (await attempt(raw)) ?? raw;
  for (let before = Number.POSITIVE_INFINITY; weight(path) < before; ) {
    before = weight(path);
    path = await leaveOut(path, attempt);
    // What is calm anyway need not be said.
    path = await soften(path, attempt);
  }
  return { setup, path, violation };
}

/** What is violated by no deed, but by how it ends or that it does not. */
function isOfTheEnd(trial: SimTrial, violation: Violation): boolean {
  if (violation === Violation.Livelock || violation === Violation.Stuck) return true;
  return trial.isOver && trial.atEnd === violation;
}

type Attempt = (path: readonly PathElement[]) => Promise<readonly PathElement[] | undefined>;

/** Larger pieces first, then single elements, then single times of them. */
async function leaveOut(
  start: readonly PathElement[],
  attempt: Attempt,
): Promise<readonly PathElement[]> {
  let path = start;
  for (let size = Math.max(1, path.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < path.length; ) {
      const without = [...path.slice(0, at), ...path.slice(at + size)];
      const shorter = await attempt(without);
      if (shorter !== undefined && weight(shorter) < weight(path)) path = shorter;
      else at += size;
    }
  }
  return path;
}

/** Deeds that can as well be the calm ones, and fewer of each. */
async function soften(
  start: readonly PathElement[],
  attempt: Attempt,
): Promise<readonly PathElement[]> {
  let path = start;
  for (let at = 0; at < path.length; at++) {
    const element = path[at];
    if (element === undefined) break;
    const others: PathElement[] = [];
    if ("deed" in element) {
      others.push({ calm: element.times });
      if (element.times > 1) others.push({ deed: element.deed, times: element.times >> 1 });
    } else if (element.calm !== Number.POSITIVE_INFINITY) {
      for (let calm = element.calm >> 1; calm > 0; calm >>= 1) others.push({ calm });
    }
    for (const other of others) {
      const shorter = await attempt([...path.slice(0, at), other, ...path.slice(at + 1)]);
      if (shorter !== undefined && weight(shorter) < weight(path)) path = shorter;
    }
  }
  return path;
}

/** Elements count most; then deeds that somebody has to choose, then the rest. */
function weight(path: readonly PathElement[]): number {
  return path.reduce((sum, element) => {
    if ("deed" in element) return sum + 1000 + element.times * 10;
    return sum + 500 + Math.min(element.calm, 400);
  }, 0);
}
