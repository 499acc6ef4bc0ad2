/**
 * The two multicast groups: who wants to hear each, and how it is with it. A group is subscribed to
 * when the first comes who wants to hear it, and given up when the last has gone. Makes the calls;
 * what is heard it does not know.
 */
import { Call, CommandFlag, Group } from "../abi.ts";
import { Port } from "./port.ts";
import { GroupState } from "./records.ts";
import { Field, Global, State } from "./state.ts";
import { Outcome } from "./steps.ts";

export class Groups {
  private readonly state: State;
  private readonly port: Port;
  /** What the machine is yet to tell: that a subscription has begun, or cannot. */
  private hasSubscribed: bool = false;

  constructor(state: State, port: Port) {
    this.state = state;
    this.port = port;
  }

  stateOf(group: i32): i32 {
    return i32(this.state.global(Global.GroupIs + group));
  }

  isOpen(group: i32): bool {
    return this.stateOf(group) === GroupState.Open;
  }

  /** Why it cannot be heard; 0 where the kernel did not say. */
  errnoOf(group: i32): i32 {
    return i32(this.state.global(Global.GroupErrno + group));
  }

  /** One more (or, with -1, less) who wants to hear what a flag word asks for. */
  interest(flags: i32, change: i32): void {
    if ((flags & CommandFlag.NoKernelGroup) === 0) this.count(Group.Kernel, change);
    if ((flags & CommandFlag.Udev) !== 0) this.count(Group.Udev, change);
  }

  private count(group: i32, change: i32): void {
    const slot = Global.GroupInterest + group;
    const count = i32(this.state.global(slot)) + change;
    assert(count >= 0);
    this.state.setGlobal(slot, u64(count));
  }

  /** Whether the groups that a flag word asks for were subscribed to, with whatever success. */
  isListening(flags: i32): bool {
    const isKernel = (flags & CommandFlag.NoKernelGroup) === 0;
    if (isKernel && this.stateOf(Group.Kernel) === GroupState.Closed) return false;
    const isUdev = (flags & CommandFlag.Udev) !== 0;
    return !isUdev || this.stateOf(Group.Udev) !== GroupState.Closed;
  }

  takeSubscribed(): bool {
    const has = this.hasSubscribed;
    this.hasSubscribed = false;
    return has;
  }

  /** The next that must change, left in the lookout's `Field.Group`: More where it is to be
   *  subscribed to, Held where it is to be given up, Ok where there is none. */
  next(): i32 {
    const state = this.state;
    for (let group: i32 = Group.Kernel; group <= Group.Udev; group++) {
      const isWanted = state.global(Global.GroupInterest + group) !== u64(0);
      const is = this.stateOf(group);
      state.set(state.lookout, Field.Group, group);
      if (isWanted && is === GroupState.Closed) return Outcome.More;
      if (isWanted || is === GroupState.Closed) continue;
      if (is !== GroupState.Refused) return Outcome.Held;
      state.setGlobal(Global.GroupIs + group, u64(GroupState.Closed));
    }
    return Outcome.Ok;
  }

  private group(): i32 {
    return this.state.get(this.state.lookout, Field.Group);
  }

  subscribe(): i32 {
    return this.port.query(this.state.lookout, Call.Subscribe, this.group(), -1);
  }

  subscribed(result: i32): void {
    const group = this.group();
    let is: i32 = GroupState.Refused;
    if (result === 0) is = GroupState.Open;
    else if (result > 0) is = GroupState.Deaf;
    this.state.setGlobal(Global.GroupIs + group, u64(is));
    this.state.setGlobal(Global.GroupErrno + group, u64(result < 0 ? -result : 0));
    this.hasSubscribed = true;
  }

  /** Closed before it is: whoever comes meanwhile is to wait until it is subscribed to anew. */
  unsubscribe(): i32 {
    const group = this.group();
    this.state.setGlobal(Global.GroupIs + group, u64(GroupState.Closed));
    return this.port.query(this.state.lookout, Call.Unsubscribe, group, -1);
  }
}
