/**
 * One way to attach beside one rival, many times: what the watcher was told between the beginning
 * of an attach and the beginning of its detach, what was there at its return, what stays behind.
 */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isBound, partitionsOf, until } from "../../helpers/devices.ts";
import type { ExpectedPartition } from "../../helpers/images.ts";
import { tool } from "../../helpers/process.ts";
import { type Rival, Watcher } from "./programs.ts";
import { type Attached, type ToolName, tools } from "./tools.ts";

/** An image, and the partitions that it has. */
export interface Image {
  readonly path: string;
  readonly partitions: readonly ExpectedPartition[];
}

export interface Row {
  readonly rival: Rival;
  readonly tool: ToolName;
  readonly attaches: number;
  /** attaches after which a partition was removed that had been added */
  readonly flaps: number;
  /** attaches that returned without one of the image's partitions */
  readonly missing: number;
  /** attaches that returned with a partition of another image */
  readonly stale: number;
  /** devices bound after the detach */
  readonly left: number;
  /** attaches that were refused */
  readonly failed: number;
  /** until an attach returned, milliseconds */
  readonly median: number;
  readonly p99: number;
}

/** How long an attach is watched after its return, beside what udev does. */
const lingerMs = 100;
/** Events that nobody asked for: those of the null device. */
const markPath = "/sys/devices/virtual/mem/null/uevent";

export async function measure(
  rival: Rival,
  name: ToolName,
  images: readonly Image[],
  count: number,
): Promise<Row> {
  const hasUdevd = rival === "udevd";
  const watcher = await Watcher.start();
  const counts = { flaps: 0, missing: 0, stale: 0, left: 0, failed: 0 };
  const times: number[] = [];
  try {
    for (let round = 0; round < count; round++) {
      const image = images[round % images.length];
      if (image === undefined) throw new Error("no image");
      const begin = await mark(watcher);
      const began = performance.now();
      let attached: Attached;
      try {
        attached = await tools[name](image.path, hasUdevd);
      } catch (error) {
        counts.failed += 1;
        console.log(`# ${name} beside ${rival}: ${(error as Error).message}`);
        continue;
      }
      times.push(performance.now() - began);
      const found = partitionsOf(attached.number).map(spell);
      const expected = image.partitions.map(spell);
      if (expected.some((one) => !found.includes(one))) counts.missing += 1;
      if (found.some((one) => !expected.includes(one))) counts.stale += 1;
      await sleep(lingerMs);
      if (hasUdevd) await tool("udevadm", ["settle"]);
      const end = await mark(watcher);
      if (hasFlapped(watcher.lines.slice(begin, end), attached.number)) counts.flaps += 1;
      await attached.detach();
      const isGone = await until("the detach", () => !isBound(attached.number)).then(
        () => true,
        () => false,
      );
      if (!isGone) counts.left += 1;
      if (hasUdevd) await tool("udevadm", ["settle"]);
    }
  } finally {
    await watcher.stop();
  }
  times.sort((a, b) => a - b);
  const at = (part: number) =>
    times[Math.min(Math.floor(times.length * part), times.length - 1)] ?? 0;
  return { rival, tool: name, attaches: count, ...counts, median: at(0.5), p99: at(0.99) };
}

/** Where in the watcher's lines it comes; all that happened before is told by then. */
async function mark(watcher: Watcher): Promise<number> {
  const line = `mark ${randomUUID()}`;
  writeFileSync(markPath, line.replace("mark", "change"));
  await until("the watcher to catch up", () => watcher.lines.includes(line));
  return watcher.lines.indexOf(line);
}

/** A partition was added and removed again, while nobody detached. */
export function hasFlapped(lines: readonly string[], number: number): boolean {
  const added = new Set<string>();
  return lines.some((line) => {
    const [action, name = ""] = line.split(" ");
    if (!name.startsWith(`loop${number}p`)) return false;
    if (action === "add") added.add(name);
    return action === "remove" && added.has(name);
  });
}

function spell({ number, start, size }: { number: number; start: number; size: number }): string {
  return `${number}: ${start}+${size}`;
}
