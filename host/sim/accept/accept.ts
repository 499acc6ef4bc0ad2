/**
 * Whether the simulated kernel could have answered what a trace of ours says a kernel answered: as
 * a kernel of that version, with partition parsers or without. How that is found out is the
 * search's.
 */
import { Limit } from "../../../assembly/abi.ts";
import type { CallTrace } from "../../call-trace.ts";
import { LoopError } from "../../errors.ts";
import { type Model, type ModelOptions, parseVersion } from "../model.ts";
import { Foresight } from "./foresight.ts";
import { Outlook } from "./outlook.ts";
import { type Ending, Search } from "./search.ts";

export interface Acceptance extends Ending {
  readonly version: string;
  /** false: only as a kernel without partition parsers */
  readonly hasParsers: boolean;
  readonly calls: number;
  readonly events: number;
  /** why nothing at all can be judged */
  readonly unfit: string | undefined;
}

export interface AcceptOptions {
  /** of the model; default: the one that the trace names */
  readonly version?: string | undefined;
  /** makes the model */
  readonly load: (options: ModelOptions) => Model;
}

/** Room for devices. */
const loopsMax = 64;
const lowMax = 48;

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
  const foresight = new Foresight(outlook);
  const searches = [];
  for (const hasParsers of [true, false]) {
    const model = options.load(optionsFor(outlook, version, hasParsers));
    const search = new Search(outlook, foresight, model);
    const reached = search.begin();
    searches.push({ search, hasParsers, reached });
    if (reached === trace.records.length) break;
  }
  // The way without a deed tells which of the two it was, where there was a table to read.
  const furthest = Math.max(...searches.map(({ reached }) => reached));
  let best: Acceptance | undefined;
  for (const { search, hasParsers, reached } of searches) {
    if (reached < furthest) continue;
    const found = { ...none, hasParsers, unfit, ...search.run() };
    best ??= found;
    if (found.refusal === undefined) return found;
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
