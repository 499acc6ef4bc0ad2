/**
 * Test vectors as Markdown: a heading, an optional `<!-- meta={...} -->`, a fenced input and a
 * fenced `log`. Reads them, rewrites their logs, and says as text what came of an operation.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { CorePartition } from "../../host/core.ts";
import {
  Command,
  Event,
  Failure,
  Partscan,
  Result,
  Step,
  Table,
  Warning,
} from "../../host/core.ts";
import { guidText, kebab } from "../../host/names.ts";
import { Bench, type Operation } from "./bench.ts";
import type { Lockstep, OutEvent } from "./cores.ts";
import { packageRoot } from "./root.ts";
import type { Image } from "./scripted-disks.ts";
import { ScriptedKernel } from "./scripted-kernel.ts";

/** Compiled tests run from build/; vectors stay where they are edited. */
const directory = join(packageRoot, "test/vectors");

export const isUpdate = process.env.SNAP_UPDATE === "1";

export interface Vector {
  /** `mbr.md:12`, the line of its heading */
  readonly place: string;
  readonly title: string;
  readonly meta: Readonly<Record<string, number | string>>;
  readonly kind: string;
  readonly input: readonly string[];
  readonly log: readonly string[];
}

export interface VectorFile {
  readonly name: string;
  readonly vectors: readonly Vector[];
  /** Writes the file anew with these logs, one for each vector. */
  update(logs: readonly (readonly string[])[]): void;
}

export function readVectorFiles(): VectorFile[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".md"));
  return names.sort().map((name) => readVectorFile(name));
}

function readVectorFile(name: string): VectorFile {
  const path = join(directory, name);
  const lines = readFileSync(path, "utf8").split("\n");
  const vectors: Vector[] = [];
  /** first line and line after the last of every log */
  const ranges: (readonly [from: number, to: number])[] = [];
  let heading = 0;
  let meta: Vector["meta"] = {};
  let input: readonly string[] = [];
  let kind = "";
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.startsWith("## ")) [heading, meta, kind] = [at, {}, ""];
    const found = /^<!-- meta=(.*) -->$/.exec(line)?.[1];
    if (found) meta = JSON.parse(found);
    const fence = /^```(\w+)$/.exec(line)?.[1];
    if (fence === undefined) continue;
    const end = lines.indexOf("```", at);
    assert.ok(end > at, `${name}:${at + 1}: no end of the block`);
    const block = lines.slice(at + 1, end);
    if (fence === "log") {
      const title = (lines[heading] ?? "").slice(3);
      assert.ok(title !== "" && kind !== "", `${name}:${at + 1}: a log without an input`);
      vectors.push({ place: `${name}:${heading + 1}`, title, meta, kind, input, log: block });
      ranges.push([at + 1, end]);
    } else [kind, input] = [fence, block];
    at = end;
  }
  const update = (logs: readonly (readonly string[])[]) => {
    const parts: string[] = [];
    let done = 0;
    for (const [index, [from, to]] of ranges.entries()) {
      parts.push(...lines.slice(done, from), ...(logs[index] ?? []));
      done = to;
    }
    writeFileSync(path, [...parts, ...lines.slice(done)].join("\n"));
  };
  return { name, vectors, update };
}

/** Bytes at places, zeros between them. */
export class SparseImage implements Image {
  readonly size: number;
  readonly pieces: readonly (readonly [at: number, bytes: Uint8Array])[];

  constructor(size: number, pieces: SparseImage["pieces"]) {
    this.size = size;
    this.pieces = pieces;
  }

  /** Lines of `OFFSET: hex bytes`, both hexadecimal. */
  static parse(lines: readonly string[], size: number | undefined): SparseImage {
    const pieces = lines.map((line) => {
      const [at = "", bytes = ""] = line.split(":");
      return [Number.parseInt(at, 16), Buffer.from(bytes.replaceAll(" ", ""), "hex")] as const;
    });
    const [at, bytes] = pieces.at(-1) ?? [0, Buffer.alloc(0)];
    return new SparseImage(size ?? at + bytes.length, pieces);
  }

  read(offset: number, target: Uint8Array): number {
    const bytes = Math.max(0, Math.min(target.length, this.size - offset));
    target.fill(0, 0, bytes);
    for (const [at, piece] of this.pieces) {
      if (at + piece.length <= offset || at >= offset + bytes) continue;
      const from = Math.max(at, offset);
      const part = piece.subarray(from - at, Math.min(piece.length, offset + bytes - at));
      target.set(part, from - offset);
    }
    return bytes;
  }

  /** Shorter, or longer by zeros. */
  resized(size: number): SparseImage {
    return new SparseImage(size, this.pieces);
  }
}

export function imageOfVector(vector: Vector): SparseImage {
  const { size } = vector.meta;
  return SparseImage.parse(vector.input, size === undefined ? undefined : Number(size));
}

/** Runs the Probe command as a vector's meta asks for it. */
export function probe(lockstep: Lockstep, image: Image, meta: Vector["meta"] = {}): Operation {
  const kernel = new ScriptedKernel(image);
  const bench = new Bench(lockstep, kernel);
  const operation = bench.start({
    command: Command.Probe,
    offset: BigInt(meta.offset ?? 0),
    sizeLimit: BigInt(meta.sizeLimit ?? 0),
    sectorSize: Number(meta.sectorSize ?? 0),
    partscan: partscans[String(meta.partscan ?? "kernel")] ?? Partscan.Kernel,
  });
  bench.settle();
  assert.ok(operation.end, "the probe did not end");
  assert.is(kernel.opened.size, 0, "the probe left a descriptor open");
  return operation;
}

const partscans: Readonly<Record<string, Partscan>> = {
  kernel: Partscan.Kernel,
  user: Partscan.User,
  none: Partscan.None,
};

/** What came of a probe, a line for each fact. */
export function logOf({ warnings, end }: Operation): string[] {
  const lines = warnings.map(
    ({ code, detail }) => `warned ${kebab(Warning[code] ?? "?")} detail=${detail}`,
  );
  if (!end) return [...lines, "did not end"];
  if (end.event === Event.Failed) return [...lines, failureLine(end)];
  const word = (at: Result): string => String(end.result[at]);
  const table = kebab(Table[Number(end.result[Result.Table])] ?? "?");
  const partscan = kebab(Partscan[Number(end.result[Result.Partscan])] ?? "?");
  const facts = `sector=${word(Result.SectorSize)} shown=${word(Result.Size)} by=${partscan}`;
  return [...lines, `table ${table} ${facts}`, ...end.partitions.map(partitionLine)];
}

function failureLine(end: OutEvent): string {
  const details = `detail=${end.detail} detail2=${end.detail2}`;
  return `failed ${kebab(Failure[end.code] ?? "?")} at ${kebab(Step[end.step] ?? "?")} ${details}`;
}

function partitionLine(partition: CorePartition): string {
  const { number, start, size, kind } = partition;
  const place = `partition ${number} start=${start} size=${size}`;
  if (kind !== 1) {
    const signature = partition.diskSignature.toString(16).padStart(8, "0");
    const type = partition.mbrType.toString(16).padStart(2, "0");
    return `${place} type=${type} signature=${signature}`;
  }
  const name = printable(Buffer.from(partition.name).toString("utf16le").replace(/\0+$/, ""));
  const guids = `type=${guidText(partition.typeGuid)} uuid=${guidText(partition.uniqueGuid)}`;
  return `${place} ${guids} name=${name}`;
}

/** Quoted, without a control character. */
function printable(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
