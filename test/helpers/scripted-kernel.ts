/**
 * A small deterministic kernel in memory: one image, loop-control, a few loop devices. Good enough
 * for whole attaches and detaches; `on` answers any call otherwise, by step and how often the step
 * came. A test double: it refuses descriptors that are not open, and models nothing that no test
 * looks at.
 */
import { Call, Place } from "../../assembly/abi.ts";
import { BlkpgOperation, Errno, Ioctl, Lock } from "../../assembly/wire/linux.ts";
import type { Step } from "../../host/core.ts";
import type { Kernel, KernelCall } from "../../host/kernel.ts";
import type { Answered } from "./bench.ts";
import type { Extras, Image, Quirks, TableEntry } from "./scripted-disks.ts";
import { infoAt, infoBytes, mode, put64, putStat, ScriptedDisk, viewOf } from "./scripted-disks.ts";
import { ScriptedUevents } from "./scripted-uevents.ts";

/** How an answer differs from what the kernel would give. */
export interface Script {
  /** instead of performing the call */
  readonly result?: number;
  /** performs it although there is a `result` */
  readonly isPerformed?: boolean;
  readonly delayNs?: bigint;
  /** performed, and never returns */
  readonly hangs?: boolean;
  /** changes the bytes that the call leaves, or what the kernel is by then */
  readonly change?: (view: DataView, call: KernelCall) => void;
}

interface Opened {
  readonly kind: "path" | "image" | "control" | "disk";
  readonly number: number;
  /** 0: the disk itself */
  readonly partition: number;
  readonly isWritable: boolean;
  lock: number;
}

export class ScriptedKernel implements Kernel, Quirks {
  readonly name = "scripted";
  clock = 0n;
  table: readonly TableEntry[] = [];
  hasParser = true;
  hasConfigure = true;
  diskseq: Quirks["diskseq"] = "rises";
  scansAtOpen = false;
  forcesPartscan = false;
  clearsAtClose = true;
  image: Image;
  imageMode = mode.regular;
  /** what every device shows as its logical block size */
  sectorSize = 512;
  isImageWritable = true;
  isControlLocked = false;
  readonly disks = new Map<number, ScriptedDisk>();
  /** disks of other names than `loopN` */
  readonly others: ScriptedDisk[] = [];
  readonly uevents = new ScriptedUevents(this);
  /** descriptors that are open */
  readonly opened = new Map<number, Opened>();
  readonly hiddenNodes = new Set<number>();
  /** every call, with its bytes as they were handed out, and its result */
  readonly log: { readonly call: KernelCall; readonly result: number }[] = [];
  readonly #scripts = new Map<string, Script>();
  readonly #counts = new Map<Step, number>();
  #nextDescriptor = 10;

  constructor(image: Image, disks = 2) {
    this.image = image;
    for (let number = 0; number < disks; number++) this.#addDisk(number);
  }

  /** Answers the n-th call of a step (from 1; 0: each one) otherwise; a number is its result. */
  on(step: Step, n: number, script: Script | number): this {
    this.#scripts.set(`${step}:${n}`, typeof script === "number" ? { result: script } : script);
    return this;
  }

  disk(number: number): ScriptedDisk {
    const disk = this.disks.get(number);
    if (!disk) throw new RangeError(`no loop${number}`);
    return disk;
  }

  /** A disk that is no loop device. */
  addOther(name: string): ScriptedDisk {
    const disk = new ScriptedDisk(1000 + this.others.length, this, name);
    this.others.push(disk);
    return disk;
  }

  tell(disk: ScriptedDisk, action: string, partition?: number, extras?: Extras): void {
    this.uevents.tell(disk, action, partition, extras);
  }

  /** A descriptor of the image that the caller opened himself. */
  openImage(isWritable = true): number {
    return this.#add("image", 0, 0, isWritable);
  }

  answer(call: KernelCall, now: bigint): Answered {
    this.clock = now;
    const nth = (this.#counts.get(call.step) ?? 0) + 1;
    this.#counts.set(call.step, nth);
    const script = this.#scripts.get(`${call.step}:${nth}`) ?? this.#scripts.get(`${call.step}:0`);
    // Whatever is said of it, the descriptor is gone, and nothing is received.
    const isPerformed = script?.isPerformed ?? (script?.result === undefined || isEnd(call));
    const kept = { ...call, bytes: call.bytes.slice() };
    const own = isPerformed ? this.#perform(call) : 0;
    const result = script?.result ?? own;
    script?.change?.(viewOf(call.bytes), call);
    this.log.push({ call: kept, result });
    return { result, delayNs: script?.hangs ? undefined : (script?.delayNs ?? 0n) };
  }

  imageBytes(): number {
    return this.image.size;
  }

  now(): bigint {
    return this.clock;
  }

  perform(call: KernelCall): number {
    return this.answer(call, this.clock).result;
  }

  readonly connect = (): void => {};
  readonly readAttribute = (): undefined => undefined;
  readonly listNames = (): string[] => [];
  readonly receiveBufferBytes = (): undefined => undefined;
  readonly findDisk = (): undefined => undefined;
  readonly diskOf = (): undefined => undefined;
  readonly findFile = async (): Promise<undefined> => undefined;
  readonly findHolders = async (): Promise<never[]> => [];
  readonly findLockers = async (): Promise<never[]> => [];
  readonly close = async (): Promise<void> => {};

  #perform(call: KernelCall): number {
    switch (call.call) {
      case Call.Open:
        return this.#open(call);
      case Call.MakeNode:
        if (call.place === Place.Hidden) this.hiddenNodes.add(call.partition);
        return 0;
      case Call.RemoveNode:
        return this.hiddenNodes.delete(call.partition) ? 0 : -Errno.ENOENT;
      case Call.ReadDisk:
        return this.#named(call)?.read(viewOf(call.bytes)) ?? -Errno.ENOENT;
      case Call.ListPartitions:
        return this.#named(call)?.list(viewOf(call.bytes)) ?? -Errno.ENOENT;
      case Call.FindBacking:
        return this.#lowest(
          call.number,
          ({ info }) => info?.getBigUint64(8, true) === call.argument2,
        );
      case Call.FindUnbound:
        return this.#lowest(call.number, ({ info }) => info === undefined);
      case Call.FindHolders:
        return this.disk(call.number).findHolders(viewOf(call.bytes));
      case Call.Subscribe:
        return this.uevents.subscribe(call.number);
      case Call.Unsubscribe:
        return this.uevents.unsubscribe(call.number);
      case Call.ReadRecord:
        return this.uevents.readRecord(call);
      case Call.Trigger:
        return this.uevents.trigger(this.#named(call), call, this.clock);
      default:
        return this.#use(call, this.#get(call));
    }
  }

  /** Calls that take a descriptor. */
  #use(call: KernelCall, opened: Opened): number {
    switch (call.call) {
      case Call.Close:
        this.opened.delete(call.descriptor);
        if (opened.kind === "disk") this.letGo(opened.number);
        return 0;
      case Call.Flock:
        return this.#flock(opened, call.request & ~Lock.LOCK_NB);
      case Call.Fstat:
        return this.#stat(opened, viewOf(call.bytes));
      case Call.Pread:
        return this.image.read(Number(call.argument), call.bytes);
      case Call.Fsync:
        return 0;
      case Call.IoctlValue:
        return this.#ioctlValue(opened, call);
      case Call.IoctlBuffer:
        return this.#ioctlBuffer(opened, call, viewOf(call.bytes));
      default:
        return this.#blkpg(this.disk(opened.number), call);
    }
  }

  /** The disk that a call asks for by its number, or by the name in its bytes. */
  #named({ number, bytes }: KernelCall): ScriptedDisk | undefined {
    if (number >= 0) return this.disks.get(number);
    const name = Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString();
    return [...this.disks.values(), ...this.others].find((disk) => disk.name === name);
  }

  #get(call: KernelCall): Opened {
    const opened = this.opened.get(call.descriptor);
    if (opened) return opened;
    throw new RangeError(`step ${call.step}: descriptor ${call.descriptor} is not open`);
  }

  #addDisk(number: number): number {
    this.disks.set(number, new ScriptedDisk(number, this));
    return number;
  }

  #lowest(from: number, matches: (disk: ScriptedDisk) => boolean): number {
    const found = [...this.disks.values()].filter((disk) => disk.number >= from && matches(disk));
    return found.length === 0 ? -Errno.ENOENT : Math.min(...found.map(({ number }) => number));
  }

  #add(kind: Opened["kind"], number = 0, partition = 0, isWritable = false): number {
    this.opened.set(this.#nextDescriptor, { kind, number, partition, isWritable, lock: 0 });
    return this.#nextDescriptor++;
  }

  #open(call: KernelCall): number {
    const isWritable = (call.request & 3) !== 0;
    if (call.place === Place.Image) return this.#add("path");
    if (call.place === Place.Control) return this.#add("control");
    if (call.place === Place.Reopen) {
      if (isWritable && !this.isImageWritable) return -Errno.EACCES;
      return this.#add("image", 0, 0, this.#get(call) && isWritable);
    }
    const isOwnNode = call.place === Place.Private || call.place === Place.Hidden;
    const disk = this.disks.get(isOwnNode ? call.partition : call.number);
    const partition = call.place === Place.Partition ? call.partition : 0;
    if (!disk || (partition !== 0 && !disk.partitions.has(partition))) return -Errno.ENOENT;
    if (disk.isDying) return -Errno.ENXIO;
    disk.opened();
    return this.#add("disk", disk.number, partition, isWritable);
  }

  /** Somebody closed a device: the last one detaches it where it must. */
  letGo(number: number): void {
    this.disk(number).closed(this.#openers(number));
  }

  /** All others who hold a device let go of it. */
  dropHolders(number: number): void {
    this.disk(number).holders = 0;
    this.letGo(number);
  }

  #openers(number: number): number {
    const own = [...this.opened.values()].filter((one) => isSame(one, "disk", number));
    return own.length + this.disk(number).holders;
  }

  #flock(opened: Opened, lock: number): number {
    const others = [...this.opened.values()]
      .filter((one) => one !== opened && isSame(one, opened.kind, opened.number))
      .map((one) => one.lock);
    if (opened.kind === "disk") others.push(this.disk(opened.number).lockOfOthers);
    else if (this.isControlLocked) others.push(Lock.LOCK_EX);
    const isHeld = others.some((one) => one !== 0 && (one | lock) & Lock.LOCK_EX);
    if (lock !== Lock.LOCK_UN && isHeld) return -Errno.EAGAIN;
    opened.lock = lock === Lock.LOCK_UN ? 0 : lock;
    return 0;
  }

  #stat({ kind, number, partition }: Opened, view: DataView): number {
    if (kind === "disk") return putStat(view, mode.block, 0, number, partition);
    return putStat(view, this.imageMode, this.image.size, 0, 0);
  }

  #ioctlValue(opened: Opened, call: KernelCall): number {
    const value = Number(BigInt.asIntN(32, call.argument));
    switch (call.request) {
      case Ioctl.LOOP_CTL_GET_FREE: {
        const free = this.#lowest(0, ({ info }) => info === undefined);
        return free >= 0 ? free : this.#addDisk(this.disks.size);
      }
      case Ioctl.LOOP_CTL_ADD:
        if (this.disks.has(value)) return -Errno.EEXIST;
        return this.#addDisk(value >= 0 ? value : this.disks.size);
      case Ioctl.LOOP_SET_FD:
        return this.#bind(opened, value, new DataView(new ArrayBuffer(infoBytes)));
      case Ioctl.LOOP_CLR_FD:
        return this.disk(opened.number).clear(this.#openers(opened.number));
      case Ioctl.LOOP_SET_CAPACITY:
        return this.disk(opened.number).resize();
      case Ioctl.BLKRRPART:
        return this.disk(opened.number).reread();
      default:
        return this.disk(opened.number).info ? 0 : -Errno.ENXIO;
    }
  }

  #bind(opened: Opened, backing: number, info: DataView): number {
    const image = this.opened.get(backing);
    if (image?.kind !== "image") return -Errno.EBADF;
    return this.disk(opened.number).bind(info, !opened.isWritable || !image.isWritable);
  }

  #ioctlBuffer(opened: Opened, call: KernelCall, view: DataView): number {
    const isImage = opened.kind === "image";
    if (isImage) return put64(view, 0, BigInt(this.image.size));
    const disk = this.disk(opened.number);
    switch (call.request) {
      case Ioctl.BLKGETSIZE64:
        return put64(view, 0, disk.capacity);
      case Ioctl.BLKSSZGET:
        return put64(view, 0, BigInt(this.sectorSize));
      case Ioctl.BLKGETDISKSEQ:
        return this.diskseq === "none" ? -Errno.ENOTTY : put64(view, 0, disk.diskseq);
      case Ioctl.LOOP_CONFIGURE:
        if (!this.hasConfigure) return -Errno.EINVAL;
        return this.#bind(opened, view.getInt32(0, true), infoAt(view, 8));
      case Ioctl.LOOP_GET_STATUS64:
        if (!disk.info || disk.isDying) return -Errno.ENXIO;
        call.bytes.set(new Uint8Array(disk.info.buffer));
        return 0;
      default:
        return disk.setStatus(infoAt(view, 0));
    }
  }

  #blkpg(disk: ScriptedDisk, call: KernelCall): number {
    const view = viewOf(call.bytes);
    const number = view.getInt32(16, true);
    if (call.request === BlkpgOperation.BLKPG_DEL_PARTITION) return disk.deletePartition(number);
    const place = [view.getBigUint64(0, true), view.getBigUint64(8, true)] as const;
    const isResize = call.request === BlkpgOperation.BLKPG_RESIZE_PARTITION;
    return isResize ? disk.resizePartition(number, ...place) : disk.addPartition(number, ...place);
  }
}

function isEnd({ call }: KernelCall): boolean {
  return call === Call.Close || call === Call.Unsubscribe;
}

function isSame(opened: Opened, kind: Opened["kind"], number: number): boolean {
  return opened.kind === kind && opened.number === number;
}
