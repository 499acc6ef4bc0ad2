/**
 * Partitions: how a scan drops and makes them, and the one list of them. Sources:
 * block/partitions/core.c (bdev_disk_changed, blk_add_partitions, add_partition, drop_partition),
 * block/disk-events.c (disk_force_media_change).
 */
import { Action } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { Events } from "./events.ts";
import { Files } from "./files.ts";
import { EventExtra, partShift } from "./format.ts";
import { File, FileKind, Global, Loop, Partition } from "./layout.ts";
import { EntryFact, ImageFact, Setup, TableKind } from "./setup.ts";
import { State } from "./state.ts";
import { Tasks } from "./tasks.ts";

/** Bits of what a scan has read: the entry that is next, the unit of a table, its image. */
enum Parsed {
  Unit = 8,
  Image = 16,
}

export class Scan {
  private readonly state: State;
  private readonly setup: Setup;
  private readonly tasks: Tasks;
  private readonly events: Events;
  private readonly files: Files;

  constructor(state: State, setup: Setup, tasks: Tasks, events: Events, files: Files) {
    this.state = state;
    this.setup = setup;
    this.tasks = tasks;
    this.events = events;
    this.files = files;
  }

  /**
   * bdev_disk_changed, under the open_mutex. b: what the parsers have read (`Parsed`): who changes
   * the device meanwhile changes nothing of it.
   */
  scan(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0:
        if (state.loop(loop, Loop.Live) === 0) return tasks.finish(task, -Errno.ENXIO);
        if (state.loop(loop, Loop.OpenPartitions) > 0) return tasks.finish(task, -Errno.EBUSY);
        return tasks.next(task);
      case 1:
        if (state.countPartitions(loop) === 0) return tasks.goto(task, 3);
        // Its node goes first, then listeners hear of it.
        state.set8(state.partitionAt(loop, 0) + Partition.Openable, 0);
        return tasks.glimpse(task);
      case 2:
        this.removeAt(loop, state.partitionAt(loop, 0));
        return tasks.pauseAt(task, 1);
      case 3: {
        state.setLoop(loop, Loop.Need, 0);
        const parsed = this.parse(loop);
        if (parsed < 0) return tasks.finish(task, 0);
        tasks.setB(task, parsed);
        // Also where the event is suppressed: before the next one that may have changed.
        this.events.change(loop);
        return tasks.pause(task);
      }
      case 4: {
        const parsed = tasks.b(task);
        const image = parsed >> Parsed.Image;
        if ((parsed & 0xff) >= this.setup.get(image, ImageFact.Entries)) {
          return tasks.finish(task, 0);
        }
        if (this.addEntry(loop, parsed)) return tasks.glimpse(task);
        tasks.setB(task, parsed + 1);
        return tasks.goto(task, 4);
      }
      case 5:
        state.set8(this.entryAt(loop, tasks.b(task)) + Partition.Openable, 1);
        // sysfs shows it, listeners have not heard of it.
        return state.loop(loop, Loop.Silent) === 0 ? tasks.glimpse(task) : tasks.next(task);
      default: {
        const parsed = tasks.b(task);
        tasks.setB(task, parsed + 1);
        if (state.loop(loop, Loop.Silent) === 0) {
          this.events.partition(loop, this.entryAt(loop, parsed), Action.Add, EventExtra.None);
        }
        return tasks.pauseAt(task, 4);
      }
    }
  }

  /** disk_force_media_change */
  mediaChange(task: i32): i32 {
    const tasks = this.tasks;
    const state = this.state;
    const loop = tasks.a(task);
    switch (tasks.pc(task)) {
      case 0:
        return this.events.disk(loop, Action.Change, EventExtra.MediaChange)
          ? tasks.pause(task)
          : tasks.next(task);
      case 1:
        if (!this.setup.era.has(Switch.SeqOnChange)) return tasks.next(task);
        this.takeDiskseq(loop);
        return tasks.glimpse(task);
      case 2:
        if (!this.setup.era.has(Switch.NeedOnChange)) return tasks.finish(task, 0);
        state.setLoop(loop, Loop.Need, 1);
        return tasks.pause(task);
      default:
        return tasks.finish(task, 0);
    }
  }

  /** inc_diskseq */
  takeDiskseq(loop: i32): void {
    const diskseq = this.state.get32(Global.Diskseq) + 1;
    this.state.set32(Global.Diskseq, diskseq);
    this.state.set32(this.state.loopAt(loop) + Loop.Diskseq, diskseq);
  }

  /** delete_partition and its event. */
  removeAt(loop: i32, at: i32): void {
    const state = this.state;
    this.events.partition(loop, at, Action.Remove, EventExtra.None);
    this.orphan(loop, at);
    const count = state.countPartitions(loop);
    const last = state.partitionAt(loop, count - 1);
    state.copy(at, at + Partition.Bytes, last - at);
    state.zero(last, Partition.Bytes);
  }

  /**
   * Who has looked the partition up keeps it. Once unplugged each counts for itself, where all who
   * have one open counted once before.
   */
  private orphan(loop: i32, at: i32): void {
    const state = this.state;
    const number = state.get8(at + Partition.Number);
    for (let file = 0; file < state.capacity.files; file++) {
      if (!this.files.isOfPartition(file, loop, number)) continue;
      this.files.orphan(file, state.get16(at + Partition.Minor));
    }
    const more = state.get8(at + Partition.Openers) - 1;
    if (more <= 0) return;
    state.setLoop(loop, Loop.OpenPartitions, state.loop(loop, Loop.OpenPartitions) + more);
    if (this.setup.era.has(Switch.OpensCounted)) return;
    state.setLoop(loop, Loop.Openers, state.loop(loop, Loop.Openers) + more);
  }

  /** add_partition without its event: where the record lies, -1: the list is full. */
  insert(loop: i32, number: i32, start: u64, size: u64): i32 {
    const state = this.state;
    const count = state.countPartitions(loop);
    if (count === state.capacity.partitions) return -1;
    const minor = this.freeMinor(loop, number);
    let place = 0;
    while (place < count) {
      if (state.get8(state.partitionAt(loop, place) + Partition.Number) > number) break;
      place++;
    }
    const at = state.partitionAt(loop, place);
    state.copy(at + Partition.Bytes, at, (count - place) * Partition.Bytes);
    state.zero(at, Partition.Bytes);
    state.set8(at + Partition.Number, number);
    state.set16(at + Partition.Minor, minor);
    state.set8(at + Partition.Instance, state.loop(loop, Loop.Instance));
    state.set64(at + Partition.Start, start);
    state.set64(at + Partition.Size, size);
    return at;
  }

  /** blk_alloc_ext_minor: the lowest that no partition of any disk has. */
  private freeMinor(loop: i32, number: i32): i32 {
    const state = this.state;
    if (this.setup.maxPart > 0) {
      const disk = state.get32(state.loopAt(loop) + Loop.Number);
      return (disk << partShift(this.setup.maxPart)) + number;
    }
    let minor = 0;
    while (this.isMinorTaken(minor)) minor++;
    return minor;
  }

  private isMinorTaken(minor: i32): bool {
    const state = this.state;
    for (let loop = 0; loop < state.capacity.loops; loop++) {
      for (let place = 0; place < state.capacity.partitions; place++) {
        const at = state.partitionAt(loop, place);
        if (state.get8(at + Partition.Number) === 0) break;
        if (state.get16(at + Partition.Minor) === minor) return true;
      }
    }
    return false;
  }

  /* What the parsers say of a disk. */

  /** The image whose table a scan would go by, -1: none. */
  recognise(loop: i32): i32 {
    const parsed = this.parse(loop);
    return parsed < 0 ? -1 : parsed >> Parsed.Image;
  }

  /** The table that a scan recognises as `Parsed`, -1: none, or it must not look. */
  private parse(loop: i32): i32 {
    const setup = this.setup;
    const at = this.state.loopAt(loop);
    const capacity = this.state.get64(at + Loop.Capacity);
    if (capacity === u64(0) || setup.parsers === 0) return -1;
    const isSuppressed = this.state.get8(at + Loop.Suppressed) !== 0;
    if (isSuppressed && setup.era.has(Switch.ScanHonoursSuppression)) return -1;
    const image = this.tableOf(loop);
    if (image < 0) return -1;
    const table = setup.get(image, ImageFact.Table);
    if (table === TableKind.None) return -1;
    const blockSize = this.state.get32(at + Loop.BlockSize);
    const sectorSize = setup.get(image, ImageFact.SectorSize);
    if (table === TableKind.Mbr) return pack(image, i32(blockSize / sectorSize));
    if (blockSize !== sectorSize || capacity < setup.get64(image, ImageFact.SectorsMin)) return -1;
    return pack(image, 1);
  }

  /** The image whose table begins at the first byte of the disk, -1: none does. */
  private tableOf(loop: i32): i32 {
    const state = this.state;
    let disk = loop;
    let offset = u64(0);
    // Loop devices on loop devices, as many as there are.
    for (let depth = 0; depth < state.capacity.loops; depth++) {
      const at = state.loopAt(disk);
      const backing = state.get8(at + Loop.Backing);
      if (backing === 0) return -1;
      offset = u64(offset + state.get64(at + Loop.Offset));
      const file = state.fileAt(backing - 1);
      if (state.get8(file + File.Kind) === FileKind.Image) {
        const image = state.get8(file + File.Image);
        return this.setup.get64(image, ImageFact.TableAt) === offset ? image : -1;
      }
      if (state.get8(file + File.Kind) !== FileKind.Disk) return -1;
      disk = state.get8(file + File.Loop);
    }
    return -1;
  }

  private entryNumber(parsed: i32): i32 {
    const at = this.setup.entryAt(parsed >> Parsed.Image, parsed & 0xff);
    return this.setup.view.getInt32(at + EntryFact.Number, true);
  }

  /** The record of the partition that one entry made. */
  private entryAt(loop: i32, parsed: i32): i32 {
    return this.state.findPartition(loop, this.entryNumber(parsed));
  }

  /** Makes the partition of one entry; false where it lies beyond the disk. */
  private addEntry(loop: i32, parsed: i32): bool {
    const state = this.state;
    const setup = this.setup;
    const image = parsed >> Parsed.Image;
    const entry = parsed & 0xff;
    const from = setup.entryAt(image, entry);
    const unit = u64((parsed >> Parsed.Unit) & 0xff);
    const start = u64(setup.view.getUint64(from + EntryFact.Start, true) * unit);
    let size = u64(setup.view.getUint64(from + EntryFact.Size, true) * unit);
    const capacity = state.get64(state.loopAt(loop) + Loop.Capacity);
    if (size === u64(0) || start >= capacity) return false;
    if (u64(start + size) > capacity) size = u64(capacity - start);
    const at = this.insert(loop, this.entryNumber(parsed), start, size);
    if (at < 0) return false;
    state.set8(at + Partition.Image, image + 1);
    state.set8(at + Partition.Entry, entry);
    return true;
  }
}

function pack(image: i32, unit: i32): i32 {
  return (image << Parsed.Image) | (unit << Parsed.Unit);
}
