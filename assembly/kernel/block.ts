/**
 * Opening and closing block devices, and BLKRRPART. Sources: block/bdev.c (blkdev_get_by_dev,
 * blkdev_get_whole, blkdev_get_part, blkdev_put), block/genhd.c (disk_scan_partitions),
 * drivers/block/loop.c (lo_open, lo_release), fs/file_table.c (__fput).
 */
import { Errno, LoFlag } from "../wire/linux.ts";
import { LoOpen, RereadClaim, Switch } from "./eras.ts";
import { BLOCK_EXT_MAJOR, LOOP_MAJOR, partShift } from "./format.ts";
import { File, FileFlag, FileKind, Loop, LoState, NodeKind, Partition, Task } from "./layout.ts";
import { Claim } from "./locks.ts";
import { Room } from "./room.ts";
import { OPEN_PARTITION, OPEN_SCANNED, OPEN_STRICT, Routine } from "./routines.ts";
import { Flow } from "./tasks.ts";

export class Block extends Room {
  /** open() of a node. Afterwards a: the disk, b: the partition; task's D: the file. */
  open(task: i32): i32 {
    const tasks = this.tasks;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        const found = this.lookUp(task);
        if (found < 0) return tasks.finish(task, found);
        const node = tasks.get(task, Task.D);
        const file = this.files.findFree(tasks.process(task));
        if (file < 0) return tasks.finish(task, file);
        const partition = tasks.b(task);
        const kind = partition === 0 ? FileKind.Disk : FileKind.Partition;
        this.files.create(file, tasks.process(task), kind, tasks.get(task, Task.B));
        // No descriptor yet: a process that ends must not close what is not open.
        this.files.forget(file);
        const at = this.state.fileAt(file);
        this.state.set8(at + File.Loop, tasks.a(task));
        this.state.set8(at + File.Partition, partition);
        this.state.set8(at + File.Node, node);
        tasks.set(task, Task.D, file);
        return tasks.next(task);
      }
      case 1: {
        const partition = tasks.b(task);
        if (this.files.has(tasks.get(task, Task.D), FileFlag.Exclusive)) {
          const claim = this.locks.claim(task, loop, partition);
          if (claim === Claim.Wait) return Flow.Block;
          if (claim < 0) return this.openFailed(task, claim);
        }
        return tasks.call(task, Routine.OpenDevice, loop, partition);
      }
      default: {
        const file = tasks.get(task, Task.D);
        const isExclusive = this.files.has(file, FileFlag.Exclusive);
        const result = tasks.result(task);
        if (result < 0) {
          if (isExclusive) this.locks.unclaim(task, loop);
          return this.openFailed(task, result);
        }
        if (isExclusive) this.locks.hold(task, loop, this.plugged(file), file);
        this.state.set8(this.state.fileAt(file) + File.Process, tasks.process(task) + 1);
        return tasks.finish(task, file);
      }
    }
  }

  private openFailed(task: i32, result: i32): i32 {
    this.files.free(this.tasks.get(task, Task.D));
    return this.tasks.finish(task, result);
  }

  /** The device that a path leads to, into a and b; -errno. */
  private lookUp(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const number = tasks.get(task, Task.A);
    const minor = tasks.get(task, Task.C);
    const isPublic = tasks.get(task, Task.D) === NodeKind.Public;
    let loop = -1;
    let partition = minor;
    if (isPublic) {
      loop = state.findLoop(number);
      const shown = loop < 0 ? 0 : state.loop(loop, Loop.Shown);
      if (shown === 0 || (partition === 0 && shown !== 1)) return -Errno.ENOENT;
    } else {
      const found = this.findDevice(number, minor);
      if (found < 0) return -Errno.ENXIO;
      loop = found >> 8;
      partition = found & 0xff;
    }
    if (partition !== 0) {
      const at = state.findPartition(loop, partition);
      if (at < 0) return isPublic ? -Errno.ENOENT : -Errno.ENXIO;
      if (state.get8(at + Partition.Openable) === 0) return -Errno.ENXIO;
    }
    tasks.setA(task, loop);
    tasks.setB(task, partition);
    return 0;
  }

  /** What a device number belongs to: the disk's place times 256, its partition; -1: nothing. */
  findDevice(major: i32, minor: i32): i32 {
    if (major === LOOP_MAJOR) {
      const shift = partShift(this.setup.maxPart);
      const loop = this.state.findLoop(minor >> shift);
      return loop < 0 ? -1 : (loop << 8) | (minor & ((1 << shift) - 1));
    }
    if (major !== BLOCK_EXT_MAJOR) return -1;
    for (let loop = 0; loop < this.state.capacity.loops; loop++) {
      const partition = this.partitionOfMinor(loop, minor);
      if (partition > 0) return (loop << 8) | partition;
    }
    return -1;
  }

  private partitionOfMinor(loop: i32, minor: i32): i32 {
    const count = this.state.countPartitions(loop);
    for (let place = 0; place < count; place++) {
      const at = this.state.partitionAt(loop, place);
      if (this.state.get16(at + Partition.Minor) === minor) {
        return this.state.get8(at + Partition.Number);
      }
    }
    return 0;
  }

  /**
   * blkdev_get_by_dev and its part for whole disks, lo_open in it. A partition that is unplugged
   * between its look-up and the open_mutex is opened all the same: seen on 5.10, 6.1, 6.12, 6.18
   * and 7.2. Who does so keeps every scan away, and nothing lists it.
   */
  openDevice(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    const flags = tasks.b(task);
    const partition = flags & OPEN_PARTITION;
    switch (tasks.pc(task)) {
      case 0: {
        if (!this.locks.takeOpen(task, loop)) return Flow.Block;
        if (state.loop(loop, Loop.Live) === 0) return this.openEnds(task, -Errno.ENXIO);
        if (partition === 0) return tasks.next(task);
        const at = this.pluggedAt(tasks.get(task, Task.D));
        if (at < 0 || this.setup.era.has(Switch.OpensCounted)) return tasks.next(task);
        if (state.get8(at + Partition.Openers) === 0) return tasks.next(task);
        state.set8(at + Partition.Openers, state.get8(at + Partition.Openers) + 1);
        return this.openEnds(task, 0);
      }
      case 1: {
        const mode = this.setup.era.get(Switch.LoOpen);
        if (mode !== LoOpen.None) {
          if (this.locks.isLoTaken(loop)) return Flow.Block;
          const lo = state.loop(loop, Loop.State);
          const isRefused = lo === LoState.Rundown && mode === LoOpen.Refuses;
          if (lo === LoState.Deleting || isRefused) return this.openEnds(task, -Errno.ENXIO);
        }
        if (this.setup.era.has(Switch.CountsBeforeScan)) this.countOpener(loop, 1);
        if (state.loop(loop, Loop.Need) === 0) return tasks.next(task);
        tasks.setB(task, flags | OPEN_SCANNED);
        return tasks.call(task, Routine.Scan, loop, 0);
      }
      case 2: {
        const isScanned = (flags & OPEN_SCANNED) !== 0;
        const isCounted = this.setup.era.has(Switch.CountsBeforeScan);
        const result = isScanned ? tasks.result(task) : 0;
        const isStrict = (flags & OPEN_STRICT) !== 0 && this.setup.era.has(Switch.RereadErrors);
        if (result < 0 && isStrict) {
          if (isCounted) this.countOpener(loop, -1);
          tasks.set(task, Task.C, result);
          return tasks.call(task, Routine.Release, loop, 0);
        }
        if (!isCounted) this.countOpener(loop, 1);
        if (partition === 0) return this.openEnds(task, 0);
        const at = this.pluggedAt(tasks.get(task, Task.D));
        if (at < 0) {
          this.countPartition(loop, 1);
          return this.openEnds(task, 0);
        }
        if (state.get64(at + Partition.Size) === u64(0)) {
          this.countOpener(loop, -1);
          tasks.set(task, Task.C, -Errno.ENXIO);
          return tasks.call(task, Routine.Release, loop, 0);
        }
        if (state.get8(at + Partition.Openers) === 0) this.countPartition(loop, 1);
        state.set8(at + Partition.Openers, state.get8(at + Partition.Openers) + 1);
        return this.openEnds(task, 0);
      }
      default:
        return this.openEnds(task, tasks.get(task, Task.C));
    }
  }

  private openEnds(task: i32, result: i32): i32 {
    this.locks.giveOpen(task, this.tasks.a(task));
    return this.tasks.finish(task, result);
  }

  /** The partition that a file is of; -1: it was unplugged since. */
  private plugged(file: i32): i32 {
    return this.files.has(file, FileFlag.Orphan) ? -1 : this.files.get(file, File.Partition);
  }

  private pluggedAt(file: i32): i32 {
    return this.state.findPartition(this.files.get(file, File.Loop), this.plugged(file));
  }

  private countOpener(loop: i32, by: i32): void {
    this.state.setLoop(loop, Loop.Openers, this.state.loop(loop, Loop.Openers) + by);
  }

  private countPartition(loop: i32, by: i32): void {
    this.state.setLoop(loop, Loop.OpenPartitions, this.state.loop(loop, Loop.OpenPartitions) + by);
  }

  /** close() of a descriptor: the file may have other references. */
  close(task: i32): i32 {
    const tasks = this.tasks;
    if (tasks.pc(task) > 0) return tasks.finish(task, 0);
    const file = tasks.get(task, Task.A);
    if (!this.files.isOwn(tasks.process(task), file)) return tasks.finish(task, -Errno.EBADF);
    this.files.forget(file);
    if (!this.files.drop(file)) return tasks.finish(task, 0);
    return tasks.call(task, Routine.CloseFile, file, 0);
  }

  /** __fput of a file that nobody refers to: watches, locks, the device. a: the file. */
  closeFile(task: i32): i32 {
    const tasks = this.tasks;
    const file = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        if (!this.state.isLoopFile(file)) {
          this.files.free(file);
          return tasks.finish(task, 0);
        }
        // Who watches may open the device before this one is closed.
        return this.notify(file) ? tasks.pause(task) : tasks.next(task);
      }
      case 1: {
        const at = this.state.fileAt(file);
        if (this.state.get8(at + File.Lock) === 0) return tasks.next(task);
        this.state.set8(at + File.Lock, 0);
        return tasks.pause(task);
      }
      case 2:
        return tasks.call(task, Routine.CloseDevice, this.files.get(file, File.Loop), file);
      default:
        this.files.free(file);
        return tasks.finish(task, 0);
    }
  }

  /** IN_CLOSE_WRITE, for who watches the public node: whether somebody does. */
  private notify(file: i32): bool {
    const state = this.state;
    if (!this.files.has(file, FileFlag.Write)) return false;
    if (this.files.get(file, File.Node) !== NodeKind.Public) return false;
    const loop = this.files.get(file, File.Loop);
    const partition = this.files.get(file, File.Partition);
    if (partition === 0) {
      if (state.loop(loop, Loop.Watched) === 0) return false;
      state.setLoop(loop, Loop.Noticed, 1);
      return true;
    }
    const at = this.pluggedAt(file);
    if (at < 0 || state.get8(at + Partition.Watched) === 0) return false;
    state.set8(at + Partition.Noticed, 1);
    return true;
  }

  /** blkdev_put. b: the file, -1 for an opener inside the kernel. */
  closeDevice(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    if (tasks.pc(task) > 0) {
      this.locks.giveOpen(task, loop);
      return tasks.finish(task, 0);
    }
    if (!this.locks.takeOpen(task, loop)) return Flow.Block;
    const file = tasks.b(task);
    const partition = file < 0 ? 0 : this.plugged(file);
    if (file >= 0 && this.files.has(file, FileFlag.Exclusive)) this.locks.letGo(loop, partition);
    if (partition < 0) this.countPartition(loop, -1);
    if (partition > 0) {
      const at = this.pluggedAt(file);
      const openers = state.get8(at + Partition.Openers) - 1;
      state.set8(at + Partition.Openers, openers);
      if (openers === 0) this.countPartition(loop, -1);
      if (openers > 0 && !this.setup.era.has(Switch.OpensCounted)) return tasks.next(task);
    }
    this.countOpener(loop, -1);
    return tasks.call(task, Routine.Release, loop, 0);
  }

  /** lo_release, under the open_mutex. */
  release(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    if (tasks.pc(task) > 0) return tasks.finish(task, 0);
    if (state.loop(loop, Loop.Openers) > 0) return tasks.finish(task, 0);
    if (!this.locks.takeLo(task, loop)) return Flow.Block;
    const isBound = state.loop(loop, Loop.State) === LoState.Bound;
    let isOver = false;
    if (isBound && (state.loop(loop, Loop.Flags) & LoFlag.LO_FLAGS_AUTOCLEAR) !== 0) {
      state.setLoop(loop, Loop.State, LoState.Rundown);
      isOver = true;
    } else if (this.setup.era.has(Switch.ClearAtClose)) {
      isOver = state.loop(loop, Loop.State) === LoState.Rundown;
    }
    this.locks.giveLo(task, loop);
    if (!isOver) return tasks.finish(task, 0);
    return tasks.call(task, Routine.Clear, loop, 1);
  }

  /** BLKRRPART: disk_scan_partitions, before 5.12 blkdev_reread_part. b: 1 once it has a claim. */
  reread(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const file = tasks.get(task, Task.A);
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0: {
        if (this.files.kind(file) === FileKind.Partition) return tasks.finish(task, -Errno.EINVAL);
        if (state.loop(loop, Loop.Suppressed) !== 0) return tasks.finish(task, -Errno.EINVAL);
        if (!this.setup.era.has(Switch.RereadOpens)) return tasks.goto(task, 4);
        if (state.loop(loop, Loop.OpenPartitions) > 0) return tasks.finish(task, -Errno.EBUSY);
        const claim = this.claimForReread(task, loop, file);
        if (claim === Claim.Wait) return Flow.Block;
        if (claim < 0) return tasks.finish(task, claim);
        state.setLoop(loop, Loop.Need, 1);
        return tasks.pause(task);
      }
      case 1:
        return tasks.call(task, Routine.OpenDevice, loop, OPEN_STRICT);
      case 2: {
        const result = tasks.result(task);
        state.setLoop(loop, Loop.Need, 0);
        tasks.set(task, Task.C, result < 0 ? result : 0);
        if (result < 0) return tasks.next(task);
        return tasks.call(task, Routine.CloseDevice, loop, -1);
      }
      case 3:
        if (tasks.b(task) !== 0) this.locks.unclaim(task, loop);
        return tasks.finish(task, tasks.get(task, Task.C));
      case 4:
        if (!this.locks.takeOpen(task, loop)) return Flow.Block;
        return tasks.call(task, Routine.Scan, loop, 0);
      default: {
        const result = tasks.result(task);
        this.locks.giveOpen(task, loop);
        return tasks.finish(task, result);
      }
    }
  }

  private claimForReread(task: i32, loop: i32, file: i32): i32 {
    const mode = this.setup.era.get(Switch.RereadClaim);
    if (mode === RereadClaim.None) return Claim.Taken;
    if (mode === RereadClaim.Check) {
      const holder = this.state.loop(loop, Loop.Holder);
      const isHeld = holder !== 0 || this.state.loop(loop, Loop.PartitionHolders) !== 0;
      return isHeld && holder !== file + 1 ? -Errno.EBUSY : Claim.Taken;
    }
    if (this.files.has(file, FileFlag.Exclusive)) return Claim.Taken;
    const claim = this.locks.claim(task, loop, 0);
    if (claim === Claim.Taken) this.tasks.setB(task, 1);
    return claim;
  }
}
