/**
 * A socket on one multicast group of NETLINK_KOBJECT_UEVENT: receives into the slots of a stream
 * and tells how many datagrams were lost. Judges nothing: what is forged or broken is handed on.
 *
 * The kernel drops what finds the receive buffer full. It counts that (SO_MEMINFO), and with
 * NETLINK_NO_ENOBUFS it goes on at once. Where it cannot do both it says ENOBUFS once, drops until
 * the queue has been empty, and nobody knows how many.
 */
import { Group } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import type { Stream } from "../kernel.ts";
import { bind, close, getOption, setOption, socket } from "./libc.ts";
import { Messages } from "./messages.ts";
import { readRootUid } from "./namespace.ts";
import { Poll } from "./poll.ts";

/** Sources: include/linux/socket.h, include/linux/net.h, include/uapi/linux/netlink.h. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_KOBJECT_UEVENT = 15;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;

/** Source: include/uapi/asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PASSCRED = 16;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;

/** Source: include/uapi/linux/sock_diag.h. */
const SK_MEMINFO_DROPS = 8;
const SK_MEMINFO_VARS = 9;

/** As much as udevd takes: more than 100 000 events. */
const RECEIVE_BUFFER_BYTES = 128 << 20;

/** How long it receives at a stretch before the event loop has its turn. */
const TURN_MS = 2;

export interface UeventSocketOptions {
  /** Receive buffer; default 128 MiB. */
  readonly receiveBufferBytes?: number;
  /** For tests; false: as where the kernel does not count what it drops. */
  readonly isCounting?: boolean;
}

export class UeventSocket {
  readonly group: Group;
  /**
   * The receive buffer as the kernel counts it: twice what was asked, less where this process
   * may not have that much (CAP_NET_ADMIN, /proc/sys/net/core/rmem_max).
   */
  readonly receiveBufferBytes: number;
  readonly #stream: Stream;
  readonly #descriptor: number;
  readonly #messages: Messages;
  readonly #poll: Poll;
  readonly #rootUid = readRootUid();
  readonly #isCounting: boolean;
  #drops = 0;
  /** ENOBUFS was said, and the queue has not been empty since */
  #isOverrun = false;
  #isClosed = false;

  /** Receives from here on; -errno where it cannot. */
  static open(
    group: Group,
    stream: Stream,
    options: UeventSocketOptions = {},
  ): UeventSocket | number {
    // udev's datagrams can be of any length
    const messages = new Messages(stream, group !== Group.Kernel);
    const descriptor = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
    if (descriptor < 0) return descriptor;
    const bytes = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES;
    const forced = setOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
    if (forced < 0) setOption(descriptor, SOL_SOCKET, SO_RCVBUF, bytes);
    const isCounting = options.isCounting !== false && readDrops(descriptor) !== undefined;
    const counting = isCounting ? setOption(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1) : -1;
    let result = setOption(descriptor, SOL_SOCKET, SO_PASSCRED, 1);
    if (result >= 0) result = bind(descriptor, nameOf(group));
    if (result >= 0) return new UeventSocket(group, stream, descriptor, messages, counting >= 0);
    close(descriptor);
    return result;
  }

  private constructor(
    group: Group,
    stream: Stream,
    descriptor: number,
    messages: Messages,
    isCounting: boolean,
  ) {
    this.group = group;
    this.receiveBufferBytes = readOption(descriptor, SO_RCVBUF, 1)[0] ?? 0;
    this.#stream = stream;
    this.#descriptor = descriptor;
    this.#isCounting = isCounting;
    this.#messages = messages;
    this.#poll = new Poll(descriptor, () => this.#receive());
  }

  /** Also from within the stream's functions, of which none is called after it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poll.close();
    close(this.#descriptor);
  }

  #receive(): void {
    const end = performance.now() + TURN_MS;
    let isEmpty = false;
    while (!isEmpty) {
      const count = this.#messages.receive(this.#descriptor);
      if (count > 0) {
        this.#messages.record(this.group, this.#rootUid);
        this.#stream.datagrams(count);
        if (this.#isClosed) return;
      }
      if (count === -Errno.ENOBUFS) this.#isOverrun = true;
      else isEmpty = count < this.#messages.count;
      if (performance.now() >= end) break;
    }
    this.#tellLosses(isEmpty);
  }

  #tellLosses(isEmpty: boolean): void {
    if (this.#isCounting) {
      const drops = readDrops(this.#descriptor) ?? this.#drops;
      const rise = (drops - this.#drops) >>> 0;
      this.#drops = drops;
      if (rise > 0) this.#stream.lost(this.group, rise);
    } else if (this.#isOverrun && isEmpty) {
      this.#isOverrun = false;
      this.#stream.lost(this.group, 0);
    }
  }
}

/** 32 bits that wrap; undefined where the kernel does not tell. */
function readDrops(descriptor: number): number | undefined {
  return readOption(descriptor, SO_MEMINFO, SK_MEMINFO_VARS)[SK_MEMINFO_DROPS];
}

/** The words of an option, or none. */
function readOption(descriptor: number, option: number, words: number): Uint32Array {
  const value = new Uint32Array(words);
  const bytes = getOption(descriptor, SOL_SOCKET, option, value);
  return value.subarray(0, Math.max(bytes, 0) / 4);
}

/** struct sockaddr_nl: u16 nl_family, u16 padding, u32 nl_pid, u32 nl_groups. */
function nameOf(group: Group): Uint8Array {
  const name = new Uint8Array(12);
  const view = new DataView(name.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(8, group, true);
  return name;
}
