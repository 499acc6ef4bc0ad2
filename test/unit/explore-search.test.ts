/** The search of the explorer: pools of parts, and small worlds whose states can be counted. */
import "../../host/portable.ts";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pool } from "../../assembly/explore/pool.ts";
import { Search } from "../../assembly/explore/search.ts";
import { Subject } from "../../assembly/explore/subject.ts";
import { Violation } from "../../assembly/explore/words.ts";

test("a pool keeps equal records once, and gives them back", () => {
  for (const words of [1, 3, 4, 9]) {
    const pool = new Pool(words);
    const view = new Int32Array(32);
    const numbers = new Map<number, number>();
    let random = 7;
    for (let round = 0; round < 20_000; round++) {
      random = (random * 48271) % 0x7fffffff;
      const value = random % 5000;
      for (let i = 0; i < words; i++) view[2 + i] = value * (i + 1);
      const number = pool.intern(view, 2);
      assert.is(number, numbers.get(value) ?? numbers.size);
      numbers.set(value, number);
    }
    assert.is(pool.count, numbers.size);
    for (const [value, number] of numbers) {
      pool.load(number, view, 20);
      for (let i = 0; i < words; i++) assert.is(view[20 + i], value * (i + 1));
      assert.ok(pool.isEqual(number, view, 20));
      for (let i = 0; i < words; i++) {
        view[20 + i] = ~(view[20 + i] ?? 0);
        assert.not.ok(pool.isEqual(number, view, 20), `word ${i}`);
        view[20 + i] = ~(view[20 + i] ?? 0);
      }
    }
  }
});

/** Counters from 0 to a limit; deed N counts the N-th up. */
class Counters extends Subject {
  readonly view: Int32Array;
  readonly count: number;
  readonly limit: number;
  violates: (values: readonly number[]) => number = () => 0;
  next: (values: readonly number[]) => number;
  end: (values: readonly number[]) => number = () => 0;

  constructor(count: number, limit: number) {
    super();
    this.count = count;
    this.limit = limit;
    this.view = new Int32Array(count * 2);
    this.next = (values) => values.findIndex((value) => value < limit) + 1;
  }

  get values(): number[] {
    return Array.from({ length: this.count }, (_, part) => this.view[part * 2] ?? 0);
  }

  parts = () => this.count;
  partWords = () => 2;
  partView = () => this.view;
  partAt = (part: number) => part * 2;
  untouched = () => this.#touched;
  #touched = 0;
  choices = () => this.#possible().length;
  choice = (index: number) => this.#possible()[index] ?? 0;
  calm = () => (this.next(this.values) > 0 ? 1 : 0);
  isOver = () => this.next(this.values) === 0;
  atEnd = () => this.end(this.values);

  act = (deed: number) => {
    const at = (deed - 1) * 2;
    assert.ok((this.values[deed - 1] ?? this.limit) < this.limit, "the deed was not possible");
    this.view[at] = (this.view[at] ?? 0) + 1;
    // Those before it are as they were.
    this.#touched = deed - 1;
    return this.violates(this.values);
  };

  #possible(): number[] {
    const first = this.next(this.values);
    const all = this.values.flatMap((value, index) => (value < this.limit ? [index + 1] : []));
    return [...all.filter((deed) => deed === first), ...all.filter((deed) => deed !== first)];
  }
}

/** Deeds that lead to a state, the first one first. */
function pathTo(search: Search, state: number): number[] {
  const path: number[] = [];
  for (let at = state; search.seen.parent(at) >= 0; at = search.seen.parent(at)) {
    path.unshift(search.seen.deed(at));
  }
  return path;
}

test("every state is found once, level by level", () => {
  for (const [count, limit] of [
    [1, 9],
    [2, 30],
    [4, 8],
  ] as const) {
    const subject = new Counters(count, limit);
    const search = new Search(subject, 0, 1);
    assert.ok(search.run(1_000_000));
    assert.is(search.violation, 0);
    assert.is(search.seen.count, (limit + 1) ** count);
    assert.is(search.depth, count * limit);
    assert.is(search.transitions, count * limit * (limit + 1) ** (count - 1));
    assert.is(search.values(0), limit + 1);
    for (const state of [1, search.seen.count - 1]) {
      assert.is(search.seen.parent(state) < state, true);
    }
    assert.is(pathTo(search, search.seen.count - 1).length, count * limit);
  }
});

test("it can be run in pieces", () => {
  const whole = new Search(new Counters(3, 5), 0, 1);
  const pieces = new Search(new Counters(3, 5), 0, 1);
  assert.ok(whole.run(1_000_000));
  let rounds = 0;
  while (!pieces.run(7)) rounds++;
  assert.is(rounds, Math.floor(6 ** 3 / 7));
  assert.equal(
    [pieces.seen.count, pieces.transitions, pieces.depth, pieces.widest],
    [whole.seen.count, whole.transitions, whole.depth, whole.widest],
  );
});

test("a violation is found by a shortest path, which leads to it", () => {
  const subject = new Counters(3, 6);
  subject.violates = ([a = 0, b = 0, c = 0]) => (a === 2 && b >= 3 && c === 1 ? 5 : 0);
  const search = new Search(subject, 0, 1);
  search.run(1_000_000);
  assert.is(search.violation, 5);
  const path = [...pathTo(search, search.violatedAt), search.violatedBy];
  assert.is(path.length, 6);
  const again = new Counters(3, 6);
  again.violates = subject.violates;
  assert.equal(path.map(again.act), [0, 0, 0, 0, 0, 5]);
});

test("an end that violates a property is found", () => {
  const subject = new Counters(2, 3);
  subject.end = () => 9;
  const search = new Search(subject, 0, 1);
  search.run(1_000);
  assert.equal([search.violation, search.violatedBy], [9, 0]);
  assert.equal(pathTo(search, search.violatedAt).length, 6);
});

test("stuck: something is to be done, and nothing can be", () => {
  const subject = new Counters(2, 4);
  subject.next = (values) => (values[0] === 3 ? -1 : 1);
  const search = new Search(subject, 0, 1);
  search.run(1_000);
  assert.is(search.violation, Violation.Stuck);
  assert.equal(pathTo(search, search.violatedAt), [1, 1, 1]);
});

test("a livelock is found, and only when there is one", () => {
  for (const isLivelock of [false, true]) {
    const subject = new Counters(2, 3);
    // Undisturbed the first counter goes round and round.
    const act = subject.act;
    subject.act = (deed) => {
      const violation = act(deed);
      if (isLivelock && subject.values[0] === 3) subject.view[0] = 1;
      return violation;
    };
    subject.next = (values) => ((values[0] ?? 0) < 3 ? 1 : (values[1] ?? 0) < 3 ? 2 : 0);
    const search = new Search(subject, 0, 1);
    search.run(1_000);
    assert.is(search.violation, isLivelock ? Violation.Livelock : 0);
  }
});

test("shards find together what one search finds", () => {
  const whole = new Search(new Counters(4, 12), 0, 1);
  assert.ok(whole.run(1_000_000));
  const reached = new Set<string>();
  for (let shard = 0; shard < 3; shard++) {
    const subject = new Counters(4, 12);
    subject.violates = (values) => {
      reached.add(values.join(" "));
      return 0;
    };
    const search = new Search(subject, shard, 3);
    assert.ok(search.run(1_000_000));
    assert.ok(search.transitions < whole.transitions, "a shard does less than all");
  }
  // All but the start are reached by a deed.
  assert.is(reached.size, whole.seen.count - 1);
});

test.run();
