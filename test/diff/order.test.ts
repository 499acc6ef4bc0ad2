/**
 * Any order, any repetition: real events shuffled within a window are what they are in order, each
 * is taken once, and SEQNUMs are remembered as a plain set remembers them. On both builds.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Command, CommandFlag, DeviceType, Fault, Mark, Verdict } from "../../assembly/abi.ts";
import { openBoth } from "../helpers/cores.ts";
import { kernelMessage, loopProperties } from "../helpers/datagrams.ts";
import { Stage } from "../helpers/stage.ts";
import { instancesOf, type Message, readTrace } from "../helpers/traces.ts";
import { check } from "./check.ts";

const traces = ["linux-6.1", "linux-6.1-udev252"].map(readTrace);
const options = { operations: 1, partitions: 8, watches: 16 };
/** Chapters that are shuffled as one. */
const chaptersAtOnce = 3;
/** Numbers that are remembered below the highest one. */
const window = 16384n;

interface Piece {
  readonly device: string;
  readonly messages: readonly Message[];
  readonly diskseqs: readonly bigint[];
}

/** Messages of some chapters, and the instances that they are about. */
function pieceOf(trace: number, from: number): Piece {
  const { device, chapters } = traces[trace % traces.length] ?? { device: "", chapters: [] };
  const begin = from % (chapters.length - chaptersAtOnce);
  const some = chapters.slice(begin, begin + chaptersAtOnce);
  const entries = some.flatMap((chapter) => chapter.entries);
  const messages = entries.flatMap((entry) => (entry.kind === "message" ? [entry.message] : []));
  return { device, messages, diskseqs: instancesOf(entries).map(({ diskseq }) => diskseq) };
}

/** What each message is to each instance, handed in in this order; again: refused. */
async function verdictsOf(piece: Piece, order: readonly Message[]): Promise<Map<Message, string>> {
  const stage = new Stage(await openBoth(options));
  const watches = piece.diskseqs.map(
    (diskseq) =>
      stage.open(Command.Watch, piece.device, { diskseq, flags: CommandFlag.Udev }).number,
  );
  const highest = new Map<number, bigint>();
  const verdicts = new Map<Message, string>();
  for (const message of order) {
    const before = stage.lockstep.hash();
    const { fault, told } = stage.hear(message.datagram);
    if (verdicts.has(message)) {
      assert.equal([fault, told.size], [Fault.Duplicate, 0], `line ${message.line} again`);
      assert.is(stage.lockstep.hash(), before, `line ${message.line} again has changed something`);
      continue;
    }
    assert.is(fault, Fault.Ok, `line ${message.line}`);
    const { group } = message.datagram;
    const { seqnum, disk } = message.facts;
    const isLate = seqnum < (highest.get(group) ?? 0n);
    if (!isLate) highest.set(group, seqnum);
    const words = watches.map((watch) => {
      const uevent = told.get(watch);
      assert.is(uevent !== undefined, disk === piece.device, `line ${message.line}`);
      if (!uevent) return "";
      assert.is((uevent.marks & Mark.OutOfOrder) !== 0, isLate, `line ${message.line}`);
      return `${Verdict[uevent.verdict]} ${uevent.marks & ~Mark.OutOfOrder}`;
    });
    verdicts.set(message, words.join());
  }
  return verdicts;
}

/**
 * Each message is moved back by so many places; those of one partition keep their order, for a
 * kernel sends them under one lock.
 */
function shuffle(messages: readonly Message[], delays: readonly number[]): Message[] {
  const placed = messages.map((message, index) => {
    const delay = delays[index % delays.length] ?? 0;
    return { message, place: index + delay };
  });
  placed.sort((a, b) => a.place - b.place);
  const queues = new Map<string, Message[]>();
  for (const message of messages) {
    const key = partitionOf(message);
    queues.set(key, [...(queues.get(key) ?? []), message]);
  }
  return placed.map(({ message }) => {
    if (message.facts.deviceType !== DeviceType.Partition) return message;
    return queues.get(partitionOf(message))?.shift() ?? message;
  });
}

const partitionOf = ({ datagram, facts }: Message) => `${datagram.group} ${facts.partition}`;

test("shuffled within a window, every event is what it was, once", async () => {
  const property = fc.asyncProperty(
    fc.nat(traces.length - 1),
    fc.nat(60),
    fc.array(fc.nat(24), { minLength: 1, maxLength: 40 }),
    fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }),
    async (trace, from, delays, again) => {
      const piece = pieceOf(trace, from);
      const straight = await verdictsOf(piece, piece.messages);
      const order = shuffle(piece.messages, delays);
      assert.is(new Set(order).size, piece.messages.length);
      for (const [which, where] of again) {
        const at = which % order.length;
        const message = order[at];
        if (message) order.splice(at + 1 + (where % (order.length - at)), 0, message);
      }
      const shuffled = await verdictsOf(piece, order);
      assert.is(shuffled.size, straight.size);
      for (const [message, verdicts] of straight) {
        assert.is(shuffled.get(message), verdicts, `line ${message.line}`);
      }
    },
  );
  await check(property, 120);
});

/** From the highest number so far, or from one of the last. */
const move = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(-40n, 40n) },
  { weight: 2, arbitrary: fc.bigInt(-2n * window, 2n * window) },
  { weight: 2, arbitrary: fc.constantFrom(window, window - 1n, window + 1n, -window, 1n - window) },
  { weight: 1, arbitrary: fc.bigInt(0n, 1n << 50n) },
);

test("SEQNUMs are remembered as a set remembers them", async () => {
  const steps = fc.array(fc.tuple(move, fc.nat(8)), { minLength: 1, maxLength: 120 });
  const property = fc.asyncProperty(steps, async (list) => {
    const stage = new Stage(await openBoth(options));
    const { number } = stage.open(Command.Watch, "");
    const seen = new Set<bigint>();
    const numbers = [1_000n];
    let highest = 0n;
    for (const [step, back] of list) {
      const from = back === 0 ? highest : (numbers.at(-back) ?? highest);
      const seqnum = from + step < 0n ? 0n : from + step;
      numbers.push(seqnum);
      const isNear = seqnum + window > highest;
      const isDuplicate = isNear && seen.has(seqnum);
      const message = kernelMessage(loopProperties({ action: "change", seqnum, diskseq: 1 }));
      const { fault, told } = stage.hear(message);
      assert.is(fault, isDuplicate ? Fault.Duplicate : Fault.Ok, `${seqnum}, highest ${highest}`);
      if (isDuplicate) continue;
      const isLate = seqnum < highest;
      assert.is(((told.get(number)?.marks ?? 0) & Mark.OutOfOrder) !== 0, isLate, `${seqnum}`);
      seen.add(seqnum);
      if (!isLate) highest = seqnum;
    }
  });
  await check(property, 400);
});

test.run();
