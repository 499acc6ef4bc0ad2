/** `diskseq replay`: runs a trace again and says whether all came out as it was written down. */
import { readFileSync } from "node:fs";
import { LoopError } from "../../errors.ts";
import type { CoreState } from "../../trace/state.ts";
import { escapeText, jsonLine } from "../format.ts";
import { defineCommand } from "../table.ts";

export const replayCommand = defineCommand({
  name: "replay",
  summary: "run a trace again, anywhere, and compare every step",
  usage: "FILE [options]",
  description: [
    "Gives the inputs of a trace (--trace of every command that touches devices) to the state " +
      "machine and compares every call, event and state with what was written down. Needs no " +
      "root and no Linux: what went wrong on one machine runs again on any other.",
    "The exit code is 0 where all is equal, 7 at the first difference, which is shown with both " +
      "sides, and 1 where the trace cannot be read or is cut short.",
  ],
  operand: { name: "FILE", min: 1, max: 1, complete: "file" },
  options: {
    to: {
      kind: "text",
      value: "N",
      summary: "stop after record N and show what the machine remembers",
    },
    core: { kind: "text", value: "FILE", summary: "another core.wasm than the package's" },
  },
  examples: [
    ["diskseq replay t.ndjson", "does this core still do the same?"],
    ["diskseq replay t.ndjson --to 120", "the state after record 120"],
    ["diskseq replay t.ndjson --core old/core.wasm", "does another version?"],
  ],
  async run({ options, operands: [path = ""], json }, { stdout, stderr, now }) {
    const [
      { replay },
      { linesOf },
      { describeState },
      { loadWasmCore },
      { coreSha256, coreWasmUrl },
    ] = await Promise.all([
      import("../../trace/replay.ts"),
      import("../../trace/reader.ts"),
      import("../../trace/state.ts"),
      import("../../core.ts"),
      import("../../core-file.ts"),
    ]);
    const to = readTo(options.to);
    const wasm = readCore(options.core ?? coreWasmUrl);
    const beginMs = now();
    let state: CoreState | undefined;
    const replayed = await replay(linesOf(path), (own) => loadWasmCore(wasm, own), {
      to,
      onEnd: ({ operations, partitions }, core) => {
        if (to !== undefined) state = describeState(core, operations, partitions);
      },
    });
    const seconds = Math.max(now() - beginMs, 0.001) / 1000;
    const { records, hash, divergence, isCut, why } = replayed;
    const isShort = to !== undefined && records <= to && divergence === undefined;
    if (json) {
      const perSecond = Math.round(records / seconds);
      stdout.write(
        jsonLine({ records, hash, isCut, why, divergence, recordsPerSecond: perSecond, state }),
      );
    } else if (divergence !== undefined) {
      const { line, expected, actual } = divergence;
      stdout.write(
        `line ${line} differs\n  trace ${escapeText(expected)}\n  core  ${escapeText(actual)}\n`,
      );
    } else {
      const rate = Math.round(records / seconds).toLocaleString("en");
      stdout.write(`${records.toLocaleString("en")} records, all equal; ${rate} a second\n`);
      if (state !== undefined) stdout.write(`${JSON.stringify(state, null, 2)}\n`);
    }
    if (divergence !== undefined) {
      if (replayed.header.core !== coreSha256(wasm)) {
        stderr.write(`${stderr.paint("yellow", "diskseq:")} it was recorded with another core\n`);
      }
      return 7;
    }
    const complain = (text: string) => stderr.write(`${stderr.paint("red", "diskseq:")} ${text}\n`);
    if (isShort) complain(`replay: the trace ends before record ${to}`);
    else if (isCut) {
      const reason = why === undefined ? "it has no end" : escapeText(why);
      complain(`replay: the trace is cut short after record ${records - 1}: ${reason}`);
    }
    return isCut || isShort ? 1 : 0;
  },
});

function readTo(text: string | undefined): number | undefined {
  if (text === undefined || /^\d{1,15}$/.test(text))
    return text === undefined ? text : Number(text);
  throw new LoopError("ERR_LOOP_ARGUMENT", `--to: '${escapeText(text)}': the number of a record`);
}

function readCore(file: string | URL): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new LoopError("ERR_LOOP_ARGUMENT", `--core: ${reason}`, { cause });
  }
}
