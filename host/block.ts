/**
 * Block devices by their number, not by their name: the diskseq of a node or descriptor, and nodes
 * that are opened only when they lead to the instance that was meant. The proof is made on the open
 * descriptor; what a name leads to before or after proves nothing.
 */
import { Errno, FileType, Ioctl, OpenFlag } from "../assembly/wire/linux.ts";
import { Call, Place, StatWord } from "./core.ts";
import { errnoName, errnoText } from "./errno.ts";
import { LoopError } from "./errors.ts";
import { blankCall } from "./list.ts";
import type { Session } from "./session.ts";
import { noDiskseq } from "./target.ts";

export interface OpenBlockOptions {
  /** The instance that it must be; default: the one that the name leads to at the call. */
  readonly diskseq?: bigint | number | null;
  /** Open for writing too; default false. */
  readonly writable?: boolean;
}

/** An open block device, proven to be of one instance. Close it, or say `await using`. */
export interface BlockDevice extends AsyncDisposable {
  readonly fd: number;
  /** `259:0` */
  readonly devnum: string;
  readonly diskseq: bigint;
  close(): Promise<void>;
}

export async function diskseqOf(session: Session, device: string | number): Promise<bigint | null> {
  if (typeof device === "number") {
    if (!Number.isInteger(device) || device < 0) {
      throw new LoopError("ERR_LOOP_ARGUMENT", `not a file descriptor: ${device}`);
    }
    await block(session, device, `descriptor ${device}`);
    return number(session, device, `descriptor ${device}`);
  }
  return inspect(session, device, async (descriptor) => {
    const node = await reopen(session, descriptor, device, 0);
    try {
      return await number(session, node, device);
    } finally {
      await close(session, node);
    }
  });
}

export async function openBlock(
  session: Session,
  path: string,
  options: OpenBlockOptions = {},
): Promise<BlockDevice> {
  const meant = await meantNumber(session, path, options);
  return inspect(session, path, async (descriptor, devnum) => {
    const flags = options.writable ? OpenFlag.O_RDWR : OpenFlag.O_RDONLY;
    const fd = await reopen(session, descriptor, path, flags);
    try {
      const opened = await block(session, fd, path);
      const diskseq = await number(session, fd, path);
      if (diskseq === null) throw noDiskseq(path, path);
      if (diskseq !== meant || opened !== devnum) throw superseded(path, meant, diskseq);
      let isOpen = true;
      const closeOnce = async (): Promise<void> => {
        const wasOpen = isOpen;
        isOpen = false;
        if (wasOpen) await close(session, fd);
      };
      return { fd, devnum, diskseq, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
    } catch (error) {
      await close(session, fd);
      throw error;
    }
  });
}

/** Looked up by name, before the open: what is opened must be the same. */
async function meantNumber(
  session: Session,
  path: string,
  { diskseq }: OpenBlockOptions,
): Promise<bigint> {
  if (diskseq !== undefined && diskseq !== null) return BigInt(diskseq);
  return inspect(session, path, async (_, devnum) => {
    const [major = 0, minor = 0] = devnum.split(":").map(Number);
    const disk = session.kernel.diskOf(major, minor)?.disk;
    const text = disk && session.kernel.readAttribute(disk, "diskseq");
    return BigInt(text ?? 0);
  });
}

function superseded(path: string, meant: bigint, found: bigint): LoopError {
  const message = `${path} leads to diskseq ${found}, not to ${meant}: that instance is over`;
  return new LoopError("ERR_LOOP_STALE", message, { device: path });
}

/* Calls. Opening by O_PATH first has no effect on what is there, whatever it is. */

async function inspect<T>(
  session: Session,
  path: string,
  use: (descriptor: number, devnum: string) => Promise<T>,
): Promise<T> {
  const descriptor = await session.kernel.perform({
    ...blankCall,
    call: Call.Open,
    place: Place.Image,
    path,
    request: OpenFlag.O_PATH | OpenFlag.O_CLOEXEC,
  });
  if (descriptor < 0) throw refused(path, "open", descriptor);
  try {
    return await use(descriptor, await block(session, descriptor, path));
  } finally {
    await close(session, descriptor);
  }
}

async function reopen(
  session: Session,
  descriptor: number,
  path: string,
  flags: number,
): Promise<number> {
  const request = flags | OpenFlag.O_NONBLOCK | OpenFlag.O_CLOEXEC;
  const call = { ...blankCall, call: Call.Open, place: Place.Reopen, descriptor, request };
  const fd = await session.kernel.perform(call);
  if (fd < 0) throw refused(path, "open", fd);
  return fd;
}

async function close(session: Session, descriptor: number): Promise<void> {
  await session.kernel.perform({ ...blankCall, call: Call.Close, descriptor });
}

/** The device number of a descriptor that leads to a block device. */
async function block(session: Session, descriptor: number, path: string): Promise<string> {
  const bytes = new Uint8Array(StatWord.Words * 8);
  const result = await session.kernel.perform({
    ...blankCall,
    call: Call.Fstat,
    descriptor,
    bytes,
  });
  if (result < 0) throw refused(path, "fstat", result);
  const word = (at: StatWord): bigint => new DataView(bytes.buffer).getBigUint64(8 * at, true);
  if ((Number(word(StatWord.Mode)) & FileType.S_IFMT) !== FileType.S_IFBLK) {
    throw new LoopError("ERR_LOOP_ARGUMENT", `${path}: not a block device`, { device: path });
  }
  return `${word(StatWord.Major)}:${word(StatWord.Minor)}`;
}

/** null where the kernel has none. */
async function number(session: Session, descriptor: number, path: string): Promise<bigint | null> {
  const bytes = new Uint8Array(8);
  const request = Ioctl.BLKGETDISKSEQ;
  const call = { ...blankCall, call: Call.IoctlBuffer, descriptor, request, bytes };
  const result = await session.kernel.perform(call);
  if (result === -Errno.ENOTTY || result === -Errno.EINVAL) return null;
  if (result < 0) throw refused(path, "BLKGETDISKSEQ", result);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

function refused(path: string, syscall: string, result: number): LoopError {
  const name = errnoName(-result);
  const isDenied = name === "EACCES" || name === "EPERM";
  const isGone = name === "ENOENT" || name === "ENXIO" || name === "ENODEV";
  const advice = isDenied ? "; run as root" : "";
  const message = `${path}: ${syscall}: ${name}, ${errnoText(-result)}${advice}`;
  const code = isDenied
    ? "ERR_LOOP_ENVIRONMENT"
    : isGone
      ? "ERR_LOOP_NOT_ATTACHED"
      : "ERR_LOOP_SYSTEM";
  return new LoopError(code, message, { errno: result, syscall, device: path });
}
