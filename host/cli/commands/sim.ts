/**
 * `diskseq sim`: the core on simulated kernels for very many seeds, or such a kernel compared with
 * a recording of a real one.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { gunzipSync } from "node:zlib";
import { LoopError } from "../../errors.ts";
import type { Build, Shrunk, SwarmResult } from "../../sim/explore/index.ts";
import type { Acceptance } from "../../sim/index.ts";
import type { Validation } from "../../sim/validate.ts";
import { escapeText, jsonLine } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { again, type ExploreApi, strayLines, violationText } from "../path-story.ts";
import { reachedOf } from "../reached.ts";
import { type Context, defineCommand } from "../table.ts";
import { readShard } from "../trial-options.ts";

export const simCommand = defineCommand({
  name: "sim",
  summary: "try the core on simulated kernels, or compare them with traces",
  usage: "--seeds N | --seed S | --validate FILE [options]",
  description: [
    "With --seeds the core attaches and detaches on simulated kernels, once for each seed, which " +
      "draws all the rest: version, rivals, faults, how slow we are, and in which order things " +
      "happen. At first everybody disturbs, then nobody does, and all must come to its end. What " +
      "is violated is made short and told, with the command that goes that way again; the exit " +
      "code is 8. One seed in a hundred is gone twice, and every state compared.",
    "With --validate, FILE is a trace (NDJSON, also gzipped): calls on a loop device that nobody " +
      "else used, with their results, what sysfs showed after each, and the uevents that came. " +
      "The simulated kernel is given the same calls; where others raced, or udevd ran, some " +
      "order of their steps must give what was recorded. The exit code is 0 where it does the " +
      "same in all, else 1 with the first difference; 1 too for a file that is no whole trace, " +
      "with the line.",
    "FILE may also be what --trace or DISKSEQ_TRACE recorded. What others did meanwhile is not " +
      "in it, so they are supposed to have done something where nothing else explains an answer " +
      "or an event: opened, closed, read the table again, told a change, attached, detached. " +
      "Each such deed is told. What no kernel determines is not judged, but counted.",
  ],
  options: {
    seeds: { kind: "count", value: "N", summary: "so many seeds, from 1 or --seed on" },
    seed: { kind: "count", value: "S", summary: "this one, or the first" },
    validate: { kind: "text", value: "FILE", summary: "the trace to compare with" },
    kernel: {
      kind: "version",
      value: "VERSION",
      default: "drawn, or that of the trace",
      summary: "the version of Linux to simulate, e.g. 6.1.192",
    },
    shard: { kind: "text", value: "I/N", summary: "the I-th of N parts of the seeds" },
    threads: { kind: "count", value: "N", default: "one a processor", summary: "seeds at a time" },
    core: { kind: "text", value: "FILE", summary: "another explore.wasm than the package's" },
  },
  examples: [
    ["diskseq sim --seeds 100000", "every version, every rival, a hundred thousand ways"],
    ["diskseq sim --seed 42 --kernel 6.1.192", "one of them"],
    ["diskseq sim --validate linux-6.1.ndjson.gz", "is that kernel simulated faithfully?"],
    ["diskseq sim --validate linux-6.1.ndjson --kernel 6.12.90", "what another one does otherwise"],
  ],
  async run({ options, json }, context) {
    const { validate: path, kernel: version } = options;
    const isSwarm = options.seeds !== undefined || options.seed !== undefined;
    if (isSwarm && path !== undefined) throw refusal("--validate has no seeds");
    if (isSwarm) return await runSwarm(options, json, context);
    if (path === undefined) throw refusal("--seeds N, --seed S or --validate FILE is missing");
    const text = readTrace(path);
    if (/^\{"diskseq":/.test(text)) return await runAccept(path, text, version, json, context);
    const { validateFile } = await import("../../sim/index.ts");
    const found = await validateFile(text, version).catch((error: unknown) => {
      throw named(path, error);
    });
    if (json) {
      context.stdout.write(
        jsonLine({ file: path, ...found, difference: found.difference ?? null }),
      );
    } else {
      context.stdout.write(`${textOf(path, found).join("\n")}\n`);
    }
    return found.difference === undefined ? 0 : 1;
  },
});

/** A trace of ours. */
async function runAccept(
  path: string,
  text: string,
  version: string | undefined,
  isJson: boolean,
  { stdout }: Context,
): Promise<number> {
  const { acceptCalls } = await import("../../sim/index.ts");
  const [{ readCalls }, { splitLines }] = await Promise.all([
    import("../../trace/calls.ts"),
    import("../../trace/split.ts"),
  ]);
  const trace = await readCalls(splitLines([new TextEncoder().encode(text)])).catch((error) => {
    throw named(path, error);
  });
  const found = acceptCalls(trace, version);
  const { unfit = null, refusal: refused = null } = found;
  if (isJson) stdout.write(jsonLine({ file: path, ...found, unfit, refusal: refused }));
  else stdout.write(`${acceptanceText(path, found).join("\n")}\n`);
  return unfit === null && refused === null ? 0 : 1;
}

function refusal(message: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", message);
}

interface SwarmOptions {
  readonly seeds: number | undefined;
  readonly seed: number | undefined;
  readonly kernel: string | undefined;
  readonly shard: string | undefined;
  readonly threads: number | undefined;
  readonly core: string | undefined;
}

async function runSwarm(options: SwarmOptions, json: boolean, context: Context): Promise<number> {
  const api = await import("../../sim/explore/index.ts");
  const build = { wasm: options.core };
  const fixed = options.kernel === undefined ? {} : { version: options.kernel };
  const { shard, shards } = readShard(options.shard);
  const all = options.seeds ?? 1;
  const first = (options.seed ?? 1) + Math.floor((all * shard) / shards);
  const count = (options.seed ?? 1) + Math.floor((all * (shard + 1)) / shards) - first;
  const begin = context.now();
  const result = await interruptible("sim", context, (signal) =>
    api.swarmOnThreads({ first, count, fixed, build }, options.threads ?? availableParallelism(), {
      signal,
      onProgress: (done) => progress(context, done, count),
    }),
  );
  const seconds = (context.now() - begin) / 1000;
  if (context.stderr.isTerminal) context.stderr.write("\r\x1b[K");
  const strays = [];
  for (const { seed, deeds, violation } of result.strays) {
    const { setup } = api.drawTrial(seed, fixed);
    strays.push({ seed, ...(await api.shrink(setup, deeds, violation, build)) });
  }
  if (json) {
    context.stdout.write(jsonLine(swarmJson(result, strays, seconds, api, build)));
  } else {
    const lines = [summaryOf(result, seconds), ...reachedOf([result.reached]).lines];
    for (const stray of strays) {
      const name = `seed ${stray.seed}`;
      lines.push(...(await strayLines({ name, ...stray }, build, context.stdout.paint, api)));
    }
    for (const seed of result.differing) lines.push(`seed ${seed}: not the same when gone twice`);
    context.stdout.write(`${lines.join("\n")}\n`);
  }
  return result.strays.length + result.differing.length > 0 ? 8 : 0;
}

function progress({ stderr }: Context, done: number, count: number): void {
  if (stderr.isTerminal) stderr.write(`\r\x1b[K${done} of ${count} seeds`);
}

function summaryOf({ seeds, deeds, checked, strays }: SwarmResult, seconds: number): string {
  const found = strays.length === 0 ? "all hold" : `${strays.length} violate something`;
  const rate = Math.round(deeds / Math.max(seconds, 0.001)).toLocaleString("en");
  return (
    `${seeds} seeds, ${deeds.toLocaleString("en")} deeds in ${seconds.toFixed(1)} s ` +
    `(${rate} a second), ${checked} gone twice: ${found}`
  );
}

function swarmJson(
  { seeds, deeds, checked, differing, reached }: SwarmResult,
  strays: readonly (Shrunk & { readonly seed: number })[],
  seconds: number,
  api: ExploreApi,
  build: Build,
) {
  return {
    seeds,
    deeds,
    seconds,
    checked,
    differing,
    strays: strays.map((stray) => ({
      seed: stray.seed,
      violation: violationText(stray, api),
      steps: stray.path.length,
      path: api.formatPath(stray.path),
      again: again(stray, build, api),
    })),
    ...reachedOf([reached]).json,
  };
}

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

function acceptanceText(path: string, found: Acceptance): string[] {
  const { version, hasParsers, calls, events, deeds, unjudged, unfit, refusal: refused } = found;
  const name = escapeText(path);
  if (unfit !== undefined) return [`${name}: not judged: ${unfit}`];
  const linux = `Linux ${version}${hasParsers ? "" : " without partition parsers"}`;
  if (refused !== undefined) {
    return [
      `${name}:${refused.line}: simulated ${linux} differs, whatever others did`,
      `  what      ${escapeText(refused.what)}`,
      `  recorded  ${escapeText(refused.recorded)}`,
      `  simulated ${escapeText(refused.model)}`,
    ];
  }
  const others = deeds.length === 0 ? "" : `, ${deeds.length} deeds of others`;
  return [
    `${name}: as simulated ${linux} could: ${calls} calls, ${events} events${others}`,
    ...alike(deeds).map((deed) => `  others      ${deed}`),
    ...Object.entries(unjudged).map(([reason, count]) => `  not judged  ${count} ${reason}`),
  ];
}

/** Each of them once, in order of the first, with how many there are. */
function alike(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, count]) => (count === 1 ? line : `${line}, ${count} times`));
}
