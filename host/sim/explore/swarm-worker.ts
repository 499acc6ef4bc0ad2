/** A thread that goes the ways of some seeds and says what it found. */
import { parentPort, workerData } from "node:worker_threads";
import type { Build } from "./open.ts";
import type { TrialSetup } from "./setup.ts";
import { swarm } from "./swarm.ts";

export interface SwarmWork {
  readonly first: number;
  readonly count: number;
  /** every so many seeds one */
  readonly step: number;
  readonly fixed: Partial<TrialSetup>;
  readonly build: Build;
}

const { first, count, step, fixed, build } = workerData as SwarmWork;

function* seeds(): Generator<number> {
  for (let seed = first; seed < first + count; seed += step) yield seed;
}

const result = await swarm(seeds(), fixed, build, (done) => {
  if (done % 100 === 0) parentPort?.postMessage({ progress: done });
});
parentPort?.postMessage({ result });
