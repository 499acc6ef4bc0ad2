/**
 * Runs a property of fast-check. A failure says how to run its one case alone:
 * `DISKSEQ_SEED=... DISKSEQ_PATH=... node build/test/diff/FILE.js`. `DISKSEQ_RUNS=10000` looks
 * further, `DISKSEQ_SEED=random` elsewhere.
 */
import { relative } from "node:path";
import * as fc from "fast-check";
import { packageRoot } from "../helpers/root.ts";

const defaultSeed = 4711;

export async function check<T>(
  property: fc.IAsyncProperty<T>,
  numRuns: number,
  show: (value: T) => string = (value) => fc.stringify(value),
): Promise<void> {
  const { DISKSEQ_SEED: seedText, DISKSEQ_PATH: path, DISKSEQ_RUNS: runsText } = process.env;
  const seed = seedText === "random" ? Date.now() % 2 ** 31 : Number(seedText ?? defaultSeed);
  const runs = Number(runsText ?? numRuns);
  const details = await fc.check(property, {
    seed,
    numRuns: runs,
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const cause = details.errorInstance;
  const file = relative(packageRoot, process.argv[1] ?? "");
  // The path to the case as it was found: what follows the first colon is how it was shrunk.
  const found = details.counterexamplePath?.split(":")[0];
  const command = `DISKSEQ_SEED=${seed} DISKSEQ_PATH=${found} node ${file}`;
  const example = details.counterexample ? show(details.counterexample) : "none";
  throw new Error(`${String(cause)}\nalone: ${command}\ninput: ${example}`, { cause });
}
