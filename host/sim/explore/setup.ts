/**
 * What a trial is made of: a version of Linux, who is there beside the program, and what of the
 * core is turned off. In words that a command line and a job runner can repeat.
 */
import { Control } from "../../../assembly/explore/words.ts";
import { ActorKind } from "../../../assembly/world/layout.ts";

/** Who may be there. */
export const rivals = {
  opener: ActorKind.Opener,
  "tight-opener": ActorKind.TightOpener,
  thief: ActorKind.Thief,
  detacher: ActorKind.Detacher,
  forger: ActorKind.Forger,
  flooder: ActorKind.Flooder,
  "udevd-258": ActorKind.UdevdDrops,
  "udevd-259": ActorKind.UdevdKeeps,
} as const;
export type RivalName = keyof typeof rivals;
export const rivalNames = Object.keys(rivals) as RivalName[];

/** A version of each era: where kernels differ in what an attach does, or how it is told. */
export const eras: readonly string[] = [
  "5.4.286",
  "5.10.223",
  "5.15.100",
  "5.15.215",
  "5.16.20",
  "5.17.15",
  "6.0.19",
  "6.1.192",
  "6.6.150",
  "6.12.90",
  "6.18.32",
  "7.0.0",
  "7.1.5",
  "7.2.13",
];

export const controls = {
  split: Control.NoSplit,
  drain: Control.NoDrain,
  lock: Control.NoLock,
  privateNode: Control.NoPrivateNode,
  diskseq: Control.IgnoreDiskseq,
} as const;
export type Precaution = keyof typeof controls;

export interface TrialSetup {
  /** e.g. "6.1.192" */
  readonly version: string;
  readonly rivals: readonly { readonly name: RivalName; readonly rounds: number }[];
  /** datagrams that may be lost, and whether our process may die */
  readonly loss: number;
  readonly crash: boolean;
  /** how often the program may run into its deadline, or give up */
  readonly deadlines: number;
  readonly aborts: number;
  /** how often udev may be silent for so long, while it is at work, that it is asked */
  readonly asks: number;
  /** attaches, one after the other */
  readonly rounds: number;
  /** datagrams that may wait before one is received, 0: any number; more than fit are lost */
  readonly lag: number;
  readonly partscan: "kernel" | "user" | "none";
  /** one LOOP_CONFIGURE with PARTSCAN, whatever this version makes of it */
  readonly fast: boolean;
  /** where there is a udevd: the program waits for it too */
  readonly udev: boolean;
  /** what is turned off */
  readonly without: readonly Precaution[];
}

export const defaultSetup: TrialSetup = {
  version: "6.12.90",
  rivals: [],
  loss: 1,
  crash: true,
  deadlines: 0,
  aborts: 0,
  asks: 1,
  rounds: 1,
  lag: 4,
  partscan: "kernel",
  fast: false,
  udev: true,
  without: [],
};

/** The options of the command that make this setup. */
export function setupWords(setup: TrialSetup): string[] {
  const names = setup.rivals.map(({ name, rounds }) =>
    rounds === defaultRounds(name) ? name : `${name}:${rounds}`,
  );
  if (setup.deadlines > 0)
    names.push(`deadline${setup.deadlines > 1 ? `:${setup.deadlines}` : ""}`);
  if (setup.aborts > 0) names.push(`abort${setup.aborts > 1 ? `:${setup.aborts}` : ""}`);
  const words = ["--kernel", setup.version, "--rivals", names.join("+") || "none"];
  if (setup.loss !== defaultSetup.loss) words.push("--loss", String(setup.loss));
  if (setup.lag !== defaultSetup.lag) words.push("--lag", String(setup.lag));
  if (!setup.crash) words.push("--no-crash");
  if (setup.rounds !== defaultSetup.rounds) words.push("--rounds", String(setup.rounds));
  if (setup.partscan !== defaultSetup.partscan) words.push("--partscan", setup.partscan);
  if (setup.fast) words.push("--fast");
  if (setup.asks !== defaultSetup.asks) words.push("--asks", String(setup.asks));
  if (!setup.udev) words.push("--no-udev");
  for (const name of setup.without) {
    if (name === "diskseq") words.push("--ignore-diskseq");
    else words.push(`--no-${name === "privateNode" ? "private-node" : name}`);
  }
  return words;
}

/** Rounds of a rival unless more are asked for. */
export function defaultRounds(name: RivalName): number {
  return name === "flooder" ? 2 : 1;
}
