/**
 * The same core twice, as Wasm and as JavaScript, fed the same inputs: after every one all that
 * comes out (calls with their bytes, events with their partitions, timeouts) and the hash of the
 * state must be equal. `Bench` drives such a pair against a kernel in virtual time.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as assert from "uvu/assert";
import { Command, Event, type Fault, Result, type TimeoutReason } from "../../assembly/abi.ts";
import type { Core, CoreCommand, CoreEvent, CoreOptions, CorePartition } from "../../host/core.ts";
import { loadJsCore, loadWasmCore } from "../../host/core.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { packageRoot } from "./root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/core.wasm"));

export function openWasm(options: Partial<CoreOptions> = {}): Core {
  return loadWasmCore(wasmBytes, options);
}

/** Wasm and JavaScript side by side. */
export async function openBoth(options: Partial<CoreOptions> = {}): Promise<Lockstep> {
  return new Lockstep([openWasm(options), await loadJsCore(options)]);
}

/** The JavaScript build alone, where speed or a wrapped method matters. */
export async function openJs(options: Partial<CoreOptions> = {}): Promise<Lockstep> {
  return new Lockstep([await loadJsCore(options)]);
}

export interface OutCall extends KernelCall {
  /** where its bytes lie in `Core.buffers` */
  readonly buffer: number;
}

export interface OutEvent extends CoreEvent {
  readonly partitions: readonly CorePartition[];
}

/** All that comes of one input. */
export interface Output {
  readonly answer: number;
  readonly calls: readonly OutCall[];
  readonly events: readonly OutEvent[];
  readonly timeoutAt: bigint;
  readonly reason: TimeoutReason;
  /** 0n where there is nothing to compare it with */
  readonly hash: bigint;
}

export class Lockstep {
  readonly cores: readonly Core[];
  /** the latest time the cores have heard of */
  now = 1_000_000n;

  readonly #isHashed: boolean;

  constructor(cores: readonly Core[], isHashed: boolean = cores.length > 1) {
    this.cores = cores;
    this.#isHashed = isHashed;
  }

  command(now: bigint, command: CoreCommand): Output {
    return this.#step(now, (core) => core.handleCommand(now, command));
  }

  /** `bytes`: what the call left in its buffer. */
  complete(now: bigint, call: OutCall, result: number, bytes?: Uint8Array): Output {
    return this.completeTicket(now, call.ticket, result, call.buffer, bytes);
  }

  completeTicket(
    now: bigint,
    ticket: number,
    result: number,
    buffer: number,
    bytes?: Uint8Array,
  ): Output {
    return this.#step(now, (core) => {
      if (bytes) core.buffers.set(bytes, buffer);
      return core.handleCompletion(now, ticket, result);
    });
  }

  timeout(now: bigint): Output {
    return this.#step(now, (core) => core.handleTimeout(now));
  }

  hash(): bigint {
    const [first, ...others] = this.cores.map((core) => core.stateHash());
    for (const other of others) assert.is(other, first, "the states differ");
    return first ?? 0n;
  }

  #step(now: bigint, input: (core: Core) => number): Output {
    this.now = now;
    const outputs = this.cores.map((core) => drain(core, input(core), this.#isHashed));
    const [first, ...others] = outputs;
    if (first === undefined) throw new RangeError("no core");
    for (const other of others) {
      // A full comparison of big values is slow: only where they differ it is shown.
      if (!isDeepStrictEqual(first, other)) assert.equal(other, first, "the builds differ");
    }
    return first;
  }
}

function drain(core: Core, answer: number, isHashed: boolean): Output {
  const events: OutEvent[] = [];
  for (let event = core.pollEvent(); event; event = core.pollEvent()) {
    events.push({ ...event, partitions: partitionsOf(core, event) });
  }
  const calls: OutCall[] = [];
  for (let call = core.pollCall(); call; call = core.pollCall()) {
    const bytes = core.buffers.slice(call.buffer, call.buffer + call.bytes);
    calls.push({ ...call, bytes, path: "image" });
  }
  const timeoutAt = core.pollTimeout();
  const hash = isHashed ? core.stateHash() : 0n;
  return { answer, calls, events, timeoutAt, reason: core.timeoutReason(), hash };
}

function partitionsOf(core: Core, event: CoreEvent): CorePartition[] {
  const partitions: CorePartition[] = [];
  if (event.event !== Event.Attached && event.event !== Event.Probed) return partitions;
  for (let index = 0; index < Number(event.result[Result.Partitions]); index++) {
    const partition = core.selectPartition(event.operation, index);
    if (partition) partitions.push(partition);
  }
  return partitions;
}

export interface Answered {
  readonly result: number;
  /** until the completion is there; undefined: never */
  readonly delayNs: bigint | undefined;
}

/** What a bench needs of a kernel. */
export interface Answering {
  answer(call: KernelCall, now: bigint): Answered;
}

/** One command and all that came of it. */
export interface Operation {
  readonly operation: number;
  readonly warnings: readonly OutEvent[];
  readonly tries: readonly OutEvent[];
  /** the one event that ended it */
  readonly end: OutEvent | undefined;
}

interface Running extends Operation {
  readonly warnings: OutEvent[];
  readonly tries: OutEvent[];
  end: OutEvent | undefined;
}

interface Pending {
  readonly due: bigint | undefined;
  readonly call: OutCall;
  readonly result: number;
}

const callNs = 1_000n;
/** More inputs than any operation needs: a livelock. */
const inputsMax = 6_000;

export class Bench {
  now: bigint;
  /** calls that were handed out, in order */
  readonly calls: OutCall[] = [];
  /** Runs while the call is out, just before its completion; may abort, or let time pass. */
  beforeDelivery: ((call: OutCall, index: number) => void) | undefined;
  readonly lockstep: Lockstep;
  readonly #kernel: Answering;
  readonly #running = new Map<number, Running>();
  #pending: Pending[] = [];
  #timeoutAt = 0n;
  #reason: TimeoutReason = 0;
  #inputs = 0;

  constructor(lockstep: Lockstep, kernel: Answering) {
    this.lockstep = lockstep;
    this.now = lockstep.now;
    this.#kernel = kernel;
  }

  /** Starts an operation; the core must take it. */
  start(command: CoreCommand): Operation {
    const output = this.lockstep.command(this.now, command);
    assert.ok(output.answer >= 0, `refused: ${-output.answer}`);
    const running: Running = {
      operation: output.answer,
      warnings: [],
      tries: [],
      end: undefined,
    };
    this.#running.set(running.operation, running);
    this.#take(output);
    return running;
  }

  /** Runs one operation to its end, and all others as far as they go. */
  run(command: CoreCommand): OutEvent {
    const operation = this.start(command);
    this.settle();
    assert.ok(operation.end, "it did not end");
    return operation.end;
  }

  abort(operation: number): void {
    this.#take(this.lockstep.command(this.now, { command: Command.Abort, number: operation }));
  }

  /** The core's next deadline and why; 0n: none. */
  get timeout(): { readonly at: bigint; readonly reason: TimeoutReason } {
    return { at: this.#timeoutAt, reason: this.#reason };
  }

  /** Calls without a completion. */
  get out(): readonly OutCall[] {
    return this.#pending.map(({ call }) => call);
  }

  /** Delivers completions and timeouts in order of time until nothing more happens by itself. */
  settle(until = 1n << 62n): void {
    for (;;) {
      const next = this.#next();
      const dueAt = next?.due ?? 1n << 63n;
      const at = this.#timeoutAt !== 0n && this.#timeoutAt < dueAt ? this.#timeoutAt : dueAt;
      if (at > until) return;
      assert.ok(++this.#inputs < inputsMax, "it does not come to rest");
      if (next && at === dueAt) this.#deliver(next, at);
      else this.timeoutAt(at);
    }
  }

  /** Lets time pass while calls are out. */
  timeoutAt(at: bigint): void {
    if (at > this.now) this.now = at;
    this.#take(this.lockstep.timeout(this.now));
  }

  /** The completions of calls that never returned arrive after all. */
  returnHung(): void {
    this.#pending = this.#pending.map((one) =>
      one.due ? one : { ...one, due: this.now + callNs },
    );
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const one of this.#pending) {
      if (one.due !== undefined && (first?.due === undefined || one.due < first.due)) first = one;
    }
    return first;
  }

  #deliver(pending: Pending, at: bigint): void {
    if (at > this.now) this.now = at;
    this.beforeDelivery?.(pending.call, this.calls.indexOf(pending.call));
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    const { call, result } = pending;
    const output = this.lockstep.complete(this.now, call, result, call.bytes);
    assert.is(output.answer as Fault, 0, "the completion was refused");
    this.#take(output);
  }

  #take(output: Output): void {
    this.#timeoutAt = output.timeoutAt;
    this.#reason = output.reason;
    for (const event of output.events) this.#tell(event);
    for (const call of output.calls) {
      this.calls.push(call);
      const { result, delayNs } = this.#kernel.answer(call, this.now);
      const due = delayNs === undefined ? undefined : this.now + callNs + delayNs;
      this.#pending.push({ due, call, result });
    }
  }

  #tell(event: OutEvent): void {
    const running = this.#running.get(event.operation);
    assert.ok(running, `${Event[event.event]} of no operation`);
    assert.not.ok(running.end, `${Event[event.event]} after the end`);
    if (event.event === Event.Warned) running.warnings.push(event);
    else if (event.event === Event.Tried) running.tries.push(event);
    else running.end = event;
  }
}
