/**
 * Uevent datagrams as a socket hands them in: bytes, and what it says of their sender.
 */
import {
  Action,
  DatagramFlag,
  DatagramWord,
  DeviceType,
  Group,
  Limit,
} from "../../assembly/abi.ts";
import type { Core } from "../../host/core.ts";

export interface Datagram {
  readonly group: number;
  readonly bytes: Uint8Array;
  readonly portId: number;
  readonly pid: number;
  readonly uid: number;
  /** `DatagramFlag` bits */
  readonly flags: number;
  /** what the record says instead of the length of the bytes */
  readonly length?: number;
}

/** Strings as they lie in a datagram, each with its NUL. */
export function stringsBytes(strings: readonly string[]): Buffer {
  return Buffer.from(strings.map((text) => `${text}\0`).join(""), "latin1");
}

export function kernelDatagram(bytes: Uint8Array): Datagram {
  const flags = DatagramFlag.Credentials;
  return { group: Group.Kernel, bytes, portId: 0, pid: 0, uid: 0, flags };
}

/** As a worker of udevd sends it. */
export function udevDatagram(bytes: Uint8Array): Datagram {
  return { ...kernelDatagram(bytes), group: Group.Udev, portId: 4711, pid: 321 };
}

/** 40 bytes before so many bytes of properties; the hashes, which nobody reads, are 0. */
export function udevHeader(propertiesBytes: number): Buffer {
  const header = Buffer.alloc(40);
  header.write("libudev\0", "latin1");
  header.writeUInt32BE(0xfeedcafe, 8);
  header.writeUInt32LE(40, 12);
  header.writeUInt32LE(40, 16);
  header.writeUInt32LE(propertiesBytes, 20);
  return header;
}

/** A kernel's datagram of the properties, its header made of two of them. */
export function kernelMessage(properties: readonly string[]): Datagram {
  const value = (key: string) =>
    properties.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
  return kernelDatagram(stringsBytes([`${value("ACTION")}@${value("DEVPATH")}`, ...properties]));
}

export function udevMessage(properties: readonly string[]): Datagram {
  const bytes = stringsBytes(properties);
  return udevDatagram(Buffer.concat([udevHeader(bytes.length), bytes]));
}

/** What an event of a loop device says; partition 0: the disk. */
export interface Said {
  readonly action: string;
  readonly seqnum: bigint | number;
  readonly number?: number;
  readonly partition?: number;
  /** none where it is undefined */
  readonly diskseq?: bigint | number | undefined;
  readonly extra?: readonly string[];
}

/** Its properties in the kernel's order. */
export function loopProperties(said: Said): string[] {
  const { action, seqnum, number = 300, partition = 0, diskseq, extra = [] } = said;
  const disk = `/devices/virtual/block/loop${number}`;
  const isDisk = partition === 0;
  return [
    `ACTION=${action}`,
    `DEVPATH=${isDisk ? disk : `${disk}/loop${number}p${partition}`}`,
    "SUBSYSTEM=block",
    ...extra,
    ...(isDisk ? ["MAJOR=7", `MINOR=${number}`] : ["MAJOR=259", `MINOR=${partition - 1}`]),
    `DEVNAME=loop${number}${isDisk ? "" : `p${partition}`}`,
    `DEVTYPE=${isDisk ? "disk" : "partition"}`,
    ...(diskseq === undefined ? [] : [`DISKSEQ=${diskseq}`]),
    ...(isDisk ? [] : [`PARTN=${partition}`]),
    `SEQNUM=${seqnum}`,
  ];
}

const views = new WeakMap<Core, { readonly slots: Uint8Array; readonly records: DataView }>();

/** Leaves what fits of a datagram in a slot, and what the socket said of it in the slot's record;
 *  nothing where there is no such slot. */
export function putDatagram(core: Core, slot: number, datagram: Datagram): void {
  if (slot < 0 || slot >= Limit.DatagramSlots) return;
  const known = views.get(core) ?? { slots: core.slots, records: core.records };
  views.set(core, known);
  const { group, bytes, portId, pid, uid, flags, length = bytes.length } = datagram;
  const at = slot * Limit.DatagramBytes;
  known.slots.set(bytes.subarray(0, known.slots.length - at), at);
  const put = (word: DatagramWord, value: number) =>
    known.records.setInt32((slot * DatagramWord.Words + word) * 4, value, true);
  put(DatagramWord.Group, group);
  put(DatagramWord.Bytes, length);
  put(DatagramWord.PortId, portId);
  put(DatagramWord.Pid, pid);
  put(DatagramWord.Uid, uid);
  put(DatagramWord.Flags, flags);
}

/** Words of `Action` and `DeviceType`, as uevents spell them. */
export const actions: ReadonlyMap<string, Action> = new Map([
  ["add", Action.Add],
  ["remove", Action.Remove],
  ["change", Action.Change],
  ["move", Action.Move],
  ["online", Action.Online],
  ["offline", Action.Offline],
  ["bind", Action.Bind],
  ["unbind", Action.Unbind],
]);

export const deviceTypes: ReadonlyMap<string, DeviceType> = new Map([
  ["disk", DeviceType.Disk],
  ["partition", DeviceType.Partition],
]);
