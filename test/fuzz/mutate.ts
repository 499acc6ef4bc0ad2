/**
 * Makes datagrams from real ones: first as a stream might go on (numbers that rise, instances and
 * disks that change), then with keys, values, bytes, header or sender wrong.
 */
import { DatagramFlag, Group, Limit } from "../../assembly/abi.ts";
import { type Datagram, kernelDatagram, udevDatagram, udevHeader } from "../helpers/datagrams.ts";
import { mutateBytes } from "./bytes.ts";
import type { Sample } from "./corpus.ts";
import type { Draws } from "./draws.ts";
import type { Input } from "./oracle.ts";

/** Others than the corpus has: more than the core remembers. */
const otherDisks = 24;
/** The corpus's own, which is watched; and another that is. */
export const ownDisk = "loop300";
export const secondDisk = "loop301";
/** Instances are around this one. */
export const middle = 1000;

/** How many changes of strings, and of bytes. */
const amounts: readonly (readonly [strings: number, bytes: number])[] = [
  ...([
    [1, 0],
    [1, 0],
    [1, 0],
    [2, 0],
  ] as const),
  ...([
    [3, 0],
    [0, 1],
    [0, 1],
    [0, 2],
    [1, 1],
  ] as const),
];

const values: Readonly<Record<string, readonly string[]>> = {
  ACTION: [
    "add",
    "remove",
    "change",
    "move",
    "bind",
    "unbind",
    "online",
    "offline",
    "",
    "Add",
    "a",
  ],
  DEVPATH: ["/", "", "/a", "a/b", "//", "/a/", "/devices//x", `/x/${"n".repeat(31)}`].concat([
    `/x/${"n".repeat(32)}`,
    `/y/${"n".repeat(31)}/p1`,
    `/y/${"n".repeat(32)}/p1`,
    "/x\xff/\x01",
  ]),
  SUBSYSTEM: ["block", "bdi", "net", "", "blocks", "Block"],
  DEVTYPE: ["disk", "partition", "", "zone", "Disk", "disks"],
  DISK_MEDIA_CHANGE: ["1", "0", "", "11", "01"],
  SYNTH_UUID: ["0", "", "fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed"],
};
const numbers = ["SEQNUM", "DISKSEQ", "MAJOR", "MINOR", "PARTN"];
const oddNumbers = [
  ...["", "0", "-1", "+1", " 1", "1 ", "0x10", "1e3", "1.0", "1_0", "1:", "1/", "\uff11"],
  ...["255", "256", "1048575", "1048576", "2147483647", "2147483648", "4294967295", "4294967296"],
  ...["9007199254740993", "9223372036854775807", "9223372036854775808", "9999999999999999999"],
  ...["10000000000000000000", "18446744073709551615", "18446744073709551616", "1".repeat(40)],
];

/** A datagram while it is text. */
interface Draft {
  readonly group: Group;
  header: string;
  strings: string[];
}

export class Mutator {
  /** the highest SEQNUM that was taken */
  seqnum = 100_000;
  readonly #random: Draws;
  readonly #samples: readonly Sample[];
  readonly #kernel: readonly Sample[];

  constructor(random: Draws, samples: readonly Sample[]) {
    this.#random = random;
    this.#samples = samples;
    this.#kernel = samples.filter(({ group }) => group === Group.Kernel);
  }

  next(): Input {
    const random = this.#random;
    const { group, header, strings } = random.pick(random.once(2) ? this.#kernel : this.#samples);
    const draft: Draft = { group, header, strings: [...strings] };
    this.#goOn(draft);
    if (!random.once(8)) agree(draft);
    // One in five says only what the stream may say next: what is wrong comes to a used memory.
    const [edits, more] = random.once(5) ? [0, 0] : random.pick(amounts);
    for (let left = edits; left > 0; left--) this.#edit(draft);
    if (!random.once(8)) agree(draft);
    let bytes = Buffer.from(`${draft.header}${draft.strings.join("\0")}\0`, "latin1");
    for (let left = more; left > 0; left--) {
      bytes = mutateBytes(random, bytes, group, random.pick(this.#samples).datagram.bytes);
    }
    return { datagram: this.#send(group, bytes), slot: this.#slot() };
  }

  /** What the same stream may say next. */
  #goOn(draft: Draft): void {
    const random = this.#random;
    if (!random.once(12)) {
      this.seqnum += 1 + random.below(3);
      put(draft, "SEQNUM", `${this.seqnum}`);
    } else {
      put(draft, "SEQNUM", `${Math.max(0, this.seqnum - random.below(16) ** random.below(4))}`);
    }
    if (!random.once(8)) put(draft, "DISKSEQ", `${middle - 3 + random.below(7)}`);
    if (random.once(3)) put(draft, "ACTION", random.pick(["add", "remove", "change"]));
    if (random.once(4)) put(draft, "PARTN", `${1 + random.below(4)}`);
    if (!random.once(5)) return;
    const name = random.once(2) ? secondDisk : `d${random.below(otherDisks)}`;
    draft.strings = draft.strings.map((text) => text.replaceAll(ownDisk, name));
  }

  #edit(draft: Draft): void {
    const random = this.#random;
    const { strings } = draft;
    const at = random.below(strings.length);
    const text = strings[at] ?? "";
    switch (random.below(14)) {
      case 0:
        strings.splice(at, 1);
        break;
      case 1:
        strings.splice(random.below(strings.length + 1), 0, text);
        break;
      case 2:
        strings.splice(at, 1);
        strings.splice(random.below(strings.length + 1), 0, text);
        break;
      case 3:
        this.#cross(draft, at);
        break;
      case 4:
        strings.splice(at, random.below(2), random.pick(random.pick(this.#samples).strings));
        break;
      case 5:
        strings[at] = this.#otherKey(text);
        break;
      case 6:
        strings[at] = text.replace("=", random.pick(["", "==", "=\0", "\0=", "@", " ="]));
        break;
      case 7:
        strings.splice(at, 0, random.pick(["", "=", "=1", "X", "X=", "SEQNUM", "DISKSEQ=\xff"]));
        break;
      case 8:
        if (random.once(200)) this.#fill(draft);
        break;
      case 9:
      case 10: {
        const key = random.pick(Object.keys(values));
        put(draft, key, random.pick(values[key] ?? []));
        break;
      }
      default:
        this.#number(draft);
    }
  }

  /** Goes on as another sample does. */
  #cross(draft: Draft, at: number): void {
    const other = this.#random.pick(this.#samples).strings;
    draft.strings = [
      ...draft.strings.slice(0, at),
      ...other.slice(this.#random.below(other.length)),
    ];
  }

  #otherKey(text: string): string {
    const random = this.#random;
    const end = Math.max(1, text.indexOf("="));
    const key = text.slice(0, end);
    const at = random.below(end);
    const others = [key.toLowerCase(), key.slice(1), `${key}_`, `_${key}`, key.slice(0, at), ""];
    return random.pick([...others, ...numbers]) + text.slice(end);
  }

  #number(draft: Draft): void {
    const random = this.#random;
    const key = random.pick(numbers);
    const value = propertyOf(draft, key);
    const zeros = "0".repeat(1 + random.below(random.once(2) ? 24 : 10));
    // One that is huge, and taken, leaves nothing to be said of those after it.
    const isRare = key === "SEQNUM" && !random.once(8);
    const odd = random.pick(isRare ? oddNumbers.slice(0, 13) : oddNumbers);
    put(draft, key, random.once(3) ? zeros + value : odd);
  }

  /** More than a slot has room for, now and then nearly more than all. */
  #fill(draft: Draft): void {
    const random = this.#random;
    const bytes = random.once(20) ? 65536 * random.below(9) : random.below(3 * Limit.DatagramBytes);
    const filler = `FILLER=${"x".repeat(500)}`;
    const many = Array.from({ length: bytes / filler.length }, () => filler);
    draft.strings.splice(random.below(draft.strings.length + 1), 0, ...many);
  }

  #send(group: Group, bytes: Uint8Array): Datagram {
    const random = this.#random;
    const datagram = group === Group.Udev ? udevDatagram(bytes) : kernelDatagram(bytes);
    if (!random.once(40)) return datagram;
    const number = random.pick([0, 1, -1, 4711, 0x7fffffff, -0x80000000]);
    const changes: readonly Partial<Datagram>[] = [
      { portId: number },
      { pid: number },
      { uid: number },
      { portId: 0, pid: number },
      { flags: DatagramFlag.Credentials | DatagramFlag.Truncated },
      { flags: random.below(4) },
      { group: random.pick([Group.Kernel, Group.Udev, 0, 3, -1, number]) },
    ];
    return { ...datagram, ...random.pick(changes) };
  }

  #slot(): number {
    const random = this.#random;
    if (random.once(3)) return random.below(Limit.DatagramSlots);
    return random.once(500) ? random.pick([-1, Limit.DatagramSlots, 0x7fffffff]) : 0;
  }
}

/** Makes the header say what the properties do. */
function agree(draft: Draft): void {
  if (draft.group === Group.Kernel) {
    draft.header = `${propertyOf(draft, "ACTION")}@${propertyOf(draft, "DEVPATH")}\0`;
    return;
  }
  const bytes = draft.strings.reduce((sum, text) => sum + text.length + 1, 0);
  draft.header = udevHeader(bytes).toString("latin1");
}

function propertyOf({ strings }: Draft, key: string): string {
  return strings.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
}

/** Where there is none it comes before the last. */
function put({ strings }: Draft, key: string, value: string): void {
  const at = strings.findIndex((text) => text.startsWith(`${key}=`));
  if (at >= 0) strings[at] = `${key}=${value}`;
  else strings.splice(-1, 0, `${key}=${value}`);
}
