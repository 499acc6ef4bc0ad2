/**
 * What recvmmsg(2) takes and leaves, in one buffer that is made once: where datagrams go, and who
 * sent them. Knows nothing of uevents. As 64-bit Linux has them, by byte:
 *
 *     struct mmsghdr        struct iovec    struct sockaddr_nl    struct cmsghdr, ucred
 *      0 msg_name           0 iov_base      0 nl_family            0 cmsg_len
 *      8 msg_namelen        8 iov_len       4 nl_pid               8 cmsg_level
 *     16 msg_iov                            8 nl_groups           12 cmsg_type
 *     24 msg_iovlen                                               16 pid
 *     32 msg_control                                              20 uid
 *     40 msg_controllen                                           24 gid
 *     48 msg_flags
 *     56 msg_len
 *
 * All headers come first; then for each its iovec at 0, its name at 16, its control at 32.
 */
import { DatagramFlag, DatagramWord, Limit } from "../../assembly/abi.ts";
import type { Stream } from "../kernel.ts";
import { type Address, addressOf, recvmmsg } from "./libc.ts";

const HEADER_BYTES = 64;
const NAME_AT = 16;
const NAME_BYTES = 12;
const CONTROL_AT = 32;
const CONTROL_BYTES = 32;
/** CMSG_LEN(sizeof(struct ucred)) */
const CREDENTIALS_BYTES = 28;

/** Sources: include/linux/socket.h, include/uapi/asm-generic/socket.h. */
const MSG_TRUNC = 0x20;
const SOL_SOCKET = 1;
const SCM_CREDENTIALS = 2;

export class Messages {
  /** datagrams that one call receives at most */
  readonly count: number;
  readonly #stream: Stream;
  readonly #words: Uint32Array;
  readonly #headers: Address;
  /** headers that the last call has written to */
  #used = 0;

  /** One datagram to a slot; or, `isWhole`, one at a time, which may take all slots. */
  constructor(stream: Stream, isWhole: boolean) {
    const { slots, records } = stream;
    const slotsBytes = Limit.DatagramSlots * Limit.DatagramBytes;
    const recordsBytes = Limit.DatagramSlots * DatagramWord.Words * 4;
    // the kernel writes there whatever lies behind
    if (slots.byteLength < slotsBytes || records.byteLength < recordsBytes) {
      throw new RangeError(`${slots.byteLength} bytes of slots, ${records.byteLength} of records`);
    }
    this.#stream = stream;
    this.count = isWhole ? 1 : Limit.DatagramSlots;
    const bytes = new ArrayBuffer(this.count * 2 * HEADER_BYTES);
    this.#words = new Uint32Array(bytes);
    this.#headers = addressOf(new Uint8Array(bytes));
    const length = isWhole ? slotsBytes : Limit.DatagramBytes;
    for (let index = 0; index < this.count; index++) {
      this.#prepare(index, addressOf(slots) + BigInt(index * length), length);
      this.#arm(index);
    }
  }

  /** How many datagrams came, or -errno. */
  receive(descriptor: number): number {
    // the kernel leaves in them how long name and control became
    for (let index = 0; index < this.#used; index++) this.#arm(index);
    const received = recvmmsg(descriptor, this.#headers, this.count);
    this.#used = Math.max(received, 0);
    return received;
  }

  /** Fills the records of the datagrams that came. `rootUid` is told as 0. */
  record(group: number, rootUid: number): void {
    for (let index = 0; index < this.#used; index++) {
      const isTruncated = (this.#header(index, 48) & MSG_TRUNC) !== 0;
      const isCredited =
        this.#header(index, 40) >= CREDENTIALS_BYTES &&
        this.#detail(index, CONTROL_AT) >= CREDENTIALS_BYTES &&
        this.#detail(index, CONTROL_AT + 8) === SOL_SOCKET &&
        this.#detail(index, CONTROL_AT + 12) === SCM_CREDENTIALS;
      const uid = isCredited ? this.#detail(index, CONTROL_AT + 20) : 0;
      const set = (word: DatagramWord, value: number) =>
        this.#stream.records.setUint32(4 * (index * DatagramWord.Words + word), value, true);
      set(DatagramWord.Group, group);
      set(DatagramWord.Bytes, this.#header(index, 56));
      set(DatagramWord.PortId, this.#detail(index, NAME_AT + 4));
      set(DatagramWord.Pid, isCredited ? this.#detail(index, CONTROL_AT + 16) : 0);
      set(DatagramWord.Uid, uid === rootUid ? 0 : uid);
      set(
        DatagramWord.Flags,
        (isTruncated ? DatagramFlag.Truncated : 0) | (isCredited ? DatagramFlag.Credentials : 0),
      );
    }
  }

  #prepare(index: number, base: bigint, length: number): void {
    const view = new DataView(this.#words.buffer);
    const header = index * HEADER_BYTES;
    const detail = (this.count + index) * HEADER_BYTES;
    const put = (at: number, value: bigint) => view.setBigUint64(at, value, true);
    put(header, this.#headers + BigInt(detail + NAME_AT));
    put(header + 16, this.#headers + BigInt(detail));
    put(header + 24, 1n);
    put(header + 32, this.#headers + BigInt(detail + CONTROL_AT));
    put(detail, base);
    put(detail + 8, BigInt(length));
  }

  #arm(index: number): void {
    this.#words[(index * HEADER_BYTES + 8) / 4] = NAME_BYTES;
    this.#words[(index * HEADER_BYTES + 40) / 4] = CONTROL_BYTES;
  }

  /** A word of a header, by byte; of 8-byte ones the lower half. */
  #header(index: number, at: number): number {
    return this.#words[(index * HEADER_BYTES + at) / 4] ?? 0;
  }

  /** The same of what a header leads to. */
  #detail(index: number, at: number): number {
    return this.#header(this.count + index, at);
  }
}
