/** The names people read: steps, warnings, system calls, devices. Formats, decides nothing. */
import { Call } from "../assembly/abi.ts";
import { BlkpgOperation, Ioctl } from "../assembly/wire/linux.ts";

/** `CloseControl` -> `close-control` */
export function kebab(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

/** The system call as the manual names it; ioctls by their request. */
export function syscallName(call: Call, request: number): string {
  switch (call) {
    case Call.IoctlValue:
    case Call.IoctlBuffer:
      return Ioctl[request] ?? `ioctl 0x${request.toString(16)}`;
    case Call.Blkpg:
      return BlkpgOperation[request] ?? "BLKPG";
    case Call.MakeNode:
      return "mknodat";
    case Call.RemoveNode:
      return "unlinkat";
    default:
      return kebab(Call[call] ?? "unknown").replaceAll("-", " ");
  }
}

/** `/dev/loop0` */
export function deviceName(number: number): string {
  return `/dev/loop${number}`;
}

/** The node of a kernel name; sysfs spells the slash in a name as `!`. */
export function deviceOf(name: string): string {
  return `/dev/${name.replaceAll("!", "/")}`;
}

/** `loop0p1`, `sda1`: the kernel puts a p after a digit (block/partitions/core.c). */
export function partitionName(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}

/** 16 bytes as on disk, the first three fields little-endian, in the spelling of sfdisk. */
export function guidText(bytes: Uint8Array): string {
  const hex = (from: number, to: number, reverse: boolean): string => {
    const part = [...bytes.subarray(from, to)];
    if (reverse) part.reverse();
    return part.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const fields = [hex(0, 4, true), hex(4, 6, true), hex(6, 8, true), hex(8, 10, false)];
  return [...fields, hex(10, 16, false)].join("-").toUpperCase();
}
