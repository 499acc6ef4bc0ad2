/** Parts of a device's description that an attach and a listing share. Plain data only. */
import type { CorePartition } from "./core.ts";
import type { Kernel } from "./kernel.ts";
import { guidText } from "./names.ts";
import type { LoopDevice, LoopDeviceJson, Partition } from "./types.ts";

/** What the table says of a partition. */
export function tableFields(
  partition: CorePartition,
): Pick<Partition, "start" | "size" | "type" | "uuid" | "name"> {
  const start = Number(partition.start);
  const size = Number(partition.size);
  if (partition.kind < 0) return { start, size, type: null, uuid: null, name: null };
  if (partition.kind === 1) {
    const type = guidText(partition.typeGuid);
    return { start, size, type, uuid: guidText(partition.uniqueGuid), name: nameText(partition) };
  }
  const signature = partition.diskSignature.toString(16).padStart(8, "0");
  const number = partition.number.toString(16).padStart(2, "0");
  const uuid = `${signature}-${number}`;
  return { start, size, type: partition.mbrType.toString(16), uuid, name: null };
}

function nameText(partition: CorePartition): string | null {
  const text = new TextDecoder("utf-16le").decode(partition.name);
  const end = text.indexOf("\0");
  const name = end < 0 ? text : text.slice(0, end);
  return name === "" ? null : name;
}

/** The backing path as the kernel shows it; null where it cannot be read. */
export function readBackingPath(kernel: Kernel, disk: string): string | null {
  try {
    return kernel.readAttribute(disk, "loop/backing_file") ?? null;
  } catch {
    return null;
  }
}

/** The JSON of a device, fields in their fixed order. */
export function toJson(device: LoopDevice): LoopDeviceJson {
  return {
    device: device.device,
    devnum: device.devnum,
    diskseq: device.diskseq === null ? null : Number(device.diskseq),
    backing: device.backing,
    offset: device.offset,
    sizeLimit: device.sizeLimit,
    sectorSize: device.sectorSize,
    readOnly: device.readOnly,
    directIO: device.directIO,
    persistent: device.persistent,
    partscan: device.partscan,
    partitions: device.partitions,
    identity: device.identity,
  };
}
