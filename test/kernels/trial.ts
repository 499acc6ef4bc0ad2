/**
 * What one kernel is put to: its tests or its rivals in a guest, then on this machine the replay of
 * all that was recorded there, which the simulated kernel of that version must accept, too. Tells
 * how it goes, line by line.
 */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Lock } from "../../assembly/wire/linux.ts";
import { flock } from "../../host/linux/libc.ts";
import { start } from "../helpers/process.ts";
import { packageRoot, programPath } from "../helpers/root.ts";
import { type Era, kernelOf } from "./debian.ts";
import { boot } from "./guest.ts";
import type { Results } from "./rivals/round.ts";
import { rootArchive } from "./root.ts";
import { cache } from "./tools.ts";
import { udevArchive, udevSuites } from "./udevs.ts";

/**
 * Parts of names of test files: those that go differently on another kernel, as far as all kernels
 * are done in half an hour. The rest takes an emulated processor twice as long again.
 */
export const defaultTests: readonly string[] = [
  "e2e/fast",
  "e2e/best-effort",
  "e2e/gc",
  "e2e/leftovers",
  "e2e/nbd",
  "e2e/old-path",
  "e2e/open-block",
  "e2e/partscan",
  "e2e/rescan",
  "e2e/resize",
  "e2e/scsi-debug",
  "e2e/stale",
  "e2e/stolen",
  "e2e/udevd-persistent",
  "e2e/udevd-reread",
  "e2e/udevd.test",
  "e2e/uevents-waits",
  "e2e/zram",
];

/** What one guest does. */
export type Work = Tests | Rivals;

interface Tests {
  readonly what: "tests";
  /** parts of names of test files */
  readonly tests: readonly string[];
}

interface Rivals {
  readonly what: "rivals" | "locks";
  /** attaches beside each rival */
  readonly count: number;
  /** part of the names of the rivals */
  readonly beside: string;
}

const rivalsPath = "build/test/kernels/rivals/main.js";
const table = "rivals.json";
/** An emulated processor is about so much slower. */
const slowness = 15;
const deadlineMs = 60 * 60_000;
const replayMs = 600_000;

/** Whether all went well. */
export async function testKernel(era: Era, packageArchive: string, work: Work): Promise<boolean> {
  const { what } = work;
  const say = (line: string) => console.log(`${era.padEnd(5)}${what.padEnd(7)}${line}`);
  const directory = directoryOf(era, work);
  const lock = openSync(`${directory}.lock`, "w");
  if (flock(lock, Lock.LOCK_EX | Lock.LOCK_NB) < 0) {
    say("FAIL another run is at work with this kernel");
    return false;
  }
  const { status, release, bootedMs, tookMs } = await boot({
    kernel: kernelOf(era),
    archives: [
      rootArchive,
      ...(what === "tests" ? [] : udevSuites.map(udevArchive)),
      packageArchive,
    ],
    script: scriptOf(work),
    directory,
    deadlineMs,
    onLine: (line) => {
      if (/^(ok {3}|FAIL|#) ?/.test(line) || /^\d+ passed, /.test(line)) say(line);
    },
  });
  const traces = join(directory, "results/traces");
  const isReplayed = existsSync(traces) && (await replayAll(traces, say));
  const isWell = status === 0 && isReplayed;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(0)} s`;
  const times = `booted in ${seconds(bootedMs)}, ended after ${seconds(tookMs)}`;
  const logs = isWell ? "" : `; logs in ${relative(packageRoot, directory)}`;
  const ended = status === undefined ? "; never came to its end" : "";
  closeSync(lock);
  say(`${isWell ? "ok  " : "FAIL"} Linux ${release ?? era}: ${times}${ended}${logs}`);
  return isWell;
}

/** What the latest such run with a kernel measured; undefined where that was nothing. */
export function resultsOf(era: Era, work: Work): Results | undefined {
  const path = join(directoryOf(era, work), "results", table);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

function directoryOf(era: Era, { what }: Work): string {
  return join(cache, `run-${era}-${what}`);
}

function scriptOf(work: Work): string {
  const traces = "/tmp/results/traces";
  const lines = [
    `export DISKSEQ_TEST_SLOWNESS=${slowness}`,
    // One thread beside the main one, not four: it compiles no slower on two processors, and code
    // that others write while it runs is what emulators are bad at.
    "export NODE_OPTIONS=--v8-pool-size=1",
  ];
  if (work.what === "tests") {
    lines.push(`export DISKSEQ_TEST_TRACES=${traces}`);
    lines.push(`exec node build/test/run.js ${work.tests.join(" ")}`);
  } else {
    lines.push(`export DISKSEQ_TRACE=${traces}`, `mkdir ${traces}`);
    const { what, count, beside } = work;
    lines.push(`exec node ${rivalsPath} ${count} /tmp/results/${table} ${what} '${beside}'`);
  }
  return `${lines.join("\n")}\n`;
}

/** All that was recorded; something was. */
async function replayAll(directory: string, say: (line: string) => void): Promise<boolean> {
  let isWell = true;
  for (const program of ["replay-all", "accept-all"] as const) {
    const args = [programPath(program), directory];
    const { status, stdout, stderr } = await start(process.execPath, args, { deadlineMs: replayMs })
      .outcome;
    const isDone = status === 0 && !/^0 traces/.test(stdout);
    say(`${isDone ? "ok  " : "FAIL"} ${`${stdout}${stderr}`.trim()}`);
    isWell &&= isDone;
  }
  return isWell;
}
