/**
 * What a line of a trace says, read as JSON. What cannot be read is ERR_TRACE_FORMAT with the line
 * and the reason.
 */
import { Call, Limit } from "../../assembly/abi.ts";
import type { CoreCall } from "../core-types.ts";
import { Fields } from "../fields.ts";
import { formatVersion, type Header, type Snapshot } from "./lines.ts";
import { badLine, type Line } from "./split.ts";

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
    ...(fields.get("redacted") === true && { redacted: true as const }),
    facts: fields.object("facts") as Header["facts"],
  };
}

function parseSnapshot(value: unknown, refuse: (reason: string) => Error): Snapshot {
  const fields = new Fields(value, refuse);
  const calls = fields.array("calls");
  for (const call of calls) {
    const words = new Fields(call, refuse);
    for (const name of ["call", "ticket", "buffer", "bytes"]) words.number(name);
  }
  const [state, buffers] = [fields.bytes("state"), fields.bytes("buffers")];
  return { state, buffers, calls: calls as CoreCall[] };
}

/** The words of an output that is a call. */
export function callOf(fields: Fields): CoreCall {
  return {
    call: fields.member(Call, "call"),
    ticket: fields.number("ticket"),
    operation: fields.integer("operation"),
    step: fields.number("step"),
    descriptor: fields.integer("descriptor"),
    request: fields.integer("request"),
    place: fields.number("place"),
    number: fields.integer("number"),
    partition: fields.integer("partition"),
    argument: fields.decimal("argument"),
    argument2: fields.decimal("argument2"),
    buffer: fields.number("buffer"),
    bytes: fields.number("bytes"),
  };
}
