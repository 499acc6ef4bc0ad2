/**
 * One way to attach beside one rival, many times: what the watcher was told between the beginning
 * of an attach and the beginning of its detach, what was there at its return, what stays behind.
 */
import { dirname } from "node:path";
import { boundBelow, instanceOf, partitionsOf, until } from "../../helpers/devices.ts";
import type { ExpectedPartition } from "../../helpers/images.ts";
import type { Watcher } from "./programs.ts";
import type { Attached, Surroundings, Tool } from "./tools.ts";

/** An image, and the partitions that it has. No rival attaches one in its directory. */
export interface Image {
  readonly path: string;
  readonly partitions: readonly ExpectedPartition[];
}

export interface Row {
  readonly rival: string;
  readonly tool: string;
  readonly attaches: number;
  /** attaches of which a partition was removed that had been added */
  readonly flaps: number;
  /** attaches meanwhile which that happened to an instance of somebody else, of the same name */
  readonly others: number;
  /** attaches that returned without one of the image's partitions */
  readonly missing: number;
  /** attaches that returned with a partition of another image, or believed another's event */
  readonly stale: number;
  /** attaches whose image was bound to a device after the detach, or after a process was killed */
  readonly left: number;
  /** attaches that were refused */
  readonly failed: number;
  /** until an attach returned, milliseconds */
  readonly median: number;
  readonly p99: number;
}

/** What one kernel was measured at. */
export interface Results {
  /** its version */
  readonly kernel: string;
  readonly rows: readonly Row[];
}

export async function measure(
  around: Surroundings,
  tool: Tool,
  watcher: Watcher,
  images: readonly Image[],
  attaches: number,
): Promise<Row> {
  const { rival, atWork } = around;
  const counts = { flaps: 0, others: 0, missing: 0, stale: 0, left: 0, failed: 0 };
  const times: number[] = [];
  for (let round = 0; round < attaches; round++) {
    const image = images[round % images.length];
    if (image === undefined) throw new Error("no image");
    if (atWork.before) {
      await atWork.before(image.path);
      if (!(await isLetGo(image))) counts.left += 1;
    }
    const begin = await watcher.mark();
    const began = performance.now();
    let attached: Attached;
    try {
      attached = await tool.attach(image.path, around);
    } catch (error) {
      counts.failed += 1;
      console.log(`# ${tool.name} beside ${rival.name}: ${(error as Error).message}`);
      if (!(await isLetGo(image))) counts.left += 1;
      continue;
    }
    times.push(performance.now() - began);
    const { number } = attached;
    const diskseq = instanceOf(number);
    const found = partitionsOf(number).map(spell);
    const expected = image.partitions.map(spell);
    if (expected.some((one) => !found.includes(one))) counts.missing += 1;
    const isStale = found.some((one) => !expected.includes(one));
    await atWork.calm();
    const end = await watcher.mark();
    const { isOwn, isOthers } = flapsIn(watcher.lines.slice(begin, end), number, diskseq);
    // Without numbers, whoever had the name before may have been the one.
    const isUnknown = diskseq === null && rival.isTaker === true;
    if (isOwn && !isUnknown) counts.flaps += 1;
    if (isOthers || (isOwn && isUnknown)) counts.others += 1;
    if (isStale || attached.isDeceived?.()) counts.stale += 1;
    await attached.detach();
    if (!(await isLetGo(image))) counts.left += 1;
    await atWork.rest?.();
  }
  times.sort((a, b) => a - b);
  const at = (part: number) =>
    times[Math.min(Math.floor(times.length * part), times.length - 1)] ?? 0;
  const took = { median: at(0.5), p99: at(0.99) };
  return { rival: rival.name, tool: tool.name, attaches, ...counts, ...took };
}

/** Whoever has a partition open for a moment delays it. */
function isLetGo({ path }: Image): Promise<boolean> {
  const isBound = () => boundBelow(dirname(path)).length > 0;
  return until("the image to be let go of", () => !isBound()).then(
    () => true,
    () => false,
  );
}

/**
 * Whether a partition of the device was removed that had been added, while nobody detached it:
 * under the number of this instance, or under another. Lines are the watcher's.
 */
export function flapsIn(
  lines: readonly string[],
  number: number,
  diskseq: bigint | null,
): { isOwn: boolean; isOthers: boolean } {
  const own = String(diskseq ?? "-");
  const added = new Map<string, string>();
  const flaps = { isOwn: false, isOthers: false };
  for (const line of lines) {
    const [action, name = "", instance = ""] = line.split(" ");
    if (!name.startsWith(`loop${number}p`)) continue;
    if (action === "add") added.set(name, instance);
    const by = action === "remove" ? added.get(name) : undefined;
    if (by !== undefined) flaps[by === own ? "isOwn" : "isOthers"] = true;
  }
  return flaps;
}

function spell({ number, start, size }: { number: number; start: number; size: number }): string {
  return `${number}: ${start}+${size}`;
}
