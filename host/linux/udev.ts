/**
 * What there is to know of udev without talking to it: whether a udevd runs, what it has recorded
 * of a device; and how to have it look at a device again. Receives nothing; waits for nothing.
 */
import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { Limit } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { partitionName } from "../names.ts";
import { close, connect, socket } from "./libc.ts";
import { errnoOf, readName } from "./sysfs.ts";

/** Sources: include/linux/socket.h, include/linux/net.h. */
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;

/** sun_path with its NUL. Source: include/uapi/linux/un.h. */
const PATH_BYTES = 108;

const UUID_BYTES = 16;

/** Odd, so that what it multiplies stays apart; 2^64 by the golden ratio. */
const MIX = 0x9e37_79b9_7f4a_7c15n;

/**
 * Somebody listens on udevd's control socket. What may not be connected to, or has no room for one
 * more, is there.
 */
export function isUdevRunning(path = "/run/udev/control"): boolean {
  const text = Buffer.from(path);
  if (text.length >= PATH_BYTES) return false;
  // struct sockaddr_un: u16 sun_family, sun_path
  const name = new Uint8Array(2 + text.length + 1);
  new DataView(name.buffer).setUint16(0, AF_UNIX, true);
  name.set(text, 2);
  const descriptor = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (descriptor < 0) return false;
  const result = connect(descriptor, name);
  close(descriptor);
  return result === 0 || [Errno.EAGAIN, Errno.EACCES, Errno.EPERM].includes(-result);
}

/** `Call.ReadRecord`. udev writes a new file and renames it. */
export function readRecord(
  major: number,
  minor: number,
  bytes: Uint8Array,
  root = "/run/udev/data",
): number {
  const path = `${root}/b${major}:${minor}`;
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return -Errno.ENOENT;
  const stamp = BigInt.asUintN(64, stats.ino * MIX + stats.mtimeNs) || 1n;
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, stamp, true);
  return 0;
}

/** `Call.Trigger`. */
export function trigger(bytes: Uint8Array, partition: number, root = "/sys/class/block"): number {
  const disk = readName(bytes);
  const uuid = bytes.subarray(Limit.NameBytes, Limit.NameBytes + UUID_BYTES);
  if (disk === undefined || uuid.length < UUID_BYTES) return -Errno.EINVAL;
  const name = partition === 0 ? disk : partitionName(disk, partition);
  try {
    // never made anew
    const descriptor = openSync(`${root}/${name}/uevent`, "r+");
    try {
      writeSync(descriptor, `change ${formatUuid(uuid)}`);
    } finally {
      closeSync(descriptor);
    }
    return 0;
  } catch (error) {
    return errnoOf(error);
  }
}

function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
