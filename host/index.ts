/**
 * The public API: disk images on loop devices, without races.
 *
 * ```ts
 * await using attachment = await attach("disk.img");
 * console.log(attachment.device, attachment.diskseq, attachment.partitions);
 * ```
 */
import type { BlockDevice, OpenBlockOptions } from "./block.ts";
import { LoopError } from "./errors.ts";
import type { Kernel } from "./kernel.ts";
import type { Recording, RecordOptions } from "./record.ts";
import { Session } from "./session.ts";
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
import type { DetachTarget } from "./target.ts";
import type { Trace, TraceOptions } from "./trace/index.ts";
import type {
  Attachment,
  AttachOptions,
  Detached,
  DetachOptions,
  LoopDevice,
  ScanVerdict,
} from "./types.ts";

let session: Promise<Session> | undefined;

/** The process's one session with the real kernel; koffi is loaded here and not before. */
function defaultSession(): Promise<Session> {
  session ??= openSession();
  return session;
}

async function openSession(): Promise<Session> {
  if (process.platform !== "linux") {
    const message = `loop devices are a thing of Linux; this is ${process.platform}`;
    throw new LoopError("ERR_LOOP_ENVIRONMENT", message);
  }
  const { LinuxKernel } = await import("./linux/kernel.ts");
  return new Session(new LinuxKernel());
}

/**
 * Attaches an image to a loop device. Resolves when every partition of the image is there, belongs
 * to this attach and stays.
 *
 * @param image path, `file:` URL, or an open descriptor (which stays the caller's)
 * @throws LoopError; everything taken is given back first
 */
export async function attach(
  image: string | URL | number,
  options: AttachOptions = {},
): Promise<Attachment> {
  return (await defaultSession()).attach(image, options);
}

/**
 * Detaches one instance and resolves when it is gone: not before, and no other one.
 *
 * @param target device node, partition node, image path, `diskseq:N`, or `{ device, diskseq }`
 * @throws LoopError: ERR_LOOP_STALE when the instance is over, ERR_LOOP_BUSY with its holders when
 * they keep it beyond the timeout
 */
export async function detach(target: DetachTarget, options: DetachOptions = {}): Promise<Detached> {
  return (await defaultSession()).detach(target, options);
}

/**
 * Measures whether this kernel scans for partitions in LOOP_CONFIGURE without a race, as `fast` of
 * `attach` asks: once per process, with a loop device of its own, which is gone at the end. Never
 * rejects for what the machine lacks: the verdict is `unknown` then.
 */
export async function probeScan(): Promise<ScanVerdict> {
  return (await defaultSession()).probeScan();
}

/** All bound loop devices, also those that others attached, by number. */
export async function list(options: { signal?: AbortSignal } = {}): Promise<LoopDevice[]> {
  return (await defaultSession()).list(options);
}

/**
 * Judged uevents as they come: stale, mine, later, and what was lost. Resolves when it can begin;
 * what happens after its `ready` is told.
 *
 * ```ts
 * for await (const item of await monitor({ disk: "loop0" })) console.log(item);
 * ```
 */
export async function monitor(options: MonitorOptions = {}): Promise<Monitor> {
  return (await defaultSession()).monitor(options);
}

/**
 * Waits until an instance is ready, or gone. sysfs decides and events only wake, so it ends also
 * where events are lost, late, or about somebody else.
 *
 * @throws LoopError: ERR_LOOP_STALE when the instance is over, ERR_LOOP_TIMEOUT
 */
export async function waitFor(target: WaitTarget, options: WaitOptions = {}): Promise<Waited> {
  return (await defaultSession()).waitFor(target, options);
}

/** The diskseq of a block device's node, link or open descriptor; null before Linux 5.15. */
export async function diskseqOf(device: string | number): Promise<bigint | null> {
  return (await defaultSession()).diskseqOf(device);
}

/**
 * Opens a node or a link to one, and hands it out only when the open descriptor is proven to be of
 * the instance that was meant.
 *
 * @throws LoopError: ERR_LOOP_STALE when it is another one
 */
export async function openBlock(
  path: string,
  options: OpenBlockOptions = {},
): Promise<BlockDevice> {
  return (await defaultSession()).openBlock(path, options);
}

/**
 * Makes the partitions of a bound device those of its table, and only where they differ: what stays
 * the same does not blink. Deletes and shrinks none that is in use. The partitions of a handle are
 * still those of its attach afterwards.
 *
 * @param target as for `detach`
 * @throws LoopError: ERR_LOOP_BUSY with the holders of a partition that must go or shrink, or with
 * those who lock the device; ERR_LOOP_TABLE for a table that cannot be right: nothing is changed
 */
export async function rescan(
  target: DetachTarget,
  options: ChangeOptions = {},
): Promise<Rescanned> {
  return (await defaultSession()).rescan(target, options);
}

/**
 * Has a bound device show what its image has grown or shrunk to. Partitions and their table stay as
 * they are.
 *
 * @param target as for `detach`
 */
export async function resize(target: DetachTarget, options: ChangeOptions = {}): Promise<Resized> {
  return (await defaultSession()).resize(target, options);
}

/**
 * What nobody needs any more, by loop number: partitions left on unbound devices, and devices that
 * this package attached and whose image is deleted. Only says so unless `apply` is given; never
 * touches what somebody uses, nor bound devices of others. One failure does not keep the rest.
 */
export async function collectGarbage(options: GarbageOptions = {}): Promise<Garbage[]> {
  return (await defaultSession()).collectGarbage(options);
}

/**
 * Writes down all that this process's core is told and says, from here to its `close`: what
 * `diskseq replay` runs again on any machine. To be called before anything else. Writing never
 * holds up what it records.
 */
export async function trace(path: string, options: TraceOptions = {}): Promise<Trace> {
  return (await defaultSession()).trace(path, options);
}

/**
 * Writes down what other programs do to disks: a trace of every block uevent, and of what sysfs
 * showed at the start, after the events of a disk and after a loss. Attaches nothing, opens no
 * device; needs no root where sockets and sysfs are open to all. To be called before anything else;
 * until it ends, monitors of this process hear only what is recorded.
 *
 * @throws LoopError: ERR_LOOP_ARGUMENT when the file is there already, ERR_LOOP_SYSTEM when it
 * cannot be written
 */
export async function record(path: string, options: RecordOptions = {}): Promise<Recording> {
  return (await defaultSession()).record(path, options);
}

/** The kernel behind the functions above. */
export async function defaultKernel(): Promise<Kernel> {
  return (await defaultSession()).kernel;
}

export type { BlockDevice, OpenBlockOptions } from "./block.ts";
export { toJson } from "./describe.ts";
export { exitCodeOf, LoopError, type LoopErrorCode, type Try } from "./errors.ts";
export type { Holder, Kernel, KernelCall } from "./kernel.ts";
export type { Recorded, Recording, RecordOptions } from "./record.ts";
export { Session, type SessionOptions } from "./session.ts";
export type * from "./stream-types.ts";
export type { DetachTarget } from "./target.ts";
export type { Trace, TraceOptions } from "./trace/index.ts";
export type * from "./types.ts";
