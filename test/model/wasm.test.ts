/**
 * The two builds of the model are one: under a random scheduler of random calls their answers and
 * their state are equal byte for byte after every step, on every era; and whatever was done, locks
 * are given back, counts are right, and nothing waits for ever.
 */
import { relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AttachEvents, Switch } from "../../assembly/kernel/eras.ts";
import { File, FileKind, Global, Loop, Partition } from "../../assembly/kernel/layout.ts";
import type { Routine } from "../../assembly/kernel/routines.ts";
import type { Model } from "../../host/sim/model.ts";
import { openJsModel, openWasmModel } from "../helpers/models.ts";
import { packageRoot } from "../helpers/root.ts";
import { Chaos, chaosOptions } from "./chaos.ts";

const versions = [
  "5.4.286",
  "5.10.223",
  "5.15.50",
  "5.15.140",
  "5.15.215",
  "5.18.5",
  "6.1.20",
  "6.1.192",
  "6.6.150",
  "6.9.0",
  "6.12.10",
  "6.12.90",
  "7.2.13",
];

const firstSeed = Number(process.env.DISKSEQ_SEED ?? 1);
const isSingle = process.env.DISKSEQ_SEED !== undefined;
const seeds = Number(process.env.DISKSEQ_RUNS ?? (isSingle ? 1 : 4));
const moves = 1500;

for (const version of versions) {
  test(`${version}: Wasm and JavaScript are one, whatever is done`, async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const options = { ...chaosOptions, version };
      const models = [openWasmModel(options), await openJsModel(options)];
      const chaos = new Chaos(models, seed);
      await told(seed, () => {
        for (let move = 0; move < moves; move++) {
          chaos.move();
          expectEqualStates(models, move);
          if (chaos.isIdle) expectAtRest(models[0] as Model);
        }
        chaos.settle();
        expectEqualStates(models, moves);
        expectAtRest(models[0] as Model);
      });
    }
  });
}

test("the random calls reach what they are meant to reach", async () => {
  const done = new Map<Routine, number>();
  const failed = new Map<Routine, number>();
  let blocked = 0;
  for (let seed = 1; seed <= 24; seed++) {
    const model = openWasmModel({ ...chaosOptions, version: "6.12.90" });
    const chaos = new Chaos([model], seed);
    for (let move = 0; move < moves; move++) chaos.move();
    blocked += chaos.blocked;
    for (const [routine, counts] of chaos.ended) {
      done.set(routine, (done.get(routine) ?? 0) + counts.done);
      failed.set(routine, (failed.get(routine) ?? 0) + counts.failed);
    }
  }
  assert.is(done.size, 17, "every call ends");
  for (const [routine, count] of done) assert.ok((failed.get(routine) ?? 0) < count, `${routine}`);
  assert.ok(blocked > 100, `${blocked} steps waited`);
});

test("a snapshot that is written back goes on as it did", async () => {
  const options = { ...chaosOptions, version: "6.12.90" };
  const model = openWasmModel(options);
  const chaos = new Chaos([model], 7);
  for (let move = 0; move < 400; move++) chaos.move();
  chaos.settle();
  const before = model.state.slice();
  const twin = await openJsModel(options);
  twin.state.set(before);
  const disks = () => [0, 1, 2].map((number) => [model.disk(number), twin.disk(number)]);
  for (const [own, other] of disks()) assert.equal(other, own);
  for (const one of [model, twin]) one.trigger(0, 0, 3);
  assert.equal(twin.state, model.state);
  assert.not.equal(model.state, before);
});

test("the state of an explorer's configuration is small", () => {
  const model = openWasmModel({ version: "6.12.90" });
  assert.ok(model.state.length <= 4096, `${model.state.length} bytes`);
});

/** When no call is under way, everything is given back and every count is right. */
function expectAtRest(model: Model): void {
  const view = new DataView(model.state.buffer, model.state.byteOffset, model.state.byteLength);
  const { loops, partitions, files } = chaosOptions;
  assert.is(view.getUint8(Global.CtlMutex), 0);
  const loopsAt = (Global.Bytes + 3 * 16 + chaosOptions.processes * 4 + 7) & ~7;
  const stride = Loop.Bytes + partitions * Partition.Bytes;
  const filesAt = loopsAt + loops * stride;
  const counts = Array.from({ length: loops }, () => new Map<number, number>());
  for (let file = 0; file < files; file++) {
    const at = filesAt + file * File.Bytes;
    const kind = view.getUint8(at + File.Kind);
    if (kind !== FileKind.Disk && kind !== FileKind.Partition) continue;
    const count = counts[view.getUint8(at + File.Loop)];
    const partition = view.getUint8(at + File.Partition);
    count?.set(partition, (count.get(partition) ?? 0) + 1);
  }
  const isCounted = model.switchValue(Switch.OpensCounted) === 1;
  const isMute = model.switchValue(Switch.AttachEvents) === AttachEvents.Mute;
  for (let loop = 0; loop < loops; loop++) {
    const at = loopsAt + loop * stride;
    const field = (name: Loop) => view.getUint8(at + name);
    assert.equal([field(Loop.LoMutex), field(Loop.OpenMutex), field(Loop.Claiming)], [0, 0, 0]);
    const own = counts[loop] ?? new Map();
    const parts = [...own].filter(([partition]) => partition > 0);
    const byParts = isCounted ? parts.reduce((sum, [, count]) => sum + count, 0) : parts.length;
    assert.is(field(Loop.Openers), (own.get(0) ?? 0) + byParts, "openers");
    assert.is(field(Loop.Backing) > 0, field(Loop.State) === 1 || field(Loop.State) === 2);
    if (isMute) assert.is(field(Loop.Silent), 0, "muted for ever");
    if (field(Loop.Live) === 1) assert.is(field(Loop.OpenPartitions), parts.length);
  }
}

function expectEqualStates([first, ...others]: readonly Model[], move: number): void {
  for (const other of others) {
    const at = other.state.findIndex((byte, index) => byte !== first?.state[index]);
    assert.is(at, -1, `after move ${move} the states differ at byte ${at}`);
  }
}

/** A failure says how to run its one seed alone. */
async function told(seed: number, run: () => void): Promise<void> {
  try {
    run();
  } catch (cause) {
    const file = relative(packageRoot, process.argv[1] ?? "");
    throw new Error(`${String(cause)}\nalone: DISKSEQ_SEED=${seed} node ${file}`, { cause });
  }
}

test.run();
