/**
 * Deadlines and the life of operations: three timers an operation, and which operations are busy,
 * over, free. Time comes from the inputs and never runs backwards.
 */
import { TimeoutReason } from "../abi.ts";
import { Deadlines } from "./deadlines.ts";
import { MILLISECOND } from "./port.ts";
import { random } from "./random.ts";
import { Field, Global, State } from "./state.ts";
import { Step } from "./steps.ts";

export class Timers {
  /** Why the last `next` is due. */
  reason: i32 = TimeoutReason.None;
  private readonly state: State;
  private readonly deadlines: Deadlines;

  constructor(state: State, deadlines: Deadlines) {
    this.state = state;
    this.deadlines = deadlines;
  }

  /** Every input begins here: time moves on, and ended operations are freed. */
  arrive(now: u64): void {
    const state = this.state;
    assert(now >= state.global(Global.Now));
    state.setGlobal(Global.Now, now);
    if (state.global(Global.Ended) === u64(0)) return;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.Ended) === 0) continue;
      state.clear(operation);
      state.setGlobal(Global.Taken, u64(state.global(Global.Taken) - u64(1)));
    }
    state.setGlobal(Global.Ended, u64(0));
  }

  /** Begun and not over. */
  isBusy(operation: i32): bool {
    const state = this.state;
    return state.get(operation, Field.Command) !== 0 && state.get(operation, Field.Ended) === 0;
  }

  /** Whether the timer in `field` has run out. */
  isDue(operation: i32, field: i32): bool {
    const at = this.state.get64(operation, field);
    return at !== u64(0) && at <= this.state.global(Global.Now);
  }

  private earlier(next: u64, operation: i32, field: i32, reason: i32): u64 {
    const at = this.state.get64(operation, field);
    if (at === u64(0) || (next !== u64(0) && next <= at)) return next;
    this.reason = reason;
    return at;
  }

  /** Monotonic ns at which `handleTimeout` is due; 0: never. */
  next(): u64 {
    const state = this.state;
    let next = u64(0);
    this.reason = TimeoutReason.None;
    for (let operation = 0; operation < state.operations; operation++) {
      if (!this.isBusy(operation)) continue;
      next = this.earlier(next, operation, Field.Deadline, TimeoutReason.Deadline);
      next = this.earlier(next, operation, Field.Grace, TimeoutReason.Grace);
      next = this.earlier(next, operation, Field.Wake, state.get(operation, Field.WakeReason));
    }
    const item = this.deadlines.first();
    if (item < 0) return next;
    const at = this.deadlines.time(item);
    if (next !== u64(0) && next <= at) return next;
    const isWatch = state.watches > item;
    this.reason = isWatch ? TimeoutReason.Deadline : TimeoutReason.Poll;
    return at;
  }

  /** Takes a watch, or the number of watches plus a disk, whose time has come; -1: none. */
  takeDue(): i32 {
    const item = this.deadlines.first();
    if (item < 0 || this.deadlines.time(item) > this.state.global(Global.Now)) return -1;
    this.deadlines.set(item, u64(0));
    return item;
  }

  /**
   * 1, 2, 4, 8, 16 ms, each between half and one and a half of itself; on to 256 ms where every
   * look goes through all processes, or an event may wake earlier.
   */
  delay(step: i32, waits: i32): u64 {
    const most = step === Step.AwaitHolders || step === Step.AwaitChange ? 8 : 4;
    const doublings = waits - 1 < most ? waits - 1 : most;
    const base = u64(u64(1 << doublings) * u64(MILLISECOND));
    return u64(u64(base >> u64(1)) + random(this.state, base));
  }

  /** Over; its results may be read until the next input. */
  end(operation: i32): void {
    const state = this.state;
    state.set(operation, Field.Ended, 1);
    state.setGlobal(Global.Ended, u64(state.global(Global.Ended) + u64(1)));
  }
}
