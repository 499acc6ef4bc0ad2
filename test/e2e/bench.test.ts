/**
 * The benchmarks run, count right, and leave nothing behind; also when they are interrupted. How
 * fast anything is, is not judged here.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { quick } from "../bench/scale.ts";
import { missing } from "../helpers/needs.ts";
import { start } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";
import { skip } from "../helpers/skip.ts";

interface Row {
  readonly name: string;
  readonly [key: string]: number | string;
}

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** What the others are compared with, where there is a compiler. */
const base = "recv(2) loop in C";
const program = join(packageRoot, "build/test/bench/run.js");

test("every row of the table is measured or says why not", async () => {
  const reason = await missing(["root"]);
  if (reason !== undefined) return skip(reason);
  const { status, stdout, stderr } = await start(process.execPath, [program, "--quick", "--json"])
    .outcome;
  assert.is(status, 0, stderr);
  const { sections } = JSON.parse(stdout) as { sections: readonly Section[] };
  assert.is(sections.length, 8);
  for (const { title, rows } of sections) {
    assert.ok(rows.length >= 3, title);
    for (const { name, ...values } of rows) {
      if ((values.skipped ?? values.failure) !== undefined) continue;
      const isAlone = rows.some((row) => row.name === base && row.skipped !== undefined);
      for (const [key, value] of Object.entries(values)) {
        if (isAlone && key.endsWith("OfC")) continue;
        assert.ok(Number.isFinite(value), `${title}, ${name}: ${key} is ${value}`);
      }
    }
  }
  const rows = sections.flatMap((section) => section.rows);
  const own = rows.filter(({ name }) => name.startsWith("diskseq") && !name.includes("last round"));
  const counted = own.filter(({ sent }) => sent !== undefined);
  assert.is(counted.length, 6);
  for (const { name, lost } of counted) assert.is(lost, 0, name);
  // who iterates has seen every single event
  const report = rows.find(({ name }) => name === "diskseq meanwhile, last round");
  assert.is(report?.sent, quick.warmEvents + quick.floodEvents);
  assert.is(report?.seen, report?.sent);
  assert.is(report?.dropped, 0);
  expectGone(stderr);
});

test("what is not installed is a row that says so", async () => {
  const reason = await missing(["root"]);
  if (reason !== undefined) return skip(reason);
  const args = [program, "--quick", "--json", "flood"];
  const { status, stdout, stderr } = await start(process.execPath, args, {
    environment: { PATH: "/nonexistent" },
  }).outcome;
  assert.is(status, 0, stderr);
  const { facts, sections } = JSON.parse(stdout) as { facts: string[]; sections: Section[] };
  assert.match(facts[0] ?? "", /no gcc$/);
  const skips = sections[0]?.rows.filter((row) => row.skipped !== undefined) ?? [];
  const names = skips.map(({ name }) => name);
  assert.ok(names.includes(base) && names.includes("udevadm monitor --kernel"), names.join());
  for (const { name, skipped } of skips) assert.match(String(skipped), /\w/, name);
});

test("an interrupted benchmark gives its device back", async () => {
  const reason = await missing(["root"]);
  if (reason !== undefined) return skip(reason);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const running = start(process.execPath, [program, "flood"]);
    await running.shows("flood, on loop");
    const { status, stderr } = await running.stop(signal);
    assert.is(status, signal === "SIGINT" ? 130 : 143);
    expectGone(stderr);
  }
});

test("what there is not to measure is refused", async () => {
  const { status, stderr } = await start(process.execPath, [program, "speed"]).outcome;
  assert.is(status, 2);
  assert.match(stderr, /^unknown: speed; there are rate, flood, wake, core, parse, /);
});

/** The device that it said it works on. */
function expectGone(stderr: string): void {
  const name = / on (loop\d+) /.exec(stderr)?.[1];
  assert.type(name, "string", stderr);
  assert.not.ok(existsSync(`/sys/block/${name}`), `${name} is left`);
}

test.run();
