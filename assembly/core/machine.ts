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
  CallWord,
  Command,
  CommandFlag,
  CommandWord,
  DetachResult,
  Event,
  EventWord,
  Failure,
  Fault,
  Limit,
  PartitionWord,
  Partscan,
  Result,
  TimeoutReason,
  Warning,
} from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { DetachSteps } from "./detach.ts";
import { DeviceSteps } from "./device.ts";
import { hashState } from "./hash.ts";
import { ImageSteps } from "./image.ts";
import { PartitionSteps } from "./partitions.ts";
import { MILLISECOND, PENDING, Port } from "./port.ts";
import { Entry, Field, Global, State } from "./state.ts";
import { Outcome, Step, Transitions } from "./transitions.ts";
import { UndoSteps } from "./undo.ts";

const REPEATS_MAX: i32 = 64;

/** A call that is still out so long after its operation should have ended is reported without. */
const GRACE_MS: i32 = 2000;

const NUMBER_MAX: u64 = u64(0xfffff);
const BYTES_MAX: u64 = u64(u64(0x7fffffff) << u64(32));

export class Machine {
  readonly state: State;
  readonly inbox: DataView;
  readonly outbox: DataView;
  private readonly port: Port;
  private readonly transitions: Transitions;
  private readonly image: ImageSteps;
  private readonly device: DeviceSteps;
  private readonly partitions: PartitionSteps;
  private readonly undo: UndoSteps;
  private readonly detach: DetachSteps;
  private reason: i32 = TimeoutReason.None;

  /** `seed` feeds the jitter; capacities are fixed from here on. */
  constructor(seed: u64, operations: i32, partitions: i32) {
    const state = new State(operations, partitions);
    const port = new Port(state);
    this.state = state;
    this.port = port;
    this.inbox = new DataView(new ArrayBuffer(Limit.InboxBytes));
    this.outbox = new DataView(new ArrayBuffer(Limit.OutboxBytes));
    this.transitions = new Transitions();
    this.image = new ImageSteps(state, port);
    this.device = new DeviceSteps(state, port);
    this.partitions = new PartitionSteps(state, port);
    this.undo = new UndoSteps(state, port);
    this.detach = new DetachSteps(state, port);
    state.setGlobal(Global.Random, u64(seed | u64(1)));
    for (let operation = 0; operation < operations; operation++) state.clear(operation);
  }

  /* Inputs. */

  /** Takes the command in the inbox. Its operation, or a negative `Fault`. */
  handleCommand(now: u64): i32 {
    const command = i32(this.word(CommandWord.Command));
    if (command === Command.Abort) return this.abort(now);
    const isAttach = command === Command.Attach || command === Command.Probe;
    if (!isAttach && command !== Command.Detach) return -Fault.UnknownCommand;
    if (!this.isValid(command)) return -Fault.BadArgument;
    this.arrive(now);
    const operation = this.freeOperation();
    if (operation < 0) return -Fault.Full;
    this.accept(operation, command);
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
    this.arrive(now);
    state.set(operation, Field.Ticket, 0);
    state.set64(operation, Field.Grace, u64(0));
    const step = state.get(operation, Field.Step);
    let outcome = this.judge(operation, step, result);
    if (state.get(operation, Field.Interrupt) !== Failure.None && isInterruptible(step)) {
      if (outcome !== Outcome.Fail) outcome = this.interrupted(operation);
    }
    if (result < 0) this.record(operation, outcome, -result);
    this.advance(operation, outcome);
    this.settle();
    return Fault.Ok;
  }

  /** Looks at every deadline; without one that has passed it changes nothing but the time. */
  handleTimeout(now: u64): i32 {
    this.arrive(now);
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (!this.isBusy(operation)) continue;
      if (this.isDue(operation, Field.Wake)) this.wake(operation);
      if (this.isBusy(operation) && this.isDue(operation, Field.Deadline)) {
        state.set64(operation, Field.Deadline, u64(0));
        this.interrupt(operation, Failure.TimedOut);
      }
      if (this.isBusy(operation) && this.isDue(operation, Field.Grace)) this.reportEarly(operation);
    }
    this.settle();
    return Fault.Ok;
  }

  /* Outputs. */

  /** Moves the next call to the outbox; poll again after every `handle*`. */
  pollCall(): bool {
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.CallPending) === 0) continue;
      // 24 bits, so that a ticket stays positive.
      const serial = i32(u64(state.global(Global.Serial) & u64(0xffffff))) + 1;
      state.setGlobal(Global.Serial, u64(serial));
      const ticket = serial * Limit.OperationsMax + operation;
      state.set(operation, Field.Ticket, ticket);
      state.set(operation, Field.CallPending, 0);
      this.put(CallWord.Call, state.get(operation, Field.CallKind));
      this.put(CallWord.Ticket, ticket);
      this.put(CallWord.Operation, operation);
      this.put(CallWord.Step, state.get(operation, Field.Step));
      this.put(CallWord.Descriptor, state.get(operation, Field.CallDescriptor));
      this.put(CallWord.Request, state.get(operation, Field.CallRequest));
      this.put(CallWord.Place, state.get(operation, Field.CallPlace));
      this.put(CallWord.Number, state.get(operation, Field.CallNumber));
      this.put(CallWord.Partition, state.get(operation, Field.CallPartition));
      this.put64(CallWord.Argument, state.get64(operation, Field.CallArgument));
      this.put64(CallWord.Argument2, state.get64(operation, Field.CallArgument2));
      this.put(CallWord.Buffer, state.bufferAt(operation));
      this.put(CallWord.Bytes, state.get(operation, Field.CallBytes));
      return true;
    }
    return false;
  }

  /** Moves the next event to the outbox. After the last one of an operation its partitions may be
   *  read by `selectPartition` until the next `handle*`. */
  pollEvent(): bool {
    return this.port.shift(this.outbox);
  }

  /** Monotonic ns at which `handleTimeout` is due; 0: never. Ask again after every `handle*`. */
  pollTimeout(): u64 {
    const state = this.state;
    let next = u64(0);
    this.reason = TimeoutReason.None;
    for (let operation = 0; operation < state.operations; operation++) {
      if (!this.isBusy(operation)) continue;
      next = this.earlier(next, operation, Field.Deadline, TimeoutReason.Deadline);
      next = this.earlier(next, operation, Field.Grace, TimeoutReason.Grace);
      next = this.earlier(next, operation, Field.Wake, state.get(operation, Field.WakeReason));
    }
    return next;
  }

  /** Why: the `TimeoutReason` of the last `pollTimeout`. */
  timeoutReason(): i32 {
    return this.reason;
  }

  /** Moves one partition of an ended operation to the outbox. */
  selectPartition(operation: i32, index: i32): bool {
    const state = this.state;
    if (operation < 0 || operation >= state.operations) return false;
    if (index < 0 || index >= state.get(operation, Field.Partitions)) return false;
    const at = state.entryAt(operation, index);
    const view = state.view;
    const kind = view.getInt32(at + Entry.Kind, true);
    const isKernel = state.get(operation, Field.Partscan) === Partscan.Kernel;
    this.put(PartitionWord.Number, view.getInt32(at + Entry.Number, true));
    this.put(PartitionWord.Major, view.getInt32(at + Entry.Major, true));
    this.put(PartitionWord.Minor, view.getInt32(at + Entry.Minor, true));
    this.put64(PartitionWord.Start, view.getUint64(at + Entry.Start, true));
    this.put64(PartitionWord.Size, view.getUint64(at + Entry.Size, true));
    this.put(PartitionWord.ByKernel, isKernel ? 1 : 0);
    this.put(PartitionWord.Kind, kind);
    this.put(PartitionWord.MbrType, view.getInt32(at + Entry.MbrType, true));
    this.put(PartitionWord.DiskSignature, state.get(operation, Field.DiskSignature));
    for (let i = 0; i < Entry.Bytes - Entry.TypeGuid; i += 8) {
      const value = kind === 1 ? view.getUint64(at + Entry.TypeGuid + i, true) : u64(0);
      this.outbox.setUint64(PartitionWord.TypeGuid * 8 + i, value, true);
    }
    return true;
  }

  /** 64-bit hash of everything that the machine remembers. */
  hash(): u64 {
    return hashState(this.state);
  }

  /* Commands. */

  private word(word: i32): u64 {
    return this.inbox.getUint64(word * 8, true);
  }

  private isValid(command: i32): bool {
    const number = i32(this.word(CommandWord.Number));
    if (number < -1 || u64(number < 0 ? 0 : number) > NUMBER_MAX) return false;
    if (command === Command.Detach) return number >= 0;
    const size = this.word(CommandWord.SectorSize);
    const isPower = size === u64(512) || size === u64(1024) || size === u64(2048);
    if (size !== u64(0) && size !== u64(4096) && !isPower) return false;
    if (this.word(CommandWord.Partscan) > u64(Partscan.None)) return false;
    if (this.word(CommandWord.ReferenceBytes) > u64(Limit.ReferenceBytesMax)) return false;
    return (
      this.word(CommandWord.Offset) < BYTES_MAX && this.word(CommandWord.SizeLimit) < BYTES_MAX
    );
  }

  private freeOperation(): i32 {
    for (let operation = 0; operation < this.state.operations; operation++) {
      if (this.state.get(operation, Field.Command) === Command.None) return operation;
    }
    return -1;
  }

  private accept(operation: i32, command: i32): void {
    const state = this.state;
    const timeout = this.word(CommandWord.TimeoutNs);
    const descriptor = i32(this.word(CommandWord.Descriptor));
    const number = i32(this.word(CommandWord.Number));
    state.set(operation, Field.Command, command);
    state.set(operation, Field.Flags, i32(this.word(CommandWord.Flags)));
    if (timeout !== u64(0)) {
      state.set64(operation, Field.Deadline, u64(state.global(Global.Now) + timeout));
    }
    if (command === Command.Detach) {
      state.set(operation, Field.Number, number);
      state.set(operation, Field.DeviceDescriptor, descriptor);
      state.set64(operation, Field.DiskseqAsked, this.word(CommandWord.Diskseq));
      state.set64(operation, Field.BackingDeviceAsked, this.word(CommandWord.BackingDevice));
      state.set64(operation, Field.BackingInodeAsked, this.word(CommandWord.BackingInode));
      return;
    }
    state.set(operation, Field.NumberAsked, number);
    state.set(operation, Field.ImageDescriptor, descriptor);
    state.set64(operation, Field.Offset, this.word(CommandWord.Offset));
    state.set64(operation, Field.SizeLimit, this.word(CommandWord.SizeLimit));
    state.set(operation, Field.SectorSize, i32(this.word(CommandWord.SectorSize)));
    state.set(operation, Field.PartscanAsked, i32(this.word(CommandWord.Partscan)));
    const reference = state.at(operation, Field.Reference);
    for (let i = 0; i < i32(this.word(CommandWord.ReferenceBytes)); i++) {
      state.view.setUint8(reference + i, this.inbox.getUint8(CommandWord.Reference * 8 + i));
    }
  }

  private abort(now: u64): i32 {
    const operation = i32(this.word(CommandWord.Number));
    if (operation < 0 || operation >= this.state.operations) return -Fault.UnknownOperation;
    if (!this.isBusy(operation)) return -Fault.UnknownOperation;
    this.arrive(now);
    this.interrupt(operation, Failure.Aborted);
    this.settle();
    return operation;
  }

  /* Time. */

  /** Every input begins here: time moves on, and ended operations are freed. */
  private arrive(now: u64): void {
    const state = this.state;
    assert(now >= state.global(Global.Now));
    state.setGlobal(Global.Now, now);
    if (state.global(Global.Ended) === u64(0)) return;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.Ended) !== 0) state.clear(operation);
    }
    state.setGlobal(Global.Ended, u64(0));
  }

  private isBusy(operation: i32): bool {
    const state = this.state;
    return state.get(operation, Field.Command) !== 0 && state.get(operation, Field.Ended) === 0;
  }

  private isDue(operation: i32, field: i32): bool {
    const at = this.state.get64(operation, field);
    return at !== u64(0) && at <= this.state.global(Global.Now);
  }

  private earlier(next: u64, operation: i32, field: i32, reason: i32): u64 {
    const at = this.state.get64(operation, field);
    if (at === u64(0) || (next !== u64(0) && next <= at)) return next;
    this.reason = reason;
    return at;
  }

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
    state.set(operation, Field.Interrupt, failure);
    const isOut = state.get(operation, Field.Ticket) + state.get(operation, Field.CallPending);
    if (isOut !== 0) {
      const grace = u64(u64(GRACE_MS) * u64(MILLISECOND));
      state.set64(operation, Field.Grace, u64(state.global(Global.Now) + grace));
      return;
    }
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
      const isWaiting = step === Step.ReadTarget || step === Step.NameHolders;
      if (isWaiting && state.get(operation, Field.Cleared) !== 0) {
        state.set(operation, Field.Deferred, 1);
        return Outcome.Skip;
      }
      if (step === Step.LockTarget) {
        return this.port.fail(operation, Failure.DeviceLocked, u64(0), u64(0));
      }
    }
    return this.port.fail(operation, failure, u64(0), u64(0));
  }

  /** The call may never return: the application is told, giving back waits for it. */
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
    if (step <= Step.SizeAfter) return this.device.begin(operation, step);
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
      outcome = this.transitions.judge(step, -result);
    }
    if (step <= Step.Arrange) return this.image.finish(operation, step, result, outcome);
    if (step <= Step.SizeAfter) return this.device.finish(operation, step, result, outcome);
    if (step <= Step.CloseWritable) {
      return this.partitions.finish(operation, step, result, outcome);
    }
    // An undo that must be repeated has undone nothing yet.
    if (step <= Step.UndoImage) {
      return outcome === Outcome.Repeat ? outcome : this.undo.finish(operation, step, outcome);
    }
    return this.detach.finish(operation, step, result, outcome);
  }

  /** An errno that matters: the reason of a failure, or one more lost try. */
  private record(operation: i32, outcome: i32, errno: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Failure) !== Failure.None) return;
    if (outcome === Outcome.Fail) {
      this.port.note(operation, errno);
      state.set(operation, Field.Failure, Failure.System);
    } else if (outcome === Outcome.Retry || outcome === Outcome.PassOver) {
      this.port.note(operation, errno);
    }
  }

  /** Moves on until the operation makes a call, waits, or ends. */
  private advance(operation: i32, first: i32): void {
    const state = this.state;
    let outcome = first;
    for (;;) {
      const step = state.get(operation, Field.Step);
      if (outcome === Outcome.Repeat) outcome = this.repeat(operation, step);
      if (outcome === PENDING) return;
      if (outcome === Outcome.Retry || outcome === Outcome.PassOver) this.lost(operation);
      const next = this.transitions.next(step, outcome);
      if (step === Step.CloseControl || step === Step.UndoControl) this.releaseControl(operation);
      if (next === Step.UndoControl) state.set(operation, Field.Afterwards, outcome);
      state.set(operation, Field.Step, next);
      if (outcome === Outcome.Again) {
        const waits = state.get(operation, Field.Waits) + 1;
        state.set(operation, Field.Waits, waits);
        this.port.wait(operation, state.global(Global.Now), this.delay(waits), TimeoutReason.Poll);
        return;
      }
      if (next !== Step.ReadTarget) state.set(operation, Field.Waits, 0);
      if (this.isResting(operation, next)) return;
      outcome = this.begin(operation, next);
    }
  }

  /** Steps that make no call by themselves: the ends, and the two waits that have no poll. */
  private isResting(operation: i32, step: i32): bool {
    const state = this.state;
    switch (step) {
      case Step.AwaitControl: {
        const arrival = u64(state.global(Global.Arrival) + u64(1));
        state.setGlobal(Global.Arrival, arrival);
        state.set(operation, Field.Arrival, i32(arrival));
        return true;
      }
      case Step.Backoff:
        this.port.wait(
          operation,
          state.global(Global.Now),
          this.undo.backoff(operation),
          TimeoutReason.Backoff,
        );
        return true;
      case Step.Done:
        this.succeed(operation);
        return true;
      case Step.Detached:
        this.detached(operation);
        return true;
      case Step.Failed:
        if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Failed);
        this.end(operation);
        return true;
      default:
        return false;
    }
  }

  private repeat(operation: i32, step: i32): i32 {
    const state = this.state;
    const repeats = state.get(operation, Field.Waits) + 1;
    state.set(operation, Field.Waits, repeats);
    if (repeats <= REPEATS_MAX) return this.begin(operation, step);
    this.port.note(operation, Errno.EINTR);
    state.set(operation, Field.Failure, Failure.System);
    return Outcome.Fail;
  }

  /** A try is lost: tell which, with what. A device found bound had no errno of its own. */
  private lost(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Step) === Step.StatusDevice) {
      this.port.note(operation, Errno.EBUSY);
    }
    if (state.get(operation, Field.Reported) === 0) this.port.failure(operation, Event.Tried);
  }

  /** 1, 2, 4, 8, 16 ms, each between half and one and a half of itself. */
  private delay(waits: i32): u64 {
    const doublings = waits > 5 ? 4 : waits - 1;
    const base = u64(u64(1 << doublings) * u64(MILLISECOND));
    return u64(u64(base >> u64(1)) + this.state.random(base));
  }

  /* Loop-control has one owner in this process; the rest queue. */

  private releaseControl(operation: i32): void {
    const state = this.state;
    state.set(operation, Field.ControlDescriptor, -1);
    state.set(operation, Field.Arrival, 0);
    if (state.global(Global.ControlOwner) === u64(operation + 1)) {
      state.setGlobal(Global.ControlOwner, u64(0));
    }
  }

  private settle(): void {
    const state = this.state;
    while (state.global(Global.ControlOwner) === u64(0)) {
      let first = -1;
      for (let operation = 0; operation < state.operations; operation++) {
        const arrival = state.get(operation, Field.Arrival);
        if (arrival === 0) continue;
        if (first < 0 || state.get(first, Field.Arrival) > arrival) first = operation;
      }
      if (first < 0) return;
      state.set(first, Field.Arrival, 0);
      state.setGlobal(Global.ControlOwner, u64(first + 1));
      this.advance(first, Outcome.Ok);
    }
  }

  /* Ends. */

  private end(operation: i32): void {
    const state = this.state;
    state.set(operation, Field.Ended, 1);
    state.setGlobal(Global.Ended, u64(state.global(Global.Ended) + u64(1)));
  }

  private succeed(operation: i32): void {
    const isProbe = this.state.get(operation, Field.Command) === Command.Probe;
    const at = this.port.push(operation, isProbe ? Event.Probed : Event.Attached, 0);
    this.putResult(operation, at);
    this.end(operation);
  }

  private detached(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Failure) !== Failure.None) {
      this.port.failure(operation, Event.Failed);
    } else {
      let code = state.get(operation, Field.Deferred);
      if (state.has(operation, CommandFlag.Release)) code = DetachResult.Released;
      this.putResult(operation, this.port.push(operation, Event.Detached, code));
    }
    this.end(operation);
  }

  private putResult(operation: i32, at: i32): void {
    const state = this.state;
    const port = this.port;
    port.result(at, Result.Descriptor, u64(state.get(operation, Field.DeviceDescriptor)));
    port.result(at, Result.Major, u64(state.get(operation, Field.Major)));
    port.result(at, Result.Minor, u64(state.get(operation, Field.Minor)));
    port.result(at, Result.Diskseq, state.get64(operation, Field.Diskseq));
    port.result(at, Result.Identity, u64(state.get(operation, Field.Identity)));
    port.result(at, Result.BackingDevice, state.get64(operation, Field.ImageDevice));
    port.result(at, Result.BackingInode, state.get64(operation, Field.ImageInode));
    port.result(at, Result.Offset, state.get64(operation, Field.Offset));
    port.result(at, Result.SizeLimit, state.get64(operation, Field.SizeLimit));
    port.result(at, Result.SectorSize, u64(state.get(operation, Field.SectorSize)));
    port.result(at, Result.Flags, u64(state.get(operation, Field.LoFlags)));
    port.result(at, Result.Partscan, u64(state.get(operation, Field.Partscan)));
    port.result(at, Result.Partitions, u64(state.get(operation, Field.Partitions)));
    port.result(at, Result.Table, u64(state.get(operation, Field.Table)));
    port.result(at, Result.Size, state.get64(operation, Field.Capacity));
    // The number tells the host which name the device has.
    port.put(at, EventWord.Number, state.get(operation, Field.Number));
  }

  private put(word: i32, value: i32): void {
    this.outbox.setUint64(word * 8, u64(value), true);
  }

  private put64(word: i32, value: u64): void {
    this.outbox.setUint64(word * 8, value, true);
  }
}

/** Between these the application can end an operation; giving back and the very end go through. */
function isInterruptible(step: i32): bool {
  if (step >= Step.OpenImage && step <= Step.KeepSet) return true;
  if (step === Step.Backoff || step === Step.ReadTarget || step === Step.NameHolders) return true;
  return step >= Step.OpenTarget && step <= Step.ClearTarget;
}
