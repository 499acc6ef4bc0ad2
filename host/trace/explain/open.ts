/**
 * Reads a log of any format that can be explained. A log that no core has judged is judged here, so
 * that behind this every log has verdicts and a trace that replays.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Core } from "../../core.ts";
import type { CoreOptions } from "../../core-types.ts";
import { LoopError } from "../../errors.ts";
import { headerOf, spell } from "../lines.ts";
import { linesOf } from "../reader.ts";
import { badLine, splitLines } from "../split.ts";
import { readKernelTrace } from "./from-kernel.ts";
import { readTrace } from "./from-trace.ts";
import { isUdevadm, readUdevadm } from "./from-udevadm.ts";
import { judgeAll } from "./judge.ts";
import type { Log, Moment, RefusedMoment, Unjudged } from "./moments.ts";

export interface OpenedLog {
  readonly log: Log;
  /** lines of the trace of an imported log; undefined: the file itself is one */
  readonly trace: readonly string[] | undefined;
}

/** What a core needs at most, to judge what others did. */
const options: CoreOptions = { seed: 1n, operations: 1, partitions: 1, watches: 1 };
const headBytes = 4096;
/** Bytes of a log that is read as a whole; a trace in a file of its own may be of any size. */
const wholeMax = 256 * 1024 * 1024;
const gzipMagic = 0x1f8b;

/** `-` is standard input. What is compressed (gzip) is read as what it was. */
export async function openLog(
  path: string,
  load: (options: CoreOptions) => Core,
  coreSha256: string,
): Promise<OpenedLog> {
  const head = path === "-" ? undefined : reading(() => readHead(path));
  if (head !== undefined && isTrace(head.toString())) {
    return { log: await readTrace(linesOf(path)), trace: undefined };
  }
  const text = reading(() => readWhole(path));
  if (text.trim() === "") throw badLine(1, "empty");
  if (/"format":\s*"kernel-trace"/.test(text.slice(0, headBytes))) {
    return judged(readKernelTrace(text), load(options), coreSha256);
  }
  if (isUdevadm(text)) return judged(readUdevadm(text), load(options), coreSha256);
  if (!isTrace(text)) {
    throw badLine(
      1,
      "neither a trace of diskseq, nor one of a kernel, nor what " +
        "`udevadm monitor --kernel --udev --property` prints",
    );
  }
  const log = await readTrace(splitLines([Buffer.from(text)]));
  return { log, trace: text.replace(/\n$/, "").split("\n") };
}

function isTrace(text: string): boolean {
  return text.startsWith('{"diskseq":');
}

function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new LoopError("ERR_TRACE_FORMAT", `the log cannot be read: ${reason}`, { cause });
  }
}

function readHead(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(headBytes);
    return head.subarray(0, readSync(file, head));
  } finally {
    closeSync(file);
  }
}

function readWhole(path: string): string {
  if (path !== "-" && statSync(path).size > wholeMax) {
    throw new Error(`it is no trace of diskseq, and larger than ${wholeMax / 2 ** 20} MiB`);
  }
  const bytes = readFileSync(path === "-" ? 0 : path);
  const isGzip = bytes.length > 2 && bytes.readUInt16BE(0) === gzipMagic;
  return (isGzip ? gunzipSync(bytes, { maxOutputLength: wholeMax }) : bytes).toString("utf8");
}

function judged({ log, strings }: Unjudged, core: Core, coreSha256: string): OpenedLog {
  const trace = [spell(headerOf(core, { core: coreSha256, facts: log.facts }))];
  const refused = judgeAll(strings, core, (line) => trace.push(line));
  if (refused.size === 0) return { log, trace };
  const moments = log.moments.map((moment): Moment => {
    const why = moment.kind === "uevent" ? refused.get(moment) : undefined;
    return why === undefined || moment.kind !== "uevent" ? moment : refusal(moment, why);
  });
  return { log: { ...log, moments }, trace };
}

function refusal(
  { line, at, record, group }: Extract<Moment, { kind: "uevent" }>,
  why: string,
): RefusedMoment {
  return { kind: "refused", line, at, record, group, why };
}
