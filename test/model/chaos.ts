/**
 * A random scheduler of random system calls on one or more models in lockstep: processes that open,
 * attach, scan, detach, lock, remove and die in any order of their steps. Everything is drawn from
 * one seed.
 */
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Lock, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { type Model, type ModelCall, Step } from "../../host/sim/model.ts";
import { Random } from "../../host/sim/random.ts";
import { Image } from "../helpers/models.ts";

export const chaosOptions = {
  loops: 3,
  partitions: 6,
  files: 24,
  tasks: 6,
  sockets: 3,
  queue: 8,
  processes: 4,
  maxLoop: 2,
} as const;

/** Processes that make calls; another one listens. */
const processes = 3;
const readFlags = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;

interface Running {
  readonly task: number;
  readonly process: number;
  readonly routine: Routine;
}

export class Chaos {
  readonly models: readonly Model[];
  readonly #random: Random;
  readonly #sockets: readonly number[];
  readonly descriptors: number[][] = Array.from({ length: processes }, () => []);
  /** of loop-control, the latest one */
  readonly #controls: number[] = [];
  #running: Running[] = [];
  /** steps that were made, and those that only waited */
  steps = 0;
  blocked = 0;
  /** how many calls of each kind came to an end, and how many of them failed */
  readonly ended = new Map<Routine, { done: number; failed: number }>();

  constructor(models: readonly Model[], seed: number) {
    this.models = models;
    this.#random = new Random(seed);
    this.#sockets = [
      this.each((model) => model.openSocket(3, Group.Kernel, 1 << 24)),
      this.each((model) => model.openSocket(3, Group.Kernel, 2304, true)),
      this.each((model) => model.openSocket(3, Group.Kernel, 2304)),
    ];
  }

  get isIdle(): boolean {
    return this.#running.length === 0;
  }

  /** One move: a call begins, or a task goes one step on, or something happens at once. */
  move(): void {
    const draw = this.#draw(10);
    if (this.#running.length > 0 && draw < 7) this.#step(this.#draw(this.#running.length));
    else if (draw < 9) this.#begin();
    else this.#instant();
  }

  /** Runs all that is under way to its end; fails when nothing can go on. */
  settle(): void {
    while (this.#running.length > 0) {
      const before = this.steps;
      for (let index = this.#running.length - 1; index >= 0; index--) this.#step(index);
      assert.ok(this.steps > before, "all tasks wait for one another");
    }
  }

  /** The same in every model, with the same answer. */
  each<T>(act: (model: Model) => T): T {
    const [first, ...rest] = this.models.map(act);
    for (const other of rest) assert.equal(other, first, "the builds answer differently");
    return first as T;
  }

  #step(index: number): void {
    const running = this.#running[index];
    if (running === undefined) return;
    const { task, process, routine } = running;
    const step = this.each((model) => model.step(task));
    if (step === Step.Blocked) this.blocked += 1;
    else this.steps += 1;
    if (step !== Step.Done) return;
    this.#running.splice(index, 1);
    if (routine === Routine.Exit) {
      // Whatever it had begun is over, and nobody takes the answers.
      this.descriptors[process] = [];
      this.#count(
        routine,
        this.each((model) => model.finish(task)),
      );
      return;
    }
    if (this.#isDying(process)) return;
    const result = this.each((model) => model.finish(task));
    this.#count(routine, result);
    if (routine === Routine.Open && result >= 0) this.descriptors[process]?.push(result);
  }

  #count(routine: Routine, result: number): void {
    const entry = this.ended.get(routine) ?? { done: 0, failed: 0 };
    this.ended.set(routine, entry);
    entry.done += 1;
    if (result < 0) entry.failed += 1;
  }

  #isDying(process: number): boolean {
    return this.#running.some((one) => one.process === process && one.routine === Routine.Exit);
  }

  #begin(): void {
    const process = this.#draw(processes);
    if (this.#isDying(process)) return;
    const [routine, call] = this.#drawCall(process);
    const task = this.each((model) => model.begin(process, routine, call));
    if (task < 0) return;
    if (routine === Routine.Close) this.#forget(process, call.a ?? -1);
    this.#running.push({ task, process, routine });
  }

  #forget(process: number, file: number): void {
    const own = this.descriptors[process] ?? [];
    const at = own.indexOf(file);
    if (at >= 0) own.splice(at, 1);
  }

  #drawCall(process: number): [Routine, ModelCall] {
    const a = this.#drawFile(process);
    const b = this.#drawFile(process);
    const c = this.#pick([0, LoFlag.LO_FLAGS_PARTSCAN, LoFlag.LO_FLAGS_AUTOCLEAR, 12, 9, 64]);
    const e = BigInt(this.#pick([0, 0, 0, 1 << 20]));
    const open = this.#pick([readFlags, OpenFlag.O_RDWR, readFlags | OpenFlag.O_EXCL]);
    const number = this.#draw(3);
    switch (this.#draw(20)) {
      case 0:
      case 1:
      case 2:
        return [Routine.Open, { a: number, b: open }];
      case 3:
        return [Routine.Open, { a: number, b: open, c: 1 + this.#draw(3) }];
      case 4:
        return [Routine.Open, { a: 259, b: open, c: this.#draw(4), d: 1 }];
      case 5:
        return [Routine.Open, { a: 7, b: OpenFlag.O_RDWR, c: number, d: 2 }];
      case 6:
      case 7:
        return [Routine.Close, { a }];
      case 8:
      case 9:
        return [Routine.Configure, { a, b, c, d: this.#pick([0, 0, 0, 4096, 513]), e }];
      case 10:
        return [Routine.ChangeFd, { a, b }];
      case 11:
        return [Routine.ClearFd, { a }];
      case 12:
        return [Routine.SetStatus, { a, c, e }];
      case 13:
        return [Routine.GetStatus, { a }];
      case 14:
        return [this.#pick([Routine.SetCapacity, Routine.SetFd]), { a, b }];
      case 15:
        return [
          this.#pick([Routine.SetBlockSize, Routine.SetDirectIo]),
          { a, b: this.#pick([0, 1, 512, 4096]) },
        ];
      case 16:
        return [Routine.Reread, { a }];
      case 17: {
        const start = BigInt(this.#draw(8)) << 20n;
        return [
          Routine.Blkpg,
          { a, b: 1 + this.#draw(3), c: this.#draw(5), e: start, f: 1n << 20n },
        ];
      }
      case 18: {
        const kinds = [Routine.ControlAdd, Routine.ControlRemove, Routine.ControlGetFree] as const;
        const control = this.#controls[process] ?? a;
        return [this.#pick(kinds), { a: control, b: this.#draw(4) - 1 }];
      }
      default:
        return this.#draw(3) === 0 ? [Routine.Exit, {}] : [Routine.Close, { a }];
    }
  }

  #instant(): void {
    const process = this.#draw(processes);
    const socket = this.#pick(this.#sockets);
    const file = this.#drawFile(process);
    const bytes = BigInt(this.#pick([0, 4 << 20, 8 << 20]));
    const number = this.#draw(3);
    const partition = this.#draw(4);
    switch (this.#draw(7)) {
      case 0:
      case 1: {
        if (this.#isDying(process)) return;
        const image = this.#pick([Image.Gpt, Image.Other, Image.None]);
        const flags = this.#pick([OpenFlag.O_RDWR, OpenFlag.O_RDWR, OpenFlag.O_RDONLY]);
        const opened = this.each((model) => model.openImage(process, image, flags));
        if (opened >= 0) this.descriptors[process]?.push(opened);
        return;
      }
      case 2: {
        if (this.#isDying(process)) return;
        const opened = this.each((model) => model.openControl(process, OpenFlag.O_RDWR));
        if (opened < 0) return;
        // Kept open until the process ends: it is needed whenever a device is to come or go.
        this.#controls[process] = opened;
        return;
      }
      case 3: {
        const operation = this.#pick([Lock.LOCK_SH, Lock.LOCK_EX, Lock.LOCK_UN]) | Lock.LOCK_NB;
        this.each((model) => model.flock(process, file, operation));
        return;
      }
      case 4:
        this.each((model) => model.receive(socket));
        return;
      case 5:
        this.each((model) => model.trigger(number, partition, 3));
        return;
      default:
        this.each((model) => model.truncate(Image.None, bytes));
    }
  }

  #drawFile(process: number): number {
    const own = this.descriptors[process] ?? [];
    if (own.length === 0 || this.#draw(20) === 0) return this.#draw(24);
    return own[this.#draw(own.length)] ?? 0;
  }

  #draw(below: number): number {
    return this.#random.below(below);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#draw(choices.length)] as T;
  }
}
