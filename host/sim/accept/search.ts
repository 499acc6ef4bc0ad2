/**
 * A way through a trace on which the simulated kernel answers what was recorded.
 *
 * The model is given the same calls in the same order. Where it answers otherwise, or an event is
 * another, something happened that is in no trace: a call took effect before its answer was read,
 * or somebody else did something. So a place shortly before is looked for at which such a deed
 * makes the trace go on. What came far with few deeds in vain is tried first, what was tried often
 * already later. All of it is bounded: a trace for which no way is found by then is refused, with
 * what was recorded and what the model says.
 */
import type { Model } from "../model.ts";
import { Branch } from "./branch.ts";
import { Deeds } from "./deeds.ts";
import type { Foresight } from "./foresight.ts";
import { TracedImages } from "./images.ts";
import type { Outlook } from "./outlook.ts";
import { handOver, Outsiders } from "./outsiders.ts";
import { Performer } from "./performer.ts";
import { type Parting, Player } from "./player.ts";

/** What trace and model disagree about, as far as any way through the trace came. */
export type Refusal = Omit<Parting, "number">;

/** How a search ended. */
export interface Ending {
  /** what others must have done, in words, in order */
  readonly deeds: readonly string[];
  /** what was passed over, how often, by its reason */
  readonly unjudged: Readonly<Record<string, number>>;
  readonly refusal: Refusal | undefined;
}

/** Records before the parting at which somebody may have done something. */
const window = 48;
/** Choice points of a call under way. */
const stepsMax = 40;
/** Branches that are tried until one comes further than all before. */
const triesMax = 2000;
/** The same, with those that are like one that was tried. */
const candidatesMax = 16_000;
/** Deeds in a row that bring nothing yet. */
const idleMax = 2;
/** A deed that brings nothing yet is as much against a branch as so many records less. */
const idleCost = 100;
/** And so are this many tries. */
const triesPerRecord = 8;
/** Records behind the furthest at which a branch is given up. */
const behindMax = 1000;

/** A branch that parts from the trace, and the places before at which another one may begin. */
interface Parted {
  readonly parting: Parting;
  readonly index: number;
  readonly places: readonly Branch[];
  readonly idle: number;
}

/** The same, and what was tried from there. */
interface Ended extends Parted {
  /** records less that weigh the same as the deeds in vain that led there */
  against: number;
  /** branches that were tried from there */
  tries: number;
  /** those that begin there, and how they end; undefined: no further */
  readonly others: Iterator<Ended | undefined>;
}

export class Search {
  readonly #outlook: Outlook;
  readonly #model: Model;
  readonly #deeds: Deeds;
  readonly #performer: Performer;
  readonly #player: Player;
  readonly #seen = new Set<string>();
  #candidates = 0;
  #open: Ended[] = [];
  #furthest: Ended | undefined;
  #accepted: Branch | undefined;

  constructor(outlook: Outlook, foresight: Foresight, model: Model) {
    this.#outlook = outlook;
    this.#model = model;
    const images = new TracedImages(model, outlook, outlook.partitionsMax + 16);
    const outsiders = new Outsiders(model, foresight, images);
    this.#deeds = new Deeds(model, outsiders);
    this.#performer = new Performer(model, outlook, foresight, images, outsiders);
    this.#player = new Player(model, outlook, this.#performer);
  }

  /** Goes the way on which nobody did anything; how many records that is. */
  begin(): number {
    const ended = this.#follow(new Branch(this.#model.state.slice()), 0, -1);
    if (ended !== undefined) this.#open.push(ended);
    this.#furthest = ended;
    return ended?.index ?? this.#outlook.records.length;
  }

  run(): Ending {
    let tries = 0;
    let next = this.#cheapest();
    while (next !== undefined && this.#accepted === undefined && tries < triesMax) {
      const { done, value } = next.others.next();
      tries += 1;
      next.tries += 1;
      if (done) {
        this.#open.splice(this.#open.indexOf(next), 1);
      } else if (value !== undefined) {
        if (value.idle > 0) value.against = next.against + next.tries / triesPerRecord + idleCost;
        this.#open.push(value);
        if (this.#isFurther(value)) tries = 0;
      }
      next = this.#cheapest();
    }
    const deeds = this.#accepted?.deeds ?? [];
    const passedOver = Object.fromEntries(this.#accepted?.unjudged ?? []);
    const parting = this.#accepted === undefined ? this.#furthest?.parting : undefined;
    return { deeds, unjudged: passedOver, refusal: parting && refusalOf(parting) };
  }

  /** Whether one came further than all before; then those that are far behind are given up. */
  #isFurther(ended: Ended): boolean {
    if (this.#furthest !== undefined && ended.index <= this.#furthest.index) return false;
    this.#furthest = ended;
    this.#candidates = 0;
    this.#open = this.#open.filter(({ index }) => index > ended.index - behindMax);
    return true;
  }

  /** The one with the least against it. */
  #cheapest(): Ended | undefined {
    let best: Ended | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const ended of this.#open) {
      const cost = ended.against - ended.index + ended.tries / triesPerRecord;
      if (cost >= least) continue;
      best = ended;
      least = cost;
    }
    return best;
  }

  /** Follows a branch to where it parts from the trace; undefined: it does nowhere. */
  #follow(branch: Branch, idle: number, from: number): Ended | undefined {
    const places: Branch[] = [];
    this.#model.state.set(branch.state);
    const { records } = this.#outlook;
    while (branch.index < records.length) {
      if (records[branch.index]?.kind !== "call") {
        branch.state = this.#model.state.slice();
        places.push(branch.copy());
        if (places.length > window) places.shift();
      }
      const parting = this.#player.take(branch);
      this.#player.hear(branch);
      if (parting === undefined) continue;
      const { index } = branch;
      const ended = { parting, index, places, idle: index > from ? 0 : idle + 1 };
      return { ...ended, against: 0, tries: 0, others: this.#others(ended) };
    }
    this.#accepted = branch;
    return undefined;
  }

  /** Branches that begin where one that parted was, with something that it had not. */
  *#others(from: Parted): Generator<Ended | undefined> {
    for (const branch of this.#anew(from)) {
      if (++this.#candidates > candidatesMax) return;
      const key = branch.key();
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const ended = this.#follow(branch, from.idle, from.index);
      const isOpen = ended !== undefined && ended.index >= from.index && ended.idle <= idleMax;
      yield isOpen ? ended : undefined;
    }
  }

  /**
   * A call that went ahead, then somebody's deed, whole or under way, then both; the latest places
   * first.
   */
  *#anew({ places, parting }: Parted): Generator<Branch> {
    const latest = places.toReversed();
    const { number } = parting;
    for (const place of latest) yield* this.#ahead(place);
    for (const place of latest) yield* this.#withDeed(place, number);
    for (const place of latest) yield* this.#withBegun(place, number);
    for (const place of latest) {
      for (const ahead of this.#ahead(place)) yield* this.#withDeed(ahead, number);
    }
    for (const place of latest) yield* this.#withoutUs(place, number);
  }

  /** A branch on which a device of which we have let go is another's from here on. */
  *#withoutUs(place: Branch, number: number): Generator<Branch> {
    this.#model.state.set(place.state);
    if (number < 0 || !this.#performer.isOver(place, number)) return;
    const branch = place.copy();
    handOver(branch, number);
    yield branch;
  }

  /** A branch and what somebody can do there. */
  *#withDeed(place: Branch, number: number): Generator<Branch> {
    if (number < 0) return;
    this.#model.state.set(place.state);
    for (const { name, act } of this.#deeds.of(place, number)) {
      const branch = this.#from(place);
      if (!act(branch)) continue;
      branch.tell(name);
      yield this.#left(branch);
    }
  }

  /** A branch and what somebody has begun there, each so far. */
  *#withBegun(place: Branch, number: number): Generator<Branch> {
    if (number < 0 || place.underway !== undefined) return;
    this.#model.state.set(place.state);
    for (const { name, begin } of this.#deeds.calls(place, number)) {
      for (let steps = 1; steps <= stepsMax; steps++) {
        const branch = this.#from(place);
        branch.underway = begin(branch);
        if (!this.#deeds.goOn(branch, steps) || branch.underway === undefined) break;
        branch.tell(name);
        yield this.#left(branch);
      }
    }
  }

  /** A place with each call that is out, of ours or of others, taken so far. */
  *#ahead(place: Branch): Generator<Branch> {
    for (const ticket of place.pending.keys()) {
      yield* this.#steps(place, (branch, steps) => this.#player.advance(branch, ticket, steps));
    }
    if (place.underway === undefined) return;
    yield* this.#steps(place, (branch, steps) => this.#deeds.goOn(branch, steps));
  }

  *#steps(place: Branch, go: (branch: Branch, steps: number) => boolean): Generator<Branch> {
    for (let steps = 1; steps <= stepsMax; steps++) {
      const branch = this.#from(place);
      if (!go(branch, steps)) break;
      yield this.#left(branch);
    }
  }

  /** A branch on which something happens at a place. */
  #from(place: Branch): Branch {
    const branch = place.copy();
    this.#model.state.set(branch.state);
    this.#player.glimpse(branch);
    return branch;
  }

  /** It has happened. */
  #left(branch: Branch): Branch {
    this.#player.hear(branch);
    branch.state = this.#model.state.slice();
    return branch;
  }
}

function refusalOf({ line, what, recorded, model }: Parting): Refusal {
  return { line, what, recorded, model };
}
