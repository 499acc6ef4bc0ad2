/**
 * The steps of the configuration: a writable descriptor of the device, LOOP_CONFIGURE, and the
 * proof of what the kernel made of it.
 *
 * The writable descriptor is of a node that only this process sees. udev watches the inode of the
 * public node; a writable descriptor closed there makes old udevds re-read, which drops every
 * partition.
 */
import { Call, CommandFlag, Failure, Mismatch, Partscan, Place, Warning } from "../abi.ts";
import { Errno, Ioctl, LoFlag, OpenFlag } from "../wire/linux.ts";
import {
  clearBytes,
  LO_FILE_NAME,
  LoopConfig,
  LoopInfo,
  loopFlags,
  loopOffset,
  loopSizeLimit,
  putLoopConfig,
  putLoopInfo,
} from "../wire/loop.ts";
import { isForReading, isSameBacking } from "./guard.ts";
import { answer, getStatus, loopDescriptor, Room } from "./port.ts";
import { Field, Global, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

const OLD_PATH_TRIES_MAX: i32 = 64;

export class ConfigureSteps extends Room {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const major = state.get(operation, Field.Major);
    const minor = state.get(operation, Field.Minor);
    const flags = OpenFlag.O_RDWR | OpenFlag.O_NONBLOCK;
    const descriptor = loopDescriptor(state, operation);
    switch (step) {
      case Step.MakePrivate:
        // Configured through a read-only descriptor the device becomes read-only: as wanted.
        if (isForReading(state, operation)) return Outcome.Skip;
        return port.node(operation, Call.MakeNode, Place.Private, major, minor);
      case Step.OpenPrivate:
        return port.open(operation, Place.Private, flags, major, minor);
      case Step.MakeHidden:
        return port.node(operation, Call.MakeNode, Place.Hidden, major, minor);
      case Step.OpenHidden:
        return port.open(operation, Place.Hidden, flags, major, minor);
      case Step.RemoveHidden:
        return port.node(operation, Call.RemoveNode, Place.Hidden, major, minor);
      case Step.OpenPublic:
        return port.open(operation, Place.Disk, flags, state.get(operation, Field.Number), 0);
      case Step.Configure:
        if (state.global(Global.ConfigureMissing) !== u64(0)) return Outcome.Skip;
        this.putConfig(operation, state.get(operation, Field.ImageDescriptor));
        return port.ioctlBuffer(operation, descriptor, Ioctl.LOOP_CONFIGURE, LoopConfig.Bytes);
      case Step.ProbeConfigure:
        // A kernel that knows LOOP_CONFIGURE looks at the descriptor first: EBADF.
        this.putConfig(operation, -1);
        return port.ioctlBuffer(operation, descriptor, Ioctl.LOOP_CONFIGURE, LoopConfig.Bytes);
      case Step.SetFd:
        return port.ioctlValue(
          operation,
          descriptor,
          Ioctl.LOOP_SET_FD,
          state.get(operation, Field.ImageDescriptor),
        );
      case Step.CloseControl:
        return port.close(operation, state.get(operation, Field.ControlDescriptor));
      default:
        return this.beginProof(operation, step, descriptor);
    }
  }

  private beginProof(operation: i32, step: i32, descriptor: i32): i32 {
    const state = this.state;
    const port = this.port;
    const sectorSize = state.get(operation, Field.SectorSize);
    switch (step) {
      case Step.SetStatus:
        if (state.get(operation, Field.OldPath) === 0) return Outcome.Skip;
        clearBytes(state.buffers, state.bufferAt(operation), LoopInfo.Bytes);
        this.putInfo(operation, state.bufferAt(operation));
        return port.ioctlBuffer(operation, descriptor, Ioctl.LOOP_SET_STATUS64, LoopInfo.Bytes);
      case Step.SetBlockSize:
        if (sectorSize === 512) return Outcome.Skip;
        return port.ioctlValue(operation, descriptor, Ioctl.LOOP_SET_BLOCK_SIZE, sectorSize);
      case Step.SetDirectIo:
        if (!state.has(operation, CommandFlag.DirectIo)) return Outcome.Skip;
        return port.ioctlValue(operation, descriptor, Ioctl.LOOP_SET_DIRECT_IO, 1);
      case Step.SeqAfter:
        return port.ioctlNumber(
          operation,
          state.get(operation, Field.DeviceDescriptor),
          Ioctl.BLKGETDISKSEQ,
        );
      case Step.StatusAfter:
        return getStatus(state, port, operation, descriptor);
      default:
        assert(step === Step.SizeAfter);
        return port.ioctlNumber(operation, descriptor, Ioctl.BLKGETSIZE64);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    if (result < 0) return this.refused(operation, step, -result, outcome);
    return this.succeeded(operation, step, result, outcome);
  }

  private succeeded(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.MakeHidden:
        state.set(operation, Field.HiddenMade, 1);
        return outcome;
      case Step.OpenPrivate:
      case Step.OpenHidden:
        state.set(operation, Field.WritableDescriptor, result);
        return outcome;
      case Step.OpenPublic:
        state.set(operation, Field.WritableDescriptor, result);
        this.port.warn(operation, Warning.PublicNode, 0, u64(0));
        return outcome;
      case Step.RemoveHidden:
        state.set(operation, Field.HiddenMade, 0);
        return state.get(operation, Field.WritableDescriptor) >= 0 ? Outcome.Ok : Outcome.Missing;
      case Step.Configure:
        state.set(operation, Field.Configured, 1);
        return outcome;
      case Step.ProbeConfigure:
        // No kernel configures nothing; if one says so, the device is cleared.
        state.set(operation, Field.Configured, 1);
        state.set(operation, Field.Failure, Failure.System);
        return Outcome.Fail;
      case Step.SetFd:
        state.set(operation, Field.Configured, 1);
        state.set(operation, Field.OldPath, 1);
        return outcome;
      case Step.SeqAfter:
        return this.judgeSeq(operation);
      case Step.StatusAfter:
        return this.judgeStatus(operation);
      case Step.SizeAfter:
        if (answer(state, operation) === state.get64(operation, Field.Capacity)) return outcome;
        return this.port.fail(
          operation,
          Failure.NotHonoured,
          u64(Mismatch.Size),
          answer(state, operation),
        );
      default:
        return outcome;
    }
  }

  /** What a negative completion means beyond its outcome. */
  private refused(operation: i32, step: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.MakeHidden:
        if (outcome === Outcome.Ok) state.set(operation, Field.HiddenMade, 1);
        return outcome;
      case Step.RemoveHidden:
        state.set(operation, Field.HiddenMade, 0);
        return state.get(operation, Field.WritableDescriptor) >= 0 ? outcome : Outcome.Missing;
      case Step.Configure:
        this.port.note(operation, errno);
        return outcome;
      case Step.ProbeConfigure:
        return this.judgeProbe(operation, errno, outcome);
      case Step.SetStatus:
      case Step.SetBlockSize:
        if (state.get(operation, Field.Waits) >= OLD_PATH_TRIES_MAX) return Outcome.Fail;
        return outcome;
      case Step.SeqAfter:
        if (outcome === Outcome.Skip) {
          this.port.warn(operation, Warning.IdentityBestEffort, errno, u64(0));
        }
        return outcome;
      default:
        return outcome;
    }
  }

  private putConfig(operation: i32, descriptor: i32): void {
    const state = this.state;
    const at = state.bufferAt(operation);
    putLoopConfig(state.buffers, at, descriptor, state.get(operation, Field.SectorSize));
    this.putInfo(operation, at + LoopConfig.Info);
  }

  /**
   * PARTSCAN only where one call is safe: else the scan comes later, alone. Always AUTOCLEAR: a
   * crash leaves nothing bound.
   */
  private putInfo(operation: i32, at: i32): void {
    const state = this.state;
    let flags: i32 = LoFlag.LO_FLAGS_AUTOCLEAR;
    if (isOneCall(state, operation)) flags |= LoFlag.LO_FLAGS_PARTSCAN;
    if (isForReading(state, operation)) flags |= LoFlag.LO_FLAGS_READ_ONLY;
    if (state.has(operation, CommandFlag.DirectIo)) flags |= LoFlag.LO_FLAGS_DIRECT_IO;
    putLoopInfo(
      state.buffers,
      at,
      state.get64(operation, Field.Offset),
      state.get64(operation, Field.SizeLimit),
      flags,
    );
    const reference = state.at(operation, Field.Reference);
    for (let i = 0; i < 64; i += 8) {
      const word = state.view.getUint64(reference + i, true);
      state.buffers.setUint64(at + LO_FILE_NAME + i, word, true);
    }
  }

  private judgeProbe(operation: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome === Outcome.Missing) state.setGlobal(Global.ConfigureMissing, u64(1));
    // It is known, so the first EINVAL was about our arguments: that one is reported.
    if (errno === Errno.EBADF) state.set(operation, Field.Failure, Failure.System);
    return outcome;
  }

  /* The proof. */

  private judgeSeq(operation: i32): i32 {
    const state = this.state;
    const before = state.get64(operation, Field.DiskseqBefore);
    const after = answer(state, operation);
    state.set64(operation, Field.Diskseq, after);
    const rose = before !== u64(0) && after > before;
    state.set(operation, Field.Identity, rose ? 1 : 0);
    if (!rose) this.port.warn(operation, Warning.IdentityBestEffort, 0, after);
    return Outcome.Ok;
  }

  private judgeStatus(operation: i32): i32 {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    const flags = loopFlags(view, at);
    const isReadOnly = (flags & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
    let mismatch = 0;
    if (!isSameBacking(state, operation)) mismatch = Mismatch.Backing;
    if (loopOffset(view, at) !== state.get64(operation, Field.Offset)) mismatch = Mismatch.Range;
    if (loopSizeLimit(view, at) !== state.get64(operation, Field.SizeLimit)) {
      mismatch = Mismatch.Range;
    }
    if ((flags & LoFlag.LO_FLAGS_AUTOCLEAR) === 0) mismatch = Mismatch.Flags;
    if (isForReading(state, operation) && !isReadOnly) mismatch = Mismatch.Flags;
    if (mismatch !== 0) {
      return this.port.fail(operation, Failure.NotHonoured, u64(mismatch), u64(0));
    }
    state.set(operation, Field.LoFlags, flags);
    if (isReadOnly && !isForReading(state, operation)) {
      // A descriptor that the caller gave was not open for writing.
      state.set(operation, Field.ImageReadOnly, 1);
      this.port.warn(operation, Warning.FellBackToReadOnly, 0, u64(0));
    }
    if (state.has(operation, CommandFlag.DirectIo) && (flags & LoFlag.LO_FLAGS_DIRECT_IO) === 0) {
      this.port.warn(operation, Warning.DirectIoDropped, 0, u64(0));
    }
    if ((flags & LoFlag.LO_FLAGS_PARTSCAN) !== 0 && !isOneCall(state, operation)) {
      this.port.warn(operation, Warning.PartscanForced, 0, u64(0));
    }
    const removed = state.get(operation, Field.LeftoversRemoved);
    if (removed > 0) this.port.warn(operation, Warning.LeftoversRemoved, 0, u64(removed));
    return Outcome.Ok;
  }
}

/** Whether the kernel makes the partitions in LOOP_CONFIGURE: the old path splits always. */
export function isOneCall(state: State, operation: i32): bool {
  if (!state.has(operation, CommandFlag.OneCall)) return false;
  if (state.get(operation, Field.OldPath) !== 0) return false;
  const isKernel = state.get(operation, Field.Partscan) === Partscan.Kernel;
  return isKernel && state.get(operation, Field.Partitions) > 0;
}
