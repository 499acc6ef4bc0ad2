/**
 * An MBR image made by sfdisk, with an extended partition that holds two logical ones.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, mbrImage } from "../helpers/images.ts";
import { behaviour } from "../helpers/scene.ts";

for (const partscan of ["kernel", "user"]) {
  const sentence = `an MBR image has the partitions that sfdisk reads (${partscan})`;
  behaviour(sentence, ["root", "sfdisk"], async (scene) => {
    const image = await mbrImage(scene.path("d.img"));
    const device = await scene.attach(image, `--partscan=${partscan}`);
    expectPartitions(device.partitions, await expectedPartitions(image));
    expectKernelAgrees(device);
    assert.equal(
      device.partitions.map(({ number }) => number),
      [1, 2, 5, 6],
    );
    await scene.detach(device.device);
  });
}

behaviour("uuids of an MBR are its signature and the number", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await mbrImage(scene.path("d.img")));
  for (const { number, uuid, name } of device.partitions) {
    assert.is(uuid?.toLowerCase(), `c0de5eed-0${number}`);
    assert.is(name, null);
  }
  await scene.detach(device.device);
});

behaviour("an extended partition is two sectors", ["root", "sfdisk"], async (scene) => {
  const device = await scene.attach(await mbrImage(scene.path("d.img")));
  assert.is(device.partitions.find(({ number }) => number === 2)?.size, 1024);
  await scene.detach(device.device);
});

test.run();
