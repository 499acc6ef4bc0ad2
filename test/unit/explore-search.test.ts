/** The search of the explorer: pools of parts, and small worlds whose states can be counted. */
import "../../host/portable.ts";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pool } from "../../assembly/explore/pool.ts";
import { Search, VIOLATION_LIVELOCK, VIOLATION_STUCK } from "../../assembly/explore/search.ts";
import { Subject } from "../../assembly/explore/subject.ts";

test("a pool keeps equal records once, and gives them back", () => {
  const pool = new Pool(12);
  const view = new DataView(new ArrayBuffer(64));
  const numbers = new Map<string, number>();
  let random = 7;
  for (let round = 0; round < 20_000; round++) {
    random = (random * 48271) % 0x7fffffff;
    const value = random % 5000;
    for (let i = 0; i < 3; i++) view.setInt32(8 + i * 4, value * (i + 1), true);
    const number = pool.intern(view, 8);
    const known = numbers.get(`${value}`);
    if (known === undefined) assert.is(number, numbers.size);
    else assert.is(number, known);
    numbers.set(`${value}`, number);
  }
  assert.is(pool.count, numbers.size);
  for (const [value, number] of numbers) {
    pool.load(number, view, 40);
    assert.is(view.getInt32(40, true), Number(value));
    assert.is(view.getInt32(48, true), Number(value) * 3);
    assert.ok(pool.isEqual(number, view, 40));
    view.setInt32(48, -1, true);
    assert.not.ok(pool.isEqual(number, view, 40));
  }
});

/** Counters from 0 to a limit; deed N counts the N-th up. */
class Counters extends Subject {
  readonly view: DataView;
  readonly count: number;
  readonly limit: number;
  violates: (values: readonly number[]) => number = () => 0;
  next: (values: readonly number[]) => number;
  end: (values: readonly number[]) => number = () => 0;
  loads = 0;

  constructor(count: number, limit: number) {
    super();
    this.count = count;
    this.limit = limit;
    this.view = new DataView(new ArrayBuffer(count * 8));
    this.next = (values) => values.findIndex((value) => value < limit) + 1;
  }

  get values(): number[] {
    return Array.from({ length: this.count }, (_, part) => this.view.getInt32(part * 8, true));
  }

  parts = () => this.count;
  partBytes = () => 8;
  partView = () => this.view;
  partAt = (part: number) => part * 8;
  loaded = () => void this.loads++;
  choices = () => this.#possible().length;
  choice = (index: number) => this.#possible()[index] ?? 0;
  solo = () => this.next(this.values);
  atEnd = () => this.end(this.values);

  act = (deed: number) => {
    const at = (deed - 1) * 8;
    assert.ok((this.values[deed - 1] ?? this.limit) < this.limit, "the deed was not possible");
    this.view.setInt32(at, this.view.getInt32(at, true) + 1, true);
    return this.violates(this.values);
  };

  #possible(): number[] {
    return this.values.flatMap((value, index) => (value < this.limit ? [index + 1] : []));
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
    const search = new Search(subject);
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
  const whole = new Search(new Counters(3, 5));
  const pieces = new Search(new Counters(3, 5));
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
  const search = new Search(subject);
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
  const search = new Search(subject);
  search.run(1_000);
  assert.equal([search.violation, search.violatedBy], [9, 0]);
  assert.equal(pathTo(search, search.violatedAt).length, 6);
});

test("stuck: something is to be done, and nothing can be", () => {
  const subject = new Counters(2, 4);
  subject.next = (values) => (values[0] === 3 ? -1 : 1);
  const search = new Search(subject);
  search.run(1_000);
  assert.is(search.violation, VIOLATION_STUCK);
  assert.equal(pathTo(search, search.violatedAt), [1, 1, 1]);
});

test("a livelock is found, and only when there is one", () => {
  for (const isLivelock of [false, true]) {
    const subject = new Counters(2, 3);
    // Undisturbed the first counter goes round and round.
    const act = subject.act;
    subject.act = (deed) => {
      const violation = act(deed);
      if (isLivelock && subject.values[0] === 3) subject.view.setInt32(0, 1, true);
      return violation;
    };
    subject.next = (values) => ((values[0] ?? 0) < 3 ? 1 : (values[1] ?? 0) < 3 ? 2 : 0);
    const search = new Search(subject);
    search.run(1_000);
    assert.is(search.violation, isLivelock ? VIOLATION_LIVELOCK : 0);
  }
});

test.run();
