/**
 * `diskseq sim`: compares the simulated kernel with a recording of a real one.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { LoopError } from "../../errors.ts";
import type { Validation } from "../../sim/validate.ts";
import { escapeText, jsonLine } from "../format.ts";
import { defineCommand } from "../table.ts";

export const simCommand = defineCommand({
  name: "sim",
  summary: "compare the simulated kernel with a trace of a real one",
  usage: "--validate FILE [options]",
  description: [
    "FILE is a trace (NDJSON, also gzipped): calls on a loop device that nobody else used, with " +
      "their results, what sysfs showed after each, and the uevents that came. The simulated " +
      "kernel is given the same calls; where others raced, or udevd ran, some order of their " +
      "steps must give what was recorded. The exit code is 0 where it does the same in all, " +
      "else 1 with the first difference; 1 too for a file that is no whole trace, with the line.",
  ],
  options: {
    validate: { kind: "text", value: "FILE", summary: "the trace; required" },
    kernel: {
      kind: "version",
      value: "VERSION",
      default: "that of the trace",
      summary: "the version of Linux to simulate, e.g. 6.1.192",
    },
  },
  examples: [
    ["diskseq sim --validate linux-6.1.ndjson.gz", "is that kernel simulated faithfully?"],
    ["diskseq sim --validate linux-6.1.ndjson --kernel 6.12.90", "what another one does otherwise"],
  ],
  async run({ options: { validate: path, kernel: version }, json }, { stdout }) {
    if (path === undefined) {
      throw new LoopError("ERR_LOOP_ARGUMENT", "--validate FILE is missing");
    }
    const text = readTrace(path);
    const { validateFile } = await import("../../sim/index.ts");
    const found = await validateFile(text, version).catch((error: unknown) => {
      throw named(path, error);
    });
    if (json) {
      stdout.write(jsonLine({ file: path, ...found, difference: found.difference ?? null }));
    } else {
      stdout.write(`${textOf(path, found).join("\n")}\n`);
    }
    return found.difference === undefined ? 0 : 1;
  },
});

function readTrace(path: string): string {
  try {
    const bytes = readFileSync(path);
    const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return (isZipped ? gunzipSync(bytes) : bytes).toString();
  } catch (cause) {
    const message = `${path}: ${(cause as Error).message}`;
    throw new LoopError("ERR_TRACE_FORMAT", message, { cause });
  }
}

/** A file that is no trace: which one, too. */
function named(path: string, error: unknown): unknown {
  if (!(error instanceof LoopError) || error.code !== "ERR_TRACE_FORMAT") {
    return error;
  }
  return new LoopError(error.code, `${path}: ${error.message}`, { cause: error });
}

function textOf(path: string, found: Validation): string[] {
  const { version, scenarios, calls, events, races, difference, udev } = found;
  const name = escapeText(path);
  if (difference === undefined) {
    const counts = `${scenarios} scenarios, ${calls} calls, ${events} events, ${races} races`;
    return [`${name}: as simulated Linux ${version} does: ${counts}`];
  }
  const { line, scenario, what, recorded, model } = difference;
  const lines = [
    `${name}:${line}: simulated Linux ${version} differs`,
    `  in        ${escapeText(scenario)}`,
    `  what      ${escapeText(what)}`,
    `  recorded  ${escapeText(recorded)}`,
    `  simulated ${escapeText(model)}`,
  ];
  if (udev !== null) {
    lines.push(`  (udevd ${udev} ran at the recording: no order of its steps gives this)`);
  }
  return lines;
}
