/**
 * One core driven against one kernel: attach, detach, list. The public API is a session with the
 * real kernel; tests and simulations open their own.
 */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AttachmentHandle } from "./attachment.ts";
import { type BlockDevice, diskseqOf, type OpenBlockOptions, openBlock } from "./block.ts";
import { rescan, resize } from "./change.ts";
import {
  Command,
  CommandFlag,
  type Core,
  DetachResult,
  Event,
  Failure,
  Partscan,
  Result,
  Warning,
} from "./core.ts";
import { coreSha256, loadDefaultCore } from "./core-file.ts";
import { Driver, type Outcome, type Watcher } from "./driver.ts";
import { LoopError } from "./errors.ts";
import { endError, holderList, warningOf } from "./failures.ts";
import { collectGarbage } from "./garbage.ts";
import type { Holder, Kernel } from "./kernel.ts";
import { listLoops } from "./list.ts";
import { type MonitorRequest, MonitorStream } from "./monitor.ts";
import { deviceName } from "./names.ts";
import {
  type CheckedAttach,
  checkAttachOptions,
  checkDetachOptions,
  defaultTimeoutMs,
} from "./options.ts";
import { type Recording, type RecordOptions, recordOthers } from "./record.ts";
import { probeScan } from "./scan-probe.ts";
import type {
  ChangeOptions,
  Garbage,
  GarbageOptions,
  Monitor,
  MonitorOptions,
  Rescanned,
  Resized,
  Waited,
  WaitOptions,
  WaitTarget,
} from "./stream-types.ts";
import { type DetachTarget, instanceOf, resolveTarget, type Target } from "./target.ts";
import { machineFacts } from "./trace/facts.ts";
import { record, type Trace, type TraceOptions } from "./trace/index.ts";
import type {
  Attachment,
  AttachOptions,
  Detached,
  DetachOptions,
  LoopDevice,
  LoopWarning,
  ScanVerdict,
} from "./types.ts";
import { checkMonitor, waitForTarget } from "./wait.ts";

export interface SessionOptions {
  /** Feeds the jitter of retries; default: random. */
  readonly seed?: bigint;
  /** Operations at once; more wait their turn. Default 64. */
  readonly operations?: number;
  /** A core of your own; default: the core.wasm of this package. */
  readonly core?: Core;
}

/** How a detach ended: one of the two, and whether the descriptor it was given is still open. */
export interface DetachEnd {
  readonly detached?: Detached;
  readonly error?: unknown;
  readonly isDescriptorOpen: boolean;
}

/** What every operation takes. */
interface Common {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onWarning?: (warning: LoopWarning) => void;
  readonly onStep?: Watcher["onStep"];
}

export class Session {
  readonly kernel: Kernel;
  readonly #core: Core;
  readonly #isOwnCore: boolean;
  #trace: Trace | undefined;
  readonly #driver: Driver;
  /** The latest handle of each loop number. */
  readonly #handles = new Map<number, AttachmentHandle>();
  #scan: Promise<ScanVerdict> | undefined;

  constructor(kernel: Kernel, options: SessionOptions = {}) {
    const seed = options.seed ?? BigInt(Math.floor(Math.random() * 2 ** 48));
    const core = options.core ?? loadDefaultCore({ seed, operations: options.operations ?? 64 });
    this.kernel = kernel;
    this.#core = core;
    this.#isOwnCore = options.core !== undefined;
    this.#driver = new Driver(core, kernel);
    const directory = process.env.DISKSEQ_TRACE;
    if (directory) this.#trace = this.#record(traceIn(directory));
  }

  /** See `trace` of the package. */
  async trace(path: string, options: TraceOptions = {}): Promise<Trace> {
    if (!this.#core.isFresh) {
      const message = "a trace begins before anything else is done";
      throw new LoopError("ERR_LOOP_ARGUMENT", message);
    }
    await this.#trace?.close();
    this.#trace = this.#record(path, options);
    return this.#trace;
  }

  #record(path: string, options: TraceOptions = {}): Trace {
    const facts = machineFacts(this.kernel.name);
    const about = this.#isOwnCore
      ? { core: "unknown", facts }
      : { core: coreSha256(), load: loadDefaultCore, facts };
    return record(path, this.#core, about, options);
  }

  /** See `record` of the package. */
  async record(path: string, options: RecordOptions = {}): Promise<Recording> {
    return recordOthers(this, (isWanted) => this.#driver.sieve(isWanted), path, options);
  }

  /** See `attach` of the package. */
  async attach(image: string | URL | number, options: AttachOptions = {}): Promise<Attachment> {
    const asked = checkAttachOptions(options);
    const path = imagePath(image);
    const subject = path ?? `descriptor ${String(image)}`;
    const checked = options.fast ? await this.#hasten(asked, options.signal) : asked;
    const outcome = await this.run(
      {
        command: Command.Attach,
        flags: checked.flags,
        timeoutNs: checked.timeoutNs,
        offset: checked.offset,
        sizeLimit: checked.sizeLimit,
        sectorSize: checked.sectorSize,
        partscan: checked.partscan,
        number: checked.number,
        descriptor: typeof image === "number" ? image : -1,
        reference: checked.reference ?? defaultReference(path),
      },
      options,
      path,
    );
    if (outcome.event.event !== Event.Attached)
      throw endError({ ...outcome, subject }, options.signal);
    const handle = new AttachmentHandle(this, outcome, checked);
    this.#handles.set(outcome.event.number, handle);
    return handle;
  }

  /** Where the kernel is fixed, the same in one call; the time that the question takes counts. */
  async #hasten(asked: CheckedAttach, signal: AbortSignal | undefined): Promise<CheckedAttach> {
    signal?.throwIfAborted();
    if (asked.partscan !== Partscan.Kernel) return asked;
    const began = this.kernel.now();
    const isFixed = (await this.probeScan()) === "fixed";
    const left = asked.timeoutNs - (this.kernel.now() - began);
    return {
      ...asked,
      flags: isFixed ? asked.flags | CommandFlag.OneCall : asked.flags,
      timeoutNs: asked.timeoutNs === 0n ? 0n : left > 0n ? left : 1n,
    };
  }

  /** See `probeScan` of the package. */
  probeScan(): Promise<ScanVerdict> {
    this.#scan ??= probeScan(this.kernel);
    return this.#scan;
  }

  /** See `detach` of the package. */
  async detach(target: DetachTarget, options: DetachOptions = {}): Promise<Detached> {
    const resolved = await resolveTarget(this, target);
    const handle = this.#handles.get(resolved.number);
    // The lock of a handle of our own must not keep us out.
    if (handle?.pins(resolved.diskseq)) return handle.detach(options);
    const end = await this.detachInstance(resolved, -1, options);
    if (end.detached) return end.detached;
    throw end.error;
  }

  /** Detaches one instance; through a descriptor of it where there is one. */
  async detachInstance(
    target: Target,
    descriptor: number,
    options: DetachOptions,
  ): Promise<DetachEnd> {
    const timeoutNs = checkDetachOptions(options);
    const outcome = await this.run(
      {
        command: Command.Detach,
        flags: options.lazy ? CommandFlag.Lazy : 0,
        timeoutNs,
        descriptor,
        ...instanceOf(target),
      },
      options,
    );
    const { event } = outcome;
    const disk = `loop${target.number}`;
    if (event.event !== Event.Detached) {
      const isLocked = event.code === Failure.DeviceLocked;
      const holders = isLocked ? await this.kernel.findLockers(disk) : [];
      const error = endError({ ...outcome, subject: target.subject, holders }, options.signal);
      const descriptorLeft = BigInt.asIntN(64, event.result[Result.Descriptor] ?? -1n);
      return { error, isDescriptorOpen: descriptorLeft >= 0n };
    }
    const result = event.code === DetachResult.Deferred ? "deferred" : "gone";
    const holders = result === "deferred" ? await this.kernel.findHolders(disk) : [];
    const detached: Detached = {
      result,
      device: deviceName(target.number),
      diskseq: target.diskseq ?? null,
      holders,
    };
    if (result === "deferred" && !options.lazy) {
      return { error: deferredError(target, holders), isDescriptorOpen: false };
    }
    return { detached, isDescriptorOpen: false };
  }

  /** See `rescan` of the package. */
  async rescan(target: DetachTarget, options: ChangeOptions = {}): Promise<Rescanned> {
    return rescan(this, target, options);
  }

  /** See `resize` of the package. */
  async resize(target: DetachTarget, options: ChangeOptions = {}): Promise<Resized> {
    return resize(this, target, options);
  }

  /** See `collectGarbage` of the package. */
  async collectGarbage(options: GarbageOptions = {}): Promise<Garbage[]> {
    return collectGarbage(this, options);
  }

  /** Changes one instance; through the descriptor of a handle that has it locked. */
  async change(
    command: Command,
    flags: number,
    target: Target,
    options: ChangeOptions,
  ): Promise<Outcome> {
    const timeoutNs = checkDetachOptions(options);
    const run = (descriptor: number) =>
      this.run({ command, flags, timeoutNs, descriptor, ...instanceOf(target) }, options);
    const handle = this.#handles.get(target.number);
    return handle?.pins(target.diskseq) ? handle.lend(run) : run(-1);
  }

  /** A handle that pins nothing any more. */
  forget(number: number, handle: AttachmentHandle): void {
    if (this.#handles.get(number) === handle) this.#handles.delete(number);
  }

  /** Closes the descriptor of a handle and leaves the device to its own fate. */
  async release(number: number, descriptor: number): Promise<void> {
    await this.run({ command: Command.Detach, flags: CommandFlag.Release, number, descriptor }, {});
  }

  /** Decodes the partition table of an image; attaches nothing. */
  async probe(
    path: string,
    range: { offset: bigint; sizeLimit: bigint; sectorSize: number; partscan: Partscan },
  ): Promise<Outcome> {
    const timeoutNs = BigInt(defaultTimeoutMs) * 100_000n;
    return this.run({ command: Command.Probe, timeoutNs, ...range }, {}, path);
  }

  /** See `monitor` of the package. */
  async monitor(options: MonitorOptions = {}): Promise<Monitor> {
    const request = await checkMonitor(this, options);
    return new MonitorStream(this.#driver, request);
  }

  /** Judged events of one instance. */
  watch(request: MonitorRequest): Monitor {
    return new MonitorStream(this.#driver, request);
  }

  /** See `waitFor` of the package. */
  async waitFor(target: WaitTarget, options: WaitOptions = {}): Promise<Waited> {
    return waitForTarget(this, target, options);
  }

  /** See `diskseqOf` of the package. */
  async diskseqOf(device: string | number): Promise<bigint | null> {
    return diskseqOf(this, device);
  }

  /** See `openBlock` of the package. */
  async openBlock(path: string, options: OpenBlockOptions = {}): Promise<BlockDevice> {
    return openBlock(this, path, options);
  }

  /** See `list` of the package. */
  async list(options: { readonly signal?: AbortSignal } = {}): Promise<LoopDevice[]> {
    return listLoops(this, options.signal);
  }

  /** Gives up what is under way, as an abort does, then lets go of threads and descriptors. */
  async close(): Promise<void> {
    await this.#driver.close();
    await this.#scan;
    await this.kernel.close();
    await this.#trace?.close();
  }

  /** One command from beginning to end; rejects for bugs, and for a signal that came before. */
  async run(
    command: Parameters<Driver["run"]>[0],
    options: Common,
    path?: string,
  ): Promise<Outcome> {
    const { signal, onWarning, onStep } = options;
    signal?.throwIfAborted();
    const running = this.#driver.run(command, {
      path,
      onWarning: onWarning && ((event) => void this.#warn(event, onWarning)),
      onStep,
    });
    signal?.addEventListener("abort", running.abort, { once: true });
    try {
      return await running.done;
    } finally {
      signal?.removeEventListener("abort", running.abort);
    }
  }

  async #warn(
    event: Parameters<typeof warningOf>[0],
    onWarning: (warning: LoopWarning) => void,
  ): Promise<void> {
    const isWaiting = event.code === Warning.Waiting;
    // Our own descriptor keeps the number until the others let go; it is no holder.
    const own = event.request | 0;
    const holders = isWaiting ? await this.kernel.findHolders(`loop${event.number}`, own) : [];
    onWarning(warningOf(event, holders));
  }
}

function deferredError(target: Target, holders: readonly Holder[]): LoopError {
  const device = deviceName(target.number);
  const names = holderList(holders);
  return new LoopError(
    "ERR_LOOP_BUSY",
    `${device} is held by ${names}; it goes away when they let go (--lazy accepts that)`,
    { device, step: "read-target", holders },
  );
}

let traces = 0;

/** A file for each session of each process. */
function traceIn(directory: string): string {
  traces += 1;
  return join(directory, `${process.pid}-${traces}.ndjson`);
}

function imagePath(image: string | URL | number): string | undefined {
  if (typeof image === "number") {
    if (Number.isInteger(image) && image >= 0) return undefined;
    throw new LoopError("ERR_LOOP_ARGUMENT", `not a file descriptor: ${image}`);
  }
  if (typeof image === "string") {
    if (image !== "" && !image.includes("\0")) return image;
    throw new LoopError("ERR_LOOP_ARGUMENT", "the image's path is empty or holds a NUL");
  }
  try {
    return fileURLToPath(image);
  } catch (cause) {
    const message = `not a file: URL of this machine: ${String(image)}`;
    throw new LoopError("ERR_LOOP_ARGUMENT", message, { cause });
  }
}

/** `diskseq:` and the base name, cut at 62 bytes: udev makes no link for the 63rd. */
function defaultReference(path: string | undefined): Uint8Array {
  const text = `diskseq:${path === undefined ? "fd" : basename(path)}`;
  const room = new Uint8Array(62);
  return room.subarray(0, new TextEncoder().encodeInto(text, room).written);
}
