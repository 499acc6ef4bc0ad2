/**
 * The calls of a trace of ours, their answers and the datagrams between them (`CallTrace`).
 * Compares nothing, and knows nothing of what a kernel would do.
 */
import { Group } from "../../assembly/abi.ts";
import type { CallTrace, CallTraceRecord } from "../call-trace.ts";
import { LoopError } from "../errors.ts";
import type { Fields } from "../fields.ts";
import type { Header } from "./lines.ts";
import { callOf, parseHeader, parseLine } from "./parse.ts";
import { badLine, type Line } from "./split.ts";

const nothing = new Uint8Array(0);

/**
 * Reads the lines of a trace (`splitLines`), up to a last one that was cut short. Rejects with
 * ERR_TRACE_FORMAT where one cannot be read.
 */
export async function readCalls(
  batches: AsyncIterable<readonly Line[]> | Iterable<readonly Line[]>,
): Promise<CallTrace> {
  const lines: Line[] = [];
  for await (const batch of batches) {
    // A recording of hours comes as one batch: too many arguments for a call.
    for (const line of batch) lines.push(line);
  }
  const [first, ...rest] = lines;
  if (first === undefined) throw badLine(1, "empty");
  const header = parseHeader(first);
  const records: CallTraceRecord[] = [];
  for (const line of rest) {
    const record = recordOf(line, line === rest.at(-1));
    if (record !== undefined) records.push(record);
  }
  const { kernel = "", build = "" } = header.facts;
  return { kernel: String(kernel), build: String(build), unfit: whyUnfit(header), records };
}

function whyUnfit(header: Header): string | undefined {
  if (header.redacted) return "names are left out";
  return header.from === undefined ? undefined : "it begins in the midst of a session";
}

function recordOf(line: Line, isLast: boolean): CallTraceRecord | undefined {
  try {
    const fields = parseLine(line);
    if (fields.get("out") === "call") {
      return { kind: "call", line: line.number, words: callOf(fields), data: dataOf(fields) };
    }
    return fields.get("in") === undefined ? undefined : inputOf(line.number, fields);
  } catch (error) {
    // Whoever wrote it may have been killed in the midst of a line.
    if (isLast && error instanceof LoopError) return undefined;
    throw error;
  }
}

function inputOf(line: number, fields: Fields): CallTraceRecord | undefined {
  switch (fields.get("in")) {
    case "completion": {
      const [ticket, result] = [fields.number("ticket"), fields.integer("result")];
      return { kind: "completion", line, ticket, result, data: dataOf(fields) };
    }
    case "datagram": {
      const [at, group] = [fields.decimal("t"), fields.member(Group, "group")];
      if ((fields.get("answer") ?? 0) !== 0) return { kind: "refused", line, at, group };
      const strings = new TextDecoder("latin1").decode(fields.bytes("data")).split("\0");
      if (strings.at(-1) === "") strings.pop();
      return { kind: "datagram", line, at, group, strings };
    }
    case "overrun":
      return {
        kind: "loss",
        line,
        group: fields.member(Group, "group"),
        count: fields.number("count"),
      };
    default:
      return undefined;
  }
}

function dataOf(fields: Fields): Uint8Array {
  return fields.optionalBytes("data") ?? nothing;
}
