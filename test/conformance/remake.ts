/**
 * Makes the vectors again from their scenarios, and the words of README.md from `assembly/abi.ts`:
 * `node build/test/conformance/remake.js`. Whoever changes what the core does, or its words, runs
 * it and commits what it wrote.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { madeVectors, vectorsDirectory } from "./vectors.ts";
import { readmePath, wordedReadme } from "./words.ts";

rmSync(vectorsDirectory, { recursive: true, force: true });
mkdirSync(vectorsDirectory);
for (const { name, text } of await madeVectors()) {
  writeFileSync(join(vectorsDirectory, name), text);
  console.log(`${name}: ${text.split("\n").length - 1} lines, ${text.length} bytes`);
}
writeFileSync(readmePath, wordedReadme());
