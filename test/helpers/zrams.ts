/**
 * zram devices that only one test has, made and removed through sysfs: disks that are no loop
 * devices. Gone when the test ends.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { zramControl } from "./needs.ts";
import type { Scene } from "./scene.ts";

const triesMax = 20;

export class OwnZram {
  /** `zram1` */
  readonly name: string;
  readonly device: string;
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
    this.name = `zram${number}`;
    this.device = `/dev/${this.name}`;
  }

  get diskseq(): bigint {
    return BigInt(readFileSync(`/sys/block/${this.name}/diskseq`, "utf8"));
  }

  /** It holds so much from here on; at first it holds nothing. */
  size(bytes: number): void {
    writeFileSync(`/sys/block/${this.name}/disksize`, `${bytes}`);
  }

  /** It holds nothing. */
  async reset(): Promise<void> {
    await whenClosed(() => writeFileSync(`/sys/block/${this.name}/reset`, "1"));
  }

  /** It is not there. */
  async remove(): Promise<void> {
    if (!existsSync(`/sys/block/${this.name}`)) return;
    await whenClosed(() => writeFileSync(`${zramControl}/hot_remove`, `${this.#number}`));
  }

  /** Another one of the same name, after a removal. The kernel gives the lowest number. */
  async addAgain(): Promise<void> {
    const others: OwnZram[] = [];
    try {
      for (let tries = 0; tries < triesMax; tries++) {
        const number = add();
        if (number === this.#number) return;
        others.push(new OwnZram(number));
      }
    } finally {
      for (const other of others) await other.remove();
    }
    throw new Error(`${this.name} cannot be had again`);
  }
}

export function ownZram(scene: Scene): OwnZram {
  const zram = new OwnZram(add());
  scene.defer(() => zram.remove());
  return zram;
}

/** Each read makes one. */
function add(): number {
  return Number(readFileSync(`${zramControl}/hot_add`, "utf8"));
}

/** udev, and whoever looks at new disks, may have it open for a moment. */
async function whenClosed(action: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return action();
    } catch (error) {
      const isBusy = (error as NodeJS.ErrnoException).code === "EBUSY";
      if (!isBusy || tries === triesMax) throw error;
      await sleep(50);
    }
  }
}
