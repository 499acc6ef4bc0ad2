/**
 * Partition tables that nobody can attach safely, and those that can be attached by half.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow } from "../helpers/devices.ts";
import { expectKernelAgrees, expectPartitions, expectRefusal } from "../helpers/expect.ts";
import { damageGpt, moveGptEntry } from "../helpers/gpt.ts";
import { blankImage, expectedPartitions, gptImage, mbrImage } from "../helpers/images.ts";
import { writeMbr } from "../helpers/mbr.ts";
import { kernelHasParsers } from "../helpers/needs.ts";
import { command } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

const needs = ["root", "sfdisk"] as const;

behaviour("a GPT of which both copies are bad is refused", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  damageGpt(image, "primary");
  damageGpt(image, "backup");
  await expectRefused(scene, image, "GPT");
});

for (const copy of ["primary", "backup"] as const) {
  behaviour(`a GPT whose ${copy} copy is bad is attached by the other`, needs, async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const expected = await expectedPartitions(image);
    damageGpt(image, copy);
    const device = await scene.attach(image);
    expectPartitions(device.partitions, expected);
    expectKernelAgrees(device);
    assert.match(device.stderr, /warning: .*GPT/);
    await scene.detach(device.device);
  });
}

for (const partscan of ["kernel", "user"]) {
  behaviour(
    `overlapping GPT partitions are refused with both names (${partscan})`,
    needs,
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      moveGptEntry(image, 2, 6000n, 20_000n);
      await expectRefused(scene, image, /\b1\b.*\b2\b|\b2\b.*\b1\b/, `--partscan=${partscan}`);
    },
  );
}

behaviour(
  "overlapping MBR partitions are refused with both names by user",
  needs,
  async (scene) => {
    await expectRefused(
      scene,
      overlappingMbr(scene),
      /\b1\b.*\b2\b|\b2\b.*\b1\b/,
      "--partscan=user",
    );
  },
);

behaviour(
  "overlapping MBR partitions are fine where the kernel makes them",
  needs,
  async (scene) => {
    const image = overlappingMbr(scene);
    if (await kernelHasParsers()) {
      const device = await scene.attach(image, "--partscan=kernel");
      assert.is(device.partitions.length, 2);
      expectKernelAgrees(device);
      await scene.detach(device.device);
    } else {
      await expectRefused(scene, image, /\b1\b.*\b2\b|\b2\b.*\b1\b/, "--partscan=kernel");
    }
  },
);

for (const [sentence, first, last] of [
  ["ends beyond the image", 80_000n, 1n << 40n],
  ["begins beyond the image", 1n << 40n, (1n << 40n) + 8n],
  ["ends before it begins", 80_000n, 79_000n],
] as const) {
  behaviour(`a GPT partition that ${sentence} is refused by number`, needs, async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    moveGptEntry(image, 3, first, last);
    await expectRefused(scene, image, /\b3\b/);
  });
}

behaviour(
  "an MBR partition that ends beyond the image is clipped, as by the kernel",
  needs,
  async (scene) => {
    const image = blankImage(scene.path("d.img"), 1 << 20);
    writeMbr(image, 0, [{ type: 0x83, start: 64, size: 1 << 20 }]);
    const device = await scene.attach(image);
    assert.equal(
      device.partitions.map(({ start, size }) => [start, size]),
      [[64 * 512, (2048 - 64) * 512]],
    );
    assert.match(device.stderr, /warning: .*\b1\b/);
    expectKernelAgrees(device);
    await scene.detach(device.device);
  },
);

for (const [sentence, links] of [
  ["to itself", [0]],
  ["in a circle", [1000, 2000, 0]],
  ["to its middle", [1000, 2000, 1000]],
] as const) {
  behaviour(
    `1 GiB with a chain of extended partitions that leads ${sentence} is refused`,
    needs,
    async (scene) => {
      const image = blankImage(scene.path("d.img"), 1 << 30);
      const begin = 2048;
      writeMbr(image, 0, [{ type: 5, start: begin, size: 2_000_000 }]);
      let at = begin;
      for (const next of links) {
        const data = { type: 0x83, start: 8, size: 16 };
        writeMbr(image, at, [data, { type: 5, start: next, size: 1_000_000 }]);
        at = begin + next;
      }
      const { tookMs } = await expectRefused(scene, image, "");
      assert.ok(tookMs < 5000, `${tookMs} ms`);
    },
  );
}

behaviour("a chain of extended partitions without end is bounded", needs, async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 30);
  writeMbr(image, 0, [{ type: 5, start: 2048, size: 2_000_000 }]);
  for (let link = 0; link < 2000; link++) {
    const data = { type: 0x83, start: 8, size: 16 };
    const next = { type: 5, start: 32 * (link + 1), size: 1_000_000 };
    writeMbr(image, 2048 + 32 * link, [data, next]);
  }
  const { tookMs } = await expectRefused(scene, image, "");
  assert.ok(tookMs < 5000, `${tookMs} ms`);
});

behaviour("random bytes in the table never do harm", needs, async (scene) => {
  for (let round = 0; round < 20; round++) {
    const image = await (round % 2 === 0 ? mbrImage : gptImage)(scene.path("d.img"));
    writeMbr(image, 0, randomEntries());
    const outcome = await command(["attach", image, "--json"]);
    if (outcome.status === 0) {
      await scene.detach(JSON.parse(outcome.stdout).device);
    } else {
      expectRefusal(outcome, 1);
    }
    assert.equal(boundBelow(scene.directory), []);
  }
});

function overlappingMbr(scene: Scene): string {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  writeMbr(image, 0, [
    { type: 0x83, start: 64, size: 512 },
    { type: 0xef, start: 128, size: 64 },
  ]);
  return image;
}

function randomEntries() {
  const random = (below: number) => Math.floor(Math.random() * below);
  return [0, 0, 0, 0].map(() => ({
    type: [0, 5, 0x83, 0xee, random(256)][random(5)] ?? 0,
    start: random(2) === 0 ? random(131_072) : random(2 ** 32),
    size: random(2) === 0 ? random(131_072) : random(2 ** 32),
  }));
}

async function expectRefused(
  scene: Scene,
  image: string,
  text: string | RegExp,
  ...args: string[]
) {
  const outcome = await command(["attach", image, ...args], { deadlineMs: 20_000 });
  expectRefusal(outcome, 1);
  assert.match(outcome.stderr, text);
  assert.is(outcome.stdout, "");
  assert.equal(boundBelow(scene.directory), []);
  return outcome;
}

test.run();
