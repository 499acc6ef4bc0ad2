/**
 * Makes a way that violates something short: leaves out what can be left out, as long as the same
 * is violated. Deeds that are not possible any more are passed over.
 */
import { Violation } from "../../../assembly/explore/words.ts";
import { type Build, openTrial } from "./open.ts";
import { actCalmly, compress, join, type PathElement } from "./path.ts";
import type { TrialSetup } from "./setup.ts";

export interface Shrunk {
  readonly setup: TrialSetup;
  readonly path: readonly PathElement[];
  readonly violation: Violation;
}

const calmMax = 20_000;
const toTheEnd: PathElement = { calm: Number.POSITIVE_INFINITY };

interface Gone {
  readonly violation: Violation;
  /** what of the path was possible */
  readonly path: readonly PathElement[];
}

/** Goes a path as far as it can be gone. */
async function go(setup: TrialSetup, path: readonly PathElement[], build: Build): Promise<Gone> {
  const { trial } = await openTrial(setup, build);
  const done: PathElement[] = [];
  const steps: { deed: number; isCalm: boolean }[] = [];
  for (const element of path) {
    if ("calm" in element) {
      const isEnd = element.calm === Number.POSITIVE_INFINITY;
      for (let i = 0; i < Math.min(element.calm, calmMax); i++) {
        if (isEnd && trial.isOver) break;
        const next = actCalmly(trial);
        if (next === undefined && !trial.isOver) return { violation: Violation.Stuck, path };
        if (next === undefined) break;
        steps.push({ deed: next.deed, isCalm: true });
        if (next.violation !== 0) return { violation: next.violation, path: compress(steps) };
      }
      if (isEnd) {
        const violation = trial.isOver ? trial.atEnd : Violation.Livelock;
        return { violation, path: join([...compress(steps), toTheEnd]) };
      }
    } else {
      for (let i = 0; i < element.times; i++) {
        const { deeds } = trial.choices;
        if (!deeds.includes(element.deed)) break;
        const violation = trial.act(element.deed);
        steps.push({ deed: element.deed, isCalm: false });
        if (violation !== 0) return { violation, path: compress(steps) };
      }
    }
  }
  return { violation: 0, path: done };
}

export async function shrink(
  setup: TrialSetup,
  deeds: readonly number[],
  violation: Violation,
  build: Build,
): Promise<Shrunk> {
  const raw = join(deeds.map((deed): PathElement => ({ deed, times: 1 })));
  const attempt = async (candidate: readonly PathElement[]) => {
    const gone = await go(setup, join([...candidate, toTheEnd]), build);
    return gone.violation === violation ? gone.path : undefined;
  };
  let path = (await attempt(raw)) ?? raw;
  for (let before = Number.POSITIVE_INFINITY; weight(path) < before; ) {
    before = weight(path);
    path = await leaveOut(path, attempt);
    // What is calm anyway need not be said.
    path = await soften(path, attempt);
  }
  return { setup, path, violation };
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
