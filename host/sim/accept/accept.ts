/**
 * Whether the simulated kernel could have answered what a trace of ours says a kernel answered.
 *
 * The model is given the same calls in the same order. Where it answers otherwise, or an event is
 * another, something happened that is in no trace: a call took effect before its answer was read,
 * or somebody else did something. So a place shortly before is looked for at which such a deed
 * makes the trace go on; the branch that came furthest is tried first. All of it is bounded: a
 * trace that is not accepted by then is refused, with what was recorded and what the model says.
 */
import { Limit } from "../../../assembly/abi.ts";
import type { CallTrace } from "../../call-trace.ts";
import { LoopError } from "../../errors.ts";
import { type Model, type ModelOptions, parseVersion } from "../model.ts";
import { Branch } from "./branch.ts";
import { TracedImages } from "./images.ts";
import { Outlook } from "./outlook.ts";
import { Outsiders, theirs } from "./outsiders.ts";
import { Performer } from "./performer.ts";
import { type Parting, Player } from "./player.ts";

export interface Acceptance {
  readonly version: string;
  /** false: only as a kernel without partition parsers */
  readonly hasParsers: boolean;
  readonly calls: number;
  readonly events: number;
  /** what others must have done, in words, in order */
  readonly deeds: readonly string[];
  /** what was passed over, how often, by its reason */
  readonly unjudged: Readonly<Record<string, number>>;
  /** why nothing at all can be judged */
  readonly unfit: string | undefined;
  readonly refusal: Refusal | undefined;
}

/** What trace and model disagree about, as far as any way through the trace came. */
export type Refusal = Omit<Parting, "number">;

export interface AcceptOptions {
  /** of the model; default: the one that the trace names */
  readonly version?: string | undefined;
  /** makes the model */
  readonly load: (options: ModelOptions) => Model;
}

/** Records before the parting at which somebody may have done something. */
const window = 48;
/** Choice points of a call under way. */
const stepsMax = 40;
/** Branches that are tried for one trace. */
const triesMax = 3000;
/** Deeds in a row that bring nothing yet. */
const idleMax = 2;
/** Room for devices. */
const loopsMax = 64;
const lowMax = 48;

/** A branch that parts from the trace, and the places before at which another one may begin. */
interface Ended {
  readonly parting: Parting;
  readonly index: number;
  readonly places: readonly Branch[];
  readonly idle: number;
  readonly deeds: number;
  /** those that begin there, and how they end */
  readonly others: Iterator<Ended>;
}

/** Compares a trace with the model, up to the first difference that nobody's deed explains. */
export function acceptTrace(trace: CallTrace, options: AcceptOptions): Acceptance {
  const version = options.version ?? versionIn(trace);
  parseVersion(version);
  const { calls, events } = countsOf(trace);
  const none = { version, hasParsers: true, calls, events, deeds: [], unjudged: {} };
  const outlook = new Outlook(trace.records);
  const many = loopsFor(outlook) > loopsMax ? "it is about too many devices" : undefined;
  const unfit = trace.unfit ?? many;
  if (unfit !== undefined) return { ...none, unfit, refusal: undefined };
  const searches = [];
  for (const hasParsers of [true, false]) {
    const search = new Search(outlook, options.load(optionsFor(outlook, version, hasParsers)));
    const reached = search.begin();
    searches.push({ search, hasParsers, reached });
    if (reached === trace.records.length) break;
  }
  // The way without a deed mostly tells which of the two it was.
  searches.sort((a, b) => b.reached - a.reached);
  let best: Acceptance | undefined;
  for (const { search, hasParsers } of searches) {
    const ended = search.run();
    best ??= { ...none, hasParsers, unfit, ...ended };
    if (ended.refusal === undefined) return { ...none, hasParsers, unfit, ...ended };
  }
  return best ?? { ...none, unfit, refusal: undefined };
}

/** A release of a distribution has a number of its own behind the series'. */
function versionIn({ kernel, build }: CallTrace): string {
  const [, version, rest = ""] = /^(?:simulated )?linux (\d+\.\d+\.\d+)(.*)/.exec(kernel) ?? [];
  const isOwn = version?.endsWith(".0") && /^-\d/.test(rest);
  const found = isOwn ? /Debian (\d+\.\d+\.\d+)/.exec(build)?.[1] : version;
  if (found !== undefined) return found;
  throw new LoopError("ERR_LOOP_ARGUMENT", `"${kernel}" is no version of Linux: name one`);
}

function countsOf({ records }: CallTrace) {
  const count = (kind: string) => records.filter((record) => record.kind === kind).length;
  return { calls: count("completion"), events: count("datagram") };
}

function optionsFor(outlook: Outlook, version: string, parsers: boolean): ModelOptions {
  return {
    version,
    loops: loopsFor(outlook),
    partitions: Math.min(255, outlook.partitionsMax + 16),
    files: 96,
    tasks: 24,
    sockets: 1,
    queue: 255,
    processes: 3,
    images: [],
    imagesMax: outlook.images.length + 2,
    maxLoop: 0,
    maxPart: 0,
    parsers,
    diskseq: 0,
    buffersBytes: Limit.BufferBytes,
  };
}

/** Of low numbers those below are there, too. */
function loopsFor({ numbers }: Outlook): number {
  const low = [...numbers].filter((number) => number < lowMax);
  return Math.max(0, ...low) + 2 + numbers.size - low.length;
}

class Search {
  readonly #outlook: Outlook;
  readonly #model: Model;
  readonly #outsiders: Outsiders;
  readonly #performer: Performer;
  readonly #player: Player;
  readonly #seen = new Set<string>();
  #tries = 0;
  /** the first is to be tried next */
  readonly #open: Ended[] = [];
  #furthest: Ended | undefined;
  #accepted: Branch | undefined;

  constructor(outlook: Outlook, model: Model) {
    this.#outlook = outlook;
    this.#model = model;
    const images = new TracedImages(model, outlook, outlook.partitionsMax + 16);
    this.#outsiders = new Outsiders(model, outlook, images);
    this.#performer = new Performer(model, outlook, images, this.#outsiders);
    this.#player = new Player(model, outlook, this.#performer);
  }

  /** Goes the way on which nobody did anything; how many records that is. */
  begin(): number {
    const ended = this.#follow(new Branch(this.#model.state.slice()), 0, -1);
    if (ended !== undefined) this.#open.push(ended);
    this.#furthest = ended;
    return ended?.index ?? this.#outlook.records.length;
  }

  /** Looks for a way to the end, the branch that came furthest first. */
  run(): Pick<Acceptance, "deeds" | "unjudged" | "refusal"> {
    const open = this.#open;
    for (let [best] = open; best !== undefined && !this.#accepted; [best] = open) {
      const { done, value } = best.others.next();
      if (done) {
        open.splice(open.indexOf(best), 1);
        continue;
      }
      if (this.#furthest === undefined || value.index > this.#furthest.index) {
        this.#furthest = value;
      }
      const at = open.findIndex((one) => isBefore(value, one));
      open.splice(at < 0 ? open.length : at, 0, value);
    }
    const { deeds = [], unjudged = new Map<string, number>() } = this.#accepted ?? {};
    const passedOver = Object.fromEntries(unjudged);
    const parting = this.#accepted === undefined ? this.#furthest?.parting : undefined;
    return { deeds, unjudged: passedOver, refusal: parting && refusalOf(parting) };
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
      const { index, deeds } = branch;
      const ended = { parting, index, places, idle: index > from ? 0 : idle + 1 };
      const others = this.#others(ended);
      return { ...ended, deeds: deeds.length, others };
    }
    this.#accepted = branch;
    return undefined;
  }

  /** Branches that begin where one that parted was, with something that it had not. */
  *#others(from: Omit<Ended, "others" | "deeds">): Generator<Ended> {
    if (from.idle > idleMax) return;
    for (const branch of this.#candidates(from)) {
      if (++this.#tries > triesMax) return;
      const key = branch.key();
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const ended = this.#follow(branch, from.idle, from.index);
      if (this.#accepted) return;
      if (ended !== undefined && ended.index >= from.index) yield ended;
    }
  }

  /** A call that went ahead, then somebody's deed, then both; the latest places first. */
  *#candidates({ places, parting }: Pick<Ended, "places" | "parting">): Generator<Branch> {
    const latest = places.toReversed();
    for (const place of latest) yield* this.#ahead(place);
    for (const place of latest) yield* this.#withDeed(place, parting);
    for (const place of latest) {
      for (const ahead of this.#ahead(place)) yield* this.#withDeed(ahead, parting);
    }
    for (const place of latest) yield* this.#withoutUs(place, parting);
  }

  /** A branch on which a device of which we have let go is another's from here on. */
  *#withoutUs(place: Branch, { number }: Parting): Generator<Branch> {
    this.#model.state.set(place.state);
    if (number < 0 || !this.#performer.isOver(place, number)) return;
    const branch = place.copy();
    const { name, act } = theirs(number);
    if (!act(branch)) return;
    branch.tell(name);
    yield branch;
  }

  /** A branch and what somebody can do there. */
  *#withDeed(place: Branch, { number }: Parting): Generator<Branch> {
    if (number < 0) return;
    this.#model.state.set(place.state);
    for (const deed of this.#outsiders.deeds(place, number)) {
      const branch = place.copy();
      this.#model.state.set(branch.state);
      this.#player.glimpse(branch);
      if (!deed.act(branch)) continue;
      this.#player.hear(branch);
      branch.tell(deed.name);
      branch.state = this.#model.state.slice();
      yield branch;
    }
  }

  /** A place with each call that is out taken so far. */
  *#ahead(place: Branch): Generator<Branch> {
    for (const ticket of place.pending.keys()) {
      for (let steps = 1; steps <= stepsMax; steps++) {
        const branch = place.copy();
        this.#model.state.set(branch.state);
        this.#player.glimpse(branch);
        if (!this.#player.advance(branch, ticket, steps)) break;
        branch.state = this.#model.state.slice();
        yield branch;
      }
    }
  }
}

/** Whether one is to be tried before another. */
function isBefore(one: Ended, other: Ended): boolean {
  if (one.index !== other.index) return one.index > other.index;
  return one.idle !== other.idle ? one.idle < other.idle : one.deeds < other.deeds;
}

function refusalOf({ line, what, recorded, model }: Parting): Refusal {
  return { line, what, recorded, model };
}
