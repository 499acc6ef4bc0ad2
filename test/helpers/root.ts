/**
 * Where things lie: the package, its command, the temporary directory of a run.
 */
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's top level; this file runs as build/test/helpers/root.js. */
export const packageRoot = fileURLToPath(new URL("../../../", import.meta.url));

/** The built command. */
export const commandPath = join(packageRoot, "build/host/cli/main.js");

/** A program of the helpers, run as a process of its own. */
export function programPath(name: string): string {
  return join(packageRoot, "build/test/helpers/programs", `${name}.js`);
}

/** Temporary directories of tests lie here; `test/run.ts` gives each file its own. */
export const scratchRoot = process.env.DISKSEQ_TEST_DIRECTORY ?? tmpdir();

/** The running test file as `e2e/attach-gpt.test`. */
export const testFile = relative(join(packageRoot, "build/test"), process.argv[1] ?? "").replace(
  /\.js$/,
  "",
);
