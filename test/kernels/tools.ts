/** Where the matrix keeps what it fetched, and how it runs the tools of this machine. */
import { join } from "node:path";
import { tool } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";

/** All that can be fetched or made again. */
export const cache = join(packageRoot, "build/kernels");

/** The fetch of a package, the making of a root. */
const deadlineMs = 600_000;

/** Standard output; rejects, with what it said, unless it exits 0. */
export function run(file: string, args: readonly string[], directory?: string): Promise<string> {
  return tool(file, args, { deadlineMs, ...(directory === undefined ? {} : { directory }) });
}
