/**
 * The loop: hand commands to the core, perform its calls, hand back completions, arm one timer.
 * Knows the boundary and nothing of loop devices; what an event means is the session's.
 */
import type { Core, CoreCommand, CoreEvent, CorePartition } from "./core.ts";
import { Command, Event, Fault, Result, Step } from "./core.ts";
import type { Kernel, KernelCall } from "./kernel.ts";
import { kebab, syscallName } from "./names.ts";
import type { StepReport } from "./types.ts";

/** What an operation came to. */
export interface Outcome {
  readonly event: CoreEvent;
  readonly partitions: readonly CorePartition[];
  /** `Event.Tried`, one for each lost try */
  readonly tries: readonly CoreEvent[];
}

export interface Watcher {
  /** the image, for `Place.Image` */
  readonly path?: string | undefined;
  readonly onWarning?: ((event: CoreEvent) => void) | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
}

interface Task {
  readonly command: CoreCommand;
  readonly watcher: Watcher;
  readonly tries: CoreEvent[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  operation: number;
  isAborted: boolean;
}

/** A running operation. `done` rejects only for bugs: failures are events. */
export interface Running {
  readonly done: Promise<Outcome>;
  abort(): void;
}

/** Calls made on the spot in one go; then other work of the process gets its turn. */
const SLICE_NS = 2_000_000n;

export class Driver {
  readonly #core: Core;
  readonly #kernel: Kernel;
  readonly #tasks = new Map<number, Task>();
  readonly #waiting: Task[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0n;
  #isDraining = false;
  #isScheduled = false;
  #isBroken = false;

  constructor(core: Core, kernel: Kernel) {
    this.#core = core;
    this.#kernel = kernel;
  }

  run(command: CoreCommand, watcher: Watcher): Running {
    let abort = (): void => {};
    const done = new Promise<Outcome>((resolve, reject) => {
      const task: Task = {
        command,
        watcher,
        tries: [],
        resolve,
        reject,
        operation: -1,
        isAborted: false,
      };
      abort = () => this.#abort(task);
      this.#waiting.push(task);
    });
    this.#step(() => {});
    return { done, abort: () => abort() };
  }

  #abort(task: Task): void {
    if (task.isAborted) return;
    task.isAborted = true;
    if (task.operation < 0) {
      // Not begun: the core takes it and is told at once, so that there is one way to end.
      return;
    }
    this.#step(() => this.#tellAbort(task.operation));
  }

  #tellAbort(operation: number): void {
    this.#core.handleCommand(this.#kernel.now(), { command: Command.Abort, number: operation });
  }

  /** One input, then all that follows from it. A bug in the core ends every operation. */
  #step(input: () => void): void {
    if (this.#isBroken) return;
    try {
      input();
      this.#drain();
    } catch (error) {
      this.#isBroken = true;
      clearTimeout(this.#timer);
      for (const task of [...this.#tasks.values(), ...this.#waiting]) task.reject(error);
      this.#tasks.clear();
      this.#waiting.length = 0;
    }
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      const until = this.#kernel.now() + SLICE_NS;
      this.#events();
      this.#begin();
      for (let call = this.#core.pollCall(); call; call = this.#core.pollCall()) {
        this.#perform(call);
        this.#events();
        this.#begin();
        if (this.#kernel.now() >= until) {
          this.#later();
          break;
        }
      }
    } finally {
      this.#isDraining = false;
    }
    this.#arm();
  }

  #later(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#step(() => {});
    });
  }

  /** Hands waiting commands in while the core has room. */
  #begin(): void {
    for (let task = this.#waiting[0]; task; task = this.#waiting[0]) {
      const operation = this.#core.handleCommand(this.#kernel.now(), task.command);
      if (operation === -Fault.Full) return;
      this.#waiting.shift();
      if (operation < 0) {
        task.reject(new RangeError(`the core refused the command: ${Fault[-operation]}`));
        continue;
      }
      task.operation = operation;
      this.#tasks.set(operation, task);
      if (task.isAborted) this.#tellAbort(operation);
      this.#events();
    }
  }

  #events(): void {
    for (let event = this.#core.pollEvent(); event; event = this.#core.pollEvent()) {
      const task = this.#tasks.get(event.operation);
      if (!task) continue;
      if (event.event === Event.Tried) {
        task.tries.push(event);
      } else if (event.event === Event.Warned) {
        guard(() => task.watcher.onWarning?.(event));
      } else {
        this.#tasks.delete(event.operation);
        task.resolve({ event, partitions: this.#partitions(event), tries: task.tries });
      }
    }
  }

  #partitions(event: CoreEvent): CorePartition[] {
    const partitions: CorePartition[] = [];
    if (event.event !== Event.Attached && event.event !== Event.Probed) return partitions;
    for (let index = 0; index < Number(event.result[Result.Partitions]); index++) {
      const partition = this.#core.selectPartition(event.operation, index);
      if (partition) partitions.push(partition);
    }
    return partitions;
  }

  #perform(call: NonNullable<ReturnType<Core["pollCall"]>>): void {
    const task = this.#tasks.get(call.operation);
    const startNs = this.#kernel.now();
    const request: KernelCall = {
      ...call,
      bytes: this.#core.buffers.subarray(call.buffer, call.buffer + call.bytes),
      path: task?.watcher.path,
    };
    const finish = (result: number): void => {
      const onStep = task?.watcher.onStep;
      if (onStep) guard(() => onStep(report(request, result, startNs, this.#kernel.now())));
      const fault = this.#core.handleCompletion(this.#kernel.now(), call.ticket, result);
      if (fault !== Fault.Ok)
        throw new RangeError(`the core refused a completion: ${Fault[fault]}`);
    };
    const result = this.#kernel.perform(request);
    if (typeof result === "number") finish(result);
    else void result.then((value) => this.#step(() => finish(value)));
  }

  /** One timer for the earliest deadline; it keeps the process alive while operations run. */
  #arm(): void {
    const at = this.#core.pollTimeout();
    if (at === this.#timerAt && this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = at;
    if (at === 0n) return;
    const milliseconds = Number((at - this.#kernel.now() + 999_999n) / 1_000_000n);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#step(() => void this.#core.handleTimeout(this.#kernel.now()));
      },
      Math.min(Math.max(milliseconds, 0), 0x7fffffff),
    );
  }
}

/** What a callback of the application throws is its own uncaught error, not the driver's end. */
function guard(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function report(call: KernelCall, result: number, startNs: bigint, endNs: bigint): StepReport {
  return {
    step: kebab(Step[call.step] ?? "unknown"),
    syscall: syscallName(call.call, call.request),
    result,
    startMs: Number(startNs) / 1e6,
    durationMs: Number(endNs - startNs) / 1e6,
  };
}
