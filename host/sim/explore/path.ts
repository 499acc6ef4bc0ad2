/**
 * Paths of a trial as text: numbers of deeds with slashes between them, `7*3` for the same deed
 * three times, `.12` for twelve deeds of those that happen when nobody disturbs, `.*` for those to
 * the end. So what is long is short, and what is left is the point.
 */
import { Violation } from "../../../assembly/explore/words.ts";
import { LoopError } from "../../errors.ts";
import type { Choices, SimTrial } from "./trial.ts";

/** A deed that was done. */
export interface Step {
  readonly deed: number;
  /** it is the one that happens when nobody disturbs */
  readonly isCalm: boolean;
}

/** Calm deeds to the end. */
export const toTheEnd: PathElement = { calm: Number.POSITIVE_INFINITY };

/** A deed by its number, or calm ones; how often. */
export type PathElement =
  | { readonly deed: number; readonly times: number }
  | { readonly calm: number };

export function formatPath(path: readonly PathElement[]): string {
  return path.map(formatElement).join("/");
}

function formatElement(element: PathElement): string {
  if ("calm" in element)
    return `.${element.calm === Number.POSITIVE_INFINITY ? "*" : element.calm}`;
  return element.times === 1 ? `${element.deed}` : `${element.deed}*${element.times}`;
}

export function parsePath(text: string): PathElement[] {
  return text === "" ? [] : text.split("/").map(parseElement);
}

function parseElement(word: string): PathElement {
  const calm = /^\.(\d{1,6}|\*)$/.exec(word)?.[1];
  if (calm !== undefined) return { calm: calm === "*" ? Number.POSITIVE_INFINITY : Number(calm) };
  const [, deed, times = "1"] = /^(\d{1,6})(?:\*(\d{1,6}))?$/.exec(word) ?? [];
  if (deed !== undefined) return { deed: Number(deed), times: Number(times) };
  throw new LoopError(
    "ERR_LOOP_ARGUMENT",
    `'${word.slice(0, 40)}': a path is such as 3/0*2/.12/7/.*: numbers of deeds, N*T for T times ` +
      "the same, .N for N deeds of calm, .* for calm to the end",
  );
}

/** Calm deeds next to each other become one element, and so do equal ones. */
export function compress(steps: readonly Step[]): PathElement[] {
  return join(steps.map(({ deed, isCalm }) => (isCalm ? { calm: 1 } : { deed, times: 1 })));
}

export function join(elements: readonly PathElement[]): PathElement[] {
  const path: PathElement[] = [];
  for (const element of elements) {
    const last = path.at(-1);
    if (last === undefined) path.push(element);
    else if ("calm" in element && "calm" in last) {
      path[path.length - 1] = { calm: last.calm + element.calm };
    } else if ("deed" in element && "deed" in last && element.deed === last.deed) {
      path[path.length - 1] = { deed: last.deed, times: last.times + element.times };
    } else path.push(element);
  }
  return path;
}

/** What is told of a path while it is gone. */
export interface Follower {
  /** what is possible, before a deed is done */
  readonly onChoice?: (choices: Choices) => void;
  readonly onDeed?: (deed: number, isCalm: boolean) => void;
  /** a deed of the path that is not possible, and passed over */
  readonly onImpossible?: (deed: number, choices: Choices) => void;
}

/** Undisturbed nothing takes so many deeds. */
const calmMax = 20_000;

/** Goes a path; what it violates, at its end too where all is over by then. */
export function follow(
  trial: SimTrial,
  path: readonly PathElement[],
  follower: Follower = {},
): Violation {
  for (const element of path) {
    const violation =
      "calm" in element
        ? goCalmly(trial, element.calm, follower)
        : goDeed(trial, element.deed, element.times, follower);
    if (violation !== Violation.None) return violation;
  }
  return trial.isOver ? trial.atEnd : Violation.None;
}

function goDeed(trial: SimTrial, deed: number, times: number, follower: Follower): Violation {
  for (let i = 0; i < times; i++) {
    const { choices } = trial;
    if (!choices.deeds.includes(deed)) {
      follower.onImpossible?.(deed, choices);
      return Violation.None;
    }
    follower.onChoice?.(choices);
    const violation = trial.act(deed);
    follower.onDeed?.(deed, false);
    if (violation !== Violation.None) return violation;
  }
  return Violation.None;
}

/** To the end, where there is one: a state that comes again comes for ever (Brent 1980). */
function goCalmly(trial: SimTrial, times: number, follower: Follower): Violation {
  const isToTheEnd = times === Number.POSITIVE_INFINITY;
  let [known, since, power] = [trial.hash, 0, 1];
  for (let i = 0; i < Math.min(times, calmMax); i++) {
    if (isToTheEnd && trial.isOver) return Violation.None;
    const done = actCalmly(trial, follower);
    if (done === undefined) return trial.isOver ? Violation.None : Violation.Stuck;
    if (done !== Violation.None) return done;
    if (!isToTheEnd) continue;
    if (trial.hash === known) return Violation.Livelock;
    since += 1;
    if (since < power) continue;
    [known, since, power] = [trial.hash, 0, power * 2];
  }
  return isToTheEnd && !trial.isOver ? Violation.Livelock : Violation.None;
}

/** What happens when nobody disturbs: what it violates; undefined: nothing does. */
function actCalmly(trial: SimTrial, follower: Follower): Violation | undefined {
  const { choices } = trial;
  follower.onChoice?.(choices);
  for (const deed of choices.deeds.slice(0, choices.calm)) {
    const violation = trial.act(deed);
    // One that only waits has changed nothing.
    if (violation === Violation.None && !trial.hasMoved) continue;
    follower.onDeed?.(deed, true);
    return violation;
  }
  return undefined;
}
