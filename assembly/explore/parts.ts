/** Regions of memory cut into parts of a few hundred bytes. */
import { hashOf } from "./pool.ts";

/** The smaller, the fewer bytes are kept for a change; the larger, the shorter a state. */
const PART_WORDS: i32 = 64;

export class Parts {
  count: i32 = 0;
  /** How many of the first ones belong to the core. */
  core: i32 = 0;
  private readonly views: Array<Int32Array> = [];
  /** Where each begins, and its words. */
  private readonly places: Array<i32> = [];

  add(buffer: ArrayBuffer, from: i32, bytes: i32): void {
    assert(bytes % 4 === 0 && from % 4 === 0);
    const view = Int32Array.wrap(buffer);
    const words = bytes >> 2;
    for (let at = 0; at < words; at += PART_WORDS) {
      const rest = words - at;
      this.views.push(view);
      this.places.push((from >> 2) + at);
      this.places.push(rest < PART_WORDS ? rest : PART_WORDS);
      this.count++;
    }
  }

  view(part: i32): Int32Array {
    return unchecked(this.views[part]);
  }

  at(part: i32): i32 {
    return i32(unchecked(this.places[part * 2]));
  }

  words(part: i32): i32 {
    return i32(unchecked(this.places[part * 2 + 1]));
  }

  /** 30 bits of all of them. */
  hash(): i32 {
    let hash = 0;
    for (let part = 0; part < this.count; part++) {
      const own = hashOf(this.view(part), this.at(part), this.words(part));
      hash = (hash * 31 + own) & 0x3fffffff;
    }
    return hash;
  }

  /** Zeros in a range of parts. */
  clear(first: i32, end: i32): void {
    for (let part = first; part < end; part++) {
      const at = this.at(part);
      this.view(part).fill(0, at, at + this.words(part));
    }
  }
}
