/**
 * A uevent's strings as a moment of a log. Reads what a datagram says of itself, whoever wrote it
 * down; what it is to an instance the core says.
 */

import { diskIn, propertiesOf } from "../../event-words.ts";
import type { UeventGroup } from "../../stream-types.ts";
import type { UeventMoment } from "./moments.ts";

/** Bytes before the properties in a message of udev: "libudev", NUL, a magic number, offsets. */
const udevHeader = /^libudev\0/;

/** KEY=VALUE strings of a datagram, each with its NUL; without the header of either group. */
export function stringsOf(data: Uint8Array): string {
  const text = new TextDecoder().decode(data);
  // A kernel's begins with ACTION@DEVPATH, which is in its properties, too.
  if (!udevHeader.test(text)) return text.slice(text.indexOf("\0") + 1);
  const offset = new DataView(data.buffer, data.byteOffset, data.length).getUint32(16, true);
  return new TextDecoder().decode(data.subarray(offset));
}

export function ueventMoment(
  line: number,
  at: number,
  group: UeventGroup,
  strings: string,
): UeventMoment {
  const properties = propertiesOf(strings);
  const { ACTION = "", DEVPATH = "", DEVTYPE, SUBSYSTEM } = properties;
  const isPartition = DEVTYPE === "partition";
  const disk = diskIn(DEVPATH, isPartition);
  const isOfDisk = SUBSYSTEM === "block" && (isPartition || DEVTYPE === "disk") && disk !== "";
  return {
    kind: "uevent",
    line,
    at,
    record: null,
    group,
    action: ACTION,
    seqnum: whole(properties.SEQNUM) ?? 0,
    devpath: DEVPATH,
    disk: isOfDisk ? disk : null,
    partition: isPartition
      ? (whole(properties.PARTN) ?? numberIn(diskIn(DEVPATH, false), disk))
      : 0,
    // Some kernels have the key before they have the number.
    diskseq: whole(properties.DISKSEQ) || null,
    isMediaChange: properties.DISK_MEDIA_CHANGE === "1",
    isSynthetic: properties.SYNTH_UUID !== undefined,
    verdict: null,
    marks: [],
  };
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `loop0p1` of `loop0`: 1. */
function numberIn(name: string, disk: string): number {
  return whole(name.slice(disk.length).replace(/^p/, "")) ?? 0;
}
