/** One moment of a log in a few words. Pure; nothing is escaped here. */
import { LoFlag } from "../../../assembly/wire/linux.ts";
import type { CallMoment, LookMoment, Moment, UeventMoment } from "./moments.ts";

/** Who did or said it. */
export function whoOf(moment: Moment): string {
  switch (moment.kind) {
    case "uevent":
    case "gap":
    case "refused":
      return moment.group;
    case "call":
      return moment.actor;
    case "look":
      return "sysfs";
    case "command":
      return "program";
    case "event":
      return "core";
    case "title":
      return "";
  }
}

export function momentText(moment: Moment): string {
  switch (moment.kind) {
    case "uevent":
      return ueventText(moment);
    case "call":
      return callText(moment);
    case "look":
      return lookText(moment);
    case "gap":
      return moment.lost === null ? "events were lost" : `${moment.lost} events were lost`;
    case "refused":
      return `refused: ${moment.why}`;
    default:
      return moment.text;
  }
}

function ueventText({ action, partition, verdict, marks }: UeventMoment): string {
  const what = partition === 0 ? action : `${action} partition ${partition}`;
  // What is mine is what one expects.
  const told = verdict === null || verdict === "mine" ? [] : [verdict];
  const notes = [...told, ...marks.filter((mark) => mark !== "first")].join(", ");
  return notes === "" ? what : `${what} (${notes.replaceAll("-", " ")})`;
}

function callText({ name, partition, flags, isWritable, tookNs, errno }: CallMoment): string {
  const asked = flags === null ? [] : flagNames(flags);
  if (partition > 0) asked.unshift(`partition ${partition}`);
  if (name === "open" && isWritable !== null) asked.push(isWritable ? "O_RDWR" : "O_RDONLY");
  if (name === "close" && isWritable === true) asked.push("writable");
  const what = asked.length === 0 ? name : `${name} (${asked.join(", ")})`;
  if (errno !== null) return `${what}: ${errno}`;
  return tookNs === null ? `${what}: did not return` : `${what}, ${spanText(tookNs)}`;
}

/** `PARTSCAN` */
function flagNames(flags: number): string[] {
  return Object.entries(LoFlag)
    .filter(([, value]) => typeof value === "number" && (flags & value) !== 0)
    .map(([name]) => name.replace("LO_FLAGS_", ""));
}

function lookText({ isThere, isBound, partitions }: LookMoment): string {
  if (!isThere) return "no such disk";
  const bound = isBound === null ? [] : [isBound ? "attached" : "nothing attached"];
  const listed =
    partitions === null
      ? []
      : [partitions.length === 0 ? "no partitions" : `partitions ${partitions.join(" ")}`];
  return [...bound, ...listed].join(", ") || "its diskseq";
}

/* Times. */

/** `line 12 at +0.001234 s` */
export function place({ line, at }: Moment): string {
  return `line ${line} at +${seconds(at)} s`;
}

/** Of nanoseconds. */
export function seconds(ns: number): string {
  return (ns / 1e9).toFixed(6);
}

/** `12 us`, `3.4 ms`, `2.1 s` */
export function spanText(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 1e6) return `${figure(ns / 1e3)} us`;
  return ns < 1e9 ? `${figure(ns / 1e6)} ms` : `${figure(ns / 1e9)} s`;
}

function figure(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}
