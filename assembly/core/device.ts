/**
 * The steps of the device: under the lock of loop-control look for overlaps, take a number, open and
 * lock the device, configure it; then prove what the kernel made. Knows nothing of tables.
 *
 * Two descriptors: a read-only one of the public node, which holds the shared lock and stays, and a
 * writable one of a node that only this process sees. udev watches the inode of the public node; a
 * writable descriptor closed there makes old udevds re-read, which drops every partition.
 */
import { Call, CommandFlag, Failure, Mismatch, Place, StatWord, Warning } from "../abi.ts";
import { Device, Errno, FileType, Ioctl, Lock, LoFlag, OpenFlag } from "../wire/linux.ts";
import {
  clearBytes,
  LO_FILE_NAME,
  LoopConfig,
  LoopInfo,
  loopDevice,
  loopFlags,
  loopInode,
  loopOffset,
  loopRdevice,
  loopSizeLimit,
  putLoopConfig,
  putLoopInfo,
} from "../wire/loop.ts";
import { answer, getStatus, loopDescriptor, PENDING, Port } from "./port.ts";
import { Field, Global, State } from "./state.ts";
import { Outcome, Step } from "./transitions.ts";

/** EACCES at open is udev setting the group; util-linux waits as often. */
const DENIED_MAX: i32 = 16;
const OLD_PATH_TRIES_MAX: i32 = 64;

export class DeviceSteps {
  private readonly state: State;
  private readonly port: Port;

  constructor(state: State, port: Port) {
    this.state = state;
    this.port = port;
  }

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
      case Step.CloseBacking:
        return port.close(operation, auxiliary);
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
        return port.open(operation, Place.Disk, OpenFlag.O_NONBLOCK | OpenFlag.O_EXCL, number, 0);
      case Step.StatusClaimed:
        return getStatus(state, port, operation, auxiliary);
      case Step.DeleteLeftover: {
        // The list still lies in the buffer; the first of it goes.
        const first = state.buffers.getInt32(state.bufferAt(operation), true);
        return port.deletePartition(operation, auxiliary, first);
      }
      case Step.ReleaseClaim:
        return port.close(operation, auxiliary);
      case Step.SeqBefore:
        return port.ioctlNumber(operation, device, Ioctl.BLKGETDISKSEQ);
      default:
        return this.beginConfigure(operation, step);
    }
  }

  private beginConfigure(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const major = state.get(operation, Field.Major);
    const minor = state.get(operation, Field.Minor);
    const flags = OpenFlag.O_RDWR | OpenFlag.O_NONBLOCK;
    const descriptor = loopDescriptor(state, operation);
    switch (step) {
      case Step.MakePrivate:
        // Configured through a read-only descriptor the device becomes read-only: as wanted.
        if (this.isReadOnly(operation)) return Outcome.Skip;
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
    const state = this.state;
    if (outcome === Outcome.Skip || outcome === Outcome.Missing || result < 0) {
      return this.refused(operation, step, -result, outcome);
    }
    switch (step) {
      case Step.OpenControl:
        state.set(operation, Field.ControlDescriptor, result);
        return outcome;
      case Step.FindBacking:
        state.set(operation, Field.Suspect, result);
        return outcome;
      case Step.OpenBacking:
      case Step.ClaimDevice:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      case Step.StatusBacking:
        return this.judgeBacking(operation);
      case Step.CloseBacking:
        return this.nextBacking(operation);
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
      case Step.ListClaimed:
        return result > 0 ? Outcome.More : Outcome.Ok;
      case Step.ReleaseClaim:
        return this.unclaimed(operation);
      case Step.DeleteLeftover:
        return this.countLeftover(operation);
      case Step.SeqBefore:
        state.set64(operation, Field.DiskseqBefore, answer(state, operation));
        return outcome;
      default:
        return this.finishConfigure(operation, step, result, outcome);
    }
  }

  private finishConfigure(operation: i32, step: i32, result: i32, outcome: i32): i32 {
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
      case Step.AddNumber:
        if (outcome !== Outcome.Ok) return outcome;
        return this.takeNumber(operation, state.get(operation, Field.NumberAsked));
      case Step.CloseBacking:
        return this.nextBacking(operation);
      case Step.ReleaseClaim:
        return this.unclaimed(operation);
      case Step.OpenBacking:
        if (outcome === Outcome.Skip) this.passSuspect(operation);
        return outcome;
      case Step.OpenDevice:
        return this.refusedOpen(operation, errno, outcome);
      case Step.DeleteLeftover:
        return this.refusedLeftover(operation, errno, outcome);
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

  private isReadOnly(operation: i32): bool {
    return (
      this.state.has(operation, CommandFlag.ReadOnly) ||
      this.state.get(operation, Field.ImageReadOnly) !== 0
    );
  }

  /* The overlap guard. */

  private findBacking(operation: i32): i32 {
    const state = this.state;
    if (state.has(operation, CommandFlag.AllowOverlap)) return Outcome.Skip;
    const block = this.isBlock(operation);
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

  private isBlock(operation: i32): bool {
    return (this.state.get(operation, Field.ImageMode) & FileType.S_IFMT) === FileType.S_IFBLK;
  }

  private isSameBacking(operation: i32): bool {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    if (this.isBlock(operation)) {
      return loopRdevice(view, at) === state.get64(operation, Field.ImageRdev);
    }
    return (
      loopDevice(view, at) === state.get64(operation, Field.ImageDevice) &&
      loopInode(view, at) === state.get64(operation, Field.ImageInode)
    );
  }

  private judgeBacking(operation: i32): i32 {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    if (!this.isSameBacking(operation)) return Outcome.Ok;
    const theirsReadOnly = (loopFlags(view, at) & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
    if (theirsReadOnly && this.isReadOnly(operation)) return Outcome.Ok;
    const size = state.get64(operation, Field.ImageSize);
    const start = state.get64(operation, Field.Offset);
    const end = u64(start + state.get64(operation, Field.Capacity));
    const theirStart = loopOffset(view, at);
    const theirLimit = loopSizeLimit(view, at);
    let theirEnd = size;
    if (theirLimit !== u64(0) && theirStart < size && theirLimit < u64(size - theirStart)) {
      theirEnd = u64(theirStart + theirLimit);
    }
    if (start < theirEnd && theirStart < end) {
      this.port.fail(operation, Failure.Overlap, u64(0), u64(0));
      state.set(operation, Field.FailedNumber, state.get(operation, Field.Suspect));
      return Outcome.Fail;
    }
    return Outcome.Ok;
  }

  private nextBacking(operation: i32): i32 {
    this.state.set(operation, Field.AuxiliaryDescriptor, -1);
    this.passSuspect(operation);
    return Outcome.Ok;
  }

  private passSuspect(operation: i32): void {
    const suspect = this.state.get(operation, Field.Suspect);
    this.state.set(operation, Field.Suspect, suspect + 1);
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
    if (this.state.get(operation, Field.NumberAsked) < 0) return Outcome.Retry;
    return this.port.fail(operation, Failure.DeviceBound, u64(0), u64(0));
  }

  private unclaimed(operation: i32): i32 {
    this.state.set(operation, Field.AuxiliaryDescriptor, -1);
    return Outcome.Ok;
  }

  private countLeftover(operation: i32): i32 {
    const removed = this.state.get(operation, Field.LeftoversRemoved) + 1;
    this.state.set(operation, Field.LeftoversRemoved, removed);
    return Outcome.Ok;
  }

  private refusedLeftover(operation: i32, errno: i32, outcome: i32): i32 {
    const state = this.state;
    if (errno === Errno.EBUSY && state.get(operation, Field.NumberAsked) >= 0) {
      const number = state.buffers.getInt32(state.bufferAt(operation) + 16, true);
      return this.port.fail(operation, Failure.LeftoverOpen, u64(number), u64(0));
    }
    return outcome;
  }

  /* The configuration. */

  private putConfig(operation: i32, descriptor: i32): void {
    const state = this.state;
    const at = state.bufferAt(operation);
    putLoopConfig(state.buffers, at, descriptor, state.get(operation, Field.SectorSize));
    this.putInfo(operation, at + LoopConfig.Info);
  }

  /** Never PARTSCAN: the scan comes later, alone. Always AUTOCLEAR: a crash leaves nothing bound. */
  private putInfo(operation: i32, at: i32): void {
    const state = this.state;
    let flags: i32 = LoFlag.LO_FLAGS_AUTOCLEAR;
    if (this.isReadOnly(operation)) flags |= LoFlag.LO_FLAGS_READ_ONLY;
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
    if (!this.isSameBacking(operation)) mismatch = Mismatch.Backing;
    if (loopOffset(view, at) !== state.get64(operation, Field.Offset)) mismatch = Mismatch.Range;
    if (loopSizeLimit(view, at) !== state.get64(operation, Field.SizeLimit)) {
      mismatch = Mismatch.Range;
    }
    if ((flags & LoFlag.LO_FLAGS_AUTOCLEAR) === 0) mismatch = Mismatch.Flags;
    if (this.isReadOnly(operation) && !isReadOnly) mismatch = Mismatch.Flags;
    if (mismatch !== 0) {
      return this.port.fail(operation, Failure.NotHonoured, u64(mismatch), u64(0));
    }
    state.set(operation, Field.LoFlags, flags);
    if (isReadOnly && !this.isReadOnly(operation)) {
      // A descriptor that the caller gave was not open for writing.
      state.set(operation, Field.ImageReadOnly, 1);
      this.port.warn(operation, Warning.FellBackToReadOnly, 0, u64(0));
    }
    if (state.has(operation, CommandFlag.DirectIo) && (flags & LoFlag.LO_FLAGS_DIRECT_IO) === 0) {
      this.port.warn(operation, Warning.DirectIoDropped, 0, u64(0));
    }
    if ((flags & LoFlag.LO_FLAGS_PARTSCAN) !== 0) {
      this.port.warn(operation, Warning.PartscanForced, 0, u64(0));
    }
    const removed = state.get(operation, Field.LeftoversRemoved);
    if (removed > 0) this.port.warn(operation, Warning.LeftoversRemoved, 0, u64(removed));
    return Outcome.Ok;
  }
}
