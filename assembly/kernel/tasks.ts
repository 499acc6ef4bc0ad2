/**
 * System calls under way: each is a task with a small stack of routines, all of it in the state, so
 * that a call can stop at any of its stages and another actor go on.
 *
 * A routine is a switch over its program counter. A stage ends with what follows: `Go` on with the
 * next stage, `Pause` first, because another actor could see or do something here, wait (`Block`,
 * and then it has changed nothing), or `Return`.
 */
import { Files } from "./files.ts";
import { FRAMES, Frame, Task, TaskStatus } from "./layout.ts";
import { State } from "./state.ts";

export enum Flow {
  Go = 0,
  Pause = 1,
  Block = 2,
  Return = 3,
}

/** What a step came to. */
export enum Step {
  Ran = 0,
  /** Nothing changed: it waits for what another task holds. */
  Blocked = 1,
  Done = 2,
}

/** How finely calls can be interleaved. */
export enum Grain {
  Fine = 0,
  /** Without the choice points after which only what sysfs and devtmpfs show differs, and no lock,
   *  claim or event: for actors that do not look there between two events of one call. An opener
   *  of a partition that is on its way is told ENOENT, never ENXIO; nothing else differs. */
  Coarse = 1,
}

export class Tasks {
  readonly state: State;
  private grain: i32 = Grain.Fine;

  constructor(state: State) {
    this.state = state;
  }

  setGrain(grain: i32): void {
    assert(grain === Grain.Fine || grain === Grain.Coarse);
    this.grain = grain;
  }

  /** A free task for a process, one of its own as long as they last; -1: all are in use. */
  allocate(process: i32): i32 {
    const state = this.state;
    const capacity = state.capacity;
    assert(process >= 0 && process < capacity.processes);
    const first = i32((process * capacity.tasks) / capacity.processes);
    for (let i = 0; i < capacity.tasks; i++) {
      const task = (first + i) % capacity.tasks;
      const at = state.taskAt(task);
      if (state.get8(at + Task.Status) !== TaskStatus.Free) continue;
      state.set8(at + Task.Status, TaskStatus.Running);
      state.set8(at + Task.Process, process);
      return task;
    }
    return -1;
  }

  /** Takes the result of a call that is done. */
  release(task: i32): void {
    const at = this.state.taskAt(task);
    assert(this.state.get8(at + Task.Status) === TaskStatus.Done);
    this.state.zero(at, Task.Bytes);
  }

  get(task: i32, field: i32): i32 {
    return this.state.get32(this.state.taskAt(task) + field);
  }

  set(task: i32, field: i32, value: i32): void {
    this.state.set32(this.state.taskAt(task) + field, value);
  }

  get64(task: i32, field: i32): u64 {
    return this.state.get64(this.state.taskAt(task) + field);
  }

  set64(task: i32, field: i32, value: u64): void {
    this.state.set64(this.state.taskAt(task) + field, value);
  }

  process(task: i32): i32 {
    return this.state.get8(this.state.taskAt(task) + Task.Process);
  }

  depth(task: i32): i32 {
    return this.state.get8(this.state.taskAt(task) + Task.Depth);
  }

  /** The innermost frame. */
  private frameAt(task: i32): i32 {
    const depth = this.depth(task);
    assert(depth > 0);
    return this.state.taskAt(task) + Task.Frames + (depth - 1) * Frame.Bytes;
  }

  routine(task: i32): i32 {
    return this.state.get8(this.frameAt(task) + Frame.Routine);
  }

  pc(task: i32): i32 {
    return this.state.get8(this.frameAt(task) + Frame.Pc);
  }

  a(task: i32): i32 {
    return this.state.get8(this.frameAt(task) + Frame.A);
  }

  b(task: i32): i32 {
    return this.state.get32(this.frameAt(task) + Frame.B);
  }

  setA(task: i32, value: i32): void {
    this.state.set8(this.frameAt(task) + Frame.A, value);
  }

  setB(task: i32, value: i32): void {
    this.state.set32(this.frameAt(task) + Frame.B, value);
  }

  result(task: i32): i32 {
    return this.get(task, Task.Result);
  }

  /* How a stage ends. */

  goto(task: i32, pc: i32): i32 {
    this.state.set8(this.frameAt(task) + Frame.Pc, pc);
    return Flow.Go;
  }

  next(task: i32): i32 {
    return this.goto(task, this.pc(task) + 1);
  }

  pause(task: i32): i32 {
    this.next(task);
    return Flow.Pause;
  }

  pauseAt(task: i32, pc: i32): i32 {
    this.goto(task, pc);
    return Flow.Pause;
  }

  /** After a change that only readers of sysfs and of /dev can see. */
  glimpse(task: i32): i32 {
    this.next(task);
    return this.grain === Grain.Fine ? Flow.Pause : Flow.Go;
  }

  /** The next stage begins when the other routine has returned. */
  call(task: i32, routine: i32, a: i32, b: i32): i32 {
    if (this.depth(task) > 0) this.next(task);
    const at = this.state.taskAt(task);
    const depth = this.depth(task);
    assert(depth < FRAMES);
    this.state.set8(at + Task.Depth, depth + 1);
    const frame = this.frameAt(task);
    this.state.set8(frame + Frame.Routine, routine);
    this.state.set8(frame + Frame.A, a);
    this.state.set32(frame + Frame.B, b);
    return Flow.Go;
  }

  /** fput: what the last reference does is done at the end of the call (task work). */
  defer(task: i32, files: Files, file: i32): void {
    if (!files.drop(file)) return;
    const at = this.state.taskAt(task);
    assert(this.state.get8(at + Task.Deferred) === 0);
    this.state.set8(at + Task.Deferred, file + 1);
  }

  finish(task: i32, result: i32): i32 {
    const at = this.state.taskAt(task);
    this.state.zero(this.frameAt(task), Frame.Bytes);
    this.state.set8(at + Task.Depth, this.depth(task) - 1);
    this.state.set32(at + Task.Result, result);
    return Flow.Return;
  }
}
