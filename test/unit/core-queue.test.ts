/** Loop-control has one holder in a process; the others wait in order of arrival. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import { CommandFlag, Event, Failure, Step } from "../../host/core.ts";
import { expectGivenBack, scene } from "./core-scene.ts";

const flags = CommandFlag.AllowOverlap;

test("loop-control is handed out in order of arrival", async () => {
  const { bench } = await scene({ operations: 5, disks: 8 });
  const operations = [1, 2, 3, 4, 5].map(() => bench.start({ command: 1, flags }));
  bench.settle();
  const order = bench.calls
    .filter(({ step }) => step === Step.OpenControl)
    .map(({ operation }) => operation);
  assert.equal(
    order,
    operations.map(({ operation }) => operation),
  );
  for (const { end } of operations) assert.is(end?.event, Event.Attached);
});

test("who comes late waits behind who waits already, whatever its number", async () => {
  const { bench, kernel } = await scene({ operations: 3, disks: 8 });
  kernel.on(Step.FreeNumber, 1, { delayNs: 10_000_000n });
  const probe = bench.start({ command: 3 });
  const [first, second] = [1, 2].map(() => bench.start({ command: 1, flags }));
  bench.settle(bench.now + 1_000_000n);
  assert.ok(probe.end, "the probe needs no loop-control");
  const third = bench.start({ command: 1, flags });
  assert.is(third.operation, probe.operation, "a freed operation is used again");
  bench.settle();
  const order = bench.calls.filter(({ step }) => step === Step.OpenControl);
  assert.equal(
    order.map(({ operation }) => operation),
    [first?.operation, second?.operation, third.operation],
  );
});

test("one holds it at a time, also when holders fail or are aborted", async () => {
  const { bench, kernel } = await scene({ operations: 6, disks: 8 });
  kernel.on(Step.FreeNumber, 1, -Errno.ENOSPC).on(Step.OpenDevice, 2, { delayNs: 5_000_000n });
  kernel.on(Step.Configure, 2, -Errno.EBUSY).on(Step.LockControl, 4, -Errno.EAGAIN);
  const operations = [1, 2, 3, 4, 5, 6].map(() => bench.start({ command: 1, flags }));
  const aborted = operations[2];
  let isAborted = false;
  let most = 0;
  bench.beforeDelivery = (call) => {
    const held = [...kernel.opened.values()].filter(({ kind }) => kind === "control");
    most = Math.max(most, held.length);
    if (isAborted || call.operation !== aborted?.operation || call.step !== Step.OpenDevice) return;
    isAborted = true;
    bench.abort(aborted.operation);
  };
  bench.settle();
  assert.is(most, 1);
  const codes = operations.map(({ end }) => (end?.event === Event.Attached ? 0 : end?.code));
  assert.equal(codes, [Failure.System, 0, Failure.Aborted, 0, 0, 0]);
  assert.not.ok([...kernel.opened.values()].some(({ kind }) => kind === "control"));
});

test("a holder that never opens it lets the next one have it", async () => {
  const { bench, kernel } = await scene({ operations: 2, disks: 4 });
  kernel.on(Step.OpenControl, 1, -Errno.EACCES);
  const [first, second] = [1, 2].map(() => bench.start({ command: 1, flags }));
  bench.settle();
  assert.is(first?.end?.errno, Errno.EACCES);
  assert.is(second?.end?.event, Event.Attached);
});

test("an operation in its back-off does not hold it", async () => {
  const { bench, kernel } = await scene({ operations: 2, disks: 4 });
  kernel.on(Step.Configure, 1, -Errno.EBUSY);
  const [first, second] = [1, 2].map(() => bench.start({ command: 1, flags }));
  bench.settle();
  assert.is(first?.end?.event, Event.Attached);
  assert.is(second?.end?.event, Event.Attached);
  assert.not.equal(first?.end?.number, second?.end?.number);
});

test("two attaches of one image: the second is refused as an overlap", async () => {
  const { bench, kernel } = await scene({ operations: 2, disks: 4 });
  const [first, second] = [1, 2].map(() => bench.start({ command: 1 }));
  bench.settle();
  assert.is(first?.end?.event, Event.Attached);
  assert.is(second?.end?.code, Failure.Overlap);
  assert.is(second?.end?.number, first?.end?.number);
  const kept = Number(first?.end?.result[0]);
  expectGivenBack(kernel, [kept]);
});

test.run();
