/**
 * What happens to the simulated kernel beside system calls: files that grow or lose their path,
 * what udev does with its watches, records and messages, and faults. Each is done at once.
 */
import { Action, Group } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { Era, Switch } from "./eras.ts";
import { Events } from "./events.ts";
import { Sender } from "./format.ts";
import { EventField, Global, ImageField, Loop, Partition, Socket } from "./layout.ts";
import { Sockets } from "./sockets.ts";
import { State } from "./state.ts";

export class Scenario {
  private readonly state: State;
  private readonly era: Era;
  private readonly sockets: Sockets;
  private readonly events: Events;

  constructor(state: State, era: Era, sockets: Sockets, events: Events) {
    this.state = state;
    this.era = era;
    this.sockets = sockets;
    this.events = events;
  }

  truncate(image: i32, bytes: u64): i32 {
    if (image < 0 || image >= this.state.capacity.images) return -Errno.ENOENT;
    this.state.set64(this.state.imageAt(image) + ImageField.Size, bytes);
    return 0;
  }

  /** Its last path is removed; who has it open still has it. */
  unlink(image: i32): i32 {
    if (image < 0 || image >= this.state.capacity.images) return -Errno.ENOENT;
    this.state.set8(this.state.imageAt(image) + ImageField.Deleted, 1);
    return 0;
  }

  /* udev. */

  /** A udevd runs, or does not. */
  setUdev(isRunning: bool): void {
    this.state.set8(Global.Udev, isRunning ? 1 : 0);
  }

  /** It watches a public node for IN_CLOSE_WRITE, or does not; what it was told is taken. */
  watch(number: i32, partition: i32, isWatched: bool): i32 {
    const at = this.find(number, partition);
    if (at < 0) return -Errno.ENOENT;
    const isDisk = partition === 0;
    this.state.set8(at + (isDisk ? Loop.Watched : Partition.Watched), isWatched ? 1 : 0);
    this.state.set8(at + (isDisk ? Loop.Noticed : Partition.Noticed), 0);
    return 0;
  }

  /** Whether a writable descriptor of a watched node was closed. */
  isNoticed(number: i32, partition: i32): bool {
    const at = this.find(number, partition);
    if (at < 0) return false;
    return this.state.get8(at + (partition === 0 ? Loop.Noticed : Partition.Noticed)) !== 0;
  }

  /** It has written its record of a device. */
  writeRecord(number: i32, partition: i32): i32 {
    const at = this.find(number, partition);
    if (at < 0) return -Errno.ENOENT;
    const field = at + (partition === 0 ? Loop.Record : Partition.Record);
    // 0 says that there is none.
    this.state.set16(field, (this.state.get16(field) % 0xffff) + 1);
    return 0;
  }

  /** It tells group 2 that it has processed the first event in a socket of its own. */
  forward(socket: i32): void {
    this.events.forward(socket, 0);
  }

  /**
   * A privileged process sends an event that no disk had: with a port of its own
   * (`Sender.Forger`), through the kernel (`Sender.Injector`), or as if it were udev's.
   */
  forge(group: i32, sender: i32, action: i32, number: i32, partition: i32, diskseq: i32): i32 {
    if (group !== Group.Kernel && group !== Group.Udev) return -Errno.EINVAL;
    if (sender <= Sender.Kernel || sender > Sender.Injector) return -Errno.EINVAL;
    if (action < Action.Add || action > Action.Bind || number < 0) return -Errno.EINVAL;
    if (partition < 0 || partition > 255) return -Errno.EINVAL;
    this.events.forge(group, sender, action, number, partition, diskseq);
    return 0;
  }

  /* Faults. */

  /** A socket loses the next datagram. */
  lose(socket: i32): void {
    this.state.set8(this.state.socketAt(socket) + Socket.Lossy, 1);
  }

  /**
   * The last two datagrams of a socket come in the other order, as they may since 6.9 where two
   * CPUs sent them; whether they did is the caller's to know. False: they cannot.
   */
  swap(socket: i32): bool {
    const state = this.state;
    const count = state.get8(state.socketAt(socket) + Socket.Count);
    if (!this.era.has(Switch.SeqnumAtomic) || count < 2) return false;
    const last = state.eventAt(socket, count - 1);
    const before = state.eventAt(socket, count - 2);
    for (let i = 0; i < EventField.Bytes; i += 4) {
      const word = state.get32(last + i);
      state.set32(last + i, state.get32(before + i));
      state.set32(before + i, word);
    }
    return true;
  }

  /** A device has dirty pages, which a change of its range would have to drop. */
  dirty(number: i32): i32 {
    const at = this.find(number, 0);
    if (at < 0) return -Errno.ENOENT;
    this.state.set8(at + Loop.Dirty, 1);
    return 0;
  }

  /** Where the record of a disk or partition lies. */
  private find(number: i32, partition: i32): i32 {
    const loop = this.state.findLoop(number);
    if (loop < 0) return -1;
    return partition === 0 ? this.state.loopAt(loop) : this.state.findPartition(loop, partition);
  }

  /** The first datagram of a socket is done with. */
  drop(socket: i32): void {
    this.sockets.remove(socket);
  }
}
