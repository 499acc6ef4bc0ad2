/**
 * A log, explained: the life of each disk in it, what flapped and why, what was stale, lost or
 * refused. Plain data, for people's words, for pages and for JSON.
 */
import { type Flap, flapsOf } from "./flaps.ts";
import { isLookCall, type Life, livesOf } from "./lives.ts";
import type { GapMoment, Log, RefusedMoment } from "./moments.ts";

export interface DiskStory extends Omit<Life, "replugs"> {
  readonly flaps: readonly Flap[];
}

export interface Story {
  readonly log: Log;
  /** those that something happened to, or had something attached */
  readonly disks: readonly DiskStory[];
  readonly gaps: readonly GapMoment[];
  readonly refused: readonly RefusedMoment[];
}

export function storyOf(log: Log): Story {
  const gaps = log.moments.filter((moment) => moment.kind === "gap");
  return {
    log,
    disks: livesOf(log)
      .filter(isLively)
      .map((life) => diskStory(life, log, gaps)),
    gaps,
    refused: log.moments.filter((moment) => moment.kind === "refused"),
  };
}

/** Of most disks a look shows that nothing is attached, and no more. */
function isLively({ moments, instances }: Life): boolean {
  return (
    instances.some(({ isOccupied, plugs }) => isOccupied || plugs.length > 0) ||
    moments.some((moment) => moment.kind !== "look" && !isLookCall(moment))
  );
}

function diskStory({ replugs, ...life }: Life, log: Log, gaps: readonly GapMoment[]): DiskStory {
  return { ...life, flaps: flapsOf({ replugs, ...life }, log, gaps) };
}
