/**
 * Decides when what is under way goes on: calls of all processes, datagrams on their way, time.
 *
 * Without a seed a call is run to its end at once, and datagrams follow when the event loop has its
 * turn, as with the real kernel. With one every call is stepped from choice point to choice point,
 * and the seed draws who goes on. Knows no process and no call.
 */
import { Limit } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import type { Clock } from "./clock.ts";
import { type Model, Step } from "./model.ts";
import type { Random } from "./random.ts";

/** Calls that can be under way at once; others wait for their turn. */
export const tasksMax = 8;
/** Room for the bytes of each, and behind them for one datagram and its record. */
export const datagramAt = tasksMax * Limit.BufferBytes;
export const buffersBytes = datagramAt + Limit.DatagramBytes + 64;

/** Turns of the event loop without work after which there is none. */
const idleTurns = 3;

export interface Job {
  /** Begins it, its bytes from `at` on among the model's buffers: its task, -1: none is free. */
  begin(at: number): number;
  /** Takes what it left there; the completion. */
  finish(result: number, at: number): number;
  /** Its process is dead: it does not begin, and has no completion to take. */
  isOver?(): boolean;
}

interface Running {
  readonly job: Job;
  settle: (result: number) => void;
  task: number;
  place: number;
}

/** Hands out what has come for one process. */
export type Deliver = () => void;

export class Scheduler {
  readonly #model: Model;
  readonly #clock: Clock;
  readonly #random: Random | undefined;
  readonly #places: number[] = Array.from({ length: tasksMax }, (_, place) => place);
  readonly #running: Running[] = [];
  readonly #listeners = new Set<Deliver>();
  /** listeners for whom something may have come */
  readonly #due = new Set<Deliver>();
  #isScheduled = false;
  /** turns in which nothing happened, one after the other */
  #idle = 0;

  constructor(model: Model, clock: Clock, random: Random | undefined) {
    this.#model = model;
    this.#clock = clock;
    this.#random = random;
  }

  /** A process receives from here on. */
  listen(deliver: Deliver): void {
    this.#listeners.add(deliver);
    this.heard();
  }

  unlisten(deliver: Deliver): void {
    this.#listeners.delete(deliver);
    this.#due.delete(deliver);
  }

  /** Datagrams may have come. */
  heard(): void {
    for (const deliver of this.#listeners) this.#due.add(deliver);
    this.wake();
  }

  /** The completion of a call: a number where it was made on the spot. */
  run(job: Job): number | Promise<number> {
    this.#clock.tick();
    let settled: number | undefined;
    const settle = (result: number): void => {
      settled = result;
    };
    const running: Running = { job, settle, task: -1, place: -1 };
    if (this.#random === undefined) {
      while (this.#advance(running) === Step.Ran);
      this.heard();
    }
    if (settled !== undefined) return settled;
    return new Promise((resolve) => {
      running.settle = resolve;
      this.#running.push(running);
      this.wake();
    });
  }

  /** Another turn, when all that was told has had its effect. */
  wake(): void {
    this.#idle = 0;
    this.#schedule();
  }

  /** Resolves when all that follows from what was done has been done. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < idleTurns; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#isScheduled) turns = 0;
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    const isBusy = this.#random === undefined ? this.#goOn() : this.#draw(this.#random);
    if (isBusy) {
      this.wake();
      return;
    }
    if (this.#clock.kind !== "virtual") return;
    // Who leaves the rest of its work to the event loop has had its turn too.
    this.#idle += 1;
    if (this.#idle < idleTurns) this.#schedule();
    else if (this.#clock.skip()) this.wake();
  }

  /** Whoever waited for another, then all datagrams. */
  #goOn(): boolean {
    let isBusy = false;
    for (const running of [...this.#running]) {
      while (this.#stepOf(running) === Step.Ran) isBusy = true;
      if (!this.#running.includes(running)) isBusy = true;
    }
    if (isBusy) this.heard();
    return this.#deliver([...this.#due]) || isBusy;
  }

  #deliver(due: readonly Deliver[]): boolean {
    for (const deliver of due) {
      this.#due.delete(deliver);
      deliver();
    }
    return due.length > 0;
  }

  /** One of those that can go on does one step. */
  #draw(random: Random): boolean {
    const steps = this.#running.map((running) => (): boolean => {
      const step = this.#stepOf(running);
      if (step !== Step.Blocked) this.heard();
      return step !== Step.Blocked;
    });
    const choices = [...steps, ...[...this.#due].map((one) => () => this.#deliver([one]))];
    while (choices.length > 0) {
      const [choice] = choices.splice(random.below(choices.length), 1);
      if (choice?.()) return true;
    }
    return false;
  }

  #stepOf(running: Running): Step {
    const step = this.#advance(running);
    if (step === Step.Done) this.#running.splice(this.#running.indexOf(running), 1);
    return step;
  }

  #advance(running: Running): Step {
    const { job } = running;
    const isOver = job.isOver?.() === true;
    if (running.task < 0 && isOver) return this.#abandon(running);
    if (running.task < 0 && !this.#begin(running)) return Step.Blocked;
    const step = this.#model.stepCall(running.task);
    if (step !== Step.Done) return step;
    if (isOver) return this.#abandon(running);
    const completion = this.#model.finishCall(running.task);
    const result = job.finish(completion, running.place * Limit.BufferBytes);
    this.#places.push(running.place);
    running.settle(result);
    return step;
  }

  /** Whoever waits for it is told, so that it can end. */
  #abandon({ place, settle }: Running): Step {
    if (place >= 0) this.#places.push(place);
    settle(-Errno.EINTR);
    return Step.Done;
  }

  #begin(running: Running): boolean {
    const place = this.#places.shift();
    if (place === undefined) return false;
    running.place = place;
    running.task = running.job.begin(place * Limit.BufferBytes);
    if (running.task >= 0) return true;
    this.#places.unshift(place);
    return false;
  }
}
