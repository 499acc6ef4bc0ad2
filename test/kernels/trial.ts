/**
 * What one kernel is put to: the tests in the guest, then on this machine the replay of all that
 * they recorded there. Tells how it goes, line by line.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { start } from "../helpers/process.ts";
import { packageRoot, programPath } from "../helpers/root.ts";
import { type Era, kernelOf } from "./debian.ts";
import { boot } from "./guest.ts";
import { rootArchive } from "./root.ts";
import { cache } from "./tools.ts";

/**
 * Parts of names of test files: those that go differently on another kernel. Left out are those of
 * words and tables that no kernel sees, and those that repeat one thing for minutes.
 */
export const defaultTests: readonly string[] = [
  "e2e/attach-",
  "e2e/api-handle",
  "e2e/filesystem",
  "e2e/gc",
  "e2e/leftovers",
  "e2e/list",
  "e2e/locked",
  "e2e/many",
  "e2e/open-block",
  "e2e/partscan",
  "e2e/range",
  "e2e/read-only",
  "e2e/rescan",
  "e2e/resize",
  "e2e/sector-size",
  "e2e/stale",
  "e2e/stolen",
  "e2e/udevd",
  "e2e/uevents-crowd",
  "e2e/uevents-deaf",
  "e2e/uevents-forgery",
  "e2e/uevents-order",
  "e2e/uevents-waits",
  "e2e/zram",
];

/** An emulated processor is about so much slower. */
const slowness = 15;
const deadlineMs = 60 * 60_000;
const replayMs = 600_000;
/** Of a file's traces, that are replayed in the JavaScript build too. */
const jsRecords = 4000;

/** Whether all went well. */
export async function testKernel(
  era: Era,
  packageArchive: string,
  tests: readonly string[],
): Promise<boolean> {
  const say = (line: string) => console.log(`${era.padEnd(5)}${line}`);
  const directory = join(cache, `run-${era}`);
  const script = [
    `export DISKSEQ_TEST_SLOWNESS=${slowness}`,
    "export DISKSEQ_TEST_TRACES=/tmp/results/traces",
    `node build/test/run.js ${tests.join(" ")}`,
  ];
  const { status, release, bootedMs, tookMs } = await boot({
    kernel: kernelOf(era),
    archives: [rootArchive, packageArchive],
    script: `${script.join("\n")}\n`,
    directory,
    deadlineMs,
    onLine: (line) => {
      if (/^(ok {3}|FAIL|# booted) ?/.test(line) || /^\d+ passed, /.test(line)) say(line);
    },
  });
  const isReplayed = await replayAll(join(directory, "results/traces"), say);
  const isWell = status === 0 && isReplayed;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(0)} s`;
  const times = `booted in ${seconds(bootedMs)}, ended after ${seconds(tookMs)}`;
  const logs = isWell ? "" : `; logs in ${relative(packageRoot, directory)}`;
  const ended = status === undefined ? "; never came to its end" : "";
  say(`${isWell ? "ok  " : "FAIL"} Linux ${release ?? era}: ${times}${ended}${logs}`);
  return isWell;
}

async function replayAll(directory: string, say: (line: string) => void): Promise<boolean> {
  if (!existsSync(directory)) return false;
  let isWell = true;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    if (!name.endsWith(".test.js")) continue;
    const args = [programPath("replay-all"), join(directory, name), String(jsRecords)];
    const outcome = await start(process.execPath, args, { deadlineMs: replayMs }).outcome;
    if (outcome.status === 0) continue;
    isWell = false;
    say(`FAIL traces of ${name}: ${outcome.stdout}${outcome.stderr}`);
  }
  return isWell;
}
