/** The sweep of what is left on an unbound device: under a claim, and of that instance only. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import { ChangeWord, Command, Event, Failure, Step } from "../../host/core.ts";
import { partitionsOf, setOf } from "./core-changes.ts";
import { scene, slots } from "./core-scene.ts";

test("what is left on an unbound device is deleted under a claim", async () => {
  const { stage, sweep } = await leftovers();
  const end = sweep();
  assert.is(end.event, Event.Changed);
  assert.equal(setOf(end, ChangeWord.Removed), [1, 3]);
  assert.equal(partitionsOf(stage), []);
  assert.is(stage.kernel.opened.size, 0);
  assert.is(sweep().event, Event.Changed, "a second time");
});

test("what is in use stays, and the others go", async () => {
  const { stage, sweep } = await leftovers();
  stage.kernel.disk(0).used.add(1);
  const end = sweep();
  assert.equal([end.event, end.code, end.detail], [Event.Failed, Failure.PartitionBusy, 1n]);
  assert.equal(partitionsOf(stage), [slots[0]]);
  assert.is(stage.kernel.opened.size, 0);
});

test("a device that is bound, or another instance, is left alone", async () => {
  const { stage, sweep } = await leftovers();
  assert.is(sweep({ diskseq: 1n }).code, Failure.Superseded);
  stage.kernel.disk(0).bindForeign({});
  assert.is(sweep().code, Failure.Superseded);
  // Bound between the look and the claim.
  stage.kernel.on(Step.SweepRead, 3, { change: (view) => view.setBigUint64(0, 0n, true) });
  assert.equal([sweep().code, stage.kernel.opened.size], [Failure.Superseded, 0]);
  assert.equal(partitionsOf(stage), slots);
  assert.is(stage.kernel.opened.size, 0);
});

test("what cannot be swept is a failure that names the call", async () => {
  for (const [step, errno, code] of [
    [Step.SweepRead, Errno.ENOENT, Failure.System],
    [Step.SweepOpen, Errno.EBUSY, Failure.PartitionBusy],
    [Step.SweepOpen, Errno.ENXIO, Failure.System],
    [Step.SweepStatus, Errno.EIO, Failure.System],
    [Step.SweepList, Errno.EIO, Failure.System],
    [Step.SweepDelete, Errno.EINVAL, Failure.System],
  ] as const) {
    const { stage, sweep } = await leftovers();
    stage.kernel.on(step, 0, -errno);
    const end = sweep();
    assert.equal([end.event, end.code, end.step], [Event.Failed, code, step]);
    if (code === Failure.System) assert.is(end.errno, errno);
    assert.is(stage.kernel.opened.size, 0);
  }
});

/** Partitions that are left on an unbound device. */
async function leftovers() {
  const stage = await scene();
  const disk = stage.kernel.disk(0);
  for (const slot of slots) disk.partitions.set(slot.number, slot);
  const sweep = (more = {}) => {
    const command = {
      command: Command.Sweep,
      number: 0,
      diskseq: disk.diskseq,
      timeoutNs: 1_000_000_000n,
    };
    return stage.bench.run({ ...command, ...more });
  };
  return { stage, sweep };
}

test.run();
