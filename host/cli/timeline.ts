/**
 * What happened to a disk, moment by moment, in columns, with a lane for each partition. Pure;
 * every text is escaped here.
 */
import { type Instance, isLookCall } from "../trace/explain/lives.ts";
import { momentText, seconds, spanText, whoOf } from "../trace/explain/moment-text.ts";
import type { LookMoment, Moment } from "../trace/explain/moments.ts";
import type { DiskStory, Story } from "../trace/explain/story.ts";
import { type Column, escapeText } from "./format.ts";
import type { Output } from "./table.ts";

type Paint = Output["paint"];

const columns: readonly Column[] = [
  { title: "LINE", align: "right" },
  { title: "SECONDS", align: "right" },
  { title: "STEP", align: "right" },
  { title: "DISKSEQ", align: "right" },
  { title: "WHO" },
  { title: "WHAT" },
];
const widths = [6, 12, 8, 7, 8, 47];

/** One line for each moment: when, who, what; and the partitions, plugged or not. */
export function* timelineLines(
  { disk, moments: own, instances }: DiskStory,
  { log }: Story,
  paint: Paint,
): Generator<string> {
  const numbers = [
    ...new Set(instances.flatMap(({ plugs }) => plugs.map((plug) => plug.partition))),
  ];
  numbers.sort((a, b) => a - b);
  const lanes = new Lanes(instances, numbers);
  const isOwn = new Set(own);
  const head = row(
    columns.map(({ title }) => title),
    numbers.map(String),
  );
  yield paint("bold", `${escapeText(disk)}`);
  yield paint("dim", head);
  let beforeAt: number | undefined;
  const shown = new Map<string, string>();
  for (const moment of log.moments) {
    if (moment.kind === "title") {
      yield paint("bold", `-- ${escapeText(moment.text)}`);
      continue;
    }
    if (moment.kind !== "gap" && !isOwn.has(moment)) continue;
    if (moment.kind === "look" && !isNews(moment, shown)) continue;
    if (isLookCall(moment)) continue;
    const step = beforeAt === undefined ? "" : spanText(moment.at - beforeAt);
    beforeAt = moment.at;
    const diskseq = "diskseq" in moment && moment.diskseq !== null ? String(moment.diskseq) : "";
    const cells = [
      String(moment.line),
      seconds(moment.at),
      step,
      diskseq,
      whoOf(moment),
      momentText(moment),
    ];
    const line = row(cells.map(escapeText), lanes.at(moment));
    yield emphasis(moment) === undefined ? line : paint(emphasis(moment) ?? "dim", line);
  }
}

/** Whether a look shows something else than the one before it at the same. */
function isNews(moment: LookMoment, shown: Map<string, string>): boolean {
  const { diskseq, isBound, partitions } = moment;
  const what = `${diskseq === null} ${isBound === null} ${partitions === null}`;
  const text = `${diskseq} ${momentText(moment)}`;
  if (shown.get(what) === text) return false;
  shown.set(what, text);
  return true;
}

function emphasis(moment: Moment) {
  if (moment.kind === "gap") return "red";
  if (moment.kind === "uevent" && moment.verdict === "stale") return "yellow";
  return moment.kind === "look" ? "dim" : undefined;
}

function row(cells: readonly string[], lanes: readonly string[]): string {
  const placed = cells.map((cell, index) => {
    const width = widths[index] ?? 0;
    return columns[index]?.align === "right" ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${placed.join("  ")}  ${lanes.join(" ")}`.trimEnd();
}

/** `+` plugged here, `|` there, `x` unplugged here, `.` not there. */
class Lanes {
  readonly #numbers: readonly number[];
  readonly #begins = new Map<Moment, number>();
  readonly #ends = new Map<Moment, number>();
  readonly #live = new Set<number>();

  constructor(instances: readonly Instance[], numbers: readonly number[]) {
    this.#numbers = numbers;
    for (const { partition, plugged, unplugged } of instances.flatMap(({ plugs }) => plugs)) {
      if (plugged !== null) this.#begins.set(plugged, partition);
      else this.#live.add(partition);
      if (unplugged !== null) this.#ends.set(unplugged, partition);
    }
  }

  at(moment: Moment): string[] {
    const began = this.#begins.get(moment);
    const ended = this.#ends.get(moment);
    if (began !== undefined) this.#live.add(began);
    if (ended !== undefined) this.#live.delete(ended);
    return this.#numbers.map((number) => {
      const width = String(number).length;
      let mark = this.#live.has(number) ? "|" : ".";
      if (number === began) mark = "+";
      if (number === ended) mark = "x";
      return mark.padStart(width);
    });
  }
}
