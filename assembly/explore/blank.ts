/**
 * What is never read again is made blank, so that states which differ only by it are one: what a
 * step has left behind that no later one reads, what was judged already, numbers that nobody asks
 * for. A trial that keeps it all (`TrialOptions.keepsAll`) must go the same way, which a test sees
 * to. Knows nothing of time.
 */
import { Machine } from "../core/machine.ts";
import { clearMask } from "../core/masks.ts";
import { DiskField, WatchField } from "../core/records.ts";
import { Entry, Field, State } from "../core/state.ts";
import { Step } from "../core/steps.ts";
import { Kernel } from "../kernel/kernel.ts";
import { EventField, Global, Loop, Socket } from "../kernel/layout.ts";
import { argumentBytes } from "../wire/calls.ts";
import { clearBytes } from "../wire/loop.ts";
import { ActorKind, GhostLoop } from "../world/layout.ts";
import { WorldState } from "../world/state.ts";
import { World } from "../world/world.ts";
import { Memo, Memory } from "./memo.ts";
import { TrialOptions } from "./options.ts";
import { SEQNUM } from "./stillness.ts";
import { Truth } from "./truth.ts";

/** Two groups, and 64 numbers of each. */
const SEEN_BYTES: i32 = 32;

/** Bytes of a buffer that are kept: no call has more arguments. */
export const KEPT_BYTES: i32 = 320;

/** Fields, the first and the last, and steps, the first and the last, from which none leads to one
 *  that reads them. */
// biome-ignore format: one row a line
const UNREAD: i32[] = [
  Field.Holders, Field.Holders, Step.CloseTarget, Step.SweepClose,
  Field.Told, Field.Told, Step.LookTarget, Step.SweepClose,

  Field.Configured, Field.Configured, Step.Look, Step.LookDisk,
  Field.Diskseq, Field.Diskseq, Step.Look, Step.LookDisk,
  Field.Major, Field.Minor, Step.Look, Step.LookDisk,
  Field.Reference, Field.Reference + 3, Step.Look, Step.LookPartitions,
  Field.Partitions, Field.Partitions, Step.Look, Step.LookPartitions,
  Field.Cursor, Field.Cursor, Step.Look, Step.LookAgain,
  // The disk's own record is asked for before anything else happens.
  Field.Major, Field.Minor, Step.LookRecord, Step.Trigger,
  Field.Configured, Field.Configured, Step.LookRecord, Step.Trigger,
  Field.Diskseq, Field.Diskseq, Step.LookRecord, Step.Trigger,
  Field.Reference, Field.Reference + 3, Step.LookRecord, Step.Trigger,
  // No disk of a trial changes so often that a look would give up.
  Field.Denied, Field.Denied, Step.Look, Step.Trigger,
];

/** The same where udev is not awaited: nobody asks what it wrote of a device. */
// biome-ignore format: one row a line
const UNREAD_WITHOUT_UDEV: i32[] = [
  Field.Major, Field.Minor, Step.LookPartitions, Step.LookAgain,
  Field.Partitions, Field.Partitions, Step.LookAgain, Step.Trigger,
];

export class Blank {
  private readonly machine: Machine;
  private readonly state: State;
  private readonly kernel: Kernel;
  private readonly ghosts: WorldState;
  private readonly truth: Truth;
  private readonly memory: Memory;
  private readonly awaitsUdev: bool;
  /** A deadline may strike: it tells what it was that kept it waiting. */
  private readonly isTimed: bool;
  /** There is somebody who makes events up. */
  private readonly isForged: bool;

  constructor(machine: Machine, world: World, memory: Memory, options: TrialOptions) {
    this.machine = machine;
    this.state = machine.state;
    this.kernel = world.kernel;
    this.ghosts = world.state;
    this.truth = new Truth(world, memory);
    this.memory = memory;
    this.awaitsUdev = options.awaitsUdev;
    this.isTimed = options.deadlines > 0;
    this.isForged = world.has(ActorKind.Forger);
  }

  /** After every deed, before SEQNUMs are counted anew; whether the core was touched. */
  world(): bool {
    const kernel = this.kernel.state;
    const world = this.ghosts;
    // Whoever asks for the end of an instance was looked at.
    for (let loop = 0; loop < kernel.capacity.loops; loop++) {
      kernel.setLoop(loop, Loop.Clearer, 0);
      world.set8(world.loopAt(loop) + GhostLoop.Clearer, 0);
    }
    if (!this.isForged) this.seqnums();
    return this.patience();
  }

  /** What is over stays so, and the next look shows it to whoever waits for the end. */
  private patience(): bool {
    const state = this.state;
    let isTouched = false;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.Step) !== Step.ReadTarget) continue;
      if (state.get(operation, Field.Waits) + state.get(operation, Field.Told) === 0) continue;
      if (this.memory.get(Memo.Identity) === 0 || this.truth.isRunningDown()) continue;
      state.set(operation, Field.Waits, 0);
      state.set(operation, Field.Told, 0);
      isTouched = true;
    }
    return isTouched;
  }

  /** The kernel sends each once and in order; only where others make up SEQNUMs do they matter. */
  private seqnums(): void {
    const kernel = this.kernel.state;
    kernel.set32(Global.Seqnum, SEQNUM);
    for (let socket = 0; socket < kernel.capacity.sockets; socket++) {
      const count = kernel.get8(kernel.socketAt(socket) + Socket.Count);
      for (let place = 0; place < count; place++) {
        kernel.set32(kernel.eventAt(socket, place) + EventField.Seqnum, SEQNUM);
      }
    }
  }

  /** After every deed of the core. */
  core(): void {
    this.watches();
    this.disks();
    if (!this.isForged) clearBytes(this.state.view, this.state.seenAt, SEEN_BYTES);
    for (let operation = 0; operation <= this.state.lookout; operation++) this.fields(operation);
    this.lookout();
    for (let operation = 0; operation <= this.state.lookout; operation++) this.buffer(operation);
  }

  private watches(): void {
    const registry = this.machine.registry;
    for (let watch = 0; watch < this.state.watches; watch++) {
      // Only a wait for what has no number asks whether it was seen.
      const isKnown = registry.watch64(watch, WatchField.Diskseq) !== u64(0);
      if (isKnown) registry.setWatch(watch, WatchField.Seen, 0);
      if (!this.awaitsUdev)
        clearMask(this.state.view, registry.watchAt(watch, WatchField.UdevMask));
      if (registry.watch(watch, WatchField.Kind) !== 0) continue;
      for (let i: i32 = WatchField.Kind; i < WatchField.Slots; i++) {
        if (i !== WatchField.Next) registry.setWatch64(watch, i, u64(0));
      }
    }
  }

  private disks(): void {
    for (let disk = 0; disk < this.state.disks; disk++) this.disk(disk);
  }

  /** What a look found out is judged when it ends, and later only for what udev owes; but for the
   *  instance, by which events are judged. */
  private disk(disk: i32): void {
    const registry = this.machine.registry;
    const view = this.state.view;
    const isAsked = registry.disk(disk, DiskField.UdevInterest) !== 0 || !this.memory.isLast();
    if (this.awaitsUdev && (isAsked || this.isTimed)) return;
    registry.setDisk(disk, DiskField.Bound, 0);
    registry.setDisk(disk, DiskField.Major, 0);
    registry.setDisk(disk, DiskField.Minor, 0);
    clearMask(view, registry.diskAt(disk, DiskField.Mask));
    for (let i: i32 = DiskField.Claimed; i < DiskField.Slots; i++) {
      registry.setDisk64(disk, i, u64(0));
    }
    if (this.awaitsUdev) return;
    registry.setDisk64(disk, DiskField.UdevTold, u64(0));
    registry.setDisk(disk, DiskField.UdevHeard, 0);
    clearMask(view, registry.diskAt(disk, DiskField.UdevToldMask));
  }

  private isCalling(operation: i32): bool {
    const state = this.state;
    return state.get(operation, Field.Ticket) + state.get(operation, Field.CallPending) !== 0;
  }

  /* Operations. */

  private fields(operation: i32): void {
    const state = this.state;
    const step = state.get(operation, Field.Step);
    if (state.get64(operation, Field.Wake) === u64(0)) state.set(operation, Field.WakeReason, 0);
    this.unread(operation, step, UNREAD);
    if (!this.awaitsUdev) this.unread(operation, step, UNREAD_WITHOUT_UDEV);
  }

  private unread(operation: i32, step: i32, rows: i32[]): void {
    for (let row = 0; row < rows.length; row += 4) {
      if (step < rows[row + 2] || step > rows[row + 3]) continue;
      for (let field = rows[row]; field <= rows[row + 1]; field++) {
        this.state.set64(operation, field, u64(0));
      }
    }
  }

  /** When a look is over, what it found out is in the disk's record. */
  private lookout(): void {
    const state = this.state;
    const lookout = state.lookout;
    if (state.get(lookout, Field.Step) === Step.Look && !this.isCalling(lookout)) {
      state.clear(lookout);
      state.set(lookout, Field.Step, Step.Look);
      return;
    }
    const listed = state.get(lookout, Field.Partitions) * Entry.Bytes;
    const rest = state.partitions * Entry.Bytes - listed;
    clearBytes(state.view, state.at(lookout, Field.Slots) + listed, rest);
  }

  /* Buffers. */

  private buffer(operation: i32): void {
    const state = this.state;
    const kept = state.get(operation, Field.CallPending) !== 0 ? this.argument(operation) : 0;
    clearBytes(state.buffers, state.bufferAt(operation) + kept, KEPT_BYTES - kept);
  }

  private argument(operation: i32): i32 {
    const state = this.state;
    return argumentBytes(
      state.get(operation, Field.CallKind),
      state.get(operation, Field.CallRequest),
      state.get(operation, Field.CallNumber),
      state.get(operation, Field.CallBytes),
    );
  }
}
