/**
 * Traces of real kernels (`"format": "kernel-trace"`, version 3) as records: one JSON object a
 * line, checked as far as anything here relies on it. Whatever is wrong is an ERR_TRACE_FORMAT that
 * names the line.
 */
import { LoopError } from "./errors.ts";
import { Fields } from "./fields.ts";

export interface TraceImage {
  readonly bytes: number;
  readonly table: string;
  readonly partitions: readonly TraceEntry[];
}

export interface TraceEntry {
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly type: string | null;
  readonly uuid: string | null;
  readonly name: string | null;
}

export interface TraceHeader {
  readonly version: string;
  readonly device: string;
  /** numbers of the loop devices that there were at the beginning */
  readonly loops: readonly number[];
  readonly params: Readonly<Record<string, string>>;
  readonly udev: string | null;
  readonly images: Readonly<Record<string, TraceImage>>;
}

/** What sysfs showed of the device; empty: there was none. */
export type TraceState = Readonly<Record<string, unknown>>;

export interface TraceCall {
  readonly kind: "call";
  readonly line: number;
  readonly actor: string;
  readonly name: string;
  /** a number, a descriptor's label, or what an ioctl filled in; null where it failed */
  readonly ret: unknown;
  readonly errno: number | null;
  readonly after: TraceState | undefined;
  /** ns: when it began and how long it took, as its caller saw it */
  readonly start: number;
  readonly took: number;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface TraceUevent {
  readonly kind: "uevent";
  readonly line: number;
  /** ns: when it was received */
  readonly at: number;
  readonly group: number;
  readonly strings: readonly string[];
}

export type TraceRecord =
  | TraceCall
  | TraceUevent
  | {
      readonly kind: "scenario";
      readonly line: number;
      readonly title: string;
      readonly before: TraceState;
    }
  | { readonly kind: "race"; readonly line: number; readonly round: number }
  | { readonly kind: "settled"; readonly line: number; readonly after: TraceState }
  | {
      readonly kind: "overrun";
      readonly line: number;
      readonly receiveBuffer: number;
      readonly read: readonly (number | string)[];
    }
  | { readonly kind: "end"; readonly line: number };

export interface TraceFile {
  readonly header: TraceHeader;
  readonly records: readonly TraceRecord[];
}

const formatVersion = 3;

/** Reads a whole file. */
export function parseTrace(text: string): TraceFile {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const [first, ...rest] = lines;
  const header = parseHeader(new LineFields(first ?? "", 1));
  const records = rest.map((line, index) => parseRecord(new LineFields(line, index + 2)));
  const end = records.findIndex(({ kind }) => kind === "end");
  if (end < 0) throw fault(lines.length, "the recording was cut: its end is missing");
  if (end !== records.length - 1) throw fault(end + 3, "records follow the end");
  return { header, records };
}

function parseHeader(fields: LineFields): TraceHeader {
  if (fields.get("kind") !== "header" || fields.get("format") !== "kernel-trace") {
    throw fault(fields.line, "no trace of a kernel");
  }
  const found = fields.get("formatVersion");
  if (found !== formatVersion) {
    throw fault(fields.line, `format version ${String(found)}, this reads ${formatVersion}`);
  }
  const images: Record<string, TraceImage> = {};
  for (const [name, image] of Object.entries(fields.object("images"))) {
    images[name] = parseImage(new LineFields(image, fields.line));
  }
  const loops = fields.array("loops").map((loop) => fields.whole(loop, "loops"));
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields.object("params"))) params[name] = String(value);
  const udev = fields.get("udev");
  return {
    version: fields.text("version"),
    device: fields.text("device"),
    loops,
    params,
    udev: typeof udev === "string" ? udev : null,
    images,
  };
}

function parseImage(fields: LineFields): TraceImage {
  const partitions = fields.array("partitions").map((one) => {
    const entry = new LineFields(one, fields.line);
    const textOr = (name: string) => {
      const value = entry.get(name);
      return typeof value === "string" ? value : null;
    };
    return {
      number: entry.number("number"),
      start: entry.number("start"),
      size: entry.number("size"),
      type: textOr("type"),
      uuid: textOr("uuid"),
      name: textOr("name"),
    };
  });
  return { bytes: fields.number("bytes"), table: fields.text("table"), partitions };
}

function parseRecord(fields: LineFields): TraceRecord {
  const { line } = fields;
  const kind = fields.text("kind");
  switch (kind) {
    case "call":
      return parseCall(fields);
    case "uevent": {
      const strings = fields.array("strings").map((one) => fields.string(one, "strings"));
      return { kind, line, at: fields.number("t"), group: fields.number("group"), strings };
    }
    case "scenario":
      return { kind, line, title: fields.text("title"), before: fields.object("before") };
    case "race":
      return { kind, line, round: fields.number("round") };
    case "settled":
      return { kind, line, after: fields.object("after") };
    case "overrun": {
      const read = fields.array("read").map((one) => {
        if (typeof one === "number" || typeof one === "string") return one;
        throw fault(line, "read: neither an errno nor an event");
      });
      return { kind, line, receiveBuffer: fields.number("rcvbuf"), read };
    }
    case "end":
      if (fields.get("ok") !== true) throw fault(line, "the recording did not end well");
      return { kind, line };
    default:
      throw fault(line, `no such kind of record: ${kind}`);
  }
}

function parseCall(fields: LineFields): TraceCall {
  const errno = fields.get("errno");
  if (errno !== null && typeof errno !== "number") throw fault(fields.line, "errno is no number");
  const ret = fields.get("ret");
  if (errno === null && (ret === null || ret === undefined)) {
    throw fault(fields.line, "neither ret nor errno");
  }
  const after = fields.get("after");
  return {
    kind: "call",
    line: fields.line,
    actor: fields.text("actor"),
    name: fields.text("name"),
    ret,
    errno,
    after: after === undefined ? undefined : fields.object("after"),
    start: fields.number("t"),
    took: fields.number("took"),
    arguments: fields.all,
  };
}

/** One object of a line. */
class LineFields extends Fields {
  readonly line: number;

  constructor(source: unknown, line: number) {
    super(typeof source === "string" ? parseJson(source, line) : source, (what) =>
      fault(line, what),
    );
    this.line = line;
  }
}

function parseJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fault(line, "no JSON", cause);
  }
}

export function fault(line: number, what: string, cause?: unknown): LoopError {
  return new LoopError("ERR_TRACE_FORMAT", `line ${line}: ${what}`, { cause });
}
