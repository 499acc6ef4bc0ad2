/**
 * The locks of the block layer and the loop driver. A lock holds its task plus one; who finds it
 * taken waits, and the order of those that wait is left to whoever runs the tasks.
 */
import { Errno } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { Global, Loop, Partition, ProcessField } from "./layout.ts";
import { Setup } from "./setup.ts";
import { State } from "./state.ts";
import { Tasks } from "./tasks.ts";

/** What asking for a claim came to; else -EBUSY. */
export enum Claim {
  Taken = 0,
  Wait = 1,
}

export class Locks {
  private readonly state: State;
  private readonly tasks: Tasks;
  private readonly isGlobal: bool;

  constructor(state: State, setup: Setup, tasks: Tasks) {
    this.state = state;
    this.tasks = tasks;
    this.isGlobal = setup.era.has(Switch.GlobalMutex);
  }

  private take(at: i32, task: i32): bool {
    const owner = this.state.get8(at);
    assert(owner !== task + 1);
    if (owner !== 0) return false;
    this.state.set8(at, task + 1);
    return true;
  }

  private give(at: i32, task: i32): void {
    assert(this.state.get8(at) === task + 1);
    this.state.set8(at, 0);
  }

  private loMutexAt(loop: i32): i32 {
    return this.isGlobal ? Global.CtlMutex : this.state.loopAt(loop) + Loop.LoMutex;
  }

  /** loop_ctl_mutex */
  takeCtl(task: i32): bool {
    return this.take(Global.CtlMutex, task);
  }

  giveCtl(task: i32): void {
    this.give(Global.CtlMutex, task);
  }

  /** lo->lo_mutex; before 5.12 loop_ctl_mutex. */
  takeLo(task: i32, loop: i32): bool {
    return this.take(this.loMutexAt(loop), task);
  }

  isLoTaken(loop: i32): bool {
    return this.state.get8(this.loMutexAt(loop)) !== 0;
  }

  giveLo(task: i32, loop: i32): void {
    this.give(this.loMutexAt(loop), task);
  }

  /** disk->open_mutex, bd_mutex before 5.14. */
  takeOpen(task: i32, loop: i32): bool {
    return this.take(this.state.loopAt(loop) + Loop.OpenMutex, task);
  }

  giveOpen(task: i32, loop: i32): void {
    this.give(this.state.loopAt(loop) + Loop.OpenMutex, task);
  }

  /** A process that is being killed gets out of a mutex_lock_killable. */
  isKilled(task: i32): bool {
    const process = this.state.processAt(this.tasks.process(task));
    return this.state.get8(process + ProcessField.Dying) !== 0;
  }

  /** bd_prepare_to_claim of the whole disk (partition 0) or of one partition. */
  claim(task: i32, loop: i32, partition: i32): i32 {
    const state = this.state;
    const at = state.loopAt(loop);
    if (state.get8(at + Loop.Holder) !== 0) return -Errno.EBUSY;
    if (partition === 0) {
      if (state.get8(at + Loop.PartitionHolders) !== 0) return -Errno.EBUSY;
    } else {
      const found = state.findPartition(loop, partition);
      if (found >= 0 && state.get8(found + Partition.Holder) !== 0) return -Errno.EBUSY;
    }
    if (state.get8(at + Loop.Claiming) !== 0) return Claim.Wait;
    state.set8(at + Loop.Claiming, task + 1);
    return Claim.Taken;
  }

  /** bd_abort_claiming, and the end of bd_finish_claiming. */
  unclaim(task: i32, loop: i32): void {
    this.give(this.state.loopAt(loop) + Loop.Claiming, task);
  }

  /** bd_finish_claiming for an exclusive open; partition -1: one that is unplugged. */
  hold(task: i32, loop: i32, partition: i32, file: i32): void {
    const state = this.state;
    const at = state.loopAt(loop);
    this.unclaim(task, loop);
    if (partition === 0) {
      state.set8(at + Loop.Holder, file + 1);
      return;
    }
    const found = state.findPartition(loop, partition);
    if (found >= 0) state.set8(found + Partition.Holder, file + 1);
    state.set8(at + Loop.PartitionHolders, state.get8(at + Loop.PartitionHolders) + 1);
  }

  /** bd_end_claim; the partition as in `hold`. */
  letGo(loop: i32, partition: i32): void {
    const state = this.state;
    const at = state.loopAt(loop);
    if (partition === 0) {
      state.set8(at + Loop.Holder, 0);
      return;
    }
    const found = state.findPartition(loop, partition);
    if (found >= 0) state.set8(found + Partition.Holder, 0);
    state.set8(at + Loop.PartitionHolders, state.get8(at + Loop.PartitionHolders) - 1);
  }
}
