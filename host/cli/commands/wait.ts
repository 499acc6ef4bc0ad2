/**
 * `diskseq wait`: returns when disks and their partitions are ready, or gone.
 *
 * Changes nothing. All targets are waited for at once; one that cannot come true ends the others.
 */
import { exitCodeOf, LoopError } from "../../errors.ts";
import type { Waited, WaitTarget } from "../../stream-types.ts";
import { openApi, sessionOptions } from "../api.ts";
import { alignColumns, type Column, escapeText, jsonLine } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { errorLines, toJsonError, warner } from "../report.ts";
import { type Api, type Context, defineCommand, type Options, type Values } from "../table.ts";
import { parseDiskseq } from "../values.ts";

const options = {
  partitions: {
    kind: "partitions",
    value: "LIST",
    summary: "wait for its partitions too: all that its table has, or those listed, e.g. =1,2,5",
  },
  udev: {
    kind: "flag",
    summary: "wait also until udev has processed the disk and these partitions, where udevd runs",
  },
  removed: { kind: "flag", summary: "wait until the target is gone instead" },
  timeout: {
    kind: "duration",
    default: "none",
    summary: "give up after this time; 0 looks once",
  },
  ...sessionOptions,
} as const satisfies Options;

export const waitCommand = defineCommand({
  name: "wait",
  summary: "wait until disks and their partitions are ready, or gone",
  usage: "TARGET... [options]",
  description: [
    "TARGET is a disk or a partition, as kernel name, node or link (loop0, /dev/loop0, " +
      "/dev/disk/by-label/x), which need not be there yet; or diskseq:N, one instance and no " +
      "other. All targets must come true. Prints a line for each: device, disk sequence number, " +
      "ready or gone, nodes of the partitions.",
    "The exit code is 4 where an instance is over before it was ready, 6 at the timeout. Sysfs " +
      "decides, events only wake: a lost event delays nothing for ever, one of another instance " +
      "counts for nothing.",
  ],
  operand: { name: "TARGET", min: 1, max: Number.POSITIVE_INFINITY, complete: "device" },
  options,
  examples: [
    ["diskseq wait /dev/loop0 --partitions --udev", "ready for use, also by /dev/disk/by-* links"],
    ["diskseq wait loop0 loop1 --partitions=1,2 --timeout 5s", "these partitions of both"],
    ["diskseq wait diskseq:42 --removed", "until that attach is over"],
  ],
  async run({ options: given, operands, json }, context) {
    const targets = operands.map((text) => toTarget(text, given));
    const api = await openApi(context, given);
    const outcomes = await interruptible("wait", context, (signal) =>
      waitForAll(api, targets, { timeoutMs: given.timeout, signal }, context),
    );
    const errors = outcomes.filter((outcome) => "error" in outcome).map(({ error }) => error);
    if (json) {
      const records = outcomes.map((outcome, index) => toRecord(operands[index] ?? "", outcome));
      context.stdout.write(jsonLine({ waited: records }));
    } else {
      const waited = outcomes.flatMap((outcome) => ("waited" in outcome ? [outcome.waited] : []));
      context.stdout.write(linesOf(waited));
    }
    for (const error of errors) {
      context.stderr.write(`${errorLines("wait", error, context).join("\n")}\n`);
    }
    return errors.length === 0 ? 0 : exitCodeOf(errors[0]);
  },
});

function toTarget(text: string, given: Values<typeof options>): WaitTarget {
  const { partitions, udev, removed } = given;
  const diskseq = /^diskseq:(.*)$/s.exec(text)?.[1];
  return {
    ...(diskseq === undefined ? { device: text } : { diskseq: parseDiskseq(diskseq) }),
    ...(partitions === undefined ? {} : { partitions }),
    udev,
    removed,
  };
}

type Outcome =
  | { readonly waited: Waited; readonly error?: never }
  | { readonly error: unknown }
  /** Given up because of another one. */
  | { readonly isAbandoned: true; readonly error?: never };

async function waitForAll(
  api: Api,
  targets: readonly WaitTarget[],
  how: { readonly timeoutMs: number | undefined; readonly signal: AbortSignal },
  context: Context,
): Promise<Outcome[]> {
  const { timeoutMs } = how;
  const abandon = new AbortController();
  const signal = AbortSignal.any([how.signal, abandon.signal]);
  // The API knows no time of nothing; it looks before it waits.
  const timeout = timeoutMs === undefined ? {} : { timeoutMs: Math.max(timeoutMs, 1) };
  return await Promise.all(
    targets.map(async (target): Promise<Outcome> => {
      try {
        const waitOptions = { ...timeout, signal, onWarning: warner(context) };
        return { waited: await api.waitFor(target, waitOptions) };
      } catch (error) {
        how.signal.throwIfAborted();
        if (signal.aborted && error === signal.reason) {
          return { isAbandoned: true };
        }
        // The time of the others is up at the same moment, and each can say what it lacked.
        if (!(error instanceof LoopError && error.code === "ERR_LOOP_TIMEOUT")) {
          abandon.abort();
        }
        return { error };
      }
    }),
  );
}

const columns: readonly Column[] = [
  { title: "DEVICE" },
  { title: "DISKSEQ", align: "right" },
  { title: "RESULT" },
  { title: "PARTITIONS" },
];

function linesOf(waited: readonly Waited[]): string {
  const rows = waited.map(({ device, diskseq, result, partitions }) => [
    escapeText(device),
    diskseq === null ? "-" : String(diskseq),
    result,
    escapeText(partitions.map((partition) => partition.device).join(" ")),
  ]);
  return alignColumns(columns, rows)
    .map((line) => `${line}\n`)
    .join("");
}

function toRecord(target: string, outcome: Outcome): object {
  if ("waited" in outcome) {
    const { result, device, devnum, diskseq, partitions } = outcome.waited;
    return { target, result, device, devnum, diskseq, partitions };
  }
  return "error" in outcome
    ? { target, error: toJsonError(outcome.error) }
    : { target, result: "abandoned" };
}
