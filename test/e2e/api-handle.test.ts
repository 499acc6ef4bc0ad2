/**
 * The handle that `attach` returns: how long its device lives, and what data it is.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoopError } from "../../host/errors.ts";
import { attach, detach, toJson } from "../../host/index.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import {
  attribute,
  boundBelow,
  descriptorCount,
  instanceOf,
  numberOf,
} from "../helpers/devices.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { start } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour("await using detaches at the end of the block", ["root", "sfdisk"], async (scene) => {
  {
    await using attachment = await attach(await gptImage(scene.path("d.img")));
    scene.watch(attachment.toJSON());
    assert.is(boundBelow(scene.directory).length, 1);
  }
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("await using after a detach does nothing", ["root"], async (scene) => {
  await using attachment = await attach(blankImage(scene.path("d.img"), 1 << 20));
  assert.is((await attachment.detach()).result, "gone");
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("the plain data is JSON and can be cloned", ["root", "sfdisk"], async (scene) => {
  const attachment = await attach(await gptImage(scene.path("d.img")));
  const json = attachment.toJSON();
  assert.equal(JSON.parse(JSON.stringify(attachment)), json);
  assert.equal(structuredClone(json), json);
  assert.equal(toJson(attachment), json);
  const { diskseq } = attachment;
  assert.is(diskseq, instanceOf(numberOf(attachment.device)));
  assert.is(json.diskseq, diskseq === null ? null : Number(diskseq));
  for (const partition of attachment.partitions) {
    assert.equal(structuredClone(partition), partition);
  }
  await attachment.detach();
});

behaviour("a handle's device goes when it is released", ["root"], async (scene) => {
  const attachment = await attach(blankImage(scene.path("d.img"), 1 << 20));
  assert.is(attachment.persistent, false);
  assert.is(attribute(numberOf(attachment.device), "loop/autoclear"), "1");
  await attachment.release();
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("a persistent device stays when it is released", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const attachment = await attach(image, { persistent: true });
  assert.is(attachment.persistent, true);
  assert.is(attribute(numberOf(attachment.device), "loop/autoclear"), "0");
  await attachment.release();
  assert.is(boundBelow(scene.directory).length, 1);
  const { result, diskseq } = await detach(image);
  assert.is(result, "gone");
  assert.is(diskseq, attachment.diskseq);
});

for (const persistent of [false, true]) {
  const what = persistent ? "stays" : "goes";
  behaviour(
    `persistent ${persistent}: the device ${what} with the process`,
    ["root"],
    async (scene) => {
      const image = blankImage(scene.path("d.img"), 1 << 20);
      const script = `import { attach } from "./build/host/index.js";
      const { device } = await attach(process.argv[1], { persistent: ${persistent} });
      console.log(device);
      process.exit(0);`;
      const args = ["--input-type=module", "--eval", script, image];
      const { stdout, stderr } = await start(process.execPath, args, { directory: packageRoot })
        .outcome;
      assert.match(stdout, /^\/dev\/loop\d+\n$/, stderr);
      assert.is(boundBelow(scene.directory).length, persistent ? 1 : 0);
      if (persistent) {
        await detach(stdout.trim());
      }
    },
  );
}

behaviour("a process that is done ends by itself", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const script = `import { attach, list } from "./build/host/index.js";
    const attachment = await attach(process.argv[1]);
    await list();
    await attachment.detach();`;
  const args = ["--input-type=module", "--eval", script, image];
  const options = { directory: packageRoot, deadlineMs: 10_000 };
  const { status, signal, stderr } = await start(process.execPath, args, options).outcome;
  assert.equal([status, signal], [0, null], stderr);
});

for (const form of ["device", "partition", "image", "diskseq", "both"] as const) {
  const isByNumber = form === "diskseq" ? (["diskseq"] as const) : [];
  behaviour(`detach by ${form}`, ["root", "sfdisk", ...isByNumber], async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const attachment = await attach(image, { persistent: true });
    await attachment.release();
    const { device, diskseq } = attachment;
    const target = {
      device,
      partition: `${device}p2`,
      image,
      diskseq: `diskseq:${diskseq}`,
      both: { device, diskseq },
    }[form];
    const detached = await detach(target);
    assert.equal(detached, { result: "gone", device, diskseq, holders: [] });
  });
}

behaviour("a second detach of a handle says how it ended", ["root"], async (scene) => {
  const attachment = await attach(blankImage(scene.path("d.img"), 1 << 20));
  await attachment.detach();
  const again = await attachment.detach().catch((error: unknown) => error);
  if (again instanceof LoopError) {
    assert.ok(["ERR_LOOP_STALE", "ERR_LOOP_NOT_ATTACHED"].includes(again.code), again.code);
  } else {
    assert.is((again as { result: string }).result, "gone");
  }
});

behaviour("no descriptor is left after many attaches", ["root"], async (scene) => {
  const image = blankImage(scene.path("d.img"), 1 << 20);
  const session = new Session(new LinuxKernel());
  await (await session.attach(image)).detach();
  const before = descriptorCount();
  for (let round = 0; round < 20; round++) {
    await (await session.attach(image)).detach();
  }
  assert.is(descriptorCount(), before);
  await session.close();
});

test.run();
