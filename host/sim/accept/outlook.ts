/**
 * What a whole trace tells of the things that its calls are about, before any of them is made:
 * which file or device a descriptor is, how big an image was when. Knows no model.
 */
import { Call, Limit, Place, StatWord } from "../../../assembly/abi.ts";
import { FileType, Ioctl } from "../../../assembly/wire/linux.ts";
import type {
  CallTraceRecord,
  Completion,
  HeardDatagram,
  Loss,
  MadeCall,
  RefusedDatagram,
} from "../../call-trace.ts";
import { statusAt, viewOf } from "./answers.ts";

/** What a descriptor leads to, as far as the trace says it. */
export interface Traced {
  /** `unknown`: it was opened, and nobody asked what it is */
  kind: "image" | "disk" | "control" | "other" | "unknown";
  /** of a loop device; its partition, 0: the disk */
  number: number;
  partition: number;
  /** of an image: its place among `Outlook.images` */
  image: number;
}

export interface TracedImage {
  readonly device: bigint;
  readonly inode: bigint;
  /** bytes, where the trace says them: at which record */
  readonly sizes: { readonly index: number; readonly bytes: bigint }[];
}

export class Outlook {
  readonly records: readonly CallTraceRecord[];
  readonly images: TracedImage[] = [];
  /** the record that answers a call, by the index of the call */
  readonly #answers = new Map<number, number>();
  /** by the index of the call: what its descriptor is, and what it opens */
  readonly #subjects = new Map<number, Traced>();
  readonly #opened = new Map<number, Traced>();
  /** all loop devices that are named */
  readonly numbers = new Set<number>();
  partitionsMax = 0;

  constructor(records: readonly CallTraceRecord[]) {
    this.records = records;
    const open = new Map<number, Traced>();
    const pending = new Map<number, number>();
    for (const [index, record] of records.entries()) {
      if (record.kind === "call") {
        pending.set(record.words.ticket, index);
        this.#call(index, record, open);
      } else if (record.kind === "completion") {
        const call = pending.get(record.ticket);
        if (call === undefined) continue;
        pending.delete(record.ticket);
        this.#answers.set(call, index);
        this.#answered(call, index, record, open);
      } else if (record.kind === "datagram") {
        const number = Number(/^DEVNAME=loop(\d+)/m.exec(record.strings.join("\n"))?.[1] ?? -1);
        if (number >= 0) this.numbers.add(number);
      }
    }
  }

  answerTo(call: number): Completion | undefined {
    const record = this.records[this.#answers.get(call) ?? -1];
    return record?.kind === "completion" ? record : undefined;
  }

  /** The record of the answer to a call; its own where there is none. */
  answerIndex(call: number): number {
    return this.#answers.get(call) ?? call;
  }

  /** What the descriptor of a call leads to. */
  subjectOf(call: number): Traced | undefined {
    return this.#subjects.get(call);
  }

  openedBy(call: number): Traced | undefined {
    return this.#opened.get(call);
  }

  /** The loop device that a call is about, -1: none. */
  numberOf(index: number): number {
    const record = this.records[index];
    if (record?.kind !== "call") return -1;
    const { call, place, number, partition } = record.words;
    switch (call) {
      case Call.Open:
        if (place === Place.Disk || place === Place.Partition) return number;
        // Where a disk has one minor of the major it is the number.
        if (place === Place.Private || place === Place.Hidden) return number === 7 ? partition : -1;
        return this.#opened.get(index)?.number ?? -1;
      case Call.ReadDisk:
      case Call.ListPartitions:
      case Call.Trigger: {
        const { data } = record;
        return data.length === 0 ? number : loopNamed(data);
      }
      case Call.FindHolders:
        return number;
      default:
        return this.#subjects.get(index)?.number ?? -1;
    }
  }

  /** Bytes of an image at a record: as it was said last, else as it is said first. */
  sizeAt(image: number, index: number): bigint {
    const sizes = this.images[image]?.sizes ?? [];
    return (sizes.findLast((one) => one.index <= index) ?? sizes[0])?.bytes ?? 0n;
  }

  /**
   * Where a datagram is the last one that was read in one go: the record of the first of them, as
   * far as no more were waiting. Read in one go has one time.
   */
  emptiedSince(last: number): number | undefined {
    const { records } = this;
    const datagram = records[last];
    if (datagram?.kind !== "datagram") return undefined;
    const isOne = (index: number): boolean => {
      const record = records[index];
      return isRead(record) && record.group === datagram.group;
    };
    const isSame = (index: number): boolean => {
      const record = records[index];
      return isRead(record) && record.at === datagram.at;
    };
    let next = last + 1;
    while (next < records.length && !isOne(next)) next++;
    if (isSame(next)) return undefined;
    let first = last;
    let count = 1;
    for (let index = last - 1; index >= 0 && count < Limit.DatagramSlots; index--) {
      if (!isOne(index)) continue;
      if (!isSame(index)) break;
      first = index;
      count += 1;
    }
    return count < Limit.DatagramSlots ? first : undefined;
  }

  /**
   * How many more datagrams were lost when a datagram was read: the count is asked for behind it,
   * before any that is read later.
   */
  lostWith(index: number): number {
    const datagram = this.records[index];
    if (datagram?.kind !== "datagram") return 0;
    for (let next = index + 1; next < this.records.length; next++) {
      const record = this.records[next];
      if (record?.kind !== "loss" && !isRead(record)) continue;
      if (record.group !== datagram.group) continue;
      if (record.kind === "loss") return countOf(record);
      if (record.at !== datagram.at) break;
    }
    return 0;
  }

  #call(index: number, { words, data }: MadeCall, open: Map<number, Traced>): void {
    const { call, place, descriptor } = words;
    if (descriptor >= 0) {
      let subject = open.get(descriptor);
      if (subject === undefined) {
        // The application opened it.
        subject = traced("unknown");
        open.set(descriptor, subject);
      }
      this.#subjects.set(index, subject);
      if (call === Call.Close) open.delete(descriptor);
    }
    if (call === Call.Open) {
      const source = place === Place.Reopen ? this.#subjects.get(index) : undefined;
      this.#opened.set(index, source ?? openedOf(words));
    }
    if (call !== Call.Subscribe && call !== Call.Unsubscribe) {
      const number = this.numberOf(index);
      if (number >= 0) this.numbers.add(number);
    }
    if (data.length === 0) return;
    if (call === Call.IoctlBuffer && words.request === Ioctl.LOOP_CONFIGURE) {
      const backing = viewOf(data).getInt32(0, true);
      if (!open.has(backing)) open.set(backing, traced("unknown"));
    }
  }

  #answered(call: number, index: number, answer: Completion, open: Map<number, Traced>): void {
    const made = this.records[call];
    if (made?.kind !== "call" || answer.result < 0) return;
    const opened = this.#opened.get(call);
    if (opened !== undefined) open.set(answer.result, opened);
    const subject = this.#subjects.get(call);
    const { words } = made;
    if (words.request === Ioctl.LOOP_GET_STATUS64) {
      const { device, inode } = statusAt(viewOf(answer.data), 0);
      this.#imageOf(device, inode);
    }
    if (words.call === Call.Fstat && subject !== undefined) this.#stat(subject, index, answer);
    if (words.call === Call.ListPartitions) {
      this.partitionsMax = Math.max(this.partitionsMax, answer.result);
    }
    const isNumber = words.request === Ioctl.LOOP_CTL_GET_FREE || words.call === Call.FindUnbound;
    if (isNumber || words.call === Call.FindBacking) this.numbers.add(answer.result);
  }

  #stat(subject: Traced, index: number, { data }: Completion): void {
    const view = viewOf(data);
    const word = (at: StatWord): bigint => view.getBigUint64(at * 8, true);
    const format = Number(word(StatWord.Mode)) & 0xf000;
    if (format === FileType.S_IFBLK) {
      if (subject.kind !== "unknown") return;
      const isLoop = word(StatWord.Major) === 7n;
      subject.kind = isLoop ? "disk" : "other";
      if (isLoop) subject.number = Number(word(StatWord.Minor));
    } else if (format === FileType.S_IFREG) {
      const image = this.#imageOf(word(StatWord.Device), word(StatWord.Inode));
      const bytes = word(StatWord.Size);
      const sizes = this.images[image]?.sizes;
      if (sizes?.at(-1)?.bytes !== bytes) sizes?.push({ index, bytes });
      subject.kind = "image";
      subject.image = image;
    } else if (subject.kind === "unknown") {
      subject.kind = "other";
    }
  }

  #imageOf(device: bigint, inode: bigint): number {
    const found = this.images.findIndex((one) => one.device === device && one.inode === inode);
    if (found >= 0) return found;
    this.images.push({ device, inode, sizes: [] });
    return this.images.length - 1;
  }
}

/** What was read from a socket. */
function isRead(record: CallTraceRecord | undefined): record is HeardDatagram | RefusedDatagram {
  return record?.kind === "datagram" || record?.kind === "refused";
}

/** Datagrams that are lost; where nobody knows how many it may be any number. */
export function countOf({ count }: Loss): number {
  return count === 0 ? Number.POSITIVE_INFINITY : count;
}

function traced(kind: Traced["kind"], number = -1, partition = 0): Traced {
  return { kind, number, partition, image: -1 };
}

function openedOf({ place, number, partition }: MadeCall["words"]): Traced {
  switch (place) {
    case Place.Control:
      return traced("control");
    case Place.Disk:
      return traced("disk", number);
    case Place.Partition:
      return traced("disk", number, partition);
    case Place.Private:
    case Place.Hidden:
      return number === 7 ? traced("disk", partition) : traced("other");
    default:
      return traced("unknown");
  }
}

/** The number of a loop device by its kernel name, -1: it is another. */
function loopNamed(data: Uint8Array): number {
  const [name = ""] = new TextDecoder("latin1").decode(data).split("\0", 1);
  const digits = /^loop(\d{1,7})$/.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}
