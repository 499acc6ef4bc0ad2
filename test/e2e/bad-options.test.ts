/**
 * Options that mean nothing: exit code 1 or 2, one clear line, nothing bound.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow } from "../helpers/devices.ts";
import { expectRefusal } from "../helpers/expect.ts";
import { gptImage } from "../helpers/images.ts";
import { command } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

const usage: readonly (readonly string[])[] = [
  ["--sector-size=513"],
  ["--sector-size=256"],
  ["--sector-size=8192"],
  ["--sector-size=0"],
  ["--offset=-1"],
  ["--offset", "-1"],
  ["--size-limit=-4096"],
  ["--offset=99999999999999999999999999"],
  ["--size-limit=1e3"],
  ["--offset=4X"],
  ["--offset="],
  ["--partscan=perhaps"],
  ["--timeout=-1s"],
  ["--timeout=soon"],
  ["--device=loop"],
  ["--device=99999999"],
  ["--no-such-option"],
  ["second-image"],
];

for (const args of usage) {
  behaviour(`attach IMAGE ${args.join(" ")} exits 2`, ["root", "sfdisk"], async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const outcome = await command(["attach", image, ...args]);
    expectRefusal(outcome, 2);
    assert.is(outcome.stdout, "");
    assert.equal(boundBelow(scene.directory), []);
  });
}

for (const args of [
  ["--offset=64M"],
  ["--offset=65M"],
  ["--offset=9223372036854775807"],
  ["--offset=9223372036854775807", "--size-limit=9223372036854775807"],
  ["--reference", "x".repeat(64)],
  ["--reference", "\u00fc".repeat(32)],
]) {
  behaviour(`attach IMAGE ${args.join(" ")} exits 1 or 2`, ["root", "sfdisk"], async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    expectRefusal(await command(["attach", image, ...args]), [1, 2]);
    assert.equal(boundBelow(scene.directory), []);
  });
}

for (const args of [
  ["detach"],
  ["detach", "diskseq:x"],
  ["detach", "diskseq:-1"],
  ["detach", "diskseq:99999999999999999999999"],
  ["detach", "/dev/null"],
  ["detach", "/dev/loop-control"],
  ["detach", "/dev/loop99999"],
  ["detach", "/nowhere/at/all"],
  ["detach", "/etc"],
]) {
  behaviour(`${args.join(" ")} exits 1, 2 or 4`, ["root"], async () => {
    expectRefusal(await command(args), [1, 2, 4]);
  });
}

behaviour("a second detach says that nothing is attached", ["root", "sfdisk"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const device = await scene.attach(image);
  await scene.detach(image);
  expectRefusal(await command(["detach", device.device]), 1);
  expectRefusal(await command(["detach", image]), 1);
});

test.run();
