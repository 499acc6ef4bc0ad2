/**
 * The steps that change a device which stays: a resize has it show what its file has grown or
 * shrunk to; a rescan makes its partitions those of its table, by BLKPG, and only where they
 * differ. Instance and lock are those of a detach, the table is read by the steps of the image.
 *
 * What must go or shrink is looked at first, so that nothing is changed where something is in use.
 * Then all is deleted, then shrunk, grown, added: what is there lies within what must be there by
 * the time anything grows. BLKPG never shrinks what is in use only because we ask before.
 *
 * Without a table that we read, all partitions go. Where the kernel scans the device it may read
 * what we do not (BSD, ...): then its own re-read decides.
 */
import { Call, Command, Failure, Limit, Partscan, Table } from "../abi.ts";
import { FileType, Ioctl, LoFlag } from "../wire/linux.ts";
import { clearBytes } from "../wire/loop.ts";
import { mbrIsNesting } from "../wire/mbr.ts";
import {
  Change,
  entryNumber,
  findEntry,
  findRecord,
  isAnyPlanned,
  isPlanned,
  plan,
  recordAt,
  recordNumber,
  recordSize,
  recordStart,
  SET_NUMBERS,
} from "./numbers.ts";
import { PartitionSteps } from "./partitions.ts";
import { answer, Port, Room } from "./port.ts";
import { Entry, Field, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

export class ChangeSteps extends Room {
  private readonly partitions: PartitionSteps;

  constructor(state: State, port: Port, partitions: PartitionSteps) {
    super(state, port);
    this.partitions = partitions;
  }

  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const device = state.get(operation, Field.DeviceDescriptor);
    switch (step) {
      case Step.SizeTarget:
        if (state.get(operation, Field.Command) === Command.Rescan) return Outcome.Skip;
        return port.ioctlNumber(operation, device, Ioctl.BLKGETSIZE64);
      case Step.SetCapacity:
        return port.ioctlValue(operation, device, Ioctl.LOOP_SET_CAPACITY, 0);
      case Step.SizeChanged:
        return port.ioctlNumber(operation, device, Ioctl.BLKGETSIZE64);
      case Step.RefreshTarget:
        // The table may have been written to the image behind the device's back.
        return port.ioctlValue(operation, device, Ioctl.BLKFLSBUF, 0);
      case Step.SectorTarget:
        return port.ioctlNumber(operation, device, Ioctl.BLKSSZGET);
      case Step.ListPresent:
      case Step.ListChanged:
        return port.query(operation, Call.ListPartitions, number, -1);
      case Step.FindUsers:
        clearBytes(state.buffers, state.bufferAt(operation), SET_NUMBERS / 8);
        return port.query(operation, Call.FindHolders, number, device);
      case Step.RereadTarget:
        return port.ioctlValue(operation, device, Ioctl.BLKRRPART, 0);
      default:
        assert(step === Step.ChangePartition);
        return this.changePartition(operation, device);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (result < 0) return this.refused(operation, step, -result, outcome);
    switch (step) {
      case Step.SizeTarget:
        state.set64(operation, Field.ImageSize, answer(state, operation));
        return outcome;
      case Step.SizeChanged:
        state.set64(operation, Field.Capacity, answer(state, operation));
        return outcome;
      case Step.SectorTarget:
        return this.beTheImage(operation);
      case Step.ListPresent:
        return this.planChanges(operation, result);
      case Step.FindUsers:
        return this.judgeUsers(operation);
      case Step.RereadTarget:
        state.set(operation, Field.Partscan, Partscan.Kernel);
        return outcome;
      case Step.ChangePartition:
        return this.next(operation);
      case Step.ListChanged:
        if (this.isForKernel(operation)) this.planAll(operation, result, Change.Add);
        return this.partitions.compare(operation, result);
      default:
        return outcome;
    }
  }

  private refused(operation: i32, step: i32, errno: i32, outcome: i32): i32 {
    switch (step) {
      case Step.FindUsers:
        // Nobody can be seen from here: BLKPG's own EBUSY has to do.
        return outcome === Outcome.Ok ? this.judgeUsers(operation) : outcome;
      case Step.RereadTarget:
        if (outcome !== Outcome.Held) return outcome;
        return this.port.fail(operation, Failure.PartitionBusy, u64(0), u64(0));
      case Step.ChangePartition:
        if (outcome === Outcome.Held) return this.refusedChange(operation, errno);
        return outcome === Outcome.Ok ? this.next(operation) : outcome;
      default:
        return outcome;
    }
  }

  /** The device shows the table at its own offset 0, in its own sectors. */
  private beTheImage(operation: i32): i32 {
    const state = this.state;
    state.set(operation, Field.SectorSize, i32(answer(state, operation)));
    state.set(operation, Field.ImageDescriptor, state.get(operation, Field.DeviceDescriptor));
    state.set(operation, Field.ImageMode, FileType.S_IFBLK);
    state.set(operation, Field.PartscanAsked, Partscan.User);
    return Outcome.Ok;
  }

  /* The plan. */

  /** What sysfs shows against what ought to be there: what has to change. */
  private planChanges(operation: i32, found: i32): i32 {
    const state = this.state;
    state.set(operation, Field.Cursor, 0);
    const expected = state.get(operation, Field.Partitions);
    for (let i = 0; i < expected; i++) {
      this.planEntry(operation, state.entryAt(operation, i), found);
    }
    for (let i = 0; i < found; i++) {
      const record = recordAt(state, operation, i);
      const number = recordNumber(state, record);
      if (findEntry(state, operation, expected, number) >= 0) continue;
      if (!this.isNested(operation, record)) plan(state, operation, Change.Remove, number);
    }
    const isRoomMade = isAnyPlanned(state, operation, Change.Remove);
    if (isRoomMade || isAnyPlanned(state, operation, Change.Shrink)) return Outcome.More;
    const isAdded = isAnyPlanned(state, operation, Change.Add);
    return isAdded || isAnyPlanned(state, operation, Change.Grow) ? Outcome.Ok : Outcome.Skip;
  }

  private planEntry(operation: i32, entry: i32, found: i32): void {
    const state = this.state;
    const number = entryNumber(state, entry);
    const size = state.view.getUint64(entry + Entry.Size, true);
    const record = findRecord(state, operation, found, number);
    if (record < 0) {
      plan(state, operation, Change.Add, number);
    } else if (recordStart(state, record) !== state.view.getUint64(entry + Entry.Start, true)) {
      plan(state, operation, Change.Remove, number);
      plan(state, operation, Change.Add, number);
    } else if (recordSize(state, record) > size) {
      plan(state, operation, Change.Shrink, number);
    } else if (size > recordSize(state, record)) {
      plan(state, operation, Change.Grow, number);
    }
  }

  private planAll(operation: i32, count: i32, change: i32): void {
    for (let i = 0; i < count; i++) {
      plan(
        this.state,
        operation,
        change,
        recordNumber(this.state, recordAt(this.state, operation, i)),
      );
    }
  }

  private isScanned(operation: i32): bool {
    return (this.state.get(operation, Field.LoFlags) & LoFlag.LO_FLAGS_PARTSCAN) !== 0;
  }

  /** Whether only the kernel can say what ought to be there. */
  private isForKernel(operation: i32): bool {
    return (
      this.state.get(operation, Field.Table) === Table.None &&
      this.isScanned(operation) &&
      isAnyPlanned(this.state, operation, Change.Remove)
    );
  }

  /** In a partition that stays as it is, and whose inside only the kernel reads. */
  private isNested(operation: i32, record: i32): bool {
    const state = this.state;
    const view = state.view;
    if (!this.isScanned(operation)) return false;
    const start = recordStart(state, record);
    const end = u64(start + recordSize(state, record));
    const expected = state.get(operation, Field.Partitions);
    for (let i = 0; i < expected; i++) {
      const entry = state.entryAt(operation, i);
      const first = view.getUint64(entry + Entry.Start, true);
      const last = u64(first + view.getUint64(entry + Entry.Size, true));
      if (!mbrIsNesting(view.getUint32(entry + Entry.MbrType, true))) continue;
      if (this.isChanging(operation, entryNumber(state, entry))) continue;
      if (start >= first && last >= end) return true;
    }
    return false;
  }

  private isChanging(operation: i32, number: i32): bool {
    for (let change = 0; change < Change.Count; change++) {
      if (isPlanned(this.state, operation, change, number)) return true;
    }
    return false;
  }

  /** Whether somebody uses what must go or shrink. */
  private judgeUsers(operation: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    for (let number = 1; number <= Limit.PartitionsMax; number++) {
      const isGoing = isPlanned(state, operation, Change.Remove, number);
      if (!isGoing && !isPlanned(state, operation, Change.Shrink, number)) continue;
      const bits = i32(state.buffers.getUint8(at + (number >> 3)));
      if (((bits >> (number & 7)) & 1) === 0) continue;
      return this.port.fail(operation, Failure.PartitionBusy, u64(number), u64(0));
    }
    return this.isForKernel(operation) ? Outcome.Kernel : Outcome.Ok;
  }

  /* The change: the cursor goes through the numbers of one set after the other. */

  private changePartition(operation: i32, device: i32): i32 {
    const state = this.state;
    const port = this.port;
    let cursor = state.get(operation, Field.Cursor);
    const end = Change.Count * SET_NUMBERS;
    while (cursor < end && !isPlanned(state, operation, changeAt(cursor), numberAt(cursor))) {
      cursor++;
    }
    state.set(operation, Field.Cursor, cursor);
    if (cursor === end) return Outcome.Ok;
    const number = numberAt(cursor);
    const change = changeAt(cursor);
    if (change === Change.Remove) return port.deletePartition(operation, device, number);
    const expected = state.get(operation, Field.Partitions);
    const entry = findEntry(state, operation, expected, number);
    const start = state.view.getUint64(entry + Entry.Start, true);
    const size = state.view.getUint64(entry + Entry.Size, true);
    return change === Change.Add
      ? port.addPartition(operation, device, number, start, size)
      : port.resizePartition(operation, device, number, start, size);
  }

  private next(operation: i32): i32 {
    const cursor = this.state.get(operation, Field.Cursor);
    this.state.set(operation, Field.Cursor, cursor + 1);
    return Outcome.More;
  }

  /** Opened just now; or something is in the way of what is added, as the comparison will tell. */
  private refusedChange(operation: i32, errno: i32): i32 {
    const cursor = this.state.get(operation, Field.Cursor);
    if (changeAt(cursor) === Change.Remove) {
      const number = u64(numberAt(cursor));
      return this.port.fail(operation, Failure.PartitionBusy, number, u64(0));
    }
    this.port.note(operation, errno);
    return this.next(operation);
  }
}

function changeAt(cursor: i32): i32 {
  return cursor >> 8;
}

function numberAt(cursor: i32): i32 {
  return cursor & (SET_NUMBERS - 1);
}
