/** The file that a trace is read from. */
import { createReadStream } from "node:fs";
import { LoopError } from "../errors.ts";
import { type Line, splitLines } from "./split.ts";

/** Bytes that are read at once. */
const pieceBytes = 256 * 1024;

/** The lines of a file, the empty ones too, as many at once as a piece of it has. */
export async function* linesOf(path: string): AsyncGenerator<readonly Line[]> {
  try {
    yield* splitLines(createReadStream(path, { highWaterMark: pieceBytes }));
  } catch (cause) {
    if (cause instanceof LoopError) throw cause;
    const reason = (cause as Error).message;
    throw new LoopError("ERR_TRACE_FORMAT", `the trace cannot be read: ${reason}`, { cause });
  }
}
