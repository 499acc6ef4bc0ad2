/**
 * Measures how diskseq and others attach while rivals do their worst, in a guest, where all loop
 * devices are ours: `main.js COUNT [FILE]`. Prints a table, writes the same as JSON into FILE.
 * Exits 1 when a row of diskseq's says that a partition flapped, was missing or another's, that an
 * attach failed, or that a device is left.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { expectedPartitions, gptImage, mbrImage } from "../../helpers/images.ts";
import { type Rival, rivals } from "./programs.ts";
import { measure, type Row } from "./round.ts";
import { type ToolName, tools } from "./tools.ts";

const columns = [
  ...["rival", "tool", "attaches", "flaps", "missing", "stale"],
  ...["left", "failed", "median", "p99"],
] as const satisfies readonly (keyof Row)[];

const [count = "100", file] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "rivals-"));
const paths = [await gptImage(join(directory, "a.img")), await mbrImage(join(directory, "b.img"))];
const images = await Promise.all(
  paths.map(async (path) => ({ path, partitions: await expectedPartitions(path) })),
);

// What is run for the first time is compiled for it.
for (const name of Object.keys(tools) as ToolName[]) await measure("none", name, images, 2);

const rows: Row[] = [];
console.log(`# ${spelled(columns)}`);
for (const rival of Object.keys(rivals) as Rival[]) {
  const end = await rivals[rival]();
  for (const name of Object.keys(tools) as ToolName[]) {
    const row = await measure(rival, name, images, Number(count));
    rows.push(row);
    console.log(`# ${spelled(columns.map((column) => row[column]))}`);
  }
  await end();
}
if (file !== undefined) writeFileSync(file, JSON.stringify({ release: release(), rows }, null, 2));

const own = rows.filter(({ tool }) => tool.startsWith("diskseq"));
const isClean = ({ flaps, missing, stale, left, failed }: Row) =>
  flaps + missing + stale + left + failed === 0;
process.exitCode = own.every(isClean) ? 0 : 1;

/** Two columns of words, the others of numbers; milliseconds without fractions. */
function spelled(cells: readonly (string | number)[]): string {
  return cells
    .map((cell) => (typeof cell === "number" ? cell.toFixed(0) : cell))
    .map((cell, index) => (index < 2 ? cell.padEnd(16) : cell.padStart(9)))
    .join("");
}
