/**
 * What udev has done with the disks that somebody asks about. It has processed a device of this
 * instance when it said so (its group carries the number) and its record of that device was
 * rewritten: anybody with root can say so, and records are old. Where it says nothing for a while,
 * the event was lost or came before we listened: it is asked by a synthetic `change`, and again.
 *
 * Works on the disk that the lookout looks at, whose partitions are the lookout's list.
 */
import { Call, DeviceType, Group, Limit } from "../abi.ts";
import { Uevent } from "../wire/uevent.ts";
import { clearMask, hasBit, holds, setBit } from "./masks.ts";
import { answer, MILLISECOND, PENDING, Port, Room } from "./port.ts";
import { random } from "./random.ts";
import { DiskField, GroupState, Looked } from "./records.ts";
import { Registry } from "./registry.ts";
import { Entry, Field, Global, State } from "./state.ts";
import { Outcome } from "./steps.ts";

/** So long udev may be silent before it is asked; twice as long each time, up to 8 s. */
const ASK_MS: i32 = 500;
const ASK_DOUBLINGS: i32 = 4;

/** Stamp of a record that is not there; no real one is so low. */
const NO_RECORD: u64 = u64(1);

export class UdevProgress extends Room {
  private readonly registry: Registry;

  constructor(state: State, port: Port, registry: Registry) {
    super(state, port);
    this.registry = registry;
  }

  /** udev says that it has processed a device. */
  claim(disk: i32, uevent: Uevent, current: u64): void {
    const registry = this.registry;
    const claimed = registry.disk64(disk, DiskField.Claimed);
    if (uevent.diskseq !== claimed) {
      // What sysfs shows as current is not given up for a number that it does not show.
      if (claimed !== u64(0) && claimed === current) return;
      registry.setDisk64(disk, DiskField.Claimed, uevent.diskseq);
      // What was claimed before is forgotten, though it may have been what udev was asked for.
      registry.setDisk(disk, DiskField.Asked, 0);
      registry.setDisk(disk, DiskField.ClaimedDisk, 0);
      registry.setDisk(disk, DiskField.ConfirmedDisk, 0);
      clearMask(this.state.view, registry.diskAt(disk, DiskField.ClaimedMask));
      clearMask(this.state.view, registry.diskAt(disk, DiskField.ConfirmedMask));
    }
    if (uevent.deviceType === DeviceType.Disk) registry.setDisk(disk, DiskField.ClaimedDisk, 1);
    else
      setBit(this.state.view, registry.diskAt(disk, DiskField.ClaimedMask), uevent.partition, true);
  }

  /** A partition that goes and comes again is processed again. */
  unclaim(disk: i32, partition: i32): void {
    const registry = this.registry;
    setBit(this.state.view, registry.diskAt(disk, DiskField.ClaimedMask), partition, false);
    setBit(this.state.view, registry.diskAt(disk, DiskField.ConfirmedMask), partition, false);
  }

  /** Another instance: what was asked is of no use. */
  forget(disk: i32): void {
    this.registry.setDisk(disk, DiskField.Asked, 0);
    this.registry.setDisk64(disk, DiskField.AskAt, u64(0));
  }

  /** Its answer may be lost: once more, at the next look. */
  askAgain(disk: i32): void {
    this.registry.setDisk(disk, DiskField.Asked, 0);
    this.registry.setDisk64(disk, DiskField.AskAt, this.state.global(Global.Now));
  }

  /* What udev has done. */

  /** The first device of an instance that udev has not processed: 0 the disk, or a number of the
   *  mask; -1: none. */
  unprocessed(disk: i32, diskseq: u64, mask: i32): i32 {
    const view = this.state.view;
    const registry = this.registry;
    if (registry.disk64(disk, DiskField.Claimed) !== diskseq) return 0;
    if (registry.disk(disk, DiskField.ConfirmedDisk) === 0) return 0;
    const confirmed = registry.diskAt(disk, DiskField.ConfirmedMask);
    if (holds(view, confirmed, mask)) return -1;
    let number = 1;
    while (!hasBit(view, mask, number) || hasBit(view, confirmed, number)) number++;
    return number;
  }

  /** The same of an attach and its partitions. */
  unprocessedOf(operation: i32): i32 {
    const state = this.state;
    const mask = state.at(operation, Field.AwaitedMask);
    clearMask(state.view, mask);
    for (let i = 0; state.get(operation, Field.Partitions) > i; i++) {
      const entry = state.entryAt(operation, i);
      setBit(state.view, mask, state.view.getInt32(entry + Entry.Number, true), true);
    }
    const disk = state.get(operation, Field.Disk) - 1;
    return this.unprocessed(disk, state.get64(operation, Field.Diskseq), mask);
  }

  /* udev's records. */

  private wantsUdev(disk: i32): bool {
    return this.isHeard() && this.registry.disk(disk, DiskField.UdevInterest) !== 0;
  }

  private isHeard(): bool {
    return this.state.global(Global.GroupIs + Group.Udev) === u64(GroupState.Open);
  }

  /** An attach reads the disk's record before it configures, unless a look has: the first look
   *  might come after udev. */
  beginBase(operation: i32): i32 {
    const state = this.state;
    const disk = state.get(operation, Field.Disk) - 1;
    if (disk < 0 || !this.isHeard()) return Outcome.Ok;
    if (this.registry.disk64(disk, DiskField.BaseStamp) !== u64(0)) return Outcome.Ok;
    this.port.query(operation, Call.ReadRecord, state.get(operation, Field.Major), -1);
    state.set(operation, Field.CallPartition, state.get(operation, Field.Minor));
    return PENDING;
  }

  finishBase(operation: i32, result: i32): void {
    const disk = this.state.get(operation, Field.Disk) - 1;
    if (this.registry.disk64(disk, DiskField.BaseStamp) !== u64(0)) return;
    const stamp = result < 0 ? NO_RECORD : answer(this.state, operation);
    this.registry.setDisk64(disk, DiskField.BaseStamp, stamp);
  }

  /** Whether the device at the cursor (0: the disk) was claimed, and is not confirmed. */
  private isClaimed(disk: i32, cursor: i32): bool {
    const registry = this.registry;
    const claimed = registry.disk64(disk, DiskField.Claimed);
    if (claimed !== registry.disk64(disk, DiskField.Diskseq)) return false;
    if (cursor === 0) {
      if (registry.disk(disk, DiskField.ClaimedDisk) === 0) return false;
      return registry.disk(disk, DiskField.ConfirmedDisk) === 0;
    }
    const number = this.numberAt(cursor);
    if (!hasBit(this.state.view, registry.diskAt(disk, DiskField.ClaimedMask), number))
      return false;
    return !hasBit(this.state.view, registry.diskAt(disk, DiskField.ConfirmedMask), number);
  }

  private isConfirmed(disk: i32, cursor: i32): bool {
    const registry = this.registry;
    const claimed = registry.disk64(disk, DiskField.Claimed);
    if (claimed !== registry.disk64(disk, DiskField.Diskseq)) return false;
    if (cursor === 0) return registry.disk(disk, DiskField.ConfirmedDisk) !== 0;
    return hasBit(
      this.state.view,
      registry.diskAt(disk, DiskField.ConfirmedMask),
      this.numberAt(cursor),
    );
  }

  /** Partition number of the device at a cursor above 0. */
  private numberAt(cursor: i32): i32 {
    const entry = this.state.entryAt(this.state.lookout, cursor - 1);
    return this.state.view.getInt32(entry + Entry.Number, true);
  }

  beginRecord(disk: i32): i32 {
    const state = this.state;
    const lookout = state.lookout;
    let cursor = state.get(lookout, Field.Cursor);
    if (!this.wantsUdev(disk)) cursor = state.get(lookout, Field.Partitions) + 1;
    while (cursor <= state.get(lookout, Field.Partitions)) {
      const isBase = cursor === 0 && this.registry.disk64(disk, DiskField.BaseStamp) === u64(0);
      if (isBase || this.isClaimed(disk, cursor)) {
        state.set(lookout, Field.Cursor, cursor);
        return this.queryRecord(cursor);
      }
      cursor++;
    }
    state.set(lookout, Field.Cursor, 0);
    return Outcome.Ok;
  }

  private queryRecord(cursor: i32): i32 {
    const state = this.state;
    const lookout = state.lookout;
    let major = state.get(lookout, Field.Major);
    let minor = state.get(lookout, Field.Minor);
    if (cursor > 0) {
      const entry = state.entryAt(lookout, cursor - 1);
      major = state.view.getInt32(entry + Entry.Major, true);
      minor = state.view.getInt32(entry + Entry.Minor, true);
    }
    this.port.query(lookout, Call.ReadRecord, major, -1);
    state.set(lookout, Field.CallPartition, minor);
    return PENDING;
  }

  finishRecord(disk: i32, result: i32): i32 {
    const state = this.state;
    const registry = this.registry;
    const lookout = state.lookout;
    const cursor = state.get(lookout, Field.Cursor);
    const stamp = result < 0 ? NO_RECORD : answer(state, lookout);
    if (cursor > 0) {
      if (stamp !== NO_RECORD) {
        const confirmed = registry.diskAt(disk, DiskField.ConfirmedMask);
        setBit(this.state.view, confirmed, this.numberAt(cursor), true);
      }
    } else if (registry.disk64(disk, DiskField.BaseStamp) === u64(0)) {
      // What udev wrote from here on is of this wait, or later.
      registry.setDisk64(disk, DiskField.BaseStamp, stamp);
    } else if (stamp !== NO_RECORD && stamp !== registry.disk64(disk, DiskField.BaseStamp)) {
      registry.setDisk(disk, DiskField.ConfirmedDisk, 1);
    }
    state.set(lookout, Field.Cursor, cursor + 1);
    return Outcome.More;
  }

  beginTrigger(disk: i32): i32 {
    const state = this.state;
    const registry = this.registry;
    const lookout = state.lookout;
    const askAt = registry.disk64(disk, DiskField.AskAt);
    const isDue = askAt !== u64(0) && askAt <= state.global(Global.Now);
    const isBound = registry.disk(disk, DiskField.Bound) !== 0;
    if (isDue && isBound && this.wantsUdev(disk)) {
      let cursor = state.get(lookout, Field.Cursor);
      while (cursor <= state.get(lookout, Field.Partitions)) {
        if (!this.isConfirmed(disk, cursor)) {
          state.set(lookout, Field.Cursor, cursor);
          return this.trigger(disk, cursor);
        }
        cursor++;
      }
      // A kernel that mutes the disk just now swallows the question: it is asked again.
      const asked = registry.disk(disk, DiskField.Asked);
      if (asked < ASK_DOUBLINGS) registry.setDisk(disk, DiskField.Asked, asked + 1);
      registry.setDisk64(disk, DiskField.AskAt, u64(0));
    }
    return Outcome.Ok;
  }

  private trigger(disk: i32, cursor: i32): i32 {
    const state = this.state;
    const lookout = state.lookout;
    const at = state.bufferAt(lookout) + Limit.NameBytes;
    const name = this.registry.diskAt(disk, DiskField.Name);
    this.port.queryNamed(lookout, Call.Trigger, name);
    for (let i = 0; i < 16; i++) {
      state.buffers.setUint8(at + i, u8(random(state, u64(256))));
    }
    state.set(lookout, Field.CallPartition, cursor === 0 ? 0 : this.numberAt(cursor));
    return PENDING;
  }

  /** When udev is asked to process it again; 0: not. */
  arm(disk: i32, now: u64): u64 {
    const registry = this.registry;
    let at = u64(0);
    if (this.isOwed(disk)) {
      at = registry.disk64(disk, DiskField.AskAt);
      const silence = ASK_MS << registry.disk(disk, DiskField.Asked);
      if (at === u64(0)) at = u64(now + u64(u64(silence) * u64(MILLISECOND)));
    }
    registry.setDisk64(disk, DiskField.AskAt, at);
    return at;
  }

  /** Whether udev has a device of the instance to process. */
  private isOwed(disk: i32): bool {
    const registry = this.registry;
    const isThere = registry.disk(disk, DiskField.Looked) === Looked.Present;
    if (!isThere || registry.disk(disk, DiskField.Bound) === 0) return false;
    if (!this.wantsUdev(disk)) return false;
    const mask = registry.diskAt(disk, DiskField.Mask);
    return this.unprocessed(disk, registry.disk64(disk, DiskField.Diskseq), mask) >= 0;
  }
}
