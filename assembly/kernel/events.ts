/**
 * uevents: what is sent, and to whom. One is broadcast inside the call that causes it, before that
 * call goes on; a suppressed one takes no SEQNUM. The number of the disk is sampled when the event
 * is made (kobject_uevent_env, part_uevent, block_uevent).
 */
import { Action, Group } from "../abi.ts";
import { Bytes } from "./bytes.ts";
import { EventExtra, EventKind, Sender } from "./format.ts";
import { EventField, Global, Loop, Partition } from "./layout.ts";
import { Sockets } from "./sockets.ts";
import { State } from "./state.ts";

/** More than one step sends. */
const HEARD_MAX: i32 = 64;

export class Events {
  private readonly state: State;
  private readonly sockets: Sockets;
  /** The record under way: sockets copy it. */
  private readonly draft: Bytes;
  /** Disks that events were about since an observer took them; no part of the state. */
  readonly heard: Int32Array;
  private count: i32 = 0;

  constructor(state: State, sockets: Sockets) {
    this.state = state;
    this.sockets = sockets;
    this.draft = new Bytes(new ArrayBuffer(EventField.Bytes));
    this.heard = new Int32Array(HEARD_MAX);
  }

  /** kobject_uevent of a disk; whether it went out. */
  disk(loop: i32, action: i32, extra: i32): bool {
    const state = this.state;
    const at = state.loopAt(loop);
    if (state.get8(at + Loop.Silent) !== 0) return false;
    this.beginDisk(loop, action, extra);
    this.broadcast(Group.Kernel);
    return true;
  }

  change(loop: i32): bool {
    return this.disk(loop, Action.Change, EventExtra.None);
  }

  /** Of a partition, by its record: the disk's suppression is none of its own. */
  partition(loop: i32, at: i32, action: i32, extra: i32): void {
    this.beginPartition(loop, at, action, extra);
    this.broadcast(Group.Kernel);
  }

  /** Of the backing device info of a disk. */
  bdi(loop: i32, action: i32): void {
    const number = this.state.get32(this.state.loopAt(loop) + Loop.Number);
    this.begin(EventKind.Bdi, action, EventExtra.None, number);
    this.broadcast(Group.Kernel);
  }

  /** A write to `uevent` in sysfs; with a UUID where the bytes at `uuid` of a view are one. */
  synthetic(loop: i32, partition: i32, action: i32, view: DataView | null, uuid: i32): bool {
    const state = this.state;
    const at = partition === 0 ? 0 : state.findPartition(loop, partition);
    assert(at >= 0);
    if (partition === 0 && state.loop(loop, Loop.Silent) !== 0) return false;
    const extra = view === null ? EventExtra.Synthetic : EventExtra.SyntheticUuid;
    if (partition === 0) {
      this.beginDisk(loop, action, extra);
    } else {
      this.beginPartition(loop, at, action, extra);
    }
    if (view !== null) this.draft.fill(EventField.Uuid, view, uuid, 16);
    this.broadcast(Group.Kernel);
    return true;
  }

  /** udev's message about an event that it has processed: the same, from a worker, to group 2. */
  forward(socket: i32, place: i32): void {
    const draft = this.draft;
    draft.fill(0, this.state.view, this.state.eventAt(socket, place), EventField.Bytes);
    draft.set8(EventField.Kind, EventKind.Udev);
    draft.set8(EventField.Sender, Sender.Udev);
    this.sockets.broadcast(Group.Udev, draft);
  }

  /** A change or its like that no disk had: well-formed, from a process, to all of a group. */
  forge(group: i32, sender: i32, action: i32, number: i32, partition: i32, diskseq: i32): void {
    this.beginForgery(group, sender, action, number, partition, diskseq);
    this.broadcast(group);
  }

  /** The same to one socket of the group, with the SEQNUM of the last event. */
  forgeFor(socket: i32, group: i32, sender: i32, action: i32, number: i32, diskseq: i32): void {
    this.beginForgery(group, sender, action, number, 0, diskseq);
    this.draft.set32(EventField.Seqnum, this.state.get32(Global.Seqnum));
    this.sockets.deliver(socket, this.draft);
  }

  private beginForgery(
    group: i32,
    sender: i32,
    action: i32,
    number: i32,
    partition: i32,
    diskseq: i32,
  ): void {
    const draft = this.draft;
    const kind = group === Group.Udev ? EventKind.Udev : EventKind.Block;
    this.begin(kind, action, EventExtra.None, number);
    draft.set8(EventField.Sender, sender);
    draft.set8(EventField.Partition, partition);
    draft.set32(EventField.Diskseq, diskseq);
  }

  private begin(kind: i32, action: i32, extra: i32, number: i32): void {
    const draft = this.draft;
    draft.zero(0, EventField.Bytes);
    draft.set8(EventField.Kind, kind);
    draft.set8(EventField.Action, action);
    draft.set8(EventField.Extra, extra);
    draft.set32(EventField.Number, number);
  }

  private beginDisk(loop: i32, action: i32, extra: i32): void {
    const at = this.state.loopAt(loop);
    this.begin(EventKind.Block, action, extra, this.state.get32(at + Loop.Number));
    this.draft.set32(EventField.Diskseq, this.state.get32(at + Loop.Diskseq));
    this.draft.set8(EventField.Instance, this.state.get8(at + Loop.Instance));
  }

  private beginPartition(loop: i32, at: i32, action: i32, extra: i32): void {
    const state = this.state;
    const disk = state.loopAt(loop);
    this.begin(EventKind.Block, action, extra, state.get32(disk + Loop.Number));
    const draft = this.draft;
    draft.set32(EventField.Diskseq, state.get32(disk + Loop.Diskseq));
    draft.set8(EventField.Partition, state.get8(at + Partition.Number));
    draft.set8(EventField.Image, state.get8(at + Partition.Image));
    draft.set8(EventField.Entry, state.get8(at + Partition.Entry));
    draft.set8(EventField.Instance, state.get8(at + Partition.Instance));
    draft.set16(EventField.Minor, state.get16(at + Partition.Minor));
  }

  /** How many disks are in `heard`, which is empty from here on. */
  takeHeard(): i32 {
    const count = this.count;
    this.count = 0;
    return count;
  }

  private broadcast(group: i32): void {
    if (this.draft.get8(EventField.Kind) === EventKind.Block && this.count < HEARD_MAX) {
      this.heard[this.count] = this.draft.get32(EventField.Number);
      this.count++;
    }
    const seqnum = this.state.get32(Global.Seqnum) + 1;
    this.state.set32(Global.Seqnum, seqnum);
    this.draft.set32(EventField.Seqnum, seqnum);
    this.sockets.broadcast(group, this.draft);
  }
}
