/**
 * Runs the benchmarks and prints one table: `npm run bench`, `npm run bench -- rate parse` for
 * parts of it, `--json` for programs, `--quick` to see that it works, `--huge` with a trace of a
 * GiB. Everything is measured side by side in interleaved rounds, so what counts are the ratios;
 * nothing is asserted by time.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, constants as os, release, tmpdir } from "node:os";
import { join } from "node:path";
import { core, parse } from "./core.ts";
import { BenchDevice } from "./device.ts";
import { explore } from "./explore.ts";
import { flood } from "./flood.ts";
import { page } from "./page.ts";
import { Receiving } from "./receivers.ts";
import { full, huge, quick, type Scale } from "./scale.ts";
import { plainTable, printTable, type Section, skipped } from "./table.ts";
import { trace } from "./trace.ts";
import { rate, wake } from "./uevents.ts";

type Part = (device: BenchDevice, directory: string, scale: Scale) => Promise<Section>;
type InnerPart = (scale: Scale, directory: string) => Promise<Section>;

const outside: Readonly<Record<string, Part>> = { rate, flood, wake };
/** Those that need no device. */
const inside: Readonly<Record<string, InnerPart>> = { core, parse, trace, page, explore };

/** What has to be given back, the last first. */
const undo: (() => void)[] = [];

function cleanUp(): void {
  Receiving.killAll();
  for (let act = undo.pop(); act; act = undo.pop()) act();
}

async function main(words: readonly string[]): Promise<number> {
  const names = words.filter((word) => !word.startsWith("--"));
  const known = [...Object.keys(outside), ...Object.keys(inside), "--json", "--quick", "--huge"];
  const unknown = words.filter((word) => !known.includes(word));
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(", ")}; there are ${known.join(", ")}`);
    return 2;
  }
  const scale = words.includes("--quick") ? quick : words.includes("--huge") ? huge : full;
  const isWanted = (name: string) => names.length === 0 || names.includes(name);
  const before = facts();
  const directory = mkdtempSync(join(tmpdir(), "diskseq-bench-"));
  undo.push(() => rmSync(directory, { recursive: true }));
  const sections = await outer(isWanted, directory, scale);
  for (const [name, part] of Object.entries(inside)) {
    if (isWanted(name)) sections.push(await told(name, () => part(scale, directory)));
  }
  const all = [...before, `load ${loadText()} at the end`];
  if (words.includes("--json")) {
    console.log(JSON.stringify({ facts: all, sections: plainTable(sections) }, null, 2));
  } else {
    console.log(all.join("\n"));
    printTable(sections);
  }
  return 0;
}

async function outer(
  isWanted: (name: string) => boolean,
  directory: string,
  scale: Scale,
): Promise<Section[]> {
  const parts = Object.entries(outside).filter(([name]) => isWanted(name));
  if (parts.length === 0) return [];
  try {
    accessSync("/dev/loop-control", constants.R_OK | constants.W_OK);
  } catch {
    const rows = parts.map(([name]) => skipped(name, "needs root and /dev/loop-control"));
    return [{ title: "uevents from the kernel", columns: [], rows, notes: [] }];
  }
  const device = BenchDevice.add();
  undo.push(() => device.remove());
  const sections: Section[] = [];
  for (const [name, part] of parts) {
    sections.push(await told(`${name}, on ${device.name}`, () => part(device, directory, scale)));
  }
  return sections;
}

async function told(name: string, run: () => Promise<Section>): Promise<Section> {
  const began = performance.now();
  console.error(`${name} ...`);
  const section = await run();
  console.error(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return section;
}

function facts(): string[] {
  const model = cpus()[0]?.model ?? "unknown processor";
  return [
    `linux ${release()}, node ${process.version}, ${process.arch}, ${compiler()}`,
    `${availableParallelism()} x ${model}, load ${loadText()} before`,
  ];
}

function loadText(): string {
  return (loadavg()[0] ?? Number.NaN).toFixed(2);
}

function compiler(): string {
  try {
    const text = execFileSync("gcc", ["--version"], { encoding: "utf8", stdio: "pipe" });
    return text.split("\n")[0] ?? "";
  } catch {
    return "no gcc";
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(128 + os.signals[signal]);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  cleanUp();
}
