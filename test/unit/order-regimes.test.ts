/**
 * Which events an attach, a detach and the like send differs by kernel: five regimes. For each, the
 * sequence of every operation as the kernels send it, and what each event is to the instance before
 * and to the instance itself; and the waits of one life, which end in every regime.
 *
 * Diskseqs: 0 before the attach, 1 of the instance, 2 after the detach. An event is `change:1`,
 * `add1:1` (partition 1), with the diskseq that it carries. PLAIN kernels have none.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Command,
  CommandFlag,
  Event,
  Fault,
  Mark,
  Verdict,
  WaitResult,
} from "../../assembly/abi.ts";
import type { CoreCommand } from "../../host/core.ts";
import { openBoth } from "../helpers/cores.ts";
import { kernelMessage, loopProperties } from "../helpers/datagrams.ts";
import type { Shown } from "../helpers/judge.ts";
import { Stage, type Watched } from "../helpers/stage.ts";

type Regime = "PLAIN" | "LOUD" | "MUTE" | "TABLE" | "ONE";

const all: readonly Regime[] = ["PLAIN", "LOUD", "MUTE", "TABLE", "ONE"];
const proven: readonly Regime[] = ["LOUD", "MUTE", "TABLE", "ONE"];

/** What sysfs shows before and after an operation: instance, bound or not, partitions. */
const states = {
  free: { diskseq: 0, isBound: false, partitions: [] },
  bare: { diskseq: 1, isBound: true, partitions: [] },
  full: { diskseq: 1, isBound: true, partitions: [1, 2, 3] },
  over: { diskseq: 2, isBound: false, partitions: [] },
  other: { diskseq: 2, isBound: true, partitions: [1, 2] },
  none: undefined,
} as const;

type State = keyof typeof states;

/** Letters of a verdict: Stale, Mine, Mine and its End, Later, Best effort. */
type Row = readonly [
  operation: string,
  from: State,
  to: State,
  regimes: readonly Regime[],
  events: string,
  toFirst: string,
  toSecond: string,
];

// biome-ignore format: one row a line
const table: readonly Row[] = [
  ["configure", "free", "bare", ["PLAIN"], "change", "B", "B"],
  ["configure", "free", "bare", ["LOUD"], "media:0 ro:1 change:1", "M L L", "S M M"],
  ["configure", "free", "bare", ["MUTE", "TABLE"], "", "", ""],
  ["configure", "free", "bare", ["ONE"], "change:1", "L", "M"],

  ["configure and scan", "free", "full", ["PLAIN"],
    "change change add1 add2 add3", "B B B B B", "B B B B B"],
  ["configure and scan", "free", "full", ["LOUD"],
    "media:0 change:1 change:1 add1:1 add2:1 add3:1", "M L L L L L", "S M M M M M"],
  ["configure and scan", "free", "full", ["MUTE"], "", "", ""],
  ["configure and scan", "free", "full", ["TABLE"],
    "change:1 add1:1 add2:1 add3:1", "L L L L", "M M M M"],
  ["configure and scan", "free", "full", ["ONE"],
    "change:1 change:1 add1:1 add2:1 add3:1", "L L L L L", "M M M M M"],

  ["configure and scan, no table", "free", "bare", ["PLAIN"], "change", "B", "B"],
  ["configure and scan, no table", "free", "bare", ["LOUD"],
    "media:0 ro:1 change:1", "M L L", "S M M"],
  ["configure and scan, no table", "free", "bare", ["MUTE", "TABLE"], "", "", ""],
  ["configure and scan, no table", "free", "bare", ["ONE"], "change:1", "L", "M"],

  ["scan", "bare", "full", ["PLAIN"], "change add1 add2 add3", "B B B B", "B B B B"],
  ["scan", "bare", "full", proven, "change:1 add1:1 add2:1 add3:1", "L L L L", "M M M M"],
  ["scan, no table", "bare", "bare", all, "", "", ""],

  ["detach with partitions", "full", "over", ["PLAIN"],
    "change remove1 remove2 remove3", "B B B B", "B B B B"],
  ["detach with partitions", "full", "over", proven,
    "change:1 media:1 remove1:2 remove2:2 remove3:2", "L L L L L", "M M E E E"],
  ["detach", "bare", "over", ["PLAIN"], "change", "B", "B"],
  ["detach", "bare", "over", proven, "change:1 media:1", "L L", "M M"],

  ["change the file", "full", "other", ["PLAIN"],
    "remove1 remove2 remove3 change add1 add2", "B B B B B B", "B B B B B B"],
  ["change the file", "full", "other", ["LOUD"],
    "media:1 remove1:2 remove2:2 remove3:2 change:2 add1:2 add2:2",
    "L L L L L L L", "M E E E L L L"],
  ["change the file", "full", "other", ["MUTE", "TABLE"],
    "remove1:2 remove2:2 remove3:2", "L L L", "E E E"],
  ["change the file", "full", "other", ["ONE"],
    "remove1:2 remove2:2 remove3:2 change:2 add1:2 add2:2 change:2",
    "L L L L L L L", "E E E L L L L"],

  ["add the device", "none", "free", ["PLAIN"], "add", "B", "B"],
  ["add the device", "none", "free", proven, "add:0", "M", "S"],
  ["remove the device", "over", "none", ["PLAIN"], "remove", "B", "B"],
  ["remove the device", "over", "none", proven, "remove:2", "L", "L"],

  // An opener between configure and scan: the partitions flap, all with one number.
  ["configure, raced", "free", "full", ["ONE"],
    "change:1 change:1 add1:1 add2:1 add3:1 remove1:1 " +
    "remove2:1 remove3:1 change:1 add1:1 add2:1 add3:1",
    "L L L L L L L L L L L L", "M M M M M M M M M M M M"],
];

const letters: ReadonlyMap<string, readonly [verdict: Verdict, marks: number]> = new Map([
  ["S", [Verdict.Stale, 0]],
  ["M", [Verdict.Mine, 0]],
  ["E", [Verdict.Mine, Mark.Ends]],
  ["L", [Verdict.Later, 0]],
  ["B", [Verdict.BestEffort, 0]],
]);

const device = "loop300";
const mask = 0b1110n;

/** A device in one regime, on both builds; D0 is the diskseq that 0 stands for. */
class Life {
  readonly stage: Stage;
  readonly regime: Regime;
  /** by so much the diskseq rises from one to the next */
  readonly #rise: bigint;
  #seqnum = 100n;

  static async begin(regime: Regime, rise = 3n): Promise<Life> {
    return new Life(
      new Stage(await openBoth({ operations: 1, partitions: 8, watches: 8 })),
      regime,
      rise,
    );
  }

  private constructor(stage: Stage, regime: Regime, rise: bigint) {
    this.stage = stage;
    this.regime = regime;
    this.#rise = rise;
  }

  diskseq(number: number): bigint {
    return this.regime === "PLAIN" ? 0n : 40n + BigInt(number) * this.#rise;
  }

  show(name: State): void {
    const state = states[name];
    if (!state) this.stage.disks.delete(device);
    else this.stage.disks.set(device, { ...state, diskseq: this.diskseq(state.diskseq) } as Shown);
  }

  /** Of an instance; where its diskseq proves nothing, by name. */
  open(command: Command.Wait | Command.Watch, number: number, rest: Partial<CoreCommand> = {}) {
    const diskseq = this.isProven ? this.diskseq(number) : 0n;
    const flags = (rest.flags ?? 0) | (this.isProven ? 0 : CommandFlag.BestEffort);
    return this.stage.open(command, device, { diskseq, ...rest, flags });
  }

  get isProven(): boolean {
    return this.regime !== "PLAIN" && this.#rise !== 0n;
  }

  /** Hands an event in; what it is to each of the watches. */
  hear(text: string, watches: readonly Watched[]): string {
    const [, word = "", partition = "0", number] = /^([a-z]+)(\d*)(?::(\d))?$/.exec(text) ?? [];
    const action = word === "media" || word === "ro" ? "change" : word;
    const extra = word === "media" ? ["DISK_MEDIA_CHANGE=1"] : word === "ro" ? ["DISK_RO=0"] : [];
    const diskseq = number === undefined ? undefined : this.diskseq(Number(number));
    this.#seqnum += 1n;
    const said = { action, partition: Number(partition), diskseq, extra, seqnum: this.#seqnum };
    const { fault, told } = this.stage.hear(kernelMessage(loopProperties(said)));
    assert.is(fault, Fault.Ok, text);
    return watches
      .map(({ number: watch }) => {
        const { verdict, marks = 0 } = told.get(watch) ?? {};
        const own = marks & ~(Mark.MediaChange | Mark.First);
        assert.is((marks & Mark.MediaChange) !== 0, word === "media", text);
        return [...letters].find(([, [one, mark]]) => one === verdict && mark === own)?.[0] ?? "?";
      })
      .join("");
  }
}

for (const [operation, from, to, regimes, events, toFirst, toSecond] of table) {
  for (const regime of regimes) {
    test(`${regime}: ${operation}`, async () => {
      const life = await Life.begin(regime);
      life.show(from);
      const first = life.open(Command.Watch, 0);
      const before = from === "bare" || from === "full" ? [life.open(Command.Watch, 1)] : [];
      life.show(to);
      // Of an attach, somebody may ask only when its number is known.
      const second = before[0] ?? life.open(Command.Watch, 1);
      const verdicts = events
        .split(" ")
        .filter(Boolean)
        .map((text) => life.hear(text, [first, second]));
      assert.is(verdicts.map(([one]) => one).join(" "), toFirst, `${events} to the one before`);
      assert.is(verdicts.map(([, one]) => one).join(" "), toSecond, `${events} to the instance`);
    });
    test(`${regime}: ${operation}, of a diskseq that does not rise`, async () => {
      const life = await Life.begin(regime, 0n);
      life.show(from);
      const watches = [life.open(Command.Watch, 1), life.open(Command.Watch, 1, { diskseq: 40n })];
      life.show(to);
      for (const text of events.split(" ").filter(Boolean))
        assert.is(life.hear(text, watches), "BB", text);
    });
  }
}

test("each regime has a row for every operation", () => {
  const operations = new Set(table.map(([operation]) => operation));
  operations.delete("configure, raced");
  for (const operation of operations) {
    const regimes = table.flatMap((row) => (row[0] === operation ? row[3] : []));
    assert.equal([...regimes].sort(), [...all].sort(), operation);
  }
});

/** Its `WaitResult`; undefined while it waits. */
const codeOf = ({ ended }: Watched): number | undefined => ended?.code;

function eventsOf(regime: Regime, operation: string): string[] {
  const row = table.find((one) => one[0] === operation && one[3].includes(regime));
  assert.ok(row, `${regime} has no ${operation}`);
  return row[4].split(" ").filter(Boolean);
}

for (const regime of all) {
  for (const rise of regime === "PLAIN" ? [0n] : [3n, 0n]) {
    const title = rise === 0n && regime !== "PLAIN" ? `${regime}, diskseq does not rise` : regime;
    test(`${title}: a wait is ready with its partitions, gone with the detach`, async () => {
      const life = await Life.begin(regime, rise);
      life.show("free");
      const ready = life.open(Command.Wait, 1, { partitionMask: mask });
      assert.is(codeOf(ready), undefined, "ready of what is not there");
      life.show("full");
      for (const text of eventsOf(regime, "configure and scan")) life.hear(text, []);
      // Where no event tells, a look from time to time does.
      assert.is(codeOf(ready) === undefined, regime === "MUTE");
      if (regime === "MUTE") assert.ok(life.stage.wake());
      assert.equal(ready.ended?.event, Event.Waited);
      assert.equal([ready.ended?.code, ready.ended?.partitions], [WaitResult.Ready, mask]);

      const removed = life.open(Command.Wait, 1, { flags: CommandFlag.Removed });
      const never = life.open(Command.Wait, 1, { partitionMask: 1n << 9n });
      assert.equal([codeOf(removed), codeOf(never)], [undefined, undefined]);
      life.show("over");
      for (const text of eventsOf(regime, "detach with partitions")) life.hear(text, []);
      assert.equal([codeOf(removed), codeOf(never)], [WaitResult.Gone, WaitResult.Gone]);
    });

    test(`${title}: without a single event a few looks end the same waits`, async () => {
      const life = await Life.begin(regime, rise);
      life.show("free");
      const ready = life.open(Command.Wait, 1, { partitionMask: mask });
      for (let looks = 0; looks < 12; looks++) assert.ok(life.stage.wake());
      assert.is(codeOf(ready), undefined);
      life.show("full");
      assert.ok(life.stage.wake());
      assert.is(codeOf(ready), WaitResult.Ready);
      const never = life.open(Command.Wait, 1, { partitionMask: 1n << 9n });
      assert.ok(life.stage.wake());
      assert.is(codeOf(never), undefined);
      life.show("over");
      assert.ok(life.stage.wake());
      assert.is(codeOf(never), WaitResult.Gone);
      assert.not.ok(life.stage.wake(), "nobody waits, and something is due");
    });
  }
}

test("LOUD: its events come before it is bound, and end nothing", async () => {
  const life = await Life.begin("LOUD");
  life.show("free");
  const ready = life.open(Command.Wait, 1);
  for (const text of eventsOf("LOUD", "configure")) life.hear(text, []);
  assert.is(codeOf(ready), undefined);
  life.show("bare");
  assert.ok(life.stage.wake());
  assert.is(codeOf(ready), WaitResult.Ready);
});

test("another instance of the same name ends a wait as superseded", async () => {
  const life = await Life.begin("ONE");
  life.show("full");
  const never = life.open(Command.Wait, 1, { partitionMask: 1n << 9n });
  life.show("other");
  life.hear("change:2", []);
  assert.equal([never.ended?.code, never.ended?.current], [WaitResult.Superseded, life.diskseq(2)]);
});

test.run();
