/** Makes trials: a small machine, an image with two partitions, and the actors of a setup. */
import { readFileSync } from "node:fs";
import { Group, Partscan } from "../../../assembly/abi.ts";
import { TableKind } from "../../../assembly/kernel/setup.ts";
import { ActorKind } from "../../../assembly/world/layout.ts";
import { loadJsTrial, loadWasmTrial } from "../load.ts";
import type { ModelImage, ModelOptions } from "../model-types.ts";
import { controls, rivals, type TrialSetup } from "./setup.ts";
import type { SimTrial } from "./trial.ts";

/** Which build runs. */
export interface Build {
  /** explore.wasm, or another core in it; default: the one in the package */
  readonly wasm?: string | undefined;
  /** the JavaScript build instead */
  readonly js?: boolean | undefined;
}

const exploreWasmUrl = new URL("../../../explore.wasm", import.meta.url);
const sectors = [
  { number: 1, start: 8, size: 16 },
  { number: 2, start: 32, size: 96 },
];
const imageBytes = 65536;
/** Datagrams that wait for us, at most; then they are lost. */
const queue = 8;

/** An image with two partitions, and one without, which a thief attaches. */
function images(): ModelImage[] {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  for (const { number, start, size } of sectors) {
    const at = 0x1be + 16 * (number - 1);
    view.setUint8(at + 4, 0x83);
    view.setUint32(at + 8, start, true);
    view.setUint32(at + 12, size, true);
  }
  view.setUint16(510, 0xaa55, true);
  const entries = sectors.map(({ number, start, size }) => ({
    number,
    start: BigInt(start),
    size: BigInt(size),
  }));
  const content = [{ offset: 0n, bytes }];
  return [{ bytes: imageBytes, table: TableKind.Mbr, entries, content }, { bytes: imageBytes }];
}

interface Actor {
  readonly kind: ActorKind;
  readonly budget: number;
}

function actorsOf({ rivals: own, loss, crash }: TrialSetup): Actor[] {
  const actors: Actor[] = own.map(({ name, rounds }) => ({ kind: rivals[name], budget: rounds }));
  if (loss > 0) actors.push({ kind: ActorKind.Loss, budget: loss });
  if (crash) actors.push({ kind: ActorKind.Crash, budget: 1 });
  return actors;
}

/** Processes that make calls of their own have numbers of their own. */
function isProcess(kind: ActorKind): boolean {
  return kind <= ActorKind.Detacher || isUdevd(kind);
}

function isUdevd(kind: ActorKind): boolean {
  return kind === ActorKind.UdevdDrops || kind === ActorKind.UdevdKeeps;
}

export interface OpenTrial {
  readonly trial: SimTrial;
  /** of actors, by their index */
  readonly actors: readonly ActorKind[];
  /** a socket that hears all uevents of the kernel, where there is one */
  readonly observer: number;
}

/**
 * A trial at its start. With an observer, and where it keeps what is never read again, it goes the
 * same way, but no state of it is alike.
 */
export async function openTrial(
  setup: TrialSetup,
  { wasm, js = false }: Build = {},
  { isObserved = false, keepsAll = false }: { isObserved?: boolean; keepsAll?: boolean } = {},
): Promise<OpenTrial> {
  const actors = actorsOf(setup);
  const processes = 1 + actors.filter(({ kind }) => isProcess(kind)).length;
  const udevds = actors.filter(({ kind }) => isUdevd(kind)).length;
  const all = processes + (isObserved ? 1 : 0);
  const options: Partial<ModelOptions> = {
    version: setup.version,
    images: images(),
    loops: setup.rivals.length > 1 || setup.rounds > 1 ? 3 : 2,
    maxLoop: 1,
    partitions: 3,
    files: 6 * all,
    tasks: 2 * all + 1,
    sockets: 2 + udevds + (isObserved ? 1 : 0),
    queue,
    processes: all,
    buffersBytes: 0,
  };
  const trial = js
    ? await loadJsTrial(actors.length, options)
    : loadWasmTrial(readFileSync(wasm ?? exploreWasmUrl), actors.length, options);
  let process = 0;
  for (const { kind, budget } of actors) {
    const own = isProcess(kind) ? { process: ++process } : { process: 0 };
    trial.world.add({ kind, image: 1, budget, ...own });
  }
  const observer = isObserved ? trial.world.model.openSocket(processes, Group.Kernel, 1 << 28) : -1;
  trial.start({
    controls: setup.without.reduce((bits: number, name) => bits | controls[name], 0),
    partscan: { kernel: Partscan.Kernel, user: Partscan.User, none: Partscan.None }[setup.partscan],
    isOneCall: setup.fast,
    deadlines: setup.deadlines,
    aborts: setup.aborts,
    asks: setup.asks,
    udev: udevds > 0 && setup.udev,
    rounds: setup.rounds,
    lag: setup.lag,
    keepsAll,
  });
  return { trial, actors: actors.map(({ kind }) => kind), observer };
}
