import { Errno } from "../wire/linux.ts";
import { Bytes } from "./bytes.ts";
import { Switch } from "./eras.ts";
import { Format, Sender } from "./format.ts";
import { EventField, Socket } from "./layout.ts";
import { Setup } from "./setup.ts";
import { State } from "./state.ts";

/** struct sk_buff and struct skb_shared_info, each rounded up to cache lines; x86-64. */
const SKB_BYTES: i32 = 256;
const SHARED_INFO_BYTES: i32 = 320;
/** Data of the smallest head since 6.3 (skb_small_head_cache). */
const SMALL_HEAD_BYTES: i32 = 256;

export class Sockets {
  private readonly state: State;
  private readonly format: Format;
  private readonly mustFit: bool;
  private readonly smallHeads: bool;

  constructor(state: State, setup: Setup, format: Format) {
    this.state = state;
    this.format = format;
    this.mustFit = setup.era.has(Switch.QueueMustFit);
    this.smallHeads = setup.era.has(Switch.SmallHeads);
  }

  /** `receiveBuffer` as the kernel counts it, twice what was asked for. The socket, or -errno. */
  open(process: i32, group: i32, receiveBuffer: i32, noEnobufs: bool): i32 {
    const state = this.state;
    for (let socket = 0; socket < state.capacity.sockets; socket++) {
      const at = state.socketAt(socket);
      if (state.get8(at + Socket.Process) !== 0) continue;
      state.set8(at + Socket.Process, process + 1);
      state.set8(at + Socket.Group, group);
      state.set8(at + Socket.NoEnobufs, noEnobufs ? 1 : 0);
      state.set32(at + Socket.ReceiveBuffer, receiveBuffer);
      return socket;
    }
    return -Errno.EMFILE;
  }

  close(socket: i32): void {
    this.state.zero(
      this.state.socketAt(socket),
      Socket.Bytes + this.state.capacity.queue * EventField.Bytes,
    );
  }

  /** The socket of a process in a group, -1: it has none. */
  find(process: i32, group: i32): i32 {
    for (let socket = 0; socket < this.state.capacity.sockets; socket++) {
      const at = this.state.socketAt(socket);
      if (this.state.get8(at + Socket.Process) !== process + 1) continue;
      if (this.state.get8(at + Socket.Group) === group) return socket;
    }
    return -1;
  }

  /** How many datagrams were lost since this was asked last. */
  takeDrops(socket: i32): i32 {
    const at = this.state.socketAt(socket) + Socket.Drops;
    const drops = this.state.get32(at);
    this.state.set32(at, 0);
    return drops;
  }

  closeAll(process: i32): void {
    for (let socket = 0; socket < this.state.capacity.sockets; socket++) {
      const at = this.state.socketAt(socket);
      if (this.state.get8(at + Socket.Process) === process + 1) this.close(socket);
    }
  }

  /** Every socket of the group takes a copy, or loses it. */
  broadcast(group: i32, event: Bytes): void {
    const state = this.state;
    for (let socket = 0; socket < state.capacity.sockets; socket++) {
      const at = state.socketAt(socket);
      if (state.get8(at + Socket.Process) === 0 || state.get8(at + Socket.Group) !== group)
        continue;
      this.deliver(socket, event);
    }
  }

  /** One socket takes a copy, or loses it. */
  deliver(socket: i32, event: Bytes): void {
    const state = this.state;
    const at = state.socketAt(socket);
    const count = state.get8(at + Socket.Count);
    const size = this.truesize(state.get32(at + Socket.ReceiveBuffer), event);
    const isLost = state.get8(at + Socket.Lossy) !== 0;
    state.set8(at + Socket.Lossy, 0);
    if (isLost || count === state.capacity.queue || !this.hasRoom(at, size)) {
      this.overrun(at);
      return;
    }
    const to = state.eventAt(socket, count);
    state.fill(to, event.view, 0, EventField.Bytes);
    state.set16(to + EventField.Truesize, size);
    state.set8(at + Socket.Count, count + 1);
    state.set32(at + Socket.Allocated, state.get32(at + Socket.Allocated) + size);
  }

  private hasRoom(at: i32, size: i32): bool {
    const state = this.state;
    if (state.get8(at + Socket.Congested) !== 0) return false;
    const allocated = state.get32(at + Socket.Allocated);
    const limit = state.get32(at + Socket.ReceiveBuffer);
    if (this.mustFit) return allocated === 0 || allocated + size <= limit;
    return allocated <= limit;
  }

  /** netlink_overrun */
  private overrun(at: i32): void {
    const state = this.state;
    state.set32(at + Socket.Drops, state.get32(at + Socket.Drops) + 1);
    if (state.get8(at + Socket.NoEnobufs) !== 0) return;
    if (state.get8(at + Socket.Congested) === 0) state.set8(at + Socket.Error, 1);
    state.set8(at + Socket.Congested, 1);
  }

  /**
   * skb->truesize; 0 where the buffer has room for all that the queue can keep, so that the same
   * events leave the same state whatever they are called.
   */
  private truesize(limit: i32, event: Bytes): i32 {
    if (limit >= this.state.capacity.queue * 2048) return 0;
    const data = (this.format.put(event, 0) + 63) & ~63;
    if (this.smallHeads && data <= SMALL_HEAD_BYTES) {
      return SKB_BYTES + SHARED_INFO_BYTES + SMALL_HEAD_BYTES;
    }
    // kmalloc's sizes are powers of two.
    let room = 512;
    while (room < data + SHARED_INFO_BYTES) room *= 2;
    return SKB_BYTES + room;
  }

  /**
   * Takes the first datagram: its bytes are in `Format.bytes`; how many, or -errno. What it said
   * of its sender is left in `sender`.
   */
  receive(socket: i32, sender: DataView): i32 {
    const state = this.state;
    const at = state.socketAt(socket);
    if (state.get8(at + Socket.Error) !== 0) {
      state.set8(at + Socket.Error, 0);
      return -Errno.ENOBUFS;
    }
    const count = state.get8(at + Socket.Count);
    if (count === 0) {
      state.set8(at + Socket.Congested, 0);
      return -Errno.EAGAIN;
    }
    const first = state.eventAt(socket, 0);
    const bytes = this.format.put(state, first);
    this.putSender(state.get8(first + EventField.Sender), sender);
    this.remove(socket);
    return bytes;
  }

  /** Drops the first datagram of a queue, as an actor does that has looked at its record. */
  remove(socket: i32): void {
    const state = this.state;
    const at = state.socketAt(socket);
    const count = state.get8(at + Socket.Count);
    assert(count > 0);
    const first = state.eventAt(socket, 0);
    const size = state.get16(first + EventField.Truesize);
    state.set32(at + Socket.Allocated, state.get32(at + Socket.Allocated) - size);
    const rest = (count - 1) * EventField.Bytes;
    state.copy(first, first + EventField.Bytes, rest);
    state.zero(first + rest, EventField.Bytes);
    state.set8(at + Socket.Count, count - 1);
    if (count === 1) state.set8(at + Socket.Congested, 0);
  }

  /** The first datagram was lost: what is behind it says nothing of that, the drops do. */
  loseFirst(socket: i32): void {
    this.remove(socket);
    const at = this.state.socketAt(socket) + Socket.Drops;
    this.state.set32(at, this.state.get32(at) + 1);
  }

  /** Port, pid and uid of a sender: words of 4 bytes. */
  private putSender(sender: i32, view: DataView): void {
    const port = sender === Sender.Udev || sender === Sender.Forger ? 4711 : 0;
    view.setUint32(0, port, true);
    view.setUint32(4, sender === Sender.Kernel ? 0 : 321, true);
    view.setUint32(8, 0, true);
  }
}
