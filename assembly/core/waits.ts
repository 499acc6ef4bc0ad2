/**
 * Watches: waits for one disk, which end when a look at sysfs shows what was asked for or that it
 * can no longer be; and subscriptions, which the ordering machine tells events until they are
 * aborted. Decides from looks only: an event ends nothing.
 */
import {
  Command,
  CommandFlag,
  CommandWord,
  Event,
  EventWord,
  Failure,
  Fault,
  Group,
  Limit,
  WaitResult,
  WaitWord,
  Warning,
} from "../abi.ts";
import { loopNumber } from "../wire/loop.ts";
import { Deadlines } from "./deadlines.ts";
import { Groups } from "./groups.ts";
import { Lookout } from "./lookout.ts";
import { addMask, clearMask, holds, isEmpty, meets } from "./masks.ts";
import { Port } from "./port.ts";
import { DiskField, Looked, WatchField } from "./records.ts";
import { Registry } from "./registry.ts";
import { Global, State } from "./state.ts";
import { UdevProgress } from "./udev.ts";

/** Looks that fail in a row before those who wait are told. */
const REFUSALS_MAX: i32 = 8;

const SLASH: i32 = 0x2f;

/** What a look means for a wait: nothing yet, or a `WaitResult` plus one. */
const STILL: i32 = 0;

export class Waits {
  private readonly state: State;
  private readonly port: Port;
  private readonly groups: Groups;
  private readonly registry: Registry;
  private readonly lookout: Lookout;
  private readonly udev: UdevProgress;
  private readonly deadlines: Deadlines;
  private readonly inbox: DataView;

  constructor(
    state: State,
    port: Port,
    groups: Groups,
    registry: Registry,
    lookout: Lookout,
    udev: UdevProgress,
    deadlines: Deadlines,
    inbox: DataView,
  ) {
    this.state = state;
    this.port = port;
    this.groups = groups;
    this.registry = registry;
    this.lookout = lookout;
    this.udev = udev;
    this.deadlines = deadlines;
    this.inbox = inbox;
  }

  /* Begin and end. */

  /** Whether the command in the inbox can be taken; changes nothing. */
  check(command: i32): i32 {
    const bytes = this.inbox.getUint64(CommandWord.NameBytes * 8, true);
    if (bytes >= u64(Limit.NameBytes)) return Fault.BadArgument;
    if (command === Command.Wait && bytes === u64(0)) return Fault.BadArgument;
    for (let i = 0; i < i32(bytes); i++) {
      const byte = i32(this.inbox.getUint8(CommandWord.Name * 8 + i));
      if (byte === 0 || byte === SLASH) return Fault.BadArgument;
    }
    return this.registry.isFull() ? Fault.Full : Fault.Ok;
  }

  /** Takes the command in the inbox, which `check` let pass. The watch's number. */
  open(command: i32): i32 {
    const registry = this.registry;
    const inbox = this.inbox;
    const bytes = i32(inbox.getUint64(CommandWord.NameBytes * 8, true));
    const flags = i32(inbox.getUint64(CommandWord.Flags * 8, true));
    const timeout = inbox.getUint64(CommandWord.TimeoutNs * 8, true);
    const disk = bytes === 0 ? -1 : registry.track(inbox, CommandWord.Name * 8, bytes);
    assert(bytes === 0 || disk >= 0);
    const watch = registry.open(command, disk);
    const number = Limit.OperationsMax + watch;
    registry.setWatch(watch, WatchField.Flags, flags);
    registry.setWatch64(watch, WatchField.Diskseq, inbox.getUint64(CommandWord.Diskseq * 8, true));
    const mask = registry.watchAt(watch, WatchField.Mask);
    for (let i = 0; i < 4; i++) {
      const bits = inbox.getUint64((CommandWord.PartitionMask + i) * 8, true);
      const isWait = command === Command.Wait;
      this.state.view.setUint64(mask + i * 8, isWait ? bits : u64(0), true);
    }
    if (timeout !== u64(0)) {
      this.deadlines.set(watch, u64(this.state.global(Global.Now) + timeout));
    }
    this.interest(watch, 1);
    if (disk >= 0 && this.lookout.isLookingAt(disk)) registry.setWatch(watch, WatchField.Early, 1);
    if (command === Command.Wait) this.lookout.await(disk, awaitsUdev(flags));
    else if (disk >= 0) registry.enqueue(disk);
    if (this.groups.isListening(flags)) this.listening(watch);
    return number;
  }

  private interest(watch: i32, change: i32): void {
    const flags = this.registry.watch(watch, WatchField.Flags);
    this.groups.interest(flags, change);
    if (this.registry.watch(watch, WatchField.Kind) !== Command.Watch) return;
    const count = i32(this.state.global(Global.Subscriptions)) + change;
    this.state.setGlobal(Global.Subscriptions, u64(count));
  }

  private close(watch: i32): void {
    const registry = this.registry;
    const disk = registry.watch(watch, WatchField.Disk) - 1;
    const flags = registry.watch(watch, WatchField.Flags);
    this.interest(watch, -1);
    if (registry.watch(watch, WatchField.Kind) === Command.Wait) {
      this.lookout.unawait(disk, awaitsUdev(flags));
    }
    this.deadlines.set(watch, u64(0));
    registry.close(watch);
  }

  /** Whether there is such a watch. */
  isOpen(watch: i32): bool {
    if (watch < 0 || watch >= this.state.watches) return false;
    return this.registry.watch(watch, WatchField.Kind) !== 0;
  }

  /** Ends a watch with a failure. */
  fail(watch: i32, failure: i32, errno: i32, detail: u64): void {
    const at = this.port.push(Limit.OperationsMax + watch, Event.Failed, failure);
    this.port.put(at, EventWord.Errno, errno);
    this.port.put(at, EventWord.Number, -1);
    this.port.put64(at, EventWord.Detail, detail);
    this.close(watch);
  }

  /** Its deadline has passed. */
  expire(watch: i32): void {
    const silent = this.silentDevice(watch);
    if (silent < 0) this.fail(watch, Failure.TimedOut, 0, u64(0));
    else this.fail(watch, Failure.UdevSilent, 0, u64(silent));
  }

  /** The device that udev alone keeps a wait waiting for; -1: there is more. */
  private silentDevice(watch: i32): i32 {
    const registry = this.registry;
    const flags = registry.watch(watch, WatchField.Flags);
    if (!awaitsUdev(flags)) return -1;
    if (registry.watch(watch, WatchField.Kind) !== Command.Wait) return -1;
    const disk = registry.watch(watch, WatchField.Disk) - 1;
    const mask = registry.watchAt(watch, WatchField.Mask);
    if (!this.isMine(watch, disk) || registry.disk(disk, DiskField.Bound) === 0) return -1;
    if (!holds(this.state.view, registry.diskAt(disk, DiskField.Mask), mask)) return -1;
    return this.udev.unprocessed(disk, registry.disk64(disk, DiskField.Diskseq), mask);
  }

  /* Listening. */

  /** The groups of the watches were subscribed to, or cannot be. */
  subscribed(): void {
    const registry = this.registry;
    this.listeningFrom(registry.firstWatch(-1));
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      this.listeningFrom(registry.firstWatch(disk));
      this.listeningFrom(registry.firstWait(disk));
    }
  }

  private listeningFrom(first: i32): void {
    for (let watch = first; watch >= 0; watch = this.registry.nextWatch(watch)) {
      if (this.groups.isListening(this.registry.watch(watch, WatchField.Flags))) {
        this.listening(watch);
      }
    }
  }

  /** Told once, with what cannot be heard. */
  private listening(watch: i32): void {
    const registry = this.registry;
    if (registry.watch(watch, WatchField.Told) !== 0) return;
    registry.setWatch(watch, WatchField.Told, 1);
    const flags = registry.watch(watch, WatchField.Flags);
    if ((flags & CommandFlag.NoKernelGroup) === 0) {
      this.warn(watch, Group.Kernel, Warning.NoUevents);
    }
    if ((flags & CommandFlag.Udev) !== 0) this.warn(watch, Group.Udev, Warning.NoUdev);
    if (registry.watch(watch, WatchField.Kind) === Command.Watch) {
      this.port.push(Limit.OperationsMax + watch, Event.Listening, 0);
    }
  }

  private warn(watch: i32, group: i32, warning: i32): void {
    if (this.groups.isOpen(group)) return;
    const at = this.port.push(Limit.OperationsMax + watch, Event.Warned, warning);
    this.port.put(at, EventWord.Errno, this.groups.errnoOf(group));
    this.port.put(at, EventWord.Number, -1);
  }

  /* Looks. */

  /** A look at a disk has ended: whoever waits for it may be done. */
  looked(disk: i32): void {
    const registry = this.registry;
    const hasFailed = registry.disk(disk, DiskField.Refusals) !== 0;
    let wait = registry.firstWait(disk);
    while (wait >= 0) {
      const next = registry.nextWatch(wait);
      const isEarly = this.takeEarly(wait);
      if (hasFailed) this.refused(wait, disk);
      else if (!isEarly) this.settle(wait, disk);
      wait = next;
    }
    let watch = registry.firstWatch(disk);
    for (; watch >= 0; watch = registry.nextWatch(watch)) {
      if (!this.takeEarly(watch) && !hasFailed) this.plug(watch, disk);
    }
    if (hasFailed) return;
    this.plugNewest(disk);
    registry.setDisk(disk, DiskField.Lossy, 0);
  }

  /** Whether the look that has ended is older than a watch. */
  private takeEarly(watch: i32): bool {
    const isEarly = this.registry.watch(watch, WatchField.Early) !== 0;
    this.registry.setWatch(watch, WatchField.Early, 0);
    return isEarly;
  }

  /** What was seen before is not there to be judged: only that looks fail. */
  private refused(watch: i32, disk: i32): void {
    const registry = this.registry;
    if (registry.disk(disk, DiskField.Refusals) <= REFUSALS_MAX) return;
    this.fail(watch, Failure.System, registry.disk(disk, DiskField.RefusedErrno), u64(0));
  }

  /** What was plugged before a subscription began, it learns here. */
  private plug(watch: i32, disk: i32): void {
    const registry = this.registry;
    const diskseq = registry.watch64(watch, WatchField.Diskseq);
    if (diskseq === u64(0) || diskseq !== registry.disk64(disk, DiskField.Diskseq)) return;
    this.learn(registry.watchAt(watch, WatchField.Mask), disk);
    this.learn(registry.watchAt(watch, WatchField.UdevMask), disk);
  }

  private plugNewest(disk: i32): void {
    if (this.registry.disk(disk, DiskField.Looked) !== Looked.Present) return;
    this.plugTold(disk, DiskField.Told, DiskField.Heard, DiskField.ToldMask);
    this.plugTold(disk, DiskField.UdevTold, DiskField.UdevHeard, DiskField.UdevToldMask);
  }

  private plugTold(disk: i32, told: i32, heard: i32, mask: i32): void {
    const registry = this.registry;
    const diskseq = registry.disk64(disk, DiskField.Diskseq);
    if (registry.disk(disk, heard) === 0) {
      registry.setDisk(disk, heard, 1);
      registry.setDisk64(disk, told, diskseq);
    }
    if (registry.disk64(disk, told) !== diskseq) return;
    this.learn(registry.diskAt(disk, mask), disk);
  }

  /** A remove may be on its way still, so only losses take bits away. */
  private learn(mask: i32, disk: i32): void {
    const registry = this.registry;
    if (registry.disk(disk, DiskField.Lossy) !== 0) clearMask(this.state.view, mask);
    addMask(this.state.view, mask, registry.diskAt(disk, DiskField.Mask));
  }

  private settle(watch: i32, disk: i32): void {
    if (this.isUnprovable(watch, disk)) {
      this.fail(watch, Failure.NoDiskseq, 0, u64(0));
      return;
    }
    const registry = this.registry;
    const flags = registry.watch(watch, WatchField.Flags);
    const isRemoved = (flags & CommandFlag.Removed) !== 0;
    const end = isRemoved ? this.judgeGone(watch, disk) : this.judgeReady(watch, disk, flags);
    if (end !== STILL) this.end(watch, disk, end - 1);
  }

  /** Whether there is an instance. A loop device without an image is none; another disk without a
   *  medium stays the one that its number says. */
  private isThere(disk: i32): bool {
    const registry = this.registry;
    if (registry.disk(disk, DiskField.Looked) !== Looked.Present) return false;
    return registry.disk(disk, DiskField.Bound) !== 0 || !this.isLoop(disk);
  }

  /** Whether the instance that is there is the one that is waited for. */
  private isMine(watch: i32, disk: i32): bool {
    const registry = this.registry;
    if (!this.isThere(disk)) return false;
    if ((registry.watch(watch, WatchField.Flags) & CommandFlag.BestEffort) !== 0) return true;
    const diskseq = registry.watch64(watch, WatchField.Diskseq);
    const current = registry.disk64(disk, DiskField.Diskseq);
    return diskseq === u64(0) || diskseq === current;
  }

  /** Whether a number is waited for where the kernel gives none to what is there. */
  private isUnprovable(watch: i32, disk: i32): bool {
    const registry = this.registry;
    if (registry.watch64(watch, WatchField.Diskseq) === u64(0)) return false;
    if ((registry.watch(watch, WatchField.Flags) & CommandFlag.BestEffort) !== 0) return false;
    return this.isThere(disk) && registry.disk64(disk, DiskField.Diskseq) === u64(0);
  }

  private isLoop(disk: i32): bool {
    const name = this.registry.diskAt(disk, DiskField.Name);
    return loopNumber(this.state.view, name, this.registry.disk(disk, DiskField.NameBytes)) >= 0;
  }

  /** From here on it is this instance and no other that is waited for. */
  private pin(watch: i32, disk: i32): void {
    const registry = this.registry;
    registry.setWatch(watch, WatchField.Seen, 1);
    if (registry.watch64(watch, WatchField.Diskseq) !== u64(0)) return;
    if ((registry.watch(watch, WatchField.Flags) & CommandFlag.BestEffort) !== 0) return;
    const diskseq = registry.disk64(disk, DiskField.Diskseq);
    registry.setWatch64(watch, WatchField.Diskseq, diskseq);
  }

  private judgeGone(watch: i32, disk: i32): i32 {
    const registry = this.registry;
    const mask = registry.watchAt(watch, WatchField.Mask);
    const isMine = this.isMine(watch, disk);
    if (isMine) this.pin(watch, disk);
    // A partition can be left on a disk that is nobody's; of an instance it goes with that.
    const isPinned = registry.watch64(watch, WatchField.Diskseq) !== u64(0);
    if (!isMine && (isPinned || isEmpty(this.state.view, mask))) return WaitResult.Gone + 1;
    if (isEmpty(this.state.view, mask)) return STILL;
    const isLeft = meets(this.state.view, registry.diskAt(disk, DiskField.Mask), mask);
    return isLeft ? STILL : WaitResult.Gone + 1;
  }

  private judgeReady(watch: i32, disk: i32, flags: i32): i32 {
    const registry = this.registry;
    if (!this.isMine(watch, disk)) return this.judgeOver(watch, disk);
    this.pin(watch, disk);
    if (registry.disk(disk, DiskField.Bound) === 0) return STILL;
    const mask = registry.watchAt(watch, WatchField.Mask);
    if (!holds(this.state.view, registry.diskAt(disk, DiskField.Mask), mask)) return STILL;
    if (awaitsUdev(flags) && this.groups.isOpen(Group.Udev)) {
      const diskseq = registry.disk64(disk, DiskField.Diskseq);
      if (this.udev.unprocessed(disk, diskseq, mask) >= 0) return STILL;
    }
    return WaitResult.Ready + 1;
  }

  /** Another instance, or none: over, or not yet begun. */
  private judgeOver(watch: i32, disk: i32): i32 {
    const registry = this.registry;
    const diskseq = registry.watch64(watch, WatchField.Diskseq);
    const wasSeen = registry.watch(watch, WatchField.Seen) !== 0;
    if (diskseq === u64(0) && !wasSeen) return STILL;
    if (registry.disk(disk, DiskField.Looked) === Looked.Absent) return WaitResult.Gone + 1;
    const current = registry.disk64(disk, DiskField.Diskseq);
    if (diskseq > current && current !== u64(0)) return STILL;
    const isBound = registry.disk(disk, DiskField.Bound) !== 0;
    return isBound ? WaitResult.Superseded + 1 : WaitResult.Gone + 1;
  }

  private end(watch: i32, disk: i32, result: i32): void {
    const registry = this.registry;
    const port = this.port;
    const at = port.push(Limit.OperationsMax + watch, Event.Waited, result);
    const mask = registry.diskAt(disk, DiskField.Mask);
    const isThere = registry.disk(disk, DiskField.Looked) === Looked.Present;
    port.put64(at, WaitWord.Diskseq, registry.watch64(watch, WatchField.Diskseq));
    if (isThere) {
      port.put64(at, WaitWord.Current, registry.disk64(disk, DiskField.Diskseq));
      port.put(at, WaitWord.Major, registry.disk(disk, DiskField.Major));
      port.put(at, WaitWord.Minor, registry.disk(disk, DiskField.Minor));
    }
    for (let i = 0; i < 4; i++) {
      port.put64(at, WaitWord.PartitionMask + i, this.state.view.getUint64(mask + i * 8, true));
    }
    this.close(watch);
  }
}

/** What is to go away is not processed. */
function awaitsUdev(flags: i32): bool {
  return (flags & CommandFlag.Udev) !== 0 && (flags & CommandFlag.Removed) === 0;
}
