/**
 * Reads a trace, line by line, in memory that does not grow with the file. What cannot be read is
 * ERR_TRACE_FORMAT with the line and the reason.
 */
import { createReadStream } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { gunzipSync } from "node:zlib";
import { Limit } from "../../assembly/abi.ts";
import type { CoreCall } from "../core-types.ts";
import { LoopError } from "../errors.ts";
import { Fields } from "../fields.ts";
import { formatVersion, type Header, type Snapshot } from "./lines.ts";

/** A record of the largest datagram and its strings is far smaller. */
const lineMax = 4 * 1024 * 1024;

/** No region of a core is larger. */
const regionMax = 64 * 1024 * 1024;

/** What a line says, and its text. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

/** The lines of a file, the empty ones too, as many at once as a piece of it has. */
export async function* linesOf(path: string): AsyncGenerator<readonly Line[]> {
  const decoder = new StringDecoder("utf8");
  let number = 1;
  let rest = "";
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      const pieces = (rest + decoder.write(chunk as Buffer)).split("\n");
      rest = pieces.pop() ?? "";
      yield pieces.map((text) => ({ number: number++, text }));
      if (rest.length > lineMax) throw badLine(number, `longer than ${lineMax} characters`);
    }
  } catch (cause) {
    if (cause instanceof LoopError) throw cause;
    const reason = (cause as Error).message;
    throw new LoopError("ERR_TRACE_FORMAT", `the trace cannot be read: ${reason}`, { cause });
  }
  rest += decoder.end();
  if (rest !== "") yield [{ number, text: rest }];
}

export function badLine(number: number, reason: string): LoopError {
  return new LoopError("ERR_TRACE_FORMAT", `line ${number} of the trace: ${reason}`);
}

/** What a line holds. */
export function parseLine({ number, text }: Line): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badLine(number, text === "" ? "empty" : "not JSON; was it cut off, or edited?");
  }
  return new Fields(value, (what) => badLine(number, what));
}

export function parseHeader(line: Line): Header {
  const fields = parseLine(line);
  const refuse = (reason: string) => badLine(line.number, reason);
  if (fields.get("diskseq") !== "trace") throw refuse("not the header of a diskseq trace");
  const reads = fields.number("reads");
  if (reads > formatVersion) {
    throw refuse(
      `needs a reader of version ${reads}, this one is ${formatVersion}: update diskseq`,
    );
  }
  const abi = fields.number("abi");
  if (abi !== Limit.AbiVersion) {
    throw refuse(`recorded with ABI ${abi}, this core speaks ${Limit.AbiVersion}`);
  }
  const capacity = (name: string, most: number): number => {
    const count = fields.number(name);
    if (count > 0 && count <= most) return count;
    throw refuse(`${name} is ${count}, a core has 1 to ${most}`);
  };
  const from = fields.get("from");
  return {
    diskseq: "trace",
    format: fields.number("format"),
    reads,
    abi,
    core: fields.text("core"),
    seed: String(fields.decimal("seed")),
    operations: capacity("operations", Limit.OperationsMax),
    partitions: capacity("partitions", Limit.PartitionsMax),
    watches: capacity("watches", Limit.WatchesMax),
    ...(from !== undefined && { from: parseSnapshot(from, refuse) }),
    facts: fields.object("facts") as Header["facts"],
  };
}

function parseSnapshot(value: unknown, refuse: (reason: string) => Error): Snapshot {
  const fields = new Fields(value, refuse);
  const region = (name: string): Uint8Array => {
    try {
      return gunzipSync(fields.bytes(name), { maxOutputLength: regionMax });
    } catch {
      throw refuse(`${name} is no region of a core, gzip in base64`);
    }
  };
  const calls = fields.array("calls");
  for (const call of calls) {
    const words = new Fields(call, refuse);
    for (const name of ["call", "ticket", "buffer", "bytes"]) words.number(name);
  }
  return { state: region("state"), buffers: region("buffers"), calls: calls as CoreCall[] };
}
