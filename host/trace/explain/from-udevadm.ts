/**
 * Moments of what `udevadm monitor --kernel --udev --property` printed. A block for each event: its
 * group and time, then KEY=VALUE lines, then an empty one.
 *
 *     KERNEL[5310.123456] change   /devices/virtual/block/loop0 (block)
 *     ACTION=change
 *     ...
 */
import type { UeventGroup } from "../../stream-types.ts";
import { badLine } from "../split.ts";
import type { Log, UeventMoment, Unjudged } from "./moments.ts";
import { ueventMoment } from "./uevent.ts";

const heading = /^(KERNEL|UDEV) *\[(\d+)\.(\d{1,9})\] +\S+ +\/\S.* \(.+\)$/;

/** What udevadm says before the first event. */
const preamble = /^monitor will print|^(UDEV|KERNEL) - the |^calling: monitor/;

export function isUdevadm(text: string): boolean {
  return text.split("\n", 16).some((line) => heading.test(line.trimEnd()) || preamble.test(line));
}

interface Block {
  readonly line: number;
  readonly group: UeventGroup;
  readonly ns: number;
  readonly strings: string[];
}

export function readUdevadm(text: string): Unjudged {
  const events = new Map<UeventMoment, string>();
  let block: Block | undefined;
  let began: number | undefined;
  let hasProperties = false;
  const close = (): boolean => {
    if (block === undefined) return true;
    const { line, group, ns, strings } = block;
    block = undefined;
    hasProperties ||= strings.length > 0;
    const isWhole = ["ACTION=", "DEVPATH=", "SEQNUM="].every((key) =>
      strings.some((one) => one.startsWith(key)),
    );
    if (!isWhole) return false;
    began ??= ns;
    const nul = strings.map((one) => `${one}\0`).join("");
    events.set(ueventMoment(line, ns - began, group, nul), nul);
    return true;
  };
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  // What no newline ends was cut, and its event with it.
  const isPartial = lines.pop() !== "";
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const found = heading.exec(line);
    if (found !== null || line === "") {
      const at = block?.line ?? number;
      if (!close() && hasProperties)
        throw badLine(at, "an event without ACTION, DEVPATH or SEQNUM");
      if (found !== null) block = blockOf(number, found);
    } else if (block !== undefined && /^[^=\s]+=/.test(line)) {
      block.strings.push(line);
    } else if (!preamble.test(line)) {
      throw badLine(number, "neither an event of `udevadm monitor` nor KEY=VALUE of one");
    }
  }
  const isCut = isPartial || !close();
  const moments = [...events.keys()];
  if (moments.length === 0) {
    throw badLine(
      1,
      "no event has properties, and without them nothing tells one attach from another: " +
        "record with `udevadm monitor --kernel --udev --property`",
    );
  }
  const groups = (["kernel", "udev"] as const).filter((group) =>
    moments.some((moment) => moment.group === group),
  );
  const log: Log = { format: "udevadm", facts: {}, moments, groups, hasCalls: false, isCut };
  return { log, strings: events };
}

function blockOf(line: number, [, name, seconds, fraction = ""]: RegExpExecArray): Block {
  const ns = Number(seconds) * 1e9 + Number(fraction.padEnd(9, "0"));
  return { line, group: name === "UDEV" ? "udev" : "kernel", ns, strings: [] };
}
