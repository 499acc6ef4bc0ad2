/**
 * What udev does when a writable descriptor of a node that it watches is closed: it reads the table
 * again, which drops every partition, where no lock is in its way; else it only tells a `change`.
 * An attach that had to open such a node keeps its lock until that came. Makes no call.
 */
import { Action, CommandFlag, DeviceType, Group } from "../abi.ts";
import { Uevent } from "../wire/uevent.ts";
import { Groups } from "./groups.ts";
import { PENDING } from "./port.ts";
import { Field, State } from "./state.ts";
import { Outcome } from "./steps.ts";

/** `Field.Reaction` */
enum Reaction {
  /** It sees no close. */
  None = 0,
  /** It will see one. */
  Possible = 1,
  /** From here on a `change` is its answer. */
  Expected = 2,
  Seen = 3,
}

/** Looks for it: 3 s together, up to 256 ms between two. */
const WAITS_MAX: i32 = 20;

export class Reactions {
  private readonly state: State;
  private readonly groups: Groups;

  constructor(state: State, groups: Groups) {
    this.state = state;
    this.groups = groups;
  }

  private is(operation: i32, reaction: i32): bool {
    return this.state.get(operation, Field.Reaction) === reaction;
  }

  /** The device is to be opened where udev sees who closes it. */
  expose(operation: i32): void {
    this.state.set(operation, Field.Reaction, Reaction.Possible);
  }

  forget(operation: i32): void {
    this.state.set(operation, Field.Reaction, Reaction.None);
  }

  heard(disk: i32, uevent: Uevent): void {
    if (uevent.action !== Action.Change || uevent.deviceType !== DeviceType.Disk) return;
    // With a UUID it is a question to udev, not from it.
    if (!uevent.isSynthetic || uevent.hasUuid) return;
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.Disk) !== disk + 1) continue;
      if (state.get64(operation, Field.Diskseq) !== uevent.diskseq) continue;
      if (this.is(operation, Reaction.Expected)) {
        state.set(operation, Field.Reaction, Reaction.Seen);
      }
    }
  }

  /** Nothing is closed before its answer can be heard. */
  awaitGroups(operation: i32): i32 {
    if (this.is(operation, Reaction.None)) return Outcome.Ok;
    if (!this.groups.isListening(CommandFlag.Udev)) return PENDING;
    this.state.set(operation, Field.Reaction, Reaction.Expected);
    return Outcome.Ok;
  }

  awaitChange(operation: i32): i32 {
    if (this.isOver(operation)) return Outcome.Ok;
    // It sees no close while it is at work on an event of that disk, and says nothing then.
    return WAITS_MAX > this.state.get(operation, Field.Waits) ? Outcome.Again : Outcome.Ok;
  }

  /** Whether udev has nothing left to do about the close. */
  isOver(operation: i32): bool {
    if (!this.is(operation, Reaction.Expected)) return true;
    return !this.groups.isOpen(Group.Udev) || !this.groups.isOpen(Group.Kernel);
  }
}
