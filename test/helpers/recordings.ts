/**
 * The traces that lie in a directory and below it, and where those go that somebody has to look at.
 * Knows not what is in them.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { packageRoot } from "./root.ts";

const kept = "build/failed-traces";

export interface Recording {
  /** its path below the directory, as one word */
  readonly name: string;
  /** whole lines: what was written last when the process died may be half a one */
  readonly lines: Uint8Array;
  /** Keeps it; its path from the package's root. */
  keep(): string;
}

/** In the order of their paths, without those that are empty. */
export function* recordingsIn(directory: string): Generator<Recording> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.path, one.name));
  for (const path of files.sort()) {
    const bytes = readFileSync(path);
    const lines = bytes.subarray(0, bytes.lastIndexOf("\n") + 1);
    if (lines.length === 0) continue;
    const name = relative(directory, path).replaceAll("/", "-");
    const keep = (): string => {
      mkdirSync(join(packageRoot, kept), { recursive: true });
      copyFileSync(path, join(packageRoot, kept, name));
      return `${kept}/${name}`;
    };
    yield { name, lines, keep };
  }
}
