/**
 * What moves operations: takes what came of a call, asks the tables for the next step, begins it,
 * and so on until the operation makes a call, waits, or ends. Deadlines and aborts come in here
 * too. Knows no input and no output of the machine.
 */
import { Call, Command, CommandFlag, Event, Failure, TimeoutReason, Warning } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { ControlQueue } from "./control.ts";
import { Groups } from "./groups.ts";
import { Lookout } from "./lookout.ts";
import { Outlet } from "./outlet.ts";
import { judgeErrno, judgeOther } from "./policy.ts";
import { MILLISECOND, PENDING, Port } from "./port.ts";
import { Rooms } from "./rooms.ts";
import { Field, Global, State } from "./state.ts";
import {
  isHalfAWait,
  isInterruptible,
  isWaitForEvents,
  isWaitForHolders,
  Outcome,
  Step,
} from "./steps.ts";
import { Timers } from "./timers.ts";
import { Transitions } from "./transitions.ts";
import { UdevProgress } from "./udev.ts";

const REPEATS_MAX: i32 = 64;

/** An operation that still gives back so long after its end is reported already. */
const GRACE_MS: i32 = 2000;

export class Engine {
  private readonly state: State;
  private readonly port: Port;
  private readonly timers: Timers;
  private readonly outlet: Outlet;
  private readonly groups: Groups;
  private readonly lookout: Lookout;
  private readonly udev: UdevProgress;
  private readonly control: ControlQueue;
  private readonly rooms: Rooms;
  private readonly transitions: Transitions;

  constructor(
    state: State,
    port: Port,
    timers: Timers,
    outlet: Outlet,
    groups: Groups,
    lookout: Lookout,
    udev: UdevProgress,
  ) {
    this.state = state;
    this.port = port;
    this.timers = timers;
    this.outlet = outlet;
    this.groups = groups;
    this.lookout = lookout;
    this.udev = udev;
    this.control = new ControlQueue(state);
    this.rooms = new Rooms(state, port, lookout);
    this.transitions = new Transitions();
  }

  /** What a call answered. */
  complete(operation: i32, result: i32): void {
    const state = this.state;
    const step = state.get(operation, Field.Step);
    let outcome = this.judge(operation, step, result);
    if (state.get(operation, Field.Interrupt) !== Failure.None && isInterruptible(step)) {
      const isGone = step === Step.ReadTarget && outcome === Outcome.Ok;
      if (outcome !== Outcome.Fail && !isGone) outcome = this.interrupted(operation);
    }
    if (result < 0) this.record(operation, outcome, -result);
    this.advance(operation, outcome);
  }

  /* Time. */

  wake(operation: i32): void {
    const state = this.state;
    state.set64(operation, Field.Wake, u64(0));
    if (state.get(operation, Field.WakeReason) === TimeoutReason.Backoff) {
      this.advance(operation, Outcome.Ok);
      return;
    }
    const outcome = this.rooms.begin(operation, state.get(operation, Field.Step));
    if (outcome !== PENDING) this.advance(operation, outcome);
  }

  /** Ends an operation at once where it waits, else when its call has returned. */
  interrupt(operation: i32, failure: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Interrupt) !== Failure.None) return;
    const grace = u64(u64(GRACE_MS) * u64(MILLISECOND));
    const isOut = state.get(operation, Field.Ticket) + state.get(operation, Field.CallPending);
    state.set(operation, Field.Interrupt, failure);
    state.set64(operation, Field.Grace, u64(state.global(Global.Now) + grace));
    if (isOut !== 0) return;
    if (!isInterruptible(state.get(operation, Field.Step))) return;
    state.set64(operation, Field.Wake, u64(0));
    state.set(operation, Field.Arrival, 0);
    this.advance(operation, this.interrupted(operation));
  }

  private interrupted(operation: i32): i32 {
    const state = this.state;
    const failure = state.get(operation, Field.Interrupt);
    const step = state.get(operation, Field.Step);
    if (failure === Failure.TimedOut) {
      if (isWaitForHolders(step) && state.get(operation, Field.Cleared) !== 0) {
        state.set(operation, Field.Deferred, 1);
        return Outcome.Skip;
      }
      if (step === Step.LockTarget) {
        return this.port.fail(operation, Failure.DeviceLocked, u64(0), u64(0));
      }
      if (step === Step.AwaitUdev) {
        const silent = this.udev.unprocessedOf(operation);
        return this.port.fail(operation, Failure.UdevSilent, u64(silent), u64(0));
      }
    }
    return this.port.fail(operation, failure, u64(0), u64(0));
  }

  /** A call may never return: the application is told, giving back goes on without it. */
  reportEarly(operation: i32): void {
    const state = this.state;
    state.set64(operation, Field.Grace, u64(0));
    if (state.get(operation, Field.Reported) !== 0) return;
    this.port.fail(operation, state.get(operation, Field.Interrupt), u64(1), u64(0));
    this.port.failure(operation, Event.Failed);
    state.set(operation, Field.Reported, 1);
  }

  /* Steps. */

  start(operation: i32, step: i32): void {
    this.state.set(operation, Field.Step, step);
    const outcome = this.rooms.begin(operation, step);
    if (outcome !== PENDING) this.advance(operation, outcome);
  }

  private judge(operation: i32, step: i32, result: i32): i32 {
    let outcome: i32 = Outcome.Ok;
    if (this.state.get(operation, Field.CallKind) === Call.Close) {
      // Whatever close says, the descriptor is gone (close(2)).
      if (result < 0) this.port.warn(operation, Warning.CloseFailed, -result, u64(0));
    } else if (result < 0) {
      outcome = judgeErrno(step, -result);
      if (outcome === Outcome.Repeat) outcome = this.repeat(operation, step);
    }
    return this.rooms.finish(operation, step, result, outcome);
  }

  /** A call that is interrupted for ever is treated like one that fails. */
  private repeat(operation: i32, step: i32): i32 {
    const repeats = this.state.get(operation, Field.Waits) + 1;
    this.state.set(operation, Field.Waits, repeats);
    return repeats <= REPEATS_MAX ? Outcome.Repeat : judgeOther(step);
  }

  /** An errno that matters: the reason of a failure, or one more lost try. */
  private record(operation: i32, outcome: i32, errno: i32): void {
    if (!this.port.isUndecided(operation)) return;
    const isTry = outcome === Outcome.Retry || outcome === Outcome.PassOver;
    if (isTry || outcome === Outcome.Fail) this.port.note(operation, errno);
    if (outcome === Outcome.Fail) this.state.set(operation, Field.Failure, Failure.System);
  }

  /** Moves on until the operation makes a call, waits, or ends. */
  private advance(operation: i32, first: i32): void {
    const state = this.state;
    let outcome = first;
    for (;;) {
      const step = state.get(operation, Field.Step);
      if (outcome === Outcome.Repeat) outcome = this.rooms.begin(operation, step);
      if (outcome === PENDING) return;
      const next = this.transitions.next(step, outcome);
      const isLost = outcome === Outcome.Retry || outcome === Outcome.PassOver;
      if (isLost && next === Step.UndoControl) this.lost(operation);
      if (step === Step.CloseControl || step === Step.UndoControl) this.control.release(operation);
      if (next === Step.UndoControl) state.set(operation, Field.Afterwards, outcome);
      state.set(operation, Field.Step, next);
      if (next === Step.LockDevice && state.has(operation, CommandFlag.Udev)) {
        this.lookout.follow(operation);
      }
      if (next === Step.OpenPublic) this.lookout.expose(operation);
      if (next === Step.UndoControl) this.lookout.unfollow(operation);
      if (outcome === Outcome.Again) {
        const waits = state.get(operation, Field.Waits) + 1;
        state.set(operation, Field.Waits, waits);
        this.port.wait(
          operation,
          state.global(Global.Now),
          this.timers.delay(next, waits),
          TimeoutReason.Poll,
        );
        return;
      }
      if (!isHalfAWait(step)) state.set(operation, Field.Waits, 0);
      if (this.isResting(operation, next)) return;
      outcome = this.rooms.begin(operation, next);
    }
  }

  /** Steps that make no call by themselves: the ends, and the two waits that have no poll. */
  private isResting(operation: i32, step: i32): bool {
    const state = this.state;
    switch (step) {
      case Step.AwaitControl:
        this.control.enter(operation);
        return true;
      case Step.Backoff:
        this.port.wait(
          operation,
          state.global(Global.Now),
          this.rooms.backoff(operation),
          TimeoutReason.Backoff,
        );
        return true;
      case Step.Done:
        this.outlet.succeed(operation);
        this.end(operation);
        return true;
      case Step.Detached:
        this.outlet.detached(operation);
        this.end(operation);
        return true;
      case Step.Changed:
        this.outlet.changed(operation);
        this.end(operation);
        return true;
      case Step.Failed:
        if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Failed);
        this.end(operation);
        return true;
      default:
        return false;
    }
  }

  private end(operation: i32): void {
    const command = this.state.get(operation, Field.Command);
    this.lookout.unfollow(operation);
    if (command === Command.Attach && this.state.has(operation, CommandFlag.Udev)) {
      this.groups.interest(CommandFlag.Udev, -1);
    }
    this.timers.end(operation);
  }

  /** A try is lost: tell which, with what. A device found bound had no errno of its own. */
  private lost(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Step) === Step.StatusDevice) {
      this.port.note(operation, Errno.EBUSY);
    }
    if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Tried);
  }

  /** The lookout goes on where it rests. */
  look(): void {
    const state = this.state;
    const lookout = state.lookout;
    const isOut = state.get(lookout, Field.Ticket) + state.get(lookout, Field.CallPending);
    if (isOut !== 0 || state.get(lookout, Field.Step) !== Step.Look) return;
    const outcome = this.rooms.begin(lookout, Step.Look);
    if (outcome !== PENDING) this.advance(lookout, outcome);
  }

  /** Attaches that wait for events. */
  resume(): void {
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      const step = state.get(operation, Field.Step);
      if (!isWaitForEvents(step) || !this.timers.isBusy(operation)) continue;
      if (!this.lookout.isOver(operation)) continue;
      state.set64(operation, Field.Wake, u64(0));
      this.start(operation, step);
    }
    this.grant();
  }

  /** Hands loop-control to whoever waits longest, as long as nobody has it. */
  grant(): void {
    for (let next = this.control.grant(); next >= 0; next = this.control.grant()) {
      this.advance(next, Outcome.Ok);
    }
  }
}
