/** Images in memory for simulated kernels, and what a session on one is told, in few words. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { efiSystem, linuxFilesystem, mebibyte, writeImage } from "../../host/cli/image.ts";
import { type Session, type SimImage, simulate } from "../../host/sim/index.ts";
import type { MonitorItem } from "../../host/stream-types.ts";
import { scratchRoot } from "./root.ts";

/** A version of each era. */
export const eras = [
  "5.10.223",
  "5.15.50",
  "5.19.0",
  "6.1.30",
  "6.1.192",
  "6.12.90",
  "6.18.44",
  "7.2.13",
] as const;

/** Versions on which the diskseq rises at an attach. */
export const numbered: readonly string[] = ["6.1.192", "6.12.90", "6.18.44", "7.2.13"];

export interface Slot {
  readonly number: number;
  /** sectors */
  readonly start: number;
  readonly size: number;
}

/** 1 MiB with partitions in its MBR. */
export function mbrImage(slots: readonly Slot[], size = mebibyte): SimImage {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  for (const slot of slots) {
    const at = 0x1be + 16 * (slot.number - 1);
    view.setUint8(at + 4, 0x83);
    view.setUint32(at + 8, slot.start, true);
    view.setUint32(at + 12, slot.size, true);
  }
  view.setUint16(510, 0xaa55, true);
  return { size, pieces: [{ offset: 0, bytes }] };
}

export const twoSlots: readonly Slot[] = [
  { number: 1, start: 8, size: 16 },
  { number: 3, start: 32, size: 96 },
];

/** Leaves in a file the trace of an attach that is watched and waited for, and of its end. */
export async function recordAttach(path: string, version: string): Promise<void> {
  const session = simulate({ version, seed: 7, images: { "/disk.img": mbrImage(twoSlots) } });
  const trace = await session.trace(path);
  const monitor = await session.monitor();
  const disk = await session.attach("/disk.img");
  await session.waitFor({ device: disk.device, diskseq: disk.diskseq, partitions: [1, 3] });
  await disk.detach();
  await monitor.close();
  assert.is(await trace.close(), undefined);
  await session.close();
}

/** Calls with the path of a file of 8 MiB with two partitions in its GPT, 1 and 2. */
export async function withGptFile<T>(work: (path: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(scratchRoot, "diskseq-"));
  try {
    const path = join(directory, "gpt.img");
    writeImage(path, 8 * mebibyte, [
      { name: "boot", type: efiSystem, start: mebibyte, size: mebibyte },
      { name: "root", type: linuxFilesystem, start: 2 * mebibyte, size: 4 * mebibyte },
    ]);
    return await work(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** All that a monitor tells; `stop` ends it when what was sent has come. */
export async function listenTo(session: Session): Promise<{ stop(): Promise<string[]> }> {
  const monitor = await session.monitor();
  await monitor.ready;
  const told: string[] = [];
  const done = (async () => {
    for await (const item of monitor) told.push(brief(item));
  })();
  return {
    stop: async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      monitor.close();
      await done;
      return told;
    },
  };
}

/** `change #2`, `change media-change #2`, `add p1 #2`, `gap 3` */
function brief(item: MonitorItem): string {
  if (item.type === "gap") return `gap ${item.lost}`;
  if (item.type !== "uevent") return item.type;
  const { action, partition, marks, diskseq } = item;
  const words = [action];
  if (partition !== null) words.push(`p${partition}`);
  if (marks.includes("media-change")) words.push("media-change");
  if (diskseq !== null) words.push(`#${diskseq}`);
  return words.join(" ");
}
