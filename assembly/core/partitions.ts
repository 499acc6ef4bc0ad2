/**
 * The steps of the partitions: drain the pending scan, have them made by the kernel or make them,
 * compare them with what sysfs shows, and the end of an attach. Knows no table: the list of
 * partitions is what ought to be there.
 */
import {
  Call,
  Command,
  CommandFlag,
  Failure,
  PartitionEntryWord,
  Partscan,
  Place,
  Warning,
} from "../abi.ts";
import { Ioctl, Lock, LoFlag, OpenFlag } from "../wire/linux.ts";
import { LoopInfo, loopFlags, setLoopFlags } from "../wire/loop.ts";
import { isOneCall } from "./configure.ts";
import {
  entryNumber,
  findEntry,
  recordAt,
  recordNumber,
  recordSize,
  recordStart,
} from "./numbers.ts";
import { getStatus, loopDescriptor, Port, Room } from "./port.ts";
import { Entry, Field, Global, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

/** Tries of an attach, after which partitions that are gone again are missing. */
const DROPS_MAX: i32 = 8;

export class PartitionSteps extends Room {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const auxiliary = state.get(operation, Field.AuxiliaryDescriptor);
    const device = state.get(operation, Field.DeviceDescriptor);
    switch (step) {
      case Step.DrainOpen:
        // Asked for and done already; nothing is pending.
        if (isOneCall(state, operation)) return this.scanned(operation, Outcome.Skip);
        return port.open(operation, Place.Disk, OpenFlag.O_NONBLOCK, number, 0);
      case Step.DrainClose:
        return port.close(operation, auxiliary);
      case Step.DrainList:
        if (state.get(operation, Field.Partitions) === 0) return Outcome.Skip;
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.ListPartitions:
      case Step.ListReread:
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.RereadDevice:
        return port.ioctlValue(operation, device, Ioctl.BLKRRPART, 0);
      case Step.ScanStatus:
        return getStatus(state, port, operation, loopDescriptor(state, operation));
      case Step.ScanSet:
        return this.setFlags(operation, LoFlag.LO_FLAGS_PARTSCAN, 0);
      case Step.AddPartition:
        return this.addPartition(operation);
      case Step.CloseImage:
        if (state.get(operation, Field.ImageOwned) === 0) return this.afterImage(operation);
        return port.close(operation, state.get(operation, Field.ImageDescriptor));
      case Step.KeepStatus:
        if (!state.has(operation, CommandFlag.Persistent)) return Outcome.Skip;
        return getStatus(state, port, operation, loopDescriptor(state, operation));
      case Step.KeepSet:
        return this.setFlags(operation, 0, LoFlag.LO_FLAGS_AUTOCLEAR);
      case Step.CloseWritable:
        if (state.get(operation, Field.WritableDescriptor) < 0) return Outcome.Skip;
        return port.close(operation, state.get(operation, Field.WritableDescriptor));
      default:
        assert(step === Step.UnlockDevice);
        if (!state.has(operation, CommandFlag.NoLock)) return Outcome.Skip;
        return port.flock(operation, device, Lock.LOCK_UN);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.DrainClose:
        state.set(operation, Field.AuxiliaryDescriptor, -1);
        return outcome;
      case Step.CloseImage:
        state.set(operation, Field.ImageDescriptor, -1);
        state.set(operation, Field.ImageOwned, 0);
        return this.afterImage(operation);
      case Step.CloseWritable:
        state.set(operation, Field.WritableDescriptor, -1);
        return outcome;
      case Step.AddPartition:
        return this.afterAdd(operation, result, outcome);
      default:
        return result < 0 ? outcome : this.succeeded(operation, step, result, outcome);
    }
  }

  private succeeded(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.DrainOpen:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      case Step.DrainList:
        return this.afterDrain(operation, result);
      case Step.ScanSet:
      case Step.KeepSet:
        state.set(operation, Field.LoFlags, loopFlags(state.buffers, state.bufferAt(operation)));
        return outcome;
      case Step.ListPartitions:
        return this.compare(operation, result);
      case Step.ListReread: {
        const seen = this.compare(operation, result);
        return seen === Outcome.Doubt ? this.parserIsMissing(operation) : seen;
      }
      default:
        return outcome;
    }
  }

  /** Turns flags on and off in the status that lies in the buffer, and sets it. */
  private setFlags(operation: i32, on: i32, off: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    setLoopFlags(state.buffers, at, (loopFlags(state.buffers, at) | on) & ~off);
    return this.port.ioctlBuffer(
      operation,
      loopDescriptor(state, operation),
      Ioctl.LOOP_SET_STATUS64,
      LoopInfo.Bytes,
    );
  }

  /**
   * Kernels that scan at any open although PARTSCAN is off (5.18.2 to 5.19.8), and modules with
   * max_part, have made the partitions by now: another scan would drop and add them again.
   */
  private afterDrain(operation: i32, found: i32): i32 {
    const mode = this.state.get(operation, Field.Partscan);
    if (mode === Partscan.None) return this.scanned(operation, Outcome.Skip);
    if (found > 0) return this.scanned(operation, Outcome.Ok);
    return this.scanned(operation, mode === Partscan.Kernel ? Outcome.Kernel : Outcome.User);
  }

  /** What went wrong before this device is no failure of its partitions. */
  private scanned(operation: i32, outcome: i32): i32 {
    this.state.set(operation, Field.Cursor, 0);
    this.state.set(operation, Field.Denied, 0);
    this.state.set(operation, Field.FailedErrno, 0);
    return outcome;
  }

  private addPartition(operation: i32): i32 {
    const state = this.state;
    const entry = state.entryAt(operation, state.get(operation, Field.Cursor));
    return this.port.addPartition(
      operation,
      state.get(operation, Field.DeviceDescriptor),
      state.view.getInt32(entry + Entry.Number, true),
      state.view.getUint64(entry + Entry.Start, true),
      state.view.getUint64(entry + Entry.Size, true),
    );
  }

  /** EBUSY may mean that it is there already; the comparison with sysfs decides. */
  private afterAdd(operation: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (outcome !== Outcome.Ok) return outcome;
    if (result < 0) this.port.note(operation, -result);
    const cursor = state.get(operation, Field.Cursor) + 1;
    state.set(operation, Field.Cursor, cursor);
    return state.get(operation, Field.Partitions) > cursor ? Outcome.More : Outcome.Ok;
  }

  /**
   * What sysfs shows against what ought to be there. None of them after the kernel's scan: it has
   * no parser for the table, or it could not scan, and does not say which.
   */
  compare(operation: i32, found: i32): i32 {
    const state = this.state;
    const expected = state.get(operation, Field.Partitions);
    const isKernel = state.get(operation, Field.Partscan) === Partscan.Kernel;
    let seen = 0;
    for (let i = 0; i < found; i++) {
      const record = recordAt(state, operation, i);
      const entry = findEntry(state, operation, expected, recordNumber(state, record));
      if (entry < 0) {
        if (!this.keepUnexpected(operation, record)) return Outcome.Fail;
        continue;
      }
      if (!this.matches(operation, entry, record)) return Outcome.Fail;
      seen++;
    }
    state.set(operation, Field.Cursor, 0);
    if (seen === expected) return Outcome.Ok;
    if (isKernel && seen === 0) {
      // What it found instead belongs to another reading of the image.
      state.set(operation, Field.Partitions, expected);
      return Outcome.Doubt;
    }
    return this.missing(operation, expected);
  }

  /** BLKRRPART scanned, and there is still nothing: known from now on. */
  private parserIsMissing(operation: i32): i32 {
    const state = this.state;
    const table = state.get(operation, Field.Table);
    state.setGlobal(Global.ParserMissing + table, u64(1));
    this.port.warn(operation, Warning.NoKernelParser, 0, u64(table));
    return Outcome.Restart;
  }

  private matches(operation: i32, entry: i32, record: i32): bool {
    const state = this.state;
    if (
      recordStart(state, record) !== state.view.getUint64(entry + Entry.Start, true) ||
      recordSize(state, record) !== state.view.getUint64(entry + Entry.Size, true)
    ) {
      const number = u64(entryNumber(state, entry));
      this.port.fail(operation, Failure.PartitionMissing, number, u64(1));
      return false;
    }
    this.takeDevnum(entry, record);
    return true;
  }

  private takeDevnum(entry: i32, record: i32): void {
    const state = this.state;
    const buffers = state.buffers;
    const major = buffers.getInt32(record + PartitionEntryWord.Major * 4, true);
    const minor = buffers.getInt32(record + PartitionEntryWord.Minor * 4, true);
    state.view.setInt32(entry + Entry.Major, major, true);
    state.view.setInt32(entry + Entry.Minor, minor, true);
    state.view.setInt32(entry + Entry.Seen, 1, true);
  }

  /** The kernel reads tables that we do not (BSD, ...): kept, listed, told. */
  private keepUnexpected(operation: i32, record: i32): bool {
    const state = this.state;
    const entry = state.appendEntry(operation);
    if (entry < 0) {
      this.port.fail(operation, Failure.TooManyPartitions, u64(0), u64(0));
      return false;
    }
    const number = recordNumber(state, record);
    state.view.setInt32(entry + Entry.Number, number, true);
    state.view.setInt32(entry + Entry.Kind, -1, true);
    state.view.setUint64(entry + Entry.Start, recordStart(state, record), true);
    state.view.setUint64(entry + Entry.Size, recordSize(state, record), true);
    this.takeDevnum(entry, record);
    this.port.warn(operation, Warning.PartitionUnexpected, 0, u64(number));
    return true;
  }

  private missing(operation: i32, expected: i32): i32 {
    const state = this.state;
    for (let i = 0; i < expected; i++) {
      const entry = state.entryAt(operation, i);
      if (state.view.getInt32(entry + Entry.Seen, true) === 1) continue;
      if (state.get(operation, Field.FailedErrno) !== 0) {
        // BLKPG said EBUSY, and what is in the way is something else.
        state.set(operation, Field.Failure, Failure.System);
        return Outcome.Fail;
      }
      return dropped(state, this.port, operation, entryNumber(state, entry));
    }
    return Outcome.Fail;
  }

  private afterImage(operation: i32): i32 {
    const isProbe = this.state.get(operation, Field.Command) === Command.Probe;
    return isProbe ? Outcome.Probe : Outcome.Ok;
  }
}

/** Partitions of our own making on a device of our own. */
export function isOurs(state: State, operation: i32): bool {
  if (state.get(operation, Field.Command) !== Command.Attach) return false;
  return state.get(operation, Field.Partscan) === Partscan.User;
}

/**
 * One that was made is gone again: another device has no such past; where each loses them there is
 * another reason.
 */
export function dropped(state: State, port: Port, operation: i32, number: i32): i32 {
  const isRetried = isOurs(state, operation) && DROPS_MAX > state.get(operation, Field.Tries);
  if (isRetried) return Outcome.PassOver;
  return port.fail(operation, Failure.PartitionMissing, u64(number), u64(0));
}
