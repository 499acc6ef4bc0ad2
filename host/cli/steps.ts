/**
 * Shows the steps of an operation on one page, for `demo`. Pure.
 *
 * Sequences that repeat are shown once. Where that is not enough, calls that explain the least are
 * left out, and the page says how many.
 */
import { getSystemErrorName } from "node:util";
import type { StepReport } from "../types.ts";
import { alignColumns, escapeText, humanMs, titles } from "./format.ts";

const columns = [
  { title: "START", align: "right" },
  { title: "TOOK", align: "right" },
  { title: "STEP" },
  { title: "CALL" },
  { title: "RESULT" },
] as const;

/** Left out first to last. */
const smallPrint = [
  "close",
  "fstat",
  "BLKGETSIZE64",
  "LOOP_GET_STATUS64",
  "list partitions",
  "find backing",
  "flock",
];
const sequenceMax = 6;

interface Row {
  readonly step: StepReport;
  times: number;
  tookMs: number;
}

/** Titles, then at most `linesMax` lines. */
export function stepLines(steps: readonly StepReport[], linesMax: number): string[] {
  const firstMs = steps[0]?.startMs ?? 0;
  const { kept, left } = leaveOut(fold(steps), linesMax);
  const cells = kept.map(({ step, times, tookMs }) => [
    humanMs(step.startMs - firstMs),
    humanMs(tookMs),
    escapeText(step.step),
    escapeText(step.syscall) + (times > 1 ? ` x${times}` : ""),
    step.result < 0 ? getSystemErrorName(step.result) : String(step.result),
  ]);
  const lines = alignColumns(columns, [titles(columns), ...cells]);
  return left === "" ? lines : [...lines, left];
}

/** Sequences of up to six steps that follow themselves become one, with summed times. */
function fold(steps: readonly StepReport[]): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < steps.length; ) {
    const { length, times } = repetition(steps, at);
    const sequence = steps.slice(at, at + length);
    for (const [offset, step] of sequence.entries()) {
      let tookMs = 0;
      for (let round = 0; round < times; round++) {
        tookMs += steps[at + round * length + offset]?.durationMs ?? 0;
      }
      rows.push({ step, times, tookMs });
    }
    at += length * times;
  }
  return rows;
}

function repetition(steps: readonly StepReport[], at: number): { length: number; times: number } {
  for (let length = 1; length <= sequenceMax; length++) {
    let count = length;
    while (isSame(steps[at + count], steps[at + count - length])) {
      count++;
    }
    const times = Math.floor(count / length);
    if (times > 1) {
      return { length, times };
    }
  }
  return { length: 1, times: 1 };
}

function isSame(one: StepReport | undefined, other: StepReport | undefined): boolean {
  return one !== undefined && one.step === other?.step && one.syscall === other.syscall;
}

/** One of the lines says how many are missing. */
function leaveOut(rows: readonly Row[], linesMax: number): { kept: Row[]; left: string } {
  if (rows.length <= linesMax) {
    return { kept: [...rows], left: "" };
  }
  let kept = [...rows];
  for (const name of smallPrint) {
    if (kept.length > linesMax - 1) {
      kept = kept.filter(({ step }) => step.syscall !== name);
    }
  }
  kept = kept.slice(0, linesMax - 1);
  const count = rows.length - kept.length;
  return { kept, left: `(${count} lines left out; 'diskseq demo --json' has every call)` };
}
