/**
 * Ctrl-C and its like: abort, wait for the undo, then die of the same signal.
 *
 * The work gets an AbortSignal; `Interruption` is its reason and what the caller sees once the work
 * has settled. Dying itself is left to `main.ts`, after everybody has cleaned up.
 */
import type { Context } from "./table.ts";

const deadly = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class Interruption extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals, cause?: unknown) {
    super(`interrupted by ${signal}`, cause === undefined ? undefined : { cause });
    this.signal = signal;
  }
}
Object.defineProperty(Interruption.prototype, "name", { value: "Interruption" });

/**
 * Runs work that undoes itself on abort; rejects with an Interruption when a signal came.
 *
 * Work that calls `commit` has done what it was asked for: from then on signals are ignored until
 * the process ends, so that its exit code tells the truth.
 */
export async function interruptible<T>(
  where: string,
  context: Context,
  work: (signal: AbortSignal, commit: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let isCommitted = false;
  const stop = listen(deadly, (signal) => {
    if (!isCommitted && !controller.signal.aborted) {
      context.stderr.write(`diskseq: ${where}: ${signal}: stopping, cleaning up\n`);
      controller.abort(new Interruption(signal));
    }
  });
  try {
    const result = await work(controller.signal, () => {
      isCommitted = true;
    });
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    const reason = controller.signal.reason as Interruption | undefined;
    if (reason === undefined || error === reason) {
      throw error;
    }
    // The undo itself failed: both facts matter.
    throw new Interruption(reason.signal, error);
  } finally {
    if (!isCommitted) {
      stop();
    }
  }
}

/** Handles signals until the returned function is called. */
export function listen(
  signals: readonly NodeJS.Signals[],
  handle: (signal: NodeJS.Signals) => void,
): () => void {
  for (const signal of signals) {
    process.on(signal, handle);
  }
  return () => {
    for (const signal of signals) {
      process.off(signal, handle);
    }
  };
}
