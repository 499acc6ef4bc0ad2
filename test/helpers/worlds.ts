/**
 * Worlds for tests: a small simulated kernel with actors, and a process 0 that follows a script of
 * calls, so that every order of everybody's steps can be tried.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Lock, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { Deed } from "../../assembly/world/layout.ts";
import { loadJsWorld, loadWasmWorld } from "../../host/sim/load.ts";
import { type Model, type ModelCall, type ModelOptions, Step } from "../../host/sim/model.ts";
import type { SimActor, SimWorld } from "../../host/sim/world.ts";
import { Image, images } from "./models.ts";
import { packageRoot } from "./root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/world.wasm"));

/** Small: what a search keeps of each state. */
const smallOptions: Partial<ModelOptions> = {
  version: "6.1.192",
  loops: 1,
  partitions: 4,
  files: 10,
  tasks: 5,
  sockets: 3,
  queue: 24,
  processes: 5,
  images,
  maxLoop: 1,
};

export function openWasmWorld(
  actors: readonly SimActor[],
  options: Partial<ModelOptions> = {},
): SimWorld {
  const world = loadWasmWorld(wasmBytes, actors.length, { ...smallOptions, ...options });
  for (const actor of actors) world.add(actor);
  return world;
}

export async function openJsWorld(
  actors: readonly SimActor[],
  options: Partial<ModelOptions> = {},
): Promise<SimWorld> {
  const world = await loadJsWorld(actors.length, { ...smallOptions, ...options });
  for (const actor of actors) world.add(actor);
  return world;
}

type Files = ReadonlyMap<string, number>;

/** A line of process 0's script: a call as a task, or what is done at once. */
export type Line =
  | {
      readonly name: string;
      readonly routine: Routine;
      readonly call: (files: Files) => ModelCall;
      /** where a descriptor is kept, or the one that is closed */
      readonly file?: string;
    }
  | {
      readonly name: string;
      readonly perform: (model: Model, files: Files) => number;
      readonly file?: string;
    };

/** Where process 0 is in its script. */
export interface Place {
  readonly line: number;
  readonly task: number;
  readonly files: readonly (readonly [string, number])[];
  /** lines whose call failed, and how */
  readonly failures: readonly string[];
}

export const beginning: Place = { line: 0, task: -1, files: [], failures: [] };

/** One step of process 0, or undefined: its script is over, or it only waited. */
export function stepScript(
  world: SimWorld,
  script: readonly Line[],
  place: Place,
): Place | undefined {
  const line = script[place.line];
  if (line === undefined || world.hasCrashed) return undefined;
  const files = new Map(place.files);
  let { task } = place;
  const isNew = task < 0;
  let result: number | undefined;
  if (isNew && "perform" in line) {
    result = line.perform(world.model, files);
    world.look(0);
  } else {
    if (isNew && "routine" in line) task = world.model.begin(0, line.routine, line.call(files));
    const step = world.step(task);
    if (step === Step.Blocked) return isNew ? { ...place, task } : undefined;
    if (step === Step.Done) result = world.model.finish(task);
  }
  if (result === undefined) return { ...place, task };
  if (line.file !== undefined && result >= 0) {
    if ("routine" in line && line.routine === Routine.Close) files.delete(line.file);
    else files.set(line.file, result);
  }
  const failures = result < 0 ? [...place.failures, `${line.name} ${result}`] : place.failures;
  return { line: place.line + 1, task: -1, files: [...files], failures };
}

/* Scripts. */

const fileOf = (files: Files, name: string): number => files.get(name) ?? 99;

function openDevice(file: string, flags: number, isPrivate = false): Line {
  const call = isPrivate ? { a: 7, b: flags, c: 0, d: 1 } : { a: 0, b: flags };
  return { name: `open ${file}`, routine: Routine.Open, call: () => call, file };
}

function close(file: string): Line {
  const call = (files: Files) => ({ a: fileOf(files, file) });
  return { name: `close ${file}`, routine: Routine.Close, call, file };
}

const openImage: Line = {
  name: "open image",
  perform: (model) => model.openImage(0, Image.Gpt, OpenFlag.O_RDWR),
  file: "image",
};

function configure(flags: number): Line {
  const call = (files: Files) => ({
    a: fileOf(files, "device"),
    b: fileOf(files, "image"),
    c: flags,
  });
  return { name: "configure", routine: Routine.Configure, call };
}

const readFlags = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;

const lockShared: Line = {
  name: "lock",
  perform: (model, files) => model.flock(0, fileOf(files, "lock"), Lock.LOCK_SH | Lock.LOCK_NB),
};

export interface AttachScript {
  /** LOOP_CONFIGURE without PARTSCAN, which is set later; default: one call */
  readonly split?: boolean;
  /** open and close before PARTSCAN is set */
  readonly drain?: boolean;
  /** LOCK_SH on a descriptor that is closed last */
  readonly lock?: boolean;
  /** the writable descriptor is one of a node that nobody watches */
  readonly privateNode?: boolean;
  readonly autoclear?: boolean;
  /** the lock is held for good: only the writable descriptor is closed */
  readonly keep?: boolean;
}

/** An attach of three partitions, whose descriptors are closed at the end. */
export function attachScript(options: AttachScript = {}): Line[] {
  const { split, drain, lock, privateNode, autoclear, keep } = options;
  const flags = autoclear ? LoFlag.LO_FLAGS_AUTOCLEAR : 0;
  const lines: Line[] = [openImage];
  if (lock) lines.push(openDevice("lock", readFlags), lockShared);
  lines.push(openDevice("device", OpenFlag.O_RDWR, privateNode));
  lines.push(configure(split ? flags : flags | LoFlag.LO_FLAGS_PARTSCAN));
  if (drain) lines.push(openDevice("drain", readFlags), close("drain"));
  if (split) {
    const c = flags | LoFlag.LO_FLAGS_PARTSCAN;
    const call = (files: Files) => ({ a: fileOf(files, "device"), c });
    lines.push({ name: "set status", routine: Routine.SetStatus, call });
  }
  lines.push(close("image"), close("device"));
  if (lock && !keep) lines.push(close("lock"));
  return lines;
}

/** Ends what an attach without AUTOCLEAR left. */
export function detachScript(): Line[] {
  const call = (files: Files) => ({ a: fileOf(files, "detach") });
  return [
    openDevice("detach", readFlags),
    { name: "clear", routine: Routine.ClearFd, call },
    close("detach"),
  ];
}

/** What an actor did, in words. */
export function deedName(deed: Deed): string {
  return Deed[deed] ?? String(deed);
}
