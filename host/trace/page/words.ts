/** What things are called on the page alone, beside the story's words. Formats, decides nothing. */
import type { UeventMark, Verdict } from "../../stream-types.ts";
import { causeTexts } from "../explain/cause-text.ts";
import type { Flap } from "../explain/flaps.ts";
import { momentText, whoOf } from "../explain/moment-text.ts";
import type { Moment } from "../explain/moments.ts";

const units = [
  ["h", 3600e9],
  ["min", 60e9],
  ["s", 1e9],
  ["ms", 1e6],
  ["µs", 1e3],
] as const;

/** A time since the beginning, told apart from one that is `stepNs` later. */
export function timeText(ns: number, stepNs: number): string {
  const [name, size] = units.find(([, one]) => Math.abs(ns) >= one) ?? ["ns", 1];
  const digits = Math.max(0, Math.ceil(Math.log10((3 * size) / Math.max(stepNs, 1))));
  return `${(ns / size).toFixed(Math.min(digits, 9))} ${name}`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function deviceText(disk: string, partition: number): string {
  return partition === 0 ? disk : `${disk} partition ${partition}`;
}

/** A moment in one line, by itself. */
export function lineText(moment: Moment): string {
  const who = whoOf(moment);
  const text = momentText(moment);
  const isNamed = "disk" in moment && moment.disk !== null;
  const device = isNamed ? ` ${moment.disk}` : moment.kind === "uevent" ? ` ${moment.devpath}` : "";
  return who === "" ? text : `${who}${device}: ${text}`;
}

export const verdictTexts: Readonly<Record<Verdict, string>> = {
  stale: "stale: of an instance that is over, by its lower diskseq",
  mine: "mine: of the instance that is followed, by its diskseq",
  later: "later: of a newer instance, by its higher diskseq",
  "best-effort": "best effort: it has no number to tell by",
};

export const markTexts: Readonly<Record<UeventMark, string>> = {
  "out-of-order": "out of order: its SEQNUM is lower than one before it",
  "media-change": "media change: a medium came or went",
  synthetic: "synthetic: a program wrote it to sysfs",
  ends: "ends: the end of a partition of mine, under the next number",
  first: "first: nothing was known of this disk before",
};

export function flapText({ disk, partitions, cause, by }: Flap): string {
  const which = `${partitions.length === 1 ? "partition" : "partitions"} ${partitions.join(" ")}`;
  return `${disk} ${which}: ${causeTexts[cause][0]}${by === null ? "" : ` (${by})`}`;
}
