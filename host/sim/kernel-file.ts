/** Reads the kernel.wasm that lies beside the built host. */
import { readFileSync } from "node:fs";
import { loadWasmModel } from "./load.ts";
import type { Model, ModelOptions } from "./model.ts";

/** Where kernel.wasm lies in the package. */
export const kernelWasmUrl = new URL("../../kernel.wasm", import.meta.url);

let bytes: Uint8Array | undefined;

export function loadDefaultModel(options: Partial<ModelOptions>): Model {
  bytes ??= readFileSync(kernelWasmUrl);
  return loadWasmModel(bytes, options);
}
