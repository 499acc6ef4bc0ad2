/** Actors that open, attach and detach the device that process 0 uses. */
import { Switch } from "../kernel/eras.ts";
import { Routine } from "../kernel/routines.ts";
import { OpenFlag } from "../wire/linux.ts";
import { Caller, NONE, READ_ONLY, RUNNING } from "./caller.ts";
import { Actor, ActorKind, Deed } from "./layout.ts";
import { WorldState } from "./state.ts";

/** Where an opener is. */
enum Opening {
  Idle = 0,
  Open = 1,
}

enum Theft {
  Idle = 0,
  Open = 1,
  /** It has attached its image. */
  Bound = 2,
  /** Done with the device but for its descriptor. */
  Over = 3,
}

enum Detaching {
  Idle = 0,
  Open = 1,
  Cleared = 2,
}

/** The thief's choices when its image is attached. */
const LEAVE: i32 = 1;

export class Rivals {
  private readonly state: WorldState;
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.state = caller.state;
    this.caller = caller;
  }

  choices(at: i32): i32 {
    const state = this.state;
    if (state.get8(at + Actor.Task) !== 0) return 1;
    const kind = state.get8(at + Actor.Kind);
    const phase = state.get8(at + Actor.Phase);
    if (kind === ActorKind.Thief && phase === Theft.Bound) return 2;
    if (phase !== 0) return 1;
    if (state.get8(at + Actor.Budget) === 0) return 0;
    return kind === ActorKind.Opener && state.get8(at + Actor.Pending) === 0 ? 0 : 1;
  }

  deed(at: i32, choice: i32): i32 {
    const state = this.state;
    if (state.get8(at + Actor.Task) !== 0) return Deed.GoOn;
    const phase = state.get8(at + Actor.Phase);
    if (phase === 0) return Deed.OpenDisk;
    const kind = state.get8(at + Actor.Kind);
    if (kind === ActorKind.Thief) {
      if (phase === Theft.Open) return this.hasConfigure() ? Deed.Configure : Deed.SetFd;
      if (phase === Theft.Bound) return choice === LEAVE ? Deed.Leave : Deed.ClearFd;
    }
    if (kind === ActorKind.Detacher && phase === Detaching.Open) return Deed.ClearFd;
    return Deed.Close;
  }

  act(at: i32, choice: i32): void {
    const isUnderWay = this.state.get8(at + Actor.Task) !== 0;
    const result = isUnderWay ? this.caller.goOn(at, Actor.Task) : this.begin(at, choice);
    if (result === RUNNING) return;
    const kind = this.state.get8(at + Actor.Kind);
    if (kind === ActorKind.Thief) this.afterTheft(at, result);
    else if (kind === ActorKind.Detacher) this.afterDetaching(at, result);
    else this.afterOpening(at, result);
  }

  private begin(at: i32, choice: i32): i32 {
    const state = this.state;
    const caller = this.caller;
    const phase = state.get8(at + Actor.Phase);
    const kind = state.get8(at + Actor.Kind);
    if (phase === 0) {
      state.set8(at + Actor.Budget, state.get8(at + Actor.Budget) - 1);
      if (kind === ActorKind.Opener) {
        state.set8(at + Actor.Pending, state.get8(at + Actor.Pending) - 1);
      }
      const flags = kind === ActorKind.Thief ? OpenFlag.O_RDWR : READ_ONLY;
      return caller.open(at, Actor.Task, 0, flags);
    }
    const file = state.get8(at + Actor.File) - 1;
    if (kind === ActorKind.Thief && phase === Theft.Open) return this.configure(at, file);
    const clears =
      kind === ActorKind.Thief
        ? phase === Theft.Bound && choice !== LEAVE
        : kind === ActorKind.Detacher && phase === Detaching.Open;
    if (clears) return caller.call(at, Actor.Task, Routine.ClearFd, file);
    if (kind === ActorKind.Thief) state.set8(at + Actor.Phase, Theft.Over);
    return caller.close(at, Actor.Task, Actor.File);
  }

  private configure(at: i32, file: i32): i32 {
    const state = this.state;
    const process = state.get8(at + Actor.Process);
    const image = state.get8(at + Actor.Image);
    const backing = this.caller.kernel.files.openImage(process, image, OpenFlag.O_RDWR);
    assert(backing >= 0);
    state.set8(at + Actor.Second, backing + 1);
    const slot = Actor.Task;
    const routine: i32 = this.hasConfigure() ? Routine.Configure : Routine.SetFd;
    return this.caller.begin(at, slot, routine, file, backing, 0, 0, NONE, NONE);
  }

  private hasConfigure(): bool {
    return this.caller.kernel.setup.era.has(Switch.HasConfigure);
  }

  /** A device that cannot be opened ends the round. */
  private opened(at: i32, result: i32, phase: i32): void {
    if (result < 0) return;
    this.state.set8(at + Actor.File, result + 1);
    this.state.set8(at + Actor.Phase, phase);
  }

  private afterOpening(at: i32, result: i32): void {
    if (this.state.get8(at + Actor.Phase) === Opening.Idle) this.opened(at, result, Opening.Open);
    else this.state.set8(at + Actor.Phase, Opening.Idle);
  }

  private afterTheft(at: i32, result: i32): void {
    const state = this.state;
    const phase = state.get8(at + Actor.Phase);
    if (phase === Theft.Idle) {
      this.opened(at, result, Theft.Open);
    } else if (phase === Theft.Open) {
      // The device has its own reference to the image, if it took it.
      this.closeImage(at);
      state.set8(at + Actor.Phase, result < 0 ? Theft.Over : Theft.Bound);
      // One theft is enough.
      if (result >= 0) state.set8(at + Actor.Budget, 0);
    } else {
      const isClosed = state.get8(at + Actor.File) === 0;
      state.set8(at + Actor.Phase, isClosed ? Theft.Idle : Theft.Over);
    }
  }

  /** Nobody else is in the way of that. */
  private closeImage(at: i32): void {
    const result = this.caller.close(at, Actor.Task, Actor.Second);
    assert(result === 0);
  }

  private afterDetaching(at: i32, result: i32): void {
    const phase = this.state.get8(at + Actor.Phase);
    if (phase === Detaching.Idle) this.opened(at, result, Detaching.Open);
    else if (phase === Detaching.Open) this.state.set8(at + Actor.Phase, Detaching.Cleared);
    else this.state.set8(at + Actor.Phase, Detaching.Idle);
  }
}
