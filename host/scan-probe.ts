/**
 * Measures whether this kernel is fixed: whether LOOP_CONFIGURE leaves a scan pending that the next
 * open of the device makes. A partition is added by BLKPG to a device without PARTSCAN; if an open
 * takes it away, there was one.
 *
 * Whoever opens the device in between uses the pending scan up, and then the kernel looks fixed. So
 * the device is one of our own whose node in /dev is removed before it is bound: only this process
 * can open it. An open that was on its way already can spoil one round; so there are three, one
 * after the other, and a single scan decides. What fails or cannot be shown is no proof. Knows
 * nothing of attaches and keeps nothing.
 */
import { fileURLToPath } from "node:url";
import { BlkpgOperation, Errno, Ioctl, Lock, LoFlag, OpenFlag } from "../assembly/wire/linux.ts";
import { Blkpg, LoopConfig, LoopInfo, loopFlags, setLoopFlags } from "../assembly/wire/loop.ts";
import { Call, DiskWord, PartitionEntryWord, Place } from "./core.ts";
import { coreWasmUrl } from "./core-file.ts";
import type { Kernel, KernelCall } from "./kernel.ts";
import { blankCall } from "./list.ts";
import type { ScanVerdict } from "./types.ts";

/** Any file that is there and holds no table; it is bound read-only. */
const image = fileURLToPath(coreWasmUrl);
/** Its minor is one whatever the module's max_part is; and far from what others use. */
const highestNumber = 4095;
const lowestNumber = 4000;
const rounds = 3;
/** How long others who are in the way are waited for, all in all. */
const patienceNs = 5_000_000_000n;
const pauseNs = 5_000_000n;

/** Something did not go as it must; there is no verdict then. */
class Doubt extends Error {}

/** Leaves nothing behind, whatever happens; never rejects. */
export async function probeScan(kernel: Kernel): Promise<ScanVerdict> {
  try {
    return await new Probe(kernel).run();
  } catch (error) {
    if (error instanceof Doubt) return "unknown";
    throw error;
  }
}

class Probe {
  readonly #kernel: Kernel;
  readonly #until: bigint;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#until = kernel.now() + patienceNs;
  }

  async run(): Promise<ScanVerdict> {
    const open = { call: Call.Open, place: Place.Control, request: OpenFlag.O_RDWR };
    return this.#with(open, async (control) => {
      // The device is unbound at times: who asks for a free one must not be given it.
      const request = Lock.LOCK_EX | Lock.LOCK_NB;
      await this.#patiently({ call: Call.Flock, descriptor: control, request });
      const number = await this.#add(control);
      try {
        return await this.#onDevice(number);
      } finally {
        await this.#remove(control, number);
      }
    });
  }

  async #add(control: number): Promise<number> {
    for (let number = highestNumber; number >= lowestNumber; number--) {
      const add = onControl(control, Ioctl.LOOP_CTL_ADD, number);
      let result = await this.#call(add);
      if (result === -Errno.EEXIST && (await this.#hasNoNode(number))) {
        // A probe that was killed left it: no other is under way, for we have the lock. Whatever
        // is bound or open the kernel does not remove.
        await this.#call(onControl(control, Ioctl.LOOP_CTL_REMOVE, number));
        result = await this.#call(add);
      }
      if (result >= 0) return number;
      if (result !== -Errno.EEXIST) break;
    }
    throw new Doubt();
  }

  async #hasNoNode(number: number): Promise<boolean> {
    const named = { call: Call.Open, place: Place.Disk, number, request: OpenFlag.O_PATH };
    const descriptor = await this.#call(named);
    if (descriptor >= 0) await this.#call({ call: Call.Close, descriptor });
    return descriptor === -Errno.ENOENT;
  }

  async #remove(control: number, number: number): Promise<void> {
    try {
      await this.#patiently(onControl(control, Ioctl.LOOP_CTL_REMOVE, number));
    } catch (error) {
      // It stays: then as others expect it.
      await this.#call({ call: Call.MakeNode, place: Place.Disk, number });
      throw error;
    }
  }

  async #onDevice(number: number): Promise<ScanVerdict> {
    const disk = await this.#readDisk(number);
    await this.#must({ call: Call.RemoveNode, place: Place.Disk, number });
    const [major, minor] = [disk(DiskWord.Major), disk(DiskWord.Minor)];
    const node = { place: Place.Private, number: major, partition: minor };
    await this.#must({ call: Call.MakeNode, ...node });
    const backing = { call: Call.Open, place: Place.Image, path: image };
    return this.#with(backing, async (descriptor) => {
      const opened = { call: Call.Open, request: OpenFlag.O_NONBLOCK, ...node };
      for (let round = 0; round < rounds; round++) {
        const isScanned = await this.#with(opened, (device) =>
          this.#isScannedAtOpen(device, descriptor, opened, number),
        );
        if (isScanned) return "racy";
        await this.#unbound(number);
      }
      return "fixed";
    });
  }

  async #isScannedAtOpen(
    device: number,
    backing: number,
    opened: Partial<KernelCall>,
    number: number,
  ): Promise<boolean> {
    await this.#patiently({
      call: Call.IoctlBuffer,
      descriptor: device,
      request: Ioctl.LOOP_CONFIGURE,
      bytes: configuration(backing),
    });
    // Where the module has it scan (max_part), its own scan has used up what was pending.
    const info = new Uint8Array(LoopInfo.Bytes);
    const status = { call: Call.IoctlBuffer, request: Ioctl.LOOP_GET_STATUS64, bytes: info };
    await this.#must({ ...status, descriptor: device });
    if ((loopFlags(new DataView(info.buffer), 0) & LoFlag.LO_FLAGS_PARTSCAN) !== 0)
      throw new Doubt();
    await this.#must(blkpg(device, BlkpgOperation.BLKPG_ADD_PARTITION));
    await this.#with(opened, async () => {});
    const bytes = new Uint8Array(16 * 4 * PartitionEntryWord.Words);
    const count = await this.#must({ call: Call.ListPartitions, number, bytes });
    if (count === 0) return true;
    await this.#patiently(blkpg(device, BlkpgOperation.BLKPG_DEL_PARTITION));
    return false;
  }

  /** AUTOCLEAR has detached it with the last close, which may be somebody else's. */
  async #unbound(number: number): Promise<void> {
    while ((await this.#readDisk(number))(DiskWord.Bound) !== 0) await this.#pause();
  }

  async #readDisk(number: number): Promise<(word: DiskWord) => number> {
    const bytes = new Uint8Array(8 * DiskWord.Words);
    await this.#must({ call: Call.ReadDisk, number, bytes });
    return (word) => Number(new DataView(bytes.buffer).getBigUint64(8 * word, true));
  }

  /* Calls. */

  async #call(call: Partial<KernelCall>): Promise<number> {
    return this.#kernel.perform({ ...blankCall, ...call });
  }

  async #must(call: Partial<KernelCall>): Promise<number> {
    const result = await this.#call(call);
    if (result < 0) throw new Doubt();
    return result;
  }

  /** Again while somebody is in the way. */
  async #patiently(call: Partial<KernelCall>): Promise<number> {
    for (;;) {
      const result = await this.#call(call);
      if (result >= 0) return result;
      if (result !== -Errno.EBUSY && result !== -Errno.EAGAIN) throw new Doubt();
      await this.#pause();
    }
  }

  /** What is opened is closed when it was used. */
  async #with<T>(open: Partial<KernelCall>, use: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = await this.#must(open);
    try {
      return await use(descriptor);
    } finally {
      await this.#call({ call: Call.Close, descriptor });
    }
  }

  async #pause(): Promise<void> {
    const kernel = this.#kernel;
    const at = kernel.now() + pauseNs;
    if (at > this.#until) throw new Doubt();
    await new Promise<void>((resolve) => {
      if (kernel.alarm) kernel.alarm(at, resolve);
      else setTimeout(resolve, Number(pauseNs / 1_000_000n));
    });
  }
}

function onControl(descriptor: number, request: Ioctl, number: number): Partial<KernelCall> {
  return { call: Call.IoctlValue, descriptor, request, argument: BigInt(number) };
}

/** Read-only, without PARTSCAN; with AUTOCLEAR, so that our end is its end. */
function configuration(backing: number): Uint8Array {
  const bytes = new Uint8Array(LoopConfig.Bytes);
  const view = new DataView(bytes.buffer);
  const flags = LoFlag.LO_FLAGS_READ_ONLY | LoFlag.LO_FLAGS_AUTOCLEAR;
  view.setInt32(0, backing, true);
  view.setInt32(4, 512, true);
  setLoopFlags(view, LoopConfig.Info, flags);
  return bytes;
}

/** Partition 1: 4 KiB from 4 KiB on. */
function blkpg(descriptor: number, request: BlkpgOperation): Partial<KernelCall> {
  const bytes = new Uint8Array(Blkpg.Bytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 4096n, true);
  view.setBigUint64(8, 4096n, true);
  view.setInt32(16, 1, true);
  return { call: Call.Blkpg, descriptor, request, bytes };
}
