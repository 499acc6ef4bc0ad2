/**
 * What others do on a simulated machine, recorded: all of their events and each of their instances
 * with its partitions, also where events are lost; and the recording runs again.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadDefaultCore } from "../../host/core-file.ts";
import { LoopError, Session, type SimOptions, simulate } from "../../host/sim/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";
import { readRecorded } from "../helpers/recorded.ts";
import { scratchRoot } from "../helpers/root.ts";
import { mbrImage, numbered, twoSlots } from "../helpers/simulations.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-record-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

function machine(options: Partial<SimOptions> = {}) {
  const image = mbrImage(twoSlots);
  const images = { "/a.img": image, "/b.img": mbrImage(twoSlots.slice(0, 1), 2 << 20) };
  return simulate({ version: "6.12.90", images, seed: 11, ...options });
}

async function expectReplays(path: string): Promise<void> {
  const { divergence, isCut } = await replay(linesOf(path), loadDefaultCore);
  assert.equal([divergence, isCut], [undefined, false]);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

for (const version of numbered) {
  test(`${version}: an attach, and the thief who takes its name`, async () => {
    const path = join(directory, `${version}.ndjson`);
    const session = machine({ version });
    const victim = new Session(session.kernel.spawn());
    const thief = new Session(session.kernel.spawn());
    const before = await victim.attach("/b.img");
    const recording = await session.record(path);
    await recording.ready;
    const mine = await victim.attach("/a.img");
    await mine.detach();
    const stolen = await thief.attach("/b.img", { device: 1, allowOverlap: true });
    await turns(50);
    const { counts, looks, error, bytes } = await recording.close();
    await session.close();

    assert.is(error, null);
    assert.ok(bytes > 10_000 && looks > 3, `${bytes} bytes, ${looks} looks`);
    const entries = readRecorded(path);
    const told = entries.filter((entry) => entry.kind === "uevent");
    assert.is(told.length, counts.told);
    const ofDisk = told.filter(({ strings }) => strings.some((one) => one.endsWith("/loop1")));
    assert.ok(ofDisk.some(({ diskseq }) => diskseq === mine.diskseq));
    assert.ok(
      ofDisk.some(({ verdict, diskseq }) => verdict === "Later" && diskseq === stolen.diskseq),
    );
    // What was there before is seen though nothing was told of it.
    const first = entries.findIndex((entry) => entry.kind === "uevent");
    assert.ok(
      entries
        .slice(0, first)
        .some((entry) => entry.kind === "disk" && entry.diskseq === before.diskseq),
    );
    const seen = entries.filter((entry) => entry.kind === "disk" && entry.disk === "loop1");
    const bound = seen.filter((entry) => entry.kind === "disk" && entry.isBound);
    const numbers = new Set(bound.map((entry) => entry.kind === "disk" && entry.diskseq));
    assert.ok(numbers.has(mine.diskseq as bigint) && numbers.has(stolen.diskseq as bigint));
    assert.ok(bound.some((entry) => entry.kind === "disk" && entry.size === 2 << 20));
    const lists = entries.flatMap((entry) => (entry.kind === "partitions" ? [entry] : []));
    assert.ok(lists.some((list) => list.disk === "loop1" && list.numbers.join() === "1,3"));
    assert.equal(lists.findLast((list) => list.disk === "loop1")?.numbers, [1]);
    await expectReplays(path);
  });
}

test("what is lost is told, and every disk is looked at again", async () => {
  const path = join(directory, "lossy.ndjson");
  const session = machine({ loss: 0.4 });
  const other = new Session(session.kernel.spawn());
  const recording = await session.record(path);
  await recording.ready;
  for (let round = 0; round < 6; round++) await (await other.attach("/a.img")).detach();
  await turns(50);
  const { counts, error } = await recording.close();
  await session.close();
  assert.is(error, null);
  assert.ok(counts.lost > 0 && counts.gaps > 0);
  const entries = readRecorded(path);
  const gap = entries.findLastIndex((entry) => entry.kind === "gap");
  const disks = session.kernel.listNames();
  const after = entries.slice(gap).flatMap((entry) => (entry.kind === "disk" ? [entry.disk] : []));
  for (const disk of disks) assert.ok(after.includes(disk), `${disk} after the last gap`);
  await expectReplays(path);
});

test("one disk: nothing of the others is in it", async () => {
  const path = join(directory, "one.ndjson");
  const session = machine();
  const other = new Session(session.kernel.spawn());
  const recording = await session.record(path, { disk: "loop1" });
  await recording.ready;
  const first = await other.attach("/a.img");
  const second = await other.attach("/b.img");
  assert.equal([first.device, second.device], ["/dev/loop0", "/dev/loop1"]);
  await turns(50);
  const { counts } = await recording.close();
  await session.close();
  assert.ok(counts.told > 0);
  const text = JSON.stringify(readRecorded(path), (_, value) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  assert.ok(text.includes("loop1") && !text.includes("loop0"));
  await expectReplays(path);
});

test("it ends after so many events, or by its signal", async () => {
  const session = machine();
  const other = new Session(session.kernel.spawn());
  const recording = await session.record(join(directory, "count.ndjson"), { count: 3 });
  await recording.ready;
  await other.attach("/a.img");
  assert.ok((await recording.done).counts.told >= 3);
  await session.close();

  const signalled = machine();
  const end = new AbortController();
  const path = join(directory, "signal.ndjson");
  const stopped = await signalled.record(path, { signal: end.signal });
  end.abort();
  assert.is((await stopped.done).error, null);
  await signalled.close();
  await expectReplays(path);
});

test("a file that is there stays as it is", async () => {
  const path = join(directory, "there.ndjson");
  writeFileSync(path, "mine\n");
  const session = machine();
  const refused = await session.record(path).catch((error: unknown) => error);
  assert.ok(refused instanceof LoopError && refused.code === "ERR_LOOP_ARGUMENT");
  assert.is(readFileSync(path, "utf8"), "mine\n");
  const older = join(directory, "older.ndjson");
  writeFileSync(`${older}.1`, "mine\n");
  const again = await session.record(older, { limit: 1 << 20 }).catch((error: unknown) => error);
  assert.ok(again instanceof LoopError && again.code === "ERR_LOOP_ARGUMENT");
  assert.not.ok(existsSync(older));
  const nowhere = await session.record(join(directory, "no", "t")).catch((error: unknown) => error);
  assert.ok(nowhere instanceof LoopError && nowhere.code === "ERR_LOOP_SYSTEM");
  await (await session.record(path, { force: true })).close();
  await session.close();
  await expectReplays(path);
});

test.run();
