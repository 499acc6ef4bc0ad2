/**
 * Which SEQNUMs were handed in lately, for each group: a window of bits below the highest one. One
 * that was seen is a duplicate; one below the highest is out of order, which since 6.9 is no sign
 * of anything (the number is taken before the lock under which events are sent); one below the
 * window is too old to tell.
 */
import { Group } from "../abi.ts";
import { State } from "./state.ts";

const GROUPS: i32 = 2;

export class Seen {
  private readonly view: DataView;
  private readonly begin: i32;
  private readonly window: i32;
  /** Of a group: the highest one, then the window. */
  private readonly bytes: i32;

  constructor(state: State) {
    this.view = state.view;
    this.begin = state.seenAt;
    this.window = state.seqnums;
    this.bytes = i32(Seen.bytes(state.seqnums) / GROUPS);
  }

  /** Bytes that they take of the state. */
  static bytes(window: i32): i32 {
    return (8 + i32(window / 8)) * GROUPS;
  }

  private groupAt(group: i32): i32 {
    assert(group === Group.Kernel || group === Group.Udev);
    return this.begin + (group - 1) * this.bytes;
  }

  /** The highest SEQNUM of a group; 0: none. */
  highest(group: i32): u64 {
    return this.view.getUint64(this.groupAt(group), true);
  }

  has(group: i32, seqnum: u64): bool {
    const at = this.groupAt(group);
    const highest = this.view.getUint64(at, true);
    if (highest < seqnum || u64(seqnum + u64(this.window)) <= highest) return false;
    const bit = i32(seqnum % u64(this.window));
    return ((i32(this.view.getUint8(at + 8 + (bit >> 3))) >> (bit & 7)) & 1) !== 0;
  }

  /** Remembers one; true when it is below the highest. */
  add(group: i32, seqnum: u64): bool {
    const at = this.groupAt(group);
    const highest = this.view.getUint64(at, true);
    const isLate = highest > seqnum;
    if (isLate && u64(seqnum + u64(this.window)) <= highest) return true;
    if (!isLate) {
      this.advance(at, highest, seqnum);
      this.view.setUint64(at, seqnum, true);
    }
    const bit = i32(seqnum % u64(this.window));
    const byte = i32(this.view.getUint8(at + 8 + (bit >> 3)));
    this.view.setUint8(at + 8 + (bit >> 3), u8(byte | (1 << (bit & 7))));
    return isLate;
  }

  /** Blanks the bits that the window moves over. */
  private advance(at: i32, highest: u64, seqnum: u64): void {
    if (u64(seqnum - highest) >= u64(this.window)) {
      for (let i = 0; i < i32(this.window / 8); i += 8)
        this.view.setUint64(at + 8 + i, u64(0), true);
      return;
    }
    let bit = i32(highest % u64(this.window));
    for (let left = i32(u64(seqnum - highest)); left > 0; left--) {
      bit = (bit + 1) % this.window;
      const byte = i32(this.view.getUint8(at + 8 + (bit >> 3)));
      this.view.setUint8(at + 8 + (bit >> 3), u8(byte & ~(1 << (bit & 7))));
    }
  }

  /** Nothing was heard for a while. */
  clear(group: i32): void {
    const at = this.groupAt(group);
    for (let i = 0; i < this.bytes; i += 8) this.view.setUint64(at + i, u64(0), true);
  }
}
