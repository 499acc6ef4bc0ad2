/**
 * One test of behaviour on a real kernel: its needs, its temporary directory, its deadline, and the
 * proof that it left nothing behind.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LoopDeviceJson } from "../../host/types.ts";
import { boundBelow, isBound, numberOf, partitionsOf } from "./devices.ts";
import { commandHere } from "./here.ts";
import { missing, type Need } from "./needs.ts";
import { command, type Outcome, type ProcessOptions, start } from "./process.ts";
import { scratchRoot } from "./root.ts";
import { skip } from "./skip.ts";
import { slowness } from "./slowness.ts";

export interface Scene {
  /** This test's temporary directory. */
  readonly directory: string;
  /** A path in it. */
  path(name: string): string;
  /** `diskseq ...`, to its end; on a slow machine within this process. */
  command(...args: string[]): Promise<Outcome>;
  /** `diskseq attach IMAGE --json ...`, which must succeed; the result, and what stderr said. */
  attach(image: string, ...args: string[]): Promise<AttachedJson>;
  /** `diskseq detach TARGET ...`, which must exit 0. */
  detach(target: string, ...args: string[]): Promise<void>;
  /** Partitions of this device must be gone at the end. */
  watch(device: Watched): void;
  /** Runs at the end, last one first, also when the test failed. */
  defer(action: () => unknown): void;
}

/** What is compared with partitions that are left: bytes. */
export interface Watched {
  readonly device: string;
  readonly partitions: readonly { readonly start: number; readonly size: number }[];
}

export interface AttachedJson extends LoopDeviceJson {
  readonly stderr: string;
}

export interface BehaviourOptions {
  /** Milliseconds, on a usual machine; default 60 000. */
  readonly deadlineMs?: number;
}

/** A process takes an emulated processor seconds to begin. */
const run = slowness > 1 ? commandHere : command;

/** A test of one behaviour, in a sentence. */
export function behaviour(
  sentence: string,
  needs: readonly Need[],
  body: (scene: Scene) => Promise<void> | void,
  options: BehaviourOptions = {},
): void {
  test(sentence, async () => {
    const reason = await missing(needs);
    if (reason !== undefined) {
      skip(`${sentence}: ${reason}`);
      return;
    }
    await play(body, slowness * (options.deadlineMs ?? 60_000));
  });
}

async function play(
  body: (scene: Scene) => Promise<void> | void,
  deadlineMs: number,
): Promise<void> {
  const directory = realpathSync(mkdtempSync(join(scratchRoot, "diskseq-")));
  const watched: Watched[] = [];
  const deferred: (() => unknown)[] = [];
  const scene: Scene = {
    directory,
    path: (name) => join(directory, name),
    command: (...args) => run(args),
    attach: (image, ...args) => attach(scene, image, args),
    detach,
    watch: (device) => void watched.push(device),
    defer: (action) => void deferred.push(action),
  };
  try {
    await within(deadlineMs, Promise.resolve(body(scene)));
    await runDeferred(deferred);
    await expectNothingLeft(directory, watched);
  } finally {
    while (deferred.length > 0) await runDeferred(deferred).catch(() => {});
    await clear(directory);
  }
}

async function attach(scene: Scene, image: string, args: string[]): Promise<AttachedJson> {
  const outcome = await run(["attach", image, "--json", ...args]);
  assert.is(outcome.status, 0, `attach ${image} ${args.join(" ")}: ${outcome.stderr}`);
  const device = JSON.parse(outcome.stdout) as LoopDeviceJson;
  scene.watch(device);
  return { ...device, stderr: outcome.stderr };
}

async function detach(target: string, ...args: string[]): Promise<void> {
  const outcome = await run(["detach", target, ...args]);
  assert.is(outcome.status, 0, `detach ${target} ${args.join(" ")}: ${outcome.stderr}`);
}

async function runDeferred(deferred: (() => unknown)[]): Promise<void> {
  for (let action = deferred.pop(); action !== undefined; action = deferred.pop()) {
    await action();
  }
}

/** Nothing bound below the directory, no partition left of the devices that were watched. */
export async function expectNothingLeft(
  directory: string,
  watched: readonly Watched[] = [],
): Promise<void> {
  let left: string[] = [];
  // What a dead process held goes with its last descriptor, which may take a moment.
  for (let tries = 0; tries < 100; tries++) {
    left = [
      ...boundBelow(directory).map(({ device, backing }) => `${device} bound to ${backing}`),
      ...watched.flatMap(leftPartitions),
    ];
    if (left.length === 0) return;
    await sleep(20);
  }
  assert.unreachable(`left behind: ${left.join(", ")}`);
}

/** Partitions of ours on an unbound device: those of other processes differ in start and size. */
function leftPartitions({ device, partitions }: Watched) {
  const number = numberOf(device);
  const left = isBound(number) ? [] : partitionsOf(number);
  return left
    .filter((one) => partitions.some(({ start, size }) => start === one.start && size === one.size))
    .map((one) => `${device}p${one.number} on an unbound device`);
}

async function within(deadlineMs: number, work: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(deadlineMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not done within ${deadlineMs} ms`);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
  }
}

/** Gives everything back that a failed test still has. */
async function clear(directory: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const quiet: ProcessOptions = { deadlineMs: 5000 };
  for (const line of mounts.reverse()) {
    const point = line.split(" ")[4] ?? "";
    if (point.startsWith(`${directory}/`)) {
      await start("umount", ["--lazy", point], quiet).outcome;
    }
  }
  for (const { device } of boundBelow(directory)) {
    await start("losetup", ["--detach", device], quiet).outcome;
  }
  rmSync(directory, { recursive: true, force: true });
}
