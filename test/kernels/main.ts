/**
 * The command `npm run test:kernels [-- VERSION...]`: gets the kernels that are not there yet,
 * boots each under qemu, once to measure attaches beside rivals and once to run the end-to-end
 * tests that the host runs. `--only tests` or `--only rivals` leaves the other out; `--only locks`
 * compares the lock that diskseq takes with the other that it could; `--tests WORD` runs those
 * files only whose names contain it, `--beside WORD` those rivals; `--count N` is diskseq's
 * attaches beside each rival. Prints a line for each step and each file, the README's table, and
 * the totals. Exits 1 when a kernel failed, 2 at wrong words, 3 where the machine lacks something.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packPackage } from "./archive.ts";
import { type Era, eras, fetchKernel, hasKernel } from "./debian.ts";
import { whyNotHere } from "./machine.ts";
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
    if (!/^[\w ]*$/.test(beside)) usage(`--beside ${beside} is no part of a name`);
    if (!/^[1-9]\d{0,5}$/.test(count)) usage(`--count ${count} is no number from 1 on`);
    const measured = { count: Number(count), beside };
    const tested: Work = { what: "tests", tests };
    const rivals: Work = { what: "rivals", ...measured };
    const choices = new Map<string | undefined, readonly Work[]>([
      // What takes longest begins first, as newer kernels do: the lanes end at about the same time.
      [undefined, [rivals, tested]],
      ["tests", [tested]],
      ["rivals", [rivals]],
      ["locks", [{ what: "locks", ...measured }]],
    ]);
    const works = choices.get(only) ?? usage(`--only ${only} is none of them`);
    return { chosen, works };
  } catch (error) {
    usage((error as Error).message);
  }
}

/** Gets what is not there yet; of each kernel, when that is done. */
function fetchAll(chosen: readonly Era[]): Map<Era, Promise<void>> {
  let done = fetchShared();
  return new Map(
    chosen.map((era) => {
      done = done.then(async () => {
        if (!hasKernel(era)) await step(`kernel ${era}`, () => fetchKernel(era, rootTree));
      });
      return [era, done];
    }),
  );
}

async function fetchShared(): Promise<void> {
  if (!hasRoot()) await step("a minimal Debian with udev", makeRoot);
  for (const suite of udevSuites) {
    if (!hasUdev(suite)) await step(`the udevd of ${suite}`, () => makeUdev(suite));
  }
}

async function step(what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  console.log(`got  ${what}, ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

async function main(): Promise<number> {
  const { chosen, works } = readWords();
  const lacking = whyNotHere(hasRoot() && udevSuites.every(hasUdev) && chosen.every(hasKernel));
  if (lacking !== undefined) {
    console.error(lacking);
    return 3;
  }
  const packed = join(cache, `package-${process.pid}.cpio`);
  // Also where a signal ends it.
  process.once("exit", () => rmSync(packed, { force: true }));
  await packPackage(packed);
  const newestFirst = chosen.toReversed();
  const isFetched = fetchAll(newestFirst);
  const left = works.flatMap((work) => newestFirst.map((era) => ({ era, work })));
  const failed = new Set<Era>();
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { era, work } = next;
      await isFetched.get(era);
      if (!(await testKernel(era, packed, work))) failed.add(era);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  for (const work of works.filter(({ what }) => what === "rivals")) {
    const results = chosen.flatMap((era) => resultsOf(era, work) ?? []);
    if (results.length > 0) console.log(`\n${tableOf(results)}`);
  }
  const names = failed.size === 0 ? "" : `: ${[...failed].join(", ")}`;
  console.log(`\n${chosen.length - failed.size} kernels passed, ${failed.size} failed${names}`);
  return failed.size === 0 ? 0 : 1;
}

// With it, its guests end.
for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, () => process.exit(status));
}

process.exitCode = await main();
