/**
 * Giving back, in the reverse order of taking: loop-control first, since others wait for it; then
 * what we configured, and only that; then the descriptors. Runs to its end whatever a call answers:
 * AUTOCLEAR was set at birth, so the last close detaches even where LOOP_CLR_FD failed.
 */
import { Call, Command, Failure, Limit, Place } from "../abi.ts";
import { Errno, Ioctl } from "../wire/linux.ts";
import { isOurs } from "./partitions.ts";
import { diskIsBound, diskSeq, loopDescriptor, MILLISECOND, Room } from "./port.ts";
import { random } from "./random.ts";
import { Entry, Field } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

const CLEAR_TRIES_MAX: i32 = 8;

/** About 0.7 s. */
const GONE_TRIES_MAX: i32 = 45;

/** An explicit number that is lost so often belongs to somebody else. */
const NUMBER_FAILURES_MAX: i32 = 2;

export class UndoSteps extends Room {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.UndoControl:
        // Not bound by us, and the descriptor may be the caller's.
        if (state.get(operation, Field.Command) === Command.Rescan) return Outcome.Change;
        return this.close(operation, Field.ControlDescriptor);
      case Step.UndoAuxiliary:
        return this.close(operation, Field.AuxiliaryDescriptor);
      case Step.UndoList:
        return this.partitions(operation);
      case Step.UndoDelete:
        return this.deletePartition(operation);
      case Step.UndoClear:
        return this.port.ioctlValue(
          operation,
          loopDescriptor(state, operation),
          Ioctl.LOOP_CLR_FD,
          0,
        );
      case Step.UndoHidden:
        if (state.get(operation, Field.HiddenMade) === 0) return Outcome.Ok;
        return this.port.node(
          operation,
          Call.RemoveNode,
          Place.Hidden,
          state.get(operation, Field.Major),
          state.get(operation, Field.Minor),
        );
      case Step.UndoWritable:
        return this.close(operation, Field.WritableDescriptor);
      case Step.UndoDevice:
        return this.close(operation, Field.DeviceDescriptor);
      case Step.UndoRead:
        // The next try takes another device if it must.
        if (state.get(operation, Field.Configured) === 0) return Outcome.Skip;
        if (this.isRetry(operation)) return Outcome.Skip;
        return this.port.query(operation, Call.ReadDisk, state.get(operation, Field.Number), -1);
      case Step.UndoLook:
        return this.port.query(
          operation,
          Call.ListPartitions,
          state.get(operation, Field.Number),
          -1,
        );
      case Step.UndoJudge:
        return this.judge(operation);
      case Step.UndoPath:
        return this.close(operation, Field.PathDescriptor);
      default:
        assert(step === Step.UndoImage);
        if (state.get(operation, Field.ImageOwned) === 0) return Outcome.Ok;
        return this.close(operation, Field.ImageDescriptor);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.UndoControl:
        state.set(operation, Field.ControlDescriptor, -1);
        return outcome;
      case Step.UndoAuxiliary:
        state.set(operation, Field.AuxiliaryDescriptor, -1);
        return outcome;
      case Step.UndoDelete: {
        const cursor = state.get(operation, Field.Cursor) + 1;
        state.set(operation, Field.Cursor, cursor);
        return state.get(operation, Field.Partitions) > cursor ? Outcome.More : Outcome.Ok;
      }
      case Step.UndoClear:
        return state.get(operation, Field.Waits) < CLEAR_TRIES_MAX ? outcome : Outcome.Ok;
      case Step.UndoHidden:
        state.set(operation, Field.HiddenMade, 0);
        return outcome;
      case Step.UndoWritable:
        state.set(operation, Field.WritableDescriptor, -1);
        return outcome;
      case Step.UndoDevice:
        state.set(operation, Field.DeviceDescriptor, -1);
        return outcome;
      case Step.UndoRead:
        return result < 0 ? outcome : this.judgeDisk(operation);
      case Step.UndoLook:
        return result > 0 ? this.again(operation, Outcome.Ok) : outcome;
      case Step.UndoPath:
        state.set(operation, Field.PathDescriptor, -1);
        return outcome;
      default:
        assert(step === Step.UndoImage);
        state.set(operation, Field.ImageDescriptor, -1);
        return outcome;
    }
  }

  private close(operation: i32, field: i32): i32 {
    const descriptor = this.state.get(operation, field);
    return descriptor < 0 ? Outcome.Ok : this.port.close(operation, descriptor);
  }

  /**
   * Somebody who has the device open right now (udev looks at all of them) puts its end off. That
   * is waited for a while, so that "all undone" is true when it is told.
   */
  private judgeDisk(operation: i32): i32 {
    const state = this.state;
    const bound = diskIsBound(state, operation);
    const now = diskSeq(state, operation);
    const mine = state.get64(operation, Field.Diskseq);
    if (bound && mine !== u64(0) && now !== mine) return Outcome.Skip;
    if (!bound) return Outcome.Ok;
    const outcome = this.again(operation, Outcome.Skip);
    if (outcome === Outcome.Skip && this.tellsHolder(operation)) {
      state.set64(operation, Field.FailedDetail2, u64(1));
    }
    return outcome;
  }

  private isRetry(operation: i32): bool {
    const after = this.state.get(operation, Field.Afterwards);
    return after === Outcome.Retry || after === Outcome.PassOver;
  }

  /** Failures whose second detail is free to say so. */
  private tellsHolder(operation: i32): bool {
    const failure = this.state.get(operation, Field.Failure);
    return failure !== Failure.NotHonoured && failure !== Failure.PartitionMissing;
  }

  private again(operation: i32, otherwise: i32): i32 {
    const waits = this.state.get(operation, Field.Waits);
    return waits < GONE_TRIES_MAX ? Outcome.Again : otherwise;
  }

  /** Partitions of our own making outlive the detach on many kernels; the kernel's own do not. */
  private partitions(operation: i32): i32 {
    const state = this.state;
    if (state.get(operation, Field.Configured) === 0) return Outcome.Skip;
    state.set(operation, Field.Cursor, 0);
    if (state.get(operation, Field.Partitions) === 0) return Outcome.Ok;
    return isOurs(state, operation) ? Outcome.More : Outcome.Ok;
  }

  private deletePartition(operation: i32): i32 {
    const state = this.state;
    const entry = state.entryAt(operation, state.get(operation, Field.Cursor));
    const number = state.view.getInt32(entry + Entry.Number, true);
    return this.port.deletePartition(operation, loopDescriptor(state, operation), number);
  }

  /** All is given back: again, from the start with our own partitions, or the end. */
  private judge(operation: i32): i32 {
    const state = this.state;
    const after = state.get(operation, Field.Afterwards);
    const interrupt = state.get(operation, Field.Interrupt);
    this.forgetDevice(operation);
    if (after === Outcome.Fail) return Outcome.Fail;
    if (interrupt !== Failure.None) {
      state.set(operation, Field.Failure, interrupt);
      return Outcome.Fail;
    }
    if (after === Outcome.Restart) return Outcome.Restart;
    const tries = state.get(operation, Field.Tries) + 1;
    state.set(operation, Field.Tries, tries);
    if (state.get(operation, Field.FailedErrno) === Errno.ENOENT && this.isHopeless(operation)) {
      state.set(operation, Field.Failure, Failure.System);
      return Outcome.Fail;
    }
    if (tries >= Limit.TriesMax) {
      state.set(operation, Field.Failure, Failure.TriesExhausted);
      return Outcome.Fail;
    }
    this.passOver(operation, after);
    return Outcome.Retry;
  }

  /** The node of a device that sysfs knows was missing so often: nobody makes nodes here. */
  private isHopeless(operation: i32): bool {
    return (
      this.state.get(operation, Field.FailedStep) === Step.OpenDevice &&
      this.state.get(operation, Field.Tries) >= CLEAR_TRIES_MAX
    );
  }

  private forgetDevice(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Configured) !== 0) {
      state.abandon(state.get(operation, Field.Number), state.get64(operation, Field.Diskseq));
    }
    state.set(operation, Field.Configured, 0);
    state.set(operation, Field.OldPath, 0);
    state.set64(operation, Field.Diskseq, u64(0));
    state.set64(operation, Field.DiskseqBefore, u64(0));
    state.set(operation, Field.Identity, 0);
    state.set(operation, Field.LoFlags, 0);
    state.set(operation, Field.LeftoversRemoved, 0);
    state.set(operation, Field.LeftoverDeletions, 0);
    state.set(operation, Field.Suspect, 0);
    const count = state.get(operation, Field.Partitions);
    for (let i = 0; i < count; i++) {
      state.view.setInt32(state.entryAt(operation, i) + Entry.Seen, 0, true);
    }
  }

  /**
   * A number that is locked, held, or was lost twice is let be; the lowest free is not the only.
   */
  private passOver(operation: i32, after: i32): void {
    const state = this.state;
    const number = state.get(operation, Field.Number);
    if (number < 0 || state.get(operation, Field.NumberAsked) >= 0) return;
    let failures = 1;
    if (number === state.get(operation, Field.NumberFailed)) {
      failures = state.get(operation, Field.NumberFailures) + 1;
    }
    state.set(operation, Field.NumberFailed, number);
    state.set(operation, Field.NumberFailures, failures);
    if (after === Outcome.PassOver || failures >= NUMBER_FAILURES_MAX) {
      if (number >= state.get(operation, Field.NumberFrom)) {
        state.set(operation, Field.NumberFrom, number + 1);
      }
    }
    state.set(operation, Field.Number, -1);
  }

  /** Uniform in [0, 10 ms + 240 ms * tries / 64), as systemd's loop-util has it. */
  backoff(operation: i32): u64 {
    const tries = this.state.get(operation, Field.Tries);
    const span = 10 + i32((240 * tries) / Limit.TriesMax);
    return random(this.state, u64(u64(span) * u64(MILLISECOND)));
  }
}
