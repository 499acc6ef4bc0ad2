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
  readonly signal?: AbortSignal | undefined;
}

/** The results in the order of the setups, which is that of the searches. Rejects with the
 * signal's reason. */
export function searchOnThreads(
  setups: readonly TrialSetup[],
  build: Build,
  bounds: Bounds,
  threads: number,
  hooks: Hooks = {},
): Promise<SearchResult[]> {
  return withThreads(hooks.signal, async (onThread) => {
    const results: SearchResult[] = [];
    const running = new Map<number, Running>();
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let index = next++; index < setups.length; index = next++) {
        hooks.signal?.throwIfAborted();
        const setup = setups[index] as TrialSetup;
        const work: Work = { setup, build, bounds };
        running.set(index, { setup, progress: undefined });
        const result = await onThread<SearchResult, Progress>("worker.js", work, (progress) => {
          running.set(index, { setup, progress });
          hooks.onProgress?.([...running.values()]);
        });
        results[index] = result;
        running.delete(index);
        hooks.onResult?.(result);
      }
    };
    await Promise.all(Array.from({ length: Math.min(threads, setups.length) }, lane));
    return results;
  });
}

/** Many seeds, divided among threads. */
export function swarmOnThreads(
  work: Omit<SwarmWork, "step">,
  threads: number,
  hooks: { readonly onProgress?: (done: number) => void; readonly signal?: AbortSignal } = {},
): Promise<SwarmResult> {
  return withThreads(hooks.signal, async (onThread) => {
    const done = new Map<number, number>();
    const lanes = Array.from({ length: Math.min(threads, work.count) }, (_, lane) => {
      const count = work.count - lane;
      const own: SwarmWork = { ...work, first: work.first + lane, count, step: threads };
      return onThread<SwarmResult, number>("swarm-worker.js", own, (progress) => {
        done.set(lane, progress);
        hooks.onProgress?.([...done.values()].reduce((sum, value) => sum + value, 0));
      });
    });
    return joinSwarms(await Promise.all(lanes));
  });
}

/** Runs a file of this folder on a thread to its result. */
type OnThread = <Result, Report>(
  file: string,
  workerData: unknown,
  onProgress: (progress: Report) => void,
) => Promise<Result>;

/** Threads that end with the work: when it fails, and when the signal comes. */
async function withThreads<T>(
  signal: AbortSignal | undefined,
  work: (onThread: OnThread) => Promise<T>,
): Promise<T> {
  const workers = new Set<Worker>();
  const stop = () => {
    for (const worker of workers) void worker.terminate();
  };
  const onThread = <Result, Report>(
    file: string,
    workerData: unknown,
    onProgress: (progress: Report) => void,
  ): Promise<Result> => {
    const worker = new Worker(new URL(file, import.meta.url), { workerData });
    workers.add(worker);
    return resultOf<Result, Report>(worker, onProgress).finally(() => workers.delete(worker));
  };
  signal?.addEventListener("abort", stop);
  try {
    return await work(onThread);
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

function resultOf<Result, Report>(
  worker: Worker,
  onProgress: (progress: Report) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    worker.on("message", (message: { progress?: Report; result?: Result }) => {
      if (message.progress !== undefined) onProgress(message.progress);
      if (message.result !== undefined) resolve(message.result);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a thread ended without a result (${code})`)));
  });
}
