/** Begins a recording of a core, ends it (with the process at last), keeps it within its limit. */
import { renameSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Core } from "../core.ts";
import { LoopError } from "../errors.ts";
import { TraceFile } from "./file.ts";
import { type About, headerOf, type Snapshot, spell } from "./lines.ts";
import { Recorder } from "./recorder.ts";
import { Redactor } from "./redactor.ts";

/** What a core remembers takes a part of that, compressed. */
const limitMin = 1024 * 1024;

export interface TraceOptions {
  /** Bytes that the trace may take, 1 MiB at least: what is older goes. Default: no limit. */
  readonly limit?: number | undefined;
  /** Replace a file that is there (default), or fail. */
  readonly overwrite?: boolean | undefined;
  /**
   * Names are left out, and the trace runs again all the same. What may still be read off it: the
   * kernel's own names and paths of devices, numbers, sizes, kinds and times, the keys of
   * properties, how long names are and which are equal, and of a broken table what stands where its
   * numbers would.
   */
  readonly redact?: boolean | undefined;
}

/** A recording under way. */
export interface Trace {
  /** Of the file so far; with a limit of its newer part. */
  readonly bytes: number;
  /** Why something of it is missing; undefined where nothing is. */
  readonly failure: Error | undefined;
  /** Ends it. Resolves when the file is written; with an error where something of it is missing. */
  close(): Promise<Error | undefined>;
}

/** Of a core that has done nothing yet. */
export function record(path: string, core: Core, about: About, options: TraceOptions = {}): Trace {
  const recording = new Recording(path, core, about, options);
  if (open.size === 0) process.on("exit", endAll);
  open.add(recording);
  return {
    get bytes() {
      return recording.bytes;
    },
    get failure() {
      return recording.failure;
    },
    close: () => {
      open.delete(recording);
      if (open.size === 0) process.off("exit", endAll);
      return recording.close();
    },
  };
}

/** What is to be ended where the process ends first. */
const open = new Set<Recording>();

function endAll(): void {
  for (const recording of open) recording.closeNow();
}

/**
 * With a limit there are two files of half its size at most: when the newer one is full it becomes
 * the older one (`FILE.1`), and another begins with all that the core remembers.
 */
class Recording {
  readonly #path: string;
  /** The one that is written down. */
  readonly #core: Core;
  /** The one that is driven, and who tells the other of it; undefined: it is the same one. */
  readonly #redacted: { readonly core: Core; readonly redactor: Redactor } | undefined;
  readonly #about: About;
  readonly #half: number;
  readonly #recorder: Recorder;
  #file: TraceFile;
  #headerBytes = 0;
  /** Files that are being written to their end. */
  #ending: Promise<void> = Promise.resolve();
  /** Why one of them is not whole. */
  #failure: Error | undefined;
  #isOver = false;

  constructor(path: string, core: Core, about: About, options: TraceOptions) {
    const { limit, overwrite, redact } = options;
    if (limit !== undefined && !(limit >= limitMin)) {
      const message = `a trace's limit is 1 MiB at least, not ${limit} bytes`;
      throw new LoopError("ERR_LOOP_ARGUMENT", message);
    }
    if (redact && about.load === undefined) {
      throw new LoopError("ERR_LOOP_ARGUMENT", "what a core of your own is told stays as it is");
    }
    this.#path = path;
    const shadow = redact ? about.load?.(core.options) : undefined;
    this.#core = shadow ?? core;
    this.#redacted = shadow && {
      core,
      redactor: new Redactor(core, shadow, (why) => this.#end(why)),
    };
    this.#about = about;
    this.#half = (limit ?? Number.POSITIVE_INFINITY) / 2;
    this.#file = new TraceFile(path, overwrite === false ? "wx" : "w");
    this.#recorder = new Recorder(
      this.#core,
      (line) => this.#file.write(line),
      () => {
        // Most of a part is records, however much the core remembered.
        if (this.#file.size > Math.max(this.#half, 2 * this.#headerBytes)) this.#rotate();
      },
    );
    this.#begin();
    this.#core.observe(this.#recorder);
    this.#redacted?.core.observe(this.#redacted.redactor);
  }

  get bytes(): number {
    return this.#file.size;
  }

  get failure(): Error | undefined {
    return this.#failure ?? this.#file.failure;
  }

  async close(): Promise<Error | undefined> {
    this.#end();
    this.#retire(this.#file);
    await this.#ending;
    return this.failure;
  }

  closeNow(): void {
    this.#end();
    this.#file.closeNow();
  }

  /** `why`: it ends before what it records does. */
  #end(why?: string): void {
    if (this.#isOver) return;
    if (why === undefined) this.#redacted?.redactor.end();
    if (this.#isOver) return;
    this.#isOver = true;
    if (why !== undefined) this.#failure = new Error(why);
    this.#redacted?.core.observe(undefined);
    this.#core.observe(undefined);
    this.#recorder.end(why);
  }

  #begin(from?: Snapshot): void {
    const header = {
      ...headerOf(this.#core, this.#about, from),
      ...(this.#redacted && { redacted: true as const }),
    };
    const line = spell(header);
    this.#headerBytes = line.length;
    this.#file.write(line);
  }

  #rotate(): void {
    this.#recorder.end();
    try {
      renameSync(this.#path, `${this.#path}.1`);
    } catch {
      // The newer part then takes its place.
    }
    this.#retire(this.#file);
    this.#file = new TraceFile(this.#path);
    // Mostly zeros: the least effort is enough.
    const level = 1;
    this.#begin({
      state: gzipSync(this.#core.state, { level }),
      buffers: gzipSync(this.#core.buffers, { level }),
      calls: this.#recorder.calls,
    });
    this.#recorder.restart();
  }

  #retire(file: TraceFile): void {
    const before = this.#ending;
    const end = file.close();
    this.#ending = before.then(async () => {
      this.#failure = (await end) ?? this.#failure;
    });
  }
}
