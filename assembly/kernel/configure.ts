/**
 * LOOP_CONFIGURE and LOOP_SET_FD. Source: drivers/block/loop.c (loop_configure). The stages are
 * those between which another actor can see, open or scan the device.
 */
import { Action } from "../abi.ts";
import { Errno, LoFlag } from "../wire/linux.ts";
import { Backing } from "./backing.ts";
import { AttachEvents, Switch } from "./eras.ts";
import { EventExtra } from "./format.ts";
import { FileFlag, Global, Loop, LoState, Task } from "./layout.ts";
import { Claim } from "./locks.ts";
import { Common, Room } from "./room.ts";
import { Routine } from "./routines.ts";
import { Flow } from "./tasks.ts";

/** LOOP_CONFIGURE_SETTABLE_FLAGS */
const SETTABLE: i32 =
  LoFlag.LO_FLAGS_READ_ONLY |
  LoFlag.LO_FLAGS_AUTOCLEAR |
  LoFlag.LO_FLAGS_PARTSCAN |
  LoFlag.LO_FLAGS_DIRECT_IO;

export const NAME_BYTES: i32 = 64;

export class Configure extends Room {
  private readonly backing: Backing;
  private readonly regime: i32;

  constructor(common: Common, backing: Backing) {
    super(common);
    this.backing = backing;
    this.regime = common.setup.era.get(Switch.AttachEvents);
  }

  /** a: the device, b: 1 once it is claimed. */
  configure(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0:
        return this.claim(task, loop);
      case 1:
        return this.begin(task, loop);
      case 2:
        return this.setReadOnly(task, loop);
      case 3: {
        const result = this.assign(task, loop);
        // The uevents stay suppressed: that is the bug.
        return result < 0 ? this.fail(task, loop, result) : tasks.glimpse(task);
      }
      case 4: {
        const isSent = this.backing.setSize(loop, this.size(task));
        return isSent ? tasks.pause(task) : tasks.glimpse(task);
      }
      case 5:
        state.setLoop(loop, Loop.State, LoState.Bound);
        this.beginInstance(task, loop);
        if (this.setup.maxPart > 0) {
          const flags = state.loop(loop, Loop.Flags) | LoFlag.LO_FLAGS_PARTSCAN;
          state.setLoop(loop, Loop.Flags, flags);
        }
        if (this.isScanned(loop)) state.setLoop(loop, Loop.Suppressed, 0);
        return tasks.pause(task);
      case 6:
        if (this.regime === AttachEvents.Table || this.regime === AttachEvents.One) {
          state.setLoop(loop, Loop.Silent, 0);
        }
        if (this.regime !== AttachEvents.One) return tasks.next(task);
        this.events.change(loop);
        return tasks.pause(task);
      case 7:
        this.locks.giveLo(task, loop);
        return this.isScanned(loop) ? tasks.pause(task) : tasks.goto(task, 10);
      case 8:
        if (!this.locks.takeOpen(task, loop)) return Flow.Block;
        return tasks.call(task, Routine.Scan, loop, 0);
      case 9:
        this.locks.giveOpen(task, loop);
        return tasks.next(task);
      default:
        this.release(task, loop);
        return tasks.finish(task, 0);
    }
  }

  private beginInstance(task: i32, loop: i32): void {
    const instance = (this.state.get8(Global.Instance) % 0xff) + 1;
    this.state.set8(Global.Instance, instance);
    this.state.setLoop(loop, Loop.Instance, instance);
    this.state.setLoop(loop, Loop.Binder, this.tasks.process(task) + 1);
  }

  private claim(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const checked = this.backing.check(tasks.process(task), tasks.get(task, Task.B));
    if (checked < 0) return tasks.finish(task, checked);
    if (!this.files.has(tasks.get(task, Task.A), FileFlag.Exclusive)) {
      const claim = this.locks.claim(task, loop, 0);
      if (claim === Claim.Wait) return Flow.Block;
      if (claim < 0) return tasks.finish(task, claim);
      tasks.setB(task, 1);
    }
    // The file must stay while this call waits, whatever its process does with the descriptor.
    this.files.hold(tasks.get(task, Task.B));
    if (this.regime === AttachEvents.Mute) this.state.setLoop(loop, Loop.Silent, 1);
    return tasks.next(task);
  }

  private begin(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    if (this.locks.isLoTaken(loop) && this.locks.isKilled(task)) {
      this.release(task, loop);
      tasks.defer(task, this.files, tasks.get(task, Task.B));
      return tasks.finish(task, -Errno.EINTR);
    }
    if (!this.locks.takeLo(task, loop)) return Flow.Block;
    const refused = this.refusal(task, loop);
    if (refused < 0) return this.fail(task, loop, refused);
    if (this.regime === AttachEvents.Table || this.regime === AttachEvents.One) {
      this.state.setLoop(loop, Loop.Silent, 1);
    }
    if (!this.setup.era.has(Switch.MediaChange)) return tasks.next(task);
    return tasks.call(task, Routine.MediaChange, loop, 0);
  }

  /** What is wrong with the request; nothing has happened yet. */
  private refusal(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const file = tasks.get(task, Task.B);
    if (this.state.loop(loop, Loop.State) !== LoState.Unbound) return -Errno.EBUSY;
    const valid = this.backing.validate(loop, file);
    if (valid < 0) return valid;
    if ((tasks.get(task, Task.C) & ~SETTABLE) !== 0) return -Errno.EINVAL;
    const isLate = this.setup.era.has(Switch.BadBlockSizeSticks);
    if (!isLate && this.isBlockSizeRefused(task)) return -Errno.EINVAL;
    if (this.backing.isRangeRefused(tasks.get64(task, Task.E), tasks.get64(task, Task.F))) {
      return -Errno.EOVERFLOW;
    }
    return 0;
  }

  private isBlockSizeRefused(task: i32): bool {
    const asked = this.tasks.get(task, Task.D);
    return asked !== 0 && this.backing.isBlockSizeRefused(asked);
  }

  private setReadOnly(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const isForced = this.backing.isReadOnly(tasks.get(task, Task.A), tasks.get(task, Task.B));
    if (isForced) {
      tasks.set(task, Task.C, tasks.get(task, Task.C) | LoFlag.LO_FLAGS_READ_ONLY);
    }
    const ro = tasks.get(task, Task.C) & LoFlag.LO_FLAGS_READ_ONLY;
    if (state.loop(loop, Loop.Ro) === ro) return tasks.next(task);
    state.setLoop(loop, Loop.Ro, ro);
    // Before 5.15 the bit is set without an event.
    if (!this.setup.era.has(Switch.MediaChange)) return tasks.glimpse(task);
    const extra = ro !== 0 ? EventExtra.ReadOnly : EventExtra.Writable;
    const isSent = this.events.disk(loop, Action.Change, extra);
    return isSent ? tasks.pause(task) : tasks.glimpse(task);
  }

  private assign(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    if (this.isBlockSizeRefused(task)) return -Errno.EINVAL;
    const at = state.loopAt(loop);
    const file = tasks.get(task, Task.B);
    let flags = tasks.get(task, Task.C);
    if (this.files.has(file, FileFlag.Direct)) flags |= LoFlag.LO_FLAGS_DIRECT_IO;
    const blockSize = this.backing.blockSize(tasks.get(task, Task.D), file, flags);
    const offset = tasks.get64(task, Task.E);
    if (!this.backing.canDirect(file, blockSize, offset)) flags &= ~LoFlag.LO_FLAGS_DIRECT_IO;
    state.set8(at + Loop.Backing, file + 1);
    state.set8(at + Loop.Flags, flags);
    state.set32(at + Loop.BlockSize, blockSize);
    state.set64(at + Loop.Offset, offset);
    state.set64(at + Loop.SizeLimit, tasks.get64(task, Task.F));
    state.copy(at + Loop.Name, state.taskAt(task) + Task.Name, NAME_BYTES);
    state.set8(at + Loop.Group, 1);
    return 0;
  }

  private size(task: i32): u64 {
    const tasks = this.tasks;
    const file = tasks.get(task, Task.B);
    if (!this.setup.era.has(Switch.ConfigureSize)) {
      return this.backing.sectors(file, u64(0), u64(0));
    }
    return this.backing.sectors(file, tasks.get64(task, Task.E), tasks.get64(task, Task.F));
  }

  private isScanned(loop: i32): bool {
    if ((this.state.loop(loop, Loop.Flags) & LoFlag.LO_FLAGS_PARTSCAN) === 0) return false;
    return this.setup.era.has(Switch.ConfigurePartscan) || this.setup.maxPart > 0;
  }

  private fail(task: i32, loop: i32, result: i32): i32 {
    this.locks.giveLo(task, loop);
    this.release(task, loop);
    this.tasks.defer(task, this.files, this.tasks.get(task, Task.B));
    return this.tasks.finish(task, result);
  }

  /** What every way out does. */
  private release(task: i32, loop: i32): void {
    if (this.regime === AttachEvents.Mute) this.state.setLoop(loop, Loop.Silent, 0);
    if (this.tasks.b(task) !== 0) this.locks.unclaim(task, loop);
  }
}
