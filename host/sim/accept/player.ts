/**
 * Takes a branch through the records of a trace: calls are made on the model, answers and datagrams
 * compared. Follows one way only, and says where it ends; what else could have happened is the
 * search's.
 */
import { Action, Call, Group } from "../../../assembly/abi.ts";
import { Ioctl } from "../../../assembly/wire/linux.ts";
import type { Completion, HeardDatagram } from "../../call-trace.ts";
import { syscallName } from "../../names.ts";
import { type Model, Step } from "../model.ts";
import { readEvents } from "../trace-compare.ts";
import { type Answer, saidIn } from "./answers.ts";
import type { Branch, Pending } from "./branch.ts";
import { askedIn, askedLike, diskseqOf, isSameEvent, nameOf, numberOfEvent } from "./events.ts";
import { countOf, type Outlook } from "./outlook.ts";
import { OBSERVER } from "./outsiders.ts";
import type { Performer } from "./performer.ts";

/** Where a branch and the trace part. */
export interface Parting {
  readonly line: number;
  /** e.g. `LOOP_CONFIGURE answers` */
  readonly what: string;
  readonly recorded: string;
  readonly model: string;
  /** the device that it is about, -1: none */
  readonly number: number;
}

const receiveBuffer = 1 << 28;
/** Records that can come between the reading of a number and the event that tells it. */
const overtakenMax = 32;

const searches: readonly Call[] = [Call.FindBacking, Call.FindUnbound];

export class Player {
  readonly #model: Model;
  readonly #outlook: Outlook;
  readonly #performer: Performer;
  readonly #socket: number;

  constructor(model: Model, outlook: Outlook, performer: Performer) {
    this.#model = model;
    this.#outlook = outlook;
    this.#performer = performer;
    this.#socket = model.openSocket(OBSERVER, Group.Kernel, receiveBuffer, true);
  }

  /** Takes the next record. The model is in the state of the branch, and is left in the next. */
  take(branch: Branch): Parting | undefined {
    const record = this.#outlook.records[branch.index];
    if (record === undefined) return undefined;
    let parting: Parting | undefined;
    switch (record.kind) {
      case "call": {
        const { words } = record;
        const made = { index: branch.index, words, task: -1, answer: undefined };
        const closes = words.call === Call.Close ? branch.files.get(words.descriptor) : undefined;
        if (closes !== undefined) branch.files.delete(words.descriptor);
        branch.pending.set(words.ticket, { ...made, closes });
        break;
      }
      case "completion":
        parting = this.#completion(branch, record);
        break;
      case "datagram":
        if (record.group === Group.Kernel) parting = this.#datagram(branch, record);
        else branch.passOver("udev's datagrams");
        break;
      case "loss":
        if (record.group !== Group.Kernel) break;
        branch.lost += countOf(record);
    }
    if (parting === undefined) branch.index += 1;
    return parting;
  }

  /** Runs a call that is out so many steps; false: it has not so many, or waits. */
  advance(branch: Branch, ticket: number, steps: number): boolean {
    let pending = branch.pending.get(ticket);
    if (pending === undefined || pending.answer !== undefined) return false;
    if (pending.task < 0) {
      const begun = this.#begin(branch, pending);
      if (typeof begun === "string") return false;
      pending = begun;
    }
    for (let step = 0; step < steps; step++) {
      const ran = this.#model.stepCall(pending.task);
      if (ran === Step.Blocked || (ran === Step.Done && step + 1 < steps)) return false;
      if (ran === Step.Done) pending = this.#finish(branch, pending);
    }
    branch.pending.set(ticket, pending);
    this.hear(branch);
    return true;
  }

  /** Something happens now: a look at sysfs that ends next may have begun before it. */
  glimpse(branch: Branch): void {
    const next = this.#outlook.records[branch.index];
    const pending = next?.kind === "completion" ? branch.pending.get(next.ticket) : undefined;
    if (pending === undefined || pending.answer !== undefined) return;
    if (pending.words.call !== Call.ReadDisk && pending.words.call !== Call.ListPartitions) return;
    if (branch.roles.get(this.#outlook.numberOf(pending.index)) !== "followed") return;
    const task = this.#performer.begin(branch, pending);
    const earlier = this.#performer.finish({ ...pending, task });
    branch.pending.set(pending.words.ticket, { ...pending, earlier });
  }

  /** Notes what the model has sent. */
  hear(branch: Branch): void {
    for (const strings of readEvents(this.#model, this.#socket)) {
      const number = numberOfEvent(strings);
      if (!branch.isSubscribed || branch.roles.get(number) !== "followed") continue;
      branch.owed = [...branch.owed, { number, strings, index: branch.index }];
    }
  }

  /* Calls. */

  /** Why the model cannot be given it, where it cannot. */
  #begin(branch: Branch, pending: Pending): Pending | string {
    this.hear(branch);
    const reason = this.#performer.prepare(branch, pending);
    // How others had left a device is older than the trace.
    readEvents(this.#model, this.#socket);
    return reason ?? { ...pending, task: this.#performer.begin(branch, pending) };
  }

  #finish(branch: Branch, pending: Pending): Pending {
    const answer = this.#performer.finish(pending);
    this.hear(branch);
    return { ...pending, task: -1, answer };
  }

  /** Makes a call to its end: with its answer; why it cannot be made; undefined: it waits. */
  #answer(branch: Branch, pending: Pending): Pending | string | undefined {
    if (pending.answer !== undefined) return pending;
    const begun = pending.task < 0 ? this.#begin(branch, pending) : pending;
    if (typeof begun === "string") return begun;
    const isDone = this.#model.runCall(begun.task) === Step.Done;
    return isDone ? this.#finish(branch, begun) : undefined;
  }

  #completion(branch: Branch, recorded: Completion): Parting | undefined {
    const made = branch.pending.get(recorded.ticket);
    if (made === undefined) return undefined;
    const { words } = made;
    if (words.call === Call.Subscribe || words.call === Call.Unsubscribe) {
      this.#subscribe(branch, made, recorded);
      return undefined;
    }
    const answered = this.#answer(branch, made);
    if (typeof answered === "string") {
      branch.passOver(answered);
      this.#performer.passOver(branch, made, recorded);
      branch.pending.delete(recorded.ticket);
      return undefined;
    }
    if (answered?.answer === undefined) {
      this.hear(branch);
      return this.#part(made, recorded, undefined);
    }
    branch.pending.delete(recorded.ticket);
    return this.#compare(branch, made, recorded, answered.answer);
  }

  #compare(
    branch: Branch,
    made: Pending,
    recorded: Completion,
    answer: Answer,
  ): Parting | undefined {
    const isSame = this.#performer.isSame(branch, made, recorded, answer);
    if (!isSame) return this.#part(made, recorded, answer);
    this.#performer.settle(branch, made, recorded, answer);
    return undefined;
  }

  #part(made: Pending, recorded: Completion, model: Answer | undefined): Parting {
    const { line } = recorded;
    const { words } = made;
    const spell = (answer: Answer | undefined): string => {
      if (answer === undefined) return "it waits";
      const { text, diskseq } = saidIn(words, answer);
      return diskseq === 0n ? text : `${text}, diskseq ${diskseq}`;
    };
    const what = `${syscallName(words.call, words.request)} answers`;
    const isSearch = searches.includes(words.call) || words.request === Ioctl.LOOP_CTL_GET_FREE;
    const number = isSearch ? firstOf(recorded, model) : this.#outlook.numberOf(made.index);
    return { line, what, recorded: spell(recorded), model: spell(model), number };
  }

  #subscribe(branch: Branch, { words }: Pending, { ticket, result }: Completion): void {
    branch.pending.delete(ticket);
    if (words.number !== Group.Kernel || result < 0) return;
    branch.isSubscribed = words.call === Call.Subscribe;
    branch.owed = [];
    if (!branch.isSubscribed) return;
    // What others made of our devices while nobody listened.
    for (const [number, role] of branch.roles) {
      if (role === "followed") this.#performer.catchUp(branch, number);
    }
    readEvents(this.#model, this.#socket);
  }

  /* Datagrams. */

  #datagram(branch: Branch, recorded: HeardDatagram): Parting | undefined {
    const number = numberOfEvent(recorded.strings);
    const { line, strings } = recorded;
    if (branch.roles.get(number) !== "followed") this.#makeAhead(branch, number);
    if (branch.roles.get(number) !== "followed") {
      branch.passOver(number < 0 ? "events of other disks" : "events of devices of others");
    } else if (!this.#matches(branch, number, strings)) {
      const first = branch.owed.find((owed) => owed.number === number)?.strings;
      return parting(line, "the event", strings, first, number);
    }
    return this.#expectNone(branch, line);
  }

  /** A device of which something is heard was made by a call of ours that is still out. */
  #makeAhead(branch: Branch, number: number): void {
    for (const [ticket, pending] of branch.pending) {
      const { request } = pending.words;
      const makes = request === Ioctl.LOOP_CTL_ADD || request === Ioctl.LOOP_CTL_GET_FREE;
      if (!makes || this.#outlook.answerTo(pending.index)?.result !== number) continue;
      const answered = this.#answer(branch, pending);
      if (typeof answered === "object") branch.pending.set(ticket, answered);
    }
  }

  /** Takes the device's next event, or passes over one that is of no instance that is judged. */
  #matches(branch: Branch, number: number, strings: readonly string[]): boolean {
    const diskseq = diskseqOf(strings);
    const owed = branch.owed.filter((one) => one.number === number);
    const lost = branch.lost + this.#outlook.lostWith(branch.index);
    for (const [skipped, one] of owed.entries()) {
      if (skipped > lost) break;
      if (!isSameEvent(strings, one.strings)) continue;
      if (!branch.pair(number, diskseq, diskseqOf(one.strings))) continue;
      branch.lost -= skipped;
      const gone = new Set(owed.slice(0, skipped + 1));
      branch.owed = branch.owed.filter((left) => !gone.has(left));
      return true;
    }
    if (this.#isAskedFor(branch, number, strings)) return true;
    const pairs = branch.pairs.get(number) ?? [];
    if (diskseq !== 0n && pairs.length > 0 && pairs.every((one) => diskseq < one.recorded)) {
      branch.passOver("events of instances before");
      return true;
    }
    if (!this.#performer.isOver(branch, number) || owed.length > 0) return false;
    if (diskseq === 0n || pairs.some((one) => diskseq <= one.recorded)) return false;
    // Nobody of ours has it open, and it is bound no more: the next instance is another's.
    branch.roles.set(number, "theirs");
    branch.passOver("events of devices of others");
    return true;
  }

  /**
   * Whether somebody had the kernel tell an event, which any process may that may write to sysfs:
   * of the device as it is, or as it was before what is still owed.
   */
  #isAskedFor(branch: Branch, number: number, strings: readonly string[]): boolean {
    const asked = askedIn(strings);
    if (asked === undefined) return false;
    this.hear(branch);
    const { action, partition } = asked;
    const isThere = this.#model.trigger(number, partition, action) === 0;
    const [now] = readEvents(this.#model, this.#socket);
    const owed = branch.owed.filter((one) => one.number === number).map((one) => one.strings);
    const removed = owed.find((one) => one[0] === strings[0]?.replace(/^\w+/, "remove"));
    const was = removed && askedLike(removed, asked);
    const like = isThere ? now : was;
    if (like === undefined || !isSameEvent(strings, like)) return false;
    const instances = [...owed, like].map(diskseqOf);
    // Spelled before a change of the number that was sent before it.
    if (this.#isOfJustNow(branch, number, strings)) {
      instances.push(...(branch.pairs.get(number) ?? []).map(({ model }) => model));
    }
    if (!instances.some((one) => branch.pair(number, diskseqOf(strings), one))) return false;
    branch.tell(`${nameOf(number, partition)}: ${Action[action].toLowerCase()} told`);
    return true;
  }

  /** Whether a device had that number just before: senders are on several processors, and a
   *  sender reads the number before it takes a SEQNUM. */
  #isOfJustNow({ index }: Branch, number: number, strings: readonly string[]): boolean {
    const diskseq = diskseqOf(strings);
    return this.#outlook.records.slice(Math.max(0, index - overtakenMax), index).some((record) => {
      if (record.kind !== "datagram" || numberOfEvent(record.strings) !== number) return false;
      return diskseqOf(record.strings) === diskseq;
    });
  }

  /** What was sent before a socket was emptied was read by then. */
  #expectNone(branch: Branch, line: number): Parting | undefined {
    if (branch.lost + this.#outlook.lostWith(branch.index) > 0) return undefined;
    const since = this.#outlook.emptiedSince(branch.index);
    if (since === undefined) return undefined;
    const missing = branch.owed.find((owed) => owed.index < since);
    if (missing === undefined) return undefined;
    return parting(line, "by now the event", undefined, missing.strings, missing.number);
  }
}

/** Where another number is found it is about the lower one: one of both says that it is not so. */
function firstOf(...answers: readonly (Answer | undefined)[]): number {
  const found = answers.flatMap((answer) =>
    answer !== undefined && answer.result >= 0 ? [answer.result] : [],
  );
  return found.length === 0 ? -1 : Math.min(...found);
}

function parting(
  line: number,
  what: string,
  recorded: readonly string[] | undefined,
  model: readonly string[] | undefined,
  number: number,
): Parting {
  const spell = (strings: readonly string[] | undefined) => strings?.join(" ") ?? "none";
  return { line, what, recorded: spell(recorded), model: spell(model), number };
}
