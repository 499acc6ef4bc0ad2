/**
 * The steps of the device, under the lock of loop-control: take a number, open and lock the device,
 * see it unbound, and rid it of partitions that an earlier attach left.
 *
 * The descriptor is a read-only one of the public node: it holds the shared lock and stays.
 */
import { Call, CommandFlag, Failure, Limit, Place, StatWord } from "../abi.ts";
import { Device, Errno, FileType, Ioctl, Lock, OpenFlag } from "../wire/linux.ts";
import { answer, getStatus, Room } from "./port.ts";
import { Field } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

/** EACCES at open is udev setting the group; util-linux waits as often. */
const DENIED_MAX: i32 = 16;

export class DeviceSteps extends Room {
  /** Steps that choose a device; all hold the lock of loop-control. */
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const device = state.get(operation, Field.DeviceDescriptor);
    const control = state.get(operation, Field.ControlDescriptor);
    const auxiliary = state.get(operation, Field.AuxiliaryDescriptor);
    switch (step) {
      case Step.OpenControl:
        return port.open(operation, Place.Control, OpenFlag.O_RDWR, -1, 0);
      case Step.LockControl:
        return port.flock(operation, control, Lock.LOCK_EX);
      case Step.AddNumber: {
        const asked = state.get(operation, Field.NumberAsked);
        if (asked < 0) return Outcome.Skip;
        return port.ioctlValue(operation, control, Ioctl.LOOP_CTL_ADD, asked);
      }
      case Step.FreeNumber:
        return port.ioctlValue(operation, control, Ioctl.LOOP_CTL_GET_FREE, 0);
      case Step.FindUnbound:
        return port.query(operation, Call.FindUnbound, state.get(operation, Field.NumberFrom), -1);
      case Step.AddAny:
        return port.ioctlValue(operation, control, Ioctl.LOOP_CTL_ADD, -1);
      case Step.OpenDevice:
        return port.open(operation, Place.Disk, OpenFlag.O_NONBLOCK, number, 0);
      case Step.MakeDevice:
        return port.node(operation, Call.MakeNode, Place.Disk, number, 0);
      case Step.StatDevice:
        return port.fstat(operation, device);
      case Step.LockDevice:
        return port.flock(operation, device, Lock.LOCK_SH);
      case Step.StatusDevice:
        return getStatus(state, port, operation, device);
      case Step.ListLeftovers:
      case Step.ListClaimed:
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.ClaimDevice:
        // Else a plain losetup could attach right now, and its partitions would be deleted.
        return port.claim(operation, number);
      case Step.StatusClaimed:
        return getStatus(state, port, operation, auxiliary);
      case Step.DeleteLeftover:
        return port.deletePartition(operation, auxiliary, state.get(operation, Field.Leftover));
      case Step.ReleaseClaim:
        return port.close(operation, auxiliary);
      default:
        assert(step === Step.SeqBefore);
        return port.ioctlNumber(operation, device, Ioctl.BLKGETDISKSEQ);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome === Outcome.Skip || outcome === Outcome.Missing || result < 0) {
      return this.refused(operation, step, -result, outcome);
    }
    switch (step) {
      case Step.OpenControl:
        state.set(operation, Field.ControlDescriptor, result);
        return outcome;
      case Step.ClaimDevice:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      case Step.AddNumber:
        return this.takeNumber(operation, state.get(operation, Field.NumberAsked));
      case Step.FreeNumber:
        if (state.get(operation, Field.NumberFrom) > result) return Outcome.Missing;
        return this.takeNumber(operation, result);
      case Step.FindUnbound:
      case Step.AddAny:
        return this.takeNumber(operation, result);
      case Step.OpenDevice:
        state.set(operation, Field.DeviceDescriptor, result);
        return outcome;
      case Step.StatDevice:
        return this.statDevice(operation);
      case Step.StatusDevice:
        return this.isBound(operation);
      case Step.StatusClaimed:
        return Outcome.Retry;
      case Step.ListLeftovers:
        return result > 0 ? Outcome.More : Outcome.Ok;
      case Step.ListClaimed:
        return this.nextLeftover(operation, result);
      case Step.ReleaseClaim:
        return this.unclaimed(operation);
      case Step.DeleteLeftover:
        return this.countLeftover(operation);
      case Step.SeqBefore:
        state.set64(operation, Field.DiskseqBefore, answer(state, operation));
        return outcome;
      default:
        return outcome;
    }
  }

  /** What a negative completion means beyond its outcome. */
  private refused(operation: i32, step: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.AddNumber:
        if (outcome !== Outcome.Ok) return outcome;
        return this.takeNumber(operation, state.get(operation, Field.NumberAsked));
      case Step.ReleaseClaim:
        return this.unclaimed(operation);
      case Step.OpenDevice:
        return this.refusedOpen(operation, errno, outcome);
      case Step.DeleteLeftover:
        return this.refusedLeftover(operation, errno, outcome);
      default:
        return outcome;
    }
  }

  /* The number. */

  private takeNumber(operation: i32, number: i32): i32 {
    this.state.set(operation, Field.Number, number);
    return Outcome.Ok;
  }

  private refusedOpen(operation: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome === Outcome.Missing && !state.has(operation, CommandFlag.MakeNodes)) {
      return Outcome.Retry;
    }
    if (outcome === Outcome.Missing || errno === Errno.EACCES) {
      const denied = state.get(operation, Field.Denied) + 1;
      state.set(operation, Field.Denied, denied);
      if (denied > DENIED_MAX) return Outcome.Fail;
    }
    return outcome;
  }

  private statDevice(operation: i32): i32 {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    const mode = i32(view.getUint64(at + StatWord.Mode * 8, true));
    const major = i32(view.getUint64(at + StatWord.Major * 8, true));
    const isBlock = (mode & FileType.S_IFMT) === FileType.S_IFBLK;
    if (!isBlock || major !== Device.LOOP_MAJOR) {
      return this.port.fail(operation, Failure.NodeMismatch, u64(0), u64(0));
    }
    state.set(operation, Field.Major, major);
    state.set(operation, Field.Minor, i32(view.getUint64(at + StatWord.Minor * 8, true)));
    return Outcome.Ok;
  }

  /** LOOP_GET_STATUS64 answered: somebody attached without a lock. */
  private isBound(operation: i32): i32 {
    const state = this.state;
    const number = state.get(operation, Field.NumberAsked);
    if (number < 0) return Outcome.Retry;
    // Given back by an earlier try, it goes when whoever has it open lets go.
    if (state.get(operation, Field.Tries) > 0 && state.isAbandoned(number, u64(0))) {
      return Outcome.Retry;
    }
    return this.port.fail(operation, Failure.DeviceBound, u64(0), u64(0));
  }

  private unclaimed(operation: i32): i32 {
    this.state.set(operation, Field.AuxiliaryDescriptor, -1);
    return Outcome.Ok;
  }

  /** The first of the list goes; one that is always there again is left to others. */
  private nextLeftover(operation: i32, count: i32): i32 {
    const state = this.state;
    if (count === 0) return Outcome.Ok;
    const deletions = state.get(operation, Field.LeftoverDeletions) + 1;
    state.set(operation, Field.LeftoverDeletions, deletions);
    if (deletions > Limit.PartitionsMax * 2) return Outcome.PassOver;
    const first = state.buffers.getInt32(state.bufferAt(operation), true);
    state.set(operation, Field.Leftover, first);
    return Outcome.More;
  }

  private countLeftover(operation: i32): i32 {
    const removed = this.state.get(operation, Field.LeftoversRemoved) + 1;
    this.state.set(operation, Field.LeftoversRemoved, removed);
    return Outcome.Ok;
  }

  private refusedLeftover(operation: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (errno === Errno.EBUSY && state.get(operation, Field.NumberAsked) >= 0) {
      const number = state.get(operation, Field.Leftover);
      return this.port.fail(operation, Failure.LeftoverOpen, u64(number), u64(0));
    }
    return outcome;
  }
}
