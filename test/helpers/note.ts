/**
 * Says what a test measured. `test/run.ts` shows the lines below the file's own.
 */

/** How a line begins that tells of a measurement. */
export const noteMark = "# note ";

export function note(text: string): void {
  process.stdout.write(`\n${noteMark}${text}\n`);
}
