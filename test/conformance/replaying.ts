/**
 * Replays traces where the package is installed and koffi is not, with `diskseq/core` and
 * `diskseq/trace`: the first argument is core.wasm, the others are traces.
 */
import { readFileSync } from "node:fs";
import { loadWasmCore } from "diskseq/core";
import { replay, splitLines } from "diskseq/trace";

const [corePath = "", ...traces] = process.argv.slice(2);
const wasm = readFileSync(corePath);
for (const path of traces) {
  const lines = splitLines([readFileSync(path)]);
  const { records, hash, divergence } = await replay(lines, (options) =>
    loadWasmCore(wasm, options),
  );
  console.log(`${records} ${hash} ${divergence?.line ?? "equal"}`);
}
