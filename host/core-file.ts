/** Reads the core.wasm that lies beside the built host. The one file read of the host's own. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Core, type CoreOptions, loadWasmCore } from "./core.ts";

/** Where core.wasm lies in the package. */
export const coreWasmUrl = new URL("../core.wasm", import.meta.url);

export function loadDefaultCore(options: Partial<CoreOptions>): Core {
  return loadWasmCore(readFileSync(coreWasmUrl), options);
}

/** Which core that is: the sha256 of its bytes, by default the one in the package. */
export function coreSha256(bytes: Uint8Array = readFileSync(coreWasmUrl)): string {
  return createHash("sha256").update(bytes).digest("hex");
}
