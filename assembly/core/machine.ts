/**
 * The composed machine: takes inputs, moves operations from step to step, hands out calls, events
 * and the next deadline. Owns the only state. Deterministic: the same inputs give the same outputs
 * and the same state, on every runtime.
 *
 * After every `handle*` drain `pollCall` and `pollEvent` until they answer false, then ask
 * `pollTimeout`. A `handle*` that answers a fault has changed nothing.
 */
import {
  Call,
  Command,
  CommandWord,
  Event,
  Failure,
  Fault,
  Limit,
  TimeoutReason,
  Warning,
} from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { ConfigureSteps } from "./configure.ts";
import { ControlQueue } from "./control.ts";
import { DetachSteps } from "./detach.ts";
import { DeviceSteps } from "./device.ts";
import { GuardSteps } from "./guard.ts";
import { hashState } from "./hash.ts";
import { ImageSteps } from "./image.ts";
import { Intake } from "./intake.ts";
import { Outlet } from "./outlet.ts";
import { PartitionSteps } from "./partitions.ts";
import { judgeErrno, judgeOther } from "./policy.ts";
import { isPossible, MILLISECOND, PENDING, Port } from "./port.ts";
import { Field, Global, State } from "./state.ts";
import { isGuard, isHalfAWait, isInterruptible, isWaitForHolders, Outcome, Step } from "./steps.ts";
import { Timers } from "./timers.ts";
import { Transitions } from "./transitions.ts";
import { UndoSteps } from "./undo.ts";

const REPEATS_MAX: i32 = 64;

/** An operation that still gives back so long after its end is reported already. */
const GRACE_MS: i32 = 2000;

export class Machine {
  readonly state: State;
  readonly inbox: DataView;
  readonly outbox: DataView;
  private readonly port: Port;
  private readonly timers: Timers;
  private readonly control: ControlQueue;
  private readonly intake: Intake;
  private readonly outlet: Outlet;
  private readonly transitions: Transitions;
  private readonly image: ImageSteps;
  private readonly guard: GuardSteps;
  private readonly device: DeviceSteps;
  private readonly configure: ConfigureSteps;
  private readonly partitions: PartitionSteps;
  private readonly undo: UndoSteps;
  private readonly detach: DetachSteps;

  /** `seed` feeds the jitter; capacities are fixed from here on. */
  constructor(seed: u64, operations: i32, partitions: i32) {
    const state = new State(operations, partitions);
    const port = new Port(state);
    this.state = state;
    this.port = port;
    const inbox = new DataView(new ArrayBuffer(Limit.InboxBytes));
    const outbox = new DataView(new ArrayBuffer(Limit.OutboxBytes));
    this.inbox = inbox;
    this.outbox = outbox;
    this.timers = new Timers(state);
    this.control = new ControlQueue(state);
    this.intake = new Intake(state, inbox);
    this.outlet = new Outlet(state, port, outbox);
    this.transitions = new Transitions();
    this.image = new ImageSteps(state, port);
    this.guard = new GuardSteps(state, port);
    this.device = new DeviceSteps(state, port);
    this.configure = new ConfigureSteps(state, port);
    this.partitions = new PartitionSteps(state, port);
    this.undo = new UndoSteps(state, port);
    this.detach = new DetachSteps(state, port);
    state.setGlobal(Global.Random, u64(seed | u64(1)));
    for (let operation = 0; operation < operations; operation++) state.clear(operation);
  }

  /* Inputs. */

  /** Takes the command in the inbox. Its operation, or a negative `Fault`. */
  handleCommand(now: u64): i32 {
    const command = i32(this.intake.word(CommandWord.Command));
    if (command === Command.Abort) return this.abort(now);
    const isAttach = command === Command.Attach || command === Command.Probe;
    if (!isAttach && command !== Command.Detach) return -Fault.UnknownCommand;
    if (!this.intake.isValid(command)) return -Fault.BadArgument;
    const operation = this.freeOperation();
    if (operation < 0) return -Fault.Full;
    this.timers.arrive(now);
    this.intake.accept(operation, command);
    this.start(operation, isAttach ? Step.OpenImage : Step.OpenTarget);
    this.settle();
    return operation;
  }

  /** Takes the result of a call: `>= 0`, or `-errno`. */
  handleCompletion(now: u64, ticket: i32, result: i32): i32 {
    const state = this.state;
    const operation = ticket % Limit.OperationsMax;
    if (ticket <= 0 || operation >= state.operations) return Fault.UnknownTicket;
    if (state.get(operation, Field.Ticket) !== ticket) return Fault.UnknownTicket;
    if (!isPossible(state, operation, result)) return Fault.BadArgument;
    this.timers.arrive(now);
    state.set(operation, Field.Ticket, 0);
    const step = state.get(operation, Field.Step);
    let outcome = this.judge(operation, step, result);
    if (state.get(operation, Field.Interrupt) !== Failure.None && isInterruptible(step)) {
      const isGone = step === Step.ReadTarget && outcome === Outcome.Ok;
      if (outcome !== Outcome.Fail && !isGone) outcome = this.interrupted(operation);
    }
    if (result < 0) this.record(operation, outcome, -result);
    this.advance(operation, outcome);
    this.settle();
    return Fault.Ok;
  }

  /** Looks at every deadline; without one that has passed it changes nothing but the time. */
  handleTimeout(now: u64): i32 {
    this.timers.arrive(now);
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (!this.timers.isBusy(operation)) continue;
      if (this.timers.isDue(operation, Field.Wake)) this.wake(operation);
      if (this.timers.isBusy(operation) && this.timers.isDue(operation, Field.Deadline)) {
        state.set64(operation, Field.Deadline, u64(0));
        this.interrupt(operation, Failure.TimedOut);
      }
      if (this.timers.isBusy(operation) && this.timers.isDue(operation, Field.Grace))
        this.reportEarly(operation);
    }
    this.settle();
    return Fault.Ok;
  }

  /* Outputs. */

  /** Moves the next call to the outbox; poll again after every `handle*`. */
  pollCall(): bool {
    return this.outlet.call();
  }

  /** Moves the next event to the outbox. After the last one of an operation its partitions may be
   *  read by `selectPartition` until the next `handle*`. */
  pollEvent(): bool {
    return this.port.shift(this.outbox);
  }

  /** Monotonic ns at which `handleTimeout` is due; 0: never. Ask again after every `handle*`. */
  pollTimeout(): u64 {
    return this.timers.next();
  }

  /** Why: the `TimeoutReason` of the last `pollTimeout`. */
  timeoutReason(): i32 {
    return this.timers.reason;
  }

  /** Moves one partition of an ended operation to the outbox. */
  selectPartition(operation: i32, index: i32): bool {
    return this.outlet.partition(operation, index);
  }

  /** 64-bit hash of everything that the machine remembers. */
  hash(): u64 {
    return hashState(this.state);
  }

  /* Commands. */

  private freeOperation(): i32 {
    for (let operation = 0; operation < this.state.operations; operation++) {
      if (!this.timers.isBusy(operation)) return operation;
    }
    return -1;
  }

  private abort(now: u64): i32 {
    const operation = i32(this.intake.word(CommandWord.Number));
    if (operation < 0 || operation >= this.state.operations) return -Fault.UnknownOperation;
    if (!this.timers.isBusy(operation)) return -Fault.UnknownOperation;
    this.timers.arrive(now);
    this.interrupt(operation, Failure.Aborted);
    this.settle();
    return operation;
  }

  /* Time. */

  private wake(operation: i32): void {
    const state = this.state;
    state.set64(operation, Field.Wake, u64(0));
    if (state.get(operation, Field.WakeReason) === TimeoutReason.Backoff) {
      this.advance(operation, Outcome.Ok);
      return;
    }
    const outcome = this.begin(operation, state.get(operation, Field.Step));
    if (outcome !== PENDING) this.advance(operation, outcome);
  }

  /** Ends an operation at once where it waits, else when its call has returned. */
  private interrupt(operation: i32, failure: i32): void {
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
    }
    return this.port.fail(operation, failure, u64(0), u64(0));
  }

  /** A call may never return: the application is told, giving back goes on without it. */
  private reportEarly(operation: i32): void {
    const state = this.state;
    state.set64(operation, Field.Grace, u64(0));
    if (state.get(operation, Field.Reported) !== 0) return;
    this.port.fail(operation, state.get(operation, Field.Interrupt), u64(1), u64(0));
    this.port.failure(operation, Event.Failed);
    state.set(operation, Field.Reported, 1);
  }

  /* Steps. */

  private start(operation: i32, step: i32): void {
    this.state.set(operation, Field.Step, step);
    const outcome = this.begin(operation, step);
    if (outcome !== PENDING) this.advance(operation, outcome);
  }

  private begin(operation: i32, step: i32): i32 {
    if (step <= Step.Arrange) return this.image.begin(operation, step);
    if (isGuard(step)) return this.guard.begin(operation, step);
    if (step <= Step.SeqBefore) return this.device.begin(operation, step);
    if (step <= Step.SizeAfter) return this.configure.begin(operation, step);
    if (step <= Step.CloseWritable) return this.partitions.begin(operation, step);
    if (step <= Step.UndoImage) return this.undo.begin(operation, step);
    return this.detach.begin(operation, step);
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
    if (step <= Step.Arrange) return this.image.finish(operation, step, result, outcome);
    if (isGuard(step)) return this.guard.finish(operation, step, result, outcome);
    if (step <= Step.SeqBefore) return this.device.finish(operation, step, result, outcome);
    if (step <= Step.SizeAfter) return this.configure.finish(operation, step, result, outcome);
    if (step <= Step.CloseWritable) {
      return this.partitions.finish(operation, step, result, outcome);
    }
    // An undo that must be repeated has undone nothing yet.
    if (step <= Step.UndoImage) {
      return outcome === Outcome.Repeat
        ? outcome
        : this.undo.finish(operation, step, result, outcome);
    }
    return this.detach.finish(operation, step, result, outcome);
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
      if (outcome === Outcome.Repeat) outcome = this.begin(operation, step);
      if (outcome === PENDING) return;
      const next = this.transitions.next(step, outcome);
      const isLost = outcome === Outcome.Retry || outcome === Outcome.PassOver;
      if (isLost && next === Step.UndoControl) this.lost(operation);
      if (step === Step.CloseControl || step === Step.UndoControl) this.control.release(operation);
      if (next === Step.UndoControl) state.set(operation, Field.Afterwards, outcome);
      state.set(operation, Field.Step, next);
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
      outcome = this.begin(operation, next);
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
          this.undo.backoff(operation),
          TimeoutReason.Backoff,
        );
        return true;
      case Step.Done:
        this.outlet.succeed(operation);
        this.timers.end(operation);
        return true;
      case Step.Detached:
        this.outlet.detached(operation);
        this.timers.end(operation);
        return true;
      case Step.Failed:
        if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Failed);
        this.timers.end(operation);
        return true;
      default:
        return false;
    }
  }

  /** A try is lost: tell which, with what. A device found bound had no errno of its own. */
  private lost(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Step) === Step.StatusDevice) {
      this.port.note(operation, Errno.EBUSY);
    }
    if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Tried);
  }

  /** Hands loop-control to whoever waits longest, as long as nobody has it. */
  private settle(): void {
    for (let next = this.control.grant(); next >= 0; next = this.control.grant()) {
      this.advance(next, Outcome.Ok);
    }
  }
}
