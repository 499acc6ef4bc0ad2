/**
 * A log, explained: the life of each disk in it, what flapped and why, what was stale, lost or
 * refused. Plain data, for people's words, for pages and for JSON.
 */
import { type Flap, flapsOf } from "./flaps.ts";
import { type Instance, isLookCall, type Life, livesOf, type Missing } from "./lives.ts";
import type { GapMoment, Log, Moment, RefusedMoment, UeventMoment } from "./moments.ts";

export interface DiskStory {
  readonly disk: string;
  readonly instances: readonly Instance[];
  readonly flaps: readonly Flap[];
  readonly stale: readonly UeventMoment[];
  readonly missing: readonly Missing[];
  /** all that is about the disk, in the order of the log */
  readonly moments: readonly Moment[];
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

function diskStory(life: Life, log: Log, gaps: readonly GapMoment[]): DiskStory {
  const { disk, instances, missing, moments } = life;
  return { disk, instances, flaps: flapsOf(life, log, gaps), stale: life.stale, missing, moments };
}
