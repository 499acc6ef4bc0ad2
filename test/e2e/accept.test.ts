/**
 * What this kernel answers the simulated one of its version could answer, too: a trace of ours, of
 * all that depends on how the image was opened and which device was there.
 */
import { closeSync, openSync } from "node:fs";
import { release } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blankImage, gptImage } from "../helpers/images.ts";
import { command } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";
import { skip } from "../helpers/skip.ts";
import { openSession } from "../helpers/streams.ts";

behaviour(
  "attaches and their ends are what the simulation has",
  ["root", "sfdisk"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const blank = blankImage(scene.path("b.img"), 1 << 20);
    const path = scene.path("t.ndjson");
    const session = openSession(scene);
    const trace = await session.trace(path);
    const monitor = await session.monitor();
    for (const mode of ["r+", "r"]) {
      const descriptor = openSync(image, mode);
      const disk = await session.attach(descriptor, { onWarning: () => {} });
      assert.is(disk.readOnly, mode === "r");
      await session.waitFor({ device: disk.device, partitions: true });
      await disk.detach();
      closeSync(descriptor);
    }
    const device = 700 + Math.floor(Math.random() * 200);
    const [one, other] = await Promise.all([
      session.attach(image, { partscan: "user" }),
      session.attach(blank, { device, persistent: true }),
    ]);
    await session.detach(other.device);
    await one.detach();
    await monitor.close();
    assert.is(await trace.close(), undefined);
    const judged = await command(["sim", "--validate", path]);
    if (judged.stderr.includes("is no version of Linux")) {
      skip(`what the simulation says of it: ${release()} is not numbered as Linux is`);
      return;
    }
    assert.is(judged.status, 0, judged.stdout + judged.stderr);
    assert.match(judged.stdout, / could: \d{3} calls, /);
  },
);

test.run();
