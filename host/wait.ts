/**
 * Waits: what the application names turned into a disk, an instance and partitions that the core
 * waits for, and what came of it told. Decides nothing about events; reads names and tables.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  Command,
  CommandFlag,
  Event,
  EventWord,
  Failure,
  Partscan,
  WaitResult,
  WaitWord,
} from "./core.ts";
import { majorOf, minorOf } from "./devnum.ts";
import type { Outcome } from "./driver.ts";
import { LoopError } from "./errors.ts";
import { failureError } from "./failures.ts";
import { readTable } from "./list.ts";
import type { MonitorRequest } from "./monitor.ts";
import { deviceOf, partitionName } from "./names.ts";
import { waitTimeoutMs } from "./options.ts";
import { partitionsOf } from "./partitions.ts";
import type { Session } from "./session.ts";
import type { MonitorOptions, Waited, WaitOptions, WaitTarget } from "./stream-types.ts";
import { checkDiskseqs, parseDiskseq } from "./target.ts";

/** A disk by its kernel name, and of it a partition (0: the disk itself). */
export interface Place {
  readonly disk: string;
  readonly partition: number;
}

interface Wish extends Place {
  readonly subject: string;
  readonly diskseq: bigint;
  readonly target: WaitTarget;
}

/** A link that udev has yet to make is looked for so often. */
const linkMs = 100;
/** Enough for one look. */
const lookMs = 20;

export async function waitForTarget(
  session: Session,
  target: WaitTarget,
  options: WaitOptions,
): Promise<Waited> {
  const timeoutMs = waitTimeoutMs(options.timeoutMs);
  const until = timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : performance.now() + timeoutMs;
  options.signal?.throwIfAborted();
  const wish = await resolve(session, target, until, options);
  if (wish === undefined) return nothing(target);
  const numbers = wishedNumbers(wish);
  const isListed = target.partitions === true && !target.removed;
  // udev is awaited once, of all.
  const first = isListed ? { ...wish, target: { ...target, udev: false } } : wish;
  let waited = await wait(session, first, numbers, until, options);
  if (isListed) {
    const listed = await expectedNumbers(session, wish.disk);
    const pinned = { ...wish, diskseq: waited.diskseq ?? wish.diskseq };
    waited = await wait(session, pinned, [...numbers, ...listed], until, options);
  }
  return waited;
}

/* Names. */

/** The disk that a name, node or link is about; undefined: the instance is over, as was wished. */
async function resolve(
  session: Session,
  target: WaitTarget,
  until: number,
  options: WaitOptions,
): Promise<Wish | undefined> {
  const byDevice = target.device === undefined ? undefined : byNumber(target.device);
  const diskseq = BigInt(target.diskseq ?? byDevice?.diskseq ?? 0n);
  if (target.device === undefined && diskseq <= 0n) {
    throw new LoopError("ERR_LOOP_ARGUMENT", "a wait needs a device or a diskseq");
  }
  if (target.device !== undefined && byDevice === undefined) {
    const place = await placeOf(session, target.device, target, until, options);
    return place && { ...place, subject: target.device, diskseq, target };
  }
  const subject = target.device ?? `diskseq:${diskseq}`;
  const disk = session.kernel.findDisk(diskseq);
  if (disk !== undefined) {
    return { disk, partition: byDevice?.partition ?? 0, subject, diskseq, target };
  }
  checkDiskseqs(session.kernel, subject);
  if (target.removed) return undefined;
  throw new LoopError(
    "ERR_LOOP_STALE",
    `${subject}: no disk has this number: that instance is over, or never was`,
  );
}

/** `diskseq:N`, or udev's link of that number and perhaps of a partition. */
function byNumber(device: string): { diskseq: bigint; partition: number } | undefined {
  const link = /^\/dev\/disk\/by-diskseq\/(\d+)(?:-part(\d+))?$/.exec(device);
  if (link) {
    return { diskseq: parseDiskseq(device, link[1] ?? ""), partition: Number(link[2] ?? 0) };
  }
  const match = /^diskseq:(.*)$/.exec(device);
  return match ? { diskseq: parseDiskseq(device, match[1] ?? ""), partition: 0 } : undefined;
}

async function placeOf(
  session: Session,
  device: string,
  target: WaitTarget,
  until: number,
  { signal }: WaitOptions,
): Promise<Place | undefined> {
  for (;;) {
    const place = await findPlace(session, device);
    if (place) return place;
    // Only udev makes links: one that is not there says nothing of any disk.
    if (target.removed) return undefined;
    const left = until - performance.now();
    if (left <= 0) {
      throw new LoopError("ERR_LOOP_TIMEOUT", `${device}: timed out: there is no such link`);
    }
    await sleep(Math.min(linkMs, left), undefined, signal && { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}

/** Also of a device that is not there; undefined for a link that is not. */
export async function findPlace(session: Session, device: string): Promise<Place | undefined> {
  const path = device.includes("/") ? device : `/dev/${device}`;
  if (device === "" || device.includes("\0")) {
    throw new LoopError("ERR_LOOP_ARGUMENT", "the device's name is empty or holds a NUL");
  }
  const facts = await session.kernel.findFile(path);
  if (facts?.isBlockDevice) {
    const { rdev } = facts;
    const place = session.kernel.diskOf(Number(majorOf(rdev)), Number(minorOf(rdev)));
    if (place) return place;
  } else if (facts) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `${device}: not a block device`);
  }
  if (!path.startsWith("/dev/")) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `${device}: no such device, and none can come there`);
  }
  if (path.startsWith("/dev/disk/")) return undefined;
  return placeOfName(path.slice("/dev/".length).replaceAll("/", "!"));
}

/** `loop0p1`, `nvme0n1p2`: a p between; `sda1`: none. */
export function placeOfName(name: string): Place {
  if (name.length > 31 || name === "" || name === "." || name === "..") {
    throw new LoopError("ERR_LOOP_ARGUMENT", `${name}: no name of a block device`);
  }
  const match =
    /^(.*\d)p([1-9]\d*)$/.exec(name) ?? /^((?:sd|hd|vd|xvd|dasd)[a-z]+)([1-9]\d*)$/.exec(name);
  if (!match) return { disk: name, partition: 0 };
  return { disk: match[1] ?? name, partition: Number(match[2]) };
}

/* Partitions. */

function wishedNumbers({ partition, target }: Wish): number[] {
  const { partitions } = target;
  const numbers = partition === 0 ? [] : [partition];
  if (typeof partitions !== "object") return numbers;
  for (const number of partitions) {
    if (!Number.isInteger(number) || number < 1 || number > 255) {
      throw new LoopError("ERR_LOOP_ARGUMENT", `partition ${number}; numbers are 1 to 255`);
    }
  }
  return [...numbers, ...partitions];
}

/** What the table of a disk lists. */
async function expectedNumbers(session: Session, disk: string): Promise<number[]> {
  const outcome = await readTable(session, disk, Partscan.Kernel);
  if (outcome.event.event !== Event.Probed) {
    throw failureError({ ...outcome, subject: deviceOf(disk) });
  }
  return outcome.partitions.map(({ number }) => number);
}

/* Waiting. */

async function wait(
  session: Session,
  wish: Wish,
  numbers: readonly number[],
  until: number,
  options: WaitOptions,
): Promise<Waited> {
  const { target, disk, diskseq, subject } = wish;
  const left = until - performance.now();
  let flags = 0;
  if (target.udev) flags |= CommandFlag.Udev;
  if (target.removed) flags |= CommandFlag.Removed;
  const outcome = await session.run(
    {
      command: Command.Wait,
      flags,
      diskseq,
      timeoutNs: left === Number.POSITIVE_INFINITY ? 0n : nanoseconds(Math.max(left, lookMs)),
      reference: new TextEncoder().encode(disk),
      partitionMask: numbers.reduce((mask, number) => mask | (1n << BigInt(number)), 0n),
    },
    options,
  );
  return told(session, wish, outcome, options, subject, numbers);
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.max(1, Math.round(milliseconds * 1e6)));
}

function told(
  session: Session,
  wish: Wish,
  outcome: Outcome,
  options: WaitOptions,
  subject: string,
  numbers: readonly number[],
): Waited {
  const { event } = outcome;
  const device = deviceOf(wish.disk);
  if (event.event !== Event.Waited) {
    if (event.code === Failure.Aborted && options.signal?.aborted) throw options.signal.reason;
    throw timedOut(session, wish, outcome, numbers) ?? failureError({ ...outcome, subject });
  }
  const diskseq = event.detail === 0n ? null : event.detail;
  const isGone = event.code !== WaitResult.Ready;
  if (isGone && !wish.target.removed) throw overError(subject, device, event);
  const isThere = (event.result[0] ?? 0n) !== 0n;
  return {
    result: isGone ? "gone" : "ready",
    device,
    devnum: isThere ? `${event.result[0]}:${event.result[1]}` : null,
    diskseq,
    partitions:
      isGone && wish.partition === 0
        ? []
        : partitionsOf(session.kernel, wish.disk).filter(({ number }) => wasThere(event, number)),
  };
}

/** In the look that decided; sysfs shows one for a moment before it can be opened, and after. */
function wasThere({ result }: Outcome["event"], number: number): boolean {
  const word = WaitWord.PartitionMask - EventWord.Result + (number >> 6);
  return (((result[word] ?? 0n) >> BigInt(number & 63)) & 1n) !== 0n;
}

function overError(subject: string, device: string, event: Outcome["event"]): LoopError {
  const isNamed = event.detail === 0n || subject.startsWith("diskseq:");
  const number = isNamed ? "" : ` (diskseq ${event.detail})`;
  const message =
    event.code === WaitResult.Superseded
      ? `${subject}: that instance${number} is over; ${device} is diskseq ${event.detail2} by now`
      : `${subject}: that instance${number} is gone`;
  return new LoopError("ERR_LOOP_STALE", message, { device });
}

/** What is missing still. */
function timedOut(
  session: Session,
  { target, disk, subject, diskseq }: Wish,
  { event }: Outcome,
  numbers: readonly number[],
): LoopError | undefined {
  if (event.code === Failure.UdevSilent) {
    const silent = event.detail === 0n ? disk : partitionName(disk, Number(event.detail));
    const message =
      `${subject}: timed out: udev has not processed ${silent}; ` +
      "is udevd stuck or stopped (udevadm settle, systemctl status systemd-udevd)?";
    return new LoopError("ERR_LOOP_TIMEOUT", message, { device: deviceOf(silent) });
  }
  if (event.code !== Failure.TimedOut) return undefined;
  const there = new Set(partitionsOf(session.kernel, disk).map(({ number }) => number));
  const names = numbers
    .filter((number) => there.has(number) === (target.removed ?? false))
    .map((number) => partitionName(disk, number));
  const what = names.length > 0 ? names.join(", ") : disk;
  const verb = names.length > 1 ? "are" : "is";
  const isThere = session.kernel.listNames(disk).length > 0;
  const current = session.kernel.readAttribute(disk, "diskseq");
  let missing = `nothing is attached to ${disk}, or no medium is in it`;
  if (names.length > 0 || !isThere) missing = `${what} ${verb} not there`;
  else if (BigInt(current ?? diskseq) < diskseq) missing = `${disk} is diskseq ${current} still`;
  const text = target.removed ? `${what} ${verb} still there` : missing;
  const device = deviceOf(disk);
  return new LoopError("ERR_LOOP_TIMEOUT", `${subject}: timed out: ${text}`, { device });
}

/** Gone, and nobody knows what it was called. */
function nothing({ device, diskseq }: WaitTarget): Waited {
  const number = device === undefined ? undefined : byNumber(device)?.diskseq;
  return {
    result: "gone",
    device: device ?? "",
    devnum: null,
    diskseq: diskseq === undefined || diskseq === null ? (number ?? null) : BigInt(diskseq),
    partitions: [],
  };
}

/* Monitors name disks in the same way. */

/** Options of a monitor, checked and resolved. */
export async function checkMonitor(
  session: Session,
  options: MonitorOptions,
): Promise<MonitorRequest> {
  const groups = options.groups ?? ["kernel"];
  const isKnown = groups.every((group) => group === "kernel" || group === "udev");
  if (groups.length === 0 || !isKnown) {
    throw new LoopError("ERR_LOOP_ARGUMENT", "groups: kernel, udev, or both");
  }
  const { maxQueue, overflow } = options;
  if (maxQueue !== undefined && !(Number.isInteger(maxQueue) && maxQueue > 0)) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `maxQueue is ${maxQueue}; it takes a number above 0`);
  }
  if (overflow !== undefined && overflow !== "drop" && overflow !== "throw") {
    throw new LoopError("ERR_LOOP_ARGUMENT", `overflow is ${overflow}; it takes drop or throw`);
  }
  const diskseq = options.diskseq === undefined ? 0n : BigInt(options.diskseq);
  const request = { groups, diskseq, isBestEffort: false, options };
  if (options.disk !== undefined) {
    const place = await findPlace(session, options.disk);
    if (place) return { ...request, disk: place.disk };
    throw new LoopError("ERR_LOOP_ARGUMENT", `${options.disk}: no such device`);
  }
  if (diskseq === 0n) return { ...request, disk: undefined };
  const disk = session.kernel.findDisk(diskseq);
  if (disk !== undefined) return { ...request, disk };
  checkDiskseqs(session.kernel, `diskseq:${diskseq}`);
  throw new LoopError(
    "ERR_LOOP_STALE",
    `diskseq:${diskseq}: no disk has this number: that instance is over, or never was`,
  );
}
