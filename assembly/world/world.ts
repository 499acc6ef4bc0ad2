/**
 * The world around a core: everything else that acts on the simulated kernel, one step at a time.
 * Whoever drives it chooses which actor goes next and which of its choices it takes; process 0 is
 * the core's, and its steps are told to the world by `look`. All that is remembered lies in one
 * small region (`state.ts`), beside the kernel's.
 */
import { Group } from "../abi.ts";
import { Kernel } from "../kernel/kernel.ts";
import { Task } from "../kernel/layout.ts";
import { Step } from "../kernel/tasks.ts";
import { Caller } from "./caller.ts";
import { Faults } from "./faults.ts";
import { GhostObserver } from "./ghost.ts";
import { Actor, ActorKind, Ghost } from "./layout.ts";
import { Rereader } from "./rereader.ts";
import { Rivals } from "./rivals.ts";
import { WorldState } from "./state.ts";
import { Udevd } from "./udevd.ts";

/** A socket of udevd is never too small. */
const UDEV_BUFFER: i32 = 1 << 24;

export class World {
  readonly kernel: Kernel;
  readonly state: WorldState;
  readonly ghost: GhostObserver;
  private readonly caller: Caller;
  private readonly rivals: Rivals;
  private readonly faults: Faults;
  private readonly udevd: Udevd;
  private readonly rereader: Rereader;

  constructor(kernel: Kernel, actors: i32) {
    const capacity = kernel.state.capacity;
    const state = new WorldState(capacity.loops, capacity.partitions, actors);
    const caller = new Caller(kernel, state);
    this.kernel = kernel;
    this.state = state;
    this.ghost = new GhostObserver(kernel, state);
    this.caller = caller;
    this.rivals = new Rivals(caller);
    this.faults = new Faults(caller);
    this.udevd = new Udevd(caller);
    this.rereader = new Rereader(caller);
  }

  /**
   * An actor for loop device `number`, as a process of its own; `budget`: rounds that it may begin,
   * which udevd has no need of. Its index.
   */
  add(kind: i32, process: i32, number: i32, image: i32, budget: i32): i32 {
    assert(kind > ActorKind.None && kind <= ActorKind.Loss);
    const actor = this.state.get8(Ghost.Actors);
    const at = this.state.actorAt(actor);
    this.state.set8(Ghost.Actors, actor + 1);
    this.state.set8(at + Actor.Kind, kind);
    this.state.set8(at + Actor.Process, process);
    this.state.set16(at + Actor.Number, number);
    this.state.set8(at + Actor.Image, image);
    this.state.set8(at + Actor.Budget, budget);
    if (this.isUdevd(at)) this.startUdevd(at, process, number);
    return actor;
  }

  private startUdevd(at: i32, process: i32, number: i32): void {
    const socket = this.kernel.openSocket(process, Group.Kernel, UDEV_BUFFER, false);
    assert(socket >= 0);
    this.state.set8(at + Actor.Socket, socket + 1);
    this.kernel.scenario.setUdev(true);
    this.kernel.scenario.watch(number, 0, true);
    this.state.set16(at + Actor.Number, 0);
  }

  /** Whether there is an actor of a kind. */
  has(kind: i32): bool {
    for (let actor = 0; this.state.get8(Ghost.Actors) > actor; actor++) {
      if (this.state.get8(this.state.actorAt(actor) + Actor.Kind) === kind) return true;
    }
    return false;
  }

  /** No udevd has anything to do. */
  isUdevIdle(): bool {
    for (let actor = 0; this.state.get8(Ghost.Actors) > actor; actor++) {
      if (this.isUdevd(this.state.actorAt(actor)) && !this.isIdle(actor)) return false;
    }
    return true;
  }

  /** The processes of udevds, a mask. */
  udevds(): i32 {
    let mask = 0;
    for (let actor = 0; this.state.get8(Ghost.Actors) > actor; actor++) {
      const at = this.state.actorAt(actor);
      if (this.isUdevd(at)) mask |= 1 << this.state.get8(at + Actor.Process);
    }
    return mask;
  }

  private isUdevd(at: i32): bool {
    const kind = this.state.get8(at + Actor.Kind);
    return kind === ActorKind.UdevdDrops || kind === ActorKind.UdevdKeeps;
  }

  private isRival(at: i32): bool {
    const kind = this.state.get8(at + Actor.Kind);
    return kind >= ActorKind.Opener && kind <= ActorKind.Detacher;
  }

  /**
   * How many things an actor can do next. A call that is under way is one of them, also while it
   * waits for another: then `act` changes nothing, and `hasMoved` says so.
   */
  choices(actor: i32): i32 {
    const at = this.state.actorAt(actor);
    if (this.isRival(at)) return this.rivals.choices(at);
    if (this.isUdevd(at)) return this.udevd.choices(at) + this.rereader.choices(at);
    return this.faults.choices(at);
  }

  /** What a choice would do (`Deed`). */
  deed(actor: i32, choice: i32): i32 {
    const at = this.state.actorAt(actor);
    if (this.isRival(at)) return this.rivals.deed(at, choice);
    if (!this.isUdevd(at)) return this.faults.deed(at, choice);
    return choice < this.udevd.choices(at) ? this.udevd.deed(at) : this.rereader.deed(at);
  }

  act(actor: i32, choice: i32): void {
    const at = this.state.actorAt(actor);
    assert(choice >= 0 && this.choices(actor) > choice);
    if (this.isRival(at)) this.rivals.act(at, choice);
    else if (!this.isUdevd(at)) this.faults.act(at, choice);
    else if (this.udevd.choices(at) > choice) this.udevd.act(at);
    else this.rereader.act(at);
    const isCrash = this.state.get8(at + Actor.Kind) === ActorKind.Crash;
    this.look(isCrash ? 0 : this.state.get8(at + Actor.Process));
  }

  /** Whether the latest `act` or `step` changed anything. */
  hasMoved(): bool {
    return this.caller.hasMoved;
  }

  /** Whether an actor has nothing under way and nothing to answer to. */
  isIdle(actor: i32): bool {
    const state = this.state;
    const at = state.actorAt(actor);
    if (this.isUdevd(at)) return this.udevd.isIdle(at) && this.rereader.choices(at) === 0;
    const isResting = state.get8(at + Actor.Phase) === 0 && state.get8(at + Actor.Task) === 0;
    return (
      isResting && (state.get8(at + Actor.Pending) === 0 || state.get8(at + Actor.Budget) === 0)
    );
  }

  /** Whether a choice is part of what an actor has begun, or an answer that it owes (udevd's), and
   *  no new disturbance. udevd's vain tries for a lock are none of it. */
  isCalm(actor: i32, choice: i32): bool {
    const state = this.state;
    const at = state.actorAt(actor);
    if (this.isUdevd(at)) return this.udevd.choices(at) <= choice || !this.udevd.isVain(at);
    if (this.isRival(at)) {
      return state.get8(at + Actor.Phase) !== 0 || state.get8(at + Actor.Task) !== 0;
    }
    return this.faults.isDying(at);
  }

  /** What befalls process 0 itself: its death, a lost datagram. */
  isFault(actor: i32): bool {
    const kind = this.state.get8(this.state.actorAt(actor) + Actor.Kind);
    return kind === ActorKind.Crash || kind === ActorKind.Loss;
  }

  /** Nobody has anything begun or to answer. */
  isAtRest(): bool {
    const actors = this.state.get8(Ghost.Actors);
    for (let actor = 0; actor < actors; actor++) {
      const choices = this.choices(actor);
      for (let choice = 0; choice < choices; choice++) {
        if (this.isCalm(actor, choice)) return false;
      }
    }
    return true;
  }

  /** An actor begins no other round. udevd goes on: it is no fault. */
  stop(actor: i32): void {
    const at = this.state.actorAt(actor);
    this.state.set8(at + Actor.Budget, 0);
    this.state.set8(at + Actor.Pending, 0);
  }

  /** One step of a task of process 0, or of anybody who is no actor. */
  step(task: i32): i32 {
    const process = this.kernel.state.get8(this.kernel.state.taskAt(task) + Task.Process);
    const step = this.kernel.step(task);
    this.caller.hasMoved = step !== Step.Blocked;
    this.look(process);
    return step;
  }

  /** After every step of a process that the world did not take itself. */
  look(process: i32): void {
    this.ghost.look(process);
    const count = this.kernel.events.takeHeard();
    for (let index = 0; index < count; index++) this.hear(this.kernel.events.heard[index]);
  }

  /** Openers react to every event of their device; more than they may answer is not counted. */
  private hear(number: i32): void {
    const state = this.state;
    const actors = state.get8(Ghost.Actors);
    for (let actor = 0; actor < actors; actor++) {
      const at = state.actorAt(actor);
      if (state.get8(at + Actor.Kind) !== ActorKind.Opener) continue;
      if (state.get16(at + Actor.Number) !== number) continue;
      const pending = state.get8(at + Actor.Pending);
      if (state.get8(at + Actor.Budget) > pending) state.set8(at + Actor.Pending, pending + 1);
    }
  }

  /** Process 0 was told to end an instance that another bound: that is no foreign clear. */
  tell(instance: i32): void {
    this.state.set8(Ghost.Told, instance);
  }
}
