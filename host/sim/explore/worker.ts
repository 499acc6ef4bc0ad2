/** A thread that searches one setup and says what it found. */
import { parentPort, workerData } from "node:worker_threads";
import type { Build } from "./open.ts";
import { type Bounds, searchAll } from "./search.ts";
import type { TrialSetup } from "./setup.ts";

export interface Work {
  readonly setup: TrialSetup;
  readonly build: Build;
  readonly bounds: Bounds;
}

const { setup, build, bounds } = workerData as Work;
const result = await searchAll(setup, build, bounds, {
  onProgress: (progress) => parentPort?.postMessage({ progress }),
});
parentPort?.postMessage({ result });
