/** The partitions that sysfs shows of a disk, with their numbers and places. Opens nothing. */
import type { Kernel } from "./kernel.ts";
import { deviceOf } from "./names.ts";
import type { WaitedPartition } from "./stream-types.ts";

/** Ascending; those that come or go just now may be left out. */
export function partitionsOf(kernel: Kernel, disk: string): WaitedPartition[] {
  const partitions: WaitedPartition[] = [];
  for (const name of kernel.listNames(disk)) {
    // Others have no attribute `partition`; a failed read is the dearest of all.
    if (!name.startsWith(disk)) continue;
    const attribute = (key: string) => kernel.readAttribute(disk, `${name}/${key}`);
    const number = attribute("partition");
    const devnum = attribute("dev");
    const start = attribute("start");
    const size = attribute("size");
    if (number === undefined || devnum === undefined) continue;
    if (start === undefined || size === undefined) continue;
    partitions.push({
      number: Number(number),
      device: deviceOf(name),
      devnum,
      start: Number(start) * 512,
      size: Number(size) * 512,
    });
  }
  return partitions.sort((a, b) => a.number - b.number);
}
