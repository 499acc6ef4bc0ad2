/** The vectors: where they lie, as they are committed, and as they are made. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../helpers/root.ts";
import type { VectorFile } from "./runner.ts";
import { scenarios } from "./scenarios.ts";
import { vectorsOf } from "./writer.ts";

export const vectorsDirectory = join(packageRoot, "test/conformance/vectors");
export const corePath = join(packageRoot, "build/core.wasm");

/** As they are committed. */
export function readVectors(): VectorFile[] {
  return readdirSync(vectorsDirectory)
    .sort()
    .map((name) => ({ name, text: readFileSync(join(vectorsDirectory, name), "utf8") }));
}

/**
 * What the core does in every scenario. Once a process: the disks of scripted kernels are numbered
 * all through it.
 */
export async function madeVectors(): Promise<VectorFile[]> {
  const wasm = readFileSync(corePath);
  const made: VectorFile[] = [];
  for (const { name, title, record } of scenarios) {
    made.push({ name: `${name}.txt`, text: vectorsOf(title, await record(), wasm) });
  }
  return made.sort((a, b) => (a.name < b.name ? -1 : 1));
}
