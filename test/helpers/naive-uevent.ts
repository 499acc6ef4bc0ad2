/**
 * What a datagram says, by splitting text: no view, no place, nothing of the core's. The oracle
 * that the core's reader is compared with.
 */
import { Action, DeviceType, Group } from "../../assembly/abi.ts";
import type { CoreUevent } from "../../host/core.ts";
import { actions, type Datagram, deviceTypes } from "./datagrams.ts";

export interface Facts {
  readonly action: Action;
  readonly deviceType: DeviceType;
  /** kernel name of the disk; "": of none */
  readonly disk: string;
  readonly partition: number;
  readonly major: number;
  readonly minor: number;
  readonly seqnum: bigint;
  readonly diskseq: bigint;
  readonly isMediaChange: boolean;
  readonly isSynthetic: boolean;
  /** bytes before the first property */
  readonly properties: number;
}

const headerBytes = 40;
const nameBytesMax = 31;
const smallMax = 0xfffff;
/** Keys that may not come twice; the first four must be there. */
const required = ["ACTION", "DEVPATH", "SUBSYSTEM", "SEQNUM"];
const known = new Set([
  ...required,
  "MAJOR",
  "MINOR",
  "DEVTYPE",
  "DISKSEQ",
  "PARTN",
  "DISK_MEDIA_CHANGE",
  "SYNTH_UUID",
]);

/** What the datagram of a group says; undefined where that group sends no such thing. */
export function readNaively(group: number, bytes: Uint8Array): Facts | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const begin = group === Group.Udev ? udevBegin(buffer) : buffer.indexOf(0) + 1;
  if (begin === undefined || (group === Group.Kernel && begin === 0)) return undefined;
  const text = buffer.toString("latin1");
  const values = readProperties(text.slice(begin));
  if (!values || required.some((key) => !values.has(key))) return undefined;
  const header = `${values.get("ACTION")}@${values.get("DEVPATH")}\0`;
  if (group === Group.Kernel && text.slice(0, begin) !== header) return undefined;
  return readFacts(values, begin);
}

function udevBegin(buffer: Buffer): number | undefined {
  if (buffer.length < headerBytes) return undefined;
  if (buffer.toString("latin1", 0, 8) !== "libudev\0") return undefined;
  if (buffer.readUInt32BE(8) !== 0xfeedcafe) return undefined;
  const offset = buffer.readUInt32LE(16);
  const isInside = offset >= headerBytes && offset <= buffer.length;
  return isInside && buffer.readUInt32LE(20) === buffer.length - offset ? offset : undefined;
}

/** Each ends with a NUL and has a key; a known one comes once. */
function readProperties(text: string): Map<string, string> | undefined {
  const strings = text.split("\0");
  if (strings.pop() !== "") return undefined;
  const values = new Map<string, string>();
  for (const one of strings) {
    const equals = one.indexOf("=");
    if (equals < 1) return undefined;
    const key = one.slice(0, equals);
    if (known.has(key) && values.has(key)) return undefined;
    values.set(key, one.slice(equals + 1));
  }
  return values;
}

function readFacts(values: ReadonlyMap<string, string>, properties: number): Facts | undefined {
  const action = values.get("ACTION") ?? "";
  const path = values.get("DEVPATH") ?? "";
  if (action === "" || !/^\/./s.test(path)) return undefined;
  const numbers = ["SEQNUM", "DISKSEQ", "MAJOR", "MINOR", "PARTN"].map((key) =>
    values.has(key) ? decimal(values.get(key) ?? "") : 0n,
  );
  const [seqnum, diskseq, major, minor, partn] = numbers;
  if (seqnum === undefined || diskseq === undefined) return undefined;
  if (major === undefined || minor === undefined || partn === undefined) return undefined;
  if ([major, minor, partn].some((number) => number > smallMax)) return undefined;
  const isBlock = values.get("SUBSYSTEM") === "block";
  const type = deviceTypes.get(values.get("DEVTYPE") ?? "") ?? DeviceType.None;
  const deviceType = isBlock ? type : DeviceType.None;
  const isPartition = deviceType === DeviceType.Partition;
  const disk = diskOf(path, deviceType);
  if (disk === undefined || (isPartition && partn === 0n)) return undefined;
  return {
    action: actions.get(action) ?? Action.Other,
    deviceType,
    disk,
    partition: isPartition ? Number(partn) : 0,
    major: Number(major),
    minor: Number(minor),
    seqnum,
    diskseq,
    isMediaChange: values.get("DISK_MEDIA_CHANGE") === "1",
    isSynthetic: values.has("SYNTH_UUID"),
    properties,
  };
}

/** 19 digits at most: no sum of a 20th could be told from one that wrapped. */
function decimal(text: string): bigint | undefined {
  return /^[0-9]{1,19}$/.test(text) ? BigInt(text) : undefined;
}

function diskOf(path: string, type: DeviceType): string | undefined {
  if (type === DeviceType.None) return "";
  const parts = path.split("/");
  const last = parts.pop();
  if (type === DeviceType.Partition && last === "") return undefined;
  const disk = type === DeviceType.Partition ? parts.pop() : last;
  if (disk === undefined || disk === "" || disk.length > nameBytesMax) return undefined;
  return disk;
}

/** Whether the core read the same of a datagram. */
export function isSaid(uevent: CoreUevent, { group, bytes }: Datagram, facts: Facts): boolean {
  return (
    uevent.group === group &&
    uevent.action === facts.action &&
    uevent.deviceType === facts.deviceType &&
    uevent.partition === facts.partition &&
    uevent.seqnum === facts.seqnum &&
    uevent.diskseq === facts.diskseq &&
    uevent.major === facts.major &&
    uevent.minor === facts.minor &&
    uevent.bytes === bytes.length &&
    uevent.properties - uevent.offset === facts.properties
  );
}
