/**
 * SCSI disks with removable media that only one test has, by the module scsi_debug: a drive in
 * memory that reports another medium when it is told so. Gone when the test ends.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { ioctlValue } from "../../host/linux/libc.ts";
import { until } from "./devices.ts";
import { scsiDebug } from "./needs.ts";
import type { Scene } from "./scene.ts";

/** include/scsi/scsi_ioctl.h */
const SCSI_IOCTL_START_UNIT = 5;
const SCSI_IOCTL_STOP_UNIT = 6;
/** How often the kernel asks the drive for its medium. */
const pollMs = 100;

export class OwnScsiDisk {
  /** `sda` */
  readonly name: string;
  readonly device: string;
  #gigabytes = 0;

  constructor(name: string) {
    this.name = name;
    this.device = `/dev/${name}`;
  }

  get diskseq(): bigint {
    return BigInt(readFileSync(`/sys/block/${this.name}/diskseq`, "utf8"));
  }

  /** Another medium, with another capacity. The kernel hears of it when it asks next. */
  changeMedium(): void {
    this.#gigabytes += 1;
    setCapacity(this.#gigabytes);
  }

  /** The medium is spun down, and up again: it is the same. */
  restart(): void {
    const descriptor = openSync(this.device, "r");
    try {
      for (const request of [SCSI_IOCTL_STOP_UNIT, SCSI_IOCTL_START_UNIT]) {
        const result = ioctlValue(descriptor, request, 0n);
        if (result < 0) throw new Error(`ioctl ${request}: ${result}`);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  /** The drive is unplugged. */
  async remove(): Promise<void> {
    if (!disks().includes(this.name)) return;
    setHosts(-1);
    await until(`${this.name} to go`, () => !disks().includes(this.name));
  }

  /** Another drive of the same name, after a removal. */
  async addAgain(): Promise<void> {
    const name = await add();
    if (name !== this.name) throw new Error(`${this.name} cannot be had again: it is ${name}`);
    this.poll();
  }

  poll(): void {
    writeFileSync(`/sys/block/${this.name}/events_poll_msecs`, `${pollMs}`);
  }
}

export async function ownScsiDisk(scene: Scene): Promise<OwnScsiDisk> {
  const disk = new OwnScsiDisk(await add());
  scene.defer(() => setCapacity(0));
  scene.defer(() => disk.remove());
  disk.poll();
  return disk;
}

/** Adds a host with one disk. */
async function add(): Promise<string> {
  const before = disks();
  const added = () => disks().find((name) => !before.includes(name));
  setHosts(1);
  await until("the SCSI disk", () => added() !== undefined);
  const name = added() ?? "";
  await until("its medium", () => readFileSync(`/sys/block/${name}/size`, "utf8").trim() !== "0");
  return name;
}

function setHosts(change: 1 | -1): void {
  writeFileSync(`${scsiDebug}/add_host`, `${change}`);
}

/** 0: that of its memory. */
function setCapacity(gigabytes: number): void {
  writeFileSync(`${scsiDebug}/virtual_gb`, `${gigabytes}`);
}

/** Disks of the module. */
function disks(): string[] {
  return readdirSync("/sys/block").filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/device/model`, "utf8").trim() === "scsi_debug";
    } catch {
      return false;
    }
  });
}
