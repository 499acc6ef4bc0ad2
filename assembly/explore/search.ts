/**
 * Breadth-first search over all that can happen: from every state every deed, each state once. So
 * the first violation found has a shortest path. A state is written back by its parts, and after a
 * deed only the parts that differ are looked up.
 *
 * Livelocks: from each state one deed is what happens when nobody disturbs any more (`solo`). That
 * is a function from states to states, so whether all ends is whether it has no cycle.
 */
import { Pool } from "./pool.ts";
import { Seen } from "./seen.ts";
import { Subject } from "./subject.ts";

/** Violations of the search itself; those of subjects count from 1. */
export const VIOLATION_STUCK: i32 = 1000;
export const VIOLATION_LIVELOCK: i32 = 1001;

/** States of a level of the search, by their parts: what has to be gone on from. */
class Level {
  private rows: Int32Array = new Int32Array(1024);
  count: i32 = 0;
  private readonly width: i32;

  constructor(parts: i32) {
    this.width = parts + 1;
  }

  push(state: i32, parts: Uint32Array): void {
    const width = this.width;
    const at = this.count * width;
    if (at + width > this.rows.length) {
      const grown = new Int32Array(this.rows.length * 2 + width);
      grown.set(this.rows);
      this.rows = grown;
    }
    this.rows[at] = state;
    for (let part = 1; part < width; part++) this.rows[at + part] = i32(unchecked(parts[part - 1]));
    this.count++;
  }

  state(row: i32): i32 {
    assert(row < this.count);
    return i32(unchecked(this.rows[row * this.width]));
  }

  part(row: i32, part: i32): i32 {
    assert(row < this.count && part < this.width - 1);
    return i32(unchecked(this.rows[row * this.width + 1 + part]));
  }

  clear(): void {
    this.count = 0;
  }
}

export class Search {
  readonly seen: Seen = new Seen();
  /** Deeds done, the levels finished, the most states of one level. */
  transitions: i32 = 0;
  depth: i32 = 0;
  widest: i32 = 0;
  /** What was violated, 0: nothing yet; and the state that a deed of it, 0: none, violates it. */
  violation: i32 = 0;
  violatedAt: i32 = -1;
  violatedBy: i32 = 0;
  private readonly subject: Subject;
  private readonly parts: i32;
  private readonly pools: Array<Pool> = [];
  private now: Level;
  private next: Level;
  private row: i32 = 0;
  /** Numbers of the parts that lie in the subject just now, and of the state gone on from. */
  private readonly live: Uint32Array;
  private readonly from: Uint32Array;

  constructor(subject: Subject) {
    const parts = subject.parts();
    this.subject = subject;
    this.parts = parts;
    this.now = new Level(parts);
    this.next = new Level(parts);
    this.live = new Uint32Array(parts);
    this.from = new Uint32Array(parts);
    for (let part = 0; part < parts; part++) this.pools.push(new Pool(subject.partBytes(part)));
    for (let part = 0; part < parts; part++) {
      const pool = unchecked(this.pools[part]);
      this.live[part] = pool.intern(subject.partView(part), subject.partAt(part));
    }
    assert(this.seen.find(this.live, parts) < 0);
    this.now.push(this.seen.add(-1, 0), this.live);
    this.widest = 1;
  }

  /** Goes on for so many states of the frontier; true when there is nothing left to do. */
  run(states: i32): bool {
    for (let left = states; left > 0; left--) {
      if (this.violation !== 0) return true;
      if (this.row === this.now.count && !this.descend()) return true;
      this.expand(this.row);
      this.row++;
    }
    return this.violation !== 0;
  }

  /** KiB of all that was kept. */
  size(): i32 {
    let size = this.seen.size();
    for (let part = 0; part < this.parts; part++) size += unchecked(this.pools[part]).size();
    return size;
  }

  /** How many different values a part had. */
  values(part: i32): i32 {
    assert(part >= 0 && part < this.parts);
    return unchecked(this.pools[part]).count;
  }

  /** The next level; false when there is none: all states are found. */
  private descend(): bool {
    if (this.next.count === 0) {
      this.findLivelock();
      return false;
    }
    const done = this.now;
    this.now = this.next;
    this.next = done;
    done.clear();
    this.row = 0;
    this.depth++;
    if (this.now.count > this.widest) this.widest = this.now.count;
    return true;
  }

  private expand(row: i32): void {
    const state = this.now.state(row);
    for (let part = 0; part < this.parts; part++) this.from[part] = this.now.part(row, part);
    this.load();
    const subject = this.subject;
    const choices = subject.choices();
    const solo = subject.solo();
    if (solo < 0) this.violate(VIOLATION_STUCK, state, 0);
    if (solo === 0) this.violate(subject.atEnd(), state, 0);
    for (let index = 0; index < choices; index++) {
      if (this.violation !== 0) return;
      this.load();
      this.follow(state, subject.choice(index), solo);
    }
  }

  private violate(violation: i32, state: i32, deed: i32): void {
    if (violation === 0) return;
    this.violation = violation;
    this.violatedAt = state;
    this.violatedBy = deed;
  }

  private follow(state: i32, deed: i32, solo: i32): void {
    assert(deed > 0);
    const violation = this.subject.act(deed);
    this.transitions++;
    this.violate(violation, state, deed);
    if (violation !== 0) return;
    const next = this.reach(state, deed);
    if (deed === solo) this.seen.setSolo(state, next);
  }

  /** The state that the subject is in by now, a new one where it was not found before. */
  private reach(parent: i32, deed: i32): i32 {
    const subject = this.subject;
    for (let part = 0; part < this.parts; part++) {
      const pool = unchecked(this.pools[part]);
      const before = i32(unchecked(this.from[part]));
      const view = subject.partView(part);
      const at = subject.partAt(part);
      this.live[part] = pool.isEqual(before, view, at) ? before : pool.intern(view, at);
    }
    const found = this.seen.find(this.live, this.parts);
    if (found >= 0) return found;
    const state = this.seen.add(parent, deed);
    this.next.push(state, this.live);
    return state;
  }

  /** Brings the subject into the state gone on from. */
  private load(): void {
    const subject = this.subject;
    for (let part = 0; part < this.parts; part++) {
      const wanted = i32(unchecked(this.from[part]));
      if (i32(unchecked(this.live[part])) === wanted) continue;
      unchecked(this.pools[part]).load(wanted, subject.partView(part), subject.partAt(part));
      this.live[part] = wanted;
    }
    subject.loaded();
  }

  /** Colours: 0 unknown, 1 on the way just followed, 2 known to end. */
  private findLivelock(): void {
    const colours = new Uint8Array(this.seen.count);
    for (let start = 0; start < this.seen.count; start++) {
      let state = start;
      while (state >= 0 && unchecked(colours[state]) === 0) {
        colours[state] = 1;
        state = this.seen.solo(state);
      }
      if (state >= 0 && unchecked(colours[state]) === 1) {
        this.violate(VIOLATION_LIVELOCK, state, 0);
        return;
      }
      state = start;
      while (state >= 0 && unchecked(colours[state]) === 1) {
        colours[state] = 2;
        state = this.seen.solo(state);
      }
    }
  }
}
