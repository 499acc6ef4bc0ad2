/**
 * The steps that delete the partitions which are left on an unbound device: under a claim, so that
 * nobody attaches meanwhile, and whose open waits for a last close that is under way. A detach ends
 * with them and leaves to others what it cannot delete; a sweep that was asked for fails then.
 */
import { Call, Command, Failure } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { Change, entryNumber, plan, recordAt, recordNumber } from "./numbers.ts";
import { diskIsBound, diskSeq, getStatus, Room } from "./port.ts";
import { Entry, Field } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

const TRIES_MAX: i32 = 8;

/** What rooms share that delete every partition that sysfs lists, one after the other. */
export class Deleting extends Room {
  /** The numbers of the partitions that are to be deleted. */
  protected remember(operation: i32, count: i32): i32 {
    const state = this.state;
    state.set(operation, Field.Partitions, 0);
    state.set(operation, Field.Cursor, 0);
    for (let i = 0; i < count; i++) {
      const number = recordNumber(state, recordAt(state, operation, i));
      const entry = state.appendEntry(operation);
      if (entry < 0) break;
      state.view.setInt32(entry + Entry.Number, number, true);
    }
    return state.get(operation, Field.Partitions) > 0 ? Outcome.More : Outcome.Ok;
  }

  protected deletePartition(operation: i32, descriptor: i32): i32 {
    return this.port.deletePartition(operation, descriptor, this.current(operation));
  }

  /** The number that the cursor is at. */
  protected current(operation: i32): i32 {
    const state = this.state;
    const entry = state.entryAt(operation, state.get(operation, Field.Cursor));
    return entryNumber(state, entry);
  }

  protected next(operation: i32): i32 {
    const state = this.state;
    const cursor = state.get(operation, Field.Cursor) + 1;
    state.set(operation, Field.Cursor, cursor);
    return state.get(operation, Field.Partitions) > cursor ? Outcome.More : Outcome.Ok;
  }
}

export class SweepSteps extends Deleting {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const claim = state.get(operation, Field.AuxiliaryDescriptor);
    switch (step) {
      case Step.SweepRead:
        return port.query(operation, Call.ReadDisk, number, -1);
      case Step.SweepOpen:
        return port.claim(operation, number);
      case Step.SweepStatus:
        return getStatus(state, port, operation, claim);
      case Step.SweepList:
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.SweepDelete:
        return this.deletePartition(operation, claim);
      default:
        assert(step === Step.SweepClose);
        return port.close(operation, claim);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (step === Step.SweepClose) return this.closed(operation);
    if (result < 0) return this.refused(operation, step, -result, outcome);
    switch (step) {
      case Step.SweepRead:
        return this.judgeDisk(operation);
      case Step.SweepOpen:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      case Step.SweepStatus:
        // Bound again, by somebody else: hands off.
        return this.giveUp(operation, Failure.Superseded, Outcome.Skip);
      case Step.SweepList:
        return this.remember(operation, result);
      default:
        assert(step === Step.SweepDelete);
        plan(state, operation, Change.Remove, this.current(operation));
        return this.next(operation);
    }
  }

  private refused(operation: i32, step: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome === Outcome.Repeat) return outcome;
    if (step === Step.SweepDelete) return this.refusedDelete(operation, errno);
    // Not bound, as it must be.
    if (step === Step.SweepStatus && outcome === Outcome.Ok) return outcome;
    if (step === Step.SweepOpen && errno === Errno.EBUSY) {
      return this.giveUp(operation, Failure.PartitionBusy, outcome);
    }
    if (outcome === Outcome.Again) {
      if (state.get(operation, Field.Waits) < TRIES_MAX) return outcome;
      return this.giveUp(operation, Failure.None, Outcome.Skip);
    }
    return this.giveUp(operation, Failure.None, outcome);
  }

  private isAskedFor(operation: i32): bool {
    return this.state.get(operation, Field.Command) === Command.Sweep;
  }

  /** The outcome where nobody asked; else a failure, `None` for what the call answered. */
  private giveUp(operation: i32, failure: i32, otherwise: i32): i32 {
    if (!this.isAskedFor(operation)) return otherwise;
    if (failure === Failure.None) return Outcome.Fail;
    return this.port.fail(operation, failure, u64(0), u64(0));
  }

  private judgeDisk(operation: i32): i32 {
    const state = this.state;
    const diskseq = diskSeq(state, operation);
    const asked = state.get64(operation, Field.DiskseqAsked);
    const isBound = diskIsBound(state, operation);
    // A detach asked for the instance before this one.
    if (!this.isAskedFor(operation)) return isBound ? Outcome.Skip : Outcome.Ok;
    if (!isBound && (asked === u64(0) || asked === diskseq)) return Outcome.Ok;
    const isUnprovable = asked !== u64(0) && diskseq === u64(0);
    const failure = isUnprovable ? Failure.NoDiskseq : Failure.Superseded;
    return this.port.fail(operation, failure, diskseq, u64(0));
  }

  /** One that stays does not keep the others; the first is told at the end. */
  private refusedDelete(operation: i32, errno: i32): i32 {
    const isGone = errno === Errno.ENXIO;
    if (this.isAskedFor(operation) && !isGone && this.port.isUndecided(operation)) {
      if (errno === Errno.EBUSY) {
        const number = u64(this.current(operation));
        this.port.fail(operation, Failure.PartitionBusy, number, u64(0));
      } else {
        this.port.note(operation, errno);
        this.state.set(operation, Field.Failure, Failure.System);
      }
    }
    return this.next(operation);
  }

  private closed(operation: i32): i32 {
    const state = this.state;
    state.set(operation, Field.AuxiliaryDescriptor, -1);
    if (!this.isAskedFor(operation)) return Outcome.Ok;
    return state.get(operation, Field.Failure) === Failure.None ? Outcome.Change : Outcome.Fail;
  }
}
