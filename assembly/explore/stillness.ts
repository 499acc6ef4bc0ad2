/**
 * Time stands still: after every deed the states of core and kernel are made canonical, so that
 * what differs only by how long it took is one state. A timer that is set may run out at any
 * moment, which is more than can happen; so what holds here holds.
 *
 * - Timers that are set are alike. Tries that are counted only to end some day are none, some, or
 *   the last one: that they end at any moment is a deed of its own.
 * - The jitter's generator and what numbers calls are put back: nothing depends on them.
 * - SEQNUMs are counted back from the latest: only which comes before which is looked at.
 */
import { Machine } from "../core/machine.ts";
import { DiskField } from "../core/records.ts";
import { Field, Global, State } from "../core/state.ts";
import { Kernel } from "../kernel/kernel.ts";
import { EventField, Global as KernelGlobal, Loop, Partition, Socket } from "../kernel/layout.ts";
import { loopNumber } from "../wire/loop.ts";

/** The moment at which all happens; one that does not come. */
export const NOW: i32 = 1_000_000_000;
const FAR: i32 = 2_000_000_000;

/** More than any limit of tries: whoever counts gives up. */
export const LAST_TRY: i32 = 64;

/** The latest SEQNUM. */
export const SEQNUM: i32 = 1024;

export class Stillness {
  private readonly machine: Machine;
  private readonly kernel: Kernel;
  private readonly seed: u64;

  constructor(machine: Machine, kernel: Kernel) {
    // The window of SEQNUMs is one word.
    assert(machine.state.seqnums === 64);
    this.machine = machine;
    this.kernel = kernel;
    this.seed = machine.state.global(Global.Random);
  }

  /** After every deed. */
  settle(): void {
    const state = this.machine.state;
    this.stopTimers();
    if (state.global(Global.Ended) !== u64(0)) {
      // What has ended is freed by the next input, whatever that is.
      this.machine.handleTimeout(u64(NOW));
      this.stopTimers();
    }
    this.stopCounting();
    this.renumber();
  }

  /* Time. */

  private stopTimers(): void {
    const state = this.machine.state;
    for (let operation = 0; operation < state.operations; operation++) {
      this.stop(operation, Field.Wake);
      this.stop(operation, Field.Deadline);
      this.stop(operation, Field.Grace);
    }
    this.stopHeap();
    const registry = this.machine.registry;
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      const askAt = registry.disk64(disk, DiskField.AskAt);
      if (askAt > u64(NOW)) registry.setDisk64(disk, DiskField.AskAt, u64(FAR));
      else if (askAt !== u64(0)) registry.setDisk64(disk, DiskField.AskAt, u64(NOW));
      registry.setDisk(disk, DiskField.Looks, 0);
      registry.setDisk(disk, DiskField.Asked, 0);
    }
  }

  private stop(operation: i32, field: i32): void {
    const state = this.machine.state;
    if (state.get64(operation, field) !== u64(0)) state.set64(operation, field, u64(FAR));
  }

  /** Of equal times the lower item comes first, and so they are put in. */
  private stopHeap(): void {
    const state = this.machine.state;
    const deadlines = this.machine.deadlines;
    let armed = 0;
    for (let item = 0; item < state.watches + state.disks; item++) {
      if (deadlines.time(item) !== u64(0)) armed |= 1 << item;
    }
    for (let at = state.deadlinesAt; at < state.seenAt; at += 4) state.view.setInt32(at, 0, true);
    for (let item = 0; item < state.watches + state.disks; item++) {
      if ((armed & (1 << item)) !== 0) deadlines.set(item, u64(FAR));
    }
  }

  /* Numbers that only rise. */

  private stopCounting(): void {
    const state = this.machine.state;
    state.setGlobal(Global.Random, this.seed);
    state.setGlobal(Global.Serial, u64(0));
    let isQueued = false;
    for (let operation = 0; operation < state.operations; operation++) {
      this.stopTries(operation);
      if (state.get(operation, Field.Arrival) !== 0) isQueued = true;
    }
    if (!isQueued) state.setGlobal(Global.Arrival, u64(0));
  }

  /** While a call is out, some tries are as good as none: there are some when it has failed. */
  private stopTries(operation: i32): void {
    const state = this.machine.state;
    if (state.get(operation, Field.Waits) >= LAST_TRY) {
      state.set(operation, Field.Waits, LAST_TRY);
    } else {
      const isWaiting = state.get64(operation, Field.Wake) !== u64(0);
      state.set(operation, Field.Waits, isWaiting ? 1 : 0);
    }
  }

  /** Counts all SEQNUMs from the latest, the core's too; whether that changed any. */
  renumber(): bool {
    const shift = this.renumberKernel();
    if (shift === 0) return false;
    const state = this.machine.state;
    this.renumberSeen(state, state.seenAt, shift);
    this.renumberSeen(state, state.seenAt + 16, shift);
    return true;
  }

  /** Of udev's records of a disk: 0 there is none, 1 the one that the core knows, else 2; of a
   *  partition whether there is one. */
  renumberRecords(): void {
    const kernel = this.kernel.state;
    for (let loop = 0; loop < kernel.capacity.loops; loop++) {
      const at = kernel.loopAt(loop);
      const record = kernel.get16(at + Loop.Record);
      if (record > 1) kernel.set16(at + Loop.Record, this.isKnown(loop) ? 2 : 1);
      for (let place = 0; kernel.countPartitions(loop) > place; place++) {
        const field = kernel.partitionAt(loop, place) + Partition.Record;
        if (kernel.get16(field) > 1) kernel.set16(field, 1);
      }
    }
  }

  /** Whether the core knows a record of a disk, which then is the first. */
  private isKnown(loop: i32): bool {
    const kernel = this.kernel.state;
    const view = this.machine.state.view;
    const registry = this.machine.registry;
    const number = kernel.get32(kernel.loopAt(loop) + Loop.Number);
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      const name = registry.diskAt(disk, DiskField.Name);
      const bytes = registry.disk(disk, DiskField.NameBytes);
      if (loopNumber(view, name, bytes) !== number) continue;
      return registry.disk64(disk, DiskField.BaseStamp) > u64(1);
    }
    return false;
  }

  /** Those of the kernel: by how much. */
  renumberKernel(): i32 {
    const kernel = this.kernel.state;
    const shift = SEQNUM - kernel.get32(KernelGlobal.Seqnum);
    if (shift === 0) return 0;
    kernel.set32(KernelGlobal.Seqnum, SEQNUM);
    for (let socket = 0; socket < kernel.capacity.sockets; socket++) {
      const count = kernel.get8(kernel.socketAt(socket) + Socket.Count);
      for (let place = 0; place < count; place++) {
        const at = kernel.eventAt(socket, place) + EventField.Seqnum;
        kernel.set32(at, kernel.get32(at) + shift);
      }
    }
    return shift;
  }

  /** The highest of a group, and a bit for each number modulo 64. */
  private renumberSeen(state: State, at: i32, shift: i32): void {
    const highest = state.view.getUint64(at, true);
    if (highest === u64(0)) return;
    state.view.setUint64(at, u64(highest + u64(shift)), true);
    const low = state.view.getUint32(at + 8, true);
    const high = state.view.getUint32(at + 12, true);
    const by = shift & 63;
    const isSwapped = by >= 32;
    const a = i32(isSwapped ? high : low);
    const b = i32(isSwapped ? low : high);
    const bits = by & 31;
    const carryA = bits === 0 ? 0 : a >>> (32 - bits);
    const carryB = bits === 0 ? 0 : b >>> (32 - bits);
    state.view.setInt32(at + 8, (a << bits) | carryB, true);
    state.view.setInt32(at + 12, (b << bits) | carryA, true);
  }
}
