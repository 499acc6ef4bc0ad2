/**
 * A socket that holds two events, and a million of them: what is lost is told, and no attach and no
 * wait ends otherwise for it.
 */
import { copyFileSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { isUdevRunning } from "../../host/linux/udev.ts";
import type { Session } from "../../host/session.ts";
import type { Monitor } from "../../host/stream-types.ts";
import { errorOf } from "../helpers/expect.ts";
import { gptImage } from "../helpers/images.ts";
import { ownLoop } from "../helpers/loops.ts";
import { note } from "../helpers/note.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { startWriter } from "../helpers/senders.ts";
import { begin, openSession, soon, Writer } from "../helpers/streams.ts";

const workers = 16;
/** Each event would be handled by every rule of udev. */
const isUdevd = isUdevRunning();
const sent = isUdevd ? 20_000 : 1_000_000;
const aside = isUdevd ? " (no more, as udevd runs)" : "";
/** A round is an attach, its waits, and its detach. */
const roundMs = 20_000;
const growthMax = 96 << 20;
/** Forgeries of others. */
const otherMax = 1000;

behaviour(
  `${sent} events into a buffer for two of them, while ${workers} images come and go`,
  ["root", "sfdisk", "python3"],
  async (scene) => {
    const images = await imagesOf(scene);
    const loop = await ownLoop(scene);
    const session = openSession(scene, { receiveBufferBytes: 1 });
    const monitor = await session.monitor({ maxQueue: 1 << 20 });
    const ledger = new Ledger(monitor);
    await soon("ready", monitor.ready);
    assert.ok((session.kernel.receiveBufferBytes(Group.Kernel) ?? Infinity) < 8192);

    // what first rounds take is no leak
    for (let warm = 0; warm < 3; warm++) {
      await Promise.all(images.map((image) => round(scene, session, image)));
    }
    const writer = await startWriter(scene, loop.name, sent, { isPlain: true });
    const before = process.memoryUsage().rss;
    const begun = performance.now();
    const seqnumBefore = readSeqnum();
    await ledger.settle(loop.name);
    const countsBefore = monitor.counts;
    let isFlooding = true;
    writer.go();
    const flooded = writer.done.then(() => {
      isFlooding = false;
      return performance.now() - begun;
    });
    let rounds = 0;
    const work = images.map(async (image) => {
      do {
        await round(scene, session, image);
        rounds++;
      } while (isFlooding);
    });
    await Promise.all(work);
    const tookMs = await flooded;
    await ledger.settle(loop.name);
    const seqnumAfter = readSeqnum();
    const growth = process.memoryUsage().rss - before;
    const { counts } = monitor;
    monitor.close();
    await ledger.done;

    const received = counts.received - countsBefore.received;
    const lost = counts.lost - countsBefore.lost;
    const numbered = Number(seqnumAfter - seqnumBefore);
    note(
      `${sent} events${aside} in ${tookMs.toFixed(0)} ms: ${received} received, ${lost} lost in ` +
        `${counts.gaps - countsBefore.gaps} gaps, ${numbered} numbered by the kernel; ` +
        `${rounds} rounds; ${(growth / 1e6).toFixed(1)} MB more memory`,
    );
    assert.ok(lost > sent / 2, "a loss worth the name");
    assert.ok(rounds >= workers);
    // Those of others are among them. Some come only to other network namespaces; forged ones have
    // no number.
    assert.ok(received + lost >= sent, `${received} + ${lost} of ${sent}`);
    assert.ok(received + lost <= numbered + otherMax, `${received} + ${lost} of ${numbered}`);
    assert.is(counts.unknownGaps, 0);
    assert.is(counts.dropped, 0);
    assert.equal([ledger.lost, ledger.gaps], [counts.lost, counts.gaps]);
    assert.is(ledger.told, counts.told);
    assert.ok(growth < growthMax, `${growth} bytes more`);
  },
);

/** Attach, wait for what is there and for what never will be, detach. */
async function round(scene: Scene, session: Session, image: string): Promise<void> {
  const attachment = await soon("attached", session.attach(image, { partscan: "user" }), roundMs);
  const { device, diskseq, partitions } = attachment;
  scene.watch(attachment.toJSON());
  assert.is(partitions.length, 3);
  const gone = begin(session, { diskseq, removed: true });
  const stale = begin(session, { device, diskseq, partitions: [9] });
  const ready = begin(session, { device, diskseq, partitions: true });
  const waited = await soon("ready", ready, roundMs);
  assert.equal([waited.result, waited.device, waited.diskseq], ["ready", device, diskseq]);
  assert.equal(
    waited.partitions.map(({ number, start, size }) => [number, start, size]),
    partitions.map(({ number, start, size }) => [number, start, size]),
  );
  const detached = await soon("detached", attachment.detach(), roundMs);
  assert.equal([detached.result, detached.diskseq], ["gone", diskseq]);
  await soon("stale", errorOf(stale, "ERR_LOOP_STALE"), roundMs);
  assert.is((await soon("gone", gone, roundMs)).result, "gone");
}

/** An image for each worker: one image is attached once at a time. */
async function imagesOf(scene: Scene): Promise<string[]> {
  const first = await gptImage(scene.path("0.img"));
  return Array.from({ length: workers }, (_, index) => {
    const path = scene.path(`${index}.img`);
    if (index > 0) copyFileSync(first, path);
    return path;
  });
}

/** Reads a monitor to its end, checks what every item says, and keeps sums only. */
class Ledger {
  told = 0;
  gaps = 0;
  lost = 0;
  readonly done: Promise<void>;
  #highest: bigint | null = null;
  readonly #uuids = new Set<string>();

  constructor(monitor: Monitor) {
    this.done = this.#read(monitor);
    this.done.catch(() => {});
  }

  async #read(monitor: Monitor): Promise<void> {
    for await (const item of monitor) {
      if (item.type === "uevent") {
        this.told++;
        if (this.#highest === null || item.seqnum > this.#highest) this.#highest = item.seqnum;
        this.#uuids.delete(item.properties.SYNTH_UUID ?? "");
        continue;
      }
      assert.is(item.type, "gap");
      if (item.type !== "gap") continue;
      assert.is(item.group, "kernel");
      assert.ok(item.lost !== null && item.lost > 0);
      assert.is(item.after, this.#highest);
      this.gaps++;
      this.lost += item.lost;
    }
  }

  /** Writes one event after the other until one is told: the stream has gone on. */
  async settle(name: string): Promise<void> {
    const writer = new Writer(name);
    this.#uuids.add(writer.uuid);
    const deadline = performance.now() + roundMs;
    while (this.#uuids.has(writer.uuid)) {
      assert.ok(performance.now() < deadline, "an event is told");
      writer.write();
      // A buffer for two may be full of others'.
      await Promise.race([this.done, sleep(5)]);
    }
    writer.close();
  }
}

function readSeqnum(): bigint {
  return BigInt(readFileSync("/sys/kernel/uevent_seqnum", "utf8").trim());
}

test.run();
