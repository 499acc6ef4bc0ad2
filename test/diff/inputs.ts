/** What random inputs look like: worlds to run in, commands, completions. */
import * as fc from "fast-check";
import { Errno } from "../../assembly/wire/linux.ts";
import { Command, CommandFlag, type CoreCommand, Partscan } from "../../host/core.ts";
import { imageOf } from "../helpers/scripted-disks.ts";
import { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import type { Action } from "./chaos.ts";

export interface World {
  readonly seed: number;
  readonly operations: number;
  readonly disks: number;
  readonly hasParser: boolean;
  readonly hasConfigure: boolean;
  readonly diskseq: "rises" | "stays" | "none";
  readonly scansAtOpen: boolean;
  readonly forcesPartscan: boolean;
  readonly clearsAtClose: boolean;
  readonly isImageWritable: boolean;
}

const usually = fc.integer({ min: 0, max: 3 }).map((number) => number > 0);

export const world: fc.Arbitrary<World> = fc.record({
  seed: fc.nat(),
  operations: fc.integer({ min: 1, max: 4 }),
  disks: fc.integer({ min: 0, max: 3 }),
  hasParser: usually,
  hasConfigure: usually,
  diskseq: fc.constantFrom("rises", "rises", "stays", "none"),
  scansAtOpen: fc.boolean(),
  forcesPartscan: fc.boolean(),
  clearsAtClose: fc.boolean(),
  isImageWritable: usually,
});

/** Three slots in 512-byte sectors. */
const slots = [
  { number: 1, start: 8, size: 16 },
  { number: 2, start: 24, size: 8 },
  { number: 4, start: 64, size: 32 },
];

export function kernelOf(facts: World): ScriptedKernel {
  const kernel = new ScriptedKernel(imageOf(mbrImage()), facts.disks);
  Object.assign(kernel, { ...facts, disks: kernel.disks, table: slots });
  return kernel;
}

/** 64 KiB with the slots in its MBR. */
export function mbrImage(): Uint8Array {
  const bytes = Buffer.alloc(65536);
  for (const { number, start, size } of slots) {
    const at = 0x1be + 16 * (number - 1);
    bytes.writeUInt8(0x83, at + 4);
    bytes.writeUInt32LE(start, at + 8);
    bytes.writeUInt32LE(size, at + 12);
  }
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

const flags = fc
  .subarray(
    [
      CommandFlag.ReadOnly,
      CommandFlag.DirectIo,
      CommandFlag.Persistent,
      CommandFlag.AllowOverlap,
      CommandFlag.MakeNodes,
      CommandFlag.NoLock,
      CommandFlag.Lazy,
    ],
    { maxLength: 3 },
  )
  .map((bits) => bits.reduce((sum, bit) => sum | bit, 0));

const timeoutNs = fc.constantFrom(0n, 1n, 1_000_000n, 30_000_000_000n);
/** Mostly the first: a command with many odd arguments is only refused. */
const rarely = <T>(usual: T, ...odd: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
const number = fc.oneof(rarely(-1, 0xfffff, 0x100000, -2), fc.constantFrom(-1, 0, 1, 2));
const diskseq = fc.constantFrom(0n, 0n, 1n, 101n, 102n, 103n, 104n, 105n);

const command: fc.Arbitrary<CoreCommand> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      command: fc.constantFrom(Command.Attach, Command.Attach, Command.Probe),
      flags: fc.oneof(fc.constant(CommandFlag.AllowOverlap), flags),
      timeoutNs,
      number,
      offset: rarely(0n, 512n, 100_000n, 1n << 63n),
      sizeLimit: rarely(0n, 8192n, 700n),
      sectorSize: rarely(0, 512, 4096, 777),
      partscan: fc.constantFrom(Partscan.Kernel, Partscan.Kernel, Partscan.User, Partscan.None),
      reference: rarely(new Uint8Array(8), new Uint8Array(63), new Uint8Array(64)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      command: fc.constant(Command.Detach),
      flags: fc.oneof(flags, fc.constant(CommandFlag.Release)),
      timeoutNs,
      number: fc.oneof(fc.constantFrom(0, 1), number),
      diskseq,
      backingDevice: fc.constantFrom(0n, 0x811n),
      backingInode: fc.constantFrom(0n, 0n, 4711n, 1n),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      command: fc.constantFrom(Command.Rescan, Command.Rescan, Command.Resize, Command.Sweep),
      flags: rarely(0, CommandFlag.NoLock, CommandFlag.Release),
      timeoutNs,
      number: fc.oneof(fc.constantFrom(0, 1), number),
      diskseq,
    }),
  },
  { weight: 1, arbitrary: fc.record({ command: fc.constantFrom(0, 5, 99 as Command) }) },
);

const which = fc.nat({ max: 15 });
const errnos = Object.values(Errno).filter((value) => typeof value === "number");

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("command"),
      command,
      own: fc.integer({ min: -2, max: 3 }),
    }),
  },
  { weight: 60, arbitrary: fc.record({ kind: fc.constant("good"), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wake"), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort"), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("errno"), which, errno: fc.constantFrom(...errnos) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wrong"),
      which,
      result: fc.oneof(fc.nat({ max: 9 }), fc.integer()),
      bytes: fc.uint8Array({ maxLength: 256 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("pass"),
      ns: fc.constantFrom(1, 1_000_000, 3_000_000_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("ticket"),
      ticket: fc.oneof(fc.nat({ max: 9999 }), fc.integer()),
    }),
  },
) as fc.Arbitrary<Action>;

/** A few inputs, most of them completions as a kernel gives them: deep enough to get somewhere. */
export function actions(maxLength: number): fc.Arbitrary<Action[]> {
  return fc.array(action, { maxLength, size: "max" });
}
