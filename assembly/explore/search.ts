/**
 * Breadth-first search over all that can happen: from every state every deed, each state once. So
 * the first violation found has a shortest path. A state is written back by its parts, and after a
 * deed only the parts that differ are looked up.
 *
 * Livelocks: from each state one deed is what happens when nobody disturbs any more (`solo`). That
 * is a function from states to states, so whether all ends is whether it has no cycle.
 */
import { Level } from "./level.ts";
import { Pool } from "./pool.ts";
import { Seen } from "./seen.ts";
import { Subject } from "./subject.ts";
import { Violation } from "./words.ts";

/** States of a level for each shard, where it is divided. */
const SHARD_STATES: i32 = 64;

/** Deeds that can be possible in one state. */
const CHOICES_MAX: i32 = 256;

export class Search {
  readonly seen: Seen = new Seen();
  /** Deeds done, the levels finished, the most states of one level. */
  transitions: f64 = 0;
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
  private readonly shard: i32;
  /** 1: there is nothing to divide, or it was done. */
  private shards: i32;
  private choices: i32 = 0;
  private readonly deeds: Int32Array = new Int32Array(CHOICES_MAX);
  /** Numbers of the parts that lie in the subject just now, and of the state gone on from. */
  private readonly live: Uint32Array;
  private readonly from: Uint32Array;

  /** Of several shards each goes on from its own states of one level, and all the way. */
  constructor(subject: Subject, shard: i32, shards: i32) {
    assert(shards > 0 && shard >= 0 && shard < shards);
    const parts = subject.parts();
    this.shard = shard;
    this.shards = shards;
    this.subject = subject;
    this.parts = parts;
    this.now = new Level(parts);
    this.next = new Level(parts);
    this.live = new Uint32Array(parts);
    this.from = new Uint32Array(parts);
    for (let part = 0; part < parts; part++) this.pools.push(new Pool(subject.partWords(part)));
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
    let size = this.seen.size() + this.now.size() + this.next.size();
    for (let part = 0; part < this.parts; part++) size += unchecked(this.pools[part]).size();
    return size;
  }

  /** States of this level that are still to be gone on from. */
  frontier(): i32 {
    return this.now.count - this.row;
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
    if (this.shards > 1 && this.now.count >= this.shards * SHARD_STATES) this.divide();
    if (this.now.count > this.widest) this.widest = this.now.count;
    return true;
  }

  /** The other shards' states are left to them, until one of ours leads there. */
  private divide(): void {
    for (let row = 0; row < this.now.count; row++) {
      if (row % this.shards !== this.shard) this.seen.leave(this.now.state(row));
    }
    this.shards = 1;
  }

  private expand(row: i32): void {
    const state = this.now.state(row);
    if (this.seen.isLeft(state)) return;
    for (let part = 0; part < this.parts; part++) this.from[part] = this.now.part(row, part);
    this.load();
    const subject = this.subject;
    const calm = this.list();
    const isOver = subject.isOver();
    if (isOver) this.violate(subject.atEnd(), state, 0);
    let isWaiting = true;
    for (let index = 0; index < this.choices; index++) {
      if (this.violation !== 0) return;
      if (index === calm && isWaiting && !isOver) break;
      this.load();
      const next = this.follow(state, unchecked(this.deeds[index]));
      if (index >= calm || !isWaiting || next === state) continue;
      this.seen.setSolo(state, next);
      isWaiting = false;
    }
    if (isWaiting && !isOver && this.violation === 0) this.violate(Violation.Stuck, state, 0);
  }

  /** Takes the subject's list, since its next deed changes that. How many of it are calm. */
  private list(): i32 {
    const subject = this.subject;
    const choices = subject.choices();
    assert(choices <= CHOICES_MAX);
    this.choices = choices;
    for (let index = 0; index < choices; index++) this.deeds[index] = subject.choice(index);
    return subject.calm();
  }

  private violate(violation: i32, state: i32, deed: i32): void {
    if (violation === 0) return;
    this.violation = violation;
    this.violatedAt = state;
    this.violatedBy = deed;
  }

  /** The state that a deed leads to, -1: it violates something. */
  private follow(state: i32, deed: i32): i32 {
    assert(deed > 0);
    const violation = this.subject.act(deed);
    this.transitions++;
    this.violate(violation, state, deed);
    return violation === 0 ? this.reach(state, deed) : -1;
  }

  /** The state that the subject is in by now, a new one where it was not found before. */
  private reach(parent: i32, deed: i32): i32 {
    const subject = this.subject;
    for (let part = subject.untouched(); part < this.parts; part++) {
      const pool = unchecked(this.pools[part]);
      const before = i32(unchecked(this.from[part]));
      const view = subject.partView(part);
      const at = subject.partAt(part);
      this.live[part] = pool.isEqual(before, view, at) ? before : pool.intern(view, at);
    }
    const found = this.seen.find(this.live, this.parts);
    if (found >= 0) {
      if (this.seen.take(found)) this.next.push(found, this.live);
      return found;
    }
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
        this.violate(Violation.Livelock, state, 0);
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
