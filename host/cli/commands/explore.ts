/**
 * `diskseq explore`: every order of every step of the core, the kernel and rivals, within a bound;
 * or one path of them, told as a story.
 */
import { availableParallelism } from "node:os";
import { LoopError } from "../../errors.ts";
import type {
  Build,
  PathStory,
  Running,
  SearchResult,
  TrialSetup,
} from "../../sim/explore/index.ts";
import { alignColumns, humanSize, jsonLine, titles } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { type ExploreApi, storyOf, strayLines, violationText } from "../path-story.ts";
import { reachedOf } from "../reached.ts";
import { type Context, defineCommand } from "../table.ts";
import { readShard, setupOf, trialOptions } from "../trial-options.ts";

const statesMax = 90_000_000;
const columns = [
  { title: "RIVALS" },
  { title: "STATES", align: "right" },
  { title: "DEEDS", align: "right" },
  { title: "DEPTH", align: "right" },
  { title: "SECONDS", align: "right" },
  { title: "STATES/S", align: "right" },
  { title: "MEMORY", align: "right" },
  { title: "FOUND" },
] as const;

export const exploreCommand = defineCommand({
  name: "explore",
  summary: "try every order of what core, kernel and rivals can do",
  usage: "[options]",
  description: [
    "One program attaches an image with two partitions, waits for them by their diskseq and " +
      "detaches, on a simulated kernel; the core is the one that attaches real images. Rivals, a " +
      "lost datagram and the death of our process come at every moment there is. By default each " +
      "rival is there by itself, one run after the other, on as many threads as there are " +
      "processors.",
    "Always: no event of another instance is told as mine; no partition is plugged, dead, " +
      "plugged; no device of others is cleared; when all is over, or after a crash, nothing is " +
      "left bound, locked or open. Eventually: everything ends once nobody disturbs. The exit " +
      "code is 8 where one of them is violated, with the shortest way there, as a story and as " +
      "a --path; 1 where the bound was too small to try every order.",
    "The controls turn off a precaution of ours: what it is for must then be found.",
  ],
  options: {
    ...trialOptions,
    path: { kind: "text", value: "PATH", summary: "go this one way and tell it" },
    statesMax: {
      kind: "count",
      value: "N",
      default: String(statesMax),
      summary: "give a run up when it has found so many states",
    },
    threads: { kind: "count", value: "N", default: "one a processor", summary: "runs at a time" },
    shard: {
      kind: "text",
      value: "I/N",
      summary: "of several runs the I-th of N parts; of one run its share of the states",
    },
    js: { kind: "flag", summary: "the JavaScript build of core and kernel: slow, the same" },
    core: { kind: "text", value: "FILE", summary: "another explore.wasm than the package's" },
  },
  examples: [
    ["diskseq explore --kernel 6.1.192", "each rival by itself, every order"],
    ["diskseq explore --rivals opener:2+forger --loss 0", "two of them together"],
    ["diskseq explore --rivals opener --no-split", "what the split is for"],
    ["diskseq explore --kernel 6.1.192 --shard 1/4", "a quarter of it, for a job runner"],
  ],
  async run({ options, json }, context) {
    const { setup, each } = setupOf(options);
    const api = await import("../../sim/explore/index.ts");
    const build = { js: options.js, wasm: options.core };
    if (options.path !== undefined) {
      if (each) throw new LoopError("ERR_LOOP_ARGUMENT", "--path needs --rivals");
      const story = await api.tellPath(setup, api.parsePath(options.path), build);
      context.stdout.write(json ? jsonLine(storyJson(story, api)) : storyOf(story, api));
      return story.violation === 0 ? 0 : 8;
    }
    const part = readShard(options.shard);
    const all = each ? api.planRuns(setup, api.defaultRounds) : [setup];
    const isSplit = all.length === 1;
    const runs = isSplit ? all : api.shardOf(all, part.shard, part.shards);
    const bounds = {
      statesMax: options.statesMax ?? statesMax,
      ...(isSplit ? part : { shard: 0, shards: 1 }),
    };
    const threads = options.threads ?? availableParallelism();
    const results = await interruptible("explore", context, (signal) =>
      api.searchOnThreads(runs, build, bounds, threads, {
        signal,
        onProgress: progressOf(context, api.runName),
        onResult: (result) => {
          if (json) return;
          clearLine(context);
          const name = api.runName(result.setup);
          context.stderr.write(`${name}: ${foundText(result)}\n`);
        },
      }),
    );
    clearLine(context);
    if (json) {
      context.stdout.write(jsonLine(jsonOf(setup.version, results, api)));
    } else {
      context.stdout.write(`${await textOf(setup, results, api, build, context)}\n`);
    }
    return exitCodeOf(results);
  },
});

function exitCodeOf(results: readonly SearchResult[]): number {
  if (results.some(({ violation }) => violation !== 0)) return 8;
  return results.every(({ isExhaustive }) => isExhaustive) ? 0 : 1;
}

function foundText({ violation, isExhaustive, states }: SearchResult): string {
  if (violation !== 0) return "violated";
  return isExhaustive ? "all hold" : `given up at ${states.toLocaleString("en")} states`;
}

/** One line that is written over, a few times a second; where nobody watches, one a minute. */
function progressOf({ stderr, now }: Context, name: (setup: TrialSetup) => string) {
  let last = now();
  return (running: readonly Running[]): void => {
    if (now() - last < (stderr.isTerminal ? 250 : 60_000)) return;
    last = now();
    const parts = running.map(({ setup, progress }) => {
      if (progress === undefined) return name(setup);
      const { states, depth, seconds, frontier } = progress;
      const rate = Math.round(states / Math.max(seconds, 0.001) / 1000);
      const millions = (states / 1e6).toFixed(2);
      return `${name(setup)} ${millions} M, depth ${depth}, ${frontier} ahead, ${rate} k/s`;
    });
    const text = parts.join(" | ");
    stderr.write(stderr.isTerminal ? `\r\x1b[K${text}` : `${text}\n`);
  };
}

function clearLine({ stderr }: Context): void {
  if (stderr.isTerminal) stderr.write("\r\x1b[K");
}

async function textOf(
  setup: TrialSetup,
  results: readonly SearchResult[],
  api: ExploreApi,
  build: Build,
  { stdout }: Context,
): Promise<string> {
  const rows = results.map((result) => [
    api.runName(result.setup),
    result.states.toLocaleString("en"),
    result.transitions.toLocaleString("en"),
    String(result.depth),
    result.seconds.toFixed(1),
    Math.round(result.states / Math.max(result.seconds, 0.001)).toLocaleString("en"),
    humanSize(result.bytes),
    foundText(result),
  ]);
  const lines = [
    `Linux ${setup.version}`,
    ...alignColumns(columns, [titles(columns), ...rows]),
    ...reachedOf(results.map(({ reached }) => reached)).lines,
  ];
  for (const result of results.filter(({ violation }) => violation !== 0)) {
    const name = api.runName(result.setup);
    lines.push(...(await strayLines({ name, ...result }, build, stdout.paint, api)));
  }
  return lines.join("\n");
}

function jsonOf(version: string, results: readonly SearchResult[], api: ExploreApi) {
  return {
    kernel: version,
    runs: results.map(({ setup, path, violation, reached: _, ...rest }) => ({
      rivals: api.runName(setup),
      options: api.setupWords(setup),
      ...rest,
      violation: violationText({ violation }, api),
      path: violation === 0 ? null : api.formatPath(path),
    })),
    ...reachedOf(results.map(({ reached }) => reached)).json,
  };
}

function storyJson({ violation, ...story }: PathStory, api: ExploreApi) {
  return { ...story, violation: violationText({ violation }, api) };
}
