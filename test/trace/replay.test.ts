/**
 * Recordings run again: on simulated kernels of each era, with a monitor and a wait beside the
 * attach; in Wasm and in the JavaScript build. No byte of an input can change in silence, and what
 * cannot be read is refused with its line.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadJsCore } from "../../host/core.ts";
import { loadDefaultCore } from "../../host/core-file.ts";
import { simulate } from "../../host/sim/index.ts";
import { record } from "../../host/trace/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { type Replayed, type ReplayOptions, replay } from "../../host/trace/replay.ts";
import { splitLines } from "../../host/trace/split.ts";
import { command } from "../helpers/process.ts";
import { scratchRoot } from "../helpers/root.ts";
import { eras, mbrImage, recordAttach, twoSlots } from "../helpers/simulations.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-trace-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** The file with the trace of an attach. */
async function attachTrace(version: string): Promise<string> {
  const path = join(directory, `${version}.ndjson`);
  await recordAttach(path, version);
  return path;
}

const fromText = (text: string, options?: ReplayOptions): Promise<Replayed> =>
  replay(splitLines([Buffer.from(text)]), loadDefaultCore, options);

for (const version of eras) {
  test(`${version}: what was recorded runs again the same, in both builds`, async () => {
    const path = await attachTrace(version);
    const wasm = await replay(linesOf(path), loadDefaultCore);
    const js = await replay(linesOf(path), loadJsCore);
    assert.is(wasm.divergence, undefined);
    assert.is(wasm.isCut, false);
    assert.ok(wasm.records > 100, `${wasm.records} records`);
    assert.equal(js, wasm);
    const { facts, seed } = wasm.header;
    assert.equal(
      [facts.kernel, facts.node, seed],
      [`simulated linux ${version}`, process.version, "7"],
    );
    assert.match(facts.capabilities ?? "", /^[0-9a-f]{16}$/);
    const kinds = new Set(
      readFileSync(path, "utf8")
        .match(/"(?:in|out)":"\w+"/g)
        ?.map((kind) => kind.slice(1, -1)),
    );
    for (const kind of ["command", "completion", "datagram", "timeout", "call", "event"]) {
      assert.ok(
        [...kinds].some((own) => own.endsWith(`:"${kind}`)),
        `${kind} is recorded`,
      );
    }
  });
}

/** A line with the lowest bit of one byte turned. */
function flip(line: string, at: number): string {
  return line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1);
}

test("no byte of an input changes in silence", async () => {
  const path = await attachTrace("6.1.192");
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n");
  let flips = 0;
  for (const [index, line] of lines.entries()) {
    if (!line.includes('"in":')) continue;
    // Another place in each, so that all kinds of fields come up.
    const at = (index * 37) % line.length;
    const changed = flip(line, at);
    const outcome = await fromText(lines.with(index, changed).join("\n")).catch((error) => error);
    const place = `line ${index + 1}, byte ${at}: ${line[at]} -> ${changed[at]}`;
    const isTold = outcome instanceof Error ? "code" in outcome : outcome.divergence?.line;
    assert.ok(isTold, place);
    flips += 1;
  }
  assert.ok(flips > 50, `${flips} inputs`);
});

test("every byte of one datagram's record", async () => {
  const path = await attachTrace("6.12.90");
  const lines = readFileSync(path, "utf8").split("\n");
  const index = lines.findIndex((line) => line.includes('"in":"datagram"'));
  const line = lines[index] ?? "";
  for (let at = 0; at < line.length; at++) {
    const changed = flip(line, at);
    const outcome = await fromText(lines.with(index, changed).join("\n")).catch((error) => error);
    assert.ok(outcome instanceof Error || outcome.divergence, `byte ${at}: ${line[at]}`);
  }
});

test("it stops where it is told to, and goes the same way from a part", async () => {
  const path = await attachTrace("6.18.44");
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n");
  const to = lines.findIndex((line, index) => index > 40 && line.includes('"in":')) - 1;
  const { hash, records } = await fromText(text, { to });
  assert.is(records, to + 1);
  assert.is(JSON.parse(lines[records] ?? "").h, hash);
  const cut = await fromText(lines.slice(0, 60).join("\n"));
  assert.equal([cut.isCut, cut.records, cut.divergence], [true, 59, undefined]);
});

/** Files that are no trace, or not all of one; what is said of them. */
const refused: readonly [
  name: string,
  change: (lines: string[]) => string | Buffer,
  said: RegExp,
][] = [
  ["empty", () => "", /the trace is empty/],
  ["binary", () => Buffer.from([0, 159, 1, 255, 10, 200]), /line 1 .*not JSON/],
  ["another file", () => '{"name":"x"}\n', /line 1 .*not the header/],
  [
    "a later version",
    ([h = "", ...rest]) => [h.replace('"reads":1', '"reads":9'), ...rest].join("\n"),
    /line 1 .*version 9/,
  ],
  [
    "another ABI",
    ([h = "", ...rest]) => [h.replace(/"abi":\d+/, '"abi":999'), ...rest].join("\n"),
    /line 1 .*ABI 999/,
  ],
  ["cut in a line", (lines) => lines.slice(0, 30).join("\n").slice(0, -20), /line 30 .*not JSON/],
  [
    "cut between lines",
    (lines) => `${lines.slice(0, 30).join("\n")}\n`,
    /cut short after record 28: it has no end/,
  ],
  [
    "a line is missing",
    (lines) => lines.toSpliced(20, 1).join("\n"),
    /line 21 .*record 19 is missing/,
  ],
  ["something follows", (lines) => [...lines, '{"n":1}'].join("\n"), /nothing may follow/],
  ["a line without end", () => "x".repeat(5_000_000), /line 1 .*longer than/],
];

for (const [name, change, said] of refused) {
  test(`refused: ${name}`, async () => {
    const whole = readFileSync(await attachTrace("6.1.192"), "utf8")
      .trimEnd()
      .split("\n");
    const path = join(directory, "refused.ndjson");
    writeFileSync(path, change(whole));
    const { status, stderr } = await command(["replay", path]);
    assert.is(status, 1, stderr);
    assert.match(stderr, said);
  });
}

test("the command says what differs, and where", async () => {
  const path = await attachTrace("6.1.192");
  const lines = readFileSync(path, "utf8").split("\n");
  const index = lines.findIndex((line) => line.includes('"out":"call"'));
  writeFileSync(
    path,
    lines.with(index, lines[index]?.replace(/"call":"\w+"/, '"call":"Fsync"') ?? "").join("\n"),
  );
  const { status, stdout } = await command(["replay", path]);
  assert.is(status, 7);
  assert.match(
    stdout,
    new RegExp(`^line ${index + 1} differs\\n {2}trace .*"Fsync".*\\n {2}core {2}\\{`),
  );
});

test("--trace of a command is a trace", async () => {
  const image = join(directory, "d.img");
  const { size = 0, pieces = [] } = mbrImage(twoSlots) as {
    size?: number;
    pieces?: { bytes: Uint8Array }[];
  };
  writeFileSync(
    image,
    Buffer.concat([pieces[0]?.bytes ?? Buffer.alloc(0), Buffer.alloc(size - 512)]),
  );
  const path = join(directory, "command.ndjson");
  const attach = await command(["attach", image, "--kernel", "sim:6.1.192", "--trace", path]);
  assert.is(attach.status, 0, attach.stderr);
  const { status, stdout } = await command(["replay", path, "--json"]);
  assert.is(status, 0);
  const { records, divergence } = JSON.parse(stdout);
  assert.ok(records > 50 && divergence === undefined, stdout);
  const at = await command(["replay", path, "--to", "40"]);
  assert.match(at.stdout, /"command": "attach"/);
});

test("within a limit the newer part stays, and each part replays by itself", async () => {
  const path = join(directory, "limited.ndjson");
  const session = simulate({
    version: "6.12.90",
    seed: 3,
    images: { "/disk.img": mbrImage(twoSlots) },
  });
  const limit = 1 << 20;
  const trace = await session.trace(path, { limit });
  const monitor = await session.monitor();
  for (let round = 0; round < 60; round++) await (await session.attach("/disk.img")).detach();
  await monitor.close();
  assert.is(await trace.close(), undefined);
  await session.close();
  const parts = [`${path}.1`, path];
  for (const part of parts) {
    // What a record and a header take comes on top.
    assert.ok(statSync(part).size < limit / 2 + 65_536, `${part}: ${statSync(part).size} bytes`);
    for (const load of [loadDefaultCore, loadJsCore]) {
      const { divergence, isCut, records } = await replay(linesOf(part), load);
      assert.equal([divergence, isCut], [undefined, false], part);
      assert.ok(part === path || records > 20, `${records} records`);
    }
  }
  const texts = parts.map((part) => readFileSync(part, "utf8"));
  for (const wrong of [gzipSync("another state"), Buffer.from("no gzip")]) {
    const text = texts[0]?.replace(/"state":"[^"]*"/, `"state":"${wrong.toString("base64")}"`);
    const outcome = await fromText(text ?? "").catch((error) => error);
    assert.match(outcome.message, /line 1 .*of another size/);
  }
  assert.ok(texts.every((text) => text.split("\n", 1)[0]?.includes('"from":{"state":')));
});

test("what a core panicked at is the last that is written, and panics again", async () => {
  const path = join(directory, "panic.ndjson");
  const core = loadDefaultCore({ operations: 1 });
  const trace = record(path, core, { core: "", facts: {} });
  core.handleTimeout(2_000n);
  // Time that runs backwards.
  assert.throws(() => core.handleTimeout(1_000n), /panicked/);
  assert.throws(() => core.handleTimeout(3_000n), /entered twice/);
  assert.is(await trace.close(), undefined);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.is(lines.length, 3);
  assert.match(lines[2] ?? "", '"t":"1000","in":"timeout","crc"');
  const { status, stderr } = await command(["replay", path]);
  assert.is(status, 70);
  assert.match(stderr, "timers.ts");
});

test("a limit is none of nothing, and not too small", async () => {
  const sim = ["list", "--kernel", "sim:6.1.192", "--limit", "5K"];
  const alone = await command(sim);
  assert.is(alone.status, 2);
  assert.match(alone.stderr, "give --trace FILE too");
  const small = await command([...sim, "--trace", join(directory, "small.ndjson")]);
  assert.is(small.status, 2);
  assert.match(small.stderr, "1 MiB at least");
});

test("a trace that cannot be written does not hold up what it records", async () => {
  const session = simulate({ version: "6.1.192", images: { "/disk.img": mbrImage(twoSlots) } });
  const trace = await session.trace(join(directory, "no such directory", "t.ndjson"));
  const disk = await session.attach("/disk.img");
  await disk.detach();
  assert.match((await trace.close())?.message ?? "", /ENOENT/);
  await session.close();
});

test.run();
