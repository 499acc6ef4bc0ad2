/**
 * Drives cores against a kernel in virtual time: completions, datagrams and timeouts arrive in the
 * order of their times, and what was told is kept by operation.
 */
import * as assert from "uvu/assert";
import { Command, Event, Fault, type Group, type TimeoutReason } from "../../assembly/abi.ts";
import type { CoreCommand, CoreUevent } from "../../host/core.ts";
import type { KernelCall } from "../../host/kernel.ts";
import type { Lockstep, OutCall, OutEvent, Output } from "./cores.ts";
import type { Datagram } from "./datagrams.ts";
import type { Hearing } from "./uevents.ts";

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
  /** a subscription's: `Event.Listening`, what it heard, what it did not */
  readonly listening: readonly OutEvent[];
  readonly uevents: readonly CoreUevent[];
  readonly losses: readonly OutEvent[];
  /** the one event that ended it */
  readonly end: OutEvent | undefined;
}

interface Running extends Operation {
  readonly warnings: OutEvent[];
  readonly tries: OutEvent[];
  readonly listening: OutEvent[];
  readonly uevents: CoreUevent[];
  readonly losses: OutEvent[];
  end: OutEvent | undefined;
}

interface Pending {
  readonly due: bigint | undefined;
  readonly call: OutCall;
  readonly result: number;
}

interface Due {
  readonly due: bigint;
  readonly run: () => void;
}

const callNs = 1_000n;

export class Bench implements Hearing {
  now: bigint;
  /** More inputs than any operation needs: a livelock. */
  inputsMax = 6_000;
  /** calls that were handed out, in order */
  readonly calls: OutCall[] = [];
  /** events that were told, in order, but `Event.Uevent` */
  readonly events: OutEvent[] = [];
  /** Runs while the call is out, just before its completion; may abort, or let time pass. */
  beforeDelivery: ((call: OutCall, index: number) => void) | undefined;
  readonly lockstep: Lockstep;
  readonly #kernel: Answering;
  readonly #running = new Map<number, Running>();
  #pending: Pending[] = [];
  #due: Due[] = [];
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
      listening: [],
      uevents: [],
      losses: [],
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

  /** Hands a datagram in; `Fault.Ok`, or why it counts for nothing. */
  hear(datagram: Datagram): Fault {
    const output = this.lockstep.datagram(this.now, 0, datagram);
    this.#take(output);
    return output.answer;
  }

  /** Events of a group were lost. */
  overrun(group: Group, count: number): void {
    const output = this.lockstep.overrun(this.now, group, count);
    assert.is(output.answer as Fault, Fault.Ok);
    this.#take(output);
  }

  later(delayNs: bigint, run: () => void): void {
    this.#due.push({ due: this.now + delayNs, run });
  }

  /**
   * Delivers completions, what was put off, and timeouts in order of time until nothing more
   * happens by itself.
   */
  settle(until = 1n << 62n): void {
    for (;;) {
      const call = first(this.#pending);
      const due = first(this.#due);
      const dueAt = due?.due ?? never;
      const callAt = call?.due ?? never;
      const timeoutAt = this.#timeoutAt || never;
      const at = [dueAt, callAt, timeoutAt].reduce((a, b) => (b < a ? b : a));
      if (at > until) return;
      assert.ok(++this.#inputs < this.inputsMax, "it does not come to rest");
      if (due && at === dueAt) this.#runDue(due);
      else if (call && at === callAt) this.#deliver(call, at);
      else this.timeoutAt(at);
    }
  }

  /** The same for a while. */
  pass(ns: bigint): void {
    const until = this.now + ns;
    this.settle(until);
    this.now = until;
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

  #runDue(due: Due): void {
    if (due.due > this.now) this.now = due.due;
    this.#due.splice(this.#due.indexOf(due), 1);
    due.run();
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
    for (const uevent of output.uevents) this.#at(uevent).uevents.push(uevent);
    for (const call of output.calls) {
      this.calls.push(call);
      const { result, delayNs } = this.#kernel.answer(call, this.now);
      const due = delayNs === undefined ? undefined : this.now + callNs + delayNs;
      this.#pending.push({ due, call, result });
    }
  }

  #tell(event: OutEvent): void {
    const running = this.#at(event);
    this.events.push(event);
    switch (event.event) {
      case Event.Warned:
        running.warnings.push(event);
        break;
      case Event.Tried:
        running.tries.push(event);
        break;
      case Event.Listening:
        running.listening.push(event);
        break;
      case Event.Lost:
        running.losses.push(event);
        break;
      default:
        running.end = event;
    }
  }

  /** Who an event is for; it must not have ended. */
  #at({ event, operation }: OutEvent | CoreUevent): Running {
    const running = this.#running.get(operation);
    assert.ok(running, `${Event[event]} of no operation`);
    assert.not.ok(running.end, `${Event[event]} after the end`);
    return running;
  }
}

const never = 1n << 63n;

/** The first in time of what has one; of equal ones the first in the list. */
function first<T extends { readonly due: bigint | undefined }>(list: readonly T[]): T | undefined {
  let found: T | undefined;
  for (const one of list) {
    if (one.due !== undefined && (found?.due === undefined || one.due < found.due)) found = one;
  }
  return found;
}
