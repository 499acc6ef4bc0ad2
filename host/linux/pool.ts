/**
 * A few threads for calls that can block, so that the event loop does not: started when needed,
 * one call each at a time, the rest waits in order. Knows nothing of what the calls do.
 *
 * A thread keeps the process alive only while it has a call. A call that is made is always
 * answered, even while the pool closes: its result may be a descriptor.
 */
import { Worker } from "node:worker_threads";
import { Errno } from "../../assembly/wire/linux.ts";
import type { TaskMessage, TaskName, Tasks } from "./worker.ts";

/** Source: include/uapi/asm-generic/errno.h. */
const ECANCELED = 125;

interface Job {
  readonly message: TaskMessage;
  /** bytes that an address in the message leads to */
  readonly keep: unknown;
  readonly answer: (result: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
}

export interface PoolOptions {
  /** threads at most; default 4 */
  readonly threads?: number;
  /** for tests: another file for the threads to run */
  readonly file?: URL;
}

export class Pool {
  readonly #max: number;
  readonly #file: URL;
  readonly #threads = new Set<Thread>();
  readonly #queue: Job[] = [];
  #closed = false;

  constructor(options: PoolOptions = {}) {
    this.#max = options.threads ?? 4;
    this.#file = options.file ?? new URL("./worker.js", import.meta.url);
  }

  /** Threads there are, idle ones too. */
  get threads(): number {
    return this.#threads.size;
  }

  /**
   * The task's result; never rejects. -EIO: the thread died, nobody knows what was done;
   * -ECANCELED: the pool was closed before the call was made. `keep` stays referenced until then.
   */
  run<N extends TaskName>(
    name: N,
    args: Parameters<Tasks[N]>,
    keep?: unknown,
  ): Promise<ReturnType<Tasks[N]> | number> {
    return new Promise((resolve) => {
      const answer = resolve as (result: unknown) => void;
      if (this.#closed) return answer(-ECANCELED);
      this.#queue.push({ message: [name, ...args], keep, answer });
      this.#pump();
    });
  }

  /** Ends idle threads at once and the others after their call, which it does not wait for. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.answer(-ECANCELED);
    const idle = [...this.#threads].filter((thread) => thread.job === undefined);
    await Promise.all(idle.map((thread) => thread.worker.terminate()));
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idle();
      const job = thread && this.#queue.shift();
      if (!job) return;
      thread.job = job;
      thread.worker.ref();
      thread.worker.postMessage(job.message);
    }
  }

  #idle(): Thread | undefined {
    for (const thread of this.#threads) if (thread.job === undefined) return thread;
    return this.#threads.size < this.#max ? this.#start() : undefined;
  }

  #start(): Thread {
    const worker = new Worker(this.#file, {
      // flags of the main thread such as --input-type would stop a thread from starting
      execArgv: [],
      trackUnmanagedFds: false,
    });
    const thread: Thread = { worker, job: undefined };
    this.#threads.add(thread);
    worker.on("message", (result: unknown) => this.#finish(thread, result));
    // "exit" follows every "error" and does the work
    worker.on("error", () => {});
    worker.on("exit", () => {
      this.#threads.delete(thread);
      this.#finish(thread, -Errno.EIO);
    });
    return thread;
  }

  #finish(thread: Thread, result: unknown): void {
    const job = thread.job;
    thread.job = undefined;
    thread.worker.unref();
    job?.answer(result);
    if (this.#closed) void thread.worker.terminate();
    else this.#pump();
  }
}
