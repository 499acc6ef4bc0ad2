/**
 * Ctrl-C during an attach: it undoes what it did, and the process dies of the signal.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow } from "../helpers/devices.ts";
import { hold } from "../helpers/holder.ts";
import { gptImage } from "../helpers/images.ts";
import { startCommand } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  behaviour(`${signal} during an attach that waits undoes it`, ["root", "flock"], async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    // Nobody attaches by diskseq while another process has the control lock.
    const holder = await hold(scene, "lock", "/dev/loop-control");
    const running = startCommand(["attach", image]);
    await sleep(400);
    running.child.kill(signal);
    const outcome = await running.outcome;
    await holder.stop();
    assert.is(outcome.signal, signal, outcome.stderr);
    assert.is(outcome.stdout, "");
    assert.equal(boundBelow(scene.directory), []);
  });
}

behaviour(
  "a signal at any moment leaves a device or none, as the status says",
  ["root"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const seen = { attached: 0, undone: 0 };
    for (let delay = 0; delay < 300; delay += 12) {
      const running = startCommand(["attach", image, "--json"]);
      await sleep(delay);
      running.child.kill("SIGINT");
      const { status, signal, stdout, stderr } = await running.outcome;
      const bound = boundBelow(scene.directory);
      if (status === 0) {
        seen.attached += 1;
        const { device } = JSON.parse(stdout);
        assert.equal(
          bound.map((one) => one.device),
          [device],
        );
        await scene.detach(device);
      } else {
        seen.undone += 1;
        assert.is(signal, "SIGINT", `after ${delay} ms: ${status} ${stderr}`);
        assert.equal(bound, [], `after ${delay} ms`);
      }
    }
    assert.ok(seen.undone > 0);
  },
);

behaviour("a second signal does not cut the undo short", ["root", "flock"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const holder = await hold(scene, "lock", "/dev/loop-control");
  const running = startCommand(["attach", image]);
  await sleep(400);
  running.child.kill("SIGINT");
  running.child.kill("SIGINT");
  const { signal } = await running.outcome;
  await holder.stop();
  assert.is(signal, "SIGINT");
  assert.equal(boundBelow(scene.directory), []);
});

test.run();
