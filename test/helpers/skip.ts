/**
 * Says that a test is skipped, and why. `test/run.ts` collects the lines and prints them last.
 */
import { testFile } from "./root.ts";

/** How a line begins that tells of a skip. */
export const skipMark = "# skip ";

/** To be called once by a test that returns without having tested. */
export function skip(reason: string): void {
  process.stdout.write(`\n${skipMark}${testFile}: ${reason}\n`);
}
