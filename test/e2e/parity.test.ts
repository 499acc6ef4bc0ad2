/**
 * The simulated kernel is held against the one that runs here: random calls of one process on a
 * device that only the test has. Where the running kernel's version does not say what is in it
 * (distributions that hide theirs behind x.y.0), there is nothing to compare with.
 */
import { release } from "node:os";
import { relative } from "node:path";
import { test } from "uvu";
import { Call, Place } from "../../assembly/abi.ts";
import { isKnownVersion, packVersion } from "../../assembly/kernel/eras.ts";
import { BlkpgOperation, Ioctl, OpenFlag } from "../../assembly/wire/linux.ts";
import { Random } from "../../host/sim/random.ts";
import { missing } from "../helpers/needs.ts";
import { packageRoot } from "../helpers/root.ts";
import { skip } from "../helpers/skip.ts";
import { Parity, type Twin } from "./parity.ts";

const firstSeed = Number(process.env.DISKSEQ_SEED ?? 1);
const seeds = Number(process.env.DISKSEQ_RUNS ?? (process.env.DISKSEQ_SEED ? 1 : 12));
const callsEach = 40;
const [RW, RO] = [OpenFlag.O_RDWR, OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK];

test("the simulated kernel does what this one does", async () => {
  const reason = (await missing(["root"])) ?? unknownVersion();
  if (reason !== undefined) {
    skip(`the simulated kernel does what this one does: ${reason}`);
    return;
  }
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const parity = await Parity.open(versionText());
    try {
      await new Walk(parity, seed).run();
    } catch (cause) {
      const file = relative(packageRoot, process.argv[1] ?? "");
      throw new Error(`${String(cause)}\nalone: DISKSEQ_SEED=${seed} node ${file}`, { cause });
    } finally {
      await parity.close();
    }
  }
});

function versionText(): string {
  return /^\d+\.\d+\.\d+/.exec(release())?.[0] ?? "";
}

function unknownVersion(): string | undefined {
  const [major = -1, minor = -1, patch = 0] = versionText().split(".").map(Number);
  if (patch > 0 && isKnownVersion(packVersion(major, minor, patch))) return undefined;
  return `nobody knows what is in Linux ${release()}`;
}

/** Random calls of one process. */
class Walk {
  readonly #parity: Parity;
  readonly #random: Random;
  readonly #devices: Twin[] = [];
  readonly #images: Twin[] = [];

  constructor(parity: Parity, seed: number) {
    this.#parity = parity;
    this.#random = new Random(seed);
  }

  async run(): Promise<void> {
    for (let calls = 0; calls < callsEach; calls++) {
      await this.#step();
      await this.#parity.expectSameSysfs();
    }
    await this.#parity.finish([...this.#devices, ...this.#images]);
  }

  async #step(): Promise<void> {
    const device = this.#pick(this.#devices);
    const image = this.#pick(this.#images);
    const draw = this.#draw(20);
    if (draw < 3 || device === undefined) return this.#openDevice();
    if (draw < 4 || image === undefined) return this.#openImage();
    if (draw < 5) return this.#close();
    if (draw < 8) return this.#configure(device, image);
    if (draw < 10) return this.#value(device, Ioctl.LOOP_CLR_FD);
    if (draw < 12) return this.#setStatus(device);
    if (draw < 13) return this.#ask(device);
    if (draw < 14)
      return this.#value(device, this.#pick([Ioctl.LOOP_SET_CAPACITY, Ioctl.BLKRRPART]));
    if (draw < 15) {
      const bytes = this.#pick([512, 4096, 513, 1024]) ?? 512;
      return this.#value(device, Ioctl.LOOP_SET_BLOCK_SIZE, BigInt(bytes));
    }
    if (draw < 16) {
      const words = { descriptor: device, request: Ioctl.LOOP_CHANGE_FD, backing: image };
      await this.#parity.call(Call.IoctlValue, words);
      return;
    }
    if (draw < 19) return this.#blkpg(device);
    for (const request of [Ioctl.LOOP_CTL_REMOVE, Ioctl.LOOP_CTL_ADD]) {
      await this.#value(this.#parity.control, request, BigInt(this.#parity.number));
    }
  }

  async #openDevice(): Promise<void> {
    const { number } = this.#parity;
    const partition = this.#draw(4) === 0 ? 1 + this.#draw(3) : 0;
    const place = partition === 0 ? Place.Disk : Place.Partition;
    const request = this.#pick([RW, RW, RO, RO | OpenFlag.O_EXCL]) ?? RW;
    const opened = await this.#parity.open({ place, number, partition, request });
    if (typeof opened !== "number") this.#devices.push(opened);
  }

  async #openImage(): Promise<void> {
    const request = this.#pick([RW, RW, OpenFlag.O_RDONLY]) ?? RW;
    const opened = await this.#parity.open({ place: Place.Image, request }, this.#draw(2));
    if (typeof opened !== "number") this.#images.push(opened);
  }

  async #close(): Promise<void> {
    const list = this.#draw(4) === 0 ? this.#images : this.#devices;
    const [descriptor] = list.splice(this.#draw(list.length), 1);
    if (descriptor) await this.#parity.call(Call.Close, { descriptor });
  }

  async #configure(descriptor: Twin, backing: Twin): Promise<void> {
    const bytes = new Uint8Array(304);
    const view = new DataView(bytes.buffer);
    view.setInt32(4, this.#pick([0, 0, 0, 512, 4096, 513]) ?? 0, true);
    view.setBigUint64(32, BigInt(this.#pick([0, 0, 512, 1 << 20]) ?? 0), true);
    view.setInt32(60, this.#pick([0, 4, 8, 12, 1, 64]) ?? 0, true);
    bytes.set(new TextEncoder().encode("reference"), 64);
    const request = Ioctl.LOOP_CONFIGURE;
    await this.#parity.call(Call.IoctlBuffer, { descriptor, backing, request, bytes });
  }

  async #setStatus(descriptor: Twin): Promise<void> {
    const bytes = new Uint8Array(232);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(24, BigInt(this.#pick([0, 0, 512, 1 << 20]) ?? 0), true);
    view.setInt32(52, this.#pick([0, 4, 8, 12]) ?? 0, true);
    const request = Ioctl.LOOP_SET_STATUS64;
    await this.#parity.call(Call.IoctlBuffer, { descriptor, request, bytes });
  }

  async #ask(descriptor: Twin): Promise<void> {
    const status = { request: Ioctl.LOOP_GET_STATUS64, bytes: new Uint8Array(232) };
    await this.#parity.call(Call.IoctlBuffer, { descriptor, ...status }, true);
    const size = { request: Ioctl.BLKGETSIZE64, bytes: new Uint8Array(8) };
    await this.#parity.call(Call.IoctlBuffer, { descriptor, ...size }, true);
  }

  async #value(descriptor: Twin, request: number | undefined, argument = 0n): Promise<void> {
    await this.#parity.call(Call.IoctlValue, { descriptor, request: request ?? 0, argument });
  }

  async #blkpg(descriptor: Twin): Promise<void> {
    const bytes = new Uint8Array(152);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, BigInt(this.#pick([0, 1, 2, 3, 9]) ?? 0) << 20n, true);
    view.setBigInt64(8, BigInt(this.#pick([1 << 20, 2 << 20, 512, 1000]) ?? 0), true);
    view.setInt32(16, this.#draw(4), true);
    const request = BlkpgOperation.BLKPG_ADD_PARTITION + this.#draw(3);
    await this.#parity.call(Call.Blkpg, { descriptor, request, bytes });
  }

  #draw(below: number): number {
    return this.#random.below(below);
  }

  #pick<T>(choices: readonly T[]): T | undefined {
    return choices[this.#draw(choices.length)];
  }
}

test.run();
