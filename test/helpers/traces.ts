/**
 * The streams that real kernels sent, as `test/traces/*.ndjson.gz` keeps them: which events came,
 * and what sysfs showed between them. What the records are: a `call` with what sysfs showed `after`
 * it, the `uevent`s that were in the socket then, `settled` states, a socket's `overrun`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { type Datagram, kernelDatagram, stringsBytes, udevDatagram } from "./datagrams.ts";
import type { Shown } from "./judge.ts";
import { type Facts, readNaively } from "./naive-uevent.ts";
import { packageRoot } from "./root.ts";

export const traceNames = ["linux-5.10", "linux-6.1", "linux-6.1-udev252"] as const;

/** One uevent as received. */
export interface Message {
  /** line of the file */
  readonly line: number;
  readonly datagram: Datagram;
  readonly facts: Facts;
}

export type Entry =
  | { readonly kind: "shown"; readonly shown: Shown | undefined }
  | { readonly kind: "message"; readonly message: Message }
  /** A socket with the smallest buffer overran: the SEQNUMs that it still read. */
  | { readonly kind: "overrun"; readonly read: readonly bigint[] };

/** A scenario, or one round of a race. */
export interface Chapter {
  readonly title: string;
  readonly entries: readonly Entry[];
}

export interface Trace {
  readonly name: string;
  /** the one device that it is about */
  readonly device: string;
  readonly chapters: readonly Chapter[];
}

interface RawState {
  readonly diskseq?: string;
  readonly size?: string;
  readonly partitions?: readonly (readonly [string, number, number, boolean])[];
}

interface Raw {
  readonly kind: string;
  readonly device?: string;
  readonly title?: string;
  readonly round?: number;
  readonly before?: RawState;
  readonly after?: RawState;
  readonly group?: Group;
  readonly strings?: readonly string[];
  readonly header?: string;
  readonly read?: readonly (number | string)[];
}

export function readTrace(name: string): Trace {
  const path = join(packageRoot, `test/traces/${name}.ndjson.gz`);
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split("\n");
  const chapters: { title: string; entries: Entry[] }[] = [];
  let device = "";
  let scenario = "before the first scenario";
  for (const [index, line] of lines.entries()) {
    const raw = JSON.parse(line) as Raw;
    if (raw.device !== undefined) device = raw.device;
    if (raw.title !== undefined) scenario = raw.title;
    const isRound = raw.round !== undefined;
    if (raw.title !== undefined || isRound || chapters.length === 0) {
      const title = isRound ? `${scenario}, round ${raw.round}` : scenario;
      chapters.push({ title, entries: [] });
    }
    const entry = readEntry(raw, index + 1, device);
    if (entry) chapters.at(-1)?.entries.push(entry);
  }
  return { name, device, chapters };
}

function readEntry(raw: Raw, line: number, device: string): Entry | undefined {
  const state = raw.after ?? raw.before;
  if (state) return { kind: "shown", shown: shownOf(state, device) };
  if (raw.kind === "overrun") {
    const seqnums = (raw.read ?? []).filter((one) => typeof one === "string");
    return { kind: "overrun", read: seqnums.map((text) => BigInt(text.replace("SEQNUM=", ""))) };
  }
  if (raw.kind !== "uevent") return undefined;
  const { group = Group.None, strings = [] } = raw;
  return { kind: "message", message: messageOf(line, group, strings, raw.header) };
}

function messageOf(
  line: number,
  group: Group,
  strings: readonly string[],
  header: string | undefined,
): Message {
  const bytes = stringsBytes(strings);
  const datagram =
    header === undefined
      ? kernelDatagram(bytes)
      : udevDatagram(Buffer.concat([Buffer.from(header, "base64"), bytes]));
  assert.is(datagram.group, group, `line ${line}: a header in its group only`);
  const facts = readNaively(group, datagram.bytes);
  assert.ok(facts, `line ${line}: a real event that cannot be read`);
  return { line, datagram, facts };
}

/** Without a size there is no such disk. */
function shownOf(state: RawState, device: string): Shown | undefined {
  if (state.size === undefined) return undefined;
  return {
    diskseq: BigInt(state.diskseq ?? 0),
    isBound: Object.keys(state).some((key) => key.startsWith("loop/")),
    partitions: (state.partitions ?? []).map(([name]) => Number(name.slice(device.length + 1))),
  };
}

/** One attach as sysfs showed it, from its first state to the first that is another's. */
export interface Instance {
  readonly diskseq: bigint;
  /** index of the entry that shows it first, and of the one that shows it is over */
  readonly from: number;
  readonly to: number;
  /** the most partitions that it had at once */
  readonly partitions: readonly number[];
}

/** Without a diskseq an instance ends where nothing is bound. */
export function instancesOf(entries: readonly Entry[]): Instance[] {
  const instances: Instance[] = [];
  let open: Instance | undefined;
  const close = (to: number) => {
    if (open) instances.push({ ...open, to });
    open = undefined;
  };
  for (const [index, entry] of entries.entries()) {
    if (entry.kind !== "shown") continue;
    const { shown } = entry;
    if (!shown?.isBound || (open && shown.diskseq !== open.diskseq)) close(index);
    if (!shown?.isBound) continue;
    const { diskseq, partitions } = shown;
    open ??= { diskseq, from: index, to: index, partitions };
    if (partitions.length >= open.partitions.length) open = { ...open, partitions };
  }
  close(entries.length);
  return instances;
}
