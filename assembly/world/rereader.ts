/**
 * What udevd does when a writable descriptor of a node that it watches was closed, beside its
 * worker. Up to 258 it has the kernel read the table anew, which drops and makes every partition;
 * from 259 on it compares, and changes what differs. Source: systemd, udev-watch.c,
 * udev-manager.c (synthesize_change), reread-partition-table.c.
 */
import { Action } from "../abi.ts";
import { Loop, Partition } from "../kernel/layout.ts";
import { Routine } from "../kernel/routines.ts";
import { EntryFact, ImageFact, Setup, TableKind } from "../kernel/setup.ts";
import { BlkpgOperation, Lock } from "../wire/linux.ts";
import { Caller, NONE, READ_ONLY, RUNNING } from "./caller.ts";
import { Actor, ActorKind, Deed } from "./layout.ts";
import { WorldState } from "./state.ts";

enum Watch {
  Idle = 0,
  Locking = 1,
  /** BLKRRPART */
  Rereading = 2,
  Comparing = 3,
  Closing = 4,
  /** Synthetic changes: of the disk, then of its partitions. */
  Triggering = 5,
}

/** `Actor.WatchResult`: what is left to be told. */
enum Telling {
  All = 0,
  /** The kernel has told of every partition. */
  Nothing = 1,
  Disk = 2,
}

const SECTOR_SHIFT: u64 = u64(9);
/** More changes than a table has entries. */
const CHANGES_MAX: i32 = 64;

export class Rereader {
  private readonly state: WorldState;
  private readonly caller: Caller;
  private readonly setup: Setup;

  constructor(caller: Caller) {
    this.state = caller.state;
    this.caller = caller;
    this.setup = caller.kernel.setup;
  }

  choices(at: i32): i32 {
    if (this.state.get8(at + Actor.WatchTask) !== 0) return 1;
    if (this.state.get8(at + Actor.WatchPhase) !== Watch.Idle) return 1;
    return this.noticedLoop() < 0 ? 0 : 1;
  }

  deed(at: i32): i32 {
    if (this.state.get8(at + Actor.WatchTask) !== 0) return Deed.GoOn;
    switch (this.state.get8(at + Actor.WatchPhase)) {
      case Watch.Idle:
        return this.noticed(this.noticedLoop()) === 0 ? Deed.OpenDisk : Deed.Trigger;
      case Watch.Locking:
        return Deed.LockExclusive;
      case Watch.Rereading:
        return Deed.Reread;
      case Watch.Comparing:
        return Deed.Compare;
      case Watch.Closing:
        return Deed.Close;
      default:
        return Deed.Trigger;
    }
  }

  act(at: i32): void {
    const isUnderWay = this.state.get8(at + Actor.WatchTask) !== 0;
    this.caller.hasMoved = true;
    const result = isUnderWay ? this.caller.goOn(at, Actor.WatchTask) : this.begin(at);
    if (result !== RUNNING) this.answered(at, result);
  }

  private begin(at: i32): i32 {
    const caller = this.caller;
    const file = this.state.get8(at + Actor.WatchFile) - 1;
    switch (this.state.get8(at + Actor.WatchPhase)) {
      case Watch.Idle:
        return this.take(at);
      case Watch.Locking:
        return caller.flock(at, Actor.WatchFile, Lock.LOCK_EX | Lock.LOCK_NB);
      case Watch.Rereading:
        return caller.call(at, Actor.WatchTask, Routine.Reread, file);
      case Watch.Comparing:
        return this.compare(at, file);
      case Watch.Closing:
        return caller.close(at, Actor.WatchTask, Actor.WatchFile);
      default:
        this.triggerNext(at);
        return RUNNING;
    }
  }

  private answered(at: i32, result: i32): void {
    const state = this.state;
    switch (state.get8(at + Actor.WatchPhase)) {
      case Watch.Idle:
        if (result >= 0) state.set8(at + Actor.WatchFile, result + 1);
        this.phase(at, result < 0 ? Watch.Triggering : Watch.Locking);
        return;
      case Watch.Locking:
        this.phase(at, result < 0 ? Watch.Closing : this.way(at));
        return;
      case Watch.Rereading:
        if (result >= 0) state.set8(at + Actor.WatchResult, Telling.Nothing);
        this.phase(at, Watch.Closing);
        return;
      case Watch.Comparing:
        if (result < 0) this.phase(at, Watch.Closing);
        return;
      default:
        state.set8(at + Actor.WatchCount, 0);
        this.phase(at, this.isTold(at) ? Watch.Idle : Watch.Triggering);
    }
  }

  private phase(at: i32, phase: i32): void {
    this.state.set8(at + Actor.WatchPhase, phase);
    if (phase !== Watch.Idle) return;
    this.state.set8(at + Actor.WatchCount, 0);
    this.state.set8(at + Actor.WatchResult, Telling.All);
    this.state.set16(at + Actor.WatchNumber, 0);
  }

  /** Where a table was read and there are partitions, the kernel has said it all. */
  private isTold(at: i32): bool {
    if (this.state.get8(at + Actor.WatchResult) !== Telling.Nothing) return false;
    const loop = this.loop(at);
    return loop >= 0 && this.caller.kernel.state.countPartitions(loop) > 0;
  }

  /** What is done under the lock. */
  private way(at: i32): i32 {
    if (this.state.get8(at + Actor.Kind) === ActorKind.UdevdDrops) return Watch.Rereading;
    const loop = this.loop(at);
    if (loop < 0 || this.caller.kernel.state.loop(loop, Loop.Suppressed) !== 0) {
      this.state.set8(at + Actor.WatchResult, Telling.Disk);
      return Watch.Closing;
    }
    return this.table(loop) < 0 ? Watch.Rereading : Watch.Comparing;
  }

  /* What was noticed. */

  private loop(at: i32): i32 {
    return this.caller.kernel.state.findLoop(this.state.get16(at + Actor.WatchNumber));
  }

  /** The first device of which a writable descriptor was closed, -1: of none. */
  private noticedLoop(): i32 {
    const kernel = this.caller.kernel.state;
    for (let loop = 0; loop < kernel.capacity.loops; loop++) {
      if (kernel.loop(loop, Loop.Present) !== 0 && this.noticed(loop) >= 0) return loop;
    }
    return -1;
  }

  /** Its disk (0) or partition of which one was closed, -1: of none. */
  private noticed(loop: i32): i32 {
    const kernel = this.caller.kernel.state;
    if (kernel.loop(loop, Loop.Noticed) !== 0) return 0;
    const count = kernel.countPartitions(loop);
    for (let place = 0; place < count; place++) {
      const partition = kernel.partitionAt(loop, place);
      if (kernel.get8(partition + Partition.Noticed) === 0) continue;
      return kernel.get8(partition + Partition.Number);
    }
    return -1;
  }

  private take(at: i32): i32 {
    const kernel = this.caller.kernel;
    const loop = this.noticedLoop();
    const partition = this.noticed(loop);
    const number = kernel.state.get32(kernel.state.loopAt(loop) + Loop.Number);
    this.state.set16(at + Actor.WatchNumber, number);
    kernel.scenario.watch(number, partition, true);
    if (partition === 0) {
      return this.caller.openDevice(at, Actor.WatchTask, number, 0, READ_ONLY);
    }
    this.trigger(at, partition);
    this.phase(at, Watch.Idle);
    return RUNNING;
  }

  private trigger(at: i32, partition: i32): void {
    const number = this.state.get16(at + Actor.WatchNumber);
    this.caller.kernel.trigger(number, partition, Action.Change, null, -1);
  }

  /** The count is the partition that was told of last, plus one; 0: none was, nor the disk. */
  private triggerNext(at: i32): void {
    const state = this.state;
    const told = state.get8(at + Actor.WatchCount);
    if (told === 0) {
      this.trigger(at, 0);
      state.set8(at + Actor.WatchCount, 1);
    } else {
      const next = this.partitionFrom(at, told);
      this.trigger(at, next);
      state.set8(at + Actor.WatchCount, next + 1);
    }
    const isDisk = state.get8(at + Actor.WatchResult) === Telling.Disk;
    const from = state.get8(at + Actor.WatchCount);
    if (isDisk || this.partitionFrom(at, from) < 0) this.phase(at, Watch.Idle);
  }

  /** The lowest partition from a number on, -1: none. */
  private partitionFrom(at: i32, number: i32): i32 {
    const loop = this.loop(at);
    if (loop < 0) return -1;
    const kernel = this.caller.kernel.state;
    const count = kernel.countPartitions(loop);
    for (let place = 0; place < count; place++) {
      const found = kernel.get8(kernel.partitionAt(loop, place) + Partition.Number);
      if (found >= number) return found;
    }
    return -1;
  }

  /* Table and partitions. */

  /** The image whose GPT the device has, -1: it has none. */
  private table(loop: i32): i32 {
    const image = this.caller.kernel.recognise(loop);
    if (image < 0) return -1;
    return this.setup.get(image, ImageFact.Table) === TableKind.Gpt ? image : -1;
  }

  /** Changes the first partition that differs; where none does all is told. */
  private compare(at: i32, file: i32): i32 {
    const count = this.state.get8(at + Actor.WatchCount);
    this.state.set8(at + Actor.WatchCount, count + 1);
    const loop = this.loop(at);
    const image = loop < 0 || count > CHANGES_MAX ? -1 : this.table(loop);
    if (image < 0) return -1;
    const kernel = this.caller.kernel.state;
    const entries = this.setup.get(image, ImageFact.Entries);
    const partitions = kernel.countPartitions(loop);
    for (let place = 0; place < partitions; place++) {
      const from = kernel.partitionAt(loop, place);
      const number = kernel.get8(from + Partition.Number);
      const entry = this.entryOf(image, number);
      const start = kernel.get64(from + Partition.Start);
      if (entry < 0 || this.fact(image, entry, EntryFact.Start) !== start) {
        return this.change(at, file, BlkpgOperation.BLKPG_DEL_PARTITION, number, NONE, NONE);
      }
      const size = this.fact(image, entry, EntryFact.Size);
      if (size === kernel.get64(from + Partition.Size)) continue;
      return this.change(at, file, BlkpgOperation.BLKPG_RESIZE_PARTITION, number, start, size);
    }
    for (let entry = 0; entry < entries; entry++) {
      const number = this.number(image, entry);
      if (kernel.findPartition(loop, number) >= 0) continue;
      const start = this.fact(image, entry, EntryFact.Start);
      const size = this.fact(image, entry, EntryFact.Size);
      return this.change(at, file, BlkpgOperation.BLKPG_ADD_PARTITION, number, start, size);
    }
    return -1;
  }

  private change(at: i32, file: i32, operation: i32, number: i32, start: u64, size: u64): i32 {
    const from = u64(start << SECTOR_SHIFT);
    const bytes = u64(size << SECTOR_SHIFT);
    const slot = Actor.WatchTask;
    return this.caller.begin(at, slot, Routine.Blkpg, file, operation, number, 0, from, bytes);
  }

  private entryOf(image: i32, number: i32): i32 {
    const entries = this.setup.get(image, ImageFact.Entries);
    for (let entry = 0; entry < entries; entry++) {
      if (this.number(image, entry) === number) return entry;
    }
    return -1;
  }

  private number(image: i32, entry: i32): i32 {
    return this.setup.view.getInt32(this.setup.entryAt(image, entry) + EntryFact.Number, true);
  }

  private fact(image: i32, entry: i32, fact: i32): u64 {
    return this.setup.view.getUint64(this.setup.entryAt(image, entry) + fact, true);
  }
}
