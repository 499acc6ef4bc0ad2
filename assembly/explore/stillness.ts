/**
 * Time stands still: after every deed the states of core and kernel are made canonical, so that
 * what differs only by how long it took is one state. A timer that is set may run out at any
 * moment, which is more than can happen; so what holds here holds.
 *
 * - Timers that are set are alike. Tries that are counted only to end some day are none, some, or
 *   the last one: that they end at any moment is a deed of its own.
 * - The jitter's generator and what numbers calls are put back: nothing depends on them.
 * - SEQNUMs are counted back from the latest: only which comes before which is looked at.
 * - What is not in use any more is blank, and of the operations' buffers all but the arguments of a
 *   call that waits to be begun.
 */
import { Call, Group } from "../abi.ts";
import { Machine } from "../core/machine.ts";
import { DiskField, WatchField } from "../core/records.ts";
import { Field, Global, State } from "../core/state.ts";
import { Step } from "../core/steps.ts";
import { Sender } from "../kernel/format.ts";
import { Kernel } from "../kernel/kernel.ts";
import { EventField, Global as KernelGlobal, Socket } from "../kernel/layout.ts";
import { clearBytes } from "../wire/loop.ts";

/** The moment at which all happens; one that does not come. */
export const NOW: i32 = 1_000_000_000;
const FAR: i32 = 2_000_000_000;

/** More than any limit of tries: whoever counts gives up. */
export const LAST_TRY: i32 = 64;

/** The latest SEQNUM. */
const SEQNUM: i32 = 1024;

/** Bytes of a buffer that are kept: no call has more arguments. */
export const KEPT_BYTES: i32 = 320;

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
    this.blankRecords();
    this.blankLookout();
    for (let operation = 0; operation <= state.lookout; operation++) this.blankBuffer(operation);
    this.renumber();
    this.forgetSeen();
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
      const waits = state.get(operation, Field.Waits);
      if (waits > 0) state.set(operation, Field.Waits, waits < LAST_TRY ? 1 : LAST_TRY);
      if (state.get(operation, Field.Arrival) !== 0) isQueued = true;
    }
    if (!isQueued) state.setGlobal(Global.Arrival, u64(0));
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

  /**
   * What the kernel sends comes in order and once, and what others make up is refused before its
   * number is looked at: all before the first that is on its way may as well have been seen.
   */
  private forgetSeen(): void {
    const state = this.machine.state;
    const kernel = this.kernel.state;
    const at = state.seenAt;
    if (state.view.getUint64(at, true) === u64(0)) return;
    let highest = SEQNUM;
    const socket = this.kernel.sockets.find(0, Group.Kernel);
    const count = socket < 0 ? 0 : kernel.get8(kernel.socketAt(socket) + Socket.Count);
    for (let place = 0; place < count; place++) {
      const event = kernel.eventAt(socket, place);
      if (kernel.get8(event + EventField.Sender) !== Sender.Kernel) continue;
      highest = kernel.get32(event + EventField.Seqnum) - 1;
      break;
    }
    const bit = highest & 63;
    state.view.setUint64(at, u64(highest), true);
    state.view.setInt32(at + 8, bit < 32 ? 1 << bit : 0, true);
    state.view.setInt32(at + 12, bit < 32 ? 0 : 1 << (bit - 32), true);
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

  /* What is not in use. */

  private blankRecords(): void {
    const registry = this.machine.registry;
    for (let watch = 0; watch < this.machine.state.watches; watch++) {
      if (registry.watch(watch, WatchField.Kind) !== 0) continue;
      for (let i: i32 = WatchField.Kind; i < WatchField.Slots; i++) {
        if (i !== WatchField.Next) registry.setWatch64(watch, i, u64(0));
      }
    }
  }

  /** A look that is over leaves nothing behind but what it found out about the disk. */
  private blankLookout(): void {
    const state = this.machine.state;
    const lookout = state.lookout;
    if (state.get(lookout, Field.Step) !== Step.Look) return;
    if (this.isCalling(lookout)) return;
    state.clear(lookout);
    state.set(lookout, Field.Step, Step.Look);
  }

  private isCalling(operation: i32): bool {
    const state = this.machine.state;
    return state.get(operation, Field.Ticket) + state.get(operation, Field.CallPending) !== 0;
  }

  private blankBuffer(operation: i32): void {
    const state = this.machine.state;
    const kept = state.get(operation, Field.CallPending) !== 0 ? this.argument(operation) : 0;
    clearBytes(state.buffers, state.bufferAt(operation) + kept, KEPT_BYTES - kept);
  }

  /** Bytes that a call reads. */
  private argument(operation: i32): i32 {
    const state = this.machine.state;
    switch (state.get(operation, Field.CallKind)) {
      case Call.IoctlBuffer:
      case Call.Blkpg:
        return state.get(operation, Field.CallBytes);
      case Call.ReadDisk:
      case Call.ListPartitions:
      case Call.Trigger:
        return 48;
      default:
        return 0;
    }
  }
}
