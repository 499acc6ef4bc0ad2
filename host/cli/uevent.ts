/**
 * How a monitor's items and counts look to people. Pure; every text is escaped here.
 *
 * Lines are made one by one, so the columns have widths that suit most events.
 */
import type {
  MonitorCounts,
  MonitorItem,
  Uevent,
  UeventGap,
  UeventMark,
  UeventRejected,
  Verdict,
} from "../stream-types.ts";
import { type Column, escapeText, placeCells, titles } from "./format.ts";
import type { Format, Output } from "./table.ts";

type Paint = Output["paint"];

const columns: readonly (Column & { readonly width: number })[] = [
  { title: "TIME", align: "right", width: 11 },
  { title: "GROUP", width: 6 },
  { title: "SEQNUM", align: "right", width: 7 },
  { title: "ACTION", width: 7 },
  { title: "DEVICE", width: 14 },
  { title: "DEVTYPE", width: 9 },
  { title: "DISKSEQ", align: "right", width: 7 },
  { title: "MARKS", width: 0 },
];
const widths = columns.map(({ width }) => width);

const verdicts: { readonly [V in Verdict]?: readonly [text: string, format: Format] } = {
  stale: ["stale", "yellow"],
  later: ["later", "red"],
  "best-effort": ["best effort", "yellow"],
};
const marks: { readonly [M in UeventMark]?: readonly [text: string, format: Format] } = {
  "out-of-order": ["out of order", "yellow"],
  "media-change": ["media change", "cyan"],
  synthetic: ["synthetic", "cyan"],
  ends: ["ends", "cyan"],
};

export function headerLine(paint: Paint): string {
  return paint("bold", placeCells(columns, widths, titles(columns)));
}

/** One item, without its properties. Times count from `startMs`. */
export function itemLine(item: MonitorItem, startMs: number, paint: Paint): string {
  switch (item.type) {
    case "uevent":
      return placeCells(columns, widths, eventCells(item, startMs, paint));
    case "gap":
      return paint("red", `-- ${gapText(item)} --`);
    case "overrun":
      return paint("red", `-- overrun: ${plural(item.dropped, "item")} dropped, unread --`);
    case "rejected":
      return paint("yellow", `-- ${rejectedText(item)} --`);
  }
}

/** `KEY=VALUE` as received, indented. */
export function propertyLines({ properties }: Uevent): string[] {
  return Object.entries(properties).map(([key, value]) => `    ${escapeText(`${key}=${value}`)}`);
}

/** What was counted; rare things only where there were any. */
export function summaryText(counts: MonitorCounts): string {
  const gaps = counts.gaps === 0 ? "" : ` in ${plural(counts.gaps, "gap")}`;
  const unknown = counts.unknownGaps === 0 ? "" : ` (${counts.unknownGaps} of unknown size)`;
  const rare = { "out of order": counts.outOfOrder, dropped: counts.dropped };
  return [
    `received ${counts.received}`,
    `told ${counts.told}`,
    `stale ${counts.stale}`,
    `later ${counts.later}`,
    ...nonzero(rare),
    `lost ${counts.lost}${gaps}${unknown}`,
    `duplicates ${counts.duplicate}`,
    `forged ${counts.forged}`,
    `malformed ${counts.malformed}`,
    ...nonzero({ truncated: counts.truncated }),
  ].join(", ");
}

function eventCells(event: Uevent, startMs: number, paint: Paint): string[] {
  const { verdict, group, seqnum, action, device, devpath, devtype, diskseq } = event;
  const told = [
    verdict === null ? undefined : verdicts[verdict],
    ...event.marks.map((mark) => marks[mark]),
  ];
  return [
    ((event.timeMs - startMs) / 1000).toFixed(6),
    group,
    String(seqnum),
    escapeText(action),
    escapeText(device ?? devpath),
    escapeText(devtype ?? "-"),
    diskseq === null ? "-" : String(diskseq),
    told.flatMap((one) => (one === undefined ? [] : [paint(one[1], one[0])])).join(", "),
  ];
}

function gapText({ lost, after, group }: UeventGap): string {
  const count = lost === null ? "an unknown number of events" : plural(lost, "event");
  return `gap: ${count} lost${after === null ? "" : ` after ${after}`} (${group})`;
}

function rejectedText({ reason, bytes, pid, uid, group }: UeventRejected): string {
  return `${reason}: ${plural(bytes, "byte")} from pid ${pid}, uid ${uid} (${group})`;
}

function nonzero(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).flatMap(([name, count]) => (count === 0 ? [] : `${name} ${count}`));
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
