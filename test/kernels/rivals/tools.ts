/**
 * Ways to attach an image with its partitions and to detach it again: diskseq's, and what others
 * do. Each returns when it says that all is ready for use.
 */
import { closeSync, openSync } from "node:fs";
import { Ioctl, Lock, LoFlag } from "../../../assembly/wire/linux.ts";
import { type AttachOptions, attach } from "../../../host/index.ts";
import { addressOf, flock, ioctlBuffer, ioctlValue } from "../../../host/linux/libc.ts";
import { numberOf } from "../../helpers/devices.ts";
import { tool } from "../../helpers/process.ts";

export interface Attached {
  /** of the loop device */
  readonly number: number;
  detach(): Promise<void>;
}

/** `hasUdevd`: ready means that udev has processed it, too. */
type Tool = (image: string, hasUdevd: boolean) => Promise<Attached>;

export const tools = {
  losetup: async (image, hasUdevd) => {
    const device = (await tool("losetup", ["-f", "--show", "-P", image])).trim();
    if (hasUdevd) await tool("udevadm", ["settle"]);
    return {
      number: numberOf(device),
      detach: async () => void (await tool("losetup", ["-d", device])),
    };
  },
  "reference split": split,
  "diskseq, kernel": (image, hasUdevd) => own(image, { partscan: "kernel", udev: hasUdevd }),
  "diskseq, fast": (image, udev) => own(image, { partscan: "kernel", fast: true, udev }),
  "diskseq, user": (image, hasUdevd) => own(image, { partscan: "user", udev: hasUdevd }),
} as const satisfies Readonly<Record<string, Tool>>;
export type ToolName = keyof typeof tools;

async function own(image: string, options: AttachOptions): Promise<Attached> {
  const attachment = await attach(image, { ...options, timeoutMs: 100_000 });
  return {
    number: numberOf(attachment.device),
    detach: async () => void (await attachment.detach()),
  };
}

/**
 * As systemd has it since 2026: the image is attached without a scan, the scan that is due is used
 * up, and only then the kernel is asked for one; all under an exclusive lock of the device.
 */
async function split(image: string, hasUdevd: boolean): Promise<Attached> {
  const control = openSync("/dev/loop-control", "r+");
  check("flock", flock(control, Lock.LOCK_EX));
  const number = check("LOOP_CTL_GET_FREE", ioctlValue(control, Ioctl.LOOP_CTL_GET_FREE, 0n));
  const path = `/dev/loop${number}`;
  const locked = openSync(path, "r");
  check("flock", flock(locked, Lock.LOCK_EX));
  const writable = openSync(path, "r+");
  const backing = openSync(image, "r+");
  const config = new DataView(new ArrayBuffer(304));
  config.setUint32(0, backing, true);
  check("LOOP_CONFIGURE", ioctlBuffer(writable, Ioctl.LOOP_CONFIGURE, bytesOf(config)));
  for (const descriptor of [control, backing, openSync(path, "r")]) closeSync(descriptor);
  const info = new DataView(new ArrayBuffer(232));
  check("LOOP_GET_STATUS64", ioctlBuffer(writable, Ioctl.LOOP_GET_STATUS64, bytesOf(info)));
  info.setUint32(52, info.getUint32(52, true) | LoFlag.LO_FLAGS_PARTSCAN, true);
  check("LOOP_SET_STATUS64", ioctlBuffer(writable, Ioctl.LOOP_SET_STATUS64, bytesOf(info)));
  closeSync(writable);
  if (hasUdevd) {
    // udev leaves alone what is locked like this.
    check("flock", flock(locked, Lock.LOCK_UN));
    await tool("udevadm", ["settle"]);
  }
  return {
    number,
    detach: async () => {
      check("LOOP_CLR_FD", ioctlValue(locked, Ioctl.LOOP_CLR_FD, 0n));
      closeSync(locked);
    },
  };
}

function bytesOf({ buffer }: DataView) {
  return addressOf(new Uint8Array(buffer));
}

function check(name: string, result: number): number {
  if (result < 0) throw new Error(`${name}: ${result}`);
  return result;
}
