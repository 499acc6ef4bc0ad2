/**
 * A recording of what other programs do to disks: a trace that holds every block uevent and what
 * sysfs showed at the start, after the events of a disk and after a loss. Attaches nothing, opens
 * no device; says what is to be looked at, and writes and judges nothing itself.
 */
import { existsSync } from "node:fs";
import { Command, CommandFlag } from "./core.ts";
import { LoopError } from "./errors.ts";
import type { Session } from "./session.ts";
import type { Monitor, MonitorCounts } from "./stream-types.ts";
import type { Trace, TraceOptions } from "./trace/index.ts";
import type { LoopWarning } from "./types.ts";
import { checkMonitor } from "./wait.ts";

export interface RecordOptions extends Omit<TraceOptions, "overwrite"> {
  /** Only this disk and its partitions: kernel name, node, or link to it. */
  readonly disk?: string | undefined;
  /** Ends when so many events have come; default: never. */
  readonly count?: number | undefined;
  /** Replace a file that is there; default false: it is refused. */
  readonly force?: boolean | undefined;
  /** Ends it as `close` does. */
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((warning: LoopWarning) => void) | undefined;
}

/** How far a recording is, or what came of it. */
export interface Recorded {
  readonly path: string;
  /** Of the file; with a limit of its newer part. */
  readonly bytes: number;
  readonly counts: MonitorCounts;
  /** How often sysfs was looked at, disk by disk. */
  readonly looks: number;
  /** Why the file is not whole; null where it is. */
  readonly error: Error | null;
}

/** Under way until it is closed, has what it wants, or cannot be written any more. */
export interface Recording extends AsyncDisposable {
  /** Resolves when events are received and every disk was looked at. */
  readonly ready: Promise<void>;
  readonly done: Promise<Recorded>;
  progress(): Recorded;
  close(): Promise<Recorded>;
}

/** Hands in only the datagrams that are wanted; undefined: all of them. */
export type Sieve = (isWanted: ((datagram: Uint8Array) => boolean) | undefined) => void;

/** See `record` of the package. */
export async function recordOthers(
  session: Session,
  sieve: Sieve,
  path: string,
  { disk, count, force, signal, onWarning, ...options }: RecordOptions,
): Promise<Recording> {
  const request = await checkMonitor(session, {
    groups: ["kernel", "udev"],
    subsystem: "block",
    ...(disk !== undefined && { disk }),
    ...(signal && { signal }),
    ...(onWarning && { onWarning }),
  });
  const older = `${path}.1`;
  if (!force && options.limit !== undefined && existsSync(older)) throw fileIsThere(older);
  const trace = await session.trace(path, { ...options, overwrite: force === true });
  if (trace.failure) throw unwritable(path, trace.failure);
  sieve((datagram) => isOfBlocks(datagram, request.disk));
  const monitor = session.watch(request);
  return new Run({ session, sieve, path, trace, monitor, disk: request.disk, count });
}

function fileIsThere(path: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", `${path}: is there already; --force replaces it`);
}

function unwritable(path: string, cause: NodeJS.ErrnoException): LoopError {
  if (cause.code === "EEXIST") return fileIsThere(path);
  return new LoopError("ERR_LOOP_SYSTEM", `${path}: ${cause.message}`, { cause });
}

/** Whether it may be about a block device, and that disk; what cannot be told is kept. */
function isOfBlocks(datagram: Uint8Array, disk: string | undefined): boolean {
  const { buffer, byteOffset, length } = datagram;
  const bytes = Buffer.from(buffer, byteOffset, length);
  const subsystem = readValue(bytes, "SUBSYSTEM");
  if (subsystem !== undefined && subsystem !== "block") return false;
  const devpath = disk === undefined ? undefined : readValue(bytes, "DEVPATH");
  return (
    devpath === undefined ||
    devpath
      .split("/")
      .slice(-2)
      .includes(disk ?? "")
  );
}

function readValue(bytes: Buffer, key: string): string | undefined {
  const start = `\0${key}=`;
  const at = bytes.indexOf(start);
  if (at < 0) return undefined;
  const begin = at + start.length;
  const end = bytes.indexOf(0, begin);
  return bytes.toString("utf8", begin, end < 0 ? bytes.length : end);
}

interface Parts {
  readonly session: Session;
  readonly sieve: Sieve;
  readonly path: string;
  readonly trace: Trace;
  readonly monitor: Monitor;
  readonly disk: string | undefined;
  readonly count: number | undefined;
}

class Run implements Recording {
  readonly ready: Promise<void>;
  readonly done: Promise<Recorded>;
  readonly #parts: Parts;
  /** Disks to be looked at in the next turn: one look tells of all events before it. */
  readonly #due = new Set<string>();
  #turns: Promise<void> | undefined;
  #looks = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.ready = parts.monitor.ready.then(() => this.#lookAtAll());
    this.done = this.#run();
    // Who waits for one need not catch the other.
    for (const promise of [this.ready, this.done]) promise.catch(() => {});
  }

  progress(): Recorded {
    const { path, trace, monitor } = this.#parts;
    const { counts } = monitor;
    return { path, bytes: trace.bytes, counts, looks: this.#looks, error: trace.failure ?? null };
  }

  close(): Promise<Recorded> {
    this.#parts.monitor.close();
    return this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<Recorded> {
    const { sieve, trace } = this.#parts;
    try {
      await this.ready;
      await this.#follow();
      await this.#turns;
    } finally {
      sieve(undefined);
      await trace.close();
    }
    return this.progress();
  }

  async #follow(): Promise<void> {
    const { monitor, trace, count } = this.#parts;
    let events = 0;
    for await (const item of monitor) {
      if (item.type === "uevent" && item.disk !== null) void this.#look([item.disk]);
      // What was not told may be of any disk.
      if (item.type === "gap" || item.type === "overrun") void this.#lookAtAll();
      if (item.type === "uevent") events += 1;
      if (trace.failure || (count !== undefined && events >= count)) break;
    }
  }

  #lookAtAll(): Promise<void> {
    const { session, disk } = this.#parts;
    return this.#look(disk === undefined ? session.kernel.listNames() : [disk]);
  }

  /** Resolves when they were looked at, and all that were due before. */
  async #look(disks: readonly string[]): Promise<void> {
    const isDue = this.#due.size > 0;
    for (const disk of disks) this.#due.add(disk);
    if (!isDue) {
      this.#turns = Promise.all([this.#turns, this.#lookInTurn()]).then(() => {});
      // Where the core fails the monitor fails too.
      this.#turns.catch(() => {});
    }
    await this.#turns;
  }

  async #lookInTurn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const disks = [...this.#due];
    this.#due.clear();
    await Promise.all(disks.map((disk) => this.#lookAt(disk)));
  }

  /** No disk has a partition 0: waiting until it is gone ends with the first look. */
  async #lookAt(disk: string): Promise<void> {
    await this.#parts.session.run(
      {
        command: Command.Wait,
        flags: CommandFlag.Removed,
        partitionMask: 1n,
        reference: new TextEncoder().encode(disk),
      },
      {},
    );
    this.#looks += 1;
  }
}
