/**
 * One image, two devices: fine where nobody writes or the bytes differ, refused otherwise.
 * Cases as in util-linux ts/losetup (find-no-re-use ... plain-readonly).
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow, plainAttach, plainDetach } from "../helpers/devices.ts";
import { expectRefusal } from "../helpers/expect.ts";
import { blankImage } from "../helpers/images.ts";
import { command } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

interface Case {
  readonly sentence: string;
  readonly first: readonly string[];
  readonly second: readonly string[];
}

const refused: readonly Case[] = [
  { sentence: "a second writer of the whole image", first: [], second: [] },
  {
    sentence: "ranges that share a part",
    first: ["--offset=1M", "--size-limit=2M"],
    second: ["--offset=2M", "--size-limit=2M"],
  },
  {
    sentence: "a first range that reaches to the end",
    first: ["--offset=1M"],
    second: ["--offset=2M", "--size-limit=2M"],
  },
  {
    sentence: "a writer of a part of a read-only whole",
    first: ["-r"],
    second: ["--offset=2M", "--size-limit=2M"],
  },
  { sentence: "a reader of what another one writes", first: [], second: ["-r"] },
];

for (const { sentence, first, second } of refused) {
  behaviour(`${sentence} is refused, and the holder named`, ["root"], async (scene) => {
    const image = blankImage(scene.path("d.img"), 10 << 20);
    const holder = await scene.attach(image, ...first);
    const outcome = await command(["attach", image, ...second]);
    expectRefusal(outcome, 1, holder.device);
    assert.is(outcome.stdout, "");
    assert.is(boundBelow(scene.directory).length, 1);
    await scene.detach(holder.device);
  });
}

const accepted: readonly Case[] = [
  { sentence: "two read-only attaches of an image", first: ["-r"], second: ["-r"] },
  {
    sentence: "neighbouring ranges with limits",
    first: ["--size-limit=1M"],
    second: ["--offset=1M", "--size-limit=1M"],
  },
  {
    sentence: "a range before one that reaches to the end",
    first: ["--offset=2M"],
    second: ["--offset=1M", "--size-limit=1M"],
  },
  { sentence: "a second writer that insists", first: [], second: ["--allow-overlap"] },
];

for (const { sentence, first, second } of accepted) {
  behaviour(`${sentence}: two devices`, ["root"], async (scene) => {
    const image = blankImage(scene.path("d.img"), 10 << 20);
    const one = await scene.attach(image, ...first);
    const two = await scene.attach(image, ...second);
    assert.is.not(one.device, two.device);
    await scene.detach(one.device);
    await scene.detach(two.device);
  });
}

behaviour("a device that plain losetup made counts too", ["root", "losetup"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 10 << 20);
  const holder = await plainAttach(image);
  expectRefusal(await command(["attach", image]), 1, holder);
  await plainDetach(holder);
  const device = await scene.attach(image);
  await scene.detach(device.device);
});

behaviour("of two that start at once, one attaches", ["root"], async (scene) => {
  for (let round = 0; round < 10; round++) {
    const image = blankImage(scene.path(`d${round}.img`), 10 << 20);
    const outcomes = await Promise.all([1, 2].map(() => command(["attach", image, "--json"])));
    const [winner, loser] = outcomes.sort((a, b) => (a.status ?? 99) - (b.status ?? 99));
    assert.equal([winner?.status, loser?.status], [0, 1], `${winner?.stderr}${loser?.stderr}`);
    const { device } = JSON.parse(winner?.stdout ?? "");
    assert.ok(loser?.stderr.includes(device), loser?.stderr);
    await scene.detach(device);
  }
});

test.run();
