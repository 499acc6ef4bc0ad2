/** What the core tells and what datagrams say, in the words of the API. Formats, judges nothing. */
import {
  Action,
  Event,
  Failure,
  Fault,
  Group,
  Mark,
  Verdict,
  WaitResult,
  Warning,
} from "../assembly/abi.ts";
import { errnoName } from "./errno.ts";
import { kebab } from "./names.ts";
import type {
  UeventGroup,
  UeventMark,
  UeventRejected,
  Verdict as VerdictName,
} from "./stream-types.ts";

export const verdicts: Readonly<Record<number, VerdictName>> = {
  [Verdict.Stale]: "stale",
  [Verdict.Mine]: "mine",
  [Verdict.Later]: "later",
  [Verdict.BestEffort]: "best-effort",
};

export const refusals: Readonly<Record<number, UeventRejected["reason"]>> = {
  [Fault.Forged]: "forged",
  [Fault.Malformed]: "malformed",
  [Fault.Duplicate]: "duplicate",
  [Fault.Truncated]: "truncated",
};

export function groupName(group: number): UeventGroup {
  return group === Group.Udev ? "udev" : "kernel";
}

/** Of `Mark` bits. */
export function marksOf(bits: number): UeventMark[] {
  const marks: UeventMark[] = [];
  if (bits & Mark.OutOfOrder) marks.push("out-of-order");
  if (bits & Mark.MediaChange) marks.push("media-change");
  if (bits & Mark.Synthetic) marks.push("synthetic");
  if (bits & Mark.Ends) marks.push("ends");
  if (bits & Mark.First) marks.push("first");
  return marks;
}

/** Keys are the datagram's: nothing is inherited. An object right below null is a slow one. */
const bare: Record<string, string> = Object.freeze(Object.create(null));

/** Of KEY=VALUE strings, each with its NUL. */
export function propertiesOf(text: string): Record<string, string> {
  const properties: Record<string, string> = Object.create(bare);
  for (let at = 0; at < text.length; ) {
    const equals = text.indexOf("=", at);
    const stop = text.indexOf("\0", at);
    const end = stop < 0 ? text.length : stop;
    if (equals > at && equals < end) {
      properties[text.slice(at, equals)] = text.slice(equals + 1, end);
    }
    at = end + 1;
  }
  return properties;
}

/** The kernel name of the disk that the DEVPATH of a block device leads to. */
export function diskIn(devpath: string, isPartition: boolean): string {
  const end = isPartition ? devpath.lastIndexOf("/") : devpath.length;
  return devpath.slice(devpath.lastIndexOf("/", end - 1) + 1, end);
}

/** An event of the core in a few words; `detail` is a uevent's action, or the errno of another. */
export function eventText(event: Event, code: number, detail: number): string {
  switch (event) {
    case Event.Uevent:
      return `${kebab(Action[detail] ?? "")}: ${kebab(Verdict[code] ?? "")}`;
    case Event.Waited:
      return `wait over: ${kebab(WaitResult[code] ?? "")}`;
    case Event.Failed: {
      const errno = detail === 0 ? "" : `, ${errnoName(detail)}`;
      return `failed: ${kebab(Failure[code] ?? "")}${errno}`;
    }
    case Event.Warned:
      return `warning: ${kebab(Warning[code] ?? "")}`;
    case Event.Lost:
      return "events were lost";
    default:
      return kebab(Event[event] ?? "");
  }
}
