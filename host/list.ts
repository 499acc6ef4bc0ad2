/**
 * All bound loop devices, from sysfs first. A device of others is opened only when its backing path
 * leads nowhere: an open is itself what sets off scans. Types, uuids and names are read from the
 * image, not from the device. Each entry is consistent: the diskseq is equal before and after.
 */

import { Ioctl, OpenFlag } from "../assembly/wire/linux.ts";
import { LO_FILE_NAME, LoopInfo } from "../assembly/wire/loop.ts";
import { Call, Event, Partscan, Place, Result } from "./core.ts";
import { readBackingPath, tableFields } from "./describe.ts";
import { devnumOf } from "./devnum.ts";
import type { Outcome } from "./driver.ts";
import type { Kernel, KernelCall } from "./kernel.ts";
import { deviceOf } from "./names.ts";
import { partitionsOf } from "./partitions.ts";
import type { Session } from "./session.ts";
import type { LoopDevice, Partition } from "./types.ts";

const SNAPSHOTS_MAX = 8;

export async function listLoops(
  session: Session,
  signal: AbortSignal | undefined,
): Promise<LoopDevice[]> {
  const devices: LoopDevice[] = [];
  for (const number of loopNumbers(session.kernel)) {
    signal?.throwIfAborted();
    const device = await snapshot(session, number);
    if (device) devices.push(device);
  }
  return devices;
}

/** Numbers of all loop devices, bound or not, ascending. */
export function loopNumbers(kernel: Kernel): number[] {
  const numbers: number[] = [];
  for (const name of kernel.listNames()) {
    const match = /^loop(\d+)$/.exec(name);
    if (match) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

/** One device, `undefined` when it is not bound; read anew while it changes under the reading. */
async function snapshot(session: Session, number: number): Promise<LoopDevice | undefined> {
  const { kernel } = session;
  const disk = `loop${number}`;
  for (let i = 0; i < SNAPSHOTS_MAX; i++) {
    const before = kernel.readAttribute(disk, "diskseq");
    const path = readBackingPath(kernel, disk);
    if (path === null) return undefined;
    const device = await read(session, number, path);
    const after = kernel.readAttribute(disk, "diskseq");
    const isBound = readBackingPath(kernel, disk) !== null;
    if (before === after && isBound && device) return device;
  }
  return undefined;
}

async function read(
  session: Session,
  number: number,
  path: string,
): Promise<LoopDevice | undefined> {
  const { kernel } = session;
  const disk = `loop${number}`;
  const attribute = (name: string): string | undefined => kernel.readAttribute(disk, name);
  const whole = (name: string): number => Number(attribute(name) ?? 0);
  const diskseq = attribute("diskseq");
  const devnum = attribute("dev");
  if (devnum === undefined) return undefined;
  const offset = whole("loop/offset");
  const sizeLimit = whole("loop/sizelimit");
  const sectorSize = whole("queue/logical_block_size");
  const found = listPartitions(kernel, number);
  const range = { offset: BigInt(offset), sizeLimit: BigInt(sizeLimit), sectorSize };
  const image = await readImage(session, number, path, range, found.length > 0);
  const isScanned = attribute("loop/partscan") === "1";
  return {
    device: `/dev/${disk}`,
    devnum,
    diskseq: diskseq === undefined ? null : BigInt(diskseq),
    backing: { path, dev: image.dev, ino: image.ino },
    offset,
    sizeLimit,
    sectorSize,
    readOnly: attribute("ro") === "1",
    directIO: attribute("loop/dio") === "1",
    persistent: attribute("loop/autoclear") !== "1",
    partscan: isScanned ? "kernel" : found.length > 0 ? "user" : "none",
    partitions: found.map((partition) => ({ ...partition, ...image.fields(partition) })),
    identity: diskseq === undefined ? "best-effort" : "diskseq",
  };
}

/** The partitions that sysfs shows; what only the table says is null. */
export function listPartitions(kernel: Kernel, number: number): Partition[] {
  const blank = { type: null, uuid: null, name: null, by: null };
  return partitionsOf(kernel, `loop${number}`).map((partition) => ({ ...partition, ...blank }));
}

interface Image {
  readonly dev: string | null;
  readonly ino: number | null;
  fields(partition: Partition): Partial<Partition>;
}

interface Range {
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly sectorSize: number;
}

/** The table of a disk: of a loop device's image where it can be found, else of the device. */
export async function readTable(
  session: Session,
  disk: string,
  partscan: Partscan,
): Promise<Outcome> {
  const whole = (name: string): number => Number(session.kernel.readAttribute(disk, name) ?? 0);
  const path = readBackingPath(session.kernel, disk);
  const sectorSize = whole("queue/logical_block_size");
  if (path === null || !isReachable(path)) {
    return session.probe(deviceOf(disk), { offset: 0n, sizeLimit: 0n, sectorSize, partscan });
  }
  const range = {
    offset: BigInt(whole("loop/offset")),
    sizeLimit: BigInt(whole("loop/sizelimit")),
  };
  return session.probe(path, { ...range, sectorSize, partscan });
}

/** Not deleted, and of this file system tree. */
function isReachable(path: string): boolean {
  return path.startsWith("/") && !path.endsWith(" (deleted)");
}

/** What the image says; where its path leads nowhere, what the device's status says. */
async function readImage(
  session: Session,
  number: number,
  path: string,
  range: Range,
  hasPartitions: boolean,
): Promise<Image> {
  const nothing = { dev: null, ino: null, fields: () => ({}) };
  if (!isReachable(path)) {
    const status = await readStatus(session.kernel, number);
    if (!status) return nothing;
    return { ...nothing, dev: devnumOf(status.device), ino: Number(status.inode) };
  }
  const modes = hasPartitions ? [Partscan.Kernel, Partscan.None] : [Partscan.None];
  for (const partscan of modes) {
    const { event, partitions } = await session.probe(path, { ...range, partscan });
    if (event.event !== Event.Probed) continue;
    const fields = (partition: Partition): Partial<Partition> => {
      for (const candidate of partitions) {
        if (candidate.number !== partition.number) continue;
        const table = tableFields(candidate);
        if (table.start === partition.start && table.size === partition.size) return table;
      }
      return {};
    };
    const dev = devnumOf(event.result[Result.BackingDevice] ?? 0n);
    return { dev, ino: Number(event.result[Result.BackingInode] ?? 0n), fields };
  }
  return nothing;
}

/** What LOOP_GET_STATUS64 says of a device. */
export interface LoopStatus {
  /** st_dev and st_ino of the backing file */
  readonly device: bigint;
  readonly inode: bigint;
  /** `lo_file_name` */
  readonly reference: string;
}

/** `undefined` where it is refused. Opens the device. */
export async function readStatus(kernel: Kernel, number: number): Promise<LoopStatus | undefined> {
  const bytes = new Uint8Array(LoopInfo.Bytes);
  const call = (fields: Partial<KernelCall>): number | Promise<number> =>
    kernel.perform({ ...blankCall, number, ...fields });
  const descriptor = await call({
    call: Call.Open,
    place: Place.Disk,
    request: OpenFlag.O_NONBLOCK | OpenFlag.O_CLOEXEC,
  });
  if (descriptor < 0) return undefined;
  const result = await call({
    call: Call.IoctlBuffer,
    descriptor,
    request: Ioctl.LOOP_GET_STATUS64,
    bytes,
  });
  await call({ call: Call.Close, descriptor });
  if (result < 0) return undefined;
  const view = new DataView(bytes.buffer);
  const name = bytes.subarray(LO_FILE_NAME, LO_FILE_NAME + 64);
  return {
    device: view.getBigUint64(0, true),
    inode: view.getBigUint64(8, true),
    reference: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
  };
}

/** A call that asks for nothing yet. */
export const blankCall: KernelCall = {
  call: Call.None,
  ticket: 0,
  operation: 0,
  step: 0,
  descriptor: -1,
  request: 0,
  place: Place.None,
  number: -1,
  partition: 0,
  argument: 0n,
  argument2: 0n,
  bytes: new Uint8Array(0),
  path: undefined,
};
