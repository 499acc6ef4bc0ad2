/**
 * An explained log in words: what was plugged, dead, plugged and why, each instance, what is stale,
 * missing or lost. Pure; every text is escaped here.
 */
import { causeTexts } from "../trace/explain/cause-text.ts";
import type { FlapCause } from "../trace/explain/causes.ts";
import type { Flap } from "../trace/explain/flaps.ts";
import type { Instance } from "../trace/explain/lives.ts";
import { momentText, place, seconds, spanText } from "../trace/explain/moment-text.ts";
import type { DiskStory, Story } from "../trace/explain/story.ts";
import { escapeText, wrap } from "./format.ts";
import type { Output } from "./table.ts";

type Paint = Output["paint"];

const widthMax = 100;
/** Told one by one, of a disk. */
const flapsMax = 20;

/** The story in words; disks without anything attached and without events are passed over. */
export function storyLines(story: Story, paint: Paint): string[] {
  const { log, disks, gaps, refused } = story;
  const durationNs = log.moments.at(-1)?.at ?? 0;
  const facts = Object.entries(log.facts)
    .map(([key, value]) => escapeText(`${key} ${value}`))
    .join(", ");
  const lines = [
    `${formatNames[log.format]}${facts === "" ? "" : `, ${facts}`}: ` +
      `${plural(log.moments.length, "moment")} in ${spanText(durationNs)}`,
  ];
  if (log.isCut) lines.push(paint("yellow", "It is cut short: it has no end."));
  lines.push("", ...headlines(story, paint));
  for (const disk of disks) lines.push("", ...diskLines(disk, story, paint));
  if (gaps.length > 0) {
    const known = gaps.reduce((sum, { lost }) => sum + (lost ?? 0), 0);
    lines.push(
      "",
      paint("red", `Lost: ${plural(known, "event")} in ${plural(gaps.length, "gap")}`),
    );
    lines.push(...some(gaps.map((gap) => `  ${momentText(gap)}, ${place(gap)}`)));
  }
  if (refused.length > 0) {
    const counts = countBy(refused, ({ why }) => why);
    lines.push("", `Refused: ${counts.map(([why, count]) => `${count} ${why}`).join(", ")}`);
  }
  return lines;
}

const formatNames = {
  trace: "A trace of diskseq",
  "kernel-trace": "A trace of a kernel",
  udevadm: "What udevadm monitor heard",
} as const;

function headlines({ log, disks, gaps }: Story, paint: Paint): string[] {
  const flaps = disks.flatMap((disk) => disk.flaps.filter((flap) => flap.isSameInstance));
  const others = disks.flatMap((disk) => disk.flaps.filter((flap) => !flap.isSameInstance));
  const stale = disks.reduce((sum, disk) => sum + disk.stale.length, 0);
  const lines =
    flaps.length === 0
      ? [paint("green", "No partition of a living instance was plugged, dead, plugged.")]
      : [
          paint(
            "red",
            `${plural(flaps.length, "time")} partitions of a living instance were ` +
              "plugged, dead, plugged:",
          ),
          ...causeLines(flaps),
        ];
  if (others.length > 0) {
    lines.push(`${plural(others.length, "time")} a name went to another instance:`);
    lines.push(...causeLines(others));
  }
  if (stale > 0) lines.push(paint("yellow", `${plural(stale, "stale event")}`));
  if (log.format !== "trace") lines.push("Whether events were lost, such a log does not say.");
  else if (gaps.length === 0) lines.push("No events were lost.");
  return lines;
}

function causeLines(flaps: readonly Flap[]): string[] {
  return countBy(flaps, causeText).map(
    ([text, count]) => `  ${String(count).padStart(5)}  ${text}`,
  );
}

/** `double scan by the kernel, likely` */
function causeText({ cause, by, isCertain }: Flap): string {
  const likely = isCertain ? "" : ", likely";
  return `${causeTexts[cause][0]}${by === null ? "" : byText(cause, escapeText(by))}${likely}`;
}

function byText(cause: FlapCause, by: string): string {
  if (cause === "udev-reread") return "";
  return cause === "double-scan" ? ` after an open by ${by}` : `, by ${by}`;
}

function diskLines(
  { disk, instances, flaps, stale, missing }: DiskStory,
  { log }: Story,
  paint: Paint,
): string[] {
  const lines = [paint("bold", escapeText(disk))];
  const other = log.hasCalls ? "attached by another process" : undefined;
  const lived = instances.filter(({ isOccupied, plugs }) => isOccupied || plugs.length > 0);
  lines.push(...some(lived.flatMap((one) => instanceLines(one, other))));
  const own = flaps.filter((flap) => flap.isSameInstance);
  lines.push(...own.slice(0, flapsMax).flatMap((flap) => flapLines(flap, paint)));
  if (own.length > flapsMax)
    lines.push(`  and ${own.length - flapsMax} more (--json has them all)`);
  for (const cause of new Set(own.map((flap) => flap.cause))) {
    const [what, remedy] = causeTexts[cause];
    lines.push(...wrap(`To avoid ${what}: ${remedy}.`, "    ", widthMax));
  }
  lines.push(...some(stale.map((event) => `  stale: ${momentText(event)}, ${place(event)}`)));
  lines.push(
    ...some(
      missing.map(
        ({ moment, action, partition }) =>
          `  missing: no '${action}' of partition ${partition} was heard before ${place(moment)}`,
      ),
    ),
  );
  return lines;
}

/** `other`: what is said where nobody whose calls the log has attached it. */
function instanceLines(instance: Instance, other: string | undefined): string[] {
  const { diskseq, first, last, attach, detach, plugs } = instance;
  const number = diskseq === null ? "unnumbered" : `#${diskseq}`;
  const partitions = [...new Set(plugs.map(({ partition }) => partition))].sort((a, b) => a - b);
  const parts = [
    attach === null ? other : `${attach.name} by ${escapeText(attach.actor)}`,
    detach === null ? undefined : `${detach.name} by ${escapeText(detach.actor)}`,
    partitions.length === 0 ? "no partitions" : `partitions ${partitions.join(" ")}`,
  ].filter((part) => part !== undefined);
  return [`  ${number}, ${place(first)}, for ${spanText(last.at - first.at)}: ${parts.join(", ")}`];
}

function flapLines(flap: Flap, paint: Paint): string[] {
  const { partitions, diskseq, unplugged, plugged, because } = flap;
  const number = diskseq[1] === null ? "" : `#${diskseq[1]} `;
  const head =
    `  ${number}partition${partitions.length === 1 ? "" : "s"} ${partitions.join(" ")} plugged, ` +
    `dead for ${spanText(plugged.at - unplugged.at)}, plugged at +${seconds(plugged.at)} s ` +
    `(lines ${unplugged.line}-${plugged.line})`;
  return [
    paint("red", head),
    ...wrap(`${causeText(flap)}:`, "    ", widthMax),
    ...because.flatMap((one) => bullet(escapeText(one))),
  ];
}

function bullet(text: string): string[] {
  return wrap(text, "      ", widthMax).map((line, index) =>
    index === 0 ? line.replace(/^ {6}/, "    - ") : line,
  );
}

function plural(count: number, word: string): string {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** The first of them, and how many more there are. */
function some(lines: readonly string[], most = 20): string[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), `  and ${lines.length - most} more (--json has them all)`];
}

function countBy<T>(items: readonly T[], textOf: (item: T) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(textOf(item), (counts.get(textOf(item)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}
