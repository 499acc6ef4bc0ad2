/**
 * The steps of a detach: prove the instance, take the lock, flush, delete our own partitions, clear
 * it, and see it gone. Nothing is touched before the instance is proven; the open descriptor pins
 * it. Read-only descriptors do for all of it and wake no watch. Proof and lock, at the end given
 * back, serve also what only changes a device.
 *
 * While somebody holds the device nothing is deleted: it is cleared, which defers, and our
 * descriptor keeps the number until they let go; only then the partitions go, and the descriptor
 * last. What the kernel drops itself may be left to the last close of somebody else: that is swept.
 */
import {
  Call,
  Command,
  CommandFlag,
  DetachResult,
  Failure,
  Place,
  StatWord,
  Warning,
} from "../abi.ts";
import { Device, Errno, FileType, Ioctl, Lock, LoFlag, OpenFlag } from "../wire/linux.ts";
import { loopDevice, loopFlags, loopInode } from "../wire/loop.ts";
import { answer, diskIsBound, diskSeq, getStatus } from "./port.ts";
import { Field } from "./state.ts";
import { Outcome, Step } from "./steps.ts";
import { Deleting } from "./sweep.ts";

const TRIES_MAX: i32 = 8;

/** About a second. */
const OTHERS_TRIES_MAX: i32 = 64;

/** So many looks (about 30 ms) before somebody who holds the device is worth telling. */
const PATIENCE: i32 = 5;

export class DetachSteps extends Deleting {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const device = state.get(operation, Field.DeviceDescriptor);
    switch (step) {
      case Step.OpenTarget:
        if (state.has(operation, CommandFlag.Release)) return Outcome.Skip;
        if (device >= 0) return Outcome.Ok;
        return port.open(operation, Place.Disk, OpenFlag.O_NONBLOCK, number, 0);
      case Step.StatTarget:
        return port.fstat(operation, device);
      case Step.SeqTarget:
        return port.ioctlNumber(operation, device, Ioctl.BLKGETDISKSEQ);
      case Step.StatusTarget:
        return getStatus(state, port, operation, device);
      case Step.LockTarget:
        if (state.has(operation, CommandFlag.NoLock)) return this.locked(operation);
        return port.flock(operation, device, Lock.LOCK_EX);
      case Step.FlushTarget:
        return port.fsync(operation, device);
      case Step.ListTarget:
        // The kernel drops what it made itself.
        if ((state.get(operation, Field.LoFlags) & LoFlag.LO_FLAGS_PARTSCAN) !== 0) {
          return Outcome.Ok;
        }
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.FindHolders:
      case Step.AwaitHolders:
        return port.query(operation, Call.FindHolders, number, device);
      case Step.DeleteTarget:
        return this.deletePartition(operation, device);
      case Step.ClearTarget:
        if (state.get(operation, Field.Cleared) !== 0) return this.cleared(operation);
        return port.ioctlValue(operation, device, Ioctl.LOOP_CLR_FD, 0);
      case Step.CloseTarget:
        // From here on it is nobody's, whenever the call returns.
        state.set(operation, Field.DeviceDescriptor, -1);
        return port.close(operation, device);
      case Step.ReadTarget:
        return port.query(operation, Call.ReadDisk, number, -1);
      case Step.NameHolders:
        return port.query(operation, Call.FindHolders, number, -1);
      case Step.LookTarget:
        // Our own are gone; the kernel may have left its own to the last close of somebody else.
        if ((state.get(operation, Field.LoFlags) & LoFlag.LO_FLAGS_PARTSCAN) === 0) {
          return Outcome.Ok;
        }
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.RelockTarget:
        if (device < 0 || state.get(operation, Field.DeviceOwned) !== 0) return Outcome.Skip;
        if (state.has(operation, CommandFlag.NoLock)) return this.returned(operation);
        return port.flock(operation, device, Lock.LOCK_SH);
      default:
        assert(step === Step.ReturnTarget);
        state.set(operation, Field.DeviceDescriptor, -1);
        return device < 0 ? this.returned(operation) : port.close(operation, device);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (step === Step.ReturnTarget) return this.returned(operation);
    if (result < 0) return this.refused(operation, step, -result, outcome);
    switch (step) {
      case Step.OpenTarget:
        state.set(operation, Field.DeviceDescriptor, result);
        state.set(operation, Field.DeviceOwned, 1);
        return outcome;
      case Step.StatTarget:
        return this.statTarget(operation);
      case Step.SeqTarget:
        return this.judgeSeq(operation);
      case Step.StatusTarget:
        return this.judgeStatus(operation);
      case Step.LockTarget:
        return this.locked(operation);
      case Step.RelockTarget:
        return this.returned(operation);
      case Step.LookTarget:
        return result > 0 ? Outcome.More : Outcome.Ok;
      case Step.ListTarget:
        return this.remember(operation, result);
      case Step.FindHolders:
        return this.judgeHolders(operation, result);
      case Step.DeleteTarget:
        return this.next(operation);
      case Step.ClearTarget:
        return this.cleared(operation);
      case Step.AwaitHolders:
        return this.await(operation, result);
      case Step.CloseTarget:
        return this.closed(operation);
      case Step.ReadTarget:
        return this.judgeDisk(operation);
      case Step.NameHolders:
        return this.tell(operation, result);
      default:
        return outcome;
    }
  }

  private refused(operation: i32, step: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.SeqTarget:
        if (outcome !== Outcome.Skip || !this.isNamed(operation)) return outcome;
        this.port.fail(operation, Failure.NoDiskseq, u64(0), u64(0));
        this.port.note(operation, errno);
        return Outcome.Fail;
      case Step.StatusTarget:
        if (errno !== Errno.ENXIO) return outcome;
        return this.port.fail(operation, Failure.NotAttached, u64(0), u64(0));
      case Step.FlushTarget:
        // The device goes all the same; that its last writes failed is told at the end.
        if (outcome === Outcome.Repeat) return outcome;
        this.port.note(operation, errno);
        state.set(operation, Field.Failure, Failure.FlushFailed);
        return outcome;
      case Step.ListTarget:
        return state.get(operation, Field.Waits) < TRIES_MAX ? outcome : Outcome.Ok;
      case Step.AwaitHolders:
        // Nobody can be seen from here: BLKPG's own EBUSY has to do.
        return outcome === Outcome.Ok ? this.await(operation, 0) : outcome;
      case Step.DeleteTarget:
        return this.refusedDelete(operation, outcome);
      case Step.RelockTarget:
        // A lock that was held before must not be lost for a moment of somebody else's.
        if (outcome === Outcome.Repeat) return outcome;
        if (outcome === Outcome.Again && state.get(operation, Field.Waits) < TRIES_MAX) {
          return outcome;
        }
        return this.returned(operation);
      case Step.ClearTarget:
        return this.refusedClear(operation, errno, outcome);
      case Step.OpenTarget:
        this.port.note(operation, errno);
        return outcome;
      case Step.CloseTarget:
        return this.closed(operation);
      case Step.ReadTarget:
        if (outcome === Outcome.Ok) return this.gone(operation, Outcome.Skip);
        state.set(operation, Field.Denied, state.get(operation, Field.Denied) + 1);
        return state.get(operation, Field.Denied) < TRIES_MAX ? outcome : Outcome.Fail;
      case Step.NameHolders:
        return outcome === Outcome.Ok ? this.tell(operation, 0) : outcome;
      default:
        return outcome;
    }
  }

  /** Whether one instance is meant, by its number. */
  private isNamed(operation: i32): bool {
    return this.state.get64(operation, Field.DiskseqAsked) !== u64(0);
  }

  private statTarget(operation: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const mode = i32(state.buffers.getUint64(at + StatWord.Mode * 8, true));
    const major = i32(state.buffers.getUint64(at + StatWord.Major * 8, true));
    const isBlock = (mode & FileType.S_IFMT) === FileType.S_IFBLK;
    if (!isBlock || major !== Device.LOOP_MAJOR) {
      return this.port.fail(operation, Failure.NotLoop, u64(0), u64(0));
    }
    state.set(operation, Field.Major, major);
    state.set(operation, Field.Minor, i32(state.buffers.getUint64(at + StatWord.Minor * 8, true)));
    return Outcome.Ok;
  }

  private judgeSeq(operation: i32): i32 {
    const state = this.state;
    const asked = state.get64(operation, Field.DiskseqAsked);
    const diskseq = answer(state, operation);
    state.set64(operation, Field.Diskseq, diskseq);
    if (asked === u64(0) || asked === diskseq) return Outcome.Ok;
    return this.port.fail(operation, Failure.Superseded, diskseq, u64(0));
  }

  private judgeStatus(operation: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const device = loopDevice(state.buffers, at);
    const inode = loopInode(state.buffers, at);
    const inodeAsked = state.get64(operation, Field.BackingInodeAsked);
    state.set(operation, Field.LoFlags, loopFlags(state.buffers, at));
    if (
      inodeAsked !== u64(0) &&
      (inode !== inodeAsked || device !== state.get64(operation, Field.BackingDeviceAsked))
    ) {
      const diskseq = state.get64(operation, Field.Diskseq);
      return this.port.fail(operation, Failure.Superseded, diskseq, u64(0));
    }
    return Outcome.Ok;
  }

  private isDetach(operation: i32): bool {
    return this.state.get(operation, Field.Command) === Command.Detach;
  }

  private locked(operation: i32): i32 {
    return this.isDetach(operation) ? Outcome.Ok : Outcome.Change;
  }

  /** All is given back: the end of a failure, or of a change. */
  private returned(operation: i32): i32 {
    const isFailed = this.state.get(operation, Field.Failure) !== Failure.None;
    return isFailed ? Outcome.Ok : Outcome.Change;
  }

  private judgeHolders(operation: i32, holders: i32): i32 {
    const state = this.state;
    state.set(operation, Field.Holders, holders);
    return holders === 0 ? Outcome.Ok : Outcome.Held;
  }

  private closed(operation: i32): i32 {
    return this.state.has(operation, CommandFlag.Release) ? Outcome.Skip : Outcome.Ok;
  }

  /** Gone when unbound, or when the number belongs to a later instance. */
  private judgeDisk(operation: i32): i32 {
    const state = this.state;
    const bound = diskIsBound(state, operation);
    const now = diskSeq(state, operation);
    let mine = state.get64(operation, Field.Diskseq);
    if (mine === u64(0)) mine = state.get64(operation, Field.DiskseqAsked);
    if (!bound) return this.gone(operation, Outcome.Ok);
    // The number belongs to somebody else, and so does all that there is to see.
    if (mine !== u64(0) && now !== mine) return this.gone(operation, Outcome.Skip);
    if (state.get(operation, Field.Cleared) === 0) return this.unopened(operation);
    const isHeld = state.get(operation, Field.Waits) >= PATIENCE;
    if (isHeld && state.get(operation, Field.Told) === 0) return Outcome.Held;
    return Outcome.Again;
  }

  /** Cleared, or deferred: then the partitions are ours to delete when the holders are gone. */
  private cleared(operation: i32): i32 {
    this.state.set(operation, Field.Cleared, 1);
    return this.state.get(operation, Field.Holders) > 0 ? Outcome.Held : Outcome.Ok;
  }

  /**
   * Somebody holds the device. Our descriptor stays: it keeps the number ours until the partitions
   * are deleted, so that nobody inherits them.
   */
  private await(operation: i32, holders: i32): i32 {
    const state = this.state;
    state.set(operation, Field.Holders, holders);
    state.set(operation, Field.Cursor, 0);
    if (holders === 0) return Outcome.Ok;
    if (state.get(operation, Field.Waits) < PATIENCE) return Outcome.Again;
    if (state.has(operation, CommandFlag.Lazy)) return Outcome.Skip;
    if (state.get(operation, Field.Told) === 0) {
      this.port.warn(operation, Warning.Waiting, 0, u64(holders));
      state.set(operation, Field.Told, 1);
    }
    return Outcome.Again;
  }

  /** Somebody may have opened it just now: look again, but not for ever. */
  private refusedDelete(operation: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome !== Outcome.Held) return outcome === Outcome.Ok ? this.next(operation) : outcome;
    const refusals = state.get(operation, Field.Denied) + 1;
    state.set(operation, Field.Denied, refusals);
    return refusals < TRIES_MAX ? outcome : this.next(operation);
  }

  /** ENXIO says unbound, which cannot be while this descriptor is open: believed the last time. */
  private refusedClear(operation: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome !== Outcome.Again || errno === Errno.EBUSY) return outcome;
    if (state.get(operation, Field.Waits) < TRIES_MAX) return outcome;
    return errno === Errno.ENXIO ? this.cleared(operation) : Outcome.Fail;
  }

  /**
   * Bound, and yet it could not be opened: without a node there is nothing to wait for; otherwise
   * somebody is detaching it just now, who gets a moment.
   */
  private unopened(operation: i32): i32 {
    const state = this.state;
    const isMissing = state.get(operation, Field.FailedErrno) === Errno.ENOENT;
    const waits = state.get(operation, Field.Waits);
    if (!isMissing && waits < OTHERS_TRIES_MAX) return Outcome.Again;
    state.set(operation, Field.Failure, Failure.System);
    return Outcome.Fail;
  }

  /** An instance that was over before anything was done is not ours to report as detached. */
  private gone(operation: i32, outcome: i32): i32 {
    const state = this.state;
    if (state.get(operation, Field.Cleared) !== 0) return outcome;
    const failure = this.isNamed(operation) ? Failure.Superseded : Failure.NotAttached;
    return this.port.fail(operation, failure, u64(0), u64(0));
  }

  private tell(operation: i32, holders: i32): i32 {
    const state = this.state;
    state.set(operation, Field.Told, 1);
    state.set(operation, Field.Holders, holders);
    if (state.has(operation, CommandFlag.Lazy)) {
      state.set(operation, Field.Deferred, DetachResult.Deferred);
      return Outcome.Held;
    }
    this.port.warn(operation, Warning.Waiting, 0, u64(holders));
    return Outcome.Ok;
  }
}
