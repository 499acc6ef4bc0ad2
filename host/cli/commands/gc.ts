/**
 * `diskseq gc`: shows what nobody needs any more, and removes it when told to.
 */
import type { Garbage } from "../../stream-types.ts";
import { openApi, sessionOptions } from "../api.ts";
import { describeHolder } from "../describe.ts";
import { alignColumns, type Column, escapeText, jsonLine } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { errorLines, toJsonError } from "../report.ts";
import { defineCommand } from "../table.ts";

export const gcCommand = defineCommand({
  name: "gc",
  summary: "find what earlier attaches left behind, and remove it",
  usage: "[--yes] [options]",
  description: [
    "Finds partitions that are left on devices without an image, and devices that diskseq " +
      "attached whose image is deleted. What somebody uses is shown with its users and left " +
      "alone. Acts only with --yes; the exit code is 1 where a removal failed.",
  ],
  options: {
    yes: { kind: "flag", short: "y", summary: "remove what was found" },
    ...sessionOptions,
  },
  examples: [
    ["diskseq gc", "only look"],
    ["diskseq gc --yes", "remove it"],
    ["diskseq gc --json | jq '.garbage[].device'", "for scripts"],
  ],
  async run({ options, json }, context) {
    const { yes } = options;
    const { collectGarbage } = await openApi(context, options);
    const garbage = await interruptible("gc", context, (signal) =>
      collectGarbage({ apply: yes, signal }),
    );
    const { stdout, stderr } = context;
    stdout.write(
      json ? jsonLine({ garbage: garbage.map(toRecord), applied: yes }) : textOf(garbage),
    );
    const failed = garbage.filter(({ result }) => result === "failed");
    for (const { error } of failed) {
      stderr.write(`${errorLines("gc", error, context).join("\n")}\n`);
    }
    if (!json) {
      stderr.write(conclusion(garbage, yes));
    }
    return failed.length === 0 ? 0 : 1;
  },
});

function toRecord(one: Garbage): object {
  const { kind, device, diskseq, partitions, image, reference, holders, result } = one;
  const error = result === "failed" ? toJsonError(one.error) : null;
  return { kind, device, diskseq, partitions, image, reference, holders, result, error };
}

const columns: readonly Column[] = [
  { title: "DEVICE" },
  { title: "DISKSEQ", align: "right" },
  { title: "RESULT" },
  { title: "WHAT" },
];

/** Who uses a thing stands below it. */
function textOf(garbage: readonly Garbage[]): string {
  const rows = garbage.map((one) => [
    escapeText(one.device),
    one.diskseq === null ? "-" : String(one.diskseq),
    isInUse(one) ? "in use" : one.result,
    escapeText(describe(one)),
  ]);
  const lines = alignColumns(columns, rows);
  return garbage
    .flatMap(({ holders }, index) => [
      lines[index] ?? "",
      ...holders.map((holder) => `  ${describeHolder(holder)}`),
    ])
    .map((line) => `${line}\n`)
    .join("");
}

function describe({ kind, partitions, image, reference }: Garbage): string {
  if (kind === "partitions") {
    const noun = partitions.length === 1 ? "partition" : "partitions";
    return `${noun} ${partitions.join(", ")} left over`;
  }
  const by = reference === null ? "" : ` (attached as ${reference})`;
  return `image deleted${image === null ? "" : `: ${image}`}${by}`;
}

function isInUse({ result, holders }: Garbage): boolean {
  return result === "kept" || (result === "found" && holders.length > 0);
}

function conclusion(garbage: readonly Garbage[], yes: boolean): string {
  if (garbage.length === 0) {
    return "diskseq: gc: nothing found\n";
  }
  const isLeft = garbage.some((one) => one.result === "found" && !isInUse(one));
  return isLeft && !yes ? "diskseq: gc: nothing was changed; --yes removes them\n" : "";
}
