/** Searches and swarms on threads, as many at a time as there are to be. */
import { Worker } from "node:worker_threads";
import type { Build } from "./open.ts";
import type { Bounds, Progress, SearchResult } from "./search.ts";
import type { TrialSetup } from "./setup.ts";
import { joinSwarms, type SwarmResult } from "./swarm.ts";
import type { SwarmWork } from "./swarm-worker.ts";
import type { Work } from "./worker.ts";

export interface Running {
  readonly setup: TrialSetup;
  readonly progress: Progress | undefined;
}

export interface Hooks {
  /** what runs just now */
  readonly onProgress?: (running: readonly Running[]) => void;
  readonly onResult?: (result: SearchResult) => void;
  readonly signal?: AbortSignal;
}

/** The results in the order of the setups, which is that of the searches. Rejects with the
 * signal's reason. */
export async function searchOnThreads(
  setups: readonly TrialSetup[],
  build: Build,
  bounds: Bounds,
  threads: number,
  hooks: Hooks = {},
): Promise<SearchResult[]> {
  const results: SearchResult[] = [];
  const running = new Map<number, Running>();
  const workers = new Set<Worker>();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < setups.length; index = next++) {
      const setup = setups[index] as TrialSetup;
      running.set(index, { setup, progress: undefined });
      results[index] = await search({ setup, build, bounds }, workers, (progress) => {
        running.set(index, { setup, progress });
        hooks.onProgress?.([...running.values()]);
      });
      running.delete(index);
      hooks.onResult?.(results[index]);
    }
  };
  const stop = () => {
    next = setups.length;
    for (const worker of workers) void worker.terminate();
  };
  hooks.signal?.addEventListener("abort", stop);
  try {
    await Promise.all(Array.from({ length: Math.min(threads, setups.length) }, lane));
    return results;
  } catch (error) {
    stop();
    throw hooks.signal?.aborted ? hooks.signal.reason : error;
  } finally {
    hooks.signal?.removeEventListener("abort", stop);
  }
}

function search(
  work: Work,
  workers: Set<Worker>,
  onProgress: (progress: Progress) => void,
): Promise<SearchResult> {
  return onThread<SearchResult, Progress>("worker.js", work, workers, onProgress);
}

/** Many seeds, divided among threads. */
export async function swarmOnThreads(
  work: Omit<SwarmWork, "step">,
  threads: number,
  hooks: { readonly onProgress?: (done: number) => void; readonly signal?: AbortSignal } = {},
): Promise<SwarmResult> {
  const workers = new Set<Worker>();
  const done = new Map<number, number>();
  const stop = () => {
    for (const worker of workers) void worker.terminate();
  };
  hooks.signal?.addEventListener("abort", stop);
  try {
    const lanes = Array.from({ length: Math.min(threads, work.count) }, (_, lane) => {
      const count = work.count - lane;
      const own: SwarmWork = { ...work, first: work.first + lane, count, step: threads };
      return onThread<SwarmResult, number>("swarm-worker.js", own, workers, (progress) => {
        done.set(lane, progress);
        hooks.onProgress?.([...done.values()].reduce((sum, value) => sum + value, 0));
      });
    });
    return joinSwarms(await Promise.all(lanes));
  } catch (error) {
    stop();
    throw hooks.signal?.aborted ? hooks.signal.reason : error;
  } finally {
    hooks.signal?.removeEventListener("abort", stop);
  }
}

function onThread<Result, Report>(
  file: string,
  workerData: unknown,
  workers: Set<Worker>,
  onProgress: (progress: Report) => void,
): Promise<Result> {
  const worker = new Worker(new URL(file, import.meta.url), { workerData });
  workers.add(worker);
  return new Promise<Result>((resolve, reject) => {
    worker.on("message", (message: { progress?: Report; result?: Result }) => {
      if (message.progress !== undefined) onProgress(message.progress);
      if (message.result !== undefined) resolve(message.result);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a thread ended without a result (${code})`)));
  }).finally(() => workers.delete(worker));
}
