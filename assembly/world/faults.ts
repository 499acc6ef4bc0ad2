/** What goes wrong around process 0: forged, flooding and lost datagrams, and its own death. */
import { Action, Group } from "../abi.ts";
import { Sender } from "../kernel/format.ts";
import { Loop, ProcessField, Socket, Task, TaskStatus } from "../kernel/layout.ts";
import { Routine } from "../kernel/routines.ts";
import { Step } from "../kernel/tasks.ts";
import { Caller, NONE } from "./caller.ts";
import { Actor, ActorKind, Deed, Ghost } from "./layout.ts";
import { WorldState } from "./state.ts";

/** The process that is exposed to it all. */
const VICTIM: i32 = 0;
/** Contents times senders. */
const FORGERIES: i32 = 6;

enum Death {
  Alive = 0,
  Dying = 1,
}

export class Faults {
  private readonly state: WorldState;
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.state = caller.state;
    this.caller = caller;
  }

  choices(at: i32): i32 {
    const state = this.state;
    const kind = state.get8(at + Actor.Kind);
    if (kind === ActorKind.Crash && state.get8(at + Actor.Phase) === Death.Dying) {
      return this.lastCalls();
    }
    if (state.get8(at + Actor.Budget) === 0) return 0;
    if (kind === ActorKind.Crash || kind === ActorKind.Flooder) return 1;
    let count = 0;
    for (let deed = Deed.None; deed <= Deed.LoseUdev; deed++) {
      if (this.isPossible(kind, deed)) count++;
    }
    return count;
  }

  /** Process 0 is about to end. */
  isDying(at: i32): bool {
    if (this.state.get8(at + Actor.Kind) !== ActorKind.Crash) return false;
    return this.state.get8(at + Actor.Phase) === Death.Dying;
  }

  deed(at: i32, choice: i32): i32 {
    const kind = this.state.get8(at + Actor.Kind);
    if (kind === ActorKind.Flooder) return Deed.Trigger;
    if (kind === ActorKind.Crash) {
      return this.state.get8(at + Actor.Phase) === Death.Alive ? Deed.Die : Deed.Exit;
    }
    let left = choice;
    for (let deed = Deed.None; deed <= Deed.LoseUdev; deed++) {
      if (!this.isPossible(kind, deed)) continue;
      if (left === 0) return deed;
      left--;
    }
    return Deed.None;
  }

  act(at: i32, choice: i32): void {
    const kind = this.state.get8(at + Actor.Kind);
    this.caller.hasMoved = true;
    if (kind === ActorKind.Crash) {
      this.crash(at, choice);
      return;
    }
    const deed = this.deed(at, choice);
    this.state.set8(at + Actor.Budget, this.state.get8(at + Actor.Budget) - 1);
    if (kind === ActorKind.Flooder) this.trigger(at);
    else if (kind === ActorKind.Loss) this.lose(deed);
    else this.forge(at, deed);
  }

  /* Forged and lost. */

  private isPossible(kind: i32, deed: i32): bool {
    if (kind === ActorKind.Forger) {
      if (deed < Deed.ForgeLater || deed >= Deed.ForgeLater + FORGERIES) return false;
      return this.socket(deed >= Deed.ForgeLaterUdev ? Group.Udev : Group.Kernel) >= 0;
    }
    if (deed !== Deed.LoseKernel && deed !== Deed.LoseUdev) return false;
    const socket = this.socket(deed === Deed.LoseUdev ? Group.Udev : Group.Kernel);
    if (socket < 0) return false;
    const kernel = this.caller.kernel.state;
    return kernel.get8(kernel.socketAt(socket) + Socket.Count) > 0;
  }

  private socket(group: i32): i32 {
    return this.caller.kernel.sockets.find(VICTIM, group);
  }

  private forge(at: i32, deed: i32): void {
    const kernel = this.caller.kernel;
    const number = this.state.get16(at + Actor.Number);
    const loop = kernel.state.findLoop(number);
    const isLater = ((deed - Deed.ForgeLater) & 1) === 0;
    const diskseq = loop < 0 ? 0 : kernel.state.get32(kernel.state.loopAt(loop) + Loop.Diskseq);
    const group: i32 = deed >= Deed.ForgeLaterUdev ? Group.Udev : Group.Kernel;
    kernel.events.forgeFor(
      this.socket(group),
      group,
      senderOf(deed),
      isLater ? Action.Change : Action.Remove,
      number,
      isLater ? diskseq + 1 : diskseq,
    );
  }

  /** The first that is on its way: when it was lost nobody can tell. */
  private lose(deed: i32): void {
    const group = deed === Deed.LoseUdev ? Group.Udev : Group.Kernel;
    this.caller.kernel.sockets.loseFirst(this.socket(group));
  }

  private trigger(at: i32): void {
    const number = this.state.get16(at + Actor.Number);
    this.caller.kernel.trigger(number, 0, Action.Change, null, -1);
  }

  /* Death. */

  /** Calls of process 0 that are under way; its exit waits until it is the last. */
  private lastCalls(): i32 {
    const count = this.countCalls();
    return count > 1 ? count - 1 : count;
  }

  private countCalls(): i32 {
    const state = this.caller.kernel.state;
    let count = 0;
    for (let task = 0; task < state.capacity.tasks; task++) {
      if (this.isCall(task)) count++;
    }
    return count;
  }

  private isCall(task: i32): bool {
    const state = this.caller.kernel.state;
    const at = state.taskAt(task);
    if (state.get8(at + Task.Status) !== TaskStatus.Running) return false;
    return state.get8(at + Task.Process) === VICTIM;
  }

  private crash(at: i32, choice: i32): void {
    const kernel = this.caller.kernel;
    if (this.state.get8(at + Actor.Phase) === Death.Alive) {
      this.state.set8(at + Actor.Budget, 0);
      this.state.set8(at + Actor.Phase, Death.Dying);
      this.state.set8(Ghost.Crashed, 1);
      const task = kernel.begin(VICTIM, Routine.Exit, 0, 0, 0, 0, NONE, NONE);
      assert(task >= 0);
      this.state.set8(at + Actor.Task, task + 1);
      return;
    }
    const exit = this.state.get8(at + Actor.Task) - 1;
    const isLast = this.countCalls() === 1;
    const task = isLast ? exit : this.nthCall(choice, exit);
    const step = kernel.step(task);
    this.caller.hasMoved = step !== Step.Blocked;
    if (step === Step.Done && isLast) this.died(at, exit);
  }

  /** Its answer is there when it has given the process up. */
  private died(at: i32, exit: i32): void {
    const kernel = this.caller.kernel.state;
    assert(kernel.get8(kernel.processAt(VICTIM) + ProcessField.Dying) === 0);
    this.caller.kernel.tasks.release(exit);
    this.state.set8(at + Actor.Task, 0);
    this.state.set8(at + Actor.Phase, Death.Alive);
  }

  private nthCall(choice: i32, exit: i32): i32 {
    const tasks = this.caller.kernel.state.capacity.tasks;
    let left = choice;
    for (let task = 0; task < tasks; task++) {
      if (task === exit || !this.isCall(task)) continue;
      if (left === 0) return task;
      left--;
    }
    assert(false);
    return -1;
  }
}

/** Whose a forgery claims to be, or how it comes. */
function senderOf(deed: i32): i32 {
  if (deed >= Deed.ForgeLaterUdev) return Sender.Udev;
  return deed >= Deed.ForgeLaterInjected ? Sender.Injector : Sender.Forger;
}
