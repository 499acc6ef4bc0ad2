/**
 * LOOP_CLR_FD and what ends an attach. Source: drivers/block/loop.c (loop_clr_fd, __loop_clr_fd).
 */
import { LoFlag } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { Loop, LoState } from "./layout.ts";
import { BLOCKED, Room } from "./room.ts";
import { Routine } from "./routines.ts";
import { Flow } from "./tasks.ts";

export class Clear extends Room {
  /** LOOP_CLR_FD: at once, or left to the last close. */
  clearFd(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        const checked = this.checkBound(task, loop);
        if (checked === BLOCKED) return Flow.Block;
        if (checked < 0) return tasks.finish(task, checked);
        state.setLoop(loop, Loop.Clearer, tasks.process(task) + 1);
        const isSole = state.loop(loop, Loop.Openers) <= 1;
        const isLeft = this.setup.era.has(Switch.ClearAtClose);
        if (isLeft || !isSole) {
          const flags = state.loop(loop, Loop.Flags) | LoFlag.LO_FLAGS_AUTOCLEAR;
          state.setLoop(loop, Loop.Flags, flags);
        }
        if (isSole) state.setLoop(loop, Loop.State, LoState.Rundown);
        if (isLeft || !isSole) return tasks.finish(task, 0);
        return tasks.pause(task);
      }
      case 1:
        return tasks.call(task, Routine.Clear, loop, 0);
      default:
        return tasks.finish(task, 0);
    }
  }

  /** __loop_clr_fd. b: bit 0 where the caller has the open_mutex; above 8 bits the file. */
  clear(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    const at = state.loopAt(loop);
    const isHeld = (tasks.b(task) & 1) !== 0;
    switch (tasks.pc(task)) {
      case 0: {
        const file = state.get8(at + Loop.Backing) - 1;
        assert(file >= 0);
        // The reference goes at the very end of the call.
        tasks.setB(task, tasks.b(task) | ((file + 1) << 8));
        state.set8(at + Loop.Backing, 0);
        state.set64(at + Loop.Offset, u64(0));
        state.set64(at + Loop.SizeLimit, u64(0));
        state.zero(at + Loop.Name, Loop.Bytes - Loop.Name);
        state.set32(at + Loop.BlockSize, 512);
        state.set64(at + Loop.Capacity, u64(0));
        state.set8(at + Loop.Dirty, 0);
        return tasks.glimpse(task);
      }
      case 1:
        state.set8(at + Loop.Group, 0);
        return tasks.glimpse(task);
      case 2: {
        const isSent = this.events.change(loop);
        return isSent ? tasks.pause(task) : tasks.glimpse(task);
      }
      case 3:
        if (!this.setup.era.has(Switch.MediaChange)) return tasks.next(task);
        return tasks.call(task, Routine.MediaChange, loop, 0);
      case 4:
        if (!this.dropsPartitions(loop)) return tasks.goto(task, 6);
        if (!isHeld && !this.locks.takeOpen(task, loop)) return Flow.Block;
        return tasks.call(task, Routine.Scan, loop, 0);
      case 5:
        if (!isHeld) this.locks.giveOpen(task, loop);
        return tasks.pause(task);
      case 6:
        if (this.locks.isLoTaken(loop)) return Flow.Block;
        state.set8(at + Loop.Flags, 0);
        if (this.setup.maxPart === 0) state.set8(at + Loop.Suppressed, 1);
        state.set8(at + Loop.State, LoState.Unbound);
        state.zero(at + Loop.Instance, 3);
        return tasks.pause(task);
      default:
        tasks.defer(task, this.files, (tasks.b(task) >> 8) - 1);
        return tasks.finish(task, 0);
    }
  }

  private dropsPartitions(loop: i32): bool {
    if (this.setup.era.has(Switch.DetachDrops)) return true;
    return (this.state.loop(loop, Loop.Flags) & LoFlag.LO_FLAGS_PARTSCAN) !== 0;
  }
}
