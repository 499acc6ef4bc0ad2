/**
 * A trial as a host sees it: a core, a kernel, rivals, and every choice of who goes next. And the
 * search over all of them. Knows no command line and no words for what happens.
 */
import type { Partscan } from "../../../assembly/abi.ts";
import type { Control, Violation } from "../../../assembly/explore/words.ts";
import type { SimWorld } from "../world.ts";

/** The exports of explore.wasm beside those of world.wasm. */
export interface TrialEngine {
  startTrial(
    controls: number,
    partscan: number,
    isOneCall: number,
    deadlines: number,
    aborts: number,
    asks: number,
    awaitsUdev: number,
    rounds: number,
    lag: number,
    keepsAll: number,
  ): void;
  trialChoices(): number;
  trialChoice(index: number): number;
  trialCalm(): number;
  trialAct(deed: number): number;
  trialIsOver(): number | boolean;
  trialAtEnd(): number;
  trialHash(): number;
  trialMoved(): number | boolean;
  runWalk(seed: number, deeds: number, temper: number, isHashed: number): number;
  walkCount(): number;
  walkHealed(): number;
  walkDigest(): number;
  walkDeed(index: number): number;
  startSearch(shard: number, shards: number): void;
  runSearch(states: number): number | boolean;
  searchStates(): number;
  searchTransitions(): number;
  searchDepth(): number;
  searchWidest(): number;
  searchFrontier(): number;
  searchSize(): number;
  searchValues(part: number): number;
  violation(): number;
  violatedAt(): number;
  violatedBy(): number;
  parentOf(state: number): number;
  deedOf(state: number): number;
  soloOf(state: number): number;
  /** Gives back memory that is no longer used. */
  collect(): void;
}

export interface TrialOptions {
  /** what is turned off, `Control` bits */
  readonly controls: Control;
  readonly partscan: Partscan;
  /** the kernel makes the partitions in LOOP_CONFIGURE itself */
  readonly isOneCall: boolean;
  /** how often a deadline may strike, or the program give up */
  readonly deadlines: number;
  readonly aborts: number;
  /** how often udev may be asked while it is at work */
  readonly asks: number;
  /** wait for udev too */
  readonly udev: boolean;
  /** attaches, one after the other */
  readonly rounds: number;
  /** datagrams that may wait to be received before it is done, 0: any number */
  readonly lag: number;
  /** what is never read again is kept: the same goes on, in more states */
  readonly keepsAll?: boolean;
}

export interface Walked {
  readonly violation: Violation;
  /** deeds, and how many of them were by chance */
  readonly length: number;
  readonly healed: number;
  /** 30 bits of all states on the way, where it was asked for */
  readonly digest: number;
  deeds(): number[];
}

export interface Choices {
  readonly deeds: readonly number[];
  /** how many, the first ones, also happen when nobody disturbs */
  readonly calm: number;
}

export class SimTrial {
  readonly world: SimWorld;
  readonly #engine: TrialEngine;
  readonly #regions: () => { readonly told: DataView; readonly reached: Uint8Array };

  constructor(
    world: SimWorld,
    engine: TrialEngine,
    regions: () => { readonly told: DataView; readonly reached: Uint8Array },
  ) {
    this.world = world;
    this.#engine = engine;
    this.#regions = regions;
  }

  start(options: TrialOptions): void {
    const { controls, partscan, deadlines, aborts, asks, rounds, lag } = options;
    const faults = [deadlines, aborts, asks] as const;
    const once = options.isOneCall ? 1 : 0;
    const udev = options.udev ? 1 : 0;
    const keeps = options.keepsAll === true ? 1 : 0;
    this.#enter(() =>
      this.#engine.startTrial(controls, partscan, once, ...faults, udev, rounds, lag, keeps),
    );
  }

  get choices(): Choices {
    return this.#enter(() => {
      const count = this.#engine.trialChoices();
      const deeds = Array.from({ length: count }, (_, index) => this.#engine.trialChoice(index));
      return { deeds, calm: this.#engine.trialCalm() };
    });
  }

  act(deed: number): Violation {
    return this.#enter(() => this.#engine.trialAct(deed));
  }

  get isOver(): boolean {
    return Boolean(this.#enter(() => this.#engine.trialIsOver()));
  }

  /** What is violated when all is over. */
  get atEnd(): Violation {
    return this.#enter(() => this.#engine.trialAtEnd());
  }

  /** 30 bits of the whole state */
  get hash(): number {
    return this.#enter(() => this.#engine.trialHash());
  }

  /** What the last deed was, words as in `Told`. */
  get told(): DataView {
    return this.#regions().told;
  }

  /** What was reached so far, by the numbers of `Reached`. */
  get reached(): Uint8Array {
    return this.#regions().reached;
  }

  /** Whether the last deed changed anything. */
  get hasMoved(): boolean {
    return Boolean(this.#enter(() => this.#engine.trialMoved()));
  }

  /** So many deeds by chance, of `temper` all but one of the calm ones; then calm to the end. */
  walk(seed: number, deeds: number, temper: number, isHashed = false): Walked {
    const engine = this.#engine;
    const violation = this.#enter(() => engine.runWalk(seed, deeds, temper, isHashed ? 1 : 0));
    const length = engine.walkCount();
    return {
      violation,
      length,
      healed:
        violation === 0 ? engine.walkHealed() : Math.min(engine.walkHealed() || length, length),
      digest: engine.walkDigest(),
      deeds: () => Array.from({ length }, (_, index) => engine.walkDeed(index)),
    };
  }

  /** From the state that the trial is in; the trial itself is the search's from here on. */
  search(shard = 0, shards = 1): SimSearch {
    this.#enter(() => this.#engine.startSearch(shard, shards));
    return new SimSearch(this.#engine, (body) => this.#enter(body));
  }

  #enter<T>(body: () => T): T {
    return this.world.model.enter(body);
  }
}

export interface SearchReport {
  /** states that are found, deeds that were done */
  readonly states: number;
  readonly transitions: number;
  /** levels, the most states of one, and those of this one that are to be gone on from */
  readonly depth: number;
  readonly widest: number;
  readonly frontier: number;
  /** bytes of what is kept */
  readonly bytes: number;
}

export interface Found {
  readonly violation: Violation;
  /** deeds from the start, the fewest there are */
  readonly path: readonly number[];
  /** the states on that way, the start first; a last deed that violates leads to none */
  readonly states: readonly number[];
}

export class SimSearch {
  readonly #engine: TrialEngine;
  readonly #enter: <T>(body: () => T) => T;

  constructor(engine: TrialEngine, enter: <T>(body: () => T) => T) {
    this.#engine = engine;
    this.#enter = enter;
  }

  /** Goes on from so many states; true: there is nothing left to do. */
  run(states: number): boolean {
    const isDone = Boolean(this.#enter(() => this.#engine.runSearch(states)));
    this.#engine.collect();
    return isDone;
  }

  get report(): SearchReport {
    const engine = this.#engine;
    return {
      states: engine.searchStates(),
      transitions: engine.searchTransitions(),
      depth: engine.searchDepth(),
      widest: engine.searchWidest(),
      frontier: engine.searchFrontier(),
      bytes: engine.searchSize() * 1024,
    };
  }

  /** How many different values a part of the state had. */
  values(part: number): number {
    return this.#enter(() => this.#engine.searchValues(part));
  }

  /** The state that follows when nobody disturbs, -1: it was not looked for. */
  calmFrom(state: number): number {
    return this.#engine.soloOf(state);
  }

  get found(): Found | undefined {
    const engine = this.#engine;
    const violation = engine.violation();
    if (violation === 0) return undefined;
    const path: number[] = [];
    const states = [engine.violatedAt()];
    for (let at = engine.violatedAt(); engine.parentOf(at) >= 0; ) {
      path.unshift(engine.deedOf(at));
      at = engine.parentOf(at);
      states.unshift(at);
    }
    const last = engine.violatedBy();
    if (last > 0) path.push(last);
    return { violation, path, states };
  }
}
