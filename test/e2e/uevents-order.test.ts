/**
 * Events out of the order of their SEQNUMs, and events that come twice: the same verdicts, each
 * told once, and waits that end as ever.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DatagramWord, Limit } from "../../assembly/abi.ts";
import type { Stream } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import type { MonitorCounts, Uevent } from "../../host/stream-types.ts";
import { errorOf } from "../helpers/expect.ts";
import { KernelDecorator } from "../helpers/kernels.ts";
import { ownLoop } from "../helpers/loops.ts";
import { note } from "../helpers/note.ts";
import { behaviour } from "../helpers/scene.ts";
import { startWriter } from "../helpers/senders.ts";
import {
  begin,
  type Collector,
  collect,
  numbersOf,
  openSession,
  openSessionOn,
  soon,
  Writer,
} from "../helpers/streams.ts";

/** Of each writer, in each round. */
const sent = 2000;
/** Each has a writer, on one CPU or the other. */
const partitions = [1, 2];
/** Until some come out of order, which some kernels never do: the disorder of the second test. */
const roundsMax = 3;
const queue = { maxQueue: 1 << 20 };

behaviour(
  "two writers on two CPUs: a verdict is that of the number, in whatever order they come",
  ["root", "diskseq", "python3"],
  async (scene) => {
    const loop = await ownLoop(scene);
    for (const number of partitions) await loop.addPartition(number);
    const { name, diskseq } = loop;
    const session = openSession(scene);
    // The first one: it hears all that this session hears.
    const all = await collect(session, queue);
    const listen = (options: object) => collect(session, { disk: name, ...queue, ...options });
    const against = new Map<bigint, Collector>();
    for (const instance of [diskseq, diskseq + 1n]) {
      against.set(instance, (await listen({ diskseq: instance })).collector);
    }
    const newest = await listen({});

    const uuids: string[] = [];
    let rounds = 0;
    while (rounds === 0 || (all.monitor.counts.outOfOrder === 0 && rounds < roundsMax)) {
      const writers = await Promise.all(
        partitions.map((number) => startWriter(scene, `${name}p${number}`, sent, { cpu: number })),
      );
      uuids.push(...writers.map(({ uuid }) => uuid));
      for (const writer of writers) writer.go();
      await newest.collector.until("an event", () => newest.collector.items.length > 0);
      // The number rises while they write: those of the disk itself would be suppressed meanwhile.
      const replacing = loop.replace();
      await Promise.all(writers.map(({ done }) => done));
      await replacing;
      rounds++;
    }
    const collectors = [newest.collector, all.collector, ...against.values()];
    for (const collector of collectors) await collector.flush(name);

    for (const [instance, collector] of against) {
      for (const event of collector.uevents) assert.is(event.verdict, verdictOf(event, instance));
    }
    const verdicts = new Set(against.get(diskseq)?.uevents.map(({ verdict }) => verdict));
    assert.equal([...verdicts].sort(), ["later", "mine"]);
    expectNewest(newest.collector.uevents);
    all.monitor.close();
    await all.collector.done;
    const { outOfOrder } = all.monitor.counts;
    assert.is(lateOf(all.collector.uevents), outOfOrder);
    for (const collector of collectors) {
      for (const uuid of uuids) expectEachOnce(collector.uevents, uuid, newest.monitor.counts);
    }
    note(`${outOfOrder} of ${uuids.length * sent} events came out of order`);
  },
);

behaviour(
  "events handed in backwards and twice: told once, judged alike, and waits end alike",
  ["root", "diskseq"],
  async (scene) => {
    const kernel = new DisorderlyKernel(new LinuxKernel());
    const session = openSessionOn(scene, kernel);
    const loop = await ownLoop(scene);
    await loop.addPartition(1);
    const { name, device, diskseq: first } = loop;
    const { monitor, collector } = await collect(session, { disk: name, rejected: true });
    const mine = await collect(session, { disk: name, diskseq: first });
    const ready = begin(session, { device, partitions: [1, 2] });
    const gone = begin(session, { device, removed: true });
    const stale = begin(session, { device, diskseq: first, partitions: [9] });
    await session.begun(3);
    await session.waitFor({ device });

    const writers = [new Writer(name), new Writer(`${name}p1`)];
    scene.defer(() => writers.map((writer) => writer.close()));
    // Without a turn of the event loop in between: they are received as one batch.
    const write = () => {
      for (let n = 0; n < 30; n++) for (const writer of writers) writer.write();
    };
    write();
    await loop.addPartition(2);
    assert.is((await soon("ready", ready)).diskseq, first);
    write();
    await loop.replace();
    write();
    await soon("stale", errorOf(stale, "ERR_LOOP_STALE"));
    assert.equal([(await soon("gone", gone)).diskseq, loop.diskseq > first], [first, true]);

    for (const one of [collector, mine.collector]) {
      const all = () => writers.every((writer) => writer.of(one.uevents).length >= 90);
      await one.until("all events", all);
      await one.flush(name);
      for (const { uuid } of writers) expectEachOnce(one.uevents, uuid);
    }
    for (const event of mine.collector.uevents) assert.is(event.verdict, verdictOf(event, first));
    assert.is(writers.flatMap((writer) => later(writer.of(mine.collector.uevents))).length, 60);
    assert.ok(monitor.counts.outOfOrder > 0);
    const twice = () => collector.items.filter((item) => item.type === "rejected");
    await collector.until("duplicates", () => twice().length >= kernel.repeated);
    assert.ok(twice().every(({ reason }) => reason === "duplicate" || reason === "forged"));
    assert.ok(monitor.counts.duplicate >= 180);
  },
);

/* What is expected. */

/** There are no removes among them. */
function verdictOf({ diskseq }: Uevent, instance: bigint): Uevent["verdict"] {
  assert.ok(diskseq !== null);
  if (diskseq === null) return null;
  if (diskseq === instance) return "mine";
  return diskseq < instance ? "stale" : "later";
}

function later(uevents: readonly Uevent[]): Uevent[] {
  return uevents.filter(({ verdict }) => verdict === "later");
}

/** Without an instance: against the newest one that was told before. */
function expectNewest(uevents: readonly Uevent[]): void {
  let newest = uevents[0]?.diskseq ?? 0n;
  for (const event of uevents) {
    assert.is(event.verdict, verdictOf(event, newest));
    if ((event.diskseq ?? 0n) > newest) newest = event.diskseq ?? 0n;
  }
}

/** How many have a number below one before; each of them is marked, and no other. */
function lateOf(uevents: readonly Uevent[]): number {
  let highest = 0n;
  let late = 0;
  for (const { seqnum, marks } of uevents) {
    assert.is(marks.includes("out-of-order"), seqnum < highest, `${seqnum} after ${highest}`);
    if (seqnum < highest) late++;
    else highest = seqnum;
  }
  return late;
}

/** What a writer numbered is told in its order, none of it twice, all of it unless it was lost. */
function expectEachOnce(uevents: readonly Uevent[], uuid: string, counts?: MonitorCounts): void {
  const own = uevents.filter(({ properties }) => properties.SYNTH_UUID === uuid);
  const numbers = numbersOf(own);
  assert.is(new Set(numbers).size, numbers.length, "none twice");
  if (counts && counts.lost === 0) {
    assert.is(numbers.length, sent);
    assert.is(
      numbers.findIndex((number, n) => number !== n),
      -1,
    );
  }
}

/* The disorder. */

/** Turns every batch of datagrams round and hands it in, and hands it in again. */
class DisorderlyKernel extends KernelDecorator {
  repeated = 0;

  override connect(stream: Stream): void {
    const { slots, records } = stream;
    const recordBytes = DatagramWord.Words * 4;
    const words = new Uint8Array(records.buffer, records.byteOffset, records.byteLength);
    this.inner.connect({
      slots,
      records,
      datagrams: (count) => {
        reverse(slots, Limit.DatagramBytes, count);
        reverse(words, recordBytes, count);
        stream.datagrams(count);
        this.repeated += count;
        stream.datagrams(count);
      },
      lost: (group, count) => stream.lost(group, count),
    });
  }
}

/** Turns the first pieces round. */
function reverse(bytes: Uint8Array, pieceBytes: number, count: number): void {
  const pieces = bytes.slice(0, count * pieceBytes);
  for (let n = 0; n < count; n++) {
    const at = (count - 1 - n) * pieceBytes;
    bytes.set(pieces.subarray(n * pieceBytes, (n + 1) * pieceBytes), at);
  }
}

test.run();
