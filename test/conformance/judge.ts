/**
 * Judges one runtime: it must agree with every line of the vectors, refuse every wrong file at the
 * line that is wrong, run the small simulation, and replay a trace.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadDefaultCore } from "../../host/core-file.ts";
import { simulate } from "../../host/sim/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";
import { splitLines } from "../../host/trace/split.ts";
import { scratchRoot } from "../helpers/root.ts";
import { Consumer } from "./consumer.ts";
import type { VectorFile } from "./runner.ts";
import type { Runtime } from "./runtimes.ts";
import { corePath, readVectors } from "./vectors.ts";
import { wrongVectors } from "./wrong.ts";

export interface Judgement {
  readonly verdict: "passed" | "failed" | "skipped";
  /** what was run, what is wrong, or why nothing was run */
  readonly text: string;
}

/** What the simulation prints on every runtime. */
const simulated = "/dev/loop0 9 gone";

/** `found`: a text says why it is not there. */
export async function judge(name: string, found: Runtime | string): Promise<Judgement> {
  if (typeof found === "string") return { verdict: "skipped", text: found };
  const began = performance.now();
  const faults: string[] = [];
  const said = await run(name, found, faults);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const text = [`${found.version}: ${said}, ${seconds} s`, ...faults].join("\n");
  return { verdict: faults.length === 0 ? "passed" : "failed", text };
}

async function run(name: string, runtime: Runtime, faults: string[]): Promise<string> {
  using consumer = new Consumer(name);
  const right = readVectors();
  const { status, text } = await runtime.run(consumer, right);
  const inputs = right.reduce((sum, one) => sum + inputsOf(one.text), 0);
  const expected = `${name}: ${right.length} files, ${inputs} inputs, 0 refused`;
  if (status !== 0 || text !== expected) {
    faults.push(`'${text}', exit ${status}: not '${expected}'`);
  }
  const wrong = wrongVectors(right);
  const refused = await runtime.run(consumer, wrong);
  const lines = refused.text.split("\n");
  const missed = wrong.filter(
    (one) => !lines.some((line) => line.startsWith(`${one.name}:${one.line}: `)),
  );
  if (refused.status === 0 || missed.length > 0) {
    const names = missed.map((one) => `${one.name}:${one.line}`).join(" ");
    faults.push(`exit ${refused.status}, and these are not refused: ${names}\n${refused.text}`);
  }
  const said = `${right.length} files, ${inputs} inputs; ${wrong.length} wrong ones refused`;
  if (runtime.runModule === undefined) return said;
  const simulation = await runtime.runModule(consumer, "simulation.js");
  if (simulation.status !== 0 || simulation.text !== simulated) {
    faults.push(`the simulation says '${simulation.text}', exit ${simulation.status}`);
  }
  const { files, expected: told } = await traces();
  const args = [corePath, ...consumer.write(files)];
  const replayed = await runtime.runModule(consumer, "replaying.js", args);
  if (replayed.status !== 0 || replayed.text !== told) {
    faults.push(`the replay says '${replayed.text}', exit ${replayed.status}: not '${told}'`);
  }
  return `${said}; diskseq/sim and a replay without koffi`;
}

/** A recording, the same with an output changed, and what a replay says of both. */
async function traces(): Promise<{ readonly files: VectorFile[]; readonly expected: string }> {
  const directory = mkdtempSync(join(scratchRoot, "diskseq-conformance-"));
  try {
    const path = join(directory, "trace.ndjson");
    const session = simulate({
      version: "6.1.192",
      seed: 3,
      images: { "/a": new Uint8Array(4096) },
    });
    const trace = await session.trace(path);
    await (await session.attach("/a")).detach();
    await trace.close();
    await session.close();
    const right = readFileSync(path, "utf8");
    const lines = right.split("\n");
    const changed = lines.findLastIndex((line) => line.includes('"out":"call"'));
    const wrong = lines.with(changed, `${lines[changed]}`.replace('"partition":', '"partition":1'));
    const { records, hash } = await replay(linesOf(path), loadDefaultCore);
    const files = [
      { name: "right.ndjson", text: right },
      { name: "wrong.ndjson", text: wrong.join("\n") },
    ];
    const before = await replay(splitLines([Buffer.from(files[1]?.text ?? "")]), loadDefaultCore);
    const expected = [
      `${records} ${hash} equal`,
      `${before.records} ${before.hash} ${changed + 1}`,
    ].join("\n");
    return { files, expected };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** As its last line has it. */
function inputsOf(text: string): number {
  return Number.parseInt(/^end (\w+)$/m.exec(text)?.[1] ?? "", 16);
}
