/**
 * What is equal in two answers to one call: one recorded, one of the model. Compares what a kernel
 * determines; numbers that only it hands out (diskseq, inodes of nodes, minors of partitions) by
 * what they are used for, names and times not at all.
 */
import { Call, DiskWord, PartitionEntryWord, StatWord } from "../../../assembly/abi.ts";
import { FileType, Ioctl } from "../../../assembly/wire/linux.ts";
import { LO_FILE_NAME, loopFlags } from "../../../assembly/wire/loop.ts";
import type { CoreCall } from "../../core-types.ts";

/** LO_NAME_SIZE */
const loNameBytes = 64;

/** A result, and what lies in the buffer. */
export interface Answer {
  readonly result: number;
  readonly data: Uint8Array;
}

/** A partition as ListPartitions tells it; sectors. */
export interface Listed {
  readonly number: number;
  readonly major: number;
  readonly start: bigint;
  readonly size: bigint;
}

/** A loop_info64, as far as anybody here asks. */
export interface LoopStatus {
  readonly device: bigint;
  readonly inode: bigint;
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly number: number;
  readonly flags: number;
  /** lo_file_name, with its NULs */
  readonly name: Uint8Array;
}

/** What is compared of an answer, for people to read too; `diskseq` for itself. */
export interface Said {
  readonly text: string;
  /** 0: it says none */
  readonly diskseq: bigint;
}

/** What an answer says. */
export function saidIn(words: CoreCall, answer: Answer): Said {
  const { result, data } = answer;
  if (result < 0) return { text: `errno ${-result}`, diskseq: 0n };
  const view = viewOf(data);
  const word = (at: number): bigint => view.getBigUint64(at * 8, true);
  switch (words.call) {
    case Call.Open:
      return { text: "a descriptor", diskseq: 0n };
    case Call.Fstat:
      return { text: statText(word), diskseq: 0n };
    case Call.ReadDisk: {
      const bound = word(DiskWord.Bound) === 1n ? "bound" : "unbound";
      const devnum = `${word(DiskWord.Major)}:${word(DiskWord.Minor)}`;
      return {
        text: `${bound}, ${devnum}, ${word(DiskWord.Size)} sectors`,
        diskseq: word(DiskWord.Diskseq),
      };
    }
    case Call.ListPartitions: {
      const names = listedIn(answer).map(
        ({ number, major, start, size }) => `p${number} ${major}:* ${start}+${size}`,
      );
      return { text: `partitions [${names.join(", ")}]`, diskseq: 0n };
    }
    case Call.IoctlBuffer:
      return ioctlText(words.request, view);
    default:
      return { text: String(result), diskseq: 0n };
  }
}

/**
 * Whether a look at sysfs, which is more than one read, can have seen a part of what was there
 * earlier, and the rest as it was later. Of a diskseq that is the caller's to judge.
 */
export function isTorn(words: CoreCall, recorded: Answer, earlier: Answer, later: Answer): boolean {
  if ([recorded, earlier, later].some(({ result }) => result < 0)) return false;
  if (words.call === Call.ReadDisk) {
    const word = ({ data }: Answer, at: number): bigint => viewOf(data).getBigUint64(at * 8, true);
    return [DiskWord.Bound, DiskWord.Major, DiskWord.Minor, DiskWord.Size].every((at) =>
      [word(earlier, at), word(later, at)].includes(word(recorded, at)),
    );
  }
  const spell = (one: Listed): string => `${one.number} ${one.major} ${one.start} ${one.size}`;
  const [seen, before, after] = [recorded, earlier, later].map(
    (answer) => new Set(listedIn(answer).map(spell)),
  );
  const isSeen = (one: string): boolean => seen?.has(one) === true;
  return (
    [...(seen ?? [])].every((one) => before?.has(one) || after?.has(one)) &&
    [...(before ?? [])].every((one) => isSeen(one) || !after?.has(one))
  );
}

function statText(word: (at: number) => bigint): string {
  const format = Number(word(StatWord.Mode)) & 0xf000;
  const kind = `type ${format.toString(8)}`;
  if (format === FileType.S_IFREG) {
    const inode = `${word(StatWord.Device)}:${word(StatWord.Inode)}`;
    return `${kind}, ${inode}, ${word(StatWord.Size)} bytes`;
  }
  if (format !== FileType.S_IFBLK) return kind;
  const major = word(StatWord.Major);
  return `${kind}, ${major}:${major === 7n ? word(StatWord.Minor) : "*"}`;
}

function ioctlText(request: number, view: DataView): Said {
  switch (request) {
    case Ioctl.LOOP_GET_STATUS64: {
      const { device, inode, offset, sizeLimit, number, flags, name } = statusAt(view, 0);
      const image = `${device}:${inode} "${textOf(name)}"`;
      const rest = `offset ${offset}, limit ${sizeLimit}, flags ${flags}`;
      return { text: `loop${number}: ${image}, ${rest}`, diskseq: 0n };
    }
    case Ioctl.BLKGETSIZE64:
      return { text: `${view.getBigUint64(0, true)} bytes`, diskseq: 0n };
    case Ioctl.BLKSSZGET:
      return { text: `${view.getInt32(0, true)} bytes`, diskseq: 0n };
    case Ioctl.BLKGETDISKSEQ:
      return { text: "a diskseq", diskseq: view.getBigUint64(0, true) };
    default:
      // Structs that only go in.
      return { text: "0", diskseq: 0n };
  }
}

function textOf(name: Uint8Array): string {
  const end = name.indexOf(0);
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}

export function statusAt(view: DataView, at: number): LoopStatus {
  return {
    device: view.getBigUint64(at, true),
    inode: view.getBigUint64(at + 8, true),
    offset: view.getBigUint64(at + 24, true),
    sizeLimit: view.getBigUint64(at + 32, true),
    number: view.getInt32(at + 40, true),
    flags: loopFlags(view, at),
    name: new Uint8Array(view.buffer, view.byteOffset + at + LO_FILE_NAME, loNameBytes),
  };
}

/** Whether two answers to LOOP_GET_STATUS64 name one file, as one name. */
export function isSameImage(one: LoopStatus, other: LoopStatus): boolean {
  const isSameInode = one.device === other.device && one.inode === other.inode;
  return isSameInode && textOf(one.name) === textOf(other.name);
}

export function listedIn({ result, data }: Answer): Listed[] {
  const view = viewOf(data);
  const stride = PartitionEntryWord.Words * 4;
  return Array.from({ length: result }, (_, index) => {
    const at = index * stride;
    return {
      number: view.getInt32(at + PartitionEntryWord.Number * 4, true),
      major: view.getInt32(at + PartitionEntryWord.Major * 4, true),
      start: view.getBigUint64(at + PartitionEntryWord.Start * 4, true),
      size: view.getBigUint64(at + PartitionEntryWord.Size * 4, true),
    };
  }).sort((a, b) => a.number - b.number);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
