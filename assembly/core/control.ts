/**
 * Who may hold the lock of loop-control: one operation of this process at a time, in the order of
 * their arrival. flock keeps other processes out; one descriptor is open at most.
 */
import { Field, Global, State } from "./state.ts";

export class ControlQueue {
  private readonly state: State;

  constructor(state: State) {
    this.state = state;
  }

  /** Queues an operation. */
  enter(operation: i32): void {
    const arrival = u64(this.state.global(Global.Arrival) + u64(1));
    this.state.setGlobal(Global.Arrival, arrival);
    this.state.set(operation, Field.Arrival, i32(arrival));
  }

  /** Makes the first of the queue the owner and returns it; -1 when taken or nobody waits. */
  grant(): i32 {
    const state = this.state;
    if (state.global(Global.ControlOwner) !== u64(0)) return -1;
    if (state.global(Global.Taken) === u64(0)) return -1;
    let first = -1;
    for (let operation = 0; operation < state.operations; operation++) {
      const arrival = state.get(operation, Field.Arrival);
      if (arrival === 0) continue;
      if (first < 0 || state.get(first, Field.Arrival) > arrival) first = operation;
    }
    if (first < 0) return -1;
    state.set(first, Field.Arrival, 0);
    state.setGlobal(Global.ControlOwner, u64(first + 1));
    return first;
  }

  /** Leaves the queue, or gives up what it holds. */
  release(operation: i32): void {
    const state = this.state;
    state.set(operation, Field.ControlDescriptor, -1);
    state.set(operation, Field.Arrival, 0);
    if (state.global(Global.ControlOwner) === u64(operation + 1)) {
      state.setGlobal(Global.ControlOwner, u64(0));
    }
  }
}
