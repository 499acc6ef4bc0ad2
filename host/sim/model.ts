/**
 * The simulated kernel as a host sees it: system calls of processes, as tasks that are run step by
 * step or to their end, sockets, and what sysfs shows. Knows no actor, no core and no clock.
 */
import { isKnownVersion, packVersion, type Switch } from "../../assembly/kernel/eras.ts";
import type { Routine } from "../../assembly/kernel/routines.ts";
import { Step } from "../../assembly/kernel/tasks.ts";
import { DiskView, PartitionView } from "../../assembly/kernel/view-words.ts";
import { LoopError } from "../errors.ts";
import type { ModelEngine, ModelRegions } from "./engine.ts";
import { describeImage } from "./images.ts";
import type {
  Forged,
  ModelCall,
  ModelDisk,
  ModelImage,
  ModelOptions,
  ModelPartition,
  Received,
} from "./model-types.ts";

export type * from "./model-types.ts";
export { Step };

export class Model {
  readonly version: string;
  readonly #engine: ModelEngine;
  readonly #regions: ModelRegions;
  readonly #panicNote: () => string;
  readonly #options: ModelOptions;

  constructor(
    engine: ModelEngine,
    regions: ModelRegions,
    options: ModelOptions,
    panicNote: () => string,
  ) {
    this.version = options.version;
    this.#engine = engine;
    this.#regions = regions;
    this.#panicNote = panicNote;
    this.#options = options;
    for (const [index, image] of options.images.entries()) {
      for (const { offset, bytes } of image.content ?? []) {
        const at = this.enter(() => engine.addContent(index, offset, bytes.length));
        regions.content.set(bytes, at);
      }
      this.setImage(index, image);
    }
    this.enter(() => engine.boot(options.maxLoop, options.diskseq));
  }

  /** Tells what an image is, at start or when it has become another one. */
  setImage(index: number, image: ModelImage): void {
    describeImage(this.#regions.setup, index, image, this.#options);
    this.truncate(index, BigInt(image.bytes));
  }

  /** All that the kernel remembers. */
  get state(): Uint8Array {
    return this.#regions.state;
  }

  setGrain(grain: number): void {
    this.enter(() => this.#engine.setGrain(grain));
  }

  switchValue(name: Switch): number {
    return this.enter(() => this.#engine.switchValue(name));
  }

  /** Begins a system call: its task, -1 when all are in use. */
  begin(process: number, routine: Routine, call: ModelCall = {}): number {
    const { a = 0, b = 0, c = 0, d = 0, e = 0n, f = 0n, name } = call;
    const task = this.enter(() => this.#engine.begin(process, routine, a, b, c, d, e, f));
    if (task < 0 || name === undefined) return task;
    this.#putInbox(name, 64);
    this.enter(() => this.#engine.nameTask(task));
    return task;
  }

  /** Runs a task to its next choice point. */
  step(task: number): Step {
    return this.enter(() => this.#engine.step(task));
  }

  /** Runs a task until it is done or waits for another. */
  run(task: number): Step {
    return this.enter(() => this.#engine.run(task));
  }

  /** Takes the result of a task that is done. */
  finish(task: number): number {
    const result = this.enter(() => this.#engine.result(task));
    this.enter(() => this.#engine.release(task));
    return result;
  }

  /** A whole call, which nothing may interfere with: its result. */
  call(process: number, routine: Routine, call: ModelCall = {}): number {
    const task = this.begin(process, routine, call);
    if (task < 0) throw new RangeError("no task is free");
    if (this.run(task) !== Step.Done) throw new RangeError(`call ${routine} waits`);
    return this.finish(task);
  }

  openImage(process: number, image: number, flags: number): number {
    return this.enter(() => this.#engine.openImage(process, image, flags));
  }

  openControl(process: number, flags: number): number {
    return this.enter(() => this.#engine.openControl(process, flags));
  }

  flock(process: number, file: number, operation: number): number {
    return this.enter(() => this.#engine.flock(process, file, operation));
  }

  truncate(image: number, bytes: bigint): number {
    return this.enter(() => this.#engine.truncate(image, bytes));
  }

  unlink(image: number): number {
    return this.enter(() => this.#engine.unlink(image));
  }

  /** A write to `uevent` in sysfs; `uuid` of 16 bytes. */
  trigger(number: number, partition: number, action: number, uuid?: Uint8Array): number {
    if (uuid) this.#putInbox(uuid, 16);
    return this.enter(() => this.#engine.trigger(number, partition, action, uuid ? 1 : 0));
  }

  /** `receiveBuffer` as the kernel counts it. */
  openSocket(process: number, group: number, receiveBuffer: number, noEnobufs = false): number {
    return this.enter(() =>
      this.#engine.openSocket(process, group, receiveBuffer, noEnobufs ? 1 : 0),
    );
  }

  closeSocket(socket: number): void {
    this.enter(() => this.#engine.closeSocket(socket));
  }

  /** The first datagram of a queue, or -errno. */
  receive(socket: number): Received | number {
    const bytes = this.enter(() => this.#engine.receive(socket));
    if (bytes < 0) return bytes;
    const { datagram, inbox } = this.#regions;
    return {
      bytes: datagram.slice(0, bytes),
      portId: inbox.getUint32(0, true),
      pid: inbox.getUint32(4, true),
      uid: inbox.getUint32(8, true),
    };
  }

  /** What sysfs shows of a loop device. */
  disk(number: number): ModelDisk | undefined {
    if (!this.enter(() => this.#engine.viewDisk(number))) return undefined;
    const word = (name: DiskView) => this.#regions.view.getBigUint64(name * 8, true);
    return {
      isBound: word(DiskView.Bound) !== 0n,
      diskseq: word(DiskView.Diskseq),
      size: word(DiskView.Size),
      minor: Number(word(DiskView.Minor)),
      isReadOnly: word(DiskView.Ro) !== 0n,
      offset: word(DiskView.Offset),
      sizeLimit: word(DiskView.SizeLimit),
      isAutoclear: word(DiskView.Autoclear) !== 0n,
      isPartscan: word(DiskView.Partscan) !== 0n,
      isDirectIo: word(DiskView.DirectIo) !== 0n,
      blockSize: Number(word(DiskView.BlockSize)),
      backing: Number(BigInt.asIntN(32, word(DiskView.BackingImage))),
      flags: Number(word(DiskView.Flags)),
      openers: Number(word(DiskView.Openers)),
      state: Number(word(DiskView.State)),
      partitions: this.#partitions(number, Number(word(DiskView.Partitions))),
    };
  }

  #partitions(number: number, count: number): ModelPartition[] {
    const partitions: ModelPartition[] = [];
    for (let place = 0; place < count; place++) {
      if (!this.enter(() => this.#engine.viewPartition(number, place))) break;
      const word = (name: PartitionView) => this.#regions.view.getBigUint64(name * 8, true);
      partitions.push({
        number: Number(word(PartitionView.Number)),
        start: word(PartitionView.Start),
        size: word(PartitionView.Size),
        major: Number(word(PartitionView.Major)),
        minor: Number(word(PartitionView.Minor)),
        isOpenable: word(PartitionView.Openable) !== 0n,
        openers: Number(word(PartitionView.Openers)),
      });
    }
    return partitions;
  }

  watch(number: number, partition: number, isWatched: boolean): number {
    return this.enter(() => this.#engine.watch(number, partition, isWatched ? 1 : 0));
  }

  /** Whether a writable descriptor of a watched node was closed since it is watched. */
  isNoticed(number: number, partition: number): boolean {
    return Boolean(this.enter(() => this.#engine.isNoticed(number, partition)));
  }

  /** A udevd runs, or does not: then nothing comes of its group. */
  setUdev(isRunning: boolean): void {
    this.enter(() => this.#engine.setUdev(isRunning ? 1 : 0));
  }

  /** udev has written its record of a device. */
  writeRecord(number: number, partition: number): number {
    return this.enter(() => this.#engine.writeRecord(number, partition));
  }

  /** udev tells its group that it has processed the first event of a socket. */
  forward(socket: number): void {
    this.enter(() => this.#engine.forward(socket));
  }

  /** A process sends a well-formed event that no disk had. */
  forge(event: Forged): number {
    const { group, sender, action, number, partition = 0, diskseq } = event;
    return this.enter(() => this.#engine.forge(group, sender, action, number, partition, diskseq));
  }

  /** A socket loses the next datagram. */
  lose(socket: number): void {
    this.enter(() => this.#engine.lose(socket));
  }

  /** The last two datagrams of a socket change places, where SEQNUM is not the order (6.9). */
  swap(socket: number): boolean {
    return Boolean(this.enter(() => this.#engine.swap(socket)));
  }

  /** The first datagram of a socket is done with. */
  drop(socket: number): void {
    this.enter(() => this.#engine.drop(socket));
  }

  /** A device has dirty pages. */
  dirty(number: number): number {
    return this.enter(() => this.#engine.dirty(number));
  }

  /* The core's calls. */

  /** The words of the call to begin, as they lie in a core's outbox. */
  get callWords(): DataView {
    return this.#regions.words;
  }

  /** Where the bytes of calls lie: `CallWord.Buffer` counts from here. */
  get buffers(): Uint8Array {
    return this.#regions.buffers;
  }

  /** Begins the call of `callWords`; `image`: what `Place.Image` means. Its task, -1: none free. */
  beginCall(process: number, image: number): number {
    return this.enter(() => this.#engine.beginCall(process, image));
  }

  stepCall(task: number): Step {
    return this.enter(() => this.#engine.stepCall(task));
  }

  runCall(task: number): Step {
    return this.enter(() => this.#engine.runCall(task));
  }

  /** The completion of a call that is done: its answer is among the buffers. */
  finishCall(task: number): number {
    return this.enter(() => this.#engine.finishCall(task));
  }

  /** A datagram of a group into the buffers, its record at `record`: its bytes, -errno. */
  receiveCall(process: number, group: number, slot: number, record: number): number {
    return this.enter(() => this.#engine.receiveCall(process, group, slot, record));
  }

  /** Datagrams of a group that were lost since this was asked last. */
  takeDrops(process: number, group: number): number {
    const socket = this.enter(() => this.#engine.socketOf(process, group));
    return socket < 0 ? 0 : this.enter(() => this.#engine.takeDrops(socket));
  }

  #putInbox(bytes: Uint8Array, room: number): void {
    const { inbox } = this.#regions;
    for (let at = 0; at < room; at++) inbox.setUint8(at, bytes[at] ?? 0);
  }

  /** Runs what may panic, and says where it did. */
  enter<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      const note = this.#panicNote();
      throw new LoopError("ERR_CORE_PANIC", `the model panicked at ${note || String(cause)}`, {
        cause,
      });
    }
  }
}

/** "6.1.192" as the model's number; throws for what is no version that it knows. */
export function parseVersion(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  const version = parts ? packVersion(Number(parts[1]), Number(parts[2]), Number(parts[3])) : -1;
  if (isKnownVersion(version)) return version;
  throw new LoopError("ERR_LOOP_ARGUMENT", `"${text}" is no version of Linux that the model knows`);
}
