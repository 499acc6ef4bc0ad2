/**
 * Paths of a trial as text: numbers of deeds with slashes between them, `7*3` for the same deed
 * three times, `.12` for twelve deeds of those that happen when nobody disturbs, `.*` for those to
 * the end. So what is long is short, and what is left is the point.
 */
import { LoopError } from "../../errors.ts";
import type { SimTrial } from "./trial.ts";

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
export function compress(
  steps: readonly { readonly deed: number; readonly isCalm: boolean }[],
): PathElement[] {
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

/** What happens when nobody disturbs: the deed, and what it violates; undefined: nothing does. */
export function actCalmly(trial: SimTrial): { deed: number; violation: number } | undefined {
  const { deeds, calm } = trial.choices;
  for (const deed of deeds.slice(0, calm)) {
    const violation = trial.act(deed);
    // One that only waits has changed nothing.
    if (violation !== 0 || trial.hasMoved) return { deed, violation };
  }
  return undefined;
}
