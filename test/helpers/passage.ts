/**
 * Takes a recorded stream through the ordering machine, in file order, with the oracle beside it:
 * one subscription to all disks from the start, one to each instance from where the trace shows it,
 * and three waits for each. Every event is judged by both, for every subscription.
 */
import * as assert from "uvu/assert";
import {
  Command,
  CommandFlag,
  Event,
  Fault,
  Group,
  Mark,
  Verdict,
  WaitResult,
} from "../../assembly/abi.ts";
import type { CoreUevent } from "../../host/core.ts";
import { InstanceJudge, type Judgement, NewestJudge, type Shown } from "./judge.ts";
import { isSaid } from "./naive-uevent.ts";
import type { Stage, Watched } from "./stage.ts";
import type { Entry, Instance, Message } from "./traces.ts";

/** More timeouts than a disk is looked at while one state lasts. */
const wakesMax = 4;
/** A partition that no trace has. */
const neverNumber = 77;

/** An instance with what was opened for it. */
interface Followed {
  readonly instance: Instance;
  readonly judge: InstanceJudge;
  readonly watch: Watched;
  readonly waits: { readonly ready: Watched; readonly removed: Watched; readonly never: Watched };
}

/** How the waits of an instance ended. */
export interface Outcome {
  readonly diskseq: bigint;
  readonly ready: string;
  readonly removed: string;
  readonly never: string;
}

/** What a passage knows of the stream behind it. */
export interface Past {
  readonly newest: NewestJudge;
  readonly highest: ReadonlyMap<Group, bigint>;
  readonly general: Watched;
  readonly shown: Shown | undefined;
}

export class Passage {
  readonly stage: Stage;
  /** what each message was to each instance, by its diskseq */
  readonly verdicts = new Map<Message, Map<bigint, Judgement>>();
  readonly #device: string;
  readonly #general: Watched;
  readonly #newest: NewestJudge;
  readonly #highest: Map<Group, bigint>;
  readonly #instances = new Map<Entry, Instance>();
  readonly #followed: Followed[] = [];
  readonly #judges: InstanceJudge[] = [];
  #shown: Shown | undefined;

  /** `past`: of a passage whose cores these are. */
  constructor(stage: Stage, device: string, past?: Past) {
    this.stage = stage;
    this.#device = device;
    this.#newest = past ? past.newest.copy() : new NewestJudge();
    this.#highest = new Map(past?.highest);
    this.#show(past?.shown);
    this.#general = past
      ? stage.adopt({ ...past.general, ended: undefined })
      : stage.open(Command.Watch, "", { flags: CommandFlag.Udev });
    stage.onLooked = (name, shown, isLossy) => {
      if (!shown) return;
      this.#newest.looked(name, shown, isLossy);
      for (const judge of this.#judges) judge.looked(shown, isLossy);
    };
  }

  /** What comes after may begin here. */
  past(): Past {
    const [general, shown] = [this.#general, this.#shown];
    return { newest: this.#newest.copy(), highest: new Map(this.#highest), general, shown };
  }

  /** The instances that are to be followed when their entries come. */
  follow(instances: readonly Instance[], entries: readonly Entry[]): void {
    for (const instance of instances) {
      const entry = entries[instance.from];
      assert.ok(entry);
      this.#instances.set(entry, instance);
    }
  }

  /** A state, or an overrun of the kernel's group after the last event. */
  pass(entry: Entry): void {
    if (entry.kind === "message") this.hear(entry.message);
    else if (entry.kind === "overrun") this.lose(Group.Kernel, 0);
    else this.#show(entry.shown);
    const instance = this.#instances.get(entry);
    if (instance) this.#follow(instance);
  }

  #show(shown: Shown | undefined): void {
    this.#shown = shown;
    if (shown) this.stage.disks.set(this.#device, shown);
    else this.stage.disks.delete(this.#device);
  }

  #follow(instance: Instance): void {
    const { diskseq, partitions } = instance;
    const isBestEffort = diskseq === 0n;
    const flags = isBestEffort ? CommandFlag.BestEffort : 0;
    const wait = (numbers: readonly number[], more = 0) =>
      this.stage.open(Command.Wait, this.#device, {
        diskseq,
        flags: flags | more,
        partitionMask: numbers.reduce((mask, number) => mask | (1n << BigInt(number)), 0n),
      });
    const judge = new InstanceJudge(diskseq);
    // Its look comes at once, and must find the judge there.
    this.#judges.push(judge);
    const watchFlags = flags | CommandFlag.Udev;
    const watch = this.stage.open(Command.Watch, this.#device, { diskseq, flags: watchFlags });
    const ready = wait(partitions);
    const removed = wait([], CommandFlag.Removed);
    const never = wait([...partitions, neverNumber]);
    this.#followed.push({ instance, judge, watch, waits: { ready, removed, never } });
  }

  /** Hands a message in; the machine must say of it what the oracle says. */
  hear(message: Message): void {
    const { datagram, facts, line } = message;
    const { group, marks } = this.#common(message);
    // First: the looks that it wakes come after it.
    const newest = this.#newest.judge(group, facts);
    const isOfDevice = facts.disk === this.#device;
    const judgements = this.#followed.map(({ instance, judge }) =>
      instance.diskseq === 0n || !isOfDevice ? newest : judge.judge(group, facts),
    );
    const { fault, told } = this.stage.hear(datagram);
    assert.is(fault, Fault.Ok, `line ${line}: ${Fault[fault]}`);
    assert.is(told.size, 1 + (isOfDevice ? this.#followed.length : 0), `line ${line}`);
    const expect = ({ number }: Watched, judgement: Judgement) => {
      const uevent = told.get(number);
      assert.ok(uevent, `line ${line}: not told`);
      expectWords(uevent, message, judgement.verdict, judgement.marks | marks);
    };
    expect(this.#general, newest);
    const verdicts = new Map<bigint, Judgement>();
    for (const [index, { instance, watch }] of this.#followed.entries()) {
      if (!isOfDevice) break;
      const judgement = judgements[index] ?? newest;
      expect(watch, judgement);
      verdicts.set(instance.diskseq, judgement);
    }
    this.verdicts.set(message, verdicts);
  }

  #common({ datagram, facts }: Message): { group: Group; marks: number } {
    const group = datagram.group as Group;
    const highest = this.#highest.get(group) ?? 0n;
    let marks = facts.seqnum < highest ? Mark.OutOfOrder : 0;
    if (facts.seqnum > highest) this.#highest.set(group, facts.seqnum);
    if (facts.isMediaChange) marks |= Mark.MediaChange;
    if (facts.isSynthetic) marks |= Mark.Synthetic;
    return { group, marks };
  }

  /** Hands in again what was handed in: refused, told to nobody, forgotten. */
  hearAgain(message: Message): void {
    const { fault, told } = this.stage.hear(message.datagram);
    assert.is(fault, Fault.Duplicate, `line ${message.line}`);
    assert.is(told.size, 0, `line ${message.line}: a duplicate was told`);
  }

  /** Events were lost: every subscription is told so, with the one before them. */
  lose(group: Group, count: number): void {
    const watches = [this.#general, ...this.#followed.map(({ watch }) => watch)];
    const events = this.stage.lose(group, count);
    const told = new Set(events.map(({ operation }) => operation));
    assert.is(told.size, events.length, "a loss was told twice");
    assert.equal(told, new Set(watches.map(({ number }) => number)));
    for (const { code, detail, detail2 } of events) {
      const before = this.#highest.get(group) ?? 0n;
      assert.equal([code, detail, detail2], [group, BigInt(count), before]);
    }
  }

  /** Time passes until whoever waits has had this state looked at. */
  look(): void {
    if (this.stage.timeoutAt !== 0n) this.stage.wake();
  }

  /** Lets every wait end: a few timeouts after the last state are enough. */
  finish(): Outcome[] {
    for (let wakes = 0; this.stage.timeoutAt !== 0n; wakes++) {
      assert.ok(wakes < wakesMax, "somebody waits for ever");
      this.stage.wake();
    }
    return this.#followed.map(({ instance, waits }) => ({
      diskseq: instance.diskseq,
      ready: endOf(waits.ready),
      removed: endOf(waits.removed),
      never: endOf(waits.never),
    }));
  }
}

function endOf({ number, ended }: Watched): string {
  assert.ok(ended, `wait ${number} hangs`);
  assert.is(ended.event, Event.Waited);
  return WaitResult[ended.code] ?? "?";
}

/** A told event, against its datagram and the oracle. */
function expectWords(uevent: CoreUevent, message: Message, verdict: Verdict, marks: number): void {
  const { datagram, facts, line } = message;
  const isSame = uevent.verdict === verdict && uevent.marks === marks;
  if (isSame && isSaid(uevent, datagram, facts)) return;
  const { action, deviceType, partition, seqnum, diskseq, major, minor } = facts;
  const words = { action, deviceType, partition, seqnum, diskseq, major, minor };
  const wanted = { ...words, group: datagram.group, verdict, marks };
  const was = Object.fromEntries(
    Object.keys(wanted).map((key) => [key, uevent[key as keyof CoreUevent]]),
  );
  assert.equal(spell(was), spell(wanted), `line ${line}`);
  assert.unreachable(`line ${line}: where the datagram and its properties lie`);
}

function spell(words: object): string {
  return Object.entries(words)
    .map(([key, value]) => `${key}=${key === "verdict" ? Verdict[value as Verdict] : value}`)
    .join(" ");
}
