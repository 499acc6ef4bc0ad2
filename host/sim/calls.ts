/**
 * One process' calls on the model: the words translated, descriptors kept apart from those of the
 * machine, and what only the host has (bytes of images, nodes opened by O_PATH) filled in.
 */
import { Call, CallWord, Place, StatWord } from "../../assembly/abi.ts";
import { Errno, FileType, Ioctl, Lock, OpenFlag } from "../../assembly/wire/linux.ts";
import { LoopConfig, LoopInfo } from "../../assembly/wire/loop.ts";
import { encodeDevice } from "../devnum.ts";
import type { KernelCall } from "../kernel.ts";
import { type Machine, type Node, nameOf, type Opened } from "./machine.ts";
import type { Job } from "./scheduler.ts";

/** Descriptors of the simulation begin here; lower ones are of the machine. */
const firstFile = 1 << 20;
/** And those of nodes that are only named (O_PATH). */
const firstPath = firstFile + 4096;

/** In a loop_info64. */
const loopOffsetAt = 24;
const loopSizeLimitAt = 32;

type Words = Partial<Record<CallWord, number | bigint>>;

export class Calls {
  readonly #machine: Machine;
  readonly #process: number;
  readonly #paths = new Map<number, Node>();
  #nextPath = firstPath;
  #isOver = false;
  /** files that the application opened on the machine, by their descriptor */
  readonly #borrowed = new Map<number, { readonly image: number; readonly file: number }>();

  constructor(machine: Machine, process: number) {
    this.#machine = machine;
    this.#process = process;
  }

  /** The file of the model that a descriptor of this process is, -1: none. */
  fileOf(descriptor: number): number {
    return descriptor >= firstFile && descriptor < firstPath ? descriptor - firstFile : -1;
  }

  /** Its answer where the model has nothing to do with it, else the job. */
  prepare(call: KernelCall): Job | number {
    const { images } = this.#machine;
    images.sync();
    switch (call.call) {
      case Call.Open:
        return this.#open(call);
      case Call.Close:
        if (this.#paths.delete(call.descriptor)) return 0;
        this.#machine.opened.delete(this.#file(call.descriptor));
        return this.#job(call);
      case Call.Flock:
        return this.#flock(call);
      case Call.Fstat: {
        const node = this.#paths.get(call.descriptor);
        return node ? this.#statNode(node, call.bytes) : this.#job(call);
      }
      case Call.Pread:
        return this.#job(call, {}, (result) => this.#fill(call, result));
      case Call.IoctlBuffer:
        this.#beforeIoctl(call);
        return this.#ioctlBuffer(call);
      case Call.IoctlValue:
        return this.#ioctlValue(call);
      default:
        return this.#job(call);
    }
  }

  /** The process is dead, and all that it had open is closed. */
  end(): void {
    this.#isOver = true;
    for (const [file, { process }] of this.#machine.opened) {
      if (process === this.#process) this.#machine.opened.delete(file);
    }
    this.#paths.clear();
    this.#borrowed.clear();
  }

  /** `image`: what `Place.Image` means; `patch` changes the bytes where the model has them. */
  #job(
    call: KernelCall,
    words: Words = {},
    after: (result: number) => number = (result) => result,
    image = -1,
    patch?: (at: number) => void,
  ): Job {
    const { model } = this.#machine;
    const file = this.#file(call.descriptor);
    const own: Words = {
      [CallWord.Call]: call.call,
      [CallWord.Step]: call.step,
      [CallWord.Descriptor]: file,
      [CallWord.Request]: call.request,
      [CallWord.Place]: call.place,
      [CallWord.Number]: call.number,
      [CallWord.Partition]: call.partition,
      [CallWord.Argument]: call.argument,
      [CallWord.Argument2]: call.argument2,
      [CallWord.Bytes]: call.bytes.length,
      ...words,
    };
    return {
      isOver: () => this.#isOver,
      begin: (at) => {
        const put = (word: CallWord, value: number | bigint): void =>
          model.callWords.setBigUint64(word * 8, BigInt.asUintN(64, BigInt(value)), true);
        for (const [word, value] of Object.entries(own)) put(Number(word) as CallWord, value);
        put(CallWord.Buffer, at);
        model.buffers.set(call.bytes, at);
        patch?.(at);
        return model.beginCall(this.#process, image);
      },
      finish: (result, at) => {
        call.bytes.set(model.buffers.subarray(at, at + call.bytes.length));
        return after(result);
      },
    };
  }

  /** The model's file of a descriptor; one of the machine is opened in the model too. */
  #file(descriptor: number): number {
    if (descriptor < 0) return -1;
    if (descriptor >= firstFile) return descriptor < firstPath ? descriptor - firstFile : -1;
    const { model, images } = this.#machine;
    const image = images.ofDescriptor(descriptor);
    if (image < 0) return -1;
    const known = this.#borrowed.get(descriptor);
    if (known?.image === image) return known.file;
    const file = model.openImage(this.#process, image, images.flagsOf(descriptor));
    if (file < 0) return -1;
    this.#borrowed.set(descriptor, { image, file });
    this.#machine.opened.set(file, this.#opened("image", image));
    return file;
  }

  #openedOf(descriptor: number): Opened | undefined {
    return this.#machine.opened.get(this.#file(descriptor));
  }

  #opened(kind: Opened["kind"], image = -1, number = -1, partition = 0): Opened {
    return { process: this.#process, kind, image, number, partition, isLocked: false };
  }

  /* Opening. */

  #open(call: KernelCall): Job | number {
    const { number, partition, place, descriptor, path } = call;
    switch (place) {
      case Place.Image: {
        const node = nodeOf(path ?? "");
        return node ? this.#openNode(call, node) : this.#openImage(call, path ?? "");
      }
      case Place.Reopen: {
        const node = this.#paths.get(descriptor);
        if (node) return this.#openNode(call, node);
        const source = this.#openedOf(descriptor);
        return this.#openAs(call, {}, () => source ?? this.#opened("control"));
      }
      case Place.Control:
        return this.#openAs(call, {}, () => this.#opened("control"));
      case Place.Private:
      case Place.Hidden: {
        const found = this.#machine.diskOf(number, partition);
        const loop = Number(found?.disk.slice("loop".length) ?? -1);
        return this.#openAs(call, {}, () => this.#opened("disk", -1, loop, found?.partition));
      }
      default:
        return this.#openAs(call, {}, () =>
          this.#opened("disk", -1, number, place === Place.Partition ? partition : 0),
        );
    }
  }

  #openAs(call: KernelCall, words: Words, opened: () => Opened, image = -1): Job {
    const after = (file: number): number => {
      if (file < 0) return file;
      const { kind, image, number, partition } = opened();
      this.#machine.opened.set(file, this.#opened(kind, image, number, partition));
      return firstFile + file;
    };
    return this.#job(call, words, after, image);
  }

  #openImage(call: KernelCall, path: string): Job | number {
    const image = this.#machine.images.find(path);
    if (image < 0) return image;
    return this.#openAs(call, {}, () => this.#opened("image", image), image);
  }

  #openNode(call: KernelCall, node: Node): Job | number {
    const { number, partition } = node;
    if (this.#machine.devnumOf(nameOf(node)) === undefined) return -Errno.ENOENT;
    if ((call.request & OpenFlag.O_PATH) !== 0) {
      this.#paths.set(this.#nextPath, { number, partition });
      return this.#nextPath++;
    }
    const words = {
      [CallWord.Place]: partition === 0 ? Place.Disk : Place.Partition,
      [CallWord.Number]: number,
      [CallWord.Partition]: partition,
      [CallWord.Descriptor]: -1,
    };
    return this.#openAs(call, words, () => this.#opened("disk", -1, number, partition));
  }

  #statNode(node: Node, bytes: Uint8Array): number {
    const devnum = this.#machine.devnumOf(nameOf(node));
    if (devnum === undefined) return -Errno.ENOENT;
    const view = viewOf(bytes);
    bytes.fill(0);
    const set = (word: StatWord, value: number): void =>
      view.setBigUint64(8 * word, BigInt(value), true);
    set(StatWord.Mode, FileType.S_IFBLK);
    set(StatWord.Major, devnum[0]);
    set(StatWord.Minor, devnum[1]);
    set(StatWord.Rdev, encodeDevice(...devnum));
    return 0;
  }

  #flock(call: KernelCall): Job {
    const opened = this.#openedOf(call.descriptor);
    return this.#job(call, {}, (result) => {
      if (result === 0 && opened) opened.isLocked = (call.request & Lock.LOCK_UN) === 0;
      return result;
    });
  }

  /* Bytes of images. */

  /** The model says how many there are, the image what they are. */
  #fill({ descriptor, argument, bytes }: KernelCall, result: number): number {
    const opened = this.#openedOf(descriptor);
    if (result <= 0 || opened === undefined) return result;
    this.#read(opened, argument, bytes.subarray(0, result));
    return result;
  }

  #read(opened: Opened, offset: bigint, into: Uint8Array): void {
    const { images, model, stacked } = this.#machine;
    if (opened.kind === "image") {
      images.read(opened.image, offset, into);
      return;
    }
    const disk = model.disk(opened.number);
    if (disk === undefined) return;
    const partition = disk.partitions.find(({ number }) => number === opened.partition);
    const from = offset + 512n * (partition?.start ?? 0n) + disk.offset;
    const lower = stacked.get(opened.number);
    if (disk.backing >= 0) images.read(disk.backing, from, into);
    else if (lower) this.#read(lower, from, into);
  }

  /* Ioctls: the tables that the kernel's parsers are about to see. */

  #beforeIoctl({ request, descriptor, bytes }: KernelCall): void {
    const view = viewOf(bytes);
    if (request === Ioctl.LOOP_CONFIGURE && bytes.length >= LoopConfig.Bytes) {
      const opened = this.#openedOf(view.getInt32(0, true));
      const at = (field: number) => view.getBigUint64(LoopConfig.Info + field, true);
      this.#readTable(opened, at(loopOffsetAt), at(loopSizeLimitAt));
    }
    if (request === Ioctl.LOOP_SET_STATUS64 && bytes.length >= LoopInfo.Bytes) {
      const opened = this.#openedOf(descriptor);
      const at = (field: number) => view.getBigUint64(field, true);
      this.#readTableOf(opened, at(loopOffsetAt), at(loopSizeLimitAt));
    }
  }

  #readTable(opened: Opened | undefined, offset: bigint, sizeLimit: bigint): void {
    if (opened?.kind === "image") {
      this.#machine.images.readTable(opened.image, offset, sizeLimit);
    } else if (opened) {
      this.#readTableOf(opened, undefined, sizeLimit);
    }
  }

  /** Of the image that a disk shows, through other loop devices too. */
  #readTableOf(opened: Opened | undefined, offset: bigint | undefined, sizeLimit: bigint): void {
    const disk = opened && this.#machine.model.disk(opened.number);
    if (opened === undefined || disk === undefined) return;
    const from = offset ?? disk.offset;
    if (disk.backing >= 0) this.#machine.images.readTable(disk.backing, from, sizeLimit);
    else this.#readTable(this.#machine.stacked.get(opened.number), from, sizeLimit);
  }

  #ioctlBuffer(call: KernelCall): Job {
    const { request, descriptor, bytes } = call;
    if (request !== Ioctl.LOOP_CONFIGURE || bytes.length < LoopConfig.Bytes) return this.#job(call);
    // loop_config names the image by its descriptor.
    const backing = viewOf(bytes).getInt32(0, true);
    const file = this.#file(backing);
    const [upper, lower] = [descriptor, backing].map((one) => this.#openedOf(one));
    const after = (result: number): number => {
      viewOf(bytes).setInt32(0, backing, true);
      if (result >= 0) this.#stack(upper, lower);
      return result;
    };
    const patch = (at: number): void =>
      viewOf(this.#machine.model.buffers).setInt32(at, file, true);
    return this.#job(call, {}, after, -1, patch);
  }

  /** A device on a device is remembered: sysfs shows its name. */
  #stack(upper: Opened | undefined, lower: Opened | undefined): void {
    if (upper === undefined) return;
    this.#machine.stacked.delete(upper.number);
    if (lower?.kind === "disk") this.#machine.stacked.set(upper.number, lower);
  }

  #ioctlValue(call: KernelCall): Job {
    const opened = this.#openedOf(call.descriptor);
    switch (call.request) {
      case Ioctl.LOOP_SET_FD: {
        const file = this.#file(Number(BigInt.asIntN(32, call.argument)));
        const backing = this.#machine.opened.get(file);
        this.#readTable(backing, 0n, 0n);
        return this.#job(call, { [CallWord.Argument]: file }, (result) => {
          if (result >= 0) this.#stack(opened, backing);
          return result;
        });
      }
      case Ioctl.LOOP_CTL_ADD:
      case Ioctl.LOOP_CTL_GET_FREE:
        return this.#job(call, {}, (result) => {
          if (result >= 0) this.#machine.learn(result);
          return result;
        });
      case Ioctl.BLKRRPART: {
        const sizeLimit = opened && this.#machine.model.disk(opened.number)?.sizeLimit;
        this.#readTableOf(opened, undefined, sizeLimit ?? 0n);
        return this.#job(call);
      }
      default:
        return this.#job(call);
    }
  }
}

/** `/dev/loop0`, `/dev/loop0p1`; undefined for other paths. */
export function nodeOf(path: string): Node | undefined {
  const match = /^\/dev\/loop(\d{1,7})(?:p(\d{1,3}))?$/.exec(path);
  return match ? { number: Number(match[1]), partition: Number(match[2] ?? 0) } : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
