/**
 * One process' calls on the real kernel and on the simulated one, side by side: the same words and
 * bytes to both; what they answer, what sysfs shows and what a listener hears must be the same.
 * Descriptors differ by number only, a diskseq by where it counts from.
 */
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Call, CallWord, DatagramWord, DiskWord, Group, Limit, Place } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Errno, Ioctl } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { type Model, Step } from "../../host/sim/model.ts";
import { openWasmModel } from "../helpers/models.ts";
import { scratchRoot } from "../helpers/root.ts";

/** A descriptor of either kernel. */
export interface Twin {
  readonly real: number;
  readonly model: number;
}

export type Words = Partial<Omit<KernelCall, "descriptor">> & {
  readonly descriptor?: Twin;
  /** a descriptor that is the argument of an ioctl, or lies at the start of its struct */
  readonly backing?: Twin;
};

const imageBytes = 8 << 20;

export class Parity {
  readonly number: number;
  readonly control: Twin;
  /** what was done, for who must understand a difference */
  readonly story: string[] = [];
  readonly #kernel: LinuxKernel;
  readonly #model: Model;
  readonly #socket: number;
  readonly #paths: readonly string[];
  readonly #folder: string;
  readonly #events: string[][];

  private constructor(parts: {
    kernel: LinuxKernel;
    model: Model;
    socket: number;
    paths: readonly string[];
    folder: string;
    events: string[][];
    number: number;
    control: Twin;
  }) {
    this.#kernel = parts.kernel;
    this.#model = parts.model;
    this.#socket = parts.socket;
    this.#paths = parts.paths;
    this.#folder = parts.folder;
    this.#events = parts.events;
    this.number = parts.number;
    this.control = parts.control;
  }

  /** Takes a device with a high number, which nobody is given by chance. */
  static async open(version: string): Promise<Parity> {
    const folder = mkdtempSync(join(scratchRoot, "parity-"));
    const paths = ["a", "b"].map((name) => join(folder, name));
    for (const path of paths) {
      writeFileSync(path, "");
      truncateSync(path, imageBytes);
    }
    const images = paths.map((path) => {
      const { dev, ino } = statSync(path, { bigint: true });
      return { bytes: imageBytes, device: dev, inode: ino };
    });
    const model = openWasmModel({
      version,
      images,
      files: 64,
      sockets: 4,
      queue: 200,
      maxLoop: 0,
      parsers: false,
      buffersBytes: Limit.BufferBytes,
    });
    const socket = model.openSocket(3, Group.Kernel, 1 << 28);
    const events: string[][] = [];
    const kernel = new LinuxKernel();
    listen(kernel, events);
    assert.is(await kernel.perform(realCall(Call.Subscribe, { number: Group.Kernel })), 0);
    const words = { place: Place.Control, request: 2 };
    const control = {
      real: await kernel.perform(realCall(Call.Open, words)),
      model: model.openControl(0, 2),
    };
    const number = await takeNumber(kernel, control.real);
    const call = { a: control.model, b: number };
    assert.is(model.call(0, Routine.ControlAdd, call), number);
    return new Parity({ kernel, model, socket, paths, folder, events, number, control });
  }

  /** Opens on both: the descriptors, or the errno of both. */
  async open(words: Words, image = 0): Promise<Twin | number> {
    const path = words.place === Place.Image ? { path: this.#paths[image] ?? "" } : {};
    const [real, model] = await this.#both(Call.Open, { ...words, ...path }, image);
    this.#tell("open", words, real, model);
    if (real >= 0 && model >= 0) return { real, model };
    assert.is(model, real, this.#unlike("open"));
    return real;
  }

  /** A call whose answers, and bytes where they are asked for, must be equal. */
  async call(call: Call, words: Words, comparesBytes = false): Promise<number> {
    const bytes = [words.bytes?.slice(), words.bytes?.slice()] as const;
    const [real, model] = await this.#both(call, words, 0, bytes);
    this.#tell(Call[call], words, real, model);
    assert.is(model, real, this.#unlike(Call[call]));
    if (comparesBytes && real >= 0) assert.equal(bytes[1], bytes[0], this.#unlike(Call[call]));
    return real;
  }

  /** Size and partitions are the same in sysfs. */
  async expectSameSysfs(): Promise<void> {
    const { number } = this;
    const room = () => new Uint8Array(1024);
    const list = [room(), room()] as const;
    const [real, model] = await this.#both(Call.ListPartitions, { number }, 0, list);
    assert.is(model, real, this.#unlike("partitions"));
    assert.equal(parts(list[1], model), parts(list[0], real), this.#unlike("partitions"));
    const disk = [room(), room()] as const;
    await this.#both(Call.ReadDisk, { number }, 0, disk);
    assert.equal(shown(disk[1]), shown(disk[0]), this.#unlike("the disk"));
  }

  /** Detaches and removes the device; then both must have sent the same events. */
  async finish(open: readonly Twin[]): Promise<void> {
    for (const descriptor of open) await this.call(Call.Close, { descriptor });
    const device = await this.open({ place: Place.Disk, number: this.number });
    if (typeof device !== "number") {
      await this.call(Call.IoctlValue, { descriptor: device, request: Ioctl.LOOP_CLR_FD });
      await this.call(Call.Close, { descriptor: device });
    }
    const remove = { request: Ioctl.LOOP_CTL_REMOVE, argument: BigInt(this.number) };
    assert.is(await this.call(Call.IoctlValue, { descriptor: this.control, ...remove }), 0);
    await this.#untilRemoved();
    const own = this.#events.filter((event) => isOf(event, this.number)).map(comparable);
    assert.equal(numbered(this.#heard()), numbered(own), this.#unlike("events"));
  }

  /** Nothing is left, whatever happened. */
  async close(): Promise<void> {
    const device = await this.#perform(Call.Open, { place: Place.Disk, number: this.number });
    if (device >= 0) {
      await this.#perform(Call.IoctlValue, { descriptor: device, request: Ioctl.LOOP_CLR_FD });
      await this.#perform(Call.Close, { descriptor: device });
    }
    const remove = { request: Ioctl.LOOP_CTL_REMOVE, argument: BigInt(this.number) };
    await this.#perform(Call.IoctlValue, { descriptor: this.control.real, ...remove });
    await this.#perform(Call.Close, { descriptor: this.control.real });
    await this.#kernel.close();
    rmSync(this.#folder, { recursive: true });
  }

  #perform(call: Call, words: Partial<KernelCall>): number | Promise<number> {
    return this.#kernel.perform(realCall(call, words));
  }

  async #both(
    call: Call,
    words: Words,
    image: number,
    bytes: readonly [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined],
  ): Promise<[number, number]> {
    const forKernel = (side: keyof Twin, own: Uint8Array | undefined): KernelCall => {
      const { descriptor, backing, ...rest } = words;
      const given = own ?? new Uint8Array(0);
      const value = backing?.[side];
      if (value !== undefined && given.length > 0) {
        new DataView(given.buffer).setInt32(0, value, true);
      }
      const argument = value === undefined || given.length > 0 ? {} : { argument: BigInt(value) };
      const at = descriptor === undefined ? {} : { descriptor: descriptor[side] };
      return realCall(call, { ...rest, ...argument, ...at, bytes: given });
    };
    const real = await this.#kernel.perform(forKernel("real", bytes[0]));
    return [real, this.#simulate(forKernel("model", bytes[1]), image)];
  }

  #simulate(call: KernelCall, image: number): number {
    const { callWords, buffers } = this.#model;
    const put = (word: CallWord, value: number | bigint) =>
      callWords.setBigUint64(word * 8, BigInt.asUintN(64, BigInt(value)), true);
    put(CallWord.Call, call.call);
    put(CallWord.Descriptor, call.descriptor);
    put(CallWord.Request, call.request);
    put(CallWord.Place, call.place);
    put(CallWord.Number, call.number);
    put(CallWord.Partition, call.partition);
    put(CallWord.Argument, call.argument);
    put(CallWord.Argument2, call.argument2);
    put(CallWord.Buffer, 0);
    put(CallWord.Bytes, call.bytes.length);
    buffers.set(call.bytes);
    const task = this.#model.beginCall(0, image);
    assert.is(this.#model.runCall(task), Step.Done);
    const result = this.#model.finishCall(task);
    call.bytes.set(buffers.subarray(0, call.bytes.length));
    return result;
  }

  #heard(): string[][] {
    const heard: string[][] = [];
    for (;;) {
      const received = this.#model.receive(this.#socket);
      if (typeof received === "number") return heard;
      heard.push(comparable(stringsOf(received.bytes)));
    }
  }

  /** Events come in order, and this is the last one but its disk's own. */
  async #untilRemoved(): Promise<void> {
    const path = `remove@/devices/virtual/bdi/7:${this.number}`;
    while (!this.#events.some(([first]) => first === path)) await turn();
    for (let turns = 0; turns < 20; turns++) await turn();
  }

  #tell(name: string, words: Words, real: number, model: number): void {
    const { bytes, descriptor, backing, ...rest } = words;
    const shownWords = Object.entries(rest).map(([key, value]) => `${key}=${String(value)}`);
    const hex = bytes
      ? Buffer.from(bytes)
          .toString("hex")
          .replace(/(00)+$/, "")
      : "";
    const on = [descriptor, backing].map((twin) => twin?.real ?? "-").join();
    this.story.push(`${name} ${on} ${shownWords.join(" ")} ${hex}: ${real}, ${model}`);
  }

  #unlike(what: string): string {
    return `${what} unlike\n${this.story.slice(-15).join("\n")}`;
  }
}

function realCall(call: Call, words: Partial<KernelCall>): KernelCall {
  return {
    call,
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

function listen(kernel: LinuxKernel, events: string[][]): void {
  const slots = new Uint8Array(Limit.DatagramSlots * Limit.DatagramBytes);
  const records = new DataView(new ArrayBuffer(Limit.DatagramSlots * DatagramWord.Words * 4));
  kernel.connect({
    slots,
    records,
    datagrams(count) {
      for (let slot = 0; slot < count; slot++) {
        const at = slot * DatagramWord.Words * 4 + DatagramWord.Bytes * 4;
        const from = slot * Limit.DatagramBytes;
        events.push(stringsOf(slots.subarray(from, from + records.getUint32(at, true))));
      }
    },
    lost() {
      throw new Error("events were lost");
    },
  });
}

async function takeNumber(kernel: LinuxKernel, descriptor: number): Promise<number> {
  for (let number = 1000 + (process.pid % 1000); ; number++) {
    const words = { descriptor, request: Ioctl.LOOP_CTL_ADD, argument: BigInt(number) };
    const result = await kernel.perform(realCall(Call.IoctlValue, words));
    if (result !== -Errno.EEXIST) {
      assert.is(result, number);
      return number;
    }
  }
}

function stringsOf(bytes: Uint8Array): string[] {
  return new TextDecoder("latin1").decode(bytes).split("\0").slice(0, -1);
}

function isOf(event: readonly string[], number: number): boolean {
  const name = `loop${number}`;
  return event.some(
    (text) =>
      text === `DEVNAME=${name}` ||
      text.startsWith(`DEVNAME=${name}p`) ||
      text === `DEVPATH=/devices/virtual/bdi/7:${number}`,
  );
}

/** What must be equal of an event. */
function comparable(event: readonly string[]): string[] {
  const isPartition = event.includes("DEVTYPE=partition");
  return event.filter(
    (text) => !text.startsWith("SEQNUM=") && !(isPartition && text.startsWith("MINOR=")),
  );
}

/** Numbers of instances in the order in which they come. */
function numbered(events: readonly (readonly string[])[]): string[] {
  const numbers = new Map<string, number>();
  return events.map((event) =>
    event
      .map((text) => {
        if (!text.startsWith("DISKSEQ=")) return text;
        if (!numbers.has(text)) numbers.set(text, numbers.size);
        return `DISKSEQ ${numbers.get(text)}`;
      })
      .join(" "),
  );
}

/** Number, start and size of each partition; its devnum is the machine's affair. */
function parts(bytes: Uint8Array, count: number): string[] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const at = index * 32;
    const sectors = (offset: number) => view.getBigUint64(at + offset, true);
    return `${view.getUint32(at, true)}: ${sectors(16)} ${sectors(24)}`;
  });
}

function shown(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer);
  return [DiskWord.Bound, DiskWord.Size].map((word) => view.getBigUint64(word * 8, true));
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}
