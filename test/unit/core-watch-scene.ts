/** Words for the tests of waits and subscriptions: commands, what a wait says, others' disks. */
import * as assert from "uvu/assert";
import { LoFlag } from "../../assembly/wire/linux.ts";
import type { CoreCommand } from "../../host/core.ts";
import { Command, Event, EventWord, Group, WaitResult, WaitWord } from "../../host/core.ts";
import type { Bench } from "../helpers/bench.ts";
import type { OutEvent } from "../helpers/cores.ts";
import { infoBytes, type ScriptedDisk } from "../helpers/scripted-disks.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";

export const millisecond = 1_000_000n;
export const second = 1_000_000_000n;

/** A wait for a disk by its kernel name. */
export function waitFor(disk: string, command: Partial<CoreCommand> = {}): CoreCommand {
  return { command: Command.Wait, reference: Buffer.from(disk), ...command };
}

/** A subscription to a disk, or to all. */
export function watch(disk = "", command: Partial<CoreCommand> = {}): CoreCommand {
  return { command: Command.Watch, reference: Buffer.from(disk), ...command };
}

export function maskOf(...numbers: number[]): bigint {
  return numbers.reduce((mask, number) => mask | (1n << BigInt(number)), 0n);
}

export interface Waited {
  readonly result: WaitResult;
  /** of the instance waited for */
  readonly diskseq: bigint;
  /** of the instance that is there */
  readonly current: bigint;
  readonly devnum: string;
  readonly partitions: readonly number[];
}

/** What the end of a wait says. */
export function waited(event: OutEvent | undefined): Waited {
  assert.is(event && Event[event.event], "Waited");
  const word = (at: WaitWord) => event?.result[at - EventWord.Result] ?? -1n;
  let mask = 0n;
  for (let i = 3; i >= 0; i--) mask = (mask << 64n) | word(WaitWord.PartitionMask + i);
  return {
    result: event?.code ?? -1,
    diskseq: event?.detail ?? -1n,
    current: event?.detail2 ?? -1n,
    devnum: `${word(WaitWord.Major)}:${word(WaitWord.Minor)}`,
    partitions: Array.from({ length: 256 }, (_, bit) => bit).filter(
      (bit) => ((mask >> BigInt(bit)) & 1n) === 1n,
    ),
  };
}

export function resultOf(event: OutEvent | undefined): string | undefined {
  return WaitResult[waited(event).result];
}

/** Another process attaches, and the kernel scans. */
export function bindElsewhere(kernel: ScriptedKernel, number = 0): ScriptedDisk {
  const info = new DataView(new ArrayBuffer(infoBytes));
  info.setUint32(52, LoFlag.LO_FLAGS_PARTSCAN, true);
  const disk = kernel.disk(number);
  assert.is(disk.bind(info, false), 0);
  return disk;
}

/** The image of a disk is another one, without anybody being told. */
export function swap(disk: ScriptedDisk): void {
  disk.diskseq += 1000n;
}

/** Nothing is heard, looked at or waited for. */
export function expectQuiet(kernel: ScriptedKernel, bench: Bench): void {
  const groups = [...kernel.uevents.subscribed].map((group) => Group[group]);
  assert.equal(groups, [], "groups are subscribed to");
  assert.equal(bench.out, [], "calls are out");
  assert.is(bench.timeout.at, 0n, "something is due");
}
