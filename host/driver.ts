/**
 * The loop: hand commands to the core, perform its calls, hand back completions, arm one timer.
 * Knows the boundary and nothing of loop devices; what an event means is the session's.
 */
import type { Core, CoreCommand, CoreEvent, CorePartition, CoreUevent } from "./core.ts";
import { Command, DatagramWord, Event, Fault, Group, Limit, Result, Step } from "./core.ts";
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

/** A datagram that counts for nothing: the slot's record, and why. */
export interface Refusal {
  readonly fault: Fault;
  readonly group: number;
  readonly portId: number;
  readonly pid: number;
  readonly uid: number;
  readonly bytes: number;
}

/** What a subscription hears. */
export interface Listener {
  /** Every group asked for is subscribed to, or cannot be. */
  listening(): void;
  /** `memory` holds the datagram where the event says, until this returns; when it was received. */
  uevent(event: CoreUevent, memory: Uint8Array, receivedNs: bigint): void;
  /** `Event.Lost` */
  lost(event: CoreEvent): void;
  refused(refusal: Refusal): void;
}

export interface Watcher {
  /** the image, for `Place.Image` */
  readonly path?: string | undefined;
  readonly onWarning?: ((event: CoreEvent) => void) | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly listener?: Listener | undefined;
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

/** Events after which partitions may be read. */
const withPartitions: readonly Event[] = [Event.Attached, Event.Probed, Event.Changed];

/** Calls made on the spot in one go; then other work of the process gets its turn. */
const SLICE_NS = 2_000_000n;

export class Driver {
  readonly #core: Core;
  readonly #kernel: Kernel;
  readonly #records: DataView;
  readonly #tasks = new Map<number, Task>();
  /** Commands that the core has no room for: of operations, of watches. */
  readonly #waiting: readonly [Task[], Task[]] = [[], []];
  readonly #listeners = new Set<Listener>();
  readonly #running = new Set<Running>();
  /** Datagrams of each group so far, also those that count for nothing. */
  readonly received: Record<number, number> = { [Group.Kernel]: 0, [Group.Udev]: 0 };
  #receivedNs = 0n;
  #isWanted: ((datagram: Uint8Array) => boolean) | undefined;
  /** Cancels the timer that is armed. */
  #timer: (() => void) | undefined;
  #timerAt = 0n;
  #isDraining = false;
  #isScheduled = false;
  #isBroken = false;

  constructor(core: Core, kernel: Kernel) {
    this.#core = core;
    this.#kernel = kernel;
    this.#records = core.records;
    kernel.connect({
      slots: core.slots,
      records: core.records,
      datagrams: (count) => this.#step(() => this.#datagrams(count)),
      lost: (group, count) => this.#step(() => void core.handleOverrun(kernel.now(), group, count)),
    });
  }

  /** See `Kernel`. */
  receiveBufferBytes(group: number): number | undefined {
    return this.#kernel.receiveBufferBytes(group);
  }

  /** From here on only datagrams that are wanted are handed in; undefined: all of them. */
  sieve(isWanted: ((datagram: Uint8Array) => boolean) | undefined): void {
    this.#isWanted = isWanted;
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
      const isWatch = command.command === Command.Wait || command.command === Command.Watch;
      this.#waiting[isWatch ? 1 : 0].push(task);
      if (watcher.listener) this.#listeners.add(watcher.listener);
    });
    const running: Running = { done, abort: () => abort() };
    this.#running.add(running);
    const forget = () => void this.#running.delete(running);
    done.then(forget, forget);
    this.#step(() => {});
    return running;
  }

  /** Gives up all that is under way; resolves when it has ended. */
  async close(): Promise<void> {
    const all = [...this.#running];
    for (const { abort } of all) abort();
    await Promise.allSettled(all.map(({ done }) => done));
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
      this.#timer?.();
      const waiting = this.#waiting.flatMap((queue) => queue.splice(0));
      for (const task of [...this.#tasks.values(), ...waiting]) task.reject(error);
      this.#tasks.clear();
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
    for (const queue of this.#waiting) this.#beginFrom(queue);
  }

  #beginFrom(queue: Task[]): void {
    for (let task = queue[0]; task; task = queue[0]) {
      const operation = this.#core.handleCommand(this.#kernel.now(), task.command);
      if (operation === -Fault.Full) return;
      queue.shift();
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
      if (task) this.#tell(task, event);
    }
  }

  #tell(task: Task, event: CoreEvent | CoreUevent): void {
    const { listener, onWarning } = task.watcher;
    switch (event.event) {
      case Event.Uevent:
        listener?.uevent(event, this.#core.buffers, this.#receivedNs);
        break;
      case Event.Lost:
        listener?.lost(event);
        break;
      case Event.Listening:
        listener?.listening();
        break;
      case Event.Tried:
        task.tries.push(event);
        break;
      case Event.Warned:
        guard(() => onWarning?.(event));
        break;
      default:
        this.#tasks.delete(event.operation);
        if (listener) this.#listeners.delete(listener);
        task.resolve({ event, partitions: this.#partitions(event), tries: task.tries });
    }
  }

  /** The events of a datagram are told before the next one: its slot holds what they are about. */
  #datagrams(count: number): void {
    const now = this.#kernel.now();
    this.#receivedNs = now;
    for (let slot = 0; slot < count; slot++) {
      if (this.#isWanted?.(this.#datagram(slot)) === false) continue;
      const fault = this.#core.handleDatagram(now, slot);
      const group = this.#record(slot, DatagramWord.Group);
      this.received[group] = (this.received[group] ?? 0) + 1;
      if (fault === Fault.Ok) this.#events();
      else if (this.#listeners.size > 0) this.#refuse(slot, fault, group);
    }
  }

  #refuse(slot: number, fault: Fault, group: number): void {
    const refusal: Refusal = {
      fault,
      group,
      portId: this.#record(slot, DatagramWord.PortId) >>> 0,
      pid: this.#record(slot, DatagramWord.Pid),
      uid: this.#record(slot, DatagramWord.Uid) >>> 0,
      bytes: this.#record(slot, DatagramWord.Bytes),
    };
    for (const listener of this.#listeners) listener.refused(refusal);
  }

  #datagram(slot: number): Uint8Array {
    const at = slot * Limit.DatagramBytes;
    return this.#core.slots.subarray(at, at + this.#record(slot, DatagramWord.Bytes));
  }

  #record(slot: number, word: DatagramWord): number {
    return this.#records.getInt32((slot * DatagramWord.Words + word) * 4, true);
  }

  #partitions(event: CoreEvent): CorePartition[] {
    const partitions: CorePartition[] = [];
    if (!withPartitions.includes(event.event)) return partitions;
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
    this.#timer?.();
    this.#timer = undefined;
    this.#timerAt = at;
    if (at === 0n) return;
    const ring = (): void => {
      this.#timer = undefined;
      this.#step(() => void this.#core.handleTimeout(this.#kernel.now()));
    };
    this.#timer = this.#kernel.alarm?.(at, ring) ?? setAlarm(at - this.#kernel.now(), ring);
  }
}

/** A timer of Node's; what it returns cancels it. */
export function setAlarm(delayNs: bigint, ring: () => void): () => void {
  const milliseconds = Number((delayNs + 999_999n) / 1_000_000n);
  const timer = setTimeout(ring, Math.min(Math.max(milliseconds, 0), 0x7fffffff));
  return () => clearTimeout(timer);
}

/** What a callback of the application throws is its own uncaught error, not the driver's end. */
export function guard(callback: () => void): void {
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
