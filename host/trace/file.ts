/**
 * The file that a trace is written to. Nothing waits for it and nothing fails by it: what cannot be
 * written is left out from there on, and the trace has no end, which whoever reads it says.
 */
import { createWriteStream, type WriteStream } from "node:fs";

/** So much may wait to be written: a disk that is slower than that stops the trace. */
const pendingMax = 64 * 1024 * 1024;

export class TraceFile {
  readonly #stream: WriteStream;
  /** Why nothing is written any more. */
  #failure: Error | undefined;

  constructor(path: string) {
    this.#stream = createWriteStream(path, { encoding: "utf8" });
    this.#stream.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  write(line: string): void {
    if (this.#failure !== undefined) return;
    if (this.#stream.writableLength > pendingMax) {
      this.#failure = new Error("the file is written too slowly");
      return;
    }
    this.#stream.write(`${line}\n`);
  }

  /** Resolves when all is written; with why it is not whole, where it is not. */
  async close(): Promise<Error | undefined> {
    await new Promise<void>((resolve) => {
      this.#stream.once("close", resolve);
      if (this.#stream.closed) resolve();
      this.#stream.end();
    });
    return this.#failure;
  }
}
