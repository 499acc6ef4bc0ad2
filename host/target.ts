/** What `detach` and its like are given, turned into an instance. Opens and touches nothing. */
import type { CoreCommand } from "./core.ts";
import { devnumOf } from "./devnum.ts";
import { LoopError } from "./errors.ts";
import type { FileFacts, Kernel } from "./kernel.ts";
import type { Session } from "./session.ts";
import type { LoopDevice } from "./types.ts";

/**
 * A device node, a partition's node, an image's path (symbolic links are followed), `diskseq:N`; or
 * a device with the diskseq that it must have.
 */
export type DetachTarget =
  | string
  | { readonly device: string; readonly diskseq?: bigint | number | null };

/** An instance as the core is told of it. */
export interface Target {
  /** as the application named it, for messages */
  readonly subject: string;
  readonly number: number;
  readonly diskseq?: bigint | undefined;
  /** st_dev and st_ino of the backing file, 0n: not known */
  readonly backingDevice?: bigint;
  readonly backingInode?: bigint;
}

/** The words of a command that say which instance it is for. */
export function instanceOf(
  target: Target,
): Pick<CoreCommand, "number" | "diskseq" | "backingDevice" | "backingInode"> {
  const { number, diskseq = 0n, backingDevice = 0n, backingInode = 0n } = target;
  return { number, diskseq, backingDevice, backingInode };
}

export async function resolveTarget(session: Session, target: DetachTarget): Promise<Target> {
  if (typeof target !== "string") {
    const { diskseq } = target;
    const resolved = await resolveText(session, target.device);
    if (diskseq === undefined || diskseq === null) return resolved;
    return { ...resolved, diskseq: BigInt(diskseq) };
  }
  return resolveText(session, target);
}

async function resolveText(session: Session, text: string): Promise<Target> {
  const match = /^diskseq:(.*)$/.exec(text);
  if (match) return byDiskseq(session, text, match[1] ?? "");
  const facts = await session.kernel.findFile(text);
  if (facts?.isBlockDevice) {
    const target = byDevnum(session, text, devnumOf(facts.rdev));
    if (target) return target;
  }
  const target = await byBacking(session, text, facts);
  if (target) return target;
  if (facts?.isBlockDevice) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `${text}: not a loop device`, { device: text });
  }
  const what = facts ? "no loop device shows this image" : "no such device or image";
  throw new LoopError("ERR_LOOP_NOT_ATTACHED", `${text}: ${what}`);
}

async function byDiskseq(session: Session, text: string, digits: string): Promise<Target> {
  const diskseq = parseDiskseq(text, digits);
  for (const device of await session.list()) {
    if (device.diskseq === diskseq) return targetOf(text, device);
  }
  checkDiskseqs(session.kernel, text);
  throw new LoopError(
    "ERR_LOOP_STALE",
    `${text}: no loop device has this diskseq: that instance is over; nothing was touched`,
  );
}

/** The error where an instance must be proven, and the kernel numbers none. */
export function noDiskseq(subject: string, device?: string): LoopError {
  return new LoopError("ERR_LOOP_ENVIRONMENT", noDiskseqText(subject), { device });
}

/** The same in words. */
export function noDiskseqText(subject: string): string {
  return `${subject}: this kernel has no diskseq (Linux 5.15): the instance cannot be proven`;
}

/** Throws where no disk has a diskseq: that none has a certain one says nothing then. */
export function checkDiskseqs(kernel: Kernel, subject: string): void {
  const disks = kernel.listNames();
  const isNumbered = (disk: string) => kernel.readAttribute(disk, "diskseq") !== undefined;
  if (disks.length > 0 && !disks.some(isNumbered)) throw noDiskseq(subject);
}

export function parseDiskseq(text: string, digits: string): bigint {
  if (/^\d{1,19}$/.test(digits)) return BigInt(digits);
  throw new LoopError("ERR_LOOP_ARGUMENT", `${text}: diskseq: takes a number`);
}

/** A disk or a partition, by its device number; the diskseq of the moment goes with it. */
function byDevnum(session: Session, text: string, devnum: string): Target | undefined {
  const { kernel } = session;
  for (const disk of kernel.listNames()) {
    const match = /^loop(\d+)$/.exec(disk);
    if (!match) continue;
    const nodes = ["dev", ...partitionAttributes(kernel.listNames(disk), disk)];
    if (!nodes.some((node) => kernel.readAttribute(disk, node) === devnum)) continue;
    const diskseq = kernel.readAttribute(disk, "diskseq");
    if (kernel.readAttribute(disk, "loop/backing_file") === undefined) {
      throw new LoopError("ERR_LOOP_NOT_ATTACHED", `${text}: nothing is attached to /dev/${disk}`, {
        device: `/dev/${disk}`,
      });
    }
    return {
      subject: text,
      number: Number(match[1]),
      diskseq: diskseq === undefined ? undefined : BigInt(diskseq),
    };
  }
  return undefined;
}

function partitionAttributes(names: readonly string[], disk: string): string[] {
  return names.filter((name) => name.startsWith(`${disk}p`)).map((name) => `${name}/dev`);
}

/** An image: the one attached last, as the reverse of attaching would have it. */
async function byBacking(
  session: Session,
  text: string,
  facts: FileFacts | undefined,
): Promise<Target | undefined> {
  let last: LoopDevice | undefined;
  for (const device of await session.list()) {
    const { backing } = device;
    const isSame = facts
      ? backing.ino === Number(facts.inode) && backing.dev === devnumOf(facts.device)
      : backing.path === text || backing.path === `${text} (deleted)`;
    if (isSame && (last?.diskseq ?? 0n) <= (device.diskseq ?? 0n)) last = device;
  }
  return last && targetOf(text, last);
}

function targetOf(subject: string, device: LoopDevice): Target {
  const number = Number(/(\d+)$/.exec(device.device)?.[1]);
  return { subject, number, diskseq: device.diskseq ?? undefined };
}
