/** Subscriptions: when the groups are subscribed to, what is told of it, and when no longer. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import {
  CommandFlag,
  type CoreCommand,
  Event,
  Failure,
  Group,
  Step,
  Warning,
} from "../../host/core.ts";
import type { Bench, Operation } from "../helpers/bench.ts";
import { count, scene } from "./core-scene.ts";
import {
  bindElsewhere,
  expectQuiet,
  millisecond,
  resultOf,
  second,
  waitFor,
  watch,
} from "./core-watch-scene.ts";

const udev = CommandFlag.Udev;
const noKernel = CommandFlag.NoKernelGroup;

test("it is told once that all of its groups are listened to", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.udev.isRunning = true;
  const commands = [watch(), watch("loop0"), watch("", { flags: udev })];
  const [all, one, both] = commands.map((command) => bench.start(command));
  bench.beforeDelivery = ({ step, number }) => {
    assert.is(step, number === 0 ? Step.LookDisk : Step.Subscribe);
    const told = [all, one, both].map((operation) => operation?.listening.length);
    assert.equal(told, number === Group.Kernel ? [0, 0, 0] : [1, 1, 0], Group[number]);
    if (number === Group.Udev) bench.beforeDelivery = undefined;
  };
  bench.settle();
  const late = bench.start(watch("loop1", { flags: udev | noKernel }));
  assert.is(late.listening.length, 1, "it is listened to already");
  bench.settle();
  for (const operation of [all, one, both, late]) {
    assert.is(operation?.listening.length, 1);
    assert.equal(operation?.warnings, []);
  }
  assert.equal([...kernel.uevents.subscribed], [Group.Kernel, Group.Udev]);
});

test("whoever asks for no group hears nothing, and is told so at once", async () => {
  const { kernel, bench } = await scene();
  const operation = bench.start(watch("", { flags: noKernel }));
  assert.is(operation.listening.length, 1);
  bench.settle();
  assert.is(bench.calls.length, 0);
  assert.is(kernel.uevents.subscribed.size, 0);
});

test("what cannot be heard is told before all else", async () => {
  for (const [answer, errno] of [
    [1, 0],
    [-Errno.EPERM, Errno.EPERM],
  ] as const) {
    const { kernel, bench } = await scene();
    bindElsewhere(kernel);
    for (const group of [Group.Kernel, Group.Udev]) kernel.uevents.answers.set(group, answer);
    const operations = [watch("", { flags: udev }), waitFor("loop0", { flags: udev })].map(
      (command) => bench.start(command),
    );
    const late = bench.start(watch("", { flags: udev }));
    bench.settle();
    for (const { warnings } of [...operations, late]) {
      assert.equal(
        warnings.map((warning) => [warning.code, warning.errno]),
        [
          [Warning.NoUevents, errno],
          [Warning.NoUdev, errno],
        ],
      );
    }
    const kinds = (one: Operation | undefined) =>
      bench.events
        .filter(({ operation }) => operation === one?.operation)
        .map(({ event }) => event);
    assert.equal(kinds(operations[0]), [Event.Warned, Event.Warned, Event.Listening]);
    assert.equal(kinds(operations[1]), [Event.Warned, Event.Warned, Event.Waited]);
  }
});

test("without udevd only that is told", async () => {
  const { bench } = await scene();
  const flags = udev;
  const [all, only] = [watch("", { flags }), watch("", { flags: udev | noKernel })].map((command) =>
    bench.start(command),
  );
  bench.settle();
  for (const operation of [all, only]) {
    assert.equal(
      operation?.warnings.map(({ code }) => code),
      [Warning.NoUdev],
    );
  }
});

test("where no events come sysfs is looked at more often", async () => {
  for (const answer of [1, -Errno.EPERM]) {
    const { kernel, bench } = await scene();
    kernel.uevents.answers.set(Group.Kernel, answer);
    const wait = bench.start(waitFor("loop0"));
    const looks: bigint[] = [];
    bench.beforeDelivery = ({ step }) => {
      if (step === Step.LookDisk) looks.push(bench.now / millisecond);
    };
    bench.pass(second);
    const gaps = looks.slice(1).map((at, index) => Number(at - (looks[index] ?? 0n)));
    assert.equal(gaps, [16, 32, 64, 128, 128, 128, 128, 128, 128]);
    bindElsewhere(kernel);
    bench.pass(130n * millisecond);
    assert.is(resultOf(wait.end), "Ready");
  }
});

test("a group is left with its last listener, and subscribed to anew with the next", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.udev.isRunning = true;
  const { subscribed } = kernel.uevents;
  for (const round of [1, 2, 3]) {
    const operations = [watch(), watch("", { flags: udev }), waitFor("loop0"), watch("loop0")].map(
      (command) => bench.start(command),
    );
    bench.pass(millisecond);
    for (const [index, groups] of [
      [1, [Group.Kernel]],
      [0, [Group.Kernel]],
      [2, [Group.Kernel]],
      [3, []],
    ] as const) {
      assert.ok(subscribed.has(Group.Kernel));
      end(bench, operations[index]);
      assert.equal([...subscribed], groups, `round ${round}: ${index}`);
    }
    assert.is(count(bench, Step.Subscribe), round * 2);
    assert.is(count(bench, Step.Unsubscribe), round * 2);
  }
  expectQuiet(kernel, bench);
});

test("a refused group is asked for again by the next listener, and never left", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.answers.set(Group.Kernel, -Errno.EPERM);
  end(bench, bench.start(watch()));
  assert.equal([count(bench, Step.Subscribe), count(bench, Step.Unsubscribe)], [1, 0]);
  kernel.uevents.answers.clear();
  const operation = bench.start(watch());
  bench.settle();
  assert.equal(operation.warnings, []);
  assert.ok(kernel.uevents.subscribed.has(Group.Kernel));
});

test("a deaf group is left like any other", async () => {
  const { kernel, bench } = await scene();
  kernel.uevents.answers.set(Group.Kernel, 1);
  end(bench, bench.start(watch()));
  assert.is(count(bench, Step.Unsubscribe), 1);
  expectQuiet(kernel, bench);
});

test("whoever comes while a group is left is told when it is subscribed to again", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Unsubscribe, 1, { delayNs: millisecond });
  const first = bench.start(watch());
  bench.pass(millisecond);
  bench.abort(first.operation);
  const next = bench.start(watch());
  assert.equal(next.listening, [], "told although it is being left");
  bench.pass(2n * millisecond);
  assert.is(next.listening.length, 1);
  assert.ok(kernel.uevents.subscribed.has(Group.Kernel));
});

test("whoever goes while a group is subscribed to leaves it when that is done", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Subscribe, 1, { delayNs: millisecond });
  bench.abort(bench.start(watch()).operation);
  bench.settle();
  assert.is(count(bench, Step.Unsubscribe), 1);
  expectQuiet(kernel, bench);
});

test("a group that cannot be left is left all the same", async () => {
  const { kernel, bench } = await scene();
  kernel.on(Step.Unsubscribe, 0, -Errno.EBADF);
  end(bench, bench.start(watch()));
  const next = bench.start(watch());
  bench.settle();
  assert.is(next.listening.length, 1);
  assert.is(count(bench, Step.Subscribe), 2);
});

test("a thousand listeners are told at once that nothing will come", async () => {
  const { kernel, bench } = await scene({ watches: 1000, isFast: true });
  for (const group of [Group.Kernel, Group.Udev]) kernel.uevents.answers.set(group, 1);
  const commands: CoreCommand[] = Array.from({ length: 1000 }, (_, index) =>
    watch(index % 2 === 0 ? "" : `loop${index}`, { flags: udev }),
  );
  const operations = commands.map((command) => bench.start(command));
  bench.settle();
  for (const { warnings, listening } of operations) {
    assert.equal([warnings.length, listening.length], [2, 1]);
  }
});

test("a subscription ends by its deadline or an abort", async () => {
  const { kernel, bench } = await scene();
  const flags = udev;
  const timed = bench.start(watch("loop0", { timeoutNs: second, flags }));
  const aborted = bench.start(watch("loop0"));
  bench.pass(millisecond);
  bench.abort(aborted.operation);
  bench.settle();
  assert.equal([timed.end?.event, timed.end?.code], [Event.Failed, Failure.TimedOut]);
  assert.equal([aborted.end?.event, aborted.end?.code], [Event.Failed, Failure.Aborted]);
  expectQuiet(kernel, bench);
});

function end(bench: Bench, operation: Operation | undefined): void {
  bench.settle(bench.now + millisecond);
  bench.abort(operation?.operation ?? -1);
  bench.settle(bench.now + millisecond);
}

test.run();
