/**
 * The real kernel: performs the core's calls on Linux.
 *
 * What answers in microseconds runs on the spot; what can block (anything that opens, closes or
 * changes a device, reads an image or looks at other people's files) runs in a thread of the pool,
 * with the address of the call's bytes, which are held until it answers. Decides nothing: no call
 * is repeated, no errno is explained.
 */
import { fstatSync } from "node:fs";
import { stat } from "node:fs/promises";
import { release } from "node:os";
import { Call, Group, Place, StatWord } from "../../assembly/abi.ts";
import { Errno, Ioctl, OpenFlag } from "../../assembly/wire/linux.ts";
import { majorOf, minorOf } from "../devnum.ts";
import type { FileFacts, Holder, Kernel, KernelCall, Stream } from "../kernel.ts";
import { addressOf, close, flock, ioctlBuffer, ioctlValue, openat } from "./libc.ts";
import { doUeventsCome } from "./namespace.ts";
import { UeventSocket } from "./netlink.ts";
import { Nodes } from "./nodes.ts";
import { Pool } from "./pool.ts";
import { Scans } from "./scans.ts";
import {
  diskOfDevnum,
  errnoOf,
  fillPartitions,
  findDiskseq,
  findUnbound,
  listNames,
  readAttribute,
  readDisk,
} from "./sysfs.ts";
import { isUdevRunning, readRecord, trigger } from "./udev.ts";

/** Requests that answer at once; others go to the pool. */
const prompt: ReadonlySet<number> = new Set([
  Ioctl.LOOP_GET_STATUS64,
  Ioctl.BLKGETSIZE64,
  Ioctl.BLKGETDISKSEQ,
  Ioctl.BLKSSZGET,
  Ioctl.LOOP_CTL_ADD,
  Ioctl.LOOP_CTL_GET_FREE,
]);

/** struct blkpg_ioctl_arg: i32 op, i32 flags, i32 datalen, 4 bytes of padding, pointer. */
const BLKPG_ARGUMENT_BYTES = 24;

/** How long the names that a count was made of are worth telling. */
const REMEMBERED_NS = 1_000_000_000n;

export interface LinuxKernelOptions {
  /** Receive buffer of each socket for uevents; default 128 MiB. */
  readonly receiveBufferBytes?: number;
}

export class LinuxKernel implements Kernel {
  readonly name = `linux ${release()}`;
  readonly #pool = new Pool();
  readonly #nodes = new Nodes();
  readonly #scans = new Scans((disks) => this.#pool.run("findHolders", [disks]));
  readonly #blkpg = new Uint8Array(new ArrayBuffer(BLKPG_ARGUMENT_BYTES));
  /** descriptors of loop-control, which close on the spot */
  readonly #controls = new Set<number>();
  /** what the last `FindHolders` of a disk and descriptor counted */
  readonly #counted = new Map<string, { readonly at: bigint; readonly holders: Holder[] }>();
  readonly #options: LinuxKernelOptions;
  readonly #sockets = new Map<number, UeventSocket>();
  #stream: Stream | undefined;

  constructor(options: LinuxKernelOptions = {}) {
    this.#options = options;
  }

  now(): bigint {
    return process.hrtime.bigint();
  }

  perform(call: KernelCall): number | Promise<number> {
    try {
      return this.#perform(call);
    } catch (error) {
      return errnoOf(error);
    }
  }

  #perform(call: KernelCall): number | Promise<number> {
    switch (call.call) {
      case Call.Open:
        return this.#open(call);
      case Call.Close:
        if (this.#controls.delete(call.descriptor)) return close(call.descriptor);
        return this.#pool.run("close", [call.descriptor]);
      case Call.Flock:
        return flock(call.descriptor, call.request);
      case Call.Fstat:
        return fstat(call);
      case Call.Pread: {
        const { descriptor, bytes, argument } = call;
        const address = addressOf(bytes);
        return this.#pool.run("pread", [descriptor, address, bytes.length, argument], bytes);
      }
      case Call.Fsync:
        return this.#pool.run("fsync", [call.descriptor]);
      case Call.IoctlValue:
        if (prompt.has(call.request))
          return ioctlValue(call.descriptor, call.request, call.argument);
        return this.#pool.run("ioctlValue", [call.descriptor, call.request, call.argument]);
      case Call.IoctlBuffer: {
        const { descriptor, request, bytes } = call;
        const address = addressOf(bytes);
        if (prompt.has(request)) return ioctlBuffer(descriptor, request, address);
        return this.#pool.run("ioctlBuffer", [descriptor, request, address], bytes);
      }
      case Call.Blkpg:
        return this.#partition(call);
      case Call.MakeNode:
        return this.#nodes.make(call);
      case Call.RemoveNode:
        return this.#nodes.remove(call);
      case Call.ReadDisk:
        return readDisk(call.number, call.bytes);
      case Call.ListPartitions:
        return fillPartitions(call.number, call.bytes);
      case Call.FindBacking:
        return this.#pool.run("findBacking", [call.argument, call.argument2, call.number]);
      case Call.FindUnbound:
        return findUnbound(call.number);
      case Call.FindHolders:
        return this.#countHolders(call);
      case Call.Subscribe:
        return this.#subscribe(call.number);
      case Call.Unsubscribe:
        return this.#unsubscribe(call.number);
      case Call.ReadRecord:
        return readRecord(call.number, call.partition, call.bytes);
      case Call.Trigger:
        return trigger(call.bytes, call.partition);
      default:
        return -Errno.ENOSYS;
    }
  }

  #open(call: KernelCall): number | Promise<number> {
    const location = this.#nodes.locate(call);
    if (typeof location === "number") return location;
    const { directory, path, otherwise } = location;
    const flags = call.request | OpenFlag.O_CLOEXEC | OpenFlag.O_NOCTTY;
    if (call.place === Place.Control) {
      const descriptor = openat(directory, path, flags);
      if (descriptor >= 0) this.#controls.add(descriptor);
      return descriptor;
    }
    const opened = this.#pool.run("openat", [directory, path, flags]);
    if (otherwise === undefined) return opened;
    return opened.then((result) =>
      result === -Errno.ENOENT ? this.#pool.run("openat", [directory, otherwise, flags]) : result,
    );
  }

  #partition({ descriptor, request, bytes }: KernelCall): number {
    const view = new DataView(this.#blkpg.buffer);
    view.setInt32(0, request, true);
    view.setInt32(8, bytes.length, true);
    view.setBigUint64(16, addressOf(bytes), true);
    return ioctlBuffer(descriptor, Ioctl.BLKPG, addressOf(this.#blkpg));
  }

  async #countHolders(call: KernelCall): Promise<number> {
    const disk = `loop${call.number}`;
    const except = call.descriptor < 0 ? undefined : call.descriptor;
    const holders = await this.#scans.find(disk, except);
    if (typeof holders === "number") return holders;
    this.#counted.set(`${disk} ${except}`, { at: this.now(), holders });
    markHeld(call.bytes, disk, holders);
    return holders.length;
  }

  connect(stream: Stream): void {
    this.#stream = stream;
  }

  #subscribe(group: number): number {
    if (this.#stream === undefined) return -Errno.ENOTCONN;
    if (group !== Group.Kernel && group !== Group.Udev) return -Errno.EINVAL;
    if (this.#sockets.has(group)) return -Errno.EALREADY;
    const socket = UeventSocket.open(group, this.#stream, this.#options);
    if (typeof socket === "number") return socket;
    this.#sockets.set(group, socket);
    return doUeventsCome() && (group === Group.Kernel || isUdevRunning()) ? 0 : 1;
  }

  #unsubscribe(group: number): number {
    const socket = this.#sockets.get(group);
    this.#sockets.delete(group);
    socket?.close();
    return socket ? 0 : -Errno.ENOTCONN;
  }

  /**
   * Bytes of a group's receive buffer as the kernel counts them: twice what was asked for, or
   * less where this process may not have it. `undefined`: not subscribed.
   */
  receiveBufferBytes(group: Group): number | undefined {
    return this.#sockets.get(group)?.receiveBufferBytes;
  }

  readAttribute(disk: string, attribute: string): string | undefined {
    return readAttribute(disk, attribute);
  }

  listNames(disk?: string): string[] {
    return listNames(disk);
  }

  findDisk(diskseq: bigint): string | undefined {
    return findDiskseq(diskseq);
  }

  diskOf(major: number, minor: number): { disk: string; partition: number } | undefined {
    return diskOfDevnum(major, minor);
  }

  async findFile(path: string): Promise<FileFacts | undefined> {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) return undefined;
    const { dev: device, ino: inode, rdev } = stats;
    return { isBlockDevice: stats.isBlockDevice(), device, inode, rdev };
  }

  /** What `Call.FindHolders` just counted, else a new scan; nothing where none can be made. */
  async findHolders(disk: string, exceptDescriptor?: number): Promise<Holder[]> {
    const key = `${disk} ${exceptDescriptor}`;
    const counted = this.#counted.get(key);
    this.#counted.delete(key);
    if (counted && this.now() - counted.at < REMEMBERED_NS) return counted.holders;
    const holders = await this.#scans.find(disk, exceptDescriptor);
    return typeof holders === "number" ? [] : holders;
  }

  async findLockers(disk: string): Promise<Holder[]> {
    const lockers = await this.#pool.run("findLockers", [disk]);
    return typeof lockers === "number" ? [] : lockers;
  }

  async close(): Promise<void> {
    this.#stream = undefined;
    for (const group of [...this.#sockets.keys()]) this.#unsubscribe(group);
    await this.#pool.close();
    this.#nodes.close();
    for (const control of this.#controls) close(control);
    this.#controls.clear();
  }
}

/** A bit for each partition that somebody holds; bit 0: the disk. */
function markHeld(bytes: Uint8Array, disk: string, holders: readonly Holder[]): void {
  bytes.fill(0, 0, 32);
  for (const { device } of holders) {
    const number = device === disk ? 0 : Number(device.slice(`${disk}p`.length));
    bytes[number >> 3] = (bytes[number >> 3] ?? 0) | (1 << (number & 7));
  }
}

/** `Call.Fstat`. */
function fstat({ descriptor, bytes }: KernelCall): number {
  // Node throws another kind of error for these
  if (descriptor < 0) return -Errno.EBADF;
  const stats = fstatSync(descriptor, { bigint: true });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const set = (word: StatWord, value: bigint) => view.setBigUint64(8 * word, value, true);
  set(StatWord.Mode, stats.mode);
  set(StatWord.Device, stats.dev);
  set(StatWord.Inode, stats.ino);
  set(StatWord.Major, majorOf(stats.rdev));
  set(StatWord.Minor, minorOf(stats.rdev));
  set(StatWord.Size, stats.size);
  set(StatWord.Rdev, stats.rdev);
  return 0;
}
