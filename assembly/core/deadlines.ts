/**
 * The times at which watches end and disks are looked at again: a binary heap over all of them, so
 * that the next one is known at once and a change costs the logarithm of their number. An item is a
 * watch, or the number of watches plus a disk. Of equal times the lower item comes first.
 *
 *   times  u64 an item, 0: none | heap  i32: items | places  i32 an item: its place in the heap + 1
 */
import { State } from "./state.ts";

export class Deadlines {
  private readonly view: DataView;
  private readonly items: i32;
  private readonly times: i32;
  private readonly heap: i32;
  private readonly places: i32;
  private readonly count: i32;

  constructor(state: State) {
    const items = state.watches + state.disks;
    const count = state.deadlinesAt;
    const times = count + 8;
    const heap = times + items * 8;
    this.view = state.view;
    this.items = items;
    this.count = count;
    this.times = times;
    this.heap = heap;
    this.places = heap + items * 4;
  }

  /** Bytes that they take of the state. */
  static bytes(items: i32): i32 {
    return 8 + items * 16;
  }

  length(): i32 {
    return this.view.getInt32(this.count, true);
  }

  /** When an item is due; 0: never. */
  time(item: i32): u64 {
    assert(item >= 0 && item < this.items);
    return this.view.getUint64(this.times + item * 8, true);
  }

  /** The item that is due first; -1: none. */
  first(): i32 {
    return this.length() === 0 ? -1 : this.at(0);
  }

  /** Sets when an item is due; 0: never. */
  set(item: i32, time: u64): void {
    assert(item >= 0 && item < this.items);
    this.view.setUint64(this.times + item * 8, time, true);
    let place = this.view.getInt32(this.places + item * 4, true) - 1;
    if (time === u64(0)) {
      if (place >= 0) this.remove(item, place);
      return;
    }
    if (place < 0) {
      place = this.length();
      this.view.setInt32(this.count, place + 1, true);
    }
    this.settle(item, place);
  }

  /** The item at a place of the heap. */
  at(place: i32): i32 {
    return this.view.getInt32(this.heap + place * 4, true);
  }

  private put(item: i32, place: i32): void {
    this.view.setInt32(this.heap + place * 4, item, true);
    this.view.setInt32(this.places + item * 4, place + 1, true);
  }

  private remove(item: i32, place: i32): void {
    const last = this.length() - 1;
    const moved = this.at(last);
    this.view.setInt32(this.count, last, true);
    this.view.setInt32(this.places + item * 4, 0, true);
    if (moved !== item) this.settle(moved, place);
  }

  private isBefore(a: i32, b: i32): bool {
    const time = this.time(a);
    const other = this.time(b);
    return time === other ? b > a : other > time;
  }

  /** Puts an item at a place and moves it up or down to where it belongs. */
  private settle(item: i32, from: i32): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.isBefore(item, this.at(parent))) break;
      this.put(this.at(parent), place);
      place = parent;
    }
    for (;;) {
      const left = place * 2 + 1;
      if (left >= this.length()) break;
      const right = left + 1;
      const isRight = this.length() > right && this.isBefore(this.at(right), this.at(left));
      const child = isRight ? right : left;
      if (!this.isBefore(this.at(child), item)) break;
      this.put(this.at(child), place);
      place = child;
    }
    this.put(item, place);
  }
}
