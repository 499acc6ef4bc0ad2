/**
 * What a trace shows of a loop device from a record on: how others had left it, which instance it
 * is next. A look costs what lies between, not the length of the trace. Knows no model.
 */
import { Call, DiskWord } from "../../../assembly/abi.ts";
import { Errno, Ioctl } from "../../../assembly/wire/linux.ts";
import type { Completion, MadeCall } from "../../call-trace.ts";
import { type Listed, type LoopStatus, listedIn, saidIn, statusAt, viewOf } from "./answers.ts";
import { askedIn, diskseqOf, numberOfEvent } from "./events.ts";
import type { Outlook } from "./outlook.ts";

/** How a device was when the traced process came to it. */
export interface Found {
  /** undefined: nobody asked */
  readonly isBound: boolean | undefined;
  /** the answer to LOOP_GET_STATUS64; undefined: nobody asked */
  readonly status: LoopStatus | undefined;
  /** 512-byte sectors */
  readonly size: bigint | undefined;
  /** logical block size, bytes; 0: nobody asked */
  readonly blockSize: number;
  readonly partitions: readonly Listed[];
}

/** A call about a device, and its answer. */
interface Asked {
  /** of the record that answers it */
  readonly index: number;
  readonly made: MadeCall;
  readonly answer: Completion | undefined;
}

interface Heard {
  readonly index: number;
  readonly strings: readonly string[];
}

interface Numbered {
  readonly index: number;
  readonly diskseq: bigint;
}

export class Foresight {
  /** by the number of the device, in order */
  readonly #asked = new Map<number, Asked[]>();
  readonly #heard = new Map<number, Heard[]>();
  readonly #numbered = new Map<number, Numbered[]>();

  constructor(outlook: Outlook) {
    for (const [index, record] of outlook.records.entries()) {
      if (record.kind === "datagram") {
        const { strings } = record;
        // What somebody had the kernel tell says nothing of what became of a device.
        if (askedIn(strings) === undefined)
          append(this.#heard, numberOfEvent(strings), { index, strings });
      } else if (record.kind === "call") {
        const number = outlook.numberOf(index);
        const answer = outlook.answerTo(index);
        append(this.#asked, number, { index: outlook.answerIndex(index), made: record, answer });
      }
    }
    for (const [number, asked] of this.#asked) {
      asked.sort((a, b) => a.index - b.index);
      for (const { index, made, answer } of asked) {
        const diskseq = answer === undefined ? 0n : saidIn(made.words, answer).diskseq;
        if (diskseq !== 0n) append(this.#numbered, number, { index, diskseq });
      }
    }
  }

  /** What is said of a device from a record on, until the process changes it. */
  found(number: number, from: number): Found {
    let isBound: boolean | undefined;
    let status: LoopStatus | undefined;
    let size: bigint | undefined;
    let blockSize = 0;
    let partitions: readonly Listed[] | undefined;
    for (const { made, answer } of since(this.#asked.get(number), from)) {
      if (changes(made)) {
        isBound ??= !isConfiguring(made);
        break;
      }
      if (answer === undefined) continue;
      const { call, request } = made.words;
      if (request === Ioctl.LOOP_GET_STATUS64) {
        if (answer.result === -Errno.ENXIO) isBound ??= false;
        if (answer.result !== 0) continue;
        isBound ??= true;
        status ??= statusAt(viewOf(answer.data), 0);
      } else if (call === Call.ReadDisk && answer.result === 0) {
        const view = viewOf(answer.data);
        isBound ??= view.getBigUint64(DiskWord.Bound * 8, true) === 1n;
        size ??= view.getBigUint64(DiskWord.Size * 8, true);
      } else if (request === Ioctl.BLKGETSIZE64 && answer.result === 0) {
        size ??= viewOf(answer.data).getBigUint64(0, true) / 512n;
      } else if (request === Ioctl.BLKSSZGET && answer.result === 0) {
        blockSize ||= viewOf(answer.data).getInt32(0, true);
      } else if (call === Call.ListPartitions && answer.result >= 0) {
        partitions ??= listedIn(answer);
      }
    }
    partitions ??= this.unplugged(number, from, false);
    return { isBound, status, size, blockSize, partitions };
  }

  /** What LOOP_GET_STATUS64 answered last before a record. */
  statusBefore(number: number, before: number): LoopStatus | undefined {
    const asked = this.#asked.get(number) ?? [];
    for (let at = placeOf(asked, before) - 1; at >= 0; at--) {
      const { made, answer } = asked[at] as Asked;
      const isStatus = made.words.request === Ioctl.LOOP_GET_STATUS64;
      if (isStatus && answer?.result === 0) return statusAt(viewOf(answer.data), 0);
    }
    return undefined;
  }

  /** lo_file_name of a device, as it is first told. */
  nameOf(number: number): Uint8Array | undefined {
    for (const { made, answer } of this.#asked.get(number) ?? []) {
      const isStatus = made.words.request === Ioctl.LOOP_GET_STATUS64;
      if (isStatus && answer?.result === 0) return statusAt(viewOf(answer.data), 0).name;
    }
    return undefined;
  }

  /** The diskseq of a device that is told next, 0: none. */
  diskseqBehind(number: number, from: number): bigint {
    const numbered = this.#numbered.get(number) ?? [];
    return numbered[placeOf(numbered, from)]?.diskseq ?? 0n;
  }

  /** The size of a device that is told next, bytes. */
  sizeBehind(number: number, from: number): bigint | undefined {
    for (const { made, answer } of since(this.#asked.get(number), from + 1)) {
      if (made.words.request !== Ioctl.BLKGETSIZE64 || answer?.result !== 0) continue;
      return viewOf(answer.data).getBigUint64(0, true);
    }
    return undefined;
  }

  /** The kernel says that it made a device, in a record behind this one. */
  isAddedBehind(number: number, from: number): boolean {
    const path = `/devices/virtual/block/loop${number}`;
    for (const { strings } of since(this.#heard.get(number), from)) {
      const [head = ""] = strings;
      if (head.endsWith(`@${path}`)) return head === `add@${path}`;
    }
    return false;
  }

  /**
   * Partitions that nobody listed, but that are unplugged before any is plugged: so they are there.
   * Where and how big is not told. `isSame`: of the instance that the device is next, not of later
   * ones.
   */
  unplugged(number: number, from: number, isSame: boolean): Listed[] {
    const partitions = new Map<number, Listed>();
    const diskseq = this.diskseqBehind(number, from);
    for (const { strings } of since(this.#heard.get(number), from)) {
      const [head = ""] = strings;
      const [, action, digits] = /^(add|remove)@.*p(\d+)$/.exec(head) ?? [];
      if (action === "add") break;
      const told = diskseqOf(strings);
      if (action !== "remove" || told < diskseq || (isSame && told > diskseq)) continue;
      const partition = Number(digits);
      const start = BigInt(partition) * 8n;
      partitions.set(partition, { number: partition, major: 0, start, size: 8n });
    }
    return [...partitions.values()].sort((a, b) => a.number - b.number);
  }
}

function append<T>(lists: Map<number, T[]>, number: number, item: T): void {
  if (number < 0) return;
  const list = lists.get(number);
  if (list === undefined) lists.set(number, [item]);
  else list.push(item);
}

/** The place of the first that is not before a record. */
function placeOf(list: readonly { readonly index: number }[], from: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.index ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* since<T extends { readonly index: number }>(
  list: readonly T[] = [],
  from: number,
): Generator<T> {
  for (let at = placeOf(list, from); at < list.length; at++) yield list[at] as T;
}

/** Whether a call makes another thing of a device. */
function changes(made: MadeCall): boolean {
  const { call, request } = made.words;
  if (call === Call.Blkpg || isConfiguring(made)) return true;
  return [
    ...[Ioctl.LOOP_CLR_FD, Ioctl.LOOP_SET_STATUS64, Ioctl.LOOP_SET_CAPACITY],
    ...[Ioctl.LOOP_CHANGE_FD, Ioctl.LOOP_SET_BLOCK_SIZE, Ioctl.BLKRRPART],
  ].includes(request);
}

function isConfiguring({ words }: MadeCall): boolean {
  return words.request === Ioctl.LOOP_CONFIGURE || words.request === Ioctl.LOOP_SET_FD;
}
