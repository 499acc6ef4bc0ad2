/**
 * What the simulated kernel answers about devices: errors, openers, claims, partitions, backing
 * files, nested devices. Facts of one live kernel (6.18.44, no parsers) where nothing else is said.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Routine } from "../../assembly/kernel/routines.ts";
import { ImageKind } from "../../assembly/kernel/setup.ts";
import { BlkpgOperation, Errno, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { addPartition, attached, Bench, Image, images } from "../helpers/models.ts";

const { LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO, LO_FLAGS_PARTSCAN, LO_FLAGS_READ_ONLY } = LoFlag;
const live = "6.18.44";
const RW = OpenFlag.O_RDWR;
const RO = OpenFlag.O_RDONLY;

test("a device and a changed range tell what they must, and no more", async () => {
  const { bench, device } = await attached(live, Image.None);
  assert.is(bench.call(Routine.Configure, { a: device, b: device }), -Errno.EBUSY);
  assert.is(bench.call(Routine.SetFd, { a: device, b: bench.image(Image.None) }), -Errno.EBUSY);
  const flags = (c: number) => bench.call(Routine.SetStatus, { a: device, c });
  assert.equal([flags(LO_FLAGS_PARTSCAN), flags(LO_FLAGS_AUTOCLEAR), flags(0)], [0, 0, 0]);
  assert.is(bench.model.disk(0)?.flags, LO_FLAGS_PARTSCAN, "it cannot be taken away");
  assert.equal(bench.heard(), []);
  bench.call(Routine.SetStatus, { a: device, e: 1n << 20n });
  assert.equal(bench.heard(), ["change RESIZE(+1)"]);
  bench.model.truncate(Image.None, 16n << 20n);
  bench.call(Routine.SetCapacity, { a: device });
  bench.call(Routine.SetCapacity, { a: device });
  assert.equal(bench.heard(), ["change RESIZE(+1)", "change(+1)"]);
  const size = (b: number) => bench.call(Routine.SetBlockSize, { a: device, b });
  assert.equal([size(4096), size(65536)], [0, 0]);
  assert.equal([size(513), size(131072)], [-Errno.EINVAL, -Errno.EINVAL]);
  assert.equal(bench.heard(), []);
  bench.call(Routine.SetStatus, { a: device, e: 1n << 40n });
  assert.is(bench.model.disk(0)?.size, 0n, "an offset beyond the end");
  const far = { a: device, e: 1n << 63n };
  assert.is(bench.call(Routine.SetStatus, far), -Errno.EOVERFLOW);
});

test("LOOP_CHANGE_FD is announced although it is refused", async () => {
  const { bench, device } = await attached(live, Image.Gpt);
  const other = bench.image(Image.Other);
  assert.is(bench.call(Routine.ChangeFd, { a: device, b: other }), -Errno.EINVAL);
  assert.is(bench.call(Routine.ChangeFd, { a: device, b: 99 }), -Errno.EBADF);
  assert.equal(bench.heard(), ["change(+1)"]);
});

test("BLKRRPART drops what BLKPG made; each refusal has its errno", async () => {
  const { bench, device } = await attached(live, Image.None);
  const reread = (a: number) => bench.call(Routine.Reread, { a });
  assert.is(reread(device), -Errno.EINVAL, "partscan is off");
  bench.call(Routine.SetStatus, { a: device, c: LO_FLAGS_PARTSCAN });
  for (const number of [1, 2]) assert.is(addPartition(bench, device, number), 0);
  const partition = bench.open(RO, 1);
  assert.is(reread(device), -Errno.EBUSY, "a partition is open");
  assert.is(reread(partition), -Errno.EINVAL, "it is no disk");
  bench.close(partition);
  const holder = bench.open(RO | OpenFlag.O_EXCL);
  assert.is(reread(device), -Errno.EBUSY, "another one holds it");
  bench.heard();
  assert.is(reread(holder), 0, "its own hold is no obstacle");
  assert.equal(bench.heard(), ["remove p1(+1)", "remove p2(+1)"]);
});

test("BLKPG refuses what overlaps, what is open, what is not there", async () => {
  const { bench, device } = await attached(live, Image.None);
  assert.is(addPartition(bench, device, 1), 0);
  assert.is(addPartition(bench, device, 1), -Errno.EBUSY);
  assert.is(addPartition(bench, device, 2, 1n), -Errno.EBUSY, "overlap");
  assert.is(addPartition(bench, device, 0, 3n), -Errno.EINVAL);
  assert.is(addPartition(bench, device, 300, 3n), -Errno.EINVAL);
  assert.is(addPartition(bench, device, 3, 100n), -Errno.EINVAL, "beyond the end");
  const blkpg = (b: number, c: number, e = 1n << 20n, f = 512n) =>
    bench.call(Routine.Blkpg, { a: device, b, c, e, f });
  assert.is(blkpg(BlkpgOperation.BLKPG_RESIZE_PARTITION, 1), 0);
  assert.is(blkpg(BlkpgOperation.BLKPG_RESIZE_PARTITION, 1, 2n << 20n), -Errno.EINVAL);
  assert.is(blkpg(BlkpgOperation.BLKPG_RESIZE_PARTITION, 5), -Errno.ENXIO);
  assert.is(blkpg(BlkpgOperation.BLKPG_RESIZE_PARTITION, 1, 1n << 20n, 100n), -Errno.EINVAL);
  assert.is(blkpg(9, 1), -Errno.EINVAL);
  const partition = bench.open(RO, 1);
  assert.is(blkpg(BlkpgOperation.BLKPG_DEL_PARTITION, 1), -Errno.EBUSY);
  assert.is(addPartition(bench, partition, 4, 3n), -Errno.EINVAL, "through a partition");
  bench.close(partition);
  assert.is(blkpg(BlkpgOperation.BLKPG_DEL_PARTITION, 1), 0);
  assert.is(blkpg(BlkpgOperation.BLKPG_DEL_PARTITION, 1), -Errno.ENXIO);
});

test("a detach with a second opener waits for the last close", async () => {
  const { bench, device } = await attached(live, Image.None);
  const second = bench.open(RO);
  assert.is(bench.call(Routine.ClearFd, { a: device }), 0);
  assert.is(bench.model.disk(0)?.flags, LO_FLAGS_AUTOCLEAR);
  const third = bench.open(RO);
  assert.ok(third >= 0, "others may still open");
  for (const file of [device, second]) bench.close(file);
  assert.equal(bench.heard(), []);
  bench.close(third);
  assert.equal(bench.heard(), ["change(+1)", "change MEDIA(+1)"]);
  assert.is(bench.model.disk(0)?.isBound, false);
});

test("after CLR_FD by the only opener the device is in rundown", async () => {
  const { bench, device } = await attached(live, Image.None);
  assert.is(bench.call(Routine.ClearFd, { a: device }), 0);
  assert.is(bench.call(Routine.ClearFd, { a: device }), -Errno.ENXIO);
  assert.is(bench.call(Routine.GetStatus, { a: device }), -Errno.ENXIO);
  assert.is(bench.call(Routine.Configure, { a: device, b: 0 }), -Errno.EBUSY);
  assert.is(bench.open(RO), -Errno.ENXIO);
  const control = bench.model.openControl(0, RW);
  assert.is(bench.call(Routine.ControlRemove, { a: control, b: 0 }), -Errno.EBUSY);
  assert.is(bench.call(Routine.ControlGetFree, { a: control }), 1, "it is passed over");
  assert.is(bench.model.disk(0)?.size, 16384n);
  bench.close(device);
  assert.is(bench.model.disk(0)?.size, 0n);
});

test("on older kernels the same descriptor can attach again at once", async () => {
  const { bench, device } = await attached("6.6.150", Image.None);
  assert.is(bench.call(Routine.ClearFd, { a: device }), 0);
  assert.is(bench.call(Routine.Configure, { a: device, b: bench.image(Image.Gpt) }), 0);
});

test("loop-control answers what it must", async () => {
  const bench = await Bench.open(live, { loops: 3 });
  const control = bench.model.openControl(0, RW);
  const call = (routine: Routine, b = 0) => bench.call(routine, { a: control, b });
  assert.is(call(Routine.ControlAdd, 1 << 20), -Errno.EINVAL);
  assert.is(call(Routine.ControlAdd, (1 << 20) - 1), (1 << 20) - 1);
  assert.is(call(Routine.ControlAdd, -1), 1);
  assert.is(call(Routine.ControlRemove, -1), -Errno.EINVAL);
  assert.is(call(Routine.ControlRemove, 77), -Errno.ENODEV);
  assert.is(call(Routine.ClearFd), -Errno.ENOSYS, "no call of its own");
  assert.is(call(Routine.ControlRemove, 1), 0);
  assert.is(bench.open(RO), 1 + control);
  assert.is(bench.call(Routine.Open, { a: 1, b: RO }), -Errno.ENOENT);
  assert.is(bench.call(Routine.Open, { a: 7, b: RO, c: 1, d: 1 }), -Errno.ENXIO, "a dead node");
});

test("max_part forces partitions on every device, and gives them minors of its own", async () => {
  const bench = await Bench.open("6.12.90", { maxPart: 15 });
  const device = bench.open();
  bench.call(Routine.Configure, { a: device, b: bench.image(Image.Gpt) });
  const disk = bench.model.disk(0);
  assert.is(disk?.isPartscan, true);
  const devnums = disk?.partitions.map(({ major, minor }) => `${major}:${minor}`);
  assert.equal(devnums, ["7:1", "7:2", "7:3"]);
  assert.ok(bench.call(Routine.Open, { a: 7, b: RO, c: 2, d: 1 }) >= 0);
});

test("who reads the disk in units of 4096 finds no table of 512", async () => {
  const bench = await Bench.open(live);
  const device = bench.open();
  const call = { a: device, b: bench.image(Image.Gpt), c: LO_FLAGS_PARTSCAN, d: 4096 };
  assert.is(bench.call(Routine.Configure, call), 0);
  assert.equal(bench.partitions, []);
});

test("a shorter device hides a GPT whose end it lacks", async () => {
  const bench = await Bench.open(live);
  const device = bench.open();
  const call = { a: device, b: bench.image(Image.Gpt), c: LO_FLAGS_PARTSCAN, f: 4n << 20n };
  assert.is(bench.call(Routine.Configure, call), 0);
  assert.equal([bench.model.disk(0)?.size, bench.partitions], [8192n, []]);
});

test("a device that cannot be written to is read-only, whatever was asked", async () => {
  for (const [device, image] of [
    [RO, RW],
    [RW, RO],
  ] as const) {
    const { bench } = await attached(live, Image.None, device, image);
    assert.is(bench.model.disk(0)?.isReadOnly, true);
    assert.is(bench.model.disk(0)?.flags, LO_FLAGS_READ_ONLY);
  }
});

test("direct I/O that cannot be is dropped without a word, or refused when asked for", async () => {
  const list = [...images, { bytes: 8 << 20, deviceBlockSize: 4096 }];
  const bench = await Bench.open(live, { images: list });
  const device = bench.open();
  const call = { a: device, b: bench.model.openImage(0, 3, RW), c: LO_FLAGS_DIRECT_IO, d: 512 };
  assert.is(bench.call(Routine.Configure, call), 0);
  assert.is(bench.model.disk(0)?.isDirectIo, false);
  assert.is(bench.call(Routine.SetDirectIo, { a: device, b: 1 }), -Errno.EINVAL);
  assert.is(bench.call(Routine.SetBlockSize, { a: device, b: 4096 }), 0);
  assert.is(bench.call(Routine.SetDirectIo, { a: device, b: 1 }), 0);
  assert.is(bench.model.disk(0)?.isDirectIo, true);
});

test("backing files: what is refused, and how", async () => {
  const folder = { bytes: 4096, kind: ImageKind.Other };
  const bench = await Bench.open(live, { images: [...images, folder] });
  const device = bench.open();
  const configure = (b: number, c = 0) => bench.call(Routine.Configure, { a: device, b, c });
  assert.is(bench.model.openImage(0, 3, RW), -Errno.EISDIR);
  assert.is(configure(bench.model.openImage(0, 3, RO)), -Errno.EINVAL);
  assert.is(configure(bench.image(Image.None, OpenFlag.O_PATH)), -Errno.EBADF);
  assert.is(configure(200), -Errno.EBADF);
  assert.is(configure(device), -Errno.EBADF, "a device on itself");
  const image = bench.image(Image.None);
  assert.is(configure(image, 2), -Errno.EINVAL, "a flag that nobody knows");
  assert.is(bench.call(Routine.Configure, { a: image, b: image }), -Errno.ENOTTY);
  assert.is(bench.call(Routine.Configure, { a: 77, b: image }), -Errno.EBADF);
  assert.is(bench.model.openImage(0, 9, RO), -Errno.ENOENT);
  assert.is(bench.model.unlink(Image.None), 0);
  assert.is(bench.model.openImage(0, Image.None, RO), -Errno.ENOENT);
  assert.is(configure(image), 0, "who has it open still has it");
});

test("a loop device on a loop device is no circle, and pins it", async () => {
  const bench = await Bench.open(live, { maxLoop: 2, loops: 2 });
  const open = (a: number, b: number) => bench.call(Routine.Open, { a, b });
  const inner = open(0, RW);
  bench.call(Routine.Configure, { a: inner, b: bench.image(Image.Gpt) });
  const outer = open(1, RW);
  assert.is(bench.call(Routine.Configure, { a: outer, b: inner, c: LO_FLAGS_PARTSCAN }), 0);
  assert.is(bench.model.disk(1)?.partitions.length, 3, "the table shines through");
  const again = open(0, RO);
  assert.is(bench.call(Routine.ChangeFd, { a: again, b: outer }), -Errno.EINVAL);
  assert.is(bench.call(Routine.ClearFd, { a: again }), 0);
  for (const file of [inner, again]) bench.close(file);
  assert.is(bench.model.disk(0)?.isBound, true, "the outer one has it open");
  bench.call(Routine.ClearFd, { a: outer });
  bench.close(outer);
  assert.is(bench.model.disk(1)?.isBound, false);
  assert.is(bench.model.disk(0)?.isBound, false, "its last reference went with the outer one");
});

test("an unbound device is no backing file", async () => {
  const bench = await Bench.open(live, { maxLoop: 2, loops: 2 });
  const inner = bench.call(Routine.Open, { a: 0, b: RW });
  const outer = bench.call(Routine.Open, { a: 1, b: RW });
  assert.is(bench.call(Routine.Configure, { a: outer, b: inner }), -Errno.EINVAL);
});

test("dirty pages stop a changed range once, on the kernels that look", async () => {
  for (const [version, errno] of [
    ["5.10.223", Errno.EAGAIN],
    ["6.1.192", 0],
  ] as const) {
    const { bench, device } = await attached(version, Image.None);
    const change = () => bench.call(Routine.SetStatus, { a: device, e: 512n });
    bench.model.dirty(0);
    assert.equal([change(), change()], [errno === 0 ? 0 : -errno, 0]);
    bench.model.dirty(0);
    const size = () => bench.call(Routine.SetBlockSize, { a: device, b: 4096 });
    assert.equal([size(), size()], [errno === 0 ? 0 : -errno, 0]);
  }
});

test.run();
