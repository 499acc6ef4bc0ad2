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

/** A JSON object. */
export function parseLine({ number, text }: Line): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badLine(number, text === "" ? "empty" : "not JSON; was it cut off, or edited?");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badLine(number, "not a JSON object");
  }
  return value as Record<string, unknown>;
}

export function parseHeader(line: Line | undefined): Header {
  if (line === undefined) throw new LoopError("ERR_TRACE_FORMAT", "the trace is empty");
  const fields = parseLine(line);
  const refuse = (reason: string) => badLine(line.number, reason);
  if (fields.diskseq !== "trace") throw refuse("not the header of a diskseq trace");
  const { reads, abi } = fields;
  if (!isCount(reads)) throw refuse("the header does not say who can read it ('reads')");
  if (reads > formatVersion) {
    throw refuse(
      `needs a reader of version ${reads}, this one is ${formatVersion}: update diskseq`,
    );
  }
  if (abi !== Limit.AbiVersion) {
    throw refuse(`recorded with ABI ${String(abi)}, this core speaks ${Limit.AbiVersion}`);
  }
  for (const name of ["operations", "partitions", "watches"] as const) {
    if (!isCount(fields[name])) throw refuse(`'${name}' is not a number above 0`);
  }
  if (typeof fields.core !== "string") throw refuse("'core' is not a sha256");
  if (!isDecimal(fields.seed)) throw refuse("'seed' is not a decimal string");
  const from = "from" in fields ? parseSnapshot(fields.from, line) : undefined;
  return { ...fields, from } as unknown as Header;
}

function parseSnapshot(value: unknown, line: Line): Snapshot {
  const fields = (value ?? {}) as Record<string, unknown>;
  const region = (name: string): Uint8Array => {
    try {
      return gunzipSync(bytesOf(fields, name, line), { maxOutputLength: regionMax });
    } catch {
      throw badLine(line.number, `'${name}' is not a region of a core, gzip in base64`);
    }
  };
  const { calls } = fields;
  if (!Array.isArray(calls)) throw badLine(line.number, "'calls' is not a list");
  for (const call of calls as Record<string, unknown>[]) {
    for (const name of ["call", "ticket", "buffer", "bytes"]) numberOf(call, name, line);
  }
  return { state: region("state"), buffers: region("buffers"), calls: calls as CoreCall[] };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

export function isDecimal(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n;
}

/* Fields of a record. */

export function numberOf(fields: Record<string, unknown>, name: string, line: Line): number {
  const value = fields[name];
  if (Number.isSafeInteger(value)) return value as number;
  throw badLine(line.number, `'${name}' is not a whole number`);
}

export function bigintOf(fields: Record<string, unknown>, name: string, line: Line): bigint {
  const value = fields[name];
  if (isDecimal(value)) return BigInt(value);
  throw badLine(line.number, `'${name}' is not a decimal string of 64 bits`);
}

export function bytesOf(fields: Record<string, unknown>, name: string, line: Line): Uint8Array {
  const value = fields[name];
  // What is none of it is passed over: inputs have a CRC.
  if (typeof value === "string") return Buffer.from(value, "base64");
  throw badLine(line.number, `'${name}' is not base64`);
}

/** The value of an enum by its name. */
export function nameOf<T extends Record<string, string | number>>(
  names: T,
  fields: Record<string, unknown>,
  name: string,
  line: Line,
): number {
  const value = typeof fields[name] === "string" ? names[fields[name]] : undefined;
  if (typeof value === "number") return value;
  throw badLine(
    line.number,
    `'${name}' is none of ${Object.keys(names).filter(isWord).join(", ")}`,
  );
}

function isWord(name: string): boolean {
  return /^[A-Z]/.test(name);
}
