/**
 * Giving up: by AbortSignal after any call, and by timeout.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError } from "../../host/errors.ts";
import { attach, detach } from "../../host/index.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { boundBelow, descriptorCount } from "../helpers/devices.ts";
import { errorOf, reasonOf } from "../helpers/expect.ts";
import { hold } from "../helpers/holder.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { WatchedKernel } from "../helpers/kernels.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour(
  "an abort after any call undoes and rejects with the reason",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    await (await attach(image)).detach();
    const descriptors = descriptorCount();
    let undone = 0;
    for (let call = 1; call <= 500; call++) {
      const kernel = new WatchedKernel(new LinuxKernel());
      const controller = new AbortController();
      const reason = new Error(`after call ${call}`);
      kernel.after = (_call, index) => {
        if (index === call) controller.abort(reason);
        return undefined;
      };
      const session = new Session(kernel);
      const { signal } = controller;
      const outcome = await session
        .attach(image, { signal, partscan: "user" })
        .catch((error) => error);
      if (!(outcome instanceof Error)) {
        await outcome.detach();
        await session.close();
        if (signal.aborted) continue;
        break;
      }
      undone += 1;
      assert.is(outcome, reason, String(outcome.stack));
      assert.equal(boundBelow(scene.directory), [], `bound after call ${call}`);
      await session.close();
      assert.is(descriptorCount(), descriptors, `descriptors after call ${call}`);
    }
    assert.ok(undone > 10, `${undone} undone`);
  },
);

behaviour("an aborted signal attaches nothing", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const reason = { any: "value" };
  const signal = AbortSignal.abort(reason);
  assert.is(await reasonOf(attach(image, { signal })), reason);
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("AbortSignal.timeout rejects with its TimeoutError", ["root", "flock"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const holder = await hold(scene, "lock", "/dev/loop-control");
  const reason = await reasonOf(attach(image, { signal: AbortSignal.timeout(200) }));
  await holder.stop();
  assert.is((reason as Error).name, "TimeoutError");
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("timeoutMs ends an attach that waits", ["root", "flock"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const holder = await hold(scene, "lock", "/dev/loop-control");
  const began = performance.now();
  await errorOf(attach(image, { timeoutMs: 300 }), "ERR_LOOP_TIMEOUT", "ERR_LOOP_BUSY");
  const took = performance.now() - began;
  await holder.stop();
  assert.ok(took >= 290 && took < 1500, `${took} ms`);
  assert.equal(boundBelow(scene.directory), []);
});

behaviour(
  "an aborted detach rejects with the reason and leaves the handle usable",
  ["root", "sfdisk"],
  async (scene) => {
    const attachment = await attach(await gptImage(scene.path("d.img")));
    const holder = await hold(scene, "open", `${attachment.device}p1`);
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 200);
    assert.is(await reasonOf(attachment.detach({ signal: controller.signal })), reason);
    await holder.stop();
    await attachment.detach().catch((one: unknown) => {
      // What the first one asked of the kernel may have happened with the holder's end.
      assert.ok(one instanceof LoopError);
      assert.ok(["ERR_LOOP_STALE", "ERR_LOOP_NOT_ATTACHED"].includes(one.code), one.message);
    });
  },
);

behaviour("detach of what is not attached says so", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  await errorOf(detach(image), "ERR_LOOP_NOT_ATTACHED");
});

test.run();
