/**
 * What a page is made of, as the two ends of a file spell it: the moments of a log in rows, and its
 * story, in which a moment is named by its place. Knows neither files nor a browser.
 */

import type { Log, Moment } from "../explain/moments.ts";
import type { DiskStory, Story } from "../explain/story.ts";

/** Names of the blocks of a page, each gzip in base64. */
export const blocks = ["log", "story", "trace", "core"] as const;
export type Block = (typeof blocks)[number];

export interface About {
  /** of the log, as it was given */
  readonly path: string;
  /** sha256 of the core that the page has */
  readonly core: string;
}

export interface PageData extends Omit<Story, "disks"> {
  readonly about: About;
  readonly disks: readonly Omit<DiskStory, "moments">[];
}

interface Rows {
  /** names of the fields of each kind */
  readonly fields: Record<string, string[]>;
  /** the kind, and its fields */
  readonly rows: unknown[][];
}

/** A moment in a story. */
interface Place {
  readonly moment: number;
}

export function encodeLog(log: Log, about: About): string {
  const { moments, ...rest } = log;
  const fields: Rows["fields"] = {};
  const rows = moments.map((moment) => {
    fields[moment.kind] ??= Object.keys(moment).filter((name) => name !== "kind");
    const values = moment as unknown as Record<string, unknown>;
    return [moment.kind, ...fields[moment.kind].map((name) => values[name])];
  });
  return JSON.stringify({ about, log: rest, moments: { fields, rows } satisfies Rows });
}

export function encodeStory({ log, disks, gaps, refused }: Story): string {
  const places = new Map<unknown, Place>(log.moments.map((one, moment) => [one, { moment }]));
  const told = disks.map(({ moments: _, ...disk }) => disk);
  return JSON.stringify({ disks: told, gaps, refused }, (_, value) => places.get(value) ?? value);
}

export function decodePage(logText: string, storyText: string): PageData {
  const { about, log, moments } = JSON.parse(logText);
  const known = momentsOf(moments);
  const story = JSON.parse(storyText, (_, value) =>
    typeof value?.moment === "number" ? known[value.moment] : value,
  );
  return { about, log: { ...log, moments: known }, ...story };
}

function momentsOf({ fields, rows }: Rows): Moment[] {
  return rows.map(([kind, ...values]) => {
    const moment: Record<string, unknown> = { kind };
    for (const [index, name] of fields[String(kind)].entries()) moment[name] = values[index];
    return moment as unknown as Moment;
  });
}
