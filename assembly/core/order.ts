/**
 * The ordering machine: what every datagram is, to every instance that somebody asks about, over
 * one stream of each group. The theory, all of it seen on real kernels:
 *
 * - Of the same disk, a lower DISKSEQ than mine is stale, mine is mine, a higher one is later: mine
 *   is over. Neither SEQNUM nor the order of arrival says more, so neither is asked.
 * - A partition that goes with its disk carries the next number already: a remove of a partition
 *   that was plugged under mine is the end of that partition of mine.
 * - Some kernels tell nothing of an attach, some tell it once, twice, or only with a table. So no
 *   event is needed, and none is believed: whoever waits has sysfs looked at (`lookout.ts`).
 *
 * Without an instance to be judged against, an event is judged against the newest one that events
 * told of. The cost of an event depends on nothing but who watches that very disk.
 */
import {
  Action,
  CommandFlag,
  DatagramFlag,
  DatagramWord,
  DeviceType,
  Event,
  EventWord,
  Fault,
  Group,
  Limit,
  Mark,
  UeventWord,
  Verdict,
} from "../abi.ts";
import { loopNumber } from "../wire/loop.ts";
import { Uevent } from "../wire/uevent.ts";
import { Lookout } from "./lookout.ts";
import { hasBit, setBit } from "./masks.ts";
import { Port } from "./port.ts";
import { DiskField, WatchField } from "./records.ts";
import { Registry } from "./registry.ts";
import { Seen } from "./seen.ts";
import { Global, State } from "./state.ts";

export class Order {
  private readonly state: State;
  private readonly port: Port;
  private readonly registry: Registry;
  private readonly lookout: Lookout;
  private readonly seen: Seen;
  private readonly uevent: Uevent;
  private group: i32 = 0;
  private offset: i32 = 0;
  private bytes: i32 = 0;
  private mark: i32 = 0;

  constructor(state: State, port: Port, registry: Registry, lookout: Lookout, seen: Seen) {
    this.state = state;
    this.port = port;
    this.registry = registry;
    this.lookout = lookout;
    this.seen = seen;
    this.uevent = new Uevent(state.buffers);
  }

  /** Whether the datagram in a slot counts; changes nothing. `take` follows at once. */
  check(slot: i32): i32 {
    if (slot < 0 || slot >= Limit.DatagramSlots) return Fault.BadArgument;
    const group = this.record(slot, DatagramWord.Group);
    const bytes = this.record(slot, DatagramWord.Bytes);
    const flags = this.record(slot, DatagramWord.Flags);
    if (group !== Group.Kernel && group !== Group.Udev) return Fault.BadArgument;
    const room = (Limit.DatagramSlots - slot) * Limit.DatagramBytes;
    if (bytes < 0 || bytes > room) return Fault.BadArgument;
    const isRoot = this.record(slot, DatagramWord.Uid) === 0;
    if ((flags & DatagramFlag.Credentials) === 0 || !isRoot) return Fault.Forged;
    // What a process injects through the kernel has port 0, and that process's pid.
    const isKernel =
      this.record(slot, DatagramWord.PortId) === 0 && this.record(slot, DatagramWord.Pid) === 0;
    if (isKernel !== (group === Group.Kernel)) return Fault.Forged;
    if ((flags & DatagramFlag.Truncated) !== 0) return Fault.Truncated;
    const offset = this.state.slotsAt + slot * Limit.DatagramBytes;
    if (!this.uevent.parse(group, offset, bytes)) return Fault.Malformed;
    if (this.seen.has(group, this.uevent.seqnum)) return Fault.Duplicate;
    this.group = group;
    this.offset = offset;
    this.bytes = bytes;
    return Fault.Ok;
  }

  private record(slot: i32, word: i32): i32 {
    const at = this.state.recordsAt + (slot * DatagramWord.Words + word) * 4;
    return this.state.buffers.getInt32(at, true);
  }

  /** Takes what `check` let pass: judges it, tells it, wakes whom it concerns. */
  take(): void {
    const uevent = this.uevent;
    const registry = this.registry;
    const buffers = this.state.buffers;
    let marks: i32 = 0;
    if (this.seen.add(this.group, uevent.seqnum)) marks |= Mark.OutOfOrder;
    if (uevent.isMediaChange) marks |= Mark.MediaChange;
    if (uevent.isSynthetic) marks |= Mark.Synthetic;
    if (uevent.deviceType === DeviceType.None) {
      this.tell(registry.firstWatch(-1), -1, Verdict.None, marks);
      return;
    }
    let disk = registry.find(buffers, uevent.nameAt, uevent.nameBytes);
    if (disk < 0 && this.state.global(Global.Subscriptions) !== u64(0)) {
      disk = registry.track(buffers, uevent.nameAt, uevent.nameBytes);
    }
    if (disk < 0) {
      this.tell(registry.firstWatch(-1), -1, Verdict.BestEffort, marks);
      return;
    }
    registry.refresh(disk);
    const verdict = this.judgeNewest(disk);
    marks |= this.mark;
    this.tell(registry.firstWatch(disk), disk, verdict, marks);
    this.tell(registry.firstWatch(-1), disk, verdict, marks);
    if (registry.disk(disk, DiskField.Waiting) !== 0) {
      this.lookout.heard(disk, this.group, uevent);
    }
  }

  /** Number of the loop device that the last event of the kernel was about; -1: of none. */
  loopNumber(): i32 {
    const uevent = this.uevent;
    if (this.group !== Group.Kernel || uevent.deviceType === DeviceType.None) return -1;
    return loopNumber(this.state.buffers, uevent.nameAt, uevent.nameBytes);
  }

  /** Events of a group were lost after the last one: `count`, 0 unknown. */
  lose(group: i32, count: i32): void {
    const registry = this.registry;
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      this.tellLoss(registry.firstWatch(disk), group, count);
    }
    this.tellLoss(registry.firstWatch(-1), group, count);
    this.lookout.lost(group);
  }

  /* Judging. Each sets `mark` to what it adds. */

  /** Against an instance: its number and what of it is plugged. */
  private judge(diskseq: u64, plugged: i32): i32 {
    const uevent = this.uevent;
    const isPartition = uevent.deviceType === DeviceType.Partition;
    const isPlugged = isPartition && hasBit(this.state.view, plugged, uevent.partition);
    this.mark = 0;
    if (diskseq > uevent.diskseq) return Verdict.Stale;
    if (uevent.diskseq > diskseq) {
      // A partition that comes again was gone: its end went unheard, and no later one is mine.
      if (isPlugged && uevent.action === Action.Add) {
        setBit(this.state.view, plugged, uevent.partition, false);
      }
      if (!isPlugged || uevent.action !== Action.Remove) return Verdict.Later;
      this.mark = Mark.Ends;
    }
    if (isPartition && uevent.action === Action.Add) {
      setBit(this.state.view, plugged, uevent.partition, true);
    } else if (isPlugged && uevent.action === Action.Remove) {
      setBit(this.state.view, plugged, uevent.partition, false);
    }
    return Verdict.Mine;
  }

  /** Against the newest instance of the disk that this group's events told of. */
  private judgeNewest(disk: i32): i32 {
    const uevent = this.uevent;
    const registry = this.registry;
    const isKernel = this.group === Group.Kernel;
    const told: i32 = isKernel ? DiskField.Told : DiskField.UdevTold;
    const heard: i32 = isKernel ? DiskField.Heard : DiskField.UdevHeard;
    const plugged = registry.diskAt(disk, isKernel ? DiskField.ToldMask : DiskField.UdevToldMask);
    const isFirst = registry.disk(disk, heard) === 0;
    if (isFirst) {
      registry.setDisk(disk, heard, 1);
      registry.setDisk64(disk, told, uevent.diskseq);
    }
    let verdict = this.judge(registry.disk64(disk, told), plugged);
    if (verdict === Verdict.Later) {
      // What is plugged stays so until its remove, which carries this number or a higher one.
      registry.setDisk64(disk, told, uevent.diskseq);
      this.judge(uevent.diskseq, plugged);
    }
    if (isFirst) this.mark |= Mark.First;
    if (uevent.diskseq === u64(0)) verdict = Verdict.BestEffort;
    return verdict;
  }

  /** Against the instance of a watch, or the newest where it names none. */
  private judgeFor(watch: i32, newest: i32): i32 {
    const diskseq = this.registry.watch64(watch, WatchField.Diskseq);
    const flags = this.registry.watch(watch, WatchField.Flags);
    if ((flags & CommandFlag.BestEffort) !== 0) return Verdict.BestEffort;
    if (diskseq === u64(0) || newest === Verdict.None) return newest;
    if (this.uevent.diskseq === u64(0)) return Verdict.BestEffort;
    const field: i32 = this.group === Group.Kernel ? WatchField.Mask : WatchField.UdevMask;
    return this.judge(diskseq, this.registry.watchAt(watch, field));
  }

  /* Telling. */

  private hears(watch: i32, group: i32): bool {
    const flags = this.registry.watch(watch, WatchField.Flags);
    if (group === Group.Udev) return (flags & CommandFlag.Udev) !== 0;
    return (flags & CommandFlag.NoKernelGroup) === 0;
  }

  /** Tells the subscriptions from `first` on. */
  private tell(first: i32, disk: i32, newest: i32, marks: i32): void {
    const registry = this.registry;
    for (let watch = first; watch >= 0; watch = registry.nextWatch(watch)) {
      if (!this.hears(watch, this.group)) continue;
      const isByName = (registry.watch(watch, WatchField.Flags) & CommandFlag.BestEffort) !== 0;
      const isNamed = registry.watch64(watch, WatchField.Diskseq) !== u64(0);
      const isOwn = disk >= 0 && (isByName || isNamed);
      this.mark = 0;
      const verdict = isOwn ? this.judgeFor(watch, newest) : newest;
      const common: i32 = isOwn ? marks & ~(Mark.Ends | Mark.First) : marks;
      this.push(watch, verdict, common | this.mark);
    }
  }

  private push(watch: i32, verdict: i32, marks: i32): void {
    const port = this.port;
    const uevent = this.uevent;
    const at = port.push(Limit.OperationsMax + watch, Event.Uevent, verdict);
    port.put(at, UeventWord.Marks, marks);
    port.put(at, UeventWord.Group, this.group);
    port.put(at, UeventWord.Action, uevent.action);
    port.put(at, UeventWord.DeviceType, uevent.deviceType);
    port.put(at, UeventWord.Partition, uevent.partition);
    port.put64(at, UeventWord.Seqnum, uevent.seqnum);
    port.put64(at, UeventWord.Diskseq, uevent.diskseq);
    port.put(at, UeventWord.Major, uevent.major);
    port.put(at, UeventWord.Minor, uevent.minor);
    port.put(at, UeventWord.Offset, this.offset);
    port.put(at, UeventWord.Bytes, this.bytes);
    port.put(at, UeventWord.Properties, uevent.propertiesAt);
  }

  private tellLoss(first: i32, group: i32, count: i32): void {
    const registry = this.registry;
    for (let watch = first; watch >= 0; watch = registry.nextWatch(watch)) {
      if (!this.hears(watch, group)) continue;
      const at = this.port.push(Limit.OperationsMax + watch, Event.Lost, group);
      this.port.put(at, EventWord.Detail, count);
      this.port.put64(at, EventWord.Detail2, this.seen.highest(group));
    }
  }
}
