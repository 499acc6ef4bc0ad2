/** How much is measured: in full, with a trace of a GiB, or enough to see that everything works. */
export interface Scale {
  /** Receivers of what is queued up: rounds, and events of each. */
  readonly rounds: number;
  readonly warmEvents: number;
  readonly events: number;
  /** Single events and partitions that wake who sleeps, and those before them that do not count. */
  readonly wakes: number;
  readonly waits: number;
  readonly warmWakes: number;
  /** The flood: rounds, and events of each. */
  readonly floods: number;
  readonly floodEvents: number;
  /** The core alone: rounds, and fillings of all its slots in each. */
  readonly coreRounds: number;
  readonly coreBatches: number;
  /** Traces: rounds, and fillings of all slots that are recorded in each. */
  readonly traceRounds: number;
  readonly traceBatches: number;
  /** Pages: events of the log. */
  readonly pageEvents: number;
  /** Searches: rounds, states gone on from, and those of the JavaScript build. */
  readonly searches: number;
  readonly searchStates: number;
  readonly scriptStates: number;
  /** Spin's model: its openers (of more, Spin rounds its numbers), how gcc compiles it. */
  readonly openers: number;
  readonly optimize: string;
}

export const full: Scale = {
  rounds: 5,
  warmEvents: 50_000,
  events: 100_000,
  wakes: 1500,
  waits: 300,
  warmWakes: 100,
  floods: 3,
  floodEvents: 1_000_000,
  coreRounds: 40,
  coreBatches: 60,
  traceRounds: 5,
  traceBatches: 1500,
  pageEvents: 50_000,
  searches: 5,
  searchStates: 250_000,
  scriptStates: 20_000,
  openers: 3,
  optimize: "-O2",
};

/** Its trace is a little more than 1 GiB. */
export const huge: Scale = { ...full, traceRounds: 1, traceBatches: 26_000 };

export const quick: Scale = {
  rounds: 1,
  warmEvents: 100,
  events: 1000,
  wakes: 10,
  waits: 3,
  warmWakes: 2,
  floods: 1,
  floodEvents: 2000,
  coreRounds: 1,
  coreBatches: 1,
  traceRounds: 1,
  traceBatches: 4,
  pageEvents: 200,
  searches: 1,
  searchStates: 2000,
  scriptStates: 200,
  openers: 1,
  optimize: "-O0",
};
