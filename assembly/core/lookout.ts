/**
 * The lookout: one operation of the core's own, which hears events and looks at sysfs for everybody
 * who waits: watches, and attaches that await udev. An event only wakes; what a look shows decides.
 *
 * A look at a disk reads its number, its partitions, its number again, and where somebody asks,
 * what udev wrote down of them. It serves all who wait for that disk. A disk that is waited for is
 * looked at when an event of it comes, when events were lost, and from time to time: some kernels
 * tell nothing, and a wait must not depend on what may never come. Subscriptions come before the
 * first look, so that nothing changes unheard in between.
 */
import { Action, Call, CommandFlag, DeviceType, Group, Limit, Warning } from "../abi.ts";
import { putLoopName } from "../wire/loop.ts";
import { Uevent } from "../wire/uevent.ts";
import { Deadlines } from "./deadlines.ts";
import { Groups } from "./groups.ts";
import { clearMask } from "./masks.ts";
import { MILLISECOND, PENDING, Port, Room } from "./port.ts";
import { Reactions } from "./reaction.ts";
import { Reading } from "./reading.ts";
import { DiskField, Looked } from "./records.ts";
import { Registry } from "./registry.ts";
import { Seen } from "./seen.ts";
import { Field, Global, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";
import { UdevProgress } from "./udev.ts";

/** Looks at a disk without an event of it come after 16, 32, ... ms, up to these. */
const LOOK_MS: i32 = 16;
const LOOK_DOUBLINGS: i32 = 6;
/** The same where no events come. */
const DEAF_DOUBLINGS: i32 = 3;

/** A disk that changes more often while it is looked at is left for the next look. */
const CHANGES_MAX: i32 = 8;

export class Lookout extends Room {
  /** What the machine is yet to tell: the disk whose look has just ended. */
  private concluded: i32 = -1;
  private readonly groups: Groups;
  private readonly registry: Registry;
  private readonly deadlines: Deadlines;
  private readonly seen: Seen;
  private readonly udev: UdevProgress;
  private readonly reactions: Reactions;
  private readonly reading: Reading;
  private readonly name: DataView;

  constructor(
    state: State,
    port: Port,
    groups: Groups,
    registry: Registry,
    deadlines: Deadlines,
    seen: Seen,
    udev: UdevProgress,
  ) {
    super(state, port);
    this.groups = groups;
    this.udev = udev;
    this.reactions = new Reactions(state, groups);
    this.reading = new Reading(state, port, registry);
    this.registry = registry;
    this.deadlines = deadlines;
    this.seen = seen;
    this.name = new DataView(new ArrayBuffer(Limit.NameBytes));
    state.set(state.lookout, Field.Step, Step.Look);
  }

  /* Interest. */

  /** The disk whose look ended since it was last asked; -1: none. */
  takeConcluded(): i32 {
    const disk = this.concluded;
    this.concluded = -1;
    return disk;
  }

  /** One more who waits for a disk. It is looked at soon. */
  await(disk: i32, isUdev: bool): void {
    const registry = this.registry;
    registry.setDisk(disk, DiskField.Waiting, registry.disk(disk, DiskField.Waiting) + 1);
    if (isUdev) {
      const interest = registry.disk(disk, DiskField.UdevInterest) + 1;
      registry.setDisk(disk, DiskField.UdevInterest, interest);
    }
    this.wake(disk);
  }

  unawait(disk: i32, isUdev: bool): void {
    const registry = this.registry;
    const waiting = registry.disk(disk, DiskField.Waiting) - 1;
    registry.setDisk(disk, DiskField.Waiting, waiting);
    if (isUdev) {
      const interest = registry.disk(disk, DiskField.UdevInterest) - 1;
      registry.setDisk(disk, DiskField.UdevInterest, interest);
    }
    if (waiting === 0) this.deadlines.set(this.state.watches + disk, u64(0));
  }

  /** From here on an attach hears what udev does with its device. */
  follow(operation: i32): void {
    const state = this.state;
    assert(state.get(operation, Field.Disk) === 0);
    // One that awaits udev listens from its beginning to its end.
    if (!this.awaitsUdev(operation)) this.groups.interest(CommandFlag.Udev, 1);
    const bytes = putLoopName(this.name, 0, state.get(operation, Field.Number));
    const disk = this.registry.track(this.name, 0, bytes);
    assert(disk >= 0);
    this.registry.hold(disk);
    // What udev wrote before, of an instance that others wait for, is no proof of the next one.
    this.registry.setDisk64(disk, DiskField.BaseStamp, u64(0));
    this.await(disk, this.awaitsUdev(operation));
    state.set(operation, Field.Disk, disk + 1);
  }

  /** The device is to be opened where udev sees who closes it. */
  expose(operation: i32): void {
    if (this.state.get(operation, Field.Disk) === 0) this.follow(operation);
    this.reactions.expose(operation);
  }

  unfollow(operation: i32): void {
    const disk = this.state.get(operation, Field.Disk) - 1;
    if (disk < 0) return;
    this.state.set(operation, Field.Disk, 0);
    this.reactions.forget(operation);
    this.unawait(disk, this.awaitsUdev(operation));
    this.registry.letGo(disk);
    if (!this.awaitsUdev(operation)) this.groups.interest(CommandFlag.Udev, -1);
  }

  private awaitsUdev(operation: i32): bool {
    return this.state.has(operation, CommandFlag.Udev);
  }

  /* What is heard. */

  /** A disk that somebody waits for is looked at as soon as may be. */
  wake(disk: i32): void {
    this.registry.setDisk(disk, DiskField.Looks, 0);
    this.registry.enqueue(disk);
  }

  /** Its time has come. */
  due(disk: i32): void {
    this.deadlines.set(this.state.watches + disk, u64(0));
    this.registry.enqueue(disk);
  }

  heard(disk: i32, group: i32, uevent: Uevent): void {
    const registry = this.registry;
    const isRemove = uevent.action === Action.Remove;
    const isPresent = registry.disk(disk, DiskField.Looked) === Looked.Present;
    const current = registry.disk64(disk, DiskField.Diskseq);
    if (isPresent && uevent.diskseq !== u64(0) && current > uevent.diskseq) return;
    if (group === Group.Udev) {
      if (registry.disk(disk, DiskField.UdevInterest) === 0) return;
      if (!isRemove) this.udev.claim(disk, uevent, isPresent ? current : u64(0));
    } else if (isRemove && uevent.deviceType === DeviceType.Partition) {
      this.udev.unclaim(disk, uevent.partition);
    } else {
      this.reactions.heard(disk, uevent);
    }
    this.wake(disk);
  }

  /** Events of a group went unheard: whoever waits has sysfs looked at, and udev is asked again. */
  lost(group: i32): void {
    const registry = this.registry;
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      registry.setDisk(disk, DiskField.Lossy, 1);
      if (group === Group.Udev && registry.disk(disk, DiskField.UdevInterest) !== 0) {
        this.udev.askAgain(disk);
      }
      this.wake(disk);
    }
  }

  /* Steps. */

  begin(operation: i32, step: i32): i32 {
    const _state = this.state;
    const port = this.port;
    switch (step) {
      case Step.AwaitStream:
        return this.awaitStream(operation);
      case Step.RecordBefore:
        return this.udev.beginBase(operation);
      case Step.AwaitUdev:
        return this.awaitUdev(operation);
      case Step.AwaitGroups:
        return this.reactions.awaitGroups(operation);
      case Step.AwaitChange:
        return this.reactions.awaitChange(operation);
      case Step.Look:
        return this.next();
      case Step.Subscribe:
        return this.groups.subscribe();
      case Step.Unsubscribe:
        return this.groups.unsubscribe();
      case Step.LookDisk:
      case Step.LookAgain:
        return port.queryNamed(operation, Call.ReadDisk, this.nameAt());
      case Step.LookPartitions:
        return port.queryNamed(operation, Call.ListPartitions, this.nameAt());
      case Step.LookRecord:
        return this.udev.beginRecord(this.disk());
      default:
        assert(step === Step.Trigger);
        return this.beginTrigger();
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    if (outcome === Outcome.Repeat) return outcome;
    const state = this.state;
    switch (step) {
      case Step.Subscribe:
        this.groups.subscribed(result);
        return outcome;
      case Step.Unsubscribe:
        this.unsubscribed();
        return outcome;
      case Step.LookDisk:
        if (result < 0) return this.failed(result, outcome);
        state.set(operation, Field.Waits, 0);
        this.reading.keepDisk();
        return outcome;
      case Step.LookPartitions:
        if (outcome === Outcome.Skip) return this.failed(result, outcome);
        this.reading.keepPartitions(result);
        return outcome;
      case Step.LookAgain:
        return result < 0 ? this.failed(result, outcome) : this.compare(outcome);
      case Step.RecordBefore:
        this.udev.finishBase(operation, result);
        return outcome;
      case Step.LookRecord:
        return this.udev.finishRecord(this.disk(), result);
      default:
        assert(step === Step.Trigger);
        state.set(operation, Field.Cursor, state.get(operation, Field.Cursor) + 1);
        return Outcome.More;
    }
  }

  private awaitStream(operation: i32): i32 {
    if (!this.awaitsUdev(operation)) return Outcome.Ok;
    if (!this.groups.isListening(CommandFlag.Udev)) return PENDING;
    return Outcome.Ok;
  }

  private awaitUdev(operation: i32): i32 {
    if (!this.awaitsUdev(operation)) return Outcome.Ok;
    if (!this.groups.isOpen(Group.Udev)) {
      const errno = this.groups.errnoOf(Group.Udev);
      this.port.warn(operation, Warning.NoUdev, errno, u64(0));
      return Outcome.Ok;
    }
    if (this.isProcessed(operation)) return Outcome.Ok;
    // What is there by now may be news to the lookout.
    this.wake(this.state.get(operation, Field.Disk) - 1);
    return PENDING;
  }

  /** Whether an attach that waits for events need wait no longer. */
  isOver(operation: i32): bool {
    switch (this.state.get(operation, Field.Step)) {
      case Step.AwaitUdev:
        return this.isProcessed(operation);
      case Step.AwaitChange:
        return this.reactions.isOver(operation);
      default:
        return this.groups.isListening(CommandFlag.Udev);
    }
  }

  private isProcessed(operation: i32): bool {
    if (!this.groups.isOpen(Group.Udev)) return true;
    return this.udev.unprocessedOf(operation) < 0;
  }

  /** Subscriptions first: what is looked at before them may change unheard. */
  private next(): i32 {
    const change = this.groups.next();
    if (change !== Outcome.Ok) return change;
    const disk = this.registry.dequeue();
    if (disk < 0) return PENDING;
    // Its record stays its own until the look is over, whoever loses interest meanwhile.
    this.registry.hold(disk);
    this.state.set(this.state.lookout, Field.Disk, disk + 1);
    return Outcome.Ok;
  }

  private unsubscribed(): void {
    const group = this.state.get(this.state.lookout, Field.Group);
    this.seen.clear(group);
    if (group === Group.Kernel) this.registry.forgetIdle();
  }

  /* Looking. */

  isLookingAt(disk: i32): bool {
    return this.disk() === disk;
  }

  /** The disk that is looked at; -1: none. */
  private disk(): i32 {
    return this.state.get(this.state.lookout, Field.Disk) - 1;
  }

  private nameAt(): i32 {
    return this.registry.diskAt(this.disk(), DiskField.Name);
  }

  private beginTrigger(): i32 {
    const outcome = this.udev.beginTrigger(this.disk());
    if (outcome !== PENDING) this.conclude();
    return outcome;
  }

  /** The same instance before and after: what is between belongs to it. */
  private compare(outcome: i32): i32 {
    const state = this.state;
    const lookout = state.lookout;
    if (this.reading.isSame()) {
      const disk = this.disk();
      if (this.reading.commit(disk)) this.udev.forget(disk);
      state.set(lookout, Field.Cursor, 0);
      return outcome;
    }
    this.reading.keepDisk();
    const changes = state.get(lookout, Field.Denied) + 1;
    state.set(lookout, Field.Denied, changes);
    return changes < CHANGES_MAX ? Outcome.More : this.failed(0, Outcome.Skip);
  }

  /** Not there, or not to be read just now. */
  private failed(result: i32, outcome: i32): i32 {
    const registry = this.registry;
    const disk = this.disk();
    if (outcome === Outcome.Missing) {
      registry.setDisk(disk, DiskField.Looked, Looked.Absent);
      registry.setDisk(disk, DiskField.Bound, 0);
      registry.setDisk(disk, DiskField.Refusals, 0);
      clearMask(this.state.view, registry.diskAt(disk, DiskField.Mask));
    } else {
      registry.setDisk(disk, DiskField.Refusals, registry.disk(disk, DiskField.Refusals) + 1);
      registry.setDisk(disk, DiskField.RefusedErrno, -result);
    }
    this.conclude();
    return outcome;
  }

  /* The end of a look. */

  private conclude(): void {
    const state = this.state;
    const disk = this.disk();
    state.set(state.lookout, Field.Disk, 0);
    state.set(state.lookout, Field.Denied, 0);
    this.concluded = disk;
    this.schedule(disk);
    this.registry.letGo(disk);
  }

  /** When it is looked at again without an event. */
  private schedule(disk: i32): void {
    const state = this.state;
    const registry = this.registry;
    const item = state.watches + disk;
    if (registry.disk(disk, DiskField.Waiting) === 0) {
      this.deadlines.set(item, u64(0));
      return;
    }
    const now = state.global(Global.Now);
    const looks = registry.disk(disk, DiskField.Looks);
    const isOpen = this.groups.isOpen(Group.Kernel);
    const most = isOpen ? LOOK_DOUBLINGS : DEAF_DOUBLINGS;
    const doublings = looks < most ? looks : most;
    if (looks < LOOK_DOUBLINGS) registry.setDisk(disk, DiskField.Looks, looks + 1);
    let time = u64(now + u64(u64(LOOK_MS << doublings) * u64(MILLISECOND)));
    const askAt = this.udev.arm(disk, now);
    if (askAt !== u64(0) && time > askAt) time = askAt;
    this.deadlines.set(item, time);
  }
}
