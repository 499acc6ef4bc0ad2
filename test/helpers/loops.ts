/**
 * Loop devices that only one test has: numbers so high that nobody chooses them, bound from their
 * first moment on, gone when the test ends, unbound when it dies.
 */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { BlkpgOperation, Errno, Ioctl, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { attribute } from "./devices.ts";
import { blankImage } from "./images.ts";
import type { Scene } from "./scene.ts";

const LOOP_CHANGE_FD = 0x4c06;
const MiB = 1 << 20;
const numberMin = 100_000;
const numberMax = 1_000_000;

/** Makes the calls of tests; never part of a session. */
const hands = new LinuxKernel();

export interface LoopOptions {
  /** Bytes of its image; default 8 MiB. */
  readonly bytes?: number;
  /** Partitions that others add go with it. */
  readonly partscan?: boolean;
  /** Number; default: one that nobody has. */
  readonly number?: number;
}

export class OwnLoop {
  readonly number: number;
  /** `loop123456` */
  readonly name: string;
  readonly device: string;
  readonly #scene: Scene;
  readonly #options: LoopOptions;
  #descriptor = -1;
  #images = 0;

  constructor(scene: Scene, number: number, options: LoopOptions) {
    this.number = number;
    this.name = `loop${number}`;
    this.device = `/dev/${this.name}`;
    this.#scene = scene;
    this.#options = options;
  }

  /** As sysfs shows it. */
  get diskseq(): bigint {
    return BigInt(attribute(this.number, "diskseq") ?? 0);
  }

  /** Its first instance, or the next one. Read-only, so that it can be replaced. */
  async bind(): Promise<bigint> {
    const { number } = this;
    const backing = openSync(this.#image(), "r");
    try {
      const place = { place: Place.Disk, number, request: OpenFlag.O_RDONLY };
      this.#descriptor = await done(Call.Open, place);
      const flags = LoFlag.LO_FLAGS_READ_ONLY | LoFlag.LO_FLAGS_AUTOCLEAR;
      const bytes = new Uint8Array(304);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, backing, true);
      view.setUint32(4, 512, true);
      view.setUint32(60, flags | (this.#options.partscan ? LoFlag.LO_FLAGS_PARTSCAN : 0), true);
      await this.#ioctl(Ioctl.LOOP_CONFIGURE, { bytes });
      // A scan may be due: at the next open it would drop what `addPartition` makes.
      closeSync(openSync(this.device, "r"));
    } finally {
      closeSync(backing);
    }
    return this.diskseq;
  }

  /** Another image, hence another instance, without a moment in between. */
  async replace(): Promise<bigint> {
    const backing = openSync(this.#image(), "r");
    try {
      const argument = BigInt(backing);
      const { descriptor, number } = { descriptor: this.#descriptor, number: this.number };
      await done(Call.IoctlValue, { descriptor, number, request: LOOP_CHANGE_FD, argument });
    } finally {
      closeSync(backing);
    }
    return this.diskseq;
  }

  /** Lets go of it, which ends the instance unless somebody else has it open. */
  async unbind(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    if (descriptor >= 0) await done(Call.Close, { descriptor });
  }

  /** As another program would, from 1 MiB on; 1 MiB each. */
  async addPartition(number: number): Promise<void> {
    await this.#partition(BlkpgOperation.BLKPG_ADD_PARTITION, number, MiB);
  }

  async deletePartition(number: number): Promise<void> {
    await this.#partition(BlkpgOperation.BLKPG_DEL_PARTITION, number, 0);
  }

  async #partition(request: BlkpgOperation, number: number, length: number): Promise<void> {
    const bytes = new Uint8Array(152);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, BigInt(number * MiB), true);
    view.setBigInt64(8, BigInt(length), true);
    view.setInt32(16, number, true);
    await done(Call.Blkpg, { descriptor: this.#descriptor, request, bytes });
  }

  async #ioctl(request: number, words: Partial<KernelCall>): Promise<void> {
    await done(Call.IoctlBuffer, { descriptor: this.#descriptor, request, ...words });
  }

  #image(): string {
    const path = this.#scene.path(`${this.name}.${this.#images++}`);
    return blankImage(path, this.#options.bytes ?? 8 * MiB);
  }
}

/** A bound device; its last instance ends with the scene. */
export async function ownLoop(scene: Scene, options: LoopOptions = {}): Promise<OwnLoop> {
  const loop = new OwnLoop(scene, await addLoop(scene, options.number), options);
  scene.defer(() => loop.unbind());
  await loop.bind();
  return loop;
}

/** Makes an unbound device; it is removed with the scene. Its number. */
export async function addLoop(scene: Scene, number = freeNumber()): Promise<number> {
  const added = await control(Ioctl.LOOP_CTL_ADD, number);
  assert.is(added, number, `LOOP_CTL_ADD ${number}: ${added}`);
  scene.defer(() => removeLoop(number));
  return number;
}

/** Until nobody has it open; one that is not there is as good. */
export async function removeLoop(number: number): Promise<void> {
  const name = `/dev/loop${number}`;
  let result = await control(Ioctl.LOOP_CTL_REMOVE, number);
  const deadline = performance.now() + 5000;
  while (result === -Errno.EBUSY && performance.now() < deadline) {
    await sleep(10);
    result = await control(Ioctl.LOOP_CTL_REMOVE, number);
  }
  // before Linux 5.15 it answers the number
  assert.ok([0, number, -Errno.ENODEV].includes(result), `LOOP_CTL_REMOVE ${name}: ${result}`);
}

/** A number that no device has; nobody else chooses from so many. */
export function freeNumber(): number {
  for (;;) {
    const number = numberMin + Math.floor(Math.random() * (numberMax - numberMin));
    if (attribute(number, "dev") === undefined) return number;
  }
}

async function control(request: number, number: number): Promise<number> {
  const place = { place: Place.Control, request: OpenFlag.O_RDWR };
  const descriptor = await done(Call.Open, place);
  const argument = BigInt(number);
  const result = await hands.perform(call(Call.IoctlValue, { descriptor, request, argument }));
  await done(Call.Close, { descriptor });
  return result;
}

async function done(name: Call, words: Partial<KernelCall>): Promise<number> {
  const result = await hands.perform(call(name, words));
  assert.ok(result >= 0, `${Call[name]} ${words.number ?? ""} ${words.request ?? ""}: ${result}`);
  return result;
}

function call(name: Call, words: Partial<KernelCall>): KernelCall {
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
