/** Reads kernel.wasm and world.wasm, which lie beside the built host. */
import { readFileSync } from "node:fs";
import { loadWasmModel, loadWasmWorld } from "./load.ts";
import type { Model, ModelOptions } from "./model.ts";
import type { SimWorld } from "./world.ts";

/** Where kernel.wasm lies in the package. */
export const kernelWasmUrl = new URL("../../kernel.wasm", import.meta.url);

let bytes: Uint8Array | undefined;

export function loadDefaultModel(options: Partial<ModelOptions>): Model {
  bytes ??= readFileSync(kernelWasmUrl);
  return loadWasmModel(bytes, options);
}

/** The same with so many actors around it. */
export function loadDefaultWorld(actors: number, options: Partial<ModelOptions>): SimWorld {
  return loadWasmWorld(readFileSync(new URL("../../world.wasm", import.meta.url)), actors, options);
}
