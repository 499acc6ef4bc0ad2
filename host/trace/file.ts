/**
 * The file that a trace is written to. Nothing waits for it and nothing fails by it: what cannot be
 * written is left out from there on, and the trace has no end, which whoever reads it says.
 */
import { closeSync, openSync, write, writeSync } from "node:fs";

/** So much may wait to be written: a disk that is slower than that stops the trace. */
const pendingMax = 64 * 1024 * 1024;

export class TraceFile {
  readonly #descriptor: number | undefined;
  /** Lines that wait, their length, and the bytes on their way: those from `#position` on. */
  #lines: string[] = [];
  #pending = 0;
  #writing: Buffer | undefined;
  #position = 0;
  #isScheduled = false;
  #failure: Error | undefined;
  #hasEnded = false;
  #drained: (() => void) | undefined;

  /** `wx`: there must be no such file. */
  constructor(path: string, flags: "w" | "wx" = "w") {
    try {
      this.#descriptor = openSync(path, flags);
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  /** Bytes so far, about. */
  get size(): number {
    return this.#position + (this.#writing?.length ?? 0) + this.#pending;
  }

  /** Why it is not whole, as far as that is known. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(line: string): void {
    if (this.#failure !== undefined) return;
    if (this.#pending > pendingMax) {
      this.#failure = new Error("the file is written too slowly");
      return;
    }
    this.#lines.push(line);
    this.#pending += line.length;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#pump());
  }

  /** Resolves when all is written; with why it is not whole, where it is not. */
  async close(): Promise<Error | undefined> {
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (!this.#isScheduled) resolve();
    });
    this.#end();
    return this.#failure;
  }

  /** Writes at once what is left: the process ends. */
  closeNow(): void {
    if (this.#descriptor !== undefined && this.#failure === undefined) {
      // What is on its way may not have come: the same bytes at the same place.
      const rest = this.#writing === undefined ? [] : [this.#writing];
      try {
        writeSync(
          this.#descriptor,
          Buffer.concat([...rest, this.#take()]),
          0,
          null,
          this.#position,
        );
      } catch (error) {
        this.#failure = error as Error;
      }
    }
    this.#end();
  }

  #take(): Buffer {
    const text = this.#lines.map((line) => `${line}\n`).join("");
    this.#lines = [];
    this.#pending = 0;
    return Buffer.from(text);
  }

  #pump(): void {
    const bytes = this.#take();
    if (bytes.length === 0 || this.#descriptor === undefined || this.#failure !== undefined) {
      this.#isScheduled = false;
      this.#drained?.();
      return;
    }
    this.#writing = bytes;
    this.#send(this.#descriptor, bytes, 0);
  }

  #send(descriptor: number, bytes: Buffer, from: number): void {
    write(descriptor, bytes, from, bytes.length - from, this.#position + from, (error, count) => {
      if (error) this.#failure ??= error;
      if (!error && from + count < bytes.length) {
        this.#send(descriptor, bytes, from + count);
        return;
      }
      this.#position += bytes.length;
      this.#writing = undefined;
      this.#pump();
    });
  }

  #end(): void {
    if (this.#descriptor === undefined || this.#hasEnded) return;
    this.#hasEnded = true;
    closeSync(this.#descriptor);
  }
}
