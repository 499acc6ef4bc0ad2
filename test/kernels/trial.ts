/**
 * What one kernel is put to: the tests in the guest, then on this machine the replay of all that
 * they recorded there, which the simulated kernel of that version must accept, too. Tells how it
 * goes, line by line.
 */
import { closeSync, existsSync, openSync } from "node:fs";
import { join, relative } from "node:path";
import { Lock } from "../../assembly/wire/linux.ts";
import { flock } from "../../host/linux/libc.ts";
import { start } from "../helpers/process.ts";
import { packageRoot, programPath } from "../helpers/root.ts";
import { type Era, kernelOf } from "./debian.ts";
import { boot } from "./guest.ts";
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

const rivalsPath = "build/test/kernels/rivals/main.js";
const table = "/tmp/results/rivals.json";
/** An emulated processor is about so much slower. */
const slowness = 15;
const deadlineMs = 60 * 60_000;
const replayMs = 600_000;

export interface Work {
  /** parts of names of test files */
  readonly tests: readonly string[];
  /** attaches beside each rival */
  readonly count: number;
  /** what is measured so */
  readonly measured: "rivals" | "locks";
  /** part of the names of the rivals */
  readonly beside: string;
}

/** What was measured beside rivals in the latest run with a kernel; not there where nothing was. */
export function resultsOf(era: Era): string {
  return join(cache, `run-${era}`, "results/rivals.json");
}

/** Whether all went well. */
export async function testKernel(
  era: Era,
  packageArchive: string,
  { tests, count, measured, beside }: Work,
): Promise<boolean> {
  const say = (line: string) => console.log(`${era.padEnd(5)}${line}`);
  const directory = join(cache, `run-${era}`);
  const lock = openSync(`${directory}.lock`, "w");
  if (flock(lock, Lock.LOCK_EX | Lock.LOCK_NB) < 0) {
    say("FAIL another run is at work with this kernel");
    return false;
  }
  const script = [
    `export DISKSEQ_TEST_SLOWNESS=${slowness}`,
    // One thread beside the main one, not four: it compiles no slower on two processors, and code
    // that others write while it runs is what emulators are bad at.
    "export NODE_OPTIONS=--v8-pool-size=1",
    "export DISKSEQ_TEST_TRACES=/tmp/results/traces",
    "failed=0",
    ...(tests.length > 0 ? [`node build/test/run.js ${tests.join(" ")} || failed=1`] : []),
    "export DISKSEQ_TRACE=$DISKSEQ_TEST_TRACES/rivals",
    "mkdir -p $DISKSEQ_TRACE",
    ...(count > 0
      ? [`node ${rivalsPath} ${count} ${table} ${measured} '${beside}' || failed=1`]
      : []),
    "exit $failed",
  ];
  const udevs = count > 0 ? udevSuites.map(udevArchive) : [];
  const { status, release, bootedMs, tookMs } = await boot({
    kernel: kernelOf(era),
    archives: [rootArchive, ...udevs, packageArchive],
    script: `${script.join("\n")}\n`,
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
