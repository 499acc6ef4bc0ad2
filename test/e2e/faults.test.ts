/**
 * Every call of an attach and of a detach fails once, with every errno that it may answer: a retry,
 * or a typed error that names step, call and errno; then nothing of ours is bound, what others
 * bound is untouched, and no descriptor is open.
 *
 * One case alone: `node build/test/e2e/faults.test.js --only user:attach:Configure.1:EBUSY`
 */
import { parseArgs } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call } from "../../assembly/abi.ts";
import { Step } from "../../assembly/core/steps.ts";
import { LoopError } from "../../host/errors.ts";
import type { Kernel, KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import type { Attachment, AttachOptions } from "../../host/types.ts";
import {
  boundBelow,
  descriptorCount,
  diskseqOf,
  isBound,
  numberOf,
  partitionsOf,
  plainAttach,
  plainDetach,
  until,
} from "../helpers/devices.ts";
import { type ErrnoName, errnosOf, negative } from "../helpers/errnos.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import {
  blankImage,
  type ExpectedPartition,
  expectedPartitions,
  gptImage,
} from "../helpers/images.ts";
import { callName, LyingKernel } from "../helpers/kernels.ts";
import { note } from "../helpers/note.ts";
import { behaviour } from "../helpers/scene.ts";

const timeoutMs = 3000;

/** Ways through an attach and a detach that differ in their calls. */
const ways = {
  user: { partscan: "user", persistent: false },
  kernel: { partscan: "kernel", persistent: false },
  /** Detached by name, through a descriptor that the detach opens itself. */
  persistent: { partscan: "user", persistent: true },
} as const satisfies Record<string, AttachOptions>;

type Way = keyof typeof ways;
type Phase = "attach" | "detach";

interface Case {
  readonly way: Way;
  readonly phase: Phase;
  /** `Configure.1`: the first call that the phase makes in that step. */
  readonly place: string;
  readonly errno: ErrnoName;
}

interface Stage {
  /** One for all cases: its threads take longer to start than a case lasts. */
  readonly kernel: Kernel;
  readonly directory: string;
  readonly image: string;
  readonly expected: readonly ExpectedPartition[];
}

const { only } = parseArgs({ options: { only: { type: "string" } }, strict: false }).values;

const wanted = (way: string) => typeof only !== "string" || only.startsWith(`${way}:`);

for (const way of (Object.keys(ways) as Way[]).filter(wanted)) {
  behaviour(
    `no failing call loses a device (${way})`,
    ["root", "sfdisk", "losetup"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const descriptors = descriptorCount();
      const kernel = new LinuxKernel();
      const stage = {
        kernel,
        directory: scene.directory,
        image,
        expected: await expectedPartitions(image),
      };
      const foreign = await plainAttach(blankImage(scene.path("foreign.img"), 1 << 20));
      const diskseq = diskseqOf(numberOf(foreign));
      const cases = (await record(way, stage)).filter(
        (one) => only === undefined || idOf(one) === only,
      );
      assert.ok(cases.length > 0, `no such case: ${only}`);
      const failures: string[] = [];
      let tolerated = 0;
      for (const one of cases) {
        try {
          tolerated += (await play(one, stage)) ? 1 : 0;
        } catch (error) {
          failures.push(`--only ${idOf(one)}: ${(error as Error).message}`);
        }
        assert.ok(isBound(numberOf(foreign)), `${idOf(one)} cleared ${foreign}`);
        assert.is(diskseqOf(numberOf(foreign)), diskseq);
      }
      await plainDetach(foreign);
      await kernel.close();
      assert.is(descriptorCount(), descriptors, "open descriptors of the kernel");
      const summary = `${cases.length} cases, ${tolerated} tolerated, ${failures.length} wrong`;
      note(`${way}: ${summary}`);
      if (failures.length > 0) {
        const how = "one alone: node build/test/e2e/faults.test.js --only CASE";
        throw new Error(`${summary}; ${how}\n${failures.join("\n")}`);
      }
    },
    { deadlineMs: 75_000 },
  );
}

function idOf({ way, phase, place, errno }: Case): string {
  return `${way}:${phase}:${place}:${errno}`;
}

/** The calls of a clean attach and detach, and what can go wrong with each. */
async function record(way: Way, stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const kernel = new LentKernel(stage.kernel);
  const session = new Session(kernel);
  const watch = (phase: Phase) => {
    const placeOf = placer();
    kernel.instead = (call) => {
      const place = placeOf(call);
      cases.push(...errnosOf(call).map((errno) => ({ way, phase, place, errno })));
      return undefined;
    };
  };
  watch("attach");
  const attachment = await session.attach(stage.image, { ...ways[way], timeoutMs });
  kernel.instead = () => undefined;
  await takeAway(session, attachment, () => watch("detach"));
  await session.close();
  return cases;
}

/** Whether the operation succeeded nevertheless. Rejects with what is wrong. */
async function play(one: Case, stage: Stage): Promise<boolean> {
  const descriptors = descriptorCount();
  const kernel = new LentKernel(stage.kernel);
  const session = new Session(kernel);
  const fault = injectInto(kernel, one);
  const ours = () => boundBelow(stage.directory).filter(({ backing }) => backing === stage.image);
  let attachment: Attachment | undefined;
  let error: unknown;
  try {
    if (one.phase === "attach") fault.arm();
    attachment = await session.attach(stage.image, { ...ways[one.way], timeoutMs });
    fault.disarm();
    expectAttached(attachment, stage);
    const begin = one.phase === "detach" ? fault.arm : () => {};
    const warnings = await takeAway(session, attachment, begin);
    fault.disarm();
    if (warnings === 0 && !saysAbsent.includes(one.errno)) {
      expectPartitionsGone(attachment);
    }
  } catch (reason) {
    error = reason;
  }
  fault.disarm();
  if (error !== undefined) {
    // Whoever cannot detach lets go, and the device goes with its last holder.
    await attachment?.release();
  }
  await session.close();
  if (attachment?.persistent && error !== undefined) {
    // It was asked to stay.
    await Promise.all(ours().map(({ device }) => plainDetach(device)));
  }
  // Others of this machine may just have had it open.
  await until(`nothing to be bound (${error})`, () => ours().length === 0, 2000);
  assert.is(descriptorCount(), descriptors, "open descriptors");
  if (fault.injected === undefined) {
    if (error !== undefined) throw error;
  } else {
    expectNamed(error, one.errno, fault.injected);
  }
  return error === undefined;
}

/** Stays open when its session is closed. */
class LentKernel extends LyingKernel {
  override async close(): Promise<void> {}
}

/** By these a kernel says that there is nothing to remove; injected, they lie. */
const saysAbsent: readonly ErrnoName[] = ["ENOENT", "ENXIO"];

/** Detaches; says when its calls begin. Resolves with the number of warnings. */
async function takeAway(session: Session, attachment: Attachment, begin: () => void) {
  let warnings = 0;
  const options = { timeoutMs, onWarning: () => void warnings++ };
  if (attachment.persistent) {
    await attachment.release();
    begin();
    const { device, diskseq } = attachment;
    await session.detach(diskseq === null ? device : `diskseq:${diskseq}`, options);
  } else {
    begin();
    await attachment.detach(options);
  }
  return warnings;
}

/** Puts the errno in place of one call, from `arm` on; a close that fails has closed. */
function injectInto(kernel: LyingKernel, { place, errno }: Case) {
  const fault = {
    injected: undefined as string | undefined,
    arm: () => {
      const placeOf = placer();
      kernel.instead = (call) => {
        if (placeOf(call) !== place) return undefined;
        fault.injected = callName(call);
        return call.call === Call.Close ? undefined : negative(errno);
      };
      kernel.told = (call, result) =>
        call.call === Call.Close && placeOf(undefined) === place ? negative(errno) : result;
    },
    disarm: () => {
      kernel.instead = () => undefined;
      kernel.told = (_call, result) => result;
    },
  };
  return fault;
}

/** Names calls as they come; without a call, the last one again. */
function placer(): (call: KernelCall | undefined) => string {
  const counts = new Map<number, number>();
  let last = "";
  return (call) => {
    if (call !== undefined) {
      const count = (counts.get(call.step) ?? 0) + 1;
      counts.set(call.step, count);
      last = `${Step[call.step]}.${count}`;
    }
    return last;
  };
}

function expectAttached(attachment: Attachment, { expected, image }: Stage): void {
  assert.is(attachment.backing.path, image);
  expectPartitions(attachment.partitions, expected);
  expectKernelAgrees(attachment.toJSON());
}

function expectPartitionsGone({ device, partitions }: Attachment): void {
  const left = isBound(numberOf(device)) ? [] : partitionsOf(numberOf(device));
  const ours = left.filter((one) => partitions.some(({ start }) => start === one.start));
  assert.equal(ours, [], "partitions on an unbound device");
}

/** No error, or one of ours that names step, call and errno. */
function expectNamed(error: unknown, errno: ErrnoName, name: string): void {
  if (error === undefined) {
    return;
  }
  if (!(error instanceof LoopError)) {
    throw error;
  }
  const { code, message, step, syscall } = error;
  const said = `${code} '${message}' (${step}, ${syscall}, ${error.errno}) after ${name}`;
  assert.not.match(code, /^ERR_CORE/, said);
  if (code === "ERR_LOOP_NOT_ATTACHED" && saysAbsent.includes(errno)) {
    return;
  }
  assert.ok(step, `names no step: ${said}`);
  assert.ok(syscall, `names no call: ${said}`);
  assert.is(error.errno, negative(errno), `names another errno: ${said}`);
}

test.run();
