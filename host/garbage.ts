/**
 * Finds what nobody needs any more, and gives it back where that is asked for: partitions that are
 * left on unbound devices, and devices that we attached, told by their reference, whose image is
 * deleted. Each thing is done for itself, under the proof of its own instance. Knows no command of
 * people.
 */
import { change } from "./change.ts";
import { Command } from "./core.ts";
import { readBackingPath } from "./describe.ts";
import { LoopError } from "./errors.ts";
import type { Holder } from "./kernel.ts";
import { listPartitions, loopNumbers, readStatus } from "./list.ts";
import { deviceName } from "./names.ts";
import { checkDetachOptions } from "./options.ts";
import type { Session } from "./session.ts";
import type { Garbage, GarbageOptions } from "./stream-types.ts";
import type { Target } from "./target.ts";

/** How the references of our devices begin. */
const ours = "diskseq:";
const deleted = " (deleted)";

/** What was found, and how it is given back; that rejects where it cannot be. */
interface Find {
  readonly garbage: Garbage;
  readonly remove: () => Promise<unknown>;
}

export async function collectGarbage(
  session: Session,
  options: GarbageOptions,
): Promise<Garbage[]> {
  checkDetachOptions(options);
  const all: Garbage[] = [];
  for (const number of loopNumbers(session.kernel)) {
    options.signal?.throwIfAborted();
    const find = await look(session, number, options);
    if (find) all.push(options.apply ? await remove(find) : find.garbage);
  }
  options.signal?.throwIfAborted();
  return all;
}

async function look(
  session: Session,
  number: number,
  options: GarbageOptions,
): Promise<Find | undefined> {
  const { kernel } = session;
  const disk = `loop${number}`;
  const path = readBackingPath(kernel, disk);
  const diskseq = kernel.readAttribute(disk, "diskseq");
  const target: Target = {
    subject: deviceName(number),
    number,
    diskseq: diskseq === undefined ? undefined : BigInt(diskseq),
  };
  const garbage: Garbage = {
    kind: "partitions",
    device: target.subject,
    diskseq: target.diskseq ?? null,
    partitions: listPartitions(kernel, number).map((partition) => partition.number),
    image: null,
    reference: null,
    holders: [],
    result: "found",
    error: null,
  };
  return path === null
    ? lookUnbound(session, target, garbage, options)
    : lookBound(session, target, garbage, path, options);
}

async function lookUnbound(
  session: Session,
  target: Target,
  garbage: Garbage,
  options: GarbageOptions,
): Promise<Find | undefined> {
  if (garbage.partitions.length === 0) return undefined;
  const disk = `loop${target.number}`;
  const holders = await session.kernel.findHolders(disk);
  return {
    garbage: { ...garbage, holders: holders.filter(({ device }) => device !== disk) },
    remove: () => change(session, Command.Sweep, 0, target, options),
  };
}

async function lookBound(
  session: Session,
  target: Target,
  garbage: Garbage,
  path: string,
  options: GarbageOptions,
): Promise<Find | undefined> {
  if (!path.endsWith(deleted)) return undefined;
  const status = await readStatus(session.kernel, target.number);
  if (!status?.reference.startsWith(ours)) return undefined;
  const image = path.slice(0, -deleted.length);
  // A file may be called so, or be back; what is there after a rename is another one.
  if ((await isFile(session, path, status)) || (await isFile(session, image, status)))
    return undefined;
  const { device: backingDevice, inode: backingInode, reference } = status;
  const holders = await session.kernel.findHolders(`loop${target.number}`);
  return {
    garbage: { ...garbage, kind: "device", image, reference, holders },
    remove: async () => {
      const instance = { ...target, backingDevice, backingInode };
      const { error } = await session.detachInstance(instance, -1, options);
      if (error !== undefined) throw error;
    },
  };
}

async function isFile(
  session: Session,
  path: string,
  { device, inode }: { readonly device: bigint; readonly inode: bigint },
): Promise<boolean> {
  const facts = await session.kernel.findFile(path);
  return facts !== undefined && facts.device === device && facts.inode === inode;
}

async function remove({ garbage, remove }: Find): Promise<Garbage> {
  if (garbage.holders.length > 0) return { ...garbage, result: "kept" };
  try {
    await remove();
    return { ...garbage, result: "removed" };
  } catch (error) {
    const holders = busyHolders(error);
    return holders
      ? { ...garbage, holders, result: "kept" }
      : { ...garbage, result: "failed", error };
  }
}

/** Somebody began to use it just now. */
function busyHolders(error: unknown): readonly Holder[] | undefined {
  const isBusy = error instanceof LoopError && error.code === "ERR_LOOP_BUSY";
  return isBusy ? error.holders : undefined;
}
