/**
 * What changes a bound device without ending it: its status, size, block size, direct I/O, its
 * backing file. Source: drivers/block/loop.c (loop_set_status, loop_set_capacity,
 * loop_set_block_size, loop_set_dio, loop_change_fd).
 */
import { Errno, LoFlag } from "../wire/linux.ts";
import { Backing } from "./backing.ts";
import { NAME_BYTES } from "./configure.ts";
import { AttachEvents, Switch } from "./eras.ts";
import { FileFlag, Loop, Task } from "./layout.ts";
import { Claim } from "./locks.ts";
import { BLOCKED, Common, Room } from "./room.ts";
import { Routine } from "./routines.ts";
import { Flow } from "./tasks.ts";

/** LOOP_SET_STATUS_SETTABLE_FLAGS, and of those the one that it may take away. */
const SETTABLE: i32 = LoFlag.LO_FLAGS_AUTOCLEAR | LoFlag.LO_FLAGS_PARTSCAN;
const CLEARABLE: i32 = LoFlag.LO_FLAGS_AUTOCLEAR;

export class Status extends Room {
  private readonly backing: Backing;

  constructor(common: Common, backing: Backing) {
    super(common);
    this.backing = backing;
  }

  /** The lock of a bound device: 0 with it, BLOCKED, or -errno without. */
  private lockBound(task: i32, loop: i32): i32 {
    const checked = this.checkBound(task, loop);
    if (checked === 0) this.locks.takeLo(task, loop);
    return checked;
  }

  private unlock(task: i32, loop: i32, result: i32): i32 {
    this.locks.giveLo(task, loop);
    return this.tasks.finish(task, result);
  }

  /** LOOP_GET_STATUS64: whether there is one; the answer is read from the state. */
  get(task: i32): i32 {
    const locked = this.lockBound(task, this.tasks.a(task));
    if (locked === BLOCKED) return Flow.Block;
    if (locked < 0) return this.tasks.finish(task, locked);
    return this.unlock(task, this.tasks.a(task), 0);
  }

  /** LOOP_SET_STATUS64. b: 1 where partitions are to be scanned for. */
  set(task: i32): i32 {
    const tasks = this.tasks;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        const locked = this.lockBound(task, loop);
        if (locked === BLOCKED) return Flow.Block;
        if (locked < 0) return tasks.finish(task, locked);
        return this.change(task, loop);
      }
      case 1:
        if (tasks.b(task) === 0) return this.unlock(task, loop, 0);
        this.state.setLoop(loop, Loop.Suppressed, 0);
        this.locks.giveLo(task, loop);
        return tasks.pause(task);
      case 2:
        if (!this.locks.takeOpen(task, loop)) return Flow.Block;
        return tasks.call(task, Routine.Scan, loop, 0);
      default:
        this.locks.giveOpen(task, loop);
        return tasks.finish(task, 0);
    }
  }

  private change(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const at = state.loopAt(loop);
    const offset = tasks.get64(task, Task.E);
    const limit = tasks.get64(task, Task.F);
    const isMoved =
      state.get64(at + Loop.Offset) !== offset || state.get64(at + Loop.SizeLimit) !== limit;
    if (isMoved) {
      if (this.isDirty(loop)) return this.unlock(task, loop, -Errno.EAGAIN);
      if (this.backing.isRangeRefused(offset, limit)) {
        return this.unlock(task, loop, -Errno.EOVERFLOW);
      }
    }
    const before = state.get8(at + Loop.Flags);
    const asked = tasks.get(task, Task.C) & SETTABLE;
    const flags = asked | (before & ~CLEARABLE);
    state.set64(at + Loop.Offset, offset);
    state.set64(at + Loop.SizeLimit, limit);
    state.copy(at + Loop.Name, state.taskAt(task) + Task.Name, NAME_BYTES);
    state.set8(at + Loop.Flags, flags);
    if ((flags & ~before & LoFlag.LO_FLAGS_PARTSCAN) !== 0) tasks.setB(task, 1);
    if (!isMoved) return tasks.next(task);
    const file = state.get8(at + Loop.Backing) - 1;
    if (!this.backing.canDirect(file, state.get32(at + Loop.BlockSize), offset)) {
      state.set8(at + Loop.Flags, flags & ~LoFlag.LO_FLAGS_DIRECT_IO);
    }
    const isSent = this.backing.setSize(loop, this.backing.sectors(file, offset, limit));
    return isSent ? tasks.pause(task) : tasks.glimpse(task);
  }

  /** Pages that could not be dropped, once. */
  private isDirty(loop: i32): bool {
    const isDirty = this.state.loop(loop, Loop.Dirty) !== 0;
    this.state.setLoop(loop, Loop.Dirty, 0);
    return isDirty && this.setup.era.has(Switch.StatusAgain);
  }

  /** LOOP_SET_CAPACITY */
  setCapacity(task: i32): i32 {
    const loop = this.tasks.a(task);
    if (this.tasks.pc(task) > 0) return this.unlock(task, loop, 0);
    const locked = this.lockBound(task, loop);
    if (locked === BLOCKED) return Flow.Block;
    if (locked < 0) return this.tasks.finish(task, locked);
    const at = this.state.loopAt(loop);
    const file = this.state.get8(at + Loop.Backing) - 1;
    const offset = this.state.get64(at + Loop.Offset);
    const limit = this.state.get64(at + Loop.SizeLimit);
    const isSent = this.backing.setSize(loop, this.backing.sectors(file, offset, limit));
    return isSent ? this.tasks.pause(task) : this.tasks.glimpse(task);
  }

  /** LOOP_SET_BLOCK_SIZE. b: 1 once the device is claimed. */
  setBlockSize(task: i32): i32 {
    const tasks = this.tasks;
    const loop = tasks.a(task);
    if (tasks.pc(task) === 0) {
      const isExclusive = this.files.has(tasks.get(task, Task.A), FileFlag.Exclusive);
      if (!isExclusive && this.setup.era.has(Switch.BlockSizeClaims)) {
        const claim = this.locks.claim(task, loop, 0);
        if (claim === Claim.Wait) return Flow.Block;
        if (claim < 0) return tasks.finish(task, claim);
        tasks.setB(task, 1);
      }
      return tasks.next(task);
    }
    let result = this.lockBound(task, loop);
    if (result === BLOCKED) return Flow.Block;
    if (result === 0) {
      result = this.changeBlockSize(loop, tasks.get(task, Task.B));
      this.locks.giveLo(task, loop);
    }
    if (tasks.b(task) !== 0) this.locks.unclaim(task, loop);
    return tasks.finish(task, result);
  }

  private changeBlockSize(loop: i32, bytes: i32): i32 {
    const at = this.state.loopAt(loop);
    if (this.backing.isBlockSizeRefused(bytes)) return -Errno.EINVAL;
    if (this.state.get32(at + Loop.BlockSize) === bytes) return 0;
    if (this.isDirty(loop)) return -Errno.EAGAIN;
    this.state.set32(at + Loop.BlockSize, bytes);
    return 0;
  }

  /** LOOP_SET_DIRECT_IO */
  setDirectIo(task: i32): i32 {
    const loop = this.tasks.a(task);
    const locked = this.lockBound(task, loop);
    if (locked === BLOCKED) return Flow.Block;
    if (locked < 0) return this.tasks.finish(task, locked);
    const at = this.state.loopAt(loop);
    const flags = this.state.get8(at + Loop.Flags) & ~LoFlag.LO_FLAGS_DIRECT_IO;
    const isAsked = this.tasks.get(task, Task.B) !== 0;
    const file = this.state.get8(at + Loop.Backing) - 1;
    const blockSize = this.state.get32(at + Loop.BlockSize);
    if (isAsked && !this.backing.canDirect(file, blockSize, this.state.get64(at + Loop.Offset))) {
      return this.unlock(task, loop, -Errno.EINVAL);
    }
    this.state.set8(at + Loop.Flags, isAsked ? flags | LoFlag.LO_FLAGS_DIRECT_IO : flags);
    return this.unlock(task, loop, 0);
  }

  /** LOOP_CHANGE_FD */
  changeFd(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    const regime = this.setup.era.get(Switch.AttachEvents);
    const isQuiet = regime >= AttachEvents.Mute;
    switch (tasks.pc(task)) {
      case 0: {
        const checked = this.backing.check(tasks.process(task), tasks.get(task, Task.B));
        if (checked < 0) return tasks.finish(task, checked);
        this.files.hold(tasks.get(task, Task.B));
        if (isQuiet) state.setLoop(loop, Loop.Silent, 1);
        return tasks.pause(task);
      }
      case 1: {
        const locked = this.lockBound(task, loop);
        if (locked === BLOCKED) return Flow.Block;
        if (locked < 0) return this.changeFails(task, loop, locked);
        const refused = this.changeRefusal(task, loop);
        if (refused < 0) {
          this.locks.giveLo(task, loop);
          return this.changeFails(task, loop, refused);
        }
        if (!this.setup.era.has(Switch.MediaChange)) return tasks.next(task);
        return tasks.call(task, Routine.MediaChange, loop, 0);
      }
      case 2: {
        const old = state.loop(loop, Loop.Backing) - 1;
        state.setLoop(loop, Loop.Backing, tasks.get(task, Task.B) + 1);
        this.locks.giveLo(task, loop);
        tasks.defer(task, this.files, old);
        if (regime === AttachEvents.One) state.setLoop(loop, Loop.Silent, 0);
        return tasks.pause(task);
      }
      case 3:
        if ((state.loop(loop, Loop.Flags) & LoFlag.LO_FLAGS_PARTSCAN) === 0) {
          return tasks.goto(task, 5);
        }
        if (!this.locks.takeOpen(task, loop)) return Flow.Block;
        return tasks.call(task, Routine.Scan, loop, 0);
      case 4:
        this.locks.giveOpen(task, loop);
        return tasks.next(task);
      default:
        if (isQuiet) state.setLoop(loop, Loop.Silent, 0);
        if (regime === AttachEvents.One) this.events.change(loop);
        return tasks.finish(task, 0);
    }
  }

  private changeRefusal(task: i32, loop: i32): i32 {
    const at = this.state.loopAt(loop);
    const file = this.tasks.get(task, Task.B);
    const flags = this.state.get8(at + Loop.Flags);
    if ((flags & LoFlag.LO_FLAGS_READ_ONLY) === 0) return -Errno.EINVAL;
    const valid = this.backing.validate(loop, file);
    if (valid < 0) return valid;
    const offset = this.state.get64(at + Loop.Offset);
    const limit = this.state.get64(at + Loop.SizeLimit);
    const before = this.backing.sectors(this.state.get8(at + Loop.Backing) - 1, offset, limit);
    return this.backing.sectors(file, offset, limit) === before ? 0 : -Errno.EINVAL;
  }

  private changeFails(task: i32, loop: i32, result: i32): i32 {
    const regime = this.setup.era.get(Switch.AttachEvents);
    if (regime >= AttachEvents.Mute) this.state.setLoop(loop, Loop.Silent, 0);
    // The newest kernels announce a change that was refused, too.
    if (regime === AttachEvents.One) this.events.change(loop);
    this.tasks.defer(task, this.files, this.tasks.get(task, Task.B));
    return this.tasks.finish(task, result);
  }
}
