/**
 * What the kernel shows of loop devices, read from sysfs and by plain `losetup`: a second opinion
 * that shares no code with the product.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { tool } from "./process.ts";
import { slowness } from "./slowness.ts";

export interface BoundDevice {
  readonly device: string;
  readonly number: number;
  /** As the kernel shows it, without ` (deleted)`. */
  readonly backing: string;
}

export interface KernelPartition {
  readonly number: number;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

/** Bound loop devices whose backing file lies in the directory. */
export function boundBelow(directory: string): BoundDevice[] {
  return loopNumbers().flatMap((number) => {
    const shown = attribute(number, "loop/backing_file");
    const backing = shown?.replace(/ \(deleted\)$/, "");
    return backing?.startsWith(`${directory}/`)
      ? [{ device: `/dev/loop${number}`, number, backing }]
      : [];
  });
}

export function isBound(number: number): boolean {
  return attribute(number, "loop/backing_file") !== undefined;
}

export function diskseqOf(number: number): number {
  return Number(attribute(number, "diskseq"));
}

/** The number of the instance; null on kernels that have none. */
export function instanceOf(number: number): bigint | null {
  const shown = attribute(number, "diskseq");
  return shown === undefined ? null : BigInt(shown);
}

/** What the kernel has as partitions of a loop device. */
export function partitionsOf(number: number): KernelPartition[] {
  const name = `loop${number}`;
  const names = list(`/sys/block/${name}`).filter((entry) => entry.startsWith(`${name}p`));
  return names
    .map((entry) => ({
      number: Number(attribute(number, `${entry}/partition`)),
      start: Number(attribute(number, `${entry}/start`)) * 512,
      size: Number(attribute(number, `${entry}/size`)) * 512,
    }))
    .sort((a, b) => a.number - b.number);
}

/** An attribute below /sys/block/loopN; undefined where it does not exist. */
export function attribute(number: number, name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/loop${number}/${name}`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

/** `/dev/loop7` or `/dev/loop7p1` -> 7 */
export function numberOf(device: string): number {
  return Number(/^\/dev\/loop(\d+)/.exec(device)?.[1] ?? Number.NaN);
}

/** Attaches by plain losetup, which loses races: tried again. */
export async function plainAttach(...args: string[]): Promise<string> {
  return (await losing(() => tool("losetup", ["--find", "--show", ...args]))).trim();
}

/** Detaches by plain losetup, and waits until it is so. */
export async function plainDetach(device: string): Promise<void> {
  const number = numberOf(device);
  const before = diskseqOf(number);
  await tool("losetup", ["--detach", device]);
  await until(`${device} to go`, () => !isBound(number) || diskseqOf(number) !== before);
}

/** One row of `losetup --list`, its columns as text. */
export async function losetupRow(device: string, columns: string): Promise<string[]> {
  const text = await tool("losetup", ["--list", "--noheadings", "--output", columns, device]);
  return text.trim().split(/\s+/);
}

/** Polls until the condition holds; rejects after the deadline. */
export async function until(
  what: string,
  condition: () => boolean,
  deadlineMs = 5000,
): Promise<void> {
  const end = performance.now() + slowness * deadlineMs;
  while (!condition()) {
    if (performance.now() > end) {
      throw new Error(`waited ${slowness * deadlineMs} ms for ${what}`);
    }
    await sleep(10);
  }
}

/** Number of descriptors that this process has open. */
export function descriptorCount(): number {
  // The descriptor of the listing itself is among them, each time.
  return readdirSync("/proc/self/fd").length;
}

/** Names in /dev that no kernel makes for a loop device. */
export function otherNodes(): string[] {
  return readdirSync("/dev").filter((name) => !/^loop(\d+(p\d+)?|-control)$/.test(name));
}

function loopNumbers(): number[] {
  return list("/sys/block").flatMap((name) => {
    const match = /^loop(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

async function losing<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(20 + Math.random() * 100);
    }
  }
}
