/**
 * `list` shows what `losetup -l`, `lsblk` and sysfs show.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LoopDeviceJson } from "../../host/types.ts";
import { losetupRow, plainAttach, plainDetach } from "../helpers/devices.ts";
import { expectKernelAgrees } from "../helpers/expect.ts";
import { gptImage } from "../helpers/images.ts";
import { command, tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour("list agrees with losetup -l", ["root", "sfdisk", "losetup"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const attached = await scene.attach(image, "--offset=0", "--size-limit=60M", "-r");
  const listed = await listedAs(attached.device);
  const columns =
    "NAME,SIZELIMIT,OFFSET,AUTOCLEAR,PARTSCAN,RO,DIO,LOG-SEC,BACK-INO,MAJ:MIN,BACK-FILE";
  assert.equal(await losetupRow(attached.device, columns), [
    listed.device,
    String(listed.sizeLimit),
    String(listed.offset),
    listed.persistent ? "0" : "1",
    listed.partscan === "kernel" ? "1" : "0",
    listed.readOnly ? "1" : "0",
    listed.directIO ? "1" : "0",
    String(listed.sectorSize),
    String(listed.backing.ino),
    listed.devnum,
    listed.backing.path,
  ]);
  assert.is(listed.readOnly, true);
  assert.is(listed.persistent, true);
  assert.is(listed.backing.path, image);
  await scene.detach(attached.device);
});

behaviour("list agrees with lsblk", ["root", "sfdisk", "lsblk"], async (scene) => {
  const attached = await scene.attach(await gptImage(scene.path("d.img")));
  const listed = await listedAs(attached.device);
  const text = await tool("lsblk", [
    "--bytes",
    "--json",
    "-o",
    "NAME,PATH,MAJ:MIN,SIZE",
    listed.device,
  ]);
  const [disk] = (JSON.parse(text) as { blockdevices: LsblkDevice[] }).blockdevices;
  assert.equal(
    disk?.children?.map((child) => [child.path, child["maj:min"], child.size]),
    listed.partitions.map(({ device, devnum, size }) => [device, devnum, size]),
  );
  expectKernelAgrees(listed);
  await scene.detach(attached.device);
});

behaviour("list says of an attached image what attach said", ["root", "sfdisk"], async (scene) => {
  const { stderr: _, ...attached } = await scene.attach(await gptImage(scene.path("d.img")));
  const listed = await listedAs(attached.device);
  assert.equal(withoutTable(listed), withoutTable(attached));
  await scene.detach(attached.device);
});

behaviour(
  "list shows devices that others attached",
  ["root", "sfdisk", "losetup"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const device = await plainAttach(image);
    const listed = await listedAs(device);
    assert.is(listed.backing.path, image);
    assert.equal(listed.partitions, []);
    await plainDetach(device);
  },
);

interface LsblkDevice {
  readonly path: string;
  readonly "maj:min": string;
  readonly size: number;
  readonly children?: readonly LsblkDevice[];
}

async function listedAs(device: string): Promise<LoopDeviceJson> {
  const { status, stdout, stderr } = await command(["list", "--json"]);
  assert.is(status, 0, stderr);
  const { loops } = JSON.parse(stdout) as { loops: LoopDeviceJson[] };
  const found = loops.find((loop) => loop.device === device);
  assert.ok(found, `${device} is listed`);
  return found;
}

/** What only the attach knew: it read the table; a listing reads sysfs. */
function withoutTable(device: LoopDeviceJson) {
  const partitions = device.partitions.map(({ number, device, devnum, start, size }) => ({
    number,
    device,
    devnum,
    start,
    size,
  }));
  return { ...device, identity: null, partscan: null, partitions };
}

test.run();
