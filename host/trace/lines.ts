/**
 * What a trace is made of: lines of JSON. First a header, then a record for everything that went
 * into a core or came out of it, in order, and a footer where the recording ended by itself. How
 * they are spelled; reads and writes no file.
 *
 * Numbers of 64 bits are decimal strings, bytes are base64, a hash is 16 hex digits. Every record
 * has its number `n` and the monotonic time `t` (ns; of an output that of the input before it). An
 * input has the hash `h` of the core's state when it was taken, and the CRC-32 of its text before
 * that, since not every byte of it need matter to the core.
 */
import {
  Call,
  DatagramWord,
  DiskWord,
  Event,
  Group,
  Limit,
  PartitionEntryWord,
  StatWord,
  TimeoutReason,
} from "../../assembly/abi.ts";
import { argumentBytes } from "../../assembly/wire/calls.ts";
import type { Core } from "../core.ts";
import type { CoreCall, CoreEvent, CoreOptions, CoreUevent } from "../core-types.ts";
import { base64Of, crcOf } from "./native.ts";

/** The version of what is written here. */
export const formatVersion = 1;
/** Raised when a reader of an earlier version would misread what is written. */
export const readerVersion = 1;

export interface Header {
  readonly diskseq: "trace";
  readonly format: number;
  /** readers of this version and later ones can read it */
  readonly reads: number;
  /** `Limit.AbiVersion` */
  readonly abi: number;
  /** sha256 of core.wasm */
  readonly core: string;
  readonly seed: string;
  readonly operations: number;
  readonly partitions: number;
  readonly watches: number;
  /** where it begins in the midst of a core's life: what that remembered then */
  readonly from?: Snapshot;
  /** names are left out */
  readonly redacted?: true;
  /** what ran where, for people */
  readonly facts: Readonly<Record<string, string>>;
}

/** What a trace says of itself. */
export interface About {
  /** sha256 of its core.wasm */
  readonly core: string;
  /** Starts another such core; undefined: nobody can. */
  readonly load?: ((options: CoreOptions) => Core) | undefined;
  readonly facts: Readonly<Record<string, string>>;
}

export function headerOf(core: Core, about: About, from?: Snapshot): Header {
  const { seed, operations, partitions, watches } = core.options;
  return {
    diskseq: "trace",
    format: formatVersion,
    reads: readerVersion,
    abi: Limit.AbiVersion,
    core: about.core,
    seed: String(seed),
    operations,
    partitions,
    watches,
    ...(from && { from }),
    facts: about.facts,
  };
}

/** A core in the midst of its life. The regions are compressed (gzip). */
export interface Snapshot {
  readonly state: Uint8Array;
  readonly buffers: Uint8Array;
  /** calls that are out */
  readonly calls: readonly CoreCall[];
}

/** `why`: what was recorded went on where the recording did not. */
export function footer(records: number, h: string, why: string | undefined): object {
  return { end: why === undefined ? "ok" : "cut", records, h, why };
}

/** A line; whoever compares two compares their text. Keys are plain words, in the order given. */
export function spell(record: object): string {
  let text = "";
  const values = record as Readonly<Record<string, unknown>>;
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) text += `,"${key}":${spellValue(value)}`;
  }
  return `{${text.slice(1)}}`;
}

/** By hand: the serializer of the language knows no bigint, and a replacer makes it slow. */
function spellValue(value: unknown): string {
  switch (typeof value) {
    case "number":
      return String(value);
    case "bigint":
      return `"${value}"`;
    case "object":
      if (value instanceof Uint8Array) return `"${spellBytes(value)}"`;
      if (Array.isArray(value)) return `[${value.map(spellValue).join(",")}]`;
      return value === null ? "null" : spell(value);
    default:
      return JSON.stringify(value);
  }
}

/** An input's line, from all but its seal. */
export function seal(record: object): string {
  const text = spell(record).slice(0, -1);
  return text + sealOf(text);
}

/** What an input's line ends with. */
export function sealOf(text: string): string {
  return `,"crc":"${crcOf(text).toString(16).padStart(8, "0")}"}`;
}

/** Its length. */
export const sealLength = 18;

export function spellBytes(bytes: Uint8Array): string {
  return base64Of(bytes);
}

export function spellHash(hash: bigint): string {
  return hash.toString(16).padStart(16, "0");
}

/* Bytes in the buffers. */

/** How many bytes of its buffer a call leaves to its reader, all others stay as they are. */
export function answerBytes({ call, bytes }: Pick<CoreCall, "call" | "bytes">, result: number) {
  if (result < 0) return 0;
  switch (call) {
    case Call.Fstat:
      return StatWord.Words * 8;
    case Call.Pread:
      return result;
    case Call.IoctlBuffer:
      return bytes;
    case Call.ReadDisk:
      return DiskWord.Words * 8;
    case Call.ListPartitions:
      return Math.min(result * PartitionEntryWord.Words * 4, bytes);
    case Call.FindHolders:
      return 32;
    case Call.ReadRecord:
      return 8;
    default:
      return 0;
  }
}

/* Outputs. */

/** What a core put out: the text is the same for the same output of any core. */
export const outputs = {
  call: (core: Core, call: CoreCall) => {
    const bytes = argumentBytes(call.call, call.request, call.number, call.bytes);
    const data = core.buffers.subarray(call.buffer, call.buffer + bytes);
    return { out: "call", ...call, call: Call[call.call], ...(data.length > 0 && { data }) };
  },
  partition: (operation: number, index: number, partition: object | undefined) => ({
    out: "partition",
    operation,
    index,
    ...partition,
  }),
  timeout: (at: bigint, reason: TimeoutReason) => ({
    out: "timeout",
    at,
    reason: TimeoutReason[reason],
  }),
};

/** An event's line. Of uevents there may be millions: they are spelled at once. */
export function spellEvent(n: number, t: bigint, event: CoreEvent | CoreUevent): string {
  if (event.event !== Event.Uevent) return spell({ n, t, out: "event", ...event });
  const { operation, verdict, marks, group, action, deviceType, partition } = event;
  const { seqnum, diskseq, major, minor, offset, bytes, properties } = event;
  return (
    `{"n":${n},"t":"${t}","out":"event","event":${Event.Uevent},"operation":${operation},` +
    `"verdict":${verdict},"marks":${marks},"group":${group},"action":${action},` +
    `"deviceType":${deviceType},"partition":${partition},"seqnum":"${seqnum}",` +
    `"diskseq":"${diskseq}","major":${major},"minor":${minor},"offset":${offset},` +
    `"bytes":${bytes},"properties":${properties}}`
  );
}

/** A datagram's line without its answer, hash and seal; spelled at once, as events are. */
export function spellDatagram(n: number, t: bigint, datagram: ReturnType<typeof datagramOf>) {
  const { slot, group, bytes, portId, pid, uid, flags, data } = datagram;
  return (
    `{"n":${n},"t":"${t}","in":"datagram","slot":${slot},"group":${JSON.stringify(group)},` +
    `"bytes":${bytes},"portId":${portId},"pid":${pid},"uid":${uid},"flags":${flags},` +
    `"data":"${spellBytes(data)}"`
  );
}

/** A datagram in its slot. */
export function datagramOf(core: Core, slot: number) {
  const word = (which: DatagramWord): number =>
    core.records.getInt32((slot * DatagramWord.Words + which) * 4, true);
  const bytes = word(DatagramWord.Bytes);
  const at = slot * Limit.DatagramBytes;
  return {
    slot,
    group: Group[word(DatagramWord.Group)] ?? word(DatagramWord.Group),
    bytes,
    portId: word(DatagramWord.PortId) >>> 0,
    pid: word(DatagramWord.Pid),
    uid: word(DatagramWord.Uid) >>> 0,
    flags: word(DatagramWord.Flags),
    data: core.slots.subarray(at, Math.min(at + bytes, core.slots.length)),
  };
}
