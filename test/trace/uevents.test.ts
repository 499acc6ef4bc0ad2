/**
 * The fast reader of datagrams, and of the events that tell them, held against JSON: on every line
 * of recordings, and on lines that chance has changed. What it reads, JSON reads the same; what it
 * leaves to JSON comes to the same.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Command, Event, Group } from "../../assembly/abi.ts";
import { decodeBase64 } from "../../host/base64.ts";
import type { CoreUevent } from "../../host/core.ts";
import { loadDefaultCore } from "../../host/core-file.ts";
import { Random } from "../../host/sim/random.ts";
import { record } from "../../host/trace/index.ts";
import { sealLength, sealOf, spellEvent } from "../../host/trace/lines.ts";
import { replay } from "../../host/trace/replay.ts";
import { Line, splitLines } from "../../host/trace/split.ts";
import { UeventReader } from "../../host/trace/uevents.ts";
import { putDatagram } from "../helpers/datagrams.ts";
import { scratchRoot } from "../helpers/root.ts";
import { readTrace, traceNames } from "../helpers/traces.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-uevents-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** A core that is told what a real kernel sent, some of it from senders that do not count. */
async function recordStream(name: string, beginNs: bigint): Promise<string> {
  const path = join(directory, name);
  const core = loadDefaultCore({ watches: 8 });
  const trace = record(path, core, { core: "", facts: {} });
  let now = beginNs;
  core.handleCommand(now, { command: Command.Watch });
  const drain = () => {
    while (core.pollEvent()) now += 1n;
    for (let call = core.pollCall(); call; call = core.pollCall()) {
      core.handleCompletion(now, call.ticket, 0);
    }
  };
  drain();
  for (const [index, entry] of readTrace(name)
    .chapters.flatMap(({ entries }) => entries)
    .entries()) {
    if (entry.kind !== "message") continue;
    const { datagram } = entry.message;
    const forged = index % 7 === 0 ? { portId: 0xffff_fffe, pid: -index, uid: index } : {};
    now += BigInt(index) * 1_000_003n;
    putDatagram(core, index % 3, { ...datagram, ...forged });
    core.handleDatagram(now, index % 3);
    drain();
  }
  assert.is(await trace.close(), undefined);
  return readFileSync(path, "utf8");
}

const traces = await Promise.all(
  traceNames.map((name, index) =>
    recordStream(name, [0n, 1n << 40n, (1n << 63n) - 1n][index] ?? 0n),
  ),
);

const reader = new UeventReader();
const encoder = new TextEncoder();
const decoded = new Uint8Array(65_536);

/** In the midst of other bytes, which are as those beside it could be. */
function lineOf(text: string): Line {
  const bytes = encoder.encode(`"}\n${text}\n{"n":1`);
  return new Line(1, bytes, 3, bytes.length - 7);
}

/** What the fast reader says of a datagram's line, in the words of JSON. */
function byBytes(line: Line): object | undefined {
  const found = reader.datagram(line);
  if (found === undefined) return undefined;
  const { n, t, high, low, crc, dataAt, dataEnd, answer, group, ...words } = found;
  // As a replay does, which leaves the line to JSON then.
  if (decodeBase64(line.bytes, dataAt, dataEnd, decoded, 0) < 0) return undefined;
  const hex = (half: number) => half.toString(16).padStart(8, "0");
  return {
    n,
    t: String(t),
    in: "datagram",
    ...words,
    group: Group[group],
    data: Buffer.from(line.bytes.subarray(dataAt, dataEnd)).toString(),
    ...(answer !== 0 && { answer }),
    h: hex(high) + hex(low),
    crc: hex(crc),
  };
}

function byJson(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The words of an event's line as a core says them. */
function eventOf(fields: Record<string, unknown>): CoreUevent {
  const { n: _n, t: _t, out: _out, ...words } = fields;
  return {
    ...words,
    seqnum: BigInt(`${fields.seqnum}`),
    diskseq: BigInt(`${fields.diskseq}`),
  } as unknown as CoreUevent;
}

const isUevent = (line: Line, n: number, t: bigint, event: CoreUevent): boolean =>
  reader.beginsUevent(line, n, t) && reader.isUevent(line, event);

test("it reads every datagram and every uevent of a recording, and nothing else", () => {
  const count = { datagrams: 0, refused: 0, uevents: 0, others: 0 };
  for (const text of traces.flatMap((trace) => trace.trimEnd().split("\n"))) {
    const fields = byJson(text) ?? {};
    const line = lineOf(text);
    const found = byBytes(line);
    if (fields.in === "datagram") {
      assert.equal(found, fields);
      count.datagrams += 1;
      if (fields.answer !== undefined) count.refused += 1;
      continue;
    }
    assert.is(found, undefined);
    const t = BigInt(`${fields.t ?? 0}`);
    if (fields.event !== Event.Uevent) {
      assert.is(reader.beginsUevent(line, Number(fields.n), t), false, text);
      count.others += 1;
      continue;
    }
    const event = eventOf(fields);
    assert.ok(isUevent(line, Number(fields.n), t, event), text);
    assert.not.ok(isUevent(line, Number(fields.n) + 1, t, event));
    assert.not.ok(isUevent(line, Number(fields.n), t + 1n, event));
    for (const [key, value] of Object.entries(event)) {
      const another = { ...event, [key]: typeof value === "bigint" ? value + 1n : value + 1 };
      if (key !== "event") assert.not.ok(isUevent(line, Number(fields.n), t, another), key);
    }
    count.uevents += 1;
  }
  assert.ok(count.datagrams > 2000 && count.refused > 300, JSON.stringify(count));
  assert.ok(count.uevents > 1000 && count.others > 5, JSON.stringify(count));
});

test("what another writer may spell otherwise is left to JSON", () => {
  const text = traces[0]?.split("\n").find((line) => line.includes('"in":"datagram"')) ?? "";
  assert.ok(byBytes(lineOf(text)));
  const spellings: readonly [RegExp, string][] = [
    [/"n":\d+/, '"n":1e3'],
    [/"n":\d+/, '"n":5.0'],
    [/"n":\d+/, '"n":1000000000000000'],
    [/"t":"\d+"/, '"t":"18446744073709551616"'],
    [/"t":"\d+"/, '"t":""'],
    [/"t":"/, '"t":"0'],
    [/"pid":-?\d+/, '"pid":-0'],
    [/"pid":-?\d+/, '"pid":--1'],
    [/"uid":/, '"uid": '],
    [/"h":"/, '"h":"A'],
    [/"h":"./, '"h":"A'],
    [/"Kernel"/, '"None"'],
    [/$/, " "],
  ];
  for (const [pattern, other] of spellings) {
    assert.is(byBytes(lineOf(text.replace(pattern, other))), undefined, other);
  }
  const longest = byBytes(lineOf(text.replace(/"t":"\d+"/, '"t":"9999999999999999999"')));
  assert.is((longest as { t: string }).t, "9999999999999999999");
});

/** One byte changed, left out, put in, or doubled; or two of them, or the end cut off. */
function mutate(text: string, random: Random): string {
  const at = random.below(text.length);
  const letter = '0123456789-+.eE ",:{}[]abfnt\\\0=/AZ'.charAt(random.below(35));
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + letter + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + letter + text.slice(at);
    case 3:
      return text.slice(0, at) + text.charAt(at) + text.slice(at);
    case 4:
      return text.slice(0, at);
    default:
      return mutate(mutate(text, random), random);
  }
}

test("of a line that chance has changed it says what JSON says, or nothing", () => {
  const random = new Random(1n);
  const lines = traces.map((trace) =>
    trace.split("\n").filter((text) => text.includes('"bytes":')),
  );
  const count = { read: 0, left: 0, same: 0 };
  for (let round = 0; round < 60_000; round++) {
    const own = lines[round % lines.length] ?? [];
    const original = own[random.below(own.length)] ?? "";
    const text = mutate(original, random);
    const found = byBytes(lineOf(text));
    if (found !== undefined) {
      const { answer, ...fields } = byJson(text) ?? {};
      // An answer of 0 is none.
      assert.equal(found, { ...fields, ...(answer !== 0 && answer !== undefined && { answer }) });
      count.read += 1;
    } else count.left += 1;
    const fields = byJson(original) ?? {};
    if (fields.event !== Event.Uevent) continue;
    const [n, t, event] = [Number(fields.n), BigInt(`${fields.t}`), eventOf(fields)];
    assert.is(isUevent(lineOf(text), n, t, event), text === spellEvent(n, t, event), text);
    if (text === original) count.same += 1;
  }
  assert.ok(count.read > 2000 && count.left > 20_000 && count.same > 20, JSON.stringify(count));
});

/** The same line in a spelling that is left to JSON, with a CRC that is right. */
function respell(text: string): string {
  if (!text.startsWith("{") || !text.includes('"in":"datagram"')) return text;
  const sealed = `{ ${text.slice(1, -sealLength)}`;
  return sealed + sealOf(sealed);
}

async function outcomeOf(lines: readonly string[]): Promise<unknown> {
  try {
    const replayed = await replay(splitLines([Buffer.from(lines.join("\n"))]), loadDefaultCore);
    return { ...replayed, divergence: replayed.divergence?.line };
  } catch (error) {
    return (error as Error).message;
  }
}

test("in another spelling a trace comes to the same", async () => {
  for (const trace of traces) {
    const lines = trace.trimEnd().split("\n");
    const outcome = await outcomeOf(lines);
    assert.equal(await outcomeOf(lines.map(respell)), outcome);
    assert.is((outcome as { isCut: boolean }).isCut, false);
  }
});

test("another hash differs there, and another answer", async () => {
  const lines = traces[1]?.trimEnd().split("\n") ?? [];
  for (const [kind, pattern, other] of [
    ["command", /"h":"./, '"h":"x'],
    ["completion", /"h":"./, '"h":"x'],
    ["datagram", /(?<="h":"\w{7})./, "x"],
    ["datagram", /(?<="h":"\w{15})./, "x"],
    ["datagram", /,"h"/, ',"answer":-9,"h"'],
    ["datagram", /"answer":-?\d+/, '"answer":9'],
  ] as const) {
    const at = lines.findIndex((text) => text.includes(`"in":"${kind}"`) && pattern.test(text));
    const text = lines[at] ?? "";
    // A digit that it is not.
    const digit = text.match(pattern)?.[0].endsWith("0") ? "1" : "0";
    const changed = text.slice(0, -sealLength).replace(pattern, other.replace("x", digit));
    const all = lines.with(at, changed + sealOf(changed)).join("\n");
    const { divergence } = await replay(splitLines([Buffer.from(all)]), loadDefaultCore);
    const expected = changed + sealOf(changed);
    assert.equal(divergence, { line: at + 1, expected, actual: text });
  }
});

/** Words that are whole numbers all the same. */
const oddWords = ["slot:-1", "slot:63", "slot:64", "portId:99999999999", "flags:-1", "uid:-5"];

test("so does a changed trace whose CRC was made anew", async () => {
  const random = new Random(2n);
  const lines = traces[2]?.split("\n").slice(0, 120) ?? [];
  const datagrams = [...lines.keys()].filter((at) => lines[at]?.includes('"in":"datagram"'));
  const outcomes = new Set<string>();
  for (let round = 0; round < 150; round++) {
    const at = datagrams[random.below(datagrams.length)] ?? 0;
    const text = (lines[at] ?? "").slice(0, -sealLength);
    const [key, value] = oddWords[round]?.split(":") ?? [];
    const sealed = key
      ? text.replace(new RegExp(`"${key}":\\d+`), `"${key}":${value}`)
      : mutate(text, random);
    assert.ok(key === undefined || sealed !== text, key);
    const changed = lines.with(at, sealed + sealOf(sealed));
    const outcome = await outcomeOf(changed);
    assert.equal(await outcomeOf(changed.map(respell)), outcome, changed[at]);
    outcomes.add(typeof outcome === "string" ? outcome.replace(/\d+/g, "N") : "divergence");
  }
  assert.ok(outcomes.size > 5, [...outcomes].join("\n"));
});

test.run();
