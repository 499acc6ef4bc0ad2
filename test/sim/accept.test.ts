/**
 * Traces of ours held against the simulated kernel: one that it made itself is accepted as it is,
 * one beside which others were at work with their deeds, and one that was changed is refused.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError } from "../../host/errors.ts";
import { acceptCalls, Session, type SimOptions, simulate } from "../../host/sim/index.ts";
import { readCalls } from "../../host/trace/calls.ts";
import { splitLines } from "../../host/trace/split.ts";
import { command } from "../helpers/process.ts";
import { scratchRoot } from "../helpers/root.ts";
import { eras, mbrImage, recordAttach, twoSlots, withGptFile } from "../helpers/simulations.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-accept-"));
const path = join(directory, "t.ndjson");
const one = [{ number: 1, start: 8, size: 100 }];

async function accept(lines: readonly string[], version?: string) {
  const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
  return acceptCalls(await readCalls(splitLines([bytes])), version);
}

function linesOf(file = path): string[] {
  return readFileSync(file, "utf8").trimEnd().split("\n");
}

/** Leaves the trace of a session: several at once, and all that is done to devices. */
async function recordMuch(options: Partial<SimOptions>, gpt: string): Promise<void> {
  const images = { "/a": mbrImage(twoSlots), "/b": mbrImage(one), "/c": new Uint8Array(1 << 20) };
  const session = simulate({ version: "6.1.192", clock: "virtual", images, ...options });
  const trace = await session.trace(path);
  const monitor = await session.monitor();
  const [a, b, c] = await Promise.all([
    session.attach("/a"),
    session.attach("/b", { partscan: "user", readOnly: true }),
    session.attach(gpt),
  ]);
  await session.waitFor({ device: a.device, partitions: [1, 3] });
  await Promise.all([a.detach(), b.detach()]);
  const stays = { persistent: true, partscan: "none", device: 804 } as const;
  const { device } = await session.attach("/c", stays);
  session.kernel.setImage("/c", mbrImage([{ number: 2, start: 16, size: 32 }], 2 << 20));
  await session.resize(device);
  await session.rescan(device);
  await session.detach(device);
  await c.detach();
  const again = async () => (await session.attach("/a", { allowOverlap: true })).detach();
  await Promise.all([again(), again(), again()]);
  await monitor.close();
  assert.is(await trace.close(), undefined);
  await session.close();
}

test("what the simulated kernel answered it could have answered", async () => {
  await withGptFile(async (gpt) => {
    for (const version of eras) {
      for (const parsers of [true, false]) {
        await recordMuch({ version, parsers, ...(parsers && { seed: 1 }) }, gpt);
        const found = await accept(linesOf());
        const name = `${version}, parsers ${parsers}`;
        assert.equal(found.refusal, undefined, name);
        assert.equal(found.deeds, [], name);
        assert.is(found.version, version);
        assert.is(found.hasParsers, parsers, name);
        assert.ok(found.calls > 300, name);
      }
    }
  });
});

/** A detach that another process holds up, so often, in one trace. */
async function recordHeld(times: number): Promise<void> {
  const images = { "/a": mbrImage(twoSlots) };
  const session = simulate({ version: "6.12.90", clock: "virtual", images });
  const trace = await session.trace(path);
  const other = new Session(session.kernel.spawn());
  for (let round = 0; round < times; round++) {
    const disk = await session.attach("/a");
    const block = await other.openBlock(disk.device);
    await disk.detach({ timeoutMs: 1000 }).catch((error: LoopError) => {
      assert.is(error.code, "ERR_LOOP_BUSY");
    });
    await block.close();
  }
  assert.is(await trace.close(), undefined);
  await session.close();
}

test("what others did is found out", async () => {
  await recordHeld(1);
  const { refusal, deeds, unjudged } = await accept(linesOf());
  assert.equal(refusal, undefined);
  assert.equal(deeds, ["loop0: opened"]);
  assert.ok((unjudged["who holds a device"] ?? 0) > 0);
});

test("what others did often is told once", async () => {
  await recordHeld(3);
  const told = await command(["sim", "--validate", path]);
  assert.is(told.status, 0, told.stderr);
  const lines = [...told.stdout.matchAll(/^ {2}others {6}(.+?)(?:, (\d+) times)?$/gm)];
  const counts = new Map(lines.map(([, deed, count = "1"]) => [deed, Number(count)]));
  assert.is(counts.size, lines.length);
  assert.is(counts.get("loop0: opened"), 3);
  const { deeds } = await accept(linesOf());
  for (const [deed, count] of counts) assert.is(deeds.filter((one) => one === deed).length, count);
  assert.ok(told.stdout.includes(`, ${deeds.length} deeds of others\n`));
});

type Fields = Record<string, unknown>;

/** The lines with the answer to the first such call, or the first such record, changed. */
function tamper(lines: readonly string[], find: string, change: (record: Fields) => void) {
  const at = lines.findIndex((line) => line.includes(find));
  assert.ok(at > 0, find);
  const { ticket } = JSON.parse(lines[at] ?? "");
  const isAnswer = (line: string) => line.includes(`"in":"completion","ticket":${ticket},`);
  const to = ticket === undefined ? at : lines.findIndex(isAnswer);
  const record = JSON.parse(lines[to] ?? "");
  change(record);
  return lines.with(to, JSON.stringify(record));
}

function failing(errno: number) {
  return (record: Fields) => Object.assign(record, { result: -errno });
}

/** Another byte where the answer's data has this one. */
function byte(at: number, value: number) {
  return (record: Fields) => {
    const data = Buffer.from(String(record.data), "base64");
    assert.is.not(data[at], value);
    data[at] = value;
    record.data = data.toString("base64");
  };
}

/** An event's text, changed. */
function text(from: string, to: string) {
  return (record: Fields) => {
    const data = Buffer.from(String(record.data), "base64").toString("latin1");
    assert.ok(data.includes(from), from);
    record.data = Buffer.from(data.replace(from, to), "latin1").toString("base64");
  };
}

/** The record of an event whose text is this. */
function eventOf(lines: readonly string[], wanted: string): string {
  const found = lines.find((line) => {
    if (!line.includes('"in":"datagram"')) return false;
    return Buffer.from(JSON.parse(line).data, "base64").toString("latin1").includes(wanted);
  });
  assert.ok(found, wanted);
  return found;
}

test("what was changed is refused, with the line", async () => {
  await recordAttach(path, "6.1.192");
  const lines = linesOf();
  assert.equal((await accept(lines)).refusal, undefined);
  const request = (number: number) => `"request":${number},`;
  const [configure, setStatus, status, diskseq] = [0x4c0a, 0x4c04, 0x4c05, 0x80081280].map(request);
  const added = eventOf(lines, "add@/devices/virtual/block/loop0/loop0p1");
  const cases: readonly (readonly [what: RegExp, lines: readonly string[]])[] = [
    [/LOOP_CONFIGURE answers/, tamper(lines, configure ?? "", failing(22))],
    [/LOOP_SET_STATUS64 answers/, tamper(lines, setStatus ?? "", failing(11))],
    [/LOOP_GET_STATUS64 answers/, tamper(lines, status ?? "", failing(5))],
    [/answers/, tamper(lines, diskseq ?? "", byte(0, 200))],
    // Others may have left it there, but then it is missed.
    [
      /answers|the event/,
      tamper(lines, '"call":"ListPartitions"', (one) => Object.assign(one, extra)),
    ],
    [/the event/, tamper(lines, added, text("PARTN=1", "PARTN=2"))],
    [/the event/, tamper(lines, added, text("add@", "remove@"))],
    [/event/, lines.filter((line) => line !== added)],
    [/the event/, lines.flatMap((line) => (line === added ? [line, line] : [line]))],
  ];
  for (const [index, [what, changed]] of cases.entries()) {
    const { refusal } = await accept(changed);
    assert.ok(refusal, `tampering ${index} was accepted`);
    assert.match(refusal.what, what, `tampering ${index}`);
    assert.is.not(refusal.recorded, refusal.model);
    assert.ok(refusal.line > 1 && refusal.line <= changed.length);
  }
});

function seqnumIn(event: string): string {
  const data = Buffer.from(JSON.parse(event).data, "base64").toString("latin1");
  return /SEQNUM=\d+/.exec(data)?.[0] ?? "none";
}

/** The same event as somebody has the kernel tell it, by a write to `uevent` in sysfs. */
function askedFor(event: string, change: readonly (readonly [string, string])[]): string {
  const record = JSON.parse(event);
  const asked = [["SUBSYSTEM=block\0", "SUBSYSTEM=block\0SYNTH_UUID=0\0"], ...change] as const;
  for (const [from, to] of asked) text(from, to)(record);
  return JSON.stringify(record);
}

test("what somebody had the kernel tell is accepted of what is there only", async () => {
  await recordAttach(path, "6.1.192");
  const lines = linesOf();
  const added = eventOf(lines, "add@/devices/virtual/block/loop0/loop0p1");
  const behind = (event: string) =>
    lines.flatMap((line) => (line === added ? [line, event] : line));
  const { refusal, deeds } = await accept(behind(askedFor(added, [])));
  assert.equal(refusal, undefined);
  assert.equal(deeds, ["loop0p1: add told"]);
  // Its number was read before the change that was told first.
  const unplugged = eventOf(lines, "remove@/devices/virtual/block/loop0/loop0p3");
  const plugged = eventOf(lines, "add@/devices/virtual/block/loop0/loop0p3");
  const sent = [[seqnumIn(plugged), seqnumIn(unplugged)]] as const;
  const late = (line: string) => (line === unplugged ? [askedFor(plugged, sent), line] : line);
  assert.equal((await accept(lines.flatMap(late))).deeds, ["loop0p3: add told"]);
  const absent = [
    ["loop0/loop0p1", "loop0/loop0p9"],
    ["/loop0p1\0SUB", "/loop0p9\0SUB"],
  ] as const;
  for (const change of [absent, [["PARTN=1", "PARTN=2"]], [["MAJOR=259", "MAJOR=7"]]] as const) {
    const told = await accept(behind(askedFor(added, change)));
    assert.match(told.refusal?.what ?? "accepted", /the event/);
  }
});

test("what somebody had the kernel tell later says nothing of which device was new", async () => {
  const images = { "/a": mbrImage(twoSlots), "/b": mbrImage(one), "/c": mbrImage(one) };
  const session = simulate({ version: "6.1.192", clock: "virtual", images });
  const other = new Session(session.kernel.spawn());
  await other.attach("/b");
  const taken = await other.attach("/c");
  const trace = await session.trace(path);
  const again = async () => (await session.attach("/a")).detach();
  await again();
  await taken.detach();
  await again();
  const monitor = await session.monitor();
  const disk = await session.attach("/a");
  await session.waitFor({ device: disk.device, partitions: [1, 3] });
  await Promise.all([
    session.waitFor({ diskseq: disk.diskseq ?? 0n, removed: true }),
    disk.detach(),
  ]);
  await monitor.close();
  assert.is(await trace.close(), undefined);
  await session.close();
  const lines = linesOf();
  const first = eventOf(lines, "change@/devices/virtual/block/loop1");
  const forged = askedFor(first, [
    ["change@", "add@"],
    ["ACTION=change", "ACTION=add"],
  ]);
  const { refusal, deeds } = await accept(lines.flatMap((l) => (l === first ? [forged, l] : [l])));
  assert.equal(refusal, undefined);
  assert.ok(deeds.includes("loop1: add told"), deeds.join());
});

/** A partition too many: number 7 of 259:0 with 8 sectors from sector 8. */
const extra = { result: 1, data: partitionRecord(7).toString("base64") };

function partitionRecord(number: number): Buffer {
  const record = Buffer.alloc(32);
  record.writeInt32LE(number, 0);
  record.writeInt32LE(259, 4);
  record.writeBigUInt64LE(8n, 16);
  record.writeBigUInt64LE(8n, 24);
  return record;
}

test("one version's trace is refused as another's", async () => {
  await recordAttach(path, "6.1.192");
  assert.ok((await accept(linesOf(), "7.2.13")).refusal);
  assert.ok((await accept(linesOf(), "5.10.223")).refusal);
});

test("what cannot be judged as a whole is said", async () => {
  const [head = "", ...rest] = linesOf();
  const header = JSON.parse(head);
  const redacted = await accept([JSON.stringify({ ...header, redacted: true }), ...rest]);
  assert.is(redacted.unfit, "names are left out");
  const named = (kernel: string, build: string) =>
    accept([JSON.stringify({ ...header, facts: { kernel, build } })]);
  const debian = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-09-14)";
  assert.is((await named("linux 6.1.0-56-cloud-amd64", debian)).version, "6.1.192");
  assert.is((await named("linux 6.18.44-x", "#1 SMP")).version, "6.18.44");
  const error = await named("linux 6.8.0-45-generic", "#45-Ubuntu SMP").catch((one) => one);
  assert.instance(error, LoopError);
  assert.is(error.code, "ERR_LOOP_ARGUMENT");
});

test("sim --validate takes traces of ours", async () => {
  await recordAttach(path, "6.1.192");
  const same = await command(["sim", "--validate", path]);
  assert.is(same.status, 0, same.stderr);
  assert.match(same.stdout, /as simulated Linux 6\.1\.192 could: \d+ calls, \d+ events\n/);
  const other = await command(["sim", "--validate", path, "--kernel", "7.2.13", "--json"]);
  assert.is(other.status, 1);
  const { version, refusal } = JSON.parse(other.stdout);
  assert.is(version, "7.2.13");
  assert.ok(refusal.line > 1 && refusal.recorded !== refusal.model);
  const [head = "", ...rest] = linesOf();
  const redacted = JSON.stringify({ ...JSON.parse(head), redacted: true });
  writeFileSync(path, `${[redacted, ...rest].join("\n")}\n`);
  const unfit = await command(["sim", "--validate", path]);
  assert.is(unfit.status, 1);
  assert.match(unfit.stdout, "not judged: names are left out");
});

test.after(() => rmSync(directory, { recursive: true }));

test.run();
