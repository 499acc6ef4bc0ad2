/**
 * Abort and deadline while any call of an attach or a detach is out: the operation ends once, in
 * time, and everything is given back; also when the call returns long after, or never.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type CoreCommand,
  DetachResult,
  Event,
  Failure,
  Partscan,
  Result,
  Step,
  TimeoutReason,
} from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import { detachOf, expectGivenBack, type Scene, scene } from "./core-scene.ts";

const timeoutNs = 1_000_000_000n;
const graceNs = 2_000_000_000n;

type Interruption = "abort" | "deadline";

for (const how of ["abort", "deadline"] as const) {
  for (const partscan of [Partscan.Kernel, Partscan.User]) {
    test(`${how} while any call of an attach by ${Partscan[partscan]} is out`, async () => {
      await everyCall(async (index) => {
        const stage = await scene({ isFast: true });
        const end = interruptAt(stage, index, how, { command: 1, partscan, timeoutNs });
        if (!end) return undefined;
        if (end.event === Event.Attached) {
          const step = stage.bench.calls[index]?.step;
          assert.is(step, Step.CloseWritable, `attached although ended at ${Step[step ?? 0]}`);
          return stage;
        }
        assert.is(end.code, how === "abort" ? Failure.Aborted : Failure.TimedOut);
        expectGivenBack(stage.kernel);
        return stage;
      });
    });
  }

  test(`${how} while any call of a detach is out`, async () => {
    await everyCall(async (index) => {
      const stage = await scene({ isFast: true });
      const attached = stage.attach({ partscan: Partscan.User });
      const first = stage.bench.calls.length;
      const command = { ...detachOf(attached), timeoutNs };
      const end = interruptAt(stage, first + index, how, command);
      if (!end) return undefined;
      const given = Number(attached.result[Result.Descriptor]);
      const left = Number(BigInt.asIntN(64, end.result[Result.Descriptor] ?? 0n));
      if (end.event === Event.Failed) assert.is(stage.kernel.opened.has(given), left === given);
      else assert.not.ok(stage.kernel.opened.has(given));
      assert.ok(stage.kernel.opened.size <= 1);
      return stage;
    });
  });
}

test("a call of an attach that never returns is reported after the grace period", async () => {
  await everyCall(async (index) => {
    const stage = await scene({ isFast: true });
    const { bench, kernel } = stage;
    const step = await stepAt(index, { command: 1, partscan: Partscan.User });
    if (step === undefined) return undefined;
    kernel.on(step.step, step.nth, { hangs: true });
    const began = bench.now;
    const operation = bench.start({ command: 1, partscan: Partscan.User, timeoutNs });
    bench.settle();
    const name = Step[step.step];
    assert.is(operation.end?.event, Event.Failed, name);
    assert.is(operation.end?.code, Failure.TimedOut, name);
    assert.is(operation.end?.detail, 1n, `${name}: it does not say that a call is still out`);
    assert.is(bench.now, began + timeoutNs + graceNs, name);
    bench.returnHung();
    bench.settle();
    expectGivenBack(kernel);
    return stage;
  });
});

test("a call of a detach that never returns is reported after the grace period", async () => {
  await everyCall(async (index) => {
    const stage = await scene({ isFast: true });
    const { bench, kernel } = stage;
    const command = { ...detachOf(stage.attach({ partscan: Partscan.User })), timeoutNs };
    const step = await stepAt(index, undefined);
    if (step === undefined) return undefined;
    kernel.on(step.step, step.nth, { hangs: true });
    const operation = bench.start(command);
    bench.settle();
    const name = Step[step.step];
    assert.is(operation.end?.event, Event.Failed, name);
    assert.is(operation.end?.code, Failure.TimedOut, name);
    bench.returnHung();
    bench.settle();
    return stage;
  });
});

test("a call of giving back that never returns is reported too", async () => {
  const { bench, kernel } = await scene();
  kernel.on(Step.UndoClear, 1, { hangs: true });
  const operation = bench.start({ command: 1, timeoutNs });
  bench.beforeDelivery = (call) => {
    if (call.step === Step.DrainOpen) bench.abort(operation.operation);
  };
  bench.settle();
  assert.is(operation.end?.code, Failure.Aborted);
  bench.returnHung();
  bench.settle();
  expectGivenBack(kernel);
});

test("an abort while waiting for loop-control ends at once", async () => {
  const { bench, kernel } = await scene();
  kernel.on(Step.FindBacking, 1, { delayNs: 50_000_000n });
  const first = bench.start({ command: 1 });
  const second = bench.start({ command: 1 });
  bench.settle(bench.now + 1_000_000n);
  bench.abort(second.operation);
  bench.settle(bench.now + 1_000_000n);
  assert.is(second.end?.code, Failure.Aborted);
  bench.settle();
  assert.is(first.end?.event, Event.Attached);
});

test("an abort and a deadline during the back-off end at once", async () => {
  for (const how of ["abort", "deadline"] as const) {
    const { bench, kernel } = await scene();
    kernel.on(Step.OpenDevice, 0, -16);
    const operation = bench.start({ command: 1, timeoutNs: 40_000_000n });
    while (bench.timeout.reason !== TimeoutReason.Backoff) bench.settle(bench.now + 1_000n);
    const began = bench.now;
    if (how === "abort") bench.abort(operation.operation);
    else bench.settle();
    bench.settle();
    assert.is(operation.end?.code, how === "abort" ? Failure.Aborted : Failure.TimedOut);
    assert.ok(how === "deadline" || bench.now - began < 1_000_000n);
    expectGivenBack(kernel);
  }
});

test("a second abort changes nothing, and an ended operation is unknown", async () => {
  const { bench, kernel } = await scene();
  const operation = bench.start({ command: 1 });
  bench.abort(operation.operation);
  bench.abort(operation.operation);
  bench.settle();
  assert.is(operation.end?.code, Failure.Aborted);
  const output = bench.lockstep.command(bench.now, { command: 4, number: operation.operation });
  assert.ok(output.answer < 0);
  expectGivenBack(kernel);
});

test("a detach whose deadline passes after it cleared the device is deferred", async () => {
  const stage = await scene();
  const attached = stage.attach();
  stage.kernel.disk(0).holders = 1;
  const end = stage.detach(attached, { timeoutNs });
  assert.is(end.event, Event.Detached);
  assert.is(end.code, DetachResult.Deferred);
  assert.is(stage.kernel.opened.size, 0);
});

/** Runs for index 0, 1, 2, ... until there is no such call. */
async function everyCall(run: (index: number) => Promise<Scene | undefined>): Promise<void> {
  let index = 0;
  const failures: string[] = [];
  for (let isThere = true; isThere; index++) {
    isThere = await run(index).then(
      (stage) => stage !== undefined,
      (error: Error) => failures.push(`call ${index}: ${error.message}`) > 0,
    );
    if (index > 200) throw new RangeError("too many calls");
  }
  assert.equal(failures, []);
  assert.ok(index > 8, "too few calls");
}

/** Ends an operation while its n-th call is out; undefined when there is no such call. */
function interruptAt(
  { bench }: Scene,
  index: number,
  how: Interruption,
  command: CoreCommand,
): OutEvent | undefined {
  let isDone = false;
  const operation = bench.start(command);
  const deadline = bench.now + timeoutNs;
  bench.beforeDelivery = (_, at) => {
    if (at !== index) return;
    isDone = true;
    if (how === "abort") bench.abort(operation.operation);
    else bench.timeoutAt(deadline);
  };
  bench.settle();
  if (!isDone) return undefined;
  assert.ok(operation.end, "it did not end");
  return operation.end;
}

/** Which step makes the n-th call of an attach, or of the detach of an attach by us. */
async function stepAt(
  index: number,
  command: CoreCommand | undefined,
): Promise<{ step: Step; nth: number } | undefined> {
  const stage = await scene({ isFast: true });
  let first = 0;
  if (command) stage.bench.run(command);
  else {
    const attached = stage.attach({ partscan: Partscan.User });
    first = stage.bench.calls.length;
    stage.detach(attached);
  }
  const steps = stage.bench.calls.slice(first, first + index + 1).map(({ step }) => step);
  const step = steps[index];
  if (step === undefined) return undefined;
  return { step, nth: steps.filter((one) => one === step).length };
}

test.run();
