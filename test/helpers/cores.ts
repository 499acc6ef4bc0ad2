/**
 * The same core twice, as Wasm and as JavaScript, fed the same inputs: after every one all that
 * comes out (calls with their bytes, events with their partitions, timeouts) and the hash of the
 * state must be equal.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as assert from "uvu/assert";
import { Event, Result, type TimeoutReason } from "../../assembly/abi.ts";
import type {
  Core,
  CoreCommand,
  CoreEvent,
  CoreOptions,
  CorePartition,
  CoreUevent,
} from "../../host/core.ts";
import { loadJsCore, loadWasmCore } from "../../host/core.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { type Datagram, putDatagram } from "./datagrams.ts";
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
  readonly uevents: readonly CoreUevent[];
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
  readonly #isInPlace: boolean;

  /** `isInPlace`: the bytes of calls are those of the core, and hold until the completion. */
  constructor(
    cores: readonly Core[],
    isHashed: boolean = cores.length > 1,
    isInPlace: boolean = false,
  ) {
    this.cores = cores;
    this.#isHashed = isHashed;
    this.#isInPlace = isInPlace;
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

  datagram(now: bigint, slot: number, datagram: Datagram): Output {
    return this.#step(now, (core) => {
      putDatagram(core, slot, datagram);
      return core.handleDatagram(now, slot);
    });
  }

  overrun(now: bigint, group: number, count: number): Output {
    return this.#step(now, (core) => core.handleOverrun(now, group, count));
  }

  hash(): bigint {
    const [first, ...others] = this.cores.map((core) => core.stateHash());
    for (const other of others) assert.is(other, first, "the states differ");
    return first ?? 0n;
  }

  #step(now: bigint, input: (core: Core) => number): Output {
    this.now = now;
    const outputs = this.cores.map((core) =>
      drain(core, input(core), this.#isHashed, this.#isInPlace),
    );
    const [first, ...others] = outputs;
    if (first === undefined) throw new RangeError("no core");
    for (const other of others) {
      // A full comparison of big values is slow: only where they differ it is shown.
      if (!isDeepStrictEqual(first, other)) assert.equal(other, first, "the builds differ");
    }
    return first;
  }
}

function drain(core: Core, answer: number, isHashed: boolean, isInPlace: boolean): Output {
  const events: OutEvent[] = [];
  const uevents: CoreUevent[] = [];
  for (let event = core.pollEvent(); event; event = core.pollEvent()) {
    if (event.event === Event.Uevent) uevents.push(event);
    else events.push({ ...event, partitions: partitionsOf(core, event) });
  }
  const calls: OutCall[] = [];
  for (let call = core.pollCall(); call; call = core.pollCall()) {
    const own = core.buffers.subarray(call.buffer, call.buffer + call.bytes);
    calls.push({ ...call, bytes: isInPlace ? own : own.slice(), path: "image" });
  }
  const timeoutAt = core.pollTimeout();
  const hash = isHashed ? core.stateHash() : 0n;
  return { answer, calls, events, uevents, timeoutAt, reason: core.timeoutReason(), hash };
}

function partitionsOf(core: Core, event: CoreEvent): CorePartition[] {
  const partitions: CorePartition[] = [];
  if (![Event.Attached, Event.Probed, Event.Changed].includes(event.event)) return partitions;
  for (let index = 0; index < Number(event.result[Result.Partitions]); index++) {
    const partition = core.selectPartition(event.operation, index);
    if (partition) partitions.push(partition);
  }
  return partitions;
}
