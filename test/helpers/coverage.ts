/**
 * Line coverage of `assembly/`, from what V8 wrote while its JavaScript build was tested.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { start } from "./process.ts";
import { packageRoot } from "./root.ts";

export interface Coverage {
  readonly percent: number;
  /** Files below 100 %, worst first. */
  readonly incomplete: readonly { readonly file: string; readonly percent: number }[];
}

/** Only asc compiles these; no JavaScript of them exists. */
const wasmOnly = ["assembly/core/index.ts", "assembly/panic.ts"];

/** Reads the directory that NODE_V8_COVERAGE named. A file that no test loaded counts in full. */
export async function assemblyCoverage(v8Directory: string): Promise<Coverage> {
  const summary = await summarize(v8Directory);
  const files = assemblyFiles().map((file) => {
    const lines = summary.get(file) ?? { total: lineCount(file), covered: 0 };
    return { file, ...lines, percent: percentage(lines) };
  });
  const sum = { total: 0, covered: 0 };
  for (const { total, covered } of files) {
    sum.total += total;
    sum.covered += covered;
  }
  const incomplete = files.filter((file) => file.percent < 100);
  incomplete.sort((a, b) => a.percent - b.percent);
  return { percent: percentage(sum), incomplete };
}

interface Lines {
  readonly total: number;
  readonly covered: number;
}

async function summarize(v8Directory: string): Promise<Map<string, Lines>> {
  const reports = mkdtempSync(join(v8Directory, "report-"));
  const c8 = join(packageRoot, "node_modules/c8/bin/c8.js");
  const options = ["--exclude-after-remap", "--include", "assembly/**"];
  const places = ["--temp-directory", v8Directory, "--reports-dir", reports];
  const outcome = await start(
    process.execPath,
    [c8, "report", ...options, ...places, "--reporter", "json-summary"],
    { directory: packageRoot, deadlineMs: 120_000 },
  ).outcome;
  if (outcome.status !== 0) {
    throw new Error(`c8 report: ${outcome.stderr}${outcome.stdout}`);
  }
  const text = readFileSync(join(reports, "coverage-summary.json"), "utf8");
  rmSync(reports, { recursive: true });
  const entries = Object.entries(JSON.parse(text) as Record<string, { lines: Lines }>);
  return new Map(entries.map(([path, { lines }]) => [path.replace(packageRoot, ""), lines]));
}

function assemblyFiles(): string[] {
  const names = readdirSync(join(packageRoot, "assembly"), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => `assembly/${name}`)
    .filter((name) => !wasmOnly.includes(name));
}

function lineCount(file: string): number {
  return readFileSync(join(packageRoot, file), "utf8").split("\n").length - 1;
}

function percentage({ total, covered }: Lines): number {
  return total === 0 ? 100 : (100 * covered) / total;
}
