/** What the rooms of the block layer and the loop driver share: what they work with, and how an
 *  ioctl of a bound device begins. */
import { Errno } from "../wire/linux.ts";
import { Events } from "./events.ts";
import { Files } from "./files.ts";
import { Loop, LoState } from "./layout.ts";
import { Locks } from "./locks.ts";
import { Setup } from "./setup.ts";
import { State } from "./state.ts";
import { Tasks } from "./tasks.ts";

/** No errno: the task has to wait. */
export const BLOCKED: i32 = 1;

/** What there is one of in a kernel. */
export class Common {
  readonly state: State;
  readonly setup: Setup;
  readonly tasks: Tasks;
  readonly locks: Locks;
  readonly files: Files;
  readonly events: Events;

  constructor(
    state: State,
    setup: Setup,
    tasks: Tasks,
    locks: Locks,
    files: Files,
    events: Events,
  ) {
    this.state = state;
    this.setup = setup;
    this.tasks = tasks;
    this.locks = locks;
    this.files = files;
    this.events = events;
  }
}

export class Room {
  protected readonly state: State;
  protected readonly setup: Setup;
  protected readonly tasks: Tasks;
  protected readonly locks: Locks;
  protected readonly files: Files;
  protected readonly events: Events;

  constructor(common: Common) {
    this.state = common.state;
    this.setup = common.setup;
    this.tasks = common.tasks;
    this.locks = common.locks;
    this.files = common.files;
    this.events = common.events;
  }

  /**
   * mutex_lock_killable of lo_mutex, and the device must be bound: 0 where the lock can be had,
   * BLOCKED, or -errno.
   */
  protected checkBound(task: i32, loop: i32): i32 {
    if (this.locks.isLoTaken(loop)) return this.locks.isKilled(task) ? -Errno.EINTR : BLOCKED;
    return this.state.loop(loop, Loop.State) === LoState.Bound ? 0 : -Errno.ENXIO;
  }
}
