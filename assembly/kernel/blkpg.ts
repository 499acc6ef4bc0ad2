/**
 * BLKPG: partitions one by one, under the open_mutex only. Source: block/ioctl.c (blkpg_do_ioctl),
 * block/partitions/core.c (bdev_add_partition, bdev_del_partition, bdev_resize_partition).
 */
import { Action } from "../abi.ts";
import { BlkpgOperation, Errno } from "../wire/linux.ts";
import { LLONG_MAX } from "./backing.ts";
import { BlkpgRefusal, Switch } from "./eras.ts";
import { EventExtra } from "./format.ts";
import { FileKind, Loop, Partition, Task } from "./layout.ts";
import { Common, Room } from "./room.ts";
import { Scan } from "./scan.ts";
import { Flow } from "./tasks.ts";

const SECTOR_SHIFT: u64 = u64(9);
/** Highest number of a partition (DISK_MAX_PARTS - 1). */
const NUMBER_MAX: i32 = 255;

export class Blkpg extends Room {
  private readonly parts: Scan;

  constructor(common: Common, parts: Scan) {
    super(common);
    this.parts = parts;
  }

  /** One stage: whoever an event wakes can open only when the mutex is free again. */
  blkpg(task: i32): i32 {
    const tasks = this.tasks;
    const loop = tasks.a(task);
    const refused = this.refusal(task, loop);
    if (refused < 0) return tasks.finish(task, refused);
    if (!this.locks.takeOpen(task, loop)) return Flow.Block;
    const result = this.perform(task, loop);
    this.locks.giveOpen(task, loop);
    return tasks.finish(task, result);
  }

  private refusal(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const operation = tasks.get(task, Task.B);
    if (this.isRefused(loop, operation)) return -Errno.EINVAL;
    if (this.files.kind(tasks.get(task, Task.A)) === FileKind.Partition) return -Errno.EINVAL;
    if (tasks.get(task, Task.C) <= 0) return -Errno.EINVAL;
    if (operation === BlkpgOperation.BLKPG_DEL_PARTITION) return 0;
    const start = tasks.get64(task, Task.E);
    const length = tasks.get64(task, Task.F);
    if (start > LLONG_MAX || length > LLONG_MAX || length === u64(0)) return -Errno.EINVAL;
    if (u64(LLONG_MAX - length) < start) return -Errno.EINVAL;
    const mask = u64(this.state.get32(this.state.loopAt(loop) + Loop.BlockSize) - 1);
    const isAdd = operation === BlkpgOperation.BLKPG_ADD_PARTITION;
    if (!isAdd && operation !== BlkpgOperation.BLKPG_RESIZE_PARTITION) return -Errno.EINVAL;
    return u64(u64(start | length) & mask) === u64(0) ? 0 : -Errno.EINVAL;
  }

  private isRefused(loop: i32, operation: i32): bool {
    if (this.state.loop(loop, Loop.Suppressed) === 0) return false;
    const refusal = this.setup.era.get(Switch.BlkpgRefusal);
    if (refusal === BlkpgRefusal.All) return true;
    return refusal === BlkpgRefusal.Add && operation === BlkpgOperation.BLKPG_ADD_PARTITION;
  }

  private perform(task: i32, loop: i32): i32 {
    const tasks = this.tasks;
    const number = tasks.get(task, Task.C);
    const start = u64(tasks.get64(task, Task.E) >> SECTOR_SHIFT);
    const size = u64(tasks.get64(task, Task.F) >> SECTOR_SHIFT);
    if (this.state.loop(loop, Loop.Live) === 0) return -Errno.ENXIO;
    const isDelete = tasks.get(task, Task.B) === BlkpgOperation.BLKPG_DEL_PARTITION;
    if (!isDelete && this.setup.era.has(Switch.BlkpgCapacity)) {
      const capacity = this.state.get64(this.state.loopAt(loop) + Loop.Capacity);
      if (u64(start + size) > capacity) return -Errno.EINVAL;
    }
    switch (tasks.get(task, Task.B)) {
      case BlkpgOperation.BLKPG_ADD_PARTITION:
        return this.add(loop, number, start, size);
      case BlkpgOperation.BLKPG_DEL_PARTITION:
        return this.remove(loop, number);
      default:
        return this.resize(loop, number, start, size);
    }
  }

  private add(loop: i32, number: i32, start: u64, size: u64): i32 {
    const state = this.state;
    if (this.overlaps(loop, start, size, 0)) return -Errno.EBUSY;
    if (number > NUMBER_MAX) return -Errno.EINVAL;
    if (state.findPartition(loop, number) >= 0) return -Errno.EBUSY;
    const at = this.parts.insert(loop, number, start, size);
    if (at < 0) return -Errno.ENOMEM;
    state.set8(at + Partition.Openable, 1);
    if (state.loop(loop, Loop.Silent) === 0) {
      this.events.partition(loop, at, Action.Add, EventExtra.None);
    }
    return 0;
  }

  private remove(loop: i32, number: i32): i32 {
    const at = this.state.findPartition(loop, number);
    if (at < 0) return -Errno.ENXIO;
    if (this.state.get8(at + Partition.Openers) > 0) return -Errno.EBUSY;
    this.parts.removeAt(loop, at);
    return 0;
  }

  private resize(loop: i32, number: i32, start: u64, size: u64): i32 {
    const at = this.state.findPartition(loop, number);
    if (at < 0) return -Errno.ENXIO;
    if (this.state.get64(at + Partition.Start) !== start) return -Errno.EINVAL;
    if (this.overlaps(loop, start, size, number)) return -Errno.EBUSY;
    this.state.set64(at + Partition.Size, size);
    return 0;
  }

  /** partition_overlaps, one left out. */
  private overlaps(loop: i32, start: u64, size: u64, except: i32): bool {
    const state = this.state;
    const count = state.countPartitions(loop);
    for (let place = 0; place < count; place++) {
      const at = state.partitionAt(loop, place);
      if (state.get8(at + Partition.Number) === except) continue;
      const from = state.get64(at + Partition.Start);
      const until = u64(from + state.get64(at + Partition.Size));
      if (u64(start + size) > from && start < until) return true;
    }
    return false;
  }
}
