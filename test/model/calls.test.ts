/**
 * The core's calls one by one, as words and bytes: what each leaves in its bytes, what it answers,
 * and what it refuses.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Call,
  CallWord,
  DatagramFlag,
  DatagramWord,
  DiskWord,
  Group,
  Limit,
  PartitionEntryWord,
  Place,
  StatWord,
} from "../../assembly/abi.ts";
import { ImageKind } from "../../assembly/kernel/setup.ts";
import { BlkpgOperation, Errno, Ioctl, Lock, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { type Model, type ModelImage, type ModelOptions, Step } from "../../host/sim/model.ts";
import { Bench, Image, images, openJsModel } from "../helpers/models.ts";

const RW = OpenFlag.O_RDWR;
const RO = OpenFlag.O_RDONLY;

type Words = Partial<Record<keyof typeof CallWord, number | bigint>>;

test("a device is attached, proven and detached in the core's words", async () => {
  const desk = await Desk.open("6.12.90");
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  desk.clear();
  desk.view.setInt32(0, image, true);
  desk.view.setBigUint64(8 + 24, 1048576n, true);
  desk.view.setInt32(8 + 52, LoFlag.LO_FLAGS_AUTOCLEAR, true);
  desk.put("reference", 8 + 56);
  assert.is(desk.ioctl(device, Ioctl.LOOP_CONFIGURE, 304), 0);
  desk.clear();
  assert.is(desk.ioctl(device, Ioctl.LOOP_GET_STATUS64, 232), 0);
  const field = (at: number) => desk.view.getBigUint64(at, true);
  assert.equal([field(0), field(8), field(24), field(32)], [1n, 1n, 1048576n, 0n]);
  assert.equal([desk.view.getInt32(40, true), desk.view.getInt32(52, true)], [0, 4]);
  assert.is(desk.text(56), "reference");
  desk.view.setBigUint64(24, 0n, true);
  desk.view.setInt32(52, LoFlag.LO_FLAGS_PARTSCAN, true);
  assert.is(desk.ioctl(device, Ioctl.LOOP_SET_STATUS64, 232), 0);
  assert.is(desk.ioctl(device, Ioctl.BLKGETSIZE64, 8), 0);
  assert.is(field(0), BigInt(8 << 20));
  assert.is(desk.ioctl(device, Ioctl.BLKGETDISKSEQ, 8), 0);
  assert.is(field(0), 2n);
  assert.is(desk.ioctl(device, Ioctl.BLKSSZGET, 4), 0);
  assert.is(desk.view.getInt32(0, true), 512);
  assert.is(desk.call(Call.ReadDisk, { Number: 0, Bytes: 64 }), 0);
  const words = [DiskWord.Bound, DiskWord.Diskseq, DiskWord.Major, DiskWord.Minor, DiskWord.Size];
  assert.equal(
    words.map((word) => field(word * 8)),
    [1n, 2n, 7n, 0n, 16384n],
  );
  assert.is(desk.call(Call.ListPartitions, { Number: 0, Bytes: 4096 }), 3);
  const second = PartitionEntryWord.Words * 4;
  assert.is(desk.view.getUint32(second, true), 2);
  assert.is(desk.view.getUint32(second + PartitionEntryWord.Major * 4, true), 259);
  assert.is(field(second + PartitionEntryWord.Start * 4), 4096n);
  assert.is(desk.call(Call.ListPartitions, { Number: 0, Bytes: second }), 1, "those that fit");
  assert.is(desk.value(device, Ioctl.LOOP_CLR_FD), 0);
  assert.is(desk.ioctl(device, Ioctl.LOOP_GET_STATUS64, 232), -Errno.ENXIO);
  assert.is(desk.call(Call.Close, { Descriptor: device }), 0);
  assert.is(desk.call(Call.ListPartitions, { Number: 0, Bytes: 4096 }), 0);
});

test("names find disks, and only loop devices are there", async () => {
  const desk = await Desk.open("6.12.90");
  desk.put("loop0\0", 0);
  assert.is(desk.call(Call.ReadDisk, { Number: -1, Bytes: 64 }), 0);
  for (const name of ["loop1\0", "sda\0", "\0", "loop\0", "loopx\0"]) {
    desk.put(name, 0);
    assert.is(desk.call(Call.ReadDisk, { Number: -1, Bytes: 64 }), -Errno.ENOENT);
    desk.put(name, 0);
    assert.is(desk.call(Call.ListPartitions, { Number: -1, Bytes: 64 }), -Errno.ENOENT);
    desk.put(name, 0);
    assert.is(desk.call(Call.Trigger, { Bytes: 48 }), -Errno.ENOENT);
  }
});

test("descriptors tell what they are of, and lead there again", async () => {
  const desk = await Desk.open("6.12.90");
  const stat = (descriptor: number) => {
    assert.is(desk.call(Call.Fstat, { Descriptor: descriptor, Bytes: 64 }), 0);
    return (word: StatWord) => Number(desk.view.getBigUint64(word * 8, true));
  };
  const kind = (mode: number) => mode & 0xf000;
  const image = desk.call(Call.Open, { Place: Place.Image, Request: OpenFlag.O_PATH });
  let word = stat(image);
  assert.is(kind(word(StatWord.Mode)), 0x8000);
  assert.equal([word(StatWord.Device), word(StatWord.Inode)], [1, 1]);
  assert.is(word(StatWord.Size), 8 << 20);
  const reopen = { Place: Place.Reopen, Descriptor: image, Request: RW };
  const again = desk.call(Call.Open, reopen);
  assert.ok(again > image);
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  word = stat(device);
  assert.equal(
    [kind(word(StatWord.Mode)), word(StatWord.Major), word(StatWord.Minor)],
    [0x6000, 7, 0],
  );
  assert.is(word(StatWord.Rdev), 7 << 8);
  assert.ok(desk.call(Call.Open, { ...reopen, Descriptor: device }) > device);
  const control = desk.call(Call.Open, { Place: Place.Control, Request: RW });
  word = stat(control);
  assert.equal(
    [kind(word(StatWord.Mode)), word(StatWord.Major), word(StatWord.Minor)],
    [0x2000, 10, 237],
  );
  assert.ok(desk.call(Call.Open, { ...reopen, Descriptor: control }) > control);
  const folder = desk.call(Call.Open, { Place: Place.Image, Request: RO }, Image.None + 1);
  assert.is(kind(stat(folder)(StatWord.Mode)), 0x4000);
  assert.is(desk.call(Call.Open, { ...reopen, Descriptor: 99 }), -Errno.ENOENT);
  assert.is(desk.call(Call.Fstat, { Descriptor: 99, Bytes: 64 }), -Errno.EBADF);
  assert.is(desk.call(Call.Open, { Place: Place.None }), -Errno.EINVAL);
  const block = desk.call(Call.Open, { Place: Place.Image, Request: RO }, Image.None + 2);
  word = stat(block);
  assert.equal(
    [kind(word(StatWord.Mode)), word(StatWord.Major), word(StatWord.Minor)],
    [0x6000, 8, 17],
  );
});

test("bytes are read from an image, through a device and its partitions", async () => {
  const desk = await Desk.open("6.12.90");
  const read = (Descriptor: number, Argument: number, Bytes = 4) => {
    const result = desk.call(Call.Pread, { Descriptor, Argument, Bytes });
    return result < 0 ? result : desk.text(0, result);
  };
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  assert.equal([read(image, 1048576), read(image, 1048574)], ["abcd", "\0\0ab"]);
  assert.is(read(image, 1048578), "cdef");
  assert.equal([read(image, 8 << 20), read(image, (8 << 20) - 2)], ["", "\0\0"]);
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  assert.is(read(device, 0), "", "an unbound device has no bytes");
  desk.configure(device, image, LoFlag.LO_FLAGS_PARTSCAN);
  assert.is(read(device, 1048576), "abcd");
  const first = desk.call(Call.Open, { Place: Place.Partition, Number: 0, Partition: 1 });
  assert.is(read(first, 0), "abcd", "which begins there");
  assert.is(read(77, 0), -Errno.EBADF);
  const control = desk.call(Call.Open, { Place: Place.Control, Request: RW });
  assert.is(read(control, 0), -Errno.EINVAL);
  assert.is(desk.value(device, Ioctl.LOOP_CLR_FD), 0);
  desk.call(Call.Close, { Descriptor: device });
  assert.is(desk.call(Call.Fsync, { Descriptor: image }), 0);
  assert.is(desk.call(Call.Fsync, { Descriptor: 99 }), -Errno.EBADF);
});

test("who holds a device, who has an image, who is free", async () => {
  const desk = await Desk.open("6.12.90", { maxLoop: 2 });
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 1, Request: RW });
  assert.equal([desk.call(Call.FindUnbound, { Number: 0 }), desk.find(1n, 1n)], [0, -Errno.ENOENT]);
  desk.configure(device, image, LoFlag.LO_FLAGS_PARTSCAN);
  assert.is(desk.call(Call.FindUnbound, { Number: 1 }), -Errno.ENOENT);
  assert.equal([desk.find(1n, 1n), desk.find(1n, 2n)], [1, -Errno.ENOENT]);
  assert.equal([desk.find(1n, 1n, 1), desk.find(1n, 1n, 2)], [1, -Errno.ENOENT]);
  desk.model.unlink(Image.Gpt);
  assert.is(desk.find(1n, 2n), 1, "its path leads nowhere");
  desk.call(Call.Open, { Place: Place.Partition, Number: 1, Partition: 2 });
  const holders = (Descriptor: number) =>
    desk.call(Call.FindHolders, { Number: 1, Descriptor, Bytes: 32 });
  assert.equal([holders(device), desk.view.getUint8(0)], [1, 0b100]);
  assert.equal([holders(-1), desk.view.getUint8(0)], [2, 0b101]);
});

test("a second device on a block device is found by its number", async () => {
  const desk = await Desk.open("6.12.90");
  const block = desk.call(Call.Open, { Place: Place.Image, Request: RW }, Image.None + 2);
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  desk.configure(device, block, 0);
  assert.equal([desk.find(0x811n, 9n), desk.find(0x812n, 9n)], [0, -Errno.ENOENT]);
});

test("private nodes lead to the device by its number", async () => {
  const desk = await Desk.open("6.12.90");
  for (const place of [Place.Private, Place.Hidden]) {
    const node = { Place: place, Number: 7, Partition: 0, Request: RW };
    assert.is(desk.call(Call.MakeNode, node), 0);
    const device = desk.call(Call.Open, node);
    assert.ok(device >= 0);
    assert.is(desk.call(Call.RemoveNode, node), 0);
    assert.is(desk.call(Call.Close, { Descriptor: device }), 0);
  }
  assert.is(desk.call(Call.MakeNode, { Place: Place.Partition }), -Errno.EINVAL);
});

test("without its public node a device is reached by its number only", async () => {
  const desk = await Desk.open("6.12.90");
  const node = { Place: Place.Disk, Number: 0, Request: RW };
  const own = { Place: Place.Private, Number: 7, Partition: 0, Request: RW };
  assert.is(desk.call(Call.MakeNode, node), -Errno.EEXIST);
  assert.is(desk.call(Call.RemoveNode, node), 0);
  assert.is(desk.call(Call.RemoveNode, node), -Errno.ENOENT);
  assert.is(desk.call(Call.Open, node), -Errno.ENOENT);
  assert.ok(desk.call(Call.Open, own) >= 0);
  assert.is(desk.call(Call.MakeNode, node), 0);
  assert.ok(desk.call(Call.Open, node) >= 0);
  for (const call of [Call.MakeNode, Call.RemoveNode])
    assert.is(desk.call(call, { ...node, Number: 9 }), -Errno.ENOENT);
});

test("loop-control, values and what no device knows", async () => {
  const desk = await Desk.open("6.12.90");
  const control = desk.call(Call.Open, { Place: Place.Control, Request: RW });
  assert.is(desk.value(control, Ioctl.LOOP_CTL_ADD, -1n), 1);
  assert.is(desk.value(control, Ioctl.LOOP_CTL_GET_FREE), 0);
  assert.is(desk.value(control, Ioctl.LOOP_CTL_REMOVE, 1n), 0);
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  assert.is(desk.value(device, Ioctl.LOOP_SET_FD, BigInt(image)), 0);
  assert.is(desk.value(device, Ioctl.LOOP_SET_BLOCK_SIZE, 4096n), 0);
  assert.is(desk.value(device, Ioctl.LOOP_SET_CAPACITY), 0);
  assert.is(desk.value(device, Ioctl.LOOP_SET_DIRECT_IO, 1n), 0);
  assert.is(desk.value(device, Ioctl.BLKFLSBUF), 0);
  assert.is(desk.value(image, Ioctl.BLKFLSBUF), -Errno.ENOTTY);
  assert.is(desk.value(device, Ioctl.BLKRRPART), -Errno.EINVAL);
  assert.is(desk.value(device, 0x1234), -Errno.ENOTTY);
  assert.is(desk.ioctl(device, 0x1234, 8), -Errno.ENOTTY);
  for (const request of [Ioctl.BLKGETSIZE64, Ioctl.BLKGETDISKSEQ, Ioctl.BLKSSZGET]) {
    assert.is(desk.ioctl(image, request, 8), -Errno.ENOTTY);
    assert.is(desk.ioctl(99, request, 8), -Errno.EBADF);
  }
  for (const request of [Ioctl.LOOP_CONFIGURE, Ioctl.LOOP_SET_STATUS64, Ioctl.LOOP_GET_STATUS64]) {
    assert.is(desk.ioctl(device, request, 8), -Errno.EFAULT);
  }
  assert.is((await Desk.open("5.10.223")).oldDiskseq(), -Errno.EINVAL);
  assert.is(desk.call(77 as Call), -Errno.ENOSYS);
  const lock = { Descriptor: device, Request: Lock.LOCK_EX | Lock.LOCK_NB };
  assert.is(desk.call(Call.Flock, lock), 0);
});

test("partitions by BLKPG", async () => {
  const desk = await Desk.open("6.12.91");
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  desk.configure(device, image, 0);
  desk.clear();
  desk.view.setBigUint64(0, 1048576n, true);
  desk.view.setBigUint64(8, 1048576n, true);
  desk.view.setInt32(16, 7, true);
  const add = { Descriptor: device, Request: BlkpgOperation.BLKPG_ADD_PARTITION };
  assert.is(desk.call(Call.Blkpg, { ...add, Bytes: 152 }), 0);
  assert.is(desk.call(Call.Blkpg, { ...add, Bytes: 20 }), -Errno.EFAULT);
  assert.equal(desk.bench.partitions, [7]);
});

test("subscriptions bring datagrams with what the socket says of them", async () => {
  const desk = await Desk.open("6.12.90");
  assert.is(desk.call(Call.Unsubscribe, { Number: Group.Kernel }), -Errno.ENOTCONN);
  assert.is(desk.model.receiveCall(0, Group.Kernel, 0, 8192), -Errno.ENOTCONN);
  assert.is(desk.call(Call.Subscribe, { Number: Group.Kernel }), 0);
  assert.is(desk.call(Call.Subscribe, { Number: Group.Kernel }), -Errno.EALREADY);
  assert.is(desk.call(Call.Subscribe, { Number: Group.Udev }), 1, "no udevd runs");
  assert.is(desk.call(Call.Unsubscribe, { Number: Group.Udev }), 0);
  desk.model.setUdev(true);
  assert.is(desk.call(Call.Subscribe, { Number: Group.Udev }), 0);
  assert.is(desk.call(Call.Subscribe, { Number: Group.None }), -Errno.EINVAL);
  desk.put("loop0\0", 0);
  desk.put("0123456789abcdef", Limit.NameBytes);
  assert.is(desk.call(Call.Trigger, { Bytes: 48 }), 0);
  const bytes = desk.model.receiveCall(0, Group.Kernel, 0, 8192);
  assert.match(desk.text(0, bytes), "SYNTH_UUID=30313233-3435-3637-3839-616263646566\0");
  const word = (name: DatagramWord) => desk.view.getUint32(8192 + name * 4, true);
  assert.equal([word(DatagramWord.Group), word(DatagramWord.Bytes)], [Group.Kernel, bytes]);
  assert.is(word(DatagramWord.Flags), DatagramFlag.Credentials);
  assert.equal([word(DatagramWord.PortId), word(DatagramWord.Pid)], [0, 0]);
  assert.is(desk.model.receiveCall(0, Group.Kernel, 0, 8192), -Errno.EAGAIN);
});

test("udev's record of a device changes when it writes one", async () => {
  const desk = await Desk.open("6.12.90");
  const image = desk.call(Call.Open, { Place: Place.Image, Request: RW });
  const device = desk.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
  desk.configure(device, image, LoFlag.LO_FLAGS_PARTSCAN);
  const record = (major: number, minor: number) => {
    const words = { Number: major, Partition: minor, Bytes: 8 };
    const result = desk.call(Call.ReadRecord, words);
    return result < 0 ? result : desk.view.getBigUint64(0, true);
  };
  for (const [partition, major, minor] of [
    [0, 7, 0],
    [2, 259, 1],
  ] as const) {
    assert.is(record(major, minor), -Errno.ENOENT);
    desk.model.writeRecord(0, partition);
    const first = record(major, minor);
    desk.model.writeRecord(0, partition);
    assert.not.equal(record(major, minor), first);
  }
  assert.is(record(8, 0), -Errno.ENOENT);
});

test("calls that find no free task say so", async () => {
  const desk = await Desk.open("6.12.90", { tasks: 1 });
  desk.words({ Call: Call.Fsync, Descriptor: 0 });
  const task = desk.model.beginCall(0, 0);
  assert.is(desk.model.beginCall(0, 0), -1);
  assert.is(desk.model.stepCall(task), Step.Done);
  assert.is(desk.model.finishCall(task), -Errno.EBADF);
});

/** One process' calls on a model. */
class Desk {
  readonly model: Model;
  readonly bench: Bench;
  readonly view: DataView;

  constructor(model: Model) {
    this.model = model;
    this.bench = new Bench(model);
    const { buffer, byteOffset } = model.buffers;
    this.view = new DataView(buffer, byteOffset, Limit.BufferBytes);
  }

  static async open(version: string, options: Partial<ModelOptions> = {}): Promise<Desk> {
    const content = [{ offset: 1048576n, bytes: new TextEncoder().encode("abcdef") }];
    const all: ModelImage[] = images.map((image, index) =>
      index === Image.Gpt ? { ...image, content } : image,
    );
    all.push({ bytes: 4096, kind: ImageKind.Other });
    all.push({ bytes: 8 << 20, kind: ImageKind.Block, rdev: 0x811n });
    const room = { buffersBytes: Limit.BufferBytes, sockets: 4 };
    return new Desk(await openJsModel({ version, images: all, ...room, ...options }));
  }

  words(words: Words): void {
    const { callWords } = this.model;
    for (let at = 0; at < callWords.byteLength; at += 8) callWords.setBigUint64(at, 0n, true);
    for (const [name, value] of Object.entries(words)) {
      const at = CallWord[name as keyof typeof CallWord] * 8;
      callWords.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    }
  }

  call(kind: Call, words: Words = {}, image = 0): number {
    this.words({ ...words, Call: kind });
    const task = this.model.beginCall(0, image);
    assert.is(this.model.runCall(task), Step.Done);
    return this.model.finishCall(task);
  }

  ioctl(Descriptor: number, Request: number, Bytes: number): number {
    return this.call(Call.IoctlBuffer, { Descriptor, Request, Bytes });
  }

  value(Descriptor: number, Request: number, Argument = 0n): number {
    return this.call(Call.IoctlValue, { Descriptor, Request, Argument });
  }

  configure(device: number, image: number, flags: number): void {
    this.clear();
    this.view.setInt32(0, image, true);
    this.view.setInt32(8 + 52, flags, true);
    assert.is(this.ioctl(device, Ioctl.LOOP_CONFIGURE, 304), 0);
  }

  find(device: bigint, inode: bigint, from = 0): number {
    return this.call(Call.FindBacking, { Argument: device, Argument2: inode, Number: from });
  }

  oldDiskseq(): number {
    const device = this.call(Call.Open, { Place: Place.Disk, Number: 0, Request: RW });
    return this.ioctl(device, Ioctl.BLKGETDISKSEQ, 8);
  }

  clear(): void {
    this.model.buffers.fill(0);
  }

  put(text: string, at: number): void {
    this.model.buffers.set(new TextEncoder().encode(text), at);
  }

  text(at: number, bytes?: number): string {
    const all = new TextDecoder("latin1").decode(this.model.buffers.subarray(at));
    return bytes === undefined ? (all.split("\0")[0] ?? "") : all.slice(0, bytes);
  }
}

test.run();
