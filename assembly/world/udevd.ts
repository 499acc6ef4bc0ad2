/**
 * udevd, as far as it touches loop devices: a worker that processes the events of devices and their
 * partitions one after the other, under a shared lock of the disk. Source: systemd,
 * udev-worker.c (worker_process_device, worker_lock_whole_disk), udev-manager.c.
 */
import { Action } from "../abi.ts";
import { EventKind, Sender } from "../kernel/format.ts";
import { EventField, Socket } from "../kernel/layout.ts";
import { Lock } from "../wire/linux.ts";
import { Caller, READ_ONLY, RUNNING } from "./caller.ts";
import { Actor, Deed } from "./layout.ts";
import { WorldState } from "./state.ts";

enum Work {
  /** The first event in the socket is next. */
  Idle = 0,
  /** The disk is open, to be locked. */
  Locking = 1,
  /** It is locked by another: the descriptor is to be closed, the event parked. */
  Backing = 2,
  Parked = 3,
  /** The partition that the event is about is to be opened, read and closed. */
  Reading = 4,
  Read = 5,
  /** Record and watch, and the descriptor with its lock is to be closed. */
  Recording = 6,
  Telling = 7,
}

export class Udevd {
  private readonly state: WorldState;
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.state = caller.state;
    this.caller = caller;
  }

  choices(at: i32): i32 {
    const state = this.state;
    if (state.get8(at + Actor.Task) !== 0) return 1;
    if (state.get8(at + Actor.Phase) !== Work.Idle) return 1;
    return this.head(at) < 0 ? 0 : 1;
  }

  deed(at: i32): i32 {
    if (this.state.get8(at + Actor.Task) !== 0) return Deed.GoOn;
    switch (this.state.get8(at + Actor.Phase)) {
      case Work.Idle:
        if (!this.isOurs(at)) return Deed.Skip;
        return this.isRemove(at) ? Deed.Tell : Deed.OpenDisk;
      case Work.Locking:
        return Deed.LockShared;
      case Work.Backing:
      case Work.Read:
        return Deed.Close;
      case Work.Parked:
        return Deed.Retry;
      case Work.Reading:
        return Deed.OpenPartition;
      case Work.Recording:
        return Deed.Record;
      default:
        return Deed.Tell;
    }
  }

  act(at: i32): void {
    const isUnderWay = this.state.get8(at + Actor.Task) !== 0;
    this.caller.hasMoved = true;
    const result = isUnderWay ? this.caller.goOn(at, Actor.Task) : this.begin(at);
    if (result !== RUNNING) this.answered(at, result);
  }

  /** It would only find that another has the disk locked. */
  isVain(at: i32): bool {
    if (this.state.get8(at + Actor.Phase) !== Work.Parked) return false;
    const kernel = this.caller.kernel;
    const loop = kernel.state.findLoop(this.state.get16(at + Actor.Number));
    return loop >= 0 && kernel.files.isDiskLocked(loop);
  }

  /** Nothing to process and nothing under way. */
  isIdle(at: i32): bool {
    return this.state.get8(at + Actor.Phase) === Work.Idle && this.choices(at) === 0;
  }

  private begin(at: i32): i32 {
    const caller = this.caller;
    switch (this.state.get8(at + Actor.Phase)) {
      case Work.Idle:
        if (this.isOurs(at)) {
          this.state.set16(at + Actor.Number, this.number(at));
          if (!this.isRemove(at)) return caller.open(at, Actor.Task, 0, READ_ONLY);
          this.watch(at, false);
          this.tell(at);
        } else {
          this.drop(at);
        }
        return RUNNING;
      case Work.Parked:
        this.phase(at, Work.Idle);
        return caller.open(at, Actor.Task, 0, READ_ONLY);
      case Work.Locking:
        return caller.flock(at, Actor.File, Lock.LOCK_SH | Lock.LOCK_NB);
      case Work.Backing:
        return caller.close(at, Actor.Task, Actor.File);
      case Work.Reading:
        return caller.open(at, Actor.Task, this.partition(at), READ_ONLY);
      case Work.Read:
        return caller.close(at, Actor.Task, Actor.Second);
      case Work.Recording:
        return this.record(at);
      default:
        this.tell(at);
        this.phase(at, Work.Idle);
        return RUNNING;
    }
  }

  private answered(at: i32, result: i32): void {
    switch (this.state.get8(at + Actor.Phase)) {
      case Work.Idle:
        // A disk that cannot be opened is processed without a lock.
        if (result < 0) {
          this.beginRules(at);
        } else {
          this.state.set8(at + Actor.File, result + 1);
          this.phase(at, Work.Locking);
        }
        return;
      case Work.Locking:
        if (result < 0) this.phase(at, Work.Backing);
        else this.beginRules(at);
        return;
      case Work.Backing:
        this.phase(at, Work.Parked);
        return;
      case Work.Reading:
        if (result >= 0) this.state.set8(at + Actor.Second, result + 1);
        this.phase(at, result < 0 ? Work.Recording : Work.Read);
        return;
      case Work.Read:
        this.phase(at, Work.Recording);
        return;
      default:
        this.phase(at, Work.Telling);
    }
  }

  private phase(at: i32, phase: i32): void {
    this.state.set8(at + Actor.Phase, phase);
  }

  /** The device is not watched while its rules run. The disk is open already. */
  private beginRules(at: i32): void {
    this.watch(at, false);
    this.phase(at, this.partition(at) === 0 ? Work.Recording : Work.Reading);
  }

  private record(at: i32): i32 {
    const number = this.state.get16(at + Actor.Number);
    this.caller.kernel.scenario.writeRecord(number, this.partition(at));
    this.watch(at, true);
    if (this.state.get8(at + Actor.File) === 0) return 0;
    return this.caller.close(at, Actor.Task, Actor.File);
  }

  private watch(at: i32, isWatched: bool): void {
    const number = this.state.get16(at + Actor.Number);
    this.caller.kernel.scenario.watch(number, this.partition(at), isWatched);
  }

  private tell(at: i32): void {
    this.caller.kernel.scenario.forward(this.socket(at));
    this.drop(at);
  }

  private drop(at: i32): void {
    this.state.set16(at + Actor.Number, 0);
    this.caller.kernel.sockets.remove(this.socket(at));
  }

  /* The event that is processed: it stays the first in the socket until all is done. */

  private socket(at: i32): i32 {
    return this.state.get8(at + Actor.Socket) - 1;
  }

  private head(at: i32): i32 {
    const kernel = this.caller.kernel.state;
    const socket = this.socket(at);
    if (kernel.get8(kernel.socketAt(socket) + Socket.Count) === 0) return -1;
    return kernel.eventAt(socket, 0);
  }

  private field(at: i32, field: i32): i32 {
    return this.caller.kernel.state.get8(this.head(at) + field);
  }

  /** What a process sent with a port of its own is no event of the kernel. */
  private isOurs(at: i32): bool {
    if (this.field(at, EventField.Sender) === Sender.Forger) return false;
    return this.field(at, EventField.Kind) === EventKind.Block;
  }

  /** Of the loop device. */
  private number(at: i32): i32 {
    return this.caller.kernel.state.get32(this.head(at) + EventField.Number);
  }

  private isRemove(at: i32): bool {
    return this.field(at, EventField.Action) === Action.Remove;
  }

  private partition(at: i32): i32 {
    return this.field(at, EventField.Partition);
  }
}
