/**
 * The ghost observer: looks at the kernel after every step of anybody and remembers what no process
 * can know for sure. Which instance a device is in, who bound it and what an event is about, the
 * kernel's records say (`Loop.Instance`, `EventField.Instance`); here is what became of it.
 */
import { Kernel } from "../kernel/kernel.ts";
import {
  EventField,
  File,
  FileKind,
  Loop,
  Partition,
  ProcessField,
  Socket,
} from "../kernel/layout.ts";
import { Ghost, GhostLoop, Left, LIFE_BITS, Life } from "./layout.ts";
import { WorldState } from "./state.ts";

const LIFE_MASK: i32 = (1 << LIFE_BITS) - 1;

export class GhostObserver {
  private readonly kernel: Kernel;
  private readonly state: WorldState;

  constructor(kernel: Kernel, state: WorldState) {
    this.kernel = kernel;
    this.state = state;
  }

  /** After a step of a process. */
  look(process: i32): void {
    for (let loop = 0; loop < this.state.loops; loop++) this.lookAt(loop, process);
  }

  private lookAt(loop: i32, process: i32): void {
    const state = this.state;
    const at = state.loopAt(loop);
    const instance = this.kernel.state.loop(loop, Loop.Instance);
    if (instance !== state.get8(at + GhostLoop.Instance)) {
      state.zero(at, GhostLoop.Bytes + state.partitions);
      state.set8(at + GhostLoop.Instance, instance);
    }
    if (instance === 0) return;
    this.lookAtClearer(loop, at, instance);
    for (let number = 1; number <= state.partitions; number++) {
      this.lookAtPartition(loop, number, instance, process);
    }
  }

  private lookAtClearer(loop: i32, at: i32, instance: i32): void {
    const state = this.state;
    const clearer = this.kernel.state.loop(loop, Loop.Clearer);
    if (clearer === state.get8(at + GhostLoop.Clearer)) return;
    state.set8(at + GhostLoop.Clearer, clearer);
    if (clearer === this.kernel.state.loop(loop, Loop.Binder)) return;
    if (clearer === 1 && instance === state.get8(Ghost.Told)) return;
    this.mark(Ghost.ForeignClearers, clearer - 1);
  }

  private lookAtPartition(loop: i32, number: i32, instance: i32, process: i32): void {
    const state = this.state;
    const at = state.lifeAt(loop, number);
    const before = state.get8(at);
    const life = before & LIFE_MASK;
    const found = this.kernel.state.findPartition(loop, number);
    // What an earlier instance left behind is none of this one's.
    const isPlugged = found >= 0 && this.kernel.state.get8(found + Partition.Instance) === instance;
    if (isPlugged === (life === Life.Plugged)) return;
    if (!isPlugged) {
      if (life !== Life.Never) this.unplug(at, process);
      return;
    }
    state.set8(at, Life.Plugged);
    if (life !== Life.Gone) return;
    const unplugger = (before >> LIFE_BITS) - 1;
    this.mark(Ghost.Flappers, unplugger);
    if (state.get8(Ghost.FlapInstance) !== 0) return;
    state.set8(Ghost.FlapInstance, instance);
    state.set8(Ghost.FlapPartition, number);
    state.set8(Ghost.Unplugger, unplugger);
    state.set8(Ghost.Plugger, process);
  }

  private unplug(at: i32, process: i32): void {
    if ((this.state.get8(at) & LIFE_MASK) !== Life.Plugged) return;
    this.state.set8(at, Life.Gone | ((process + 1) << LIFE_BITS));
  }

  private mark(mask: i32, process: i32): void {
    assert(process >= 0 && process < 31);
    this.state.set32(mask, this.state.get32(mask) | (1 << process));
  }

  /** How much of a kind a process has left (`Left`). */
  left(process: i32, what: i32): i32 {
    const state = this.kernel.state;
    if (what === Left.Nodes) return state.get8(state.processAt(process) + ProcessField.Nodes);
    if (what === Left.Bound) return this.bound(process);
    if (what === Left.Sockets) return this.sockets(process);
    let count = 0;
    for (let file = 0; file < state.capacity.files; file++) {
      const at = state.fileAt(file);
      if (state.get8(at + File.Kind) === FileKind.None) continue;
      if (state.get8(at + File.Process) !== process + 1) continue;
      if (what === Left.Files || state.get8(at + File.Lock) !== 0) count++;
    }
    return count;
  }

  private bound(process: i32): i32 {
    const state = this.kernel.state;
    let count = 0;
    for (let loop = 0; loop < state.capacity.loops; loop++) {
      if (state.loop(loop, Loop.Binder) === process + 1) count++;
    }
    return count;
  }

  private sockets(process: i32): i32 {
    const state = this.kernel.state;
    let count = 0;
    for (let socket = 0; socket < state.capacity.sockets; socket++) {
      if (state.get8(state.socketAt(socket) + Socket.Process) === process + 1) count++;
    }
    return count;
  }

  /** The instance that the first datagram for a process is about, 0: none; -1: no datagram. */
  truth(process: i32, group: i32): i32 {
    const state = this.kernel.state;
    const socket = this.kernel.sockets.find(process, group);
    if (socket < 0 || state.get8(state.socketAt(socket) + Socket.Count) === 0) return -1;
    return state.get8(state.eventAt(socket, 0) + EventField.Instance);
  }
}
