/**
 * The command `npm run test:conformance`: judges every runtime, or those that are named, and gets
 * what npm has of them. Prints a line for each and the totals; exits 1 when one of them failed, 2
 * when there is no such runtime.
 */
import { judge } from "./judge.ts";
import { runtimes } from "./runtimes.ts";

const names = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };
const marks = { passed: "ok  ", failed: "FAIL", skipped: "skip" };

const unknown = names.find((name) => !(name in runtimes));
if (unknown !== undefined) {
  console.error(`no runtime is called '${unknown}': ${Object.keys(runtimes).join(", ")}`);
  process.exit(2);
}

for (const [name, find] of Object.entries(runtimes)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const { verdict, text } = await judge(name, await find(true));
  counts[verdict] += 1;
  console.log(`${marks[verdict]} ${name}: ${text}`);
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
