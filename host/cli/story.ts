/**
 * What one kernel says of an attach and what an opener can do to it, for `demo`. Pure.
 */
import type { Race, Story, Way } from "../sim/story.ts";
import { alignColumns, wrap } from "./format.ts";

const blank = " ".repeat(8);
const widthMax = 92;

const regimes: Readonly<Record<Story["regime"], string>> = {
  PLAIN: "PLAIN: an attach sends one change, when the size is set.",
  LOUD:
    "LOUD: an attach sends changes while the device is not bound yet; whoever opens it then " +
    "finds nothing.",
  MUTE:
    "MUTE: an attach in one call sends nothing, not even of its partitions: who waits for an " +
    "event waits for ever.",
  TABLE: "TABLE: an attach sends a change only where a partition table is found.",
  ONE: "ONE: an attach sends exactly one change, before the partition table is read.",
};

/** Headings stand in front, as `demo` has them. */
export function storyLines(story: Story, heading: (text: string) => string): string[] {
  return [
    ...paragraph(heading("kernel"), `${regimes[story.regime]} ${numberText(story)}`),
    "",
    `${heading("events")}in one call, with PARTSCAN`,
    ...wayLines(story.direct),
    `${blank}split, as diskseq does it: what is pending is drained by an open and close`,
    ...wayLines(story.split),
    `${blank}detach`,
    ...eventLines([["", story.detach]]),
    "",
    `${heading("race")}another process opens the device at one moment of the attach`,
    ...raceLines("in one call", story.direct.race, story),
    ...raceLines("split", story.split.race, story),
    "",
  ];
}

function numberText({ hasDiskseq, isNumbered }: Story): string {
  if (!hasDiskseq) return "It has no disk sequence number: events of two attaches look alike.";
  return isNumbered
    ? "#N is the disk sequence number; the removes at a detach carry the next one."
    : "#N is the disk sequence number, which does not rise at an attach: it identifies none.";
}

function wayLines({ calls }: Way): string[] {
  return eventLines(calls.map(({ name, events }) => [name, events]));
}

function eventLines(rows: readonly (readonly [name: string, events: readonly string[]])[]) {
  const cells = rows.map(([name, events]) => [name.padEnd(17), eventText(events)]);
  return alignColumns([{ title: "" }, { title: "" }], cells).map((line) => `${blank}  ${line}`);
}

function eventText(events: readonly string[]): string {
  return events.length === 0 ? "-" : events.join(", ");
}

function raceLines(name: string, { moments, blinks, example }: Race, story: Story): string[] {
  const label = `${blank}${name.padEnd(13)}`;
  const why = story.isScanLeft ? "" : ": this kernel leaves no scan to the next open";
  const text =
    blinks === 0
      ? `at none of ${moments} a partition that was plugged goes away${why}`
      : `at ${blinks} of ${moments} partitions are plugged, dead, plugged: ${eventText(example)}`;
  return wrap(text, " ".repeat(label.length), widthMax).map((line, index) =>
    index === 0 ? label + line.trimStart() : line,
  );
}

function paragraph(head: string, text: string): string[] {
  return wrap(text, blank, widthMax).map((line, index) =>
    index === 0 ? head + line.trimStart() : line,
  );
}
