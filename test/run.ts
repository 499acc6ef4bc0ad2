/**
 * Runs the tests: each file in a process of its own, with a deadline and a directory of its own.
 *
 * `npm test -- crash faults` runs the files whose name contains one of the words. Prints a line for
 * each file, what failing files printed, the skips with their reasons, the line coverage of
 * `assembly/` (full runs only), and last the totals. Exits 1 when anything failed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assemblyCoverage } from "./helpers/coverage.ts";
import { boundBelow } from "./helpers/devices.ts";
import { noteMark } from "./helpers/note.ts";
import { start } from "./helpers/process.ts";
import { packageRoot, programPath } from "./helpers/root.ts";
import { skipMark } from "./helpers/skip.ts";
import { slowness } from "./helpers/slowness.ts";

const fileDeadlineMs = 240_000 * slowness;
const coverageMin = 95;
/** Records of a file's traces that are replayed in the JavaScript build too. */
const jsRecords = 4000;
/** Where traces are kept for another machine to replay. */
const keptTraces = process.env.DISKSEQ_TEST_TRACES;

interface FileResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly string[];
  /** What is wrong with the file as a whole. */
  readonly faults: readonly string[];
  readonly output: string;
}

const running = new Set<ChildProcess>();

async function main(words: readonly string[]): Promise<number> {
  const testRoot = join(packageRoot, "build/test");
  const names = readdirSync(testRoot, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
    .sort();
  if (names.length === 0) {
    console.error(`no test file matches ${words.join(", ")}`);
    return 1;
  }
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "diskseq-test-")));
  try {
    const coverage = words.length === 0 ? join(scratch, "coverage") : undefined;
    mkdirSync(join(scratch, "coverage"));
    // What takes loop devices goes one by one; all else beside it.
    const takesDevices = (name: string) => /^(e2e\/|unit\/linux-)/.test(name);
    const others = names.filter((name) => !takesDevices(name));
    const lanes = await Promise.all([
      runAll(others, join(scratch, "others"), coverage),
      runAll(names.filter(takesDevices), join(scratch, "devices"), undefined),
    ]);
    const results = lanes.flat();
    return await report(results, coverage);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** One after the other. */
async function runAll(
  names: readonly string[],
  scratch: string,
  coverage: string | undefined,
): Promise<FileResult[]> {
  const results: FileResult[] = [];
  for (const name of names) results.push(await runFile(name, join(scratch, name), coverage));
  return results;
}

async function runFile(
  name: string,
  directory: string,
  coverage: string | undefined,
): Promise<FileResult> {
  const kept = keptTraces === undefined ? undefined : join(keptTraces, name);
  const traces = isTraced(name) ? (kept ?? `${directory}-traces`) : undefined;
  for (const made of [directory, ...(traces ? [traces] : [])]) mkdirSync(made, { recursive: true });
  const { FORCE_COLOR: _, NODE_V8_COVERAGE: __, ...environment } = process.env;
  const began = performance.now();
  // Its own process group: what it started is ended with it.
  const child = spawn(process.execPath, [join(packageRoot, "build/test", name)], {
    cwd: packageRoot,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...environment,
      DISKSEQ_TEST_DIRECTORY: directory,
      ...(traces === undefined ? {} : { DISKSEQ_TRACE: traces }),
      ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
    },
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      output += piece;
    });
  }
  const faults: string[] = [];
  const timer = setTimeout(() => {
    faults.push(`not done within ${fileDeadlineMs / 1000} s`);
    killGroup(child);
  }, fileDeadlineMs);
  const closed = once(child, "close");
  const [status, signal] = await once(child, "exit");
  clearTimeout(timer);
  running.delete(child);
  killGroup(child);
  await Promise.race([closed, sleep(1000, undefined, { ref: false })]);
  faults.push(...(await clearDirectory(directory)));
  if (traces !== undefined && kept === undefined) {
    const { status: equal, stdout, stderr } = await replayAll(traces);
    output += `${noteMark}${stdout.trim()}\n`;
    if (equal !== 0) faults.push(`its traces do not replay: ${stdout}${stderr}`);
    if (isJudged(name)) {
      const judged = await start(process.execPath, [programPath("accept-all"), traces]).outcome;
      output += `${noteMark}${judged.stdout.trim()}\n`;
      if (judged.status !== 0) faults.push(`no such kernel: ${judged.stdout}${judged.stderr}`);
    }
  }
  const result = judge(name, output, status ?? signal, faults);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const counts = `${result.passed} passed, ${result.failed} failed`;
  const skipped = result.skips.length === 0 ? "" : `, ${result.skips.length} skipped`;
  console.log(
    `${result.failed === 0 ? "ok  " : "FAIL"} ${name}: ${counts}${skipped}, ${seconds} s`,
  );
  for (const line of output.split("\n").filter((one) => one.startsWith(noteMark))) {
    console.log(`     ${line.slice(noteMark.length)}`);
  }
  return result;
}

/** What is recorded: every session of a test on a kernel, real or simulated. */
function isTraced(name: string): boolean {
  return /^(e2e|sim)\//.test(name);
}

/**
 * Which traces the simulated kernel must accept here: of attaches and detaches that nobody
 * disturbs. All others are judged where a kernel is tested.
 */
function isJudged(name: string): boolean {
  return /^e2e\/(attach-|partscan|read-only|range)/.test(name);
}

function replayAll(directory: string) {
  const args = [programPath("replay-all"), directory, String(jsRecords)];
  return start(process.execPath, args, { deadlineMs: fileDeadlineMs }).outcome;
}

/** Reads uvu's totals. A file without a test, or with a fault of its own, has failed. */
function judge(
  name: string,
  output: string,
  ended: number | string,
  faults: readonly string[],
): FileResult {
  const total = readTotal(output, "Total");
  const succeeded = readTotal(output, "Passed");
  const unexplained = readTotal(output, "Skipped") ?? 0;
  const lines = output.split("\n");
  const skips = lines.filter((line) => line.startsWith(skipMark));
  for (let left = unexplained; left > 0; left--) {
    skips.push(`${skipMark}${name}: no reason given`);
  }
  const all = [...faults];
  if (total === undefined || succeeded === undefined) {
    all.push(`ended by ${ended} before its tests were done`);
  } else if (total + unexplained === 0) {
    all.push("has no test");
  } else if (ended !== 0 && succeeded === total) {
    all.push(`ended by ${ended} although its tests passed`);
  }
  const failed = Math.max((total ?? 0) - (succeeded ?? 0), all.length > 0 ? 1 : 0);
  const passed = Math.max((succeeded ?? 0) - (skips.length - unexplained), 0);
  return { name, passed, failed, skips, faults: all, output };
}

function readTotal(output: string, word: string): number | undefined {
  const matches = [...output.matchAll(new RegExp(`^ {2}${word}: +(\\d+)`, "gm"))];
  const last = matches.at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}

/** Says what a file left bound, and gives it back with its mounts. */
async function clearDirectory(directory: string): Promise<string[]> {
  const left = boundBelow(directory);
  if (left.length > 0) {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse();
    for (const point of mounts.map((line) => line.split(" ")[4] ?? "")) {
      if (point.startsWith(`${directory}/`)) {
        await start("umount", ["--lazy", point]).outcome;
      }
    }
  }
  for (const { device } of left) {
    await start("losetup", ["--detach", device]).outcome;
  }
  rmSync(directory, { recursive: true, force: true });
  return left.map(({ device, backing }) => `left ${device} bound to ${backing}`);
}

async function report(results: readonly FileResult[], coverage: string | undefined) {
  for (const { name, failed, faults, output } of results) {
    if (failed > 0) {
      console.log(`\n--- ${name} ---\n${output.trim()}`);
      for (const fault of faults) {
        console.log(`${name}: ${fault}`);
      }
    }
  }
  const skips = results.flatMap((result) => result.skips);
  if (skips.length > 0) {
    console.log(`\n${skips.join("\n")}`);
  }
  const isCovered = coverage === undefined || (await reportCoverage(coverage));
  const sum = (key: "passed" | "failed") =>
    results.reduce((total, result) => total + result[key], 0);
  const skipped = skips.length > 0 ? `, ${skips.length} skipped` : "";
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") === 0 && isCovered ? 0 : 1;
}

async function reportCoverage(directory: string): Promise<boolean> {
  const { percent, incomplete } = await assemblyCoverage(directory);
  console.log(`\nassembly line coverage: ${percent.toFixed(1)} %`);
  const isCovered = percent >= coverageMin;
  if (!isCovered) {
    console.log(`assembly line coverage is below ${coverageMin} %:`);
    for (const file of incomplete) {
      console.log(`  ${file.file}: ${file.percent.toFixed(1)} %`);
    }
  }
  return isCovered;
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    for (const child of running) {
      killGroup(child);
    }
    process.kill(process.pid, signal);
  });
}

process.exitCode = await main(process.argv.slice(2));
