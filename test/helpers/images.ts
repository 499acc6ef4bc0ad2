/**
 * Makes disk images by `sfdisk`, and says what `sfdisk` reads in them: the independent opinion that
 * the product's own parsers are compared with.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { plainAttach, plainDetach } from "./devices.ts";
import { tool } from "./process.ts";

/** A partition as the product must show it, without what the attach adds. */
export interface ExpectedPartition {
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid: string;
  readonly name: string | null;
}

const MiB = 1024 * 1024;
/** Sectors; tells partitions that we left from those of another run on the same machine. */
const shift = 8 * (process.pid % 101);

/** 64 MiB, GPT, three partitions; the second is big enough for ext4, the third has no name. */
export async function gptImage(path: string): Promise<string> {
  blankImage(path, 64 * MiB);
  await sfdisk(path, [
    "label: gpt",
    `start=${2056 + shift}, size=8192, type=U, name="EFI System"`,
    `start=${10_248 + shift}, size=65536, type=L, name="W\u00fcrzel 'q'"`,
    `start=${75_784 + shift}, size=40960, type=S`,
  ]);
  return path;
}

/** 32 MiB, MBR: a primary partition and an extended one that holds two logical ones. */
export async function mbrImage(path: string): Promise<string> {
  blankImage(path, 32 * MiB);
  await sfdisk(path, [
    "label: dos",
    "label-id: 0xc0de5eed",
    `start=${2056 + shift}, size=8192, type=c`,
    `start=${10_248 + shift}, size=54464, type=5`,
    `start=${12_304 + shift}, size=16384, type=83`,
    `start=${30_736 + shift}, size=20480, type=82`,
  ]);
  return path;
}

/** 64 MiB, GPT of 4096-byte sectors, made on a device that has such sectors. */
export async function gpt4096Image(path: string): Promise<readonly ExpectedPartition[]> {
  blankImage(path, 64 * MiB);
  const device = await plainAttach("--sector-size", "4096", path);
  try {
    await sfdisk(device, [
      "label: gpt",
      'start=257, size=1024, type=U, name="big sectors"',
      "start=1281, size=8192, type=L",
    ]);
    return await expectedPartitions(device);
  } finally {
    await plainDetach(device);
  }
}

/** An image of zeros. */
export function blankImage(path: string, bytes: number): string {
  const descriptor = openSync(path, "w");
  ftruncateSync(descriptor, bytes);
  closeSync(descriptor);
  return path;
}

/** Writes into an image. */
export function patchImage(path: string, offset: number, bytes: Uint8Array | string): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, typeof bytes === "string" ? Buffer.from(bytes) : bytes, 0, null, offset);
  closeSync(descriptor);
}

export async function sfdisk(path: string, lines: readonly string[]): Promise<void> {
  const options = ["--quiet", "--no-reread", "--no-tell-kernel", "--lock=no", path];
  await tool("sfdisk", options, { input: `${lines.join("\n")}\n` });
}

/** What `sfdisk -J` reads, in the product's words. */
export async function expectedPartitions(path: string): Promise<readonly ExpectedPartition[]> {
  const { partitiontable: table } = JSON.parse(await tool("sfdisk", ["--json", path])) as Dump;
  const isGpt = table.label === "gpt";
  return table.partitions.map((entry): ExpectedPartition => {
    const number = Number(/(\d+)$/.exec(entry.node)?.[1]);
    const suffix = number.toString(16).padStart(2, "0");
    const isExtended = !isGpt && extendedTypes.includes(entry.type);
    return {
      number,
      start: entry.start * table.sectorsize,
      // The kernel gives an extended partition two sectors: room for a boot loader, no data.
      size: isExtended ? 1024 : entry.size * table.sectorsize,
      type: entry.type.toLowerCase(),
      uuid: entry.uuid?.toLowerCase() ?? `${table.id.slice(2).toLowerCase()}-${suffix}`,
      name: isGpt ? (entry.name ?? null) : null,
    };
  });
}

const extendedTypes: readonly string[] = ["5", "f", "85"];

interface Dump {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly sectorsize: number;
    readonly partitions: readonly {
      readonly node: string;
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid?: string;
      readonly name?: string;
    }[];
  };
}
