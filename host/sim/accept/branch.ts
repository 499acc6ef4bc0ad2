/**
 * One way in which the model may have come to where the trace is: the model's state, and what ties
 * it to the trace. A copy of it is a place to come back to.
 */
import { createHash } from "node:crypto";
import type { CoreCall } from "../../core-types.ts";
import type { Answer } from "./answers.ts";

/** A call that is made and not answered in the trace yet. */
export interface Pending {
  /** index of its record */
  readonly index: number;
  readonly words: CoreCall;
  /** its task in the model, -1: not begun, or done */
  readonly task: number;
  /** the model's answer, once there is one */
  readonly answer: Answer | undefined;
  /** of a close: what its descriptor was; another open may be given the number before the answer */
  readonly closes?: OpenFile | undefined;
  /** of a look at sysfs: what was there before what happened meanwhile */
  readonly earlier?: Answer | undefined;
}

/** A datagram of the model that the trace has not shown yet. */
export interface Owed {
  readonly number: number;
  readonly strings: readonly string[];
  /** the record at which the model sent it */
  readonly index: number;
}

/** A descriptor of the traced process. */
export interface OpenFile {
  /** of the model, -1: something that it has not */
  readonly file: number;
  /** the place of an image, -1: it is none */
  readonly image: number;
  /** of a loop device, -1: it is none */
  readonly number: number;
  /** the application had it open, nobody says for what */
  readonly isBorrowed?: boolean;
}

/** What somebody else has open: a file of the model. */
export interface Held {
  readonly number: number;
  readonly partition: number;
  readonly file: number;
}

/** A call of somebody else that has begun. */
export interface Underway {
  /** of the model */
  readonly task: number;
  /** what they do when it is answered */
  readonly end: (branch: Branch, result: number) => void;
}

/** A diskseq as recorded, and which one of the model it is. */
export interface Pair {
  readonly recorded: bigint;
  readonly model: bigint;
}

/** The last deed that was told, and those before it. */
interface Told {
  readonly deed: string;
  readonly before: Told | undefined;
}

/** Whose a device is: `followed` ones are judged; what others do with theirs is in no trace. */
export type Role = "followed" | "theirs";

export class Branch {
  /** of the next record */
  index = 0;
  state: Uint8Array;
  isSubscribed = false;
  /** by the recorded descriptor */
  files = new Map<number, OpenFile>();
  pending = new Map<number, Pending>();
  roles = new Map<number, Role>();
  /** by the number of the device */
  pairs = new Map<number, readonly Pair[]>();
  owed: readonly Owed[] = [];
  held: readonly Held[] = [];
  underway: Underway | undefined;
  /** datagrams that may still be missing, since so many were lost; < 0: before that was told */
  lost = 0;
  #told: Told | undefined;
  /** what was passed over, how often, by its reason */
  unjudged = new Map<string, number>();

  constructor(state: Uint8Array) {
    this.state = state;
  }

  copy(): Branch {
    const copy = new Branch(this.state);
    copy.index = this.index;
    copy.isSubscribed = this.isSubscribed;
    copy.files = new Map(this.files);
    copy.pending = new Map(this.pending);
    copy.roles = new Map(this.roles);
    copy.pairs = new Map(this.pairs);
    copy.owed = this.owed;
    copy.held = this.held;
    copy.underway = this.underway;
    copy.lost = this.lost;
    copy.#told = this.#told;
    copy.unjudged = new Map(this.unjudged);
    return copy;
  }

  /** Equal branches have equal keys. */
  key(): string {
    const rest = [
      ...[this.index, this.isSubscribed, this.lost, this.underway?.task, ...this.roles],
      ...[...this.files].map(([descriptor, { file }]) => [descriptor, file]),
      ...[...this.pending].map(([ticket, { task, answer, earlier }]) => [
        ...[ticket, task, answer?.result, earlier?.data],
      ]),
      ...this.owed.map(({ strings, index }) => [...strings, index]),
      ...this.held.map(({ number, partition, file }) => [number, partition, file]),
      ...[...this.pairs].flatMap(([number, pairs]) => [
        number,
        ...pairs.map(({ recorded, model }) => `${recorded}=${model}`),
      ]),
    ];
    return createHash("sha1").update(this.state).update(rest.join()).digest("base64");
  }

  /**
   * Whether two numbers can be one and the same instance of a device; that is remembered. Equal
   * stays equal, and higher stays higher.
   */
  pair(number: number, recorded: bigint, model: bigint): boolean {
    if (recorded === 0n || model === 0n) return recorded === model;
    if (!this.canPair(number, recorded, model)) return false;
    const known = this.pairs.get(number) ?? [];
    const isKnown = known.some((one) => one.recorded === recorded);
    if (!isKnown) this.pairs.set(number, [...known, { recorded, model }]);
    return true;
  }

  canPair(number: number, recorded: bigint, model: bigint): boolean {
    const known = this.pairs.get(number) ?? [];
    return known.every(
      (one) =>
        (recorded < one.recorded && model < one.model) ||
        (recorded === one.recorded && model === one.model) ||
        (recorded > one.recorded && model > one.model),
    );
  }

  passOver(reason: string): void {
    this.unjudged.set(reason, (this.unjudged.get(reason) ?? 0) + 1);
  }

  tell(deed: string): void {
    this.#told = { deed, before: this.#told };
  }

  /** What others did, in words, in order. */
  get deeds(): string[] {
    const deeds: string[] = [];
    for (let told = this.#told; told !== undefined; told = told.before) deeds.push(told.deed);
    return deeds.reverse();
  }
}
