/**
 * What is no image: one clear line, exit code 1, nothing bound, and no open that has effects.
 */
import { mkdirSync, symlinkSync, truncateSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call } from "../../assembly/abi.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { boundBelow } from "../helpers/devices.ts";
import { errorOf, expectRefusal } from "../helpers/expect.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { WatchedKernel } from "../helpers/kernels.ts";
import { command, tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

interface Case {
  readonly sentence: string;
  make(scene: Scene): string | Promise<string>;
}

const cases: readonly Case[] = [
  { sentence: "a missing file", make: (scene) => scene.path("none") },
  { sentence: "an empty file", make: (scene) => blankImage(scene.path("d"), 0) },
  { sentence: "a file of one byte", make: (scene) => blankImage(scene.path("d"), 1) },
  { sentence: "a file of 511 bytes", make: (scene) => blankImage(scene.path("d"), 511) },
  {
    sentence: "a directory",
    make: (scene) => {
      mkdirSync(scene.path("d"));
      return scene.path("d");
    },
  },
  {
    sentence: "a FIFO",
    make: async (scene) => {
      await tool("mkfifo", [scene.path("d")]);
      return scene.path("d");
    },
  },
  { sentence: "a character device", make: () => "/dev/zero" },
  {
    sentence: "a symbolic link to itself",
    make: (scene) => {
      symlinkSync("d", scene.path("d"));
      return scene.path("d");
    },
  },
  { sentence: "a path through a file", make: (scene) => `${blankImage(scene.path("d"), 512)}/x` },
  { sentence: "a name longer than any", make: (scene) => scene.path("d".repeat(5000)) },
];

for (const { sentence, make } of cases) {
  behaviour(`${sentence} is refused`, ["root"], async (scene) => {
    const image = await make(scene);
    const outcome = await command(["attach", image], { deadlineMs: 10_000 });
    expectRefusal(outcome, 1);
    assert.is(outcome.stdout, "");
    assert.equal(boundBelow(scene.directory), []);
  });
}

behaviour("control characters of a name are shown escaped", ["root"], async (scene) => {
  const { stderr } = await command(["attach", scene.path("a\u001b[31m\nb")]);
  assert.not.ok(stderr.includes("\u001b"), "an escape reached the terminal");
  assert.is(stderr.trimEnd().split("\n").length, 1, stderr);
});

behaviour("an empty path is a usage error", ["root"], async () => {
  expectRefusal(await command(["attach", ""]), [1, 2]);
});

behaviour(
  "an image that shrinks while it is read is refused",
  ["root", "sfdisk"],
  async (scene) => {
    for (let read = 1; read <= 100; read++) {
      const image = await gptImage(scene.path(`d${read}.img`));
      const kernel = new WatchedKernel(new LinuxKernel());
      let reads = 0;
      kernel.before = (call) => {
        reads += call.call === Call.Pread ? 1 : 0;
        if (call.call === Call.Pread && reads === read) {
          truncateSync(image, 0);
        }
        return undefined;
      };
      const session = new Session(kernel);
      const attaching = session.attach(image, { timeoutMs: 5000 });
      const attachment = await attaching.catch(() => undefined);
      await attachment?.detach();
      await session.close();
      if (reads < read) {
        assert.ok(read > 1, "it reads");
        return;
      }
      await errorOf(attaching, "ERR_LOOP_IMAGE", "ERR_LOOP_TABLE");
      assert.equal(boundBelow(scene.directory), []);
    }
    assert.unreachable("reads without end");
  },
);

test.run();
