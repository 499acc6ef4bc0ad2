/**
 * Every datagram of `uevent-*.md`, on both builds: it is read, or refused, as the log says; and so
 * however it is cut or lengthened: as a reader says that knows nothing of the core's. What is
 * refused has changed nothing.
 *
 * `SNAP_UPDATE=1 node build/test/vectors/uevent.test.js` rewrites the logs.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Action,
  Command,
  CommandFlag,
  DeviceType,
  Fault,
  Limit,
  Mark,
  Verdict,
} from "../../assembly/abi.ts";
import { type Core, type CoreUevent, loadJsCore } from "../../host/core.ts";
import { kebab } from "../../host/names.ts";
import { Lockstep, openWasm } from "../helpers/cores.ts";
import {
  type Datagram,
  kernelDatagram,
  stringsBytes,
  udevDatagram,
  udevHeader,
} from "../helpers/datagrams.ts";
import { type Facts, isSaid, readNaively } from "../helpers/naive-uevent.ts";
import { restore, Stage } from "../helpers/stage.ts";
import { isUpdate, readVectorFiles, type Vector } from "../helpers/vectors.ts";

const options = { operations: 1, partitions: 4, watches: 4 };
/** Below so many bytes a datagram is cut at each of them, else around each string. */
const everyLengthBelow = 2048;
/** Of long ones, and of cuts, so many are read by Wasm alone for each that JavaScript reads too. */
const wasmReads = 4;
const fillerBytes = 1000;

const wasm = openWasm(options);
const js = await loadJsCore(options);
const empty = wasm.state.slice();

/** What becomes of a datagram in cores that know nothing yet. */
function hear(cores: readonly Core[], datagram: Datagram, slot: number, facts: Facts | undefined) {
  for (const core of cores) restore(core, empty);
  const stage = new Stage(new Lockstep(cores, true));
  const all = stage.open(Command.Watch, "", { flags: CommandFlag.Udev }).number;
  const disk = facts?.disk ?? "";
  const other = `${disk.slice(1)}x`;
  const open = (name: string) =>
    stage.open(Command.Watch, name, { flags: CommandFlag.Udev }).number;
  const own = disk === "" ? undefined : open(disk);
  const others = open(other);
  const before = stage.lockstep.hash();
  const { fault, told } = stage.hear(datagram, slot);
  if (fault === Fault.Ok) {
    assert.is(told.has(others), false, "another disk's subscription was told");
    if (own !== undefined) assert.ok(told.has(own), "the disk's own subscription was not told");
  } else {
    assert.is(told.size, 0, "what was refused was told");
    assert.is(stage.lockstep.hash(), before, "what was refused has changed something");
  }
  return { fault, uevent: told.get(all) };
}

/** The same, which must be as the naive reader says. */
function read(cores: readonly Core[], datagram: Datagram, slot: number) {
  const facts = readNaively(datagram.group, datagram.bytes);
  const { fault, uevent } = hear(cores, datagram, slot, facts);
  const room = (Limit.DatagramSlots - slot) * Limit.DatagramBytes;
  if (datagram.bytes.length > room) assert.is(fault, Fault.BadArgument);
  else assert.is(fault, facts ? Fault.Ok : Fault.Malformed, Fault[fault]);
  if (fault !== Fault.Ok) return { fault, uevent, facts: undefined };
  assert.ok(uevent && facts && isSaid(uevent, datagram, facts), JSON.stringify(facts, bigints));
  return { fault, uevent, facts };
}

const bigints = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);

function datagramOf({ kind, input, meta }: Vector): Datagram {
  const strings = input.map(bytesText);
  if (typeof meta.filler === "number") strings.splice(-1, 0, ...fillers(meta.filler));
  const whole = stringsBytes(strings);
  const properties = meta.end === "none" ? whole.subarray(0, -1) : whole;
  if (kind === "kernel") return kernelDatagram(properties);
  if (meta.header === "none") return udevDatagram(properties);
  const gap = Number(meta.gap ?? 0);
  const header = udevHeader(properties.length);
  header.writeUInt32LE(40 + gap, 16);
  if (meta.prefix !== undefined) header.write(String(meta.prefix), "latin1");
  if (meta.magic !== undefined) header.write(String(meta.magic), 8, "hex");
  if (meta.size !== undefined) header.writeUInt32LE(Number(meta.size), 12);
  if (meta.offset !== undefined) header.writeUInt32LE(Number(meta.offset), 16);
  if (meta.length !== undefined) header.writeUInt32LE(Number(meta.length), 20);
  return udevDatagram(Buffer.concat([header, Buffer.alloc(gap), properties]));
}

const bytesText = (text: string) =>
  text.replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

/** Keys that fill so many bytes, each with its NUL. */
function fillers(bytes: number): string[] {
  const strings: string[] = [];
  for (let left = bytes; left > 0; left -= fillerBytes) {
    const key = `FILLER${strings.length}=`;
    strings.push(key.padEnd(Math.min(left, fillerBytes) - 1, "x"));
  }
  return strings;
}

/** Lengths at which a datagram is cut. */
function lengthsOf(bytes: Uint8Array): number[] {
  const lengths = new Set<number>();
  for (let length = 0; length < bytes.length; length++) {
    const isBorder = [-1, 0, 1, 2].some((before) => bytes[length - before] === 0);
    if (bytes.length < everyLengthBelow || isBorder || length < 64) lengths.add(length);
  }
  return [...lengths];
}

const tails: readonly (readonly [name: string, bytes: Buffer])[] = [
  ["a NUL", Buffer.from([0])],
  ["a byte", Buffer.from("X")],
  ["a string", Buffer.from("X=1\0")],
  ["a known key", Buffer.from("SEQNUM=1\0")],
  ["the same again", Buffer.alloc(0)],
];

/** What is read, as text. */
function logOf(uevent: CoreUevent | undefined, fault: Fault, facts: Facts | undefined): string {
  if (!uevent) return `refused: ${kebab(Fault[fault] ?? "?")}`;
  const { action, deviceType, partition, seqnum, diskseq, major, minor, marks, verdict } = uevent;
  const kind = kebab(DeviceType[deviceType] ?? "?");
  const name = facts?.disk ? ` ${facts.disk}` : "";
  const words = [
    `${kebab(Action[action] ?? "?")} of ${kind}${name}${partition === 0 ? "" : ` ${partition}`}`,
    `seqnum=${seqnum} diskseq=${diskseq} major=${major} minor=${minor}`,
    `properties at ${uevent.properties - uevent.offset} of ${uevent.bytes} bytes`,
    `verdict=${kebab(Verdict[verdict] ?? "?")}`,
  ];
  const names = Object.entries(Mark).filter(([, bit]) => typeof bit === "number" && marks & bit);
  return [...words, ...names.map(([mark]) => kebab(mark))].join(", ");
}

for (const file of readVectorFiles()) {
  const vectors = file.vectors.filter(({ kind }) => kind === "kernel" || kind === "udev");
  const logs: string[][] = [];
  for (const vector of vectors) {
    test(`${vector.place} ${vector.title}`, () => {
      const slot = Number(vector.meta.slot ?? 0);
      const datagram = datagramOf(vector);
      const { bytes } = datagram;
      const { fault, uevent, facts } = read([wasm, js], datagram, slot);
      const log = [logOf(uevent, fault, facts)];
      const taken = lengthsOf(bytes).filter((length, index) => {
        const cores =
          index % wasmReads === 0 && bytes.length < everyLengthBelow ? [wasm, js] : [wasm];
        return read(cores, { ...datagram, bytes: bytes.subarray(0, length) }, slot).uevent;
      });
      log.push(taken.length === 0 ? "cut: refused" : `cut: taken at ${taken.join(" ")}`);
      const longer = tails.filter(([, tail]) => {
        const more = Buffer.concat([bytes, tail.length === 0 ? bytes : tail]);
        return read([wasm, js], { ...datagram, bytes: more }, slot).uevent;
      });
      if (longer.length > 0) log.push(`with ${longer.map(([name]) => name).join(", ")}: taken`);
      logs.push(log);
      if (!isUpdate) assert.equal(log.join("\n"), vector.log.join("\n"));
    });
  }
  if (isUpdate && vectors.length > 0) test(`${file.name} is rewritten`, () => file.update(logs));
}

test.run();
