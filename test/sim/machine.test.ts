/**
 * A simulated machine as its processes see it: who holds what, what a death leaves, images that are
 * files, descriptors of the application, devices on devices, and the clocks.
 */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError, Session, type SimOptions, simulate } from "../../host/sim/index.ts";
import { scratchRoot } from "../helpers/root.ts";
import { listenTo, mbrImage, twoSlots, withGptFile } from "../helpers/simulations.ts";

const path = "/images/disk.img";

function open(options: Partial<SimOptions> = {}) {
  const images = { [path]: mbrImage(twoSlots) };
  return simulate({ version: "6.12.90", clock: "virtual", images, ...options });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: unknown) => (error instanceof LoopError ? error.code : String(error)),
  );
}

test("who holds a device is named, and waited for", async () => {
  const session = open();
  const disk = await session.attach(path);
  const other = new Session(session.kernel.spawn());
  const block = await other.openBlock("/dev/loop0p3");
  const error = await disk.detach({ timeoutMs: 1000 }).catch((one: LoopError) => one);
  assert.instance(error, LoopError);
  assert.is((error as LoopError).code, "ERR_LOOP_BUSY");
  assert.equal(
    (error as LoopError).holders.map(({ kind, device }) => [kind, device]),
    [["descriptor", "loop0p3"]],
  );
  assert.is((await session.list()).length, 1);
  await block.close();
  assert.equal(await session.list(), []);
  await session.close();
});

test("a session that is closed gives up what is under way", async () => {
  const session = open();
  const other = new Session(session.kernel.spawn());
  const disk = await other.attach(path);
  const block = await session.openBlock("/dev/loop0p3");
  const forever = { timeoutMs: Number.POSITIVE_INFINITY };
  const ends = [other.waitFor({ device: "/dev/loop7" }, forever), disk.detach(forever)].map(codeOf);
  await other.close();
  assert.equal(await Promise.all(ends), ["ERR_LOOP_SYSTEM", "ERR_LOOP_SYSTEM"]);
  await block.close();
  assert.equal(await session.list(), []);
  await session.close();
});

test("two writers of one image are refused, also of another process", async () => {
  const session = open();
  await session.attach(path);
  const other = new Session(session.kernel.spawn());
  assert.is(await codeOf(other.attach(path)), "ERR_LOOP_OVERLAP");
  const second = await other.attach(path, { allowOverlap: true });
  assert.is(second.device, "/dev/loop1");
  await session.close();
});

test("a device of a process that dies goes with it, a persistent one stays", async () => {
  for (const persistent of [false, true]) {
    const session = open();
    const kernel = session.kernel.spawn();
    await new Session(kernel).attach(path, { persistent });
    assert.is((await session.list()).length, 1);
    kernel.kill();
    assert.is((await session.list()).length, persistent ? 1 : 0);
    await session.close();
  }
});

test("the lock of a handle keeps others from a rescan, and they are told whose it is", async () => {
  const session = open();
  const disk = await session.attach(path);
  const other = new Session(session.kernel.spawn());
  const error = await other.rescan(disk.device, { timeoutMs: 500 }).catch((one: LoopError) => one);
  assert.is((error as LoopError).code, "ERR_LOOP_BUSY");
  assert.equal(
    (error as LoopError).holders.map(({ kind, device }) => [kind, device]),
    [["lock", "loop0"]],
  );
  await session.close();
});

test("files are read as they are, and never written", async () => {
  await withGptFile(async (file) => {
    const before = readFileSync(file);
    const session = open();
    const disk = await session.attach(file, { partscan: "user" });
    assert.equal(
      disk.partitions.map(({ name, by }) => [name, by]),
      [
        ["boot", "user"],
        ["root", "user"],
      ],
    );
    assert.is((await session.detach(file)).result, "gone");
    assert.ok(readFileSync(file).equals(before));
    await session.close();
  });
});

test("the kernel's parsers are told of a table at an offset", async () => {
  const whole = new Uint8Array(3 << 20);
  const { pieces = [] } = mbrImage(twoSlots) as { pieces?: { bytes: Uint8Array }[] };
  whole.set(pieces[0]?.bytes ?? [], 1 << 20);
  const session = open({ images: { "/whole.img": whole } });
  const bare = await session.attach("/whole.img", { partscan: "kernel" });
  assert.equal(bare.partitions, []);
  await bare.detach();
  const disk = await session.attach("/whole.img", { offset: 1 << 20, sizeLimit: 1 << 20 });
  assert.equal(
    disk.partitions.map(({ number, by }) => [number, by]),
    [
      [1, "kernel"],
      [3, "kernel"],
    ],
  );
  await session.close();
});

test("a file that grows, is renamed or goes is seen", async () => {
  await withGptFile(async (file) => {
    const session = open();
    const disk = await session.attach(file, { persistent: true });
    truncateSync(file, 9 << 20);
    assert.is((await session.resize(file)).size, 9 << 20);
    renameSync(file, `${file}.old`);
    const [listed] = await session.list();
    assert.is(listed?.backing.path, `${file} (deleted)`);
    unlinkSync(`${file}.old`);
    await disk.release();
    const garbage = await session.collectGarbage({ apply: true });
    assert.is(garbage[0]?.result, "removed");
    await session.close();
  });
});

test("a descriptor of the application is an image", async () => {
  await withGptFile(async (file) => {
    const session = open();
    const descriptor = openSync(file, "r");
    const disk = await session.attach(descriptor);
    assert.is(disk.readOnly, true);
    assert.is(disk.backing.path, file);
    assert.is(disk.partitions.length, 2);
    closeSync(descriptor);
    assert.is((await disk.detach()).result, "gone");
    await session.close();
  });
});

test("what is no image is refused as on the real kernel", async () => {
  const session = open();
  const directory = mkdtempSync(join(scratchRoot, "diskseq-"));
  assert.is(await codeOf(session.attach(directory)), "ERR_LOOP_IMAGE");
  assert.is(await codeOf(session.attach(join(directory, "none"))), "ERR_LOOP_IMAGE");
  rmSync(directory, { recursive: true });
  await session.close();
});

test("an attached device is an image too", async () => {
  const session = open();
  const lower = await session.attach(path, { partscan: "none" });
  const upper = await session.attach(lower.device, { allowOverlap: true });
  assert.is(upper.device, "/dev/loop1");
  assert.is(upper.backing.path, "/dev/loop0");
  assert.is(upper.partitions.length, 2);
  const holders = await session.kernel.findHolders("loop0");
  assert.ok(holders.some(({ kind, path: name }) => kind === "device" && name === "loop1"));
  assert.is((await upper.detach()).result, "gone");
  assert.is((await lower.detach()).result, "gone");
  await session.close();
});

test("without parsers the partitions are made by diskseq, and that is said", async () => {
  const session = open({ parsers: false });
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  const disk = await session.attach(path, { onWarning });
  assert.is(disk.partscan, "user");
  assert.is(warnings.length, 1);
  await session.close();
});

test("module parameters count", async () => {
  const session = open({ maxLoop: 0, maxPart: 7 });
  const disk = await session.attach(path, { partscan: "kernel" });
  assert.is(disk.partitions[0]?.devnum, "7:1");
  await session.close();
  assert.throws(() => open({ maxLoop: 99 }), /maxLoop is 99/);
  assert.throws(() => open({ version: "6.1" }), /no version of Linux/);
});

test("a virtual clock passes when nothing else can happen", async () => {
  const session = open();
  const began = session.kernel.now();
  const waiting = session.waitFor({ device: "loop0" }, { timeoutMs: 3_600_000 });
  assert.is(await codeOf(waiting), "ERR_LOOP_TIMEOUT");
  const tookMs = Number(session.kernel.now() - began) / 1e6;
  assert.ok(tookMs > 3_599_000 && tookMs < 3_700_000, `${tookMs}`);
  await session.close();
});

test("a manual clock moves when it is told to", async () => {
  const session = open({ clock: "manual" });
  let ended = "";
  const waiting = codeOf(session.waitFor({ device: "loop0" }, { timeoutMs: 5000 })).then((code) => {
    ended = code;
  });
  await session.kernel.advance(4900);
  assert.is(ended, "");
  await session.kernel.advance(200);
  await waiting;
  assert.is(ended, "ERR_LOOP_TIMEOUT");
  await session.close();
  const real = open({ clock: "real" });
  assert.is(await codeOf(real.kernel.advance(1)), "ERR_LOOP_ARGUMENT");
  await real.close();
});

test("an abort undoes an attach at any call", async () => {
  for (let after = 1; ; after++) {
    const session = open({ seed: after });
    const controller = new AbortController();
    let calls = 0;
    const onStep = () => {
      calls += 1;
      if (calls === after) controller.abort();
    };
    const code = await codeOf(session.attach(path, { signal: controller.signal, onStep }));
    const left = (await session.list()).length;
    await session.close();
    if (code === "done") {
      assert.ok(after > 10);
      return;
    }
    assert.is(left, 0, `aborted after ${after} calls`);
  }
});

test("a session hears what another process does", async () => {
  const session = open({ version: "7.2.13" });
  const ear = await listenTo(session);
  const other = new Session(session.kernel.spawn());
  const disk = await other.attach(path);
  await disk.detach();
  const told = await ear.stop();
  const [first] = told;
  assert.is(first, `change #${disk.diskseq}`);
  assert.equal(
    told.filter((text) => text.startsWith("remove")),
    [`remove p1 #${Number(disk.diskseq) + 1}`, `remove p3 #${Number(disk.diskseq) + 1}`],
  );
  await session.close();
});

test.run();
