/** Options that say what a trial is made of, shared by the commands that run trials. */
import { LoopError } from "../errors.ts";
import {
  defaultRounds,
  defaultSetup,
  type Precaution,
  type RivalName,
  rivalNames,
  type TrialSetup,
} from "../sim/explore/setup.ts";
import { escapeText } from "./format.ts";
import { didYouMean } from "./parse.ts";
import { suggest } from "./suggest.ts";
import type { Options, Values } from "./table.ts";

export const trialOptions = {
  kernel: {
    kind: "version",
    value: "VERSION",
    default: defaultSetup.version,
    summary: "the version of Linux to simulate, e.g. 6.1.192",
  },
  rivals: {
    kind: "text",
    value: "LIST",
    default: "each by itself",
    summary:
      "who is there: names with + between them, together in one run, NAME:N for N rounds; none; " +
      `or each. They are ${rivalNames.join(", ")}, deadline, abort`,
  },
  loss: {
    kind: "text",
    value: "N",
    default: "1",
    summary: "datagrams that are lost, whichever they are",
  },
  noCrash: { kind: "flag", summary: "our process is not killed, else anywhere" },
  rounds: { kind: "count", value: "N", default: "1", summary: "attaches, one after the other" },
  lag: {
    kind: "text",
    value: "N",
    default: String(defaultSetup.lag),
    summary: "datagrams that wait for us, at most; 0: any number, and what does not fit is lost",
  },
  partscan: {
    kind: "choice",
    choices: ["kernel", "user", "none"],
    default: "kernel",
    summary: "who makes the partitions",
  },
  fast: {
    kind: "flag",
    summary: "the kernel's partitions by one LOOP_CONFIGURE, also where that is not safe",
  },
  asks: {
    kind: "text",
    value: "N",
    default: String(defaultSetup.asks),
    summary: "how often udev is asked once more while it is at work",
  },
  noUdev: { kind: "flag", summary: "the program does not wait for udev, else where there is one" },
  noSplit: { kind: "flag", summary: "control: LOOP_CONFIGURE with PARTSCAN, in one call" },
  noDrain: { kind: "flag", summary: "control: the pending scan is not drained" },
  noLock: { kind: "flag", summary: "control: the device is not locked" },
  noPrivateNode: { kind: "flag", summary: "control: it is configured through the public node" },
  ignoreDiskseq: { kind: "flag", summary: "control: events are believed by the disk's name" },
} as const satisfies Options;

export type TrialValues = Values<typeof trialOptions>;

/** The setup that options describe; `each` where every rival is to be there by itself. */
export function setupOf(options: TrialValues): {
  readonly setup: TrialSetup;
  readonly each: boolean;
} {
  const without: Precaution[] = [];
  if (options.noSplit) without.push("split");
  if (options.noDrain) without.push("drain");
  if (options.noLock) without.push("lock");
  if (options.noPrivateNode) without.push("privateNode");
  if (options.ignoreDiskseq) without.push("diskseq");
  const common: TrialSetup = {
    ...defaultSetup,
    version: options.kernel ?? defaultSetup.version,
    loss: readNumber("--loss", options.loss, defaultSetup.loss, 9),
    lag: readNumber("--lag", options.lag, defaultSetup.lag, 8),
    asks: readNumber("--asks", options.asks, defaultSetup.asks, 9),
    crash: !options.noCrash,
    rounds: options.rounds ?? defaultSetup.rounds,
    udev: !options.noUdev,
    partscan: options.partscan ?? defaultSetup.partscan,
    fast: options.fast,
    without,
  };
  const list = options.rivals ?? "each";
  if (list === "each") return { setup: common, each: true };
  return { setup: { ...common, ...readRivals(list) }, each: false };
}

function readRivals(list: string): Pick<TrialSetup, "rivals" | "deadlines" | "aborts"> {
  const rivals: { name: RivalName; rounds: number }[] = [];
  let [deadlines, aborts] = [0, 0];
  for (const word of list === "none" ? [] : list.split(/[+,]/)) {
    const [name = "", rounds] = word.split(":");
    if (rounds !== undefined && !/^[1-9]$/.test(rounds)) {
      throw refusal(`--rivals: '${escapeText(word)}': rounds are a number from 1 to 9`);
    }
    if (name === "deadline") deadlines = Number(rounds ?? 1);
    else if (name === "abort") aborts = Number(rounds ?? 1);
    else if (isRival(name)) rivals.push({ name, rounds: Number(rounds ?? defaultRounds(name)) });
    else {
      const meant = didYouMean(suggest(name, [...rivalNames, "deadline", "abort"]));
      throw refusal(`--rivals: '${escapeText(name)}' is none of them${meant}`);
    }
  }
  return { rivals, deadlines, aborts };
}

function isRival(name: string): name is RivalName {
  return (rivalNames as readonly string[]).includes(name);
}

function readNumber(name: string, text: string | undefined, otherwise: number, max: number) {
  if (text === undefined) return otherwise;
  if (/^\d{1,3}$/.test(text) && Number(text) <= max) return Number(text);
  throw refusal(`${name}: '${escapeText(text)}': a number from 0 to ${max}`);
}

function refusal(message: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", message);
}

export interface Shard {
  readonly shard: number;
  readonly shards: number;
}

/** `2/4`: the second of four. */
export function readShard(text: string | undefined): Shard {
  if (text === undefined) return { shard: 0, shards: 1 };
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text);
  const [shard, shards] = [Number(match?.[1]), Number(match?.[2])];
  if (shard >= 1 && shard <= shards) return { shard: shard - 1, shards };
  throw refusal(`--shard: '${escapeText(text)}': I/N, the I-th of N, e.g. 1/4`);
}
