/**
 * The overlap guard: under the lock of loop-control, is there another loop device that shows the
 * same bytes of the same file, with a writer on either side? sysfs is asked first; a device of
 * others is opened only when its backing path leads to the same inode or nowhere.
 */
import { Call, CommandFlag, Failure, Place } from "../abi.ts";
import { FileType, Ioctl, LoFlag, OpenFlag } from "../wire/linux.ts";
import {
  loopDevice,
  loopFlags,
  loopInode,
  loopOffset,
  loopRdevice,
  loopSizeLimit,
} from "../wire/loop.ts";
import { answer, getStatus, PENDING, Room } from "./port.ts";
import { Field, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

export class GuardSteps extends Room {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const auxiliary = state.get(operation, Field.AuxiliaryDescriptor);
    switch (step) {
      case Step.FindBacking:
        return this.findBacking(operation);
      case Step.OpenBacking:
        return port.open(
          operation,
          Place.Disk,
          OpenFlag.O_NONBLOCK,
          state.get(operation, Field.Suspect),
          0,
        );
      case Step.StatusBacking:
        return getStatus(state, port, operation, auxiliary);
      case Step.SeqBacking:
        return port.ioctlNumber(operation, auxiliary, Ioctl.BLKGETDISKSEQ);
      default:
        assert(step === Step.CloseBacking);
        return port.close(operation, auxiliary);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (step === Step.CloseBacking) {
      state.set(operation, Field.AuxiliaryDescriptor, -1);
      this.passSuspect(operation);
      return Outcome.Ok;
    }
    if (result < 0) {
      if (step === Step.OpenBacking && outcome === Outcome.Skip) this.passSuspect(operation);
      if (outcome !== Outcome.Missing) return outcome;
      // Without a diskseq nobody can tell whose it is; one that this attach gave back goes away.
      return state.get(operation, Field.Tries) > 0 ? Outcome.Retry : this.overlaps(operation);
    }
    switch (step) {
      case Step.FindBacking:
        state.set(operation, Field.Suspect, result);
        return outcome;
      case Step.OpenBacking:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      case Step.StatusBacking:
        return this.judgeBacking(operation);
      default: {
        assert(step === Step.SeqBacking);
        const diskseq = answer(state, operation);
        const isOurs = state.isAbandoned(state.get(operation, Field.Suspect), diskseq);
        return isOurs ? Outcome.Ok : this.overlaps(operation);
      }
    }
  }

  private findBacking(operation: i32): i32 {
    const state = this.state;
    if (state.has(operation, CommandFlag.AllowOverlap)) return Outcome.Skip;
    const block = isBlockImage(state, operation);
    this.port.query(operation, Call.FindBacking, state.get(operation, Field.Suspect), -1);
    const device = state.get64(operation, block ? Field.ImageRdev : Field.ImageDevice);
    state.set64(operation, Field.CallArgument, device);
    state.set64(
      operation,
      Field.CallArgument2,
      block ? u64(0) : state.get64(operation, Field.ImageInode),
    );
    return PENDING;
  }

  private judgeBacking(operation: i32): i32 {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    if (!isSameBacking(state, operation)) return Outcome.Ok;
    const theirsReadOnly = (loopFlags(view, at) & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
    if (theirsReadOnly && isForReading(state, operation)) return Outcome.Ok;
    const size = state.get64(operation, Field.ImageSize);
    const start = state.get64(operation, Field.Offset);
    const end = u64(start + state.get64(operation, Field.Capacity));
    const theirStart = loopOffset(view, at);
    const theirLimit = loopSizeLimit(view, at);
    let theirEnd = size;
    if (theirLimit !== u64(0) && theirStart < size && theirLimit < u64(size - theirStart)) {
      theirEnd = u64(theirStart + theirLimit);
    }
    if (start >= theirEnd || theirStart >= end) return Outcome.Ok;
    // A device of ours, given back, that somebody else still has open?
    if (state.isAbandoned(state.get(operation, Field.Suspect), u64(0))) return Outcome.Held;
    return this.overlaps(operation);
  }

  private overlaps(operation: i32): i32 {
    const state = this.state;
    this.port.fail(operation, Failure.Overlap, u64(0), u64(0));
    state.set(operation, Field.FailedNumber, state.get(operation, Field.Suspect));
    return Outcome.Fail;
  }

  private passSuspect(operation: i32): void {
    const suspect = this.state.get(operation, Field.Suspect);
    this.state.set(operation, Field.Suspect, suspect + 1);
  }
}

/** Whether the image is a block device itself. */
export function isBlockImage(state: State, operation: i32): bool {
  return (state.get(operation, Field.ImageMode) & FileType.S_IFMT) === FileType.S_IFBLK;
}

/** Whether the device is to be read-only: asked for, or the image cannot be written. */
export function isForReading(state: State, operation: i32): bool {
  return (
    state.has(operation, CommandFlag.ReadOnly) || state.get(operation, Field.ImageReadOnly) !== 0
  );
}

/** Whether the loop_info64 in the buffer is about this operation's image. */
export function isSameBacking(state: State, operation: i32): bool {
  const view = state.buffers;
  const at = state.bufferAt(operation);
  if (isBlockImage(state, operation)) {
    return loopRdevice(view, at) === state.get64(operation, Field.ImageRdev);
  }
  return (
    loopDevice(view, at) === state.get64(operation, Field.ImageDevice) &&
    loopInode(view, at) === state.get64(operation, Field.ImageInode)
  );
}
