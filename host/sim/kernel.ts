/**
 * A simulated Linux of any version, behind the interface that the real one has: `attach` and all
 * the rest run on it without root, and nothing of the machine is touched. One `SimKernel` is one
 * process; `spawn` gives another one of the same simulated machine.
 */
import { Call, DatagramWord, type Group, Limit } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { encodeDevice } from "../devnum.ts";
import { LoopError } from "../errors.ts";
import type { FileFacts, Holder, Kernel, KernelCall, Stream } from "../kernel.ts";
import { Calls, nodeOf } from "./calls.ts";
import { Clock, type ClockKind } from "./clock.ts";
import { type Fault, Faults } from "./faults.ts";
import { loadDefaultModel } from "./kernel-file.ts";
import { Machine } from "./machine.ts";
import { Random } from "./random.ts";
import { buffersBytes, datagramAt, Scheduler, tasksMax } from "./scheduler.ts";
import { Images, type SimImage } from "./sources.ts";

export interface SimOptions {
  /** Of the kernel, three numbers: `6.1.192`. */
  readonly version: string;
  /** Images in memory, by their path; files of the machine can be used by theirs. */
  readonly images?: Readonly<Record<string, SimImage>>;
  /**
   * Calls are taken apart at every point where another process can interfere, and go on in an
   * order drawn from this; without it each one is made at once.
   */
  readonly seed?: bigint | number;
  /**
   * `real` (default); `virtual`: it moves when nothing else can happen; `manual`: when `advance`
   * says so.
   */
  readonly clock?: ClockKind;
  /** Module parameters: devices that there are from the beginning (default 8), minors of a disk. */
  readonly maxLoop?: number;
  readonly maxPart?: number;
  /** false: the kernel was built without partition parsers. */
  readonly parsers?: boolean;
  /** The last diskseq that was given before; default 0. */
  readonly diskseq?: number;
  /** Calls that fail or take longer. */
  readonly faults?: readonly Fault[];
  /** How much longer every call takes. */
  readonly latencyMs?: number;
  /** How many of the datagrams are lost, 0 to 1, drawn from the seed. */
  readonly loss?: number;
}

/** What one simulation has room for. */
const room = { loops: 16, partitions: 128, files: 128, sockets: 8, queue: 255, images: 16 };
const processesMax = 8;
/** 128 MiB, twice as the kernel counts them. */
const receiveBufferBytes = 0x10000000;

export class SimKernel implements Kernel {
  readonly name: string;
  readonly #options: SimOptions;
  readonly #machine: Machine;
  readonly #process: number;
  readonly #calls: Calls;
  readonly #faults: Faults;
  readonly #losses: Random;
  readonly #groups = new Set<Group>();
  #stream: Stream | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `machine` is for `spawn`. */
  constructor(options: SimOptions, machine: Machine = createMachine(options)) {
    this.name = `simulated linux ${options.version}`;
    this.#options = options;
    this.#machine = machine;
    this.#process = machine.enter();
    this.#calls = new Calls(machine, this.#process);
    this.#faults = new Faults(options.faults ?? []);
    this.#losses = new Random(BigInt(options.seed ?? 0) + BigInt(this.#process));
  }

  /** Another process on the same machine; faults, latency and loss are each one's own. */
  spawn(own: Pick<SimOptions, "faults" | "latencyMs" | "loss"> = {}): SimKernel {
    const { version } = this.#options;
    return new SimKernel({ version, ...own }, this.#machine);
  }

  now(): bigint {
    return this.#machine.clock.now();
  }

  alarm(at: bigint, ring: () => void): () => void {
    const { clock, scheduler } = this.#machine;
    const cancel = clock.alarm(at, ring);
    scheduler.wake();
    return cancel;
  }

  perform(call: KernelCall): number | Promise<number> {
    if (this.#isOver) return -Errno.EBADF;
    const effect = this.#faults.meet(call);
    const latencyNs = BigInt(Math.round((this.#options.latencyMs ?? 0) * 1e6));
    const delayNs = effect.delayNs + latencyNs;
    const isEnd = call.call === Call.Close || call.call === Call.Unsubscribe;
    const made = effect.result === undefined || isEnd ? this.#make(call) : 0;
    const answer = (result: number): number | Promise<number> => {
      const told = effect.result ?? result;
      if (delayNs === 0n) return told;
      return new Promise((resolve) => this.alarm(this.now() + delayNs, () => resolve(told)));
    };
    return typeof made === "number" ? answer(made) : made.then(answer);
  }

  #make(call: KernelCall): number | Promise<number> {
    const job = this.#calls.prepare(call);
    if (typeof job === "number") return job;
    const isSubscription = call.call === Call.Subscribe || call.call === Call.Unsubscribe;
    if (call.call === Call.Subscribe && this.#stream === undefined) return -Errno.ENOTCONN;
    const made = this.#machine.scheduler.run(job);
    if (!isSubscription) return made;
    const after = (result: number): number => this.#subscribed(call, result);
    return typeof made === "number" ? after(made) : made.then(after);
  }

  /* Uevents. */

  connect(stream: Stream): void {
    this.#stream = stream;
  }

  #subscribed({ call, number }: KernelCall, result: number): number {
    if (result < 0) return result;
    if (call === Call.Subscribe) this.#groups.add(number as Group);
    else this.#groups.delete(number as Group);
    const { scheduler, clock } = this.#machine;
    clearInterval(this.#keepAlive);
    if (this.#groups.size === 0) {
      scheduler.unlisten(this.#deliver);
      return result;
    }
    scheduler.listen(this.#deliver);
    // As a socket would keep the process alive; nothing comes by itself on another clock.
    if (clock.kind === "real") this.#keepAlive = setInterval(() => {}, 0x7fffffff);
    return result;
  }

  readonly #deliver = (): void => {
    const stream = this.#stream;
    if (stream === undefined) return;
    for (const group of [...this.#groups]) {
      let lost = 0;
      for (let isEmpty = false; !isEmpty; ) {
        const batch = this.#receive(group, stream);
        isEmpty = batch.isEmpty;
        lost += batch.lost;
        if (batch.count > 0) stream.datagrams(batch.count);
        if (!this.#groups.has(group)) return;
      }
      lost += this.#machine.model.takeDrops(this.#process, group);
      if (lost > 0) stream.lost(group, lost);
    }
  };

  /** As many as there are slots, and their records. */
  #receive(group: Group, { slots, records }: Stream) {
    const { model } = this.#machine;
    const { loss = 0 } = this.#options;
    const record = datagramAt + Limit.DatagramBytes;
    const view = new DataView(model.buffers.buffer, model.buffers.byteOffset + record);
    let [count, lost] = [0, 0];
    while (count < Limit.DatagramSlots) {
      const bytes = model.receiveCall(this.#process, group, datagramAt, record);
      if (bytes < 0) return { count, lost, isEmpty: true };
      if (loss > 0 && this.#losses.next() < loss) {
        lost += 1;
        continue;
      }
      const from = model.buffers.subarray(datagramAt, datagramAt + bytes);
      slots.set(from, count * Limit.DatagramBytes);
      for (let word = 0; word < DatagramWord.Words; word++) {
        const to = (count * DatagramWord.Words + word) * 4;
        records.setUint32(to, view.getUint32(word * 4, true), true);
      }
      count += 1;
    }
    return { count, lost, isEmpty: false };
  }

  receiveBufferBytes(group: number): number | undefined {
    return this.#groups.has(group) ? receiveBufferBytes : undefined;
  }

  /* What sysfs, /dev and /proc show. */

  readAttribute(disk: string, attribute: string): string | undefined {
    this.#machine.images.sync();
    return this.#machine.readAttribute(disk, attribute);
  }

  listNames(disk?: string): string[] {
    return this.#machine.listNames(disk);
  }

  findDisk(diskseq: bigint): string | undefined {
    return this.#machine.findDisk(diskseq);
  }

  diskOf(major: number, minor: number): { disk: string; partition: number } | undefined {
    return this.#machine.diskOf(major, minor);
  }

  async findFile(path: string): Promise<FileFacts | undefined> {
    if (nodeOf(path) === undefined) return this.#machine.images.facts(path);
    const devnum = this.#machine.devnumOf(path.slice("/dev/".length));
    if (devnum === undefined) return undefined;
    return { isBlockDevice: true, device: 5n, inode: 0n, rdev: BigInt(encodeDevice(...devnum)) };
  }

  async findHolders(disk: string, exceptDescriptor = -1): Promise<Holder[]> {
    const except = this.#calls.fileOf(exceptDescriptor);
    return this.#machine.holders(disk, (file) => file !== except);
  }

  async findLockers(disk: string): Promise<Holder[]> {
    return this.#machine
      .holders(disk, (_, { isLocked, process }) => isLocked && process !== this.#process)
      .map((holder) => ({ ...holder, kind: "lock" }));
  }

  /* The machine. */

  /** Puts an image in memory at a path, or changes the one that is there. */
  setImage(path: string, image: SimImage): void {
    this.#machine.images.put(path, image);
  }

  /** Removes an image in memory; devices that show it still do. */
  removeImage(path: string): void {
    this.#machine.images.remove(path);
  }

  /** Moves a manual clock on, and resolves when all is done that was due by then. */
  async advance(ms: number): Promise<void> {
    const { clock, scheduler } = this.#machine;
    if (clock.kind !== "manual") {
      throw new LoopError("ERR_LOOP_ARGUMENT", `a ${clock.kind} clock moves by itself`);
    }
    const until = clock.now() + BigInt(Math.round(ms * 1e6));
    await scheduler.quiet();
    while (clock.skip(until)) await scheduler.quiet();
    clock.moveTo(until);
  }

  /** The process dies, as by SIGKILL: its descriptors are closed, nothing else is done. */
  kill(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream = undefined;
    clearInterval(this.#keepAlive);
    const { scheduler, model } = this.#machine;
    scheduler.unlisten(this.#deliver);
    this.#groups.clear();
    this.#calls.end();
    this.#machine.leave(this.#process);
    void scheduler.run({
      begin: () => model.begin(this.#process, Routine.Exit),
      finish: (result) => result,
    });
  }

  /** Ends the process; the last one takes the machine with it. */
  async close(): Promise<void> {
    this.kill();
    if (this.#machine.processes.size === 0) this.#machine.images.close();
  }
}

function createMachine(options: SimOptions): Machine {
  const { version, maxLoop = 8, maxPart = 0, parsers = true, diskseq = 0, seed } = options;
  if (!(Number.isInteger(maxLoop) && maxLoop >= 0 && maxLoop <= room.loops)) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `maxLoop is ${maxLoop}; it takes 0 to ${room.loops}`);
  }
  const capacities = { ...room, tasks: tasksMax, processes: processesMax };
  const model = loadDefaultModel({
    ...{ version, maxLoop, maxPart, parsers, diskseq, buffersBytes },
    ...capacities,
    images: [],
    imagesMax: room.images,
  });
  const clock = new Clock(options.clock ?? "real");
  const random = seed === undefined ? undefined : new Random(seed);
  const scheduler = new Scheduler(model, clock, random);
  const images = new Images(model, room.images, room.partitions);
  for (const [path, image] of Object.entries(options.images ?? {})) images.put(path, image);
  return new Machine({ model, images, clock, scheduler }, maxLoop, processesMax);
}
