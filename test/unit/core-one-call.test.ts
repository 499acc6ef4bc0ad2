/**
 * The attach in one call: the kernel scans in LOOP_CONFIGURE, and nothing is drained or asked for
 * afterwards; who is not to be scanned by the kernel is attached as ever.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, LoFlag } from "../../assembly/wire/linux.ts";
import { LoopConfig, loopFlags } from "../../assembly/wire/loop.ts";
import { CommandFlag, Event, Failure, Partscan, Result, Step, Warning } from "../../host/core.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import {
  count,
  expectGivenBack,
  plainImage,
  type Scene,
  type SceneOptions,
  scene,
  slots,
  told,
} from "./core-scene.ts";

const flags = CommandFlag.OneCall;
const { LO_FLAGS_AUTOCLEAR, LO_FLAGS_PARTSCAN } = LoFlag;

test("LOOP_CONFIGURE scans, and nothing is drained, asked for or told as forced", async () => {
  const stage = await scene();
  const { end, codes } = told(stage, { flags });
  assert.is(end.event, Event.Attached);
  assert.equal(codes, []);
  assert.equal(askedAtConfigure(stage.kernel), [LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN]);
  for (const step of [Step.DrainOpen, Step.DrainList, Step.ScanStatus, Step.ScanSet])
    assert.is(count(stage.bench, step), 0, Step[step]);
  assert.is(end.result[Result.Flags], BigInt(LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN));
  assert.equal(
    end.partitions.map(({ number, byKernel }) => [number, byKernel]),
    [
      [1, true],
      [3, true],
    ],
  );
  assert.is(count(stage.bench, Step.SeqNode), 2, "every partition is proven");
  assert.is(stage.detach(end).event, Event.Detached);
  expectGivenBack(stage.kernel);
});

test("a persistent one keeps the scan that it asked for, and loses AUTOCLEAR", async () => {
  const { kernel, attach } = await scene();
  assert.is(attach({ flags: flags | CommandFlag.Persistent }).event, Event.Attached);
  assert.is(kernel.disk(0).flags, LO_FLAGS_PARTSCAN);
});

for (const [name, command, options] of [
  ["mode user", { partscan: Partscan.User }, {}],
  ["mode none", { partscan: Partscan.None }, {}],
  ["no table", {}, { image: plainImage(), table: [] }],
] as const satisfies readonly [string, Parameters<Scene["attach"]>[0], SceneOptions][]) {
  test(`${name}: nothing is scanned for in LOOP_CONFIGURE`, async () => {
    const { kernel, bench, attach } = await scene(options);
    assert.is(attach({ flags, ...command }).event, Event.Attached);
    assert.equal(askedAtConfigure(kernel), [LO_FLAGS_AUTOCLEAR]);
    assert.is(count(bench, Step.DrainOpen), 1);
  });
}

test("where LOOP_CONFIGURE is unknown the scan is a step of its own", async () => {
  const { kernel, bench, attach } = await scene();
  kernel.hasConfigure = false;
  assert.is(attach({ flags }).event, Event.Attached);
  const asked = kernel.log
    .filter(({ call }) => call.step === Step.SetStatus)
    .map(({ call }) => loopFlags(viewOf(call.bytes), 0));
  assert.equal(asked, [LO_FLAGS_AUTOCLEAR]);
  assert.is(count(bench, Step.DrainOpen), 1);
  assert.is(count(bench, Step.ScanSet), 1);
});

test("a kernel without a parser: again, with partitions of our own", async () => {
  const stage = await scene({ disks: 4 });
  stage.kernel.hasParser = false;
  const { end, codes } = told(stage, { flags });
  assert.equal(codes, [Warning.NoKernelParser]);
  assert.is(end.result[Result.Partscan], BigInt(Partscan.User));
  assert.equal(askedAtConfigure(stage.kernel), [
    LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN,
    LO_FLAGS_AUTOCLEAR,
  ]);
  assert.is(end.result[Result.Flags], BigInt(LO_FLAGS_AUTOCLEAR));
});

test("a device that was lost before is not what a missing partition is blamed on", async () => {
  const { kernel, attach } = await scene({ table: slots.slice(0, 1) });
  kernel.on(Step.Configure, 1, -Errno.EBUSY);
  const end = attach({ flags });
  assert.equal([end.code, end.detail, end.errno], [Failure.PartitionMissing, 3n, 0]);
  expectGivenBack(kernel);
});

/** The flags of each LOOP_CONFIGURE. */
function askedAtConfigure({ log }: ScriptedKernel): number[] {
  return log
    .filter(({ call }) => call.step === Step.Configure)
    .map(({ call }) => loopFlags(viewOf(call.bytes), LoopConfig.Info));
}

function viewOf({ buffer, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset);
}

test.run();
