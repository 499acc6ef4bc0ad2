/** For the tests of `host/linux`: calls by hand, and loop devices that only the test has. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import { Call, Place } from "../../assembly/abi.ts";
import { BlkpgOperation, Errno, Ioctl, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";
import type { LinuxKernel } from "../../host/linux/kernel.ts";
import { missing, type Need } from "../helpers/needs.ts";
import { skip } from "../helpers/skip.ts";

/** A test on real loop devices; where none can be had it is skipped, and says why. */
export function real(name: string, run: () => Promise<void>, ...needs: Need[]): void {
  test(name, async () => {
    const reason = await missing(["root", ...needs]);
    if (reason === undefined) await run();
    else skip(`${name}: ${reason}`);
  });
}

/** A call, whatever is not given 0. */
export function call(name: Call, words: Partial<KernelCall> = {}): KernelCall {
  return {
    call: name,
    ticket: 1,
    operation: 0,
    step: 0,
    descriptor: -1,
    request: 0,
    place: Place.None,
    number: 0,
    partition: 0,
    argument: 0n,
    argument2: 0n,
    bytes: new Uint8Array(0),
    path: undefined,
    ...words,
  };
}

export interface Device {
  readonly number: number;
  /** `loop0` */
  readonly name: string;
  readonly descriptor: number;
  readonly image: string;
  /** closes it, which detaches it, and removes the image */
  release(): Promise<void>;
}

/** Takes a free device and attaches an image of 16 MiB to it, until its descriptor is closed. */
export async function attach(kernel: LinuxKernel, image?: string): Promise<Device> {
  const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
  const path = image ?? join(folder, "image");
  if (image === undefined) {
    writeFileSync(path, "");
    truncateSync(path, 16 << 20);
  }
  const backing = openSync(path, "r+");
  try {
    for (let tries = 0; tries < 64; tries++) {
      const number = await getFree(kernel);
      const descriptor = await kernel.perform(
        call(Call.Open, { place: Place.Disk, number, request: OpenFlag.O_RDWR }),
      );
      if (descriptor < 0) continue;
      const result = await configure(kernel, descriptor, backing);
      if (result === 0) {
        await deleteLeftovers(kernel, number, descriptor);
        const release = async () => {
          await kernel.perform(call(Call.Close, { descriptor }));
          rmSync(folder, { recursive: true });
        };
        return { number, name: `loop${number}`, descriptor, image: path, release };
      }
      await kernel.perform(call(Call.Close, { descriptor }));
      if (result !== -Errno.EBUSY) throw new Error(`LOOP_CONFIGURE: ${result}`);
    }
    throw new Error("no loop device to be had");
  } finally {
    closeSync(backing);
  }
}

export async function getFree(kernel: LinuxKernel): Promise<number> {
  const descriptor = await kernel.perform(
    call(Call.Open, { place: Place.Control, request: OpenFlag.O_RDWR }),
  );
  const request = Ioctl.LOOP_CTL_GET_FREE;
  const number = await kernel.perform(call(Call.IoctlValue, { descriptor, request }));
  await kernel.perform(call(Call.Close, { descriptor }));
  if (number < 0) throw new Error(`LOOP_CTL_GET_FREE: ${number}`);
  return number;
}

/** LOOP_CONFIGURE with AUTOCLEAR; see include/uapi/linux/loop.h for the offsets. */
export async function configure(
  kernel: LinuxKernel,
  descriptor: number,
  backing: number,
): Promise<number> {
  const bytes = new Uint8Array(304);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, backing, true);
  view.setUint32(4, 512, true);
  view.setUint32(60, LoFlag.LO_FLAGS_AUTOCLEAR, true);
  const request = Ioctl.LOOP_CONFIGURE;
  return kernel.perform(call(Call.IoctlBuffer, { descriptor, request, bytes }));
}

/** blkpg_partition: start and length in bytes, number. */
export function blkpg(number: number, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(152);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(start), true);
  view.setBigInt64(8, BigInt(length), true);
  view.setInt32(16, number, true);
  return bytes;
}

export function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

/** Partitions that an earlier attach of whoever left on this number. */
async function deleteLeftovers(kernel: LinuxKernel, number: number, descriptor: number) {
  const list = new Uint8Array(8192);
  const count = Number(await kernel.perform(call(Call.ListPartitions, { number, bytes: list })));
  for (let i = 0; i < count; i++) {
    const bytes = blkpg(new DataView(list.buffer).getInt32(i * 32, true), 0, 0);
    const request = BlkpgOperation.BLKPG_DEL_PARTITION;
    await kernel.perform(call(Call.Blkpg, { descriptor, request, bytes }));
  }
}
