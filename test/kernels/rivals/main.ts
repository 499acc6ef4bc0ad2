/**
 * Measures how diskseq and others attach while rivals do their worst, in a guest, where all loop
 * devices are ours: `main.js COUNT FILE rivals|locks`, with so many attaches of diskseq beside each
 * rival, or with each lock that diskseq could take. Prints a table, writes the same as JSON into
 * FILE. Exits 1 when a row of diskseq's says that a partition flapped, was missing or another's,
 * that an attach failed, or that a device is left.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { release, tmpdir, version } from "node:os";
import { join } from "node:path";
import {
  blankImage,
  expectedPartitions,
  gptImage,
  mbrImage,
  sfdisk,
} from "../../helpers/images.ts";
import { Watcher } from "./programs.ts";
import { allRivals, type Rival } from "./rivals.ts";
import { measure, type Results, type Row } from "./round.ts";
import { locks, type Tool, tools } from "./tools.ts";

interface Plan {
  readonly tools: readonly Tool[];
  /** Diskseq's ways, which divide the count. */
  readonly ways: number;
  readonly isBeside: (rival: Rival) => boolean;
}

const columns = [
  ...["rival", "tool", "attaches", "flaps", "others", "missing", "stale"],
  ...["left", "failed", "median", "p99"],
] as const satisfies readonly (keyof Row)[];
/** Attaches of what is only compared with, at least, and as a part of diskseq's. */
const comparedLeast = 5;
const comparedPart = 1 / 10;

const [count = "", file = "", what = "", beside = ""] = process.argv.slice(2);
const plans: Record<string, Plan> = {
  rivals: { tools, ways: tools.filter(isWay).length, isBeside: () => true },
  locks: { tools: locks, ways: 1, isBeside: ({ name }) => /^(none|udevd .*)$/.test(name) },
};
const plan = plans[what];
if (plan === undefined) throw new Error(`'${what}' is not one of ${Object.keys(plans)}`);
const directory = mkdtempSync(join(tmpdir(), "rivals-"));
const paths = [await gptImage(join(directory, "a.img")), await mbrImage(join(directory, "b.img"))];
const images = await Promise.all(
  paths.map(async (path) => ({ path, partitions: await expectedPartitions(path) })),
);
const others = [await otherImage(mkdtempSync(join(tmpdir(), "others-")))];
const watcher = await Watcher.start();

const rows: Row[] = [];
console.log(`# ${spelled(columns)}`);
const rivals = (await allRivals()).filter((one) => plan.isBeside(one) && one.name.includes(beside));
// Nothing measured is not nothing found.
if (rivals.length === 0) throw new Error(`no rival's name contains '${beside}'`);
for (const [index, rival] of rivals.entries()) {
  const began = performance.now();
  const atWork = await rival.start(others);
  const around = { rival, atWork };
  for (const tool of plan.tools.filter((one) => isMeasured(one, rival))) {
    // What is run for the first time is compiled for it.
    if (index === 0) await measure(around, tool, watcher, images, 2);
    const row = await measure(around, tool, watcher, images, attachesOf(tool, rival, plan.ways));
    rows.push(row);
    console.log(`# ${spelled(columns.map((column) => row[column]))}`);
  }
  await atWork.end();
  console.log(`# beside ${rival.name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
await watcher.stop();
// Debian's `uname -r` names its own numbering, `uname -v` the kernel's.
const kernel = /\b\d+\.\d+\.\d+\b/.exec(version())?.[0] ?? release();
const results: Results = { kernel, rows };
writeFileSync(file, JSON.stringify(results, null, 2));

const own = rows.filter((row) => plan.tools.some(({ name, isOwn }) => isOwn && name === row.tool));
const isClean = ({ flaps, missing, stale, left, failed }: Row) =>
  flaps + missing + stale + left + failed === 0;
process.exitCode = own.every(isClean) ? 0 : 1;

function isMeasured({ isOwn, beside }: Tool, rival: Rival): boolean {
  if (beside !== undefined && beside !== rival.name) return false;
  return isOwn === true || rival.isOurs !== true;
}

function isWay({ isOwn, beside }: Tool): boolean {
  return isOwn === true && beside === undefined;
}

function attachesOf({ isOwn }: Tool, { part = 1 }: Rival, ways: number): number {
  const all = Number(count) * part;
  return isOwn ? Math.ceil(all / ways) : Math.max(comparedLeast, Math.round(all * comparedPart));
}

/** Its partitions have the numbers of others, and are elsewhere. */
async function otherImage(where: string): Promise<string> {
  const path = blankImage(join(where, "other.img"), 8 << 20);
  await sfdisk(path, ["label: dos", "start=1024, size=2048", "start=4096, size=1024"]);
  return path;
}

/** Two columns of words, the others of numbers; milliseconds without fractions. */
function spelled(cells: readonly (string | number)[]): string {
  return cells
    .map((cell) => (typeof cell === "number" ? cell.toFixed(0) : cell))
    .map((cell, index) => (index < 2 ? cell.padEnd(16) : cell.padStart(9)))
    .join("");
}
