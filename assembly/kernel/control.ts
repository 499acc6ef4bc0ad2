/**
 * /dev/loop-control: devices come and go. Source: drivers/block/loop.c (loop_add,
 * loop_control_remove, loop_control_get_free), block/genhd.c (device_add_disk, del_gendisk).
 */
import { Action } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { EventExtra, partShift } from "./format.ts";
import { File, Loop, LoState, Task } from "./layout.ts";
import { Common, Room } from "./room.ts";
import { Scan } from "./scan.ts";
import { Flow } from "./tasks.ts";

/** Bits of a minor number. */
const MINORBITS: i32 = 20;

export class Control extends Room {
  private readonly parts: Scan;
  private readonly isGlobal: bool;

  constructor(common: Common, parts: Scan) {
    super(common);
    this.parts = parts;
    this.isGlobal = common.setup.era.has(Switch.GlobalMutex);
  }

  /** LOOP_CTL_GET_FREE, LOOP_CTL_ADD: B is the number, -1 any. Afterwards a: the place. */
  add(task: i32, isFree: bool): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        if (!this.locks.takeCtl(task)) return Flow.Block;
        if (isFree) {
          const free = this.lowestUnbound();
          if (free >= 0) return this.leave(task, free);
        }
        const made = this.reserve(isFree ? -1 : tasks.get(task, Task.B));
        if (made < 0) return this.leave(task, made);
        tasks.setA(task, made);
        if (!this.isGlobal) this.locks.giveCtl(task);
        return tasks.next(task);
      }
      case 1:
        if (this.setup.era.has(Switch.HasDiskseq)) this.parts.takeDiskseq(loop);
        this.events.bdi(loop, Action.Add);
        return tasks.pause(task);
      case 2:
        state.setLoop(loop, Loop.Shown, 1);
        state.setLoop(loop, Loop.Live, 1);
        this.events.disk(loop, Action.Add, EventExtra.None);
        return tasks.pause(task);
      default:
        if (!this.isGlobal && !this.locks.takeCtl(task)) return Flow.Block;
        state.setLoop(loop, Loop.Visible, 1);
        return this.leave(task, state.get32(state.loopAt(loop) + Loop.Number));
    }
  }

  private leave(task: i32, result: i32): i32 {
    this.locks.giveCtl(task);
    return this.tasks.finish(task, result);
  }

  /** The lowest number whose device is unbound, -1: none is. */
  private lowestUnbound(): i32 {
    const state = this.state;
    let lowest = -1;
    for (let loop = 0; loop < state.capacity.loops; loop++) {
      const at = state.loopAt(loop);
      if (state.get8(at + Loop.Present) === 0 || state.get8(at + Loop.Visible) === 0) continue;
      if (state.get8(at + Loop.State) !== LoState.Unbound) continue;
      const number = state.get32(at + Loop.Number);
      if (lowest < 0 || number < lowest) lowest = number;
    }
    return lowest;
  }

  /** A place for a new device of that number: its place, -errno. */
  private reserve(number: i32): i32 {
    const state = this.state;
    const chosen = number < 0 ? this.lowestUnused() : number;
    if (chosen >> (MINORBITS - partShift(this.setup.maxPart)) !== 0) return -Errno.EINVAL;
    if (state.findLoop(chosen) >= 0) return -Errno.EEXIST;
    for (let loop = 0; loop < state.capacity.loops; loop++) {
      const at = state.loopAt(loop);
      if (state.get8(at + Loop.Present) !== 0 || this.isReferred(loop)) continue;
      this.place(loop, chosen);
      return loop;
    }
    return -Errno.ENOMEM;
  }

  /** A blank device in a free place: nobody sees it yet. */
  place(loop: i32, number: i32): void {
    const at = this.state.loopAt(loop);
    this.state.set8(at + Loop.Present, 1);
    this.state.set32(at + Loop.Number, number);
    this.state.set32(at + Loop.BlockSize, 512);
    this.state.set8(at + Loop.Suppressed, this.setup.maxPart === 0 ? 1 : 0);
  }

  /** A device that was removed while somebody opened it, or had it open, keeps its place. */
  private isReferred(loop: i32): bool {
    for (let file = 0; file < this.state.capacity.files; file++) {
      if (!this.state.isLoopFile(file)) continue;
      if (this.state.get8(this.state.fileAt(file) + File.Loop) === loop) return true;
    }
    return false;
  }

  private lowestUnused(): i32 {
    let number = 0;
    while (this.state.findLoop(number) >= 0) number++;
    return number;
  }

  /** LOOP_CTL_REMOVE: B is the number. a: the place. */
  remove(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    const hides = this.setup.era.has(Switch.RemoveHides);
    switch (tasks.pc(task)) {
      case 0: {
        if (tasks.get(task, Task.B) < 0) return tasks.finish(task, -Errno.EINVAL);
        if (!this.locks.takeCtl(task)) return Flow.Block;
        const found = state.findLoop(tasks.get(task, Task.B));
        if (found < 0 || state.loop(found, Loop.Visible) === 0) {
          return this.leave(task, -Errno.ENODEV);
        }
        tasks.setA(task, found);
        if (hides) state.setLoop(found, Loop.Visible, 0);
        if (this.isGlobal) return tasks.next(task);
        this.locks.giveCtl(task);
        return tasks.pause(task);
      }
      case 1: {
        if (!this.isGlobal && this.locks.isLoTaken(loop)) return Flow.Block;
        const isUsed = state.loop(loop, Loop.Openers) > 0;
        if (isUsed || state.loop(loop, Loop.State) !== LoState.Unbound) {
          state.setLoop(loop, Loop.Visible, 1);
          if (this.isGlobal) this.locks.giveCtl(task);
          return tasks.finish(task, -Errno.EBUSY);
        }
        state.setLoop(loop, Loop.State, LoState.Deleting);
        return this.isGlobal ? tasks.next(task) : tasks.pause(task);
      }
      case 2:
        if (!this.isGlobal && !this.locks.takeOpen(task, loop)) return Flow.Block;
        state.setLoop(loop, Loop.Live, 0);
        return tasks.next(task);
      case 3:
        if (state.countPartitions(loop) === 0) {
          if (!this.isGlobal) this.locks.giveOpen(task, loop);
          return tasks.next(task);
        }
        this.parts.removeAt(loop, state.partitionAt(loop, 0));
        return tasks.pauseAt(task, 3);
      case 4:
        this.events.bdi(loop, Action.Remove);
        return tasks.pause(task);
      case 5:
        state.setLoop(loop, Loop.Shown, 0);
        this.events.disk(loop, Action.Remove, EventExtra.None);
        return tasks.pause(task);
      default: {
        if (this.isGlobal) this.locks.giveCtl(task);
        const number = tasks.get(task, Task.B);
        this.forget(loop);
        return tasks.finish(task, this.setup.era.has(Switch.RemoveAnswersZero) ? 0 : number);
      }
    }
  }

  /** The disk is gone; who has it open still holds its last reference. */
  private forget(loop: i32): void {
    const state = this.state;
    const at = state.loopAt(loop);
    const openers = state.get8(at + Loop.Openers);
    const openPartitions = state.get8(at + Loop.OpenPartitions);
    const mutex = state.get8(at + Loop.OpenMutex);
    const claiming = state.get8(at + Loop.Claiming);
    const holder = state.get8(at + Loop.Holder);
    const holders = state.get8(at + Loop.PartitionHolders);
    state.zero(at, Loop.Bytes);
    state.set8(at + Loop.Openers, openers);
    state.set8(at + Loop.OpenPartitions, openPartitions);
    state.set8(at + Loop.OpenMutex, mutex);
    state.set8(at + Loop.Claiming, claiming);
    state.set8(at + Loop.Holder, holder);
    state.set8(at + Loop.PartitionHolders, holders);
  }
}
