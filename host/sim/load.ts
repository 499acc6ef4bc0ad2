/**
 * Starts simulated kernels: `loadWasmModel` runs kernel.wasm, `loadJsModel` the same sources
 * compiled to JavaScript; `load*World` with actors around a core.
 */
import { Limit } from "../../assembly/abi.ts";
import { Reached } from "../../assembly/explore/coverage.ts";
import { Told } from "../../assembly/explore/words.ts";
import { DiskView } from "../../assembly/kernel/view-words.ts";
import type { ModelEngine, ModelRegions, StartNumbers } from "./engine.ts";
import { SimTrial, type TrialEngine } from "./explore/trial.ts";
import { Model, parseVersion } from "./model.ts";
import type { ModelOptions } from "./model-types.ts";
import { SimWorld, type WorldEngine } from "./world.ts";

export const defaultModelOptions: ModelOptions = {
  version: "6.12.90",
  loops: 2,
  partitions: 4,
  files: 16,
  tasks: 4,
  sockets: 2,
  queue: 16,
  processes: 4,
  images: [],
  maxLoop: 0,
  maxPart: 0,
  parsers: true,
  diskseq: 0,
  buffersBytes: 0,
};

/* WebAssembly in the few words that are used here: its types come with no library of Node's. */

interface WasmApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
}

type WasmExports = ModelEngine &
  Record<
    | "stateAt"
    | "stateBytes"
    | "setupAt"
    | "setupBytes"
    | "inboxAt"
    | "datagramAt"
    | "viewAt"
    | "contentAt"
    | "callAt"
    | "buffersAt"
    | "panicNote",
    () => number
  > & { start(...numbers: StartNumbers): void; memory: { buffer: ArrayBuffer } };

function startArguments(options: ModelOptions): StartNumbers {
  const { loops, partitions, files, tasks, sockets, queue, processes } = options;
  const images = Math.max(1, options.images.length, options.imagesMax ?? 0);
  const version = parseVersion(options.version);
  const parsers = options.parsers ? 1 : 0;
  const { maxPart, buffersBytes } = options;
  const pieces = options.images.flatMap(({ content }) => content ?? []);
  const contentBytes = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const sizes = [loops, partitions, files, tasks, sockets, queue, images, processes] as const;
  return [version, ...sizes, maxPart, parsers, contentBytes, buffersBytes];
}

/** Compiled once, since many are started. */
const compiled = new WeakMap<Uint8Array, object>();

/** Runs kernel.wasm. */
export function loadWasmModel(bytes: Uint8Array, options: Partial<ModelOptions> = {}): Model {
  return openWasm(bytes, options).model;
}

/** Runs world.wasm: a kernel and so many actors. */
export function loadWasmWorld(
  bytes: Uint8Array,
  actors: number,
  options: Partial<ModelOptions> = {},
): SimWorld {
  return openWasmWorld(bytes, actors, options).world;
}

function openWasmWorld(bytes: Uint8Array, actors: number, options: Partial<ModelOptions>) {
  const { model, exports, memory } = openWasm(bytes, options);
  const engine = exports as unknown as WorldEngine & Record<"worldAt" | "worldBytes", () => number>;
  engine.startWorld(actors);
  const state = new Uint8Array(memory, engine.worldAt(), engine.worldBytes());
  return { world: new SimWorld(model, engine, state), exports };
}

/** Runs explore.wasm: the same, and a core in the midst of it. Actors first, then its start. */
export function loadWasmTrial(
  bytes: Uint8Array,
  actors: number,
  options: Partial<ModelOptions> = {},
): SimTrial {
  const { world, exports } = openWasmWorld(bytes, actors, options);
  const engine = exports as unknown as TrialEngine &
    Record<"toldAt" | "reachedAt", () => number> & { __collect(): void };
  // Its memory grows, so views do not last.
  const regions = () => ({
    told: new DataView(exports.memory.buffer, engine.toldAt(), Told.Words * 4),
    reached: new Uint8Array(exports.memory.buffer, engine.reachedAt(), Reached.Count),
  });
  return new SimTrial(world, { ...engine, collect: () => engine.__collect() }, regions);
}

function openWasm(bytes: Uint8Array, options: Partial<ModelOptions>) {
  const chosen = { ...defaultModelOptions, ...options };
  const wasm = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
  const module = compiled.get(bytes) ?? new wasm.Module(bytes);
  compiled.set(bytes, module);
  const kernel = new wasm.Instance(module, {}).exports as unknown as WasmExports;
  kernel.start(...startArguments(chosen));
  const memory = kernel.memory.buffer;
  const regions: ModelRegions = {
    state: new Uint8Array(memory, kernel.stateAt(), kernel.stateBytes()),
    setup: new DataView(memory, kernel.setupAt(), kernel.setupBytes()),
    inbox: new DataView(memory, kernel.inboxAt(), 256),
    datagram: new Uint8Array(memory, kernel.datagramAt(), 1024),
    view: new DataView(memory, kernel.viewAt(), DiskView.Words * 8),
    content: new Uint8Array(memory, kernel.contentAt()),
    words: new DataView(memory, kernel.callAt(), Limit.OutboxBytes),
    buffers: new Uint8Array(memory, kernel.buffersAt(), chosen.buffersBytes),
  };
  const model = new Model(kernel, regions, chosen, () => {
    const note = new Uint8Array(memory, kernel.panicNote(), 256);
    return new TextDecoder().decode(note.subarray(0, Math.max(0, note.indexOf(0))));
  });
  return { model, exports: kernel, memory };
}

/** Runs the JavaScript build of the same sources. */
export async function loadJsModel(options: Partial<ModelOptions> = {}): Promise<Model> {
  return (await openJs(options)).model;
}

export async function loadJsWorld(
  actors: number,
  options: Partial<ModelOptions> = {},
): Promise<SimWorld> {
  return (await openJsWorld(actors, options)).simWorld;
}

async function openJsWorld(actors: number, options: Partial<ModelOptions>) {
  const { model, kernel, content } = await openJs(options);
  const { startWorld } = await import("./world-js.ts");
  const { engine, state, world } = startWorld(kernel, actors);
  return { simWorld: new SimWorld(model, engine, state), world, content };
}

export async function loadJsTrial(
  actors: number,
  options: Partial<ModelOptions> = {},
): Promise<SimTrial> {
  const { simWorld, world, content } = await openJsWorld(actors, options);
  const { startTrials } = await import("./explore/trial-js.ts");
  const { engine, regions } = startTrials(world, content);
  return new SimTrial(simWorld, engine, regions);
}

async function openJs(options: Partial<ModelOptions>) {
  const chosen = { ...defaultModelOptions, ...options };
  await import("../portable.ts");
  const { startKernel } = await import("./model-js.ts");
  const { engine, kernel, inbox, content, words, buffers } = startKernel(startArguments(chosen));
  const regions: ModelRegions = {
    state: new Uint8Array(kernel.state.buffer),
    setup: kernel.setup.view,
    inbox,
    datagram: new Uint8Array(kernel.format.bytes.buffer),
    view: kernel.views.words,
    content: new Uint8Array(content.bytes.buffer),
    words,
    buffers: new Uint8Array(buffers.buffer),
  };
  return { model: new Model(engine, regions, chosen, () => ""), kernel, content };
}
