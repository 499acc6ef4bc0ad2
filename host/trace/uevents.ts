/**
 * The lines of datagrams, and of the events that tell them, read as the bytes that they are: large
 * traces have hardly any others. Knows them in the recorder's own spelling only (`lines.ts`) and
 * refuses nothing: what is spelled in another way is left to who reads JSON.
 */
import { Event, Group } from "../../assembly/abi.ts";
import type { CoreUevent } from "../core-types.ts";
import { Cursor } from "./cursor.ts";
import type { Line } from "./split.ts";

/** A datagram's words. */
export interface DatagramWords {
  slot: number;
  group: Group;
  bytes: number;
  portId: number;
  pid: number;
  uid: number;
  flags: number;
}

/** What the line of a datagram says. */
export interface DatagramLine extends DatagramWords {
  n: number;
  t: bigint;
  /** where its base64 stands among the line's bytes; nobody has looked at that */
  dataAt: number;
  dataEnd: number;
  answer: number;
  /** the halves of the state's hash */
  high: number;
  low: number;
  /** as it stands there */
  crc: number;
}

const encoder = new TextEncoder();
const word = (text: string): Uint8Array => encoder.encode(text);

/** What stands before each field, and behind the last one. */
const datagram = {
  n: word('{"n":'),
  t: word(',"t":"'),
  slot: word('","in":"datagram","slot":'),
  kernel: word(',"group":"Kernel"'),
  udev: word(',"group":"Udev"'),
  bytes: word(',"bytes":'),
  portId: word(',"portId":'),
  pid: word(',"pid":'),
  uid: word(',"uid":'),
  flags: word(',"flags":'),
  data: word(',"data":"'),
  quote: word('"'),
  answer: word(',"answer":'),
  hash: word(',"h":"'),
  crc: word('","crc":"'),
  end: word('"}'),
};

const uevent = {
  n: datagram.n,
  t: datagram.t,
  operation: word(`","out":"event","event":${Event.Uevent},"operation":`),
  verdict: word(',"verdict":'),
  marks: word(',"marks":'),
  group: word(',"group":'),
  action: word(',"action":'),
  deviceType: word(',"deviceType":'),
  partition: word(',"partition":'),
  seqnum: word(',"seqnum":"'),
  diskseq: word('","diskseq":"'),
  major: word('","major":'),
  minor: word(',"minor":'),
  offset: word(',"offset":'),
  bytes: datagram.bytes,
  properties: word(',"properties":'),
  end: word("}"),
};

/** Reads one line after the other; what it found of one is overwritten by the next. */
export class UeventReader {
  readonly #cursor = new Cursor();
  readonly #found: DatagramLine = {
    n: 0,
    t: 0n,
    slot: 0,
    group: Group.None,
    bytes: 0,
    portId: 0,
    pid: 0,
    uid: 0,
    flags: 0,
    dataAt: 0,
    dataEnd: 0,
    answer: 0,
    high: 0,
    low: 0,
    crc: 0,
  };

  /** What the line of a datagram says; undefined where it is another, or is spelled otherwise. */
  datagram(line: Line): DatagramLine | undefined {
    const cursor = this.#cursor;
    const found = this.#found;
    cursor.begin(line.bytes, line.at);
    cursor.takes(datagram.n);
    found.n = cursor.integer();
    cursor.takes(datagram.t);
    found.t = cursor.decimal();
    if (!cursor.finds(datagram.slot)) return undefined;
    found.slot = cursor.integer();
    found.group = this.#group();
    cursor.takes(datagram.bytes);
    found.bytes = cursor.integer();
    cursor.takes(datagram.portId);
    found.portId = cursor.integer();
    cursor.takes(datagram.pid);
    found.pid = cursor.integer();
    cursor.takes(datagram.uid);
    found.uid = cursor.integer();
    cursor.takes(datagram.flags);
    found.flags = cursor.integer();
    cursor.takes(datagram.data);
    found.dataAt = cursor.at;
    cursor.skip(Math.ceil(found.bytes / 3) * 4);
    found.dataEnd = cursor.at;
    cursor.takes(datagram.quote);
    found.answer = cursor.finds(datagram.answer) ? cursor.integer() : 0;
    cursor.takes(datagram.hash);
    found.high = cursor.hex(8);
    found.low = cursor.hex(8);
    cursor.takes(datagram.crc);
    found.crc = cursor.hex(8);
    cursor.takes(datagram.end);
    return cursor.isGood && cursor.at === line.end ? found : undefined;
  }

  #group(): Group {
    if (this.#cursor.finds(datagram.kernel)) return Group.Kernel;
    this.#cursor.takes(datagram.udev);
    return Group.Udev;
  }

  /** Whether a line begins as that of an event does that tells a uevent then. */
  beginsUevent(line: Line, n: number, t: bigint): boolean {
    const cursor = this.#cursor;
    cursor.begin(line.bytes, line.at);
    cursor.takes(uevent.n);
    cursor.takesInteger(n);
    cursor.takes(uevent.t);
    cursor.takesDecimal(t);
    cursor.takes(uevent.operation);
    return cursor.isGood;
  }

  /** Of a line that begins so: whether it goes on as `spellEvent` spells that event, to its end. */
  isUevent(line: Line, event: CoreUevent): boolean {
    const cursor = this.#cursor;
    cursor.takesInteger(event.operation);
    cursor.takes(uevent.verdict);
    cursor.takesInteger(event.verdict);
    cursor.takes(uevent.marks);
    cursor.takesInteger(event.marks);
    cursor.takes(uevent.group);
    cursor.takesInteger(event.group);
    cursor.takes(uevent.action);
    cursor.takesInteger(event.action);
    cursor.takes(uevent.deviceType);
    cursor.takesInteger(event.deviceType);
    cursor.takes(uevent.partition);
    cursor.takesInteger(event.partition);
    cursor.takes(uevent.seqnum);
    cursor.takesDecimal(event.seqnum);
    cursor.takes(uevent.diskseq);
    cursor.takesDecimal(event.diskseq);
    cursor.takes(uevent.major);
    cursor.takesInteger(event.major);
    cursor.takes(uevent.minor);
    cursor.takesInteger(event.minor);
    cursor.takes(uevent.offset);
    cursor.takesInteger(event.offset);
    cursor.takes(uevent.bytes);
    cursor.takesInteger(event.bytes);
    cursor.takes(uevent.properties);
    cursor.takesInteger(event.properties);
    cursor.takes(uevent.end);
    return cursor.isGood && cursor.at === line.end;
  }
}
