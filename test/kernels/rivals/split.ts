/**
 * The reference: an attach in parts, as systemd does it since 2026-04 for images that it mounts
 * itself (`loop_device_make`, LOCK_SH). Shares with diskseq how system calls are made, no more.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Errno, Ioctl, Lock, LoFlag } from "../../../assembly/wire/linux.ts";
import { addressOf, flock, ioctlBuffer, ioctlValue } from "../../../host/linux/libc.ts";
import { partitionsOf } from "../../helpers/devices.ts";
import { tool } from "../../helpers/process.ts";
import type { Attached } from "./tools.ts";

/** How often a device is lost to others until it gives up, and how long it waits in between. */
const triesMax = 64;
const restMs = { least: 10, more: 240 };
const retried: readonly number[] = [Errno.ENODEV, Errno.ENXIO, Errno.ENOENT, Errno.EBUSY];

class Refused extends Error {
  constructor(
    name: string,
    readonly errno: number,
  ) {
    super(`${name}: errno ${errno}`);
  }
}

export async function split(
  image: string,
  settle: (() => Promise<void>) | undefined,
): Promise<Attached> {
  for (let attempt = 1; ; attempt++) {
    const files: number[] = [];
    try {
      const attached = await attachOnce(image, files);
      await settle?.();
      return attached;
    } catch (error) {
      for (const file of files) closeSync(file);
      const errno = error instanceof Refused ? error.errno : -(error as { errno: number }).errno;
      if (!retried.includes(errno) || attempt === triesMax) throw error;
      await sleep(Math.random() * (restMs.least + (restMs.more * attempt) / triesMax));
    }
  }
}

/** `files`: what it has open. */
async function attachOnce(image: string, files: number[]): Promise<Attached> {
  const open = (path: string, mode: string): number => {
    const file = openSync(path, mode);
    files.push(file);
    return file;
  };
  const control = open("/dev/loop-control", "r+");
  check("flock", flock(control, Lock.LOCK_EX));
  const number = check("LOOP_CTL_GET_FREE", ioctlValue(control, Ioctl.LOOP_CTL_GET_FREE, 0n));
  const path = `/dev/loop${number}`;
  const device = open(path, "r+");
  const lock = open(path, "r");
  check("flock", flock(lock, Lock.LOCK_EX));
  const info = new DataView(new ArrayBuffer(232));
  const status = ioctlBuffer(device, Ioctl.LOOP_GET_STATUS64, bytesOf(info));
  if (status !== -Errno.ENXIO) throw new Refused("LOOP_GET_STATUS64", Errno.EBUSY);
  if (partitionsOf(number).length > 0) {
    // One that is open or goes by itself is met again.
    await tool("partx", ["--delete", path]).catch(() => {});
    throw new Refused("leftover partitions", Errno.EBUSY);
  }
  const backing = openSync(image, "r+");
  const config = new DataView(new ArrayBuffer(304));
  config.setUint32(0, backing, true);
  config.setUint32(60, LoFlag.LO_FLAGS_AUTOCLEAR, true);
  const configured = ioctlBuffer(device, Ioctl.LOOP_CONFIGURE, bytesOf(config));
  closeSync(backing);
  check("LOOP_CONFIGURE", configured);
  // From here on udev may look at it, but not have it read again: for its life.
  check("flock", flock(lock, Lock.LOCK_SH));
  // Uses up the scan that is due, while none is made.
  closeSync(openSync(path, "r"));
  check("LOOP_GET_STATUS64", ioctlBuffer(device, Ioctl.LOOP_GET_STATUS64, bytesOf(info)));
  info.setUint32(52, info.getUint32(52, true) | LoFlag.LO_FLAGS_PARTSCAN, true);
  check("LOOP_SET_STATUS64", ioctlBuffer(device, Ioctl.LOOP_SET_STATUS64, bytesOf(info)));
  closeSync(control);
  return {
    number,
    // The writable descriptor stays open until then: its close would have udev read it again.
    detach: async () => {
      closeSync(lock);
      fsyncSync(device);
      check("flock", flock(device, Lock.LOCK_EX));
      check("LOOP_CLR_FD", ioctlValue(device, Ioctl.LOOP_CLR_FD, 0n));
      closeSync(device);
    },
  };
}

function bytesOf({ buffer }: DataView) {
  return addressOf(new Uint8Array(buffer));
}

function check(name: string, result: number): number {
  if (result < 0) throw new Refused(name, -result);
  return result;
}
