/**
 * A persistent attach beside a udevd. At its end the writable descriptor is closed, and the lock
 * goes with the process: a udevd that saw the close would read the table again, and those before
 * 259 (with an MBR later ones, too) drop every partition for it. It does not see it, for the
 * descriptor is not of the node that it watches. Where no other node can be had, the core keeps its
 * lock until udevd has answered the close. Both are turned off here to show what they are for.
 *
 * `DISKSEQ_TEST_ROUNDS=50` attaches so many times. Default: 8, on a slow machine a few; and where
 * partitions do go, which is by chance, until one has.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Group, Place } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { detach } from "../../host/index.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { runApart } from "../helpers/apart.ts";
import { type Heard, patientMs } from "../helpers/heard.ts";
import { mbrImage } from "../helpers/images.ts";
import { KernelDecorator } from "../helpers/kernels.ts";
import { note } from "../helpers/note.ts";
import { command } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { slowness } from "../helpers/slowness.ts";
import { openSessionOn } from "../helpers/streams.ts";
import { deadlineMs, Udevd } from "../helpers/udevd.ts";

const needs = ["root", "udevd", "sfdisk", "diskseq"] as const;
/** After the return. */
const lingerMs = 1000;

/** Each in turn: what udevd is at when the descriptor closes, and whether a lock is in its way. */
const ways = [
  { lock: "shared", udev: false },
  { lock: "none", udev: true },
  { lock: "shared", udev: true },
  { lock: "none", udev: false },
] as const;
type Way = (typeof ways)[number];

const { DISKSEQ_TEST_ROUNDS: asked } = process.env;
const deafRounds = Number(asked ?? 100);
const processRounds = Number(asked ?? (slowness > 1 ? ways.length : 8));
const publicRounds = Number(asked ?? (slowness > 1 ? 2 : 8));
const patient = { deadlineMs: deadlineMs + deafRounds * 5000 };

/** One persistent attach, whose process is over when it returns; resolves with its diskseq. */
type Attach = (udevd: Udevd, image: string, way: Way) => Promise<bigint>;

/**
 * Attaches again and again, until that is enough or so many rounds are over; resolves with how many
 * times a partition went, for each way.
 */
async function flaps(
  scene: Scene,
  rounds: number,
  attach: Attach,
  among: readonly Way[] = ways,
  isEnough: (counts: readonly number[]) => boolean = () => false,
): Promise<number[]> {
  const image = await mbrImage(scene.path("d.img"));
  const udevd = await Udevd.start(scene);
  const heard = await udevd.listen();
  const counts = among.map(() => 0);
  let round = 0;
  for (; round < rounds && !isEnough(counts); round++) {
    const index = round % among.length;
    const diskseq = await attach(udevd, image, among[index] ?? ways[0]);
    await sleep(lingerMs);
    await heard.catchUp(udevd.disk);
    const of = (action: string) => partitionsOf(heard, action, diskseq);
    assert.is(new Set(of("add")).size, 4);
    if (of("remove").length > 0) counts[index] = (counts[index] ?? 0) + 1;
    await detach({ device: udevd.device, diskseq }, { timeoutMs: patientMs });
    await udevd.settle();
  }
  const told = among.map(({ lock, udev }, index) => {
    const awaited = udev ? ", udev awaited" : "";
    return `lock ${lock}${awaited}: ${counts[index]} flaps`;
  });
  note(`${round} attaches; ${told.join("; ")}`);
  return counts;
}

function partitionsOf(heard: Heard, action: string, diskseq: bigint): (string | null)[] {
  const events = heard.uevents("kernel", action).filter((event) => event.diskseq === diskseq);
  return events.filter(({ devtype }) => devtype === "partition").map(({ device }) => device);
}

behaviour(
  "no partition goes after the command has returned",
  needs,
  async (scene) => {
    const counts = await flaps(scene, processRounds, async ({ device }, image, way) => {
      const words = ["--device", device, "--lock", way.lock, "--timeout", `${patientMs}ms`];
      const udev = way.udev ? ["--udev"] : [];
      const outcome = await command(["attach", image, "--json", ...words, ...udev]);
      assert.is(outcome.status, 0, outcome.stderr);
      return BigInt(JSON.parse(outcome.stdout).diskseq);
    });
    assert.equal(counts, [0, 0, 0, 0]);
  },
  patient,
);

/** Where no node can be made that only this process sees. */
class PublicKernel extends KernelDecorator {
  override perform(call: KernelCall): number | Promise<number> {
    const isOwn = call.place === Place.Private || call.place === Place.Hidden;
    return call.call === Call.MakeNode && isOwn ? -Errno.EPERM : super.perform(call);
  }
}

/** And udev cannot be heard. */
class DeafKernel extends PublicKernel {
  override perform(call: KernelCall): number | Promise<number> {
    const isUdev = call.call === Call.Subscribe && call.number === Group.Udev;
    return isUdev ? -Errno.EPERM : super.perform(call);
  }
}

/** Attaches and lets go in this process, where it is said that udev may read the table again. */
function attachOn(scene: Scene, kernel: KernelDecorator): Attach {
  const session = openSessionOn(scene, kernel);
  return async ({ number }, image, way) => {
    const warnings: string[] = [];
    const onWarning = ({ code }: { code: string }) => void warnings.push(code);
    const options = { ...way, device: number, persistent: true, timeoutMs: patientMs };
    const attachment = await session.attach(image, { ...options, onWarning });
    await attachment.release();
    assert.ok(warnings.includes("public-node"), warnings.join());
    return attachment.diskseq ?? 0n;
  };
}

behaviour(
  "nor through the public node, whose close udevd is heard to answer",
  needs,
  async (scene) => {
    const attach = attachOn(scene, new PublicKernel(new LinuxKernel()));
    assert.equal(await flaps(scene, publicRounds, attach), [0, 0, 0, 0]);
  },
  patient,
);

behaviour(
  "without all that partitions do go, and it was said that they may",
  // Without a parser the kernel reads no table again.
  [...needs, "parsers"],
  async (scene) => {
    const attach = attachOn(scene, new DeafKernel(new LinuxKernel()));
    const isGone = (counts: readonly number[]) => counts.some((count) => count > 0);
    const isEnough = asked === undefined ? isGone : undefined;
    const unlocked = ways.filter(({ lock }) => lock === "none");
    assert.ok(isGone(await flaps(scene, deafRounds, attach, unlocked, isEnough)));
  },
  patient,
);

await runApart(() => test.run());
