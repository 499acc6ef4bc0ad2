/**
 * The validator sees what is wrong with a trace: each thing that it compares is changed in a real
 * one, and must be the difference that is told; a file that is none is refused with its line.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError } from "../../host/errors.ts";
import { loadWasmModel } from "../../host/sim/load.ts";
import { type Validation, validateTrace } from "../../host/sim/validate.ts";
import { packageRoot } from "../helpers/root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/kernel.wasm"));
const path = join(packageRoot, "test/traces/linux-6.1.ndjson.gz");
const lines: readonly string[] = gunzipSync(readFileSync(path)).toString().trimEnd().split("\n");

type Fields = Record<string, unknown>;

test("a changed record is the difference that is told", async () => {
  const tamperings: readonly (readonly [
    what: string,
    at: Find,
    change: (fields: Fields) => void,
  ])[] = [
    ["answers", call("LOOP_CONFIGURE"), (fields) => Object.assign(fields, failure(16))],
    ["answers", call("LOOP_GET_STATUS64"), ({ ret }) => Object.assign(ret as Fields, { flags: 0 })],
    ["answers", call("BLKGETDISKSEQ"), (fields) => Object.assign(fields, { ret: 97 })],
    ["sysfs shows size", call("LOOP_CONFIGURE"), (f) => Object.assign(after(f), { size: "1" })],
    ["sysfs shows ro", call("LOOP_CLR_FD"), (fields) => Object.assign(after(fields), { ro: "1" })],
    ["sysfs shows diskseq", call("close"), (f) => Object.assign(after(f), { diskseq: "9000" })],
    [
      "sysfs shows partitions",
      call("BLKPG_ADD"),
      (f) => Object.assign(after(f), { partitions: [] }),
    ],
    ["sysfs shows loop/offset", call("LOOP_SET_CAPACITY"), (f) => delete after(f)["loop/offset"]],
    [
      "before it sysfs shows",
      scenario(20),
      ({ before }) => Object.assign(before as Fields, { ro: "1" }),
    ],
    ["the event", event("DISK_MEDIA_CHANGE=1"), drop("DISK_MEDIA_CHANGE=1")],
    ["the event", event("PARTNAME=gpt 2"), swap("PARTNAME=gpt 2", "PARTNAME=gpt 3")],
    ["the event", event("DISKSEQ=12"), swap("DISKSEQ=12", "DISKSEQ=11")],
    ["the event", event("ACTION=remove"), swap("ACTION=remove", "ACTION=add")],
    ["the event", event("DEVTYPE=partition"), swap("MAJOR=259", "MAJOR=7")],
    ["the event", event("RESIZE=1"), drop("RESIZE=1")],
    ["the socket", (fields) => fields.kind === "overrun", overrun],
    [
      "no order",
      (fields) => fields.kind === "settled",
      (f) => Object.assign(after(f), { size: "8" }),
    ],
  ];
  for (const [index, [what, find, change]] of tamperings.entries()) {
    const { difference } = await validate(tamper(find, change));
    assert.match(difference?.what ?? "no difference", what, `tampering ${index}`);
    assert.ok(difference && difference.recorded !== difference.model, `tampering ${index}`);
  }
});

test("a missing, an additional and a misplaced event are told", async () => {
  const at = lines.findIndex((line) => line.includes('"PARTNAME=gpt 2"'));
  const missing = lines.toSpliced(at, 1);
  assert.match(told(await validate(missing)), "the event");
  const last = lines.findIndex((line) => line.includes('"PARTNAME=gpt 3"'));
  assert.match(told(await validate(lines.toSpliced(last, 1))), "one more than recorded");
  const twice = lines.toSpliced(at, 0, lines[at] ?? "");
  assert.match(told(await validate(twice)), "the event");
  const moved = lines.toSpliced(at, 2, lines[at + 1] ?? "", lines[at] ?? "");
  assert.match(told(await validate(moved)), "the event");
});

test("a race that no order makes is told", async () => {
  const race = lines.findIndex((line) => line.includes('"kind": "race"'));
  const added = lines.findIndex((line, index) => index > race && line.includes('"PARTN=2"'));
  assert.match(told(await validate(lines.toSpliced(added, 1))), "no order");
  const opened = lines.findIndex((line, index) => index > race && line.includes('"actor": "B"'));
  const refused = lines.with(
    opened,
    edit(lines[opened] ?? "", (f) => Object.assign(f, failure(6))),
  );
  assert.match(told(await validate(refused)), "no order");
});

test("what is no trace is refused, with its line", async () => {
  const cases: readonly (readonly [expected: string, lines: readonly string[]])[] = [
    ["line 1: no JSON", ["nonsense"]],
    ["line 1: no JSON", []],
    ["line 1: no trace of a kernel", ["{}"]],
    [
      "line 1: format version 2",
      lines.with(
        0,
        edit(lines[0] ?? "", (f) => (f.formatVersion = 2)),
      ),
    ],
    [
      "line 1: images is no object",
      lines.with(
        0,
        edit(lines[0] ?? "", (f) => delete f.images),
      ),
    ],
    ["line 3: kind is no text", lines.with(2, "{}")],
    ["line 3: no object", lines.with(2, "[]")],
    ["line 3: no such kind", lines.with(2, '{"kind": "dream"}')],
    [
      "line 3: actor is no text",
      lines.with(
        2,
        edit(lines[2] ?? "", (f) => (f.actor = 7)),
      ),
    ],
    [
      "line 3: neither ret nor errno",
      lines.with(
        2,
        edit(lines[2] ?? "", (f) => (f.ret = null)),
      ),
    ],
    [
      "line 3: no such call",
      lines.with(
        2,
        edit(lines[2] ?? "", (f) => (f.name = "mount")),
      ),
    ],
    [
      "line 3: fd: f9 was never",
      lines.with(
        2,
        edit(lines[2] ?? "", (f) => (f.fd = "f9")),
      ),
    ],
    ["the recording was cut", lines.slice(0, -1)],
    ["records follow the end", [...lines, lines.at(-1) ?? ""]],
  ];
  for (const [expected, text] of cases) {
    const error = await validate(text).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    assert.instance(error, LoopError);
    assert.is((error as LoopError).code, "ERR_TRACE_FORMAT");
    assert.match((error as LoopError).message, expected);
  }
});

test("a version that nobody knows is refused", async () => {
  for (const version of ["", "6", "6.1", "6.1.1.1", "6.1.x", "4.19.1", "8.0.0", "6.1.1000"]) {
    const error = await validate(lines, version).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    assert.is((error as LoopError | undefined)?.code, "ERR_LOOP_ARGUMENT", version);
  }
});

function validate(text: readonly string[], version?: string): Promise<Validation> {
  const load = (options: Parameters<typeof loadWasmModel>[1]) => loadWasmModel(wasmBytes, options);
  return validateTrace(`${text.join("\n")}\n`, { load, version });
}

function told({ difference }: Validation): string {
  return difference?.what ?? "no difference";
}

type Find = (fields: Fields) => boolean;

/** The first record that is meant, changed. */
function tamper(find: Find, change: (fields: Fields) => void): readonly string[] {
  const at = lines.findIndex((line) => find(JSON.parse(line)));
  assert.ok(at > 0, "nothing to tamper with");
  return lines.with(at, edit(lines[at] ?? "", change));
}

function edit(line: string, change: (fields: Fields) => unknown): string {
  const fields = JSON.parse(line) as Fields;
  change(fields);
  return JSON.stringify(fields);
}

function call(name: string): Find {
  return (fields) => fields.name === name && fields.after !== undefined;
}

function scenario(index: number): Find {
  let seen = 0;
  return (fields) => fields.kind === "scenario" && ++seen === index;
}

function event(text: string): Find {
  return ({ strings }) => Array.isArray(strings) && strings.includes(text);
}

function after(fields: Fields): Fields {
  return fields.after as Fields;
}

function failure(errno: number): Fields {
  return { ret: null, errno };
}

function drop(text: string): (fields: Fields) => void {
  return (fields) => {
    fields.strings = (fields.strings as string[]).filter((one) => one !== text);
  };
}

function swap(from: string, to: string): (fields: Fields) => void {
  return (fields) => {
    fields.strings = (fields.strings as string[]).map((one) => (one === from ? to : one));
  };
}

function overrun(fields: Fields): void {
  (fields.read as unknown[]).splice(1, 1);
}

test.run();
