/** Events of any disk, as the kernel and udev send them: what the scripted kernel tells. */
import type { Fault } from "../../assembly/abi.ts";
import { partitionName } from "../../host/names.ts";
import { type Datagram, kernelMessage, udevMessage } from "./datagrams.ts";

/** One event of a disk, or of a partition of it. */
export interface Uevent {
  readonly action: string;
  /** kernel name */
  readonly disk: string;
  /** 0: the disk */
  readonly partition: number;
  readonly major: number;
  readonly minor: number;
  /** 0n: it has none */
  readonly diskseq: bigint;
  readonly seqnum: bigint;
  /** `DISK_MEDIA_CHANGE`, `SYNTH_UUID`, ... */
  readonly extras: Readonly<Record<string, string>>;
}

/** What takes datagrams: a bench. */
export interface Hearing {
  /** Runs something in virtual time. */
  later(delayNs: bigint, run: () => void): void;
  hear(datagram: Datagram): Fault;
}

/** As the kernel broadcasts it. */
export function kernelEvent(uevent: Uevent): Datagram {
  return kernelMessage(propertiesOf(uevent, ""));
}

/** As udev passes it on when it has processed it. */
export function udevEvent(uevent: Uevent): Datagram {
  return udevMessage(propertiesOf(uevent, "/dev/"));
}

/** An event of something that is no disk. */
export function otherEvent(seqnum: bigint): Datagram {
  const path = "/devices/virtual/bdi/7:0";
  return kernelMessage(["ACTION=add", `DEVPATH=${path}`, "SUBSYSTEM=bdi", `SEQNUM=${seqnum}`]);
}

function pathOf({ disk, partition }: Uevent): string {
  const path = `/devices/virtual/block/${disk}`;
  return partition === 0 ? path : `${path}/${partitionName(disk, partition)}`;
}

/** In the kernel's order. */
function propertiesOf(uevent: Uevent, nodePrefix: string): string[] {
  const { disk, partition } = uevent;
  const name = partition === 0 ? disk : partitionName(disk, partition);
  return [
    `ACTION=${uevent.action}`,
    `DEVPATH=${pathOf(uevent)}`,
    "SUBSYSTEM=block",
    ...Object.entries(uevent.extras).map(([key, value]) => `${key}=${value}`),
    `MAJOR=${uevent.major}`,
    `MINOR=${uevent.minor}`,
    `DEVNAME=${nodePrefix}${name}`,
    `DEVTYPE=${partition === 0 ? "disk" : "partition"}`,
    ...(uevent.diskseq === 0n ? [] : [`DISKSEQ=${uevent.diskseq}`]),
    ...(partition === 0 ? [] : [`PARTN=${partition}`]),
    `SEQNUM=${uevent.seqnum}`,
  ];
}
