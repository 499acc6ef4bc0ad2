/** How actors make system calls: one step of one call at a time, in a slot of their record. */
import { Kernel } from "../kernel/kernel.ts";
import { NodeKind, Task } from "../kernel/layout.ts";
import { Routine } from "../kernel/routines.ts";
import { Step } from "../kernel/tasks.ts";
import { OpenFlag } from "../wire/linux.ts";
import { Actor } from "./layout.ts";
import { WorldState } from "./state.ts";

/** No answer yet; no errno. */
export const RUNNING: i32 = -100000;
export const NONE: u64 = u64(0);
export const READ_ONLY: i32 = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;

export class Caller {
  readonly kernel: Kernel;
  readonly state: WorldState;
  /** Whether the latest step changed anything; it only waited otherwise. */
  hasMoved: bool = false;

  constructor(kernel: Kernel, state: WorldState) {
    this.kernel = kernel;
    this.state = state;
  }

  /** Begins a call and takes its first step: the answer, or RUNNING. */
  begin(at: i32, slot: i32, routine: i32, a: i32, b: i32, c: i32, d: i32, e: u64, f: u64): i32 {
    const process = this.state.get8(at + Actor.Process);
    const task = this.kernel.begin(process, routine, a, b, c, d, e, f);
    // Where no task is free, an order would be left out.
    assert(task >= 0);
    this.state.set8(at + slot, task + 1);
    const result = this.goOn(at, slot);
    this.hasMoved = true;
    return result;
  }

  goOn(at: i32, slot: i32): i32 {
    const task = this.state.get8(at + slot) - 1;
    const step = this.kernel.step(task);
    this.hasMoved = step !== Step.Blocked;
    if (step !== Step.Done) return RUNNING;
    const result = this.kernel.tasks.get(task, Task.Result);
    this.kernel.tasks.release(task);
    this.state.set8(at + slot, 0);
    return result;
  }

  call(at: i32, slot: i32, routine: i32, a: i32): i32 {
    return this.begin(at, slot, routine, a, 0, 0, 0, NONE, NONE);
  }

  /** Opens the actor's device, or a partition of it. */
  open(at: i32, slot: i32, partition: i32, flags: i32): i32 {
    return this.openDevice(at, slot, this.state.get16(at + Actor.Number), partition, flags);
  }

  openDevice(at: i32, slot: i32, number: i32, partition: i32, flags: i32): i32 {
    const node = NodeKind.Public;
    return this.begin(at, slot, Routine.Open, number, flags, partition, node, NONE, NONE);
  }

  /** Closes the file in a field of the record, which is empty from here on. */
  close(at: i32, slot: i32, field: i32): i32 {
    const file = this.state.get8(at + field) - 1;
    this.state.set8(at + field, 0);
    return this.call(at, slot, Routine.Close, file);
  }

  flock(at: i32, field: i32, operation: i32): i32 {
    const file = this.state.get8(at + field) - 1;
    return this.kernel.flock(this.state.get8(at + Actor.Process), file, operation);
  }
}
