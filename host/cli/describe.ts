/**
 * How loop devices, partitions and holders look to people. Pure; every text is escaped here.
 */
import type { Holder } from "../kernel.ts";
import type { LoopDevice, Partition } from "../types.ts";
import { alignColumns, type Column, escapeText, humanSize } from "./format.ts";

/** Names of partition types: GPT GUIDs (Discoverable Partitions Specification) and MBR bytes. */
const typeNames: Readonly<Record<string, string>> = {
  "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI system",
  "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
  "BC13C2FF-59E6-4262-A352-B275FD6F7172": "Linux extended boot",
  "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux filesystem",
  "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root (x86-64)",
  "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root (arm64)",
  "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
  "933AC7E1-2EB4-4F13-B844-0E14E2AEF915": "Linux home",
  "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
  "A19D880F-05FC-4D3B-A006-743F0F84911E": "Linux RAID",
  "CA7D7CCB-63ED-4C53-861C-1742536059CC": "LUKS",
  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
  "5": "extended",
  "7": "NTFS or exFAT",
  b: "FAT32",
  c: "FAT32 (LBA)",
  e: "FAT16 (LBA)",
  f: "extended (LBA)",
  "82": "Linux swap",
  "83": "Linux",
  "8e": "Linux LVM",
  ef: "EFI system",
  fd: "Linux RAID",
};

/** What a type is called; the type itself where it has no name here. */
export function typeName(type: string | null): string {
  if (type === null) {
    return "-";
  }
  const mbr = type
    .toLowerCase()
    .replace(/^0x/, "")
    .replace(/^0(?=.)/, "");
  return escapeText(typeNames[type.toUpperCase()] ?? typeNames[mbr] ?? type);
}

/** Columns of `partitionRow`. */
export const partitionColumns: readonly Column[] = [
  { title: "PART", align: "right" },
  { title: "NODE" },
  { title: "START", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "TYPE" },
  { title: "NAME" },
];

export function partitionRow(partition: Partition): string[] {
  return [
    String(partition.number),
    escapeText(partition.device),
    humanSize(partition.start),
    humanSize(partition.size),
    typeName(partition.type),
    escapeText(partition.name ?? ""),
  ];
}

/** Partitions, aligned, each after the indent. */
export function partitionLines(partitions: readonly Partition[], indent: string): string[] {
  const rows = partitions.map(partitionRow);
  return alignColumns(partitionColumns, rows).map((line) => indent + line);
}

/** Columns of `deviceRow`. */
export const deviceColumns: readonly Column[] = [
  { title: "DEVICE" },
  { title: "DISKSEQ", align: "right" },
  { title: "BACKING" },
  { title: "OFFSET", align: "right" },
  { title: "SIZELIMIT", align: "right" },
  { title: "SECTOR", align: "right" },
  { title: "FLAGS" },
];

export function deviceRow(device: LoopDevice): string[] {
  const { path, dev, ino } = device.backing;
  const inode = dev === null || ino === null ? "?" : `inode ${ino} on ${dev}`;
  return [
    escapeText(device.device),
    device.diskseq === null ? "-" : String(device.diskseq),
    escapeText(path ?? inode),
    String(device.offset),
    String(device.sizeLimit),
    String(device.sectorSize),
    flagsOf(device).join(","),
  ];
}

/** `persistent` outlives its openers, `auto` goes with the last of them. */
export function flagsOf(device: LoopDevice): string[] {
  return [
    ...(device.readOnly ? ["ro"] : []),
    ...(device.directIO ? ["dio"] : []),
    device.persistent ? "persistent" : "auto",
    ...(device.partscan === "none" ? [] : [`partscan=${device.partscan}`]),
    ...(device.identity === "best-effort" ? ["best-effort"] : []),
  ];
}

export function describeHolder(holder: Holder): string {
  const command = holder.command === undefined ? "" : ` (${escapeText(holder.command)})`;
  const who = holder.pid === undefined ? "somebody" : `process ${holder.pid}${command}`;
  const device = escapeText(holder.device);
  const path = escapeText(holder.path ?? "?");
  switch (holder.kind) {
    case "mount":
      return `${device} is mounted on ${path}`;
    case "descriptor":
      return `${device} is open in ${who}`;
    case "device":
      return `${device} is part of ${path}`;
    case "swap":
      return `${device} is in use as swap`;
    case "lock":
      return `${device} is locked by ${who}`;
    default:
      return `${device} is held by ${who}`;
  }
}
