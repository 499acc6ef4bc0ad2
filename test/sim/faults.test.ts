/**
 * Faults, losses and seeds on simulated kernels: whatever fails is undone, whatever is lost is told
 * and waited past, and the same seed gives the same run, call for call.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError, Session, SimKernel, type SimOptions, simulate } from "../../host/sim/index.ts";
import { eras, listenTo, mbrImage, numbered, twoSlots } from "../helpers/simulations.ts";

const path = "/images/disk.img";

function open(options: Partial<SimOptions> = {}) {
  const images = { [path]: mbrImage(twoSlots) };
  return simulate({ version: "6.12.90", clock: "virtual", images, ...options });
}

test("a call that fails once is tried again where that helps", async () => {
  for (const errno of ["EBUSY", "EAGAIN"]) {
    const session = open({ faults: [{ call: "LOOP_CONFIGURE", nth: 1, errno }] });
    const warnings: string[] = [];
    const disk = await session.attach(path, { onWarning: ({ message }) => warnings.push(message) });
    assert.is(disk.partitions.length, 2, warnings.join());
    await session.close();
  }
});

test("a call that always fails ends the attach with errno and step, and nothing left", async () => {
  const session = open({ faults: [{ step: "configure", errno: "EIO" }] });
  const error = await session.attach(path).catch((one: LoopError) => one);
  assert.instance(error, LoopError);
  const { code, syscall, step, errno } = error as LoopError;
  assert.equal([code, syscall, step], ["ERR_LOOP_SYSTEM", "LOOP_CONFIGURE", "configure"]);
  assert.is(errno, -5);
  assert.equal(await session.list(), []);
  await session.close();
});

test("whichever call of an attach fails, nothing is left behind", async () => {
  for (const version of ["5.10.223", "6.1.192", "7.2.13"]) {
    const session = open({ version });
    const failed = new Set<string>();
    for (let nth = 1; ; nth++) {
      const kernel = session.kernel.spawn({ faults: [{ nth, errno: "EIO" }] });
      const other = new Session(kernel, { seed: 1n, operations: 4 });
      let calls = 0;
      const onStep = (): void => {
        calls += 1;
      };
      const disk = await other.attach(path, { onStep }).catch((error: unknown) => {
        assert.instance(error, LoopError);
        failed.add((error as LoopError).syscall ?? "");
        return undefined;
      });
      // Whoever lives on must not find what the failed one took.
      if (disk === undefined) {
        assert.equal(await session.list(), [], `${version}, call ${nth}`);
        assert.equal(await session.kernel.findHolders("loop0"), [], `${version}, call ${nth}`);
      }
      const isOver = disk !== undefined && calls < nth;
      await other.close();
      if (isOver) break;
    }
    assert.ok(failed.has("LOOP_CONFIGURE") && failed.size > 5, [...failed].join());
    await session.close();
  }
});

test("a call that takes its time is waited for, until the timeout", async () => {
  const slow = open({ faults: [{ call: "LOOP_CONFIGURE", delayMs: 2000 }] });
  const began = slow.kernel.now();
  const disk = await slow.attach(path);
  assert.ok(slow.kernel.now() - began >= 2_000_000_000n);
  await disk.detach();
  const error = await slow.attach(path, { timeoutMs: 1000 }).catch((one: LoopError) => one);
  assert.is((error as LoopError).code, "ERR_LOOP_TIMEOUT");
  assert.equal(await slow.list(), []);
  await slow.close();
});

test("latency is every call's", async () => {
  const session = open({ latencyMs: 5 });
  const steps: number[] = [];
  await session.attach(path, { onStep: ({ durationMs }) => steps.push(durationMs) });
  assert.ok(steps.length > 10);
  assert.ok(steps.every((ms) => ms >= 5));
  await session.close();
});

test("an errno or a rule that means nothing is refused", () => {
  assert.throws(() => open({ faults: [{ errno: "ENOTHING" }] }), /ENOTHING is no errno/);
});

test("lost events are told, and a wait comes true all the same", async () => {
  for (const loss of [0.3, 1]) {
    const session = open({ version: "7.2.13", loss, seed: 5 });
    const ear = await listenTo(session);
    const wait = session.waitFor({ device: "loop0", partitions: [1, 3] });
    const disk = await session.attach(path);
    assert.is((await wait).result, "ready");
    await disk.detach();
    const told = await ear.stop();
    const lost = told
      .filter((text) => text.startsWith("gap"))
      .reduce((sum, text) => sum + Number(text.slice("gap ".length)), 0);
    const heard = told.filter((text) => !text.startsWith("gap")).length;
    // An attach sends two changes and two adds, a detach two changes and two removes.
    assert.is(heard + lost, 8, told.join());
    assert.ok(lost > 0);
    await session.close();
  }
});

/** Two processes that attach and detach at the same time: what is called and told, as a digest. */
async function race(version: string, seed: number): Promise<string> {
  const kernel = new SimKernel({
    version,
    seed,
    clock: "virtual",
    images: { [path]: mbrImage(twoSlots), "/other.img": mbrImage(twoSlots) },
  });
  const sessions = [kernel, kernel.spawn()].map(
    (one, index) => new Session(one, { seed: BigInt(seed + index), operations: 4 }),
  );
  const [listener] = sessions;
  assert.ok(listener);
  const ear = await listenTo(listener);
  const story: string[] = [];
  await Promise.all(
    sessions.map(async (session, index) => {
      const onStep = ({ syscall, result }: { syscall: string; result: number }): void => {
        story.push(`${index} ${syscall} ${result}`);
      };
      const disk = await session.attach(index === 0 ? path : "/other.img", { onStep });
      assert.equal(
        disk.partitions.map(({ number }) => number),
        [1, 3],
      );
      if (numbered.includes(version)) assert.is(await session.diskseqOf(disk.device), disk.diskseq);
      await disk.detach();
    }),
  );
  story.push(...(await ear.stop()));
  for (const session of sessions) await session.close();
  return createHash("sha256").update(story.join("\n")).digest("hex");
}

for (const version of eras) {
  test(`${version}: two processes at the same time, the same for the same seed`, async () => {
    const digests = new Set<string>();
    for (let seed = 1; seed <= 8; seed++) {
      const first = await race(version, seed);
      assert.is(await race(version, seed), first, `seed ${seed}`);
      digests.add(first);
    }
    assert.ok(digests.size > 4, `${digests.size} orders of 8 seeds`);
  });
}

test.run();
