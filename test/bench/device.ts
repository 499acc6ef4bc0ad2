/**
 * A loop device of the bench's own with a high number: added, perhaps bound to an image, and
 * removed at the end whatever happens. Its uevent file makes the kernel send events on demand.
 */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { BlkpgOperation, Ioctl } from "../../assembly/wire/linux.ts";
import { addressOf, ioctlBuffer, ioctlValue } from "../../host/linux/libc.ts";

const numberFirst = 7000;
const numbers = 1000;
const EEXIST = 17;

export class BenchDevice {
  readonly number: number;
  readonly name: string;
  readonly #uevent: number;
  #device = -1;

  /** Takes a number that nobody has. */
  static add(): BenchDevice {
    const control = openSync("/dev/loop-control", "r+");
    try {
      for (let tried = 0; tried < 100; tried++) {
        const number = numberFirst + Math.floor(Math.random() * numbers);
        const result = ioctlValue(control, Ioctl.LOOP_CTL_ADD, BigInt(number));
        if (result >= 0) return new BenchDevice(number);
        if (result !== -EEXIST) throw new Error(`LOOP_CTL_ADD ${number}: errno ${-result}`);
      }
      throw new Error(`every loop device of ${numberFirst} and above is taken`);
    } finally {
      closeSync(control);
    }
  }

  private constructor(number: number) {
    this.number = number;
    this.name = `loop${number}`;
    this.#uevent = openSync(`/sys/block/${this.name}/uevent`, "w");
  }

  get diskseq(): bigint {
    return BigInt(readFileSync(`/sys/block/${this.name}/diskseq`, "utf8").trim());
  }

  /** Has the kernel send that many events; what other words make of it is theirs. */
  flood(count: number, text = "change"): void {
    for (let sent = 0; sent < count; sent++) writeSync(this.#uevent, text);
  }

  /** One event that carries the time at which it was asked for. */
  stamp(): void {
    const uuid = "00000000-0000-4000-8000-000000000000";
    writeSync(this.#uevent, `change ${uuid} T=${process.hrtime.bigint()}`);
  }

  /** Binds it to a file. */
  bind(path: string, bytes: number): void {
    writeFileSync(path, "");
    const image = openSync(path, "r+");
    try {
      writeSync(image, Uint8Array.of(0), 0, 1, bytes - 1);
      this.#device = openSync(`/dev/${this.name}`, "r+");
      this.#ioctl(Ioctl.LOOP_SET_FD, BigInt(image));
    } finally {
      closeSync(image);
    }
  }

  /** Adds partition 1, a MiB at 1 MiB. */
  addPartition(): void {
    this.#partition(BlkpgOperation.BLKPG_ADD_PARTITION);
  }

  deletePartition(): void {
    this.#partition(BlkpgOperation.BLKPG_DEL_PARTITION);
  }

  /** struct blkpg_ioctl_arg and, behind it, struct blkpg_partition. */
  #partition(operation: number): void {
    const bytes = new Uint8Array(new ArrayBuffer(24 + 152));
    const view = new DataView(bytes.buffer);
    view.setInt32(0, operation, true);
    view.setInt32(8, 152, true);
    view.setBigUint64(16, addressOf(bytes) + 24n, true);
    view.setBigInt64(24, 1n << 20n, true);
    view.setBigInt64(32, 1n << 20n, true);
    view.setInt32(40, 1, true);
    const result = ioctlBuffer(this.#device, Ioctl.BLKPG, addressOf(bytes));
    if (result < 0) throw new Error(`BLKPG: errno ${-result}`);
  }

  #ioctl(request: number, value: bigint): void {
    const result = ioctlValue(this.#device, request, value);
    if (result < 0) throw new Error(`ioctl ${request}: errno ${-result}`);
  }

  remove(): void {
    closeSync(this.#uevent);
    if (this.#device >= 0) {
      this.#ioctl(Ioctl.LOOP_CLR_FD, 0n);
      closeSync(this.#device);
    }
    const control = openSync("/dev/loop-control", "r+");
    const result = ioctlValue(control, Ioctl.LOOP_CTL_REMOVE, BigInt(this.number));
    closeSync(control);
    if (result < 0) console.error(`/dev/${this.name} is left: errno ${-result}`);
  }
}
