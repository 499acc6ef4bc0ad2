/**
 * The command `npm run test:kernels [-- VERSION...]`: gets the kernels that are not there yet,
 * boots each under qemu, runs in it the end-to-end tests that the host runs, and measures attaches
 * beside rivals. `--only tests` or `--only rivals` leaves the other out; `--only locks` compares
 * the lock that diskseq takes with the other that it could; `--tests WORD` runs those files only
 * whose names contain it, `--beside WORD` those rivals; `--count N` is diskseq's attaches beside
 * each rival. Prints a line for each step and each file, the README's table, and the totals. Exits
 * 1 when a kernel failed, 2 at wrong words, 3 where the machine lacks something.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packPackage } from "./archive.ts";
import { type Era, eras, fetchKernel, hasKernel } from "./debian.ts";
import { whyNotHere } from "./machine.ts";
import type { Results } from "./rivals/round.ts";
import { hasRoot, makeRoot, rootTree } from "./root.ts";
import { tableOf } from "./table.ts";
import { cache } from "./tools.ts";
import { defaultTests, resultsOf, testKernel, type Work } from "./trial.ts";
import { hasUdev, makeUdev, udevSuites } from "./udevs.ts";

/** Guests that run at the same time: the tests of one are rarely on more than one processor. */
const atOnce = 2;

function usage(text: string): never {
  const options = "[--only tests|rivals|locks] [--tests WORD]... [--beside WORD] [--count N]";
  console.error(`${text}\nnpm run test:kernels -- ${options} [${eras.join("|")}]...`);
  process.exit(2);
}

function readWords() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        only: { type: "string" },
        tests: { type: "string", multiple: true },
        beside: { type: "string", default: "" },
        count: { type: "string", default: "100" },
      },
    });
    const unknown = positionals.find((word) => !(eras as readonly string[]).includes(word));
    if (unknown !== undefined) usage(`no kernel is called '${unknown}'`);
    const chosen = eras.filter((era) => positionals.length === 0 || positionals.includes(era));
    const { only, tests = defaultTests, beside, count } = values;
    if (only !== undefined && !["tests", "rivals", "locks"].includes(only))
      usage(`--only ${only} is none of them`);
    if (!/^[\w ]*$/.test(beside)) usage(`--beside ${beside} is no part of a name`);
    if (!/^[1-9]\d{0,5}$/.test(count)) usage(`--count ${count} is no number from 1 on`);
    const work: Work = {
      tests: only === undefined || only === "tests" ? tests : [],
      count: only === "tests" ? 0 : Number(count),
      measured: only === "locks" ? "locks" : "rivals",
      beside,
    };
    return { chosen, work };
  } catch (error) {
    usage((error as Error).message);
  }
}

/** What is not there yet. */
async function fetchAll(chosen: readonly Era[]): Promise<void> {
  if (!hasRoot()) await step("a minimal Debian with udev", makeRoot);
  for (const suite of udevSuites) {
    if (!hasUdev(suite)) await step(`the udevd of ${suite}`, () => makeUdev(suite));
  }
  for (const era of chosen) {
    if (!hasKernel(era)) await step(`kernel ${era}`, () => fetchKernel(era, rootTree));
  }
}

async function step(what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  console.log(`got  ${what}, ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

async function main(): Promise<number> {
  const { chosen, work } = readWords();
  const lacking = whyNotHere(hasRoot() && udevSuites.every(hasUdev) && chosen.every(hasKernel));
  if (lacking !== undefined) {
    console.error(lacking);
    return 3;
  }
  await fetchAll(chosen);
  const packed = join(cache, `package-${process.pid}.cpio`);
  // Also where a signal ends it.
  process.once("exit", () => rmSync(packed, { force: true }));
  await packPackage(packed);
  const left = [...chosen];
  const failed: Era[] = [];
  const lane = async () => {
    for (let era = left.shift(); era !== undefined; era = left.shift()) {
      if (!(await testKernel(era, packed, work))) failed.push(era);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const measured = chosen.map(resultsOf).filter((path) => existsSync(path));
  const results = measured.map((path) => JSON.parse(readFileSync(path, "utf8")) as Results);
  if (work.measured === "rivals" && results.length > 0) console.log(`\n${tableOf(results)}`);
  const names = failed.length === 0 ? "" : `: ${failed.join(", ")}`;
  console.log(`\n${chosen.length - failed.length} kernels passed, ${failed.length} failed${names}`);
  return failed.length === 0 ? 0 : 1;
}

// With it, its guests end.
for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, () => process.exit(status));
}

process.exitCode = await main();
