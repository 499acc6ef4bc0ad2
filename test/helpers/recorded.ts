/** What a trace holds of what others did: events and what sysfs showed, in the order they came. */
import { readFileSync } from "node:fs";
import { DiskWord, PartitionEntryWord, Verdict } from "../../assembly/abi.ts";

export interface Told {
  readonly kind: "uevent";
  readonly seqnum: string;
  readonly diskseq: bigint;
  readonly verdict: string;
  /** KEY=VALUE strings, and what comes before them */
  readonly strings: readonly string[];
}

/** The number of a disk and how big it is, or its partitions. */
export type Look =
  | {
      readonly kind: "disk";
      readonly disk: string;
      readonly isBound: boolean;
      readonly diskseq: bigint;
      /** bytes */
      readonly size: number;
    }
  | { readonly kind: "partitions"; readonly disk: string; readonly numbers: readonly number[] };

export interface Gap {
  readonly kind: "gap";
  readonly lost: number;
}

/** One file's. */
export function readRecorded(path: string): (Told | Look | Gap)[] {
  const entries: (Told | Look | Gap)[] = [];
  const calls = new Map<number, { call: string; disk: string }>();
  let strings: string[] = [];
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n").slice(1)) {
    const record = JSON.parse(line);
    if (record.out === "call" && record.data !== undefined) {
      const disk = text(record.data).split("\0", 1)[0] ?? "";
      calls.set(record.ticket, { call: record.call, disk });
    } else if (record.in === "completion" && record.result >= 0) {
      const call = calls.get(record.ticket);
      if (call) entries.push(...lookOf(call.call, call.disk, record.data ?? "", record.result));
    } else if (record.in === "datagram") {
      strings = text(record.data).split("\0");
    } else if (record.in === "overrun") {
      entries.push({ kind: "gap", lost: record.count });
    } else if (record.out === "event" && record.verdict !== undefined) {
      const { seqnum, diskseq, verdict } = record;
      const told = { seqnum, diskseq: BigInt(diskseq), verdict: Verdict[verdict] ?? "" };
      entries.push({ kind: "uevent", ...told, strings });
    }
  }
  return entries;
}

function text(data: string): string {
  return Buffer.from(data, "base64").toString("latin1");
}

function lookOf(call: string, disk: string, data: string, count: number): Look[] {
  const bytes = Buffer.from(data, "base64");
  if (call === "ReadDisk") {
    const isBound = bytes.readUInt32LE(DiskWord.Bound * 8) === 1;
    const diskseq = bytes.readBigUInt64LE(DiskWord.Diskseq * 8);
    const size = Number(bytes.readBigUInt64LE(DiskWord.Size * 8)) * 512;
    return [{ kind: "disk", disk, isBound, diskseq, size }];
  }
  if (call !== "ListPartitions") return [];
  const at = (index: number) => (index * PartitionEntryWord.Words + PartitionEntryWord.Number) * 4;
  const numbers = Array.from({ length: count }, (_, index) => bytes.readInt32LE(at(index)));
  return [{ kind: "partitions", disk, numbers }];
}
