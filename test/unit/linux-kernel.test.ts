/** LinuxKernel against the real kernel: every call, and what it answers when it fails. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, DiskWord, PartitionEntryWord, Place, StatWord } from "../../assembly/abi.ts";
import { BlkpgOperation, Errno, Ioctl, Lock, OpenFlag } from "../../assembly/wire/linux.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { attach, blkpg, call, real } from "./linux-device.ts";

/** @types/node has no WebAssembly */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { Memory: new (limits: object) => { readonly buffer: ArrayBuffer } };
};

const kernel = new LinuxKernel();
const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));

test.after(async () => {
  await kernel.close();
  rmSync(folder, { recursive: true });
});

function word(bytes: Uint8Array, index: number): bigint {
  return new DataView(bytes.buffer).getBigUint64(8 * index, true);
}

async function openImage(path: string, request = OpenFlag.O_RDONLY): Promise<number> {
  return kernel.perform(call(Call.Open, { place: Place.Image, path, request }));
}

async function diskseq(number: number): Promise<bigint> {
  const bytes = new Uint8Array(8 * DiskWord.Words);
  assert.is(await kernel.perform(call(Call.ReadDisk, { number, bytes })), 0);
  return word(bytes, DiskWord.Diskseq);
}

test("opens, stats, reads and closes an image", async () => {
  const path = join(folder, "image");
  writeFileSync(path, "0123456789");
  const descriptor = await openImage(path);
  assert.ok(descriptor >= 0);
  const flags = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  assert.match(flags, /flags:\s+0?2100000/, "O_CLOEXEC");

  const stat = new Uint8Array(8 * StatWord.Words);
  assert.is(kernel.perform(call(Call.Fstat, { descriptor, bytes: stat })), 0);
  const expected = statSync(path, { bigint: true });
  assert.is(word(stat, StatWord.Mode), expected.mode);
  assert.is(word(stat, StatWord.Device), expected.dev);
  assert.is(word(stat, StatWord.Inode), expected.ino);
  assert.is(word(stat, StatWord.Size), 10n);
  assert.is(word(stat, StatWord.Rdev), 0n);

  const bytes = new Uint8Array(8);
  const read = await kernel.perform(call(Call.Pread, { descriptor, bytes, argument: 4n }));
  assert.is(read, 6);
  assert.is(Buffer.from(bytes).toString(), "456789\0\0");
  assert.is(await kernel.perform(call(Call.Fsync, { descriptor })), 0);

  const again = await kernel.perform(call(Call.Open, { place: Place.Reopen, descriptor }));
  assert.is(statSync(`/proc/self/fd/${again}`, { bigint: true }).ino, expected.ino);
  assert.is(await kernel.perform(call(Call.Close, { descriptor: again })), 0);
  assert.is(await kernel.perform(call(Call.Close, { descriptor })), 0);
});

test("reads into the core's memory, past 64 bytes and at an offset", async () => {
  const memory = new wasm.Memory({ initial: 2, maximum: 2 });
  const path = join(folder, "pattern");
  writeFileSync(path, Buffer.alloc(8192, "abc"));
  const descriptor = await openImage(path);
  const bytes = new Uint8Array(memory.buffer, 4096, 8192);
  assert.is(await kernel.perform(call(Call.Pread, { descriptor, bytes })), 8192);
  assert.is(Buffer.compare(bytes, readFileSync(path)), 0);
  assert.ok(new Uint8Array(memory.buffer, 0, 4096).every((byte) => byte === 0));
  await kernel.perform(call(Call.Close, { descriptor }));
});

test("answers errnos, on the spot and from the pool", async () => {
  const bytes = new Uint8Array(232);
  assert.is(await openImage(join(folder, "none")), -Errno.ENOENT);
  assert.is(await openImage(""), -Errno.ENOENT);
  assert.is(await openImage(`${folder}\0/image`), -Errno.EINVAL);
  const bad = { descriptor: 999_999, bytes, request: Lock.LOCK_UN };
  for (const name of [Call.Close, Call.Fstat, Call.Pread, Call.Fsync, Call.Flock, Call.Blkpg]) {
    assert.is(await kernel.perform(call(name, bad)), -Errno.EBADF, Call[name]);
  }
  assert.is(kernel.perform(call(Call.Fstat, { descriptor: -1, bytes })), -Errno.EBADF);
  for (const request of [Ioctl.LOOP_GET_STATUS64, Ioctl.LOOP_CONFIGURE]) {
    const ioctl = call(Call.IoctlBuffer, { ...bad, request });
    assert.is(await kernel.perform(ioctl), -Errno.EBADF);
  }
  for (const request of [Ioctl.LOOP_CTL_GET_FREE, Ioctl.LOOP_CLR_FD]) {
    const ioctl = call(Call.IoctlValue, { ...bad, request });
    assert.is(await kernel.perform(ioctl), -Errno.EBADF);
  }
  const none = { number: 1_048_000, partition: 3, bytes };
  for (const name of [Call.ReadDisk, Call.ListPartitions, Call.FindBacking, Call.FindUnbound]) {
    assert.is(await kernel.perform(call(name, none)), -Errno.ENOENT, Call[name]);
  }
  for (const place of [Place.Disk, Place.Partition, Place.Private, Place.Hidden]) {
    assert.is(await kernel.perform(call(Call.Open, { ...none, place })), -Errno.ENOENT);
    assert.is(kernel.perform(call(Call.RemoveNode, { ...none, place })), -Errno.ENOENT);
  }
  assert.is(kernel.perform(call(Call.MakeNode, { ...none, place: Place.Disk })), -Errno.ENOENT);
  assert.is(kernel.perform(call(Call.None)), -Errno.ENOSYS);
});

real("attaches: status, diskseq, size, backing", async () => {
  const status = new Uint8Array(232);
  const request = Ioctl.LOOP_GET_STATUS64;
  const device = await attach(kernel);
  const { number, descriptor } = device;
  try {
    const lock = Lock.LOCK_EX | Lock.LOCK_NB;
    assert.is(kernel.perform(call(Call.Flock, { descriptor, request: lock })), 0);
    assert.is(kernel.perform(call(Call.IoctlBuffer, { descriptor, request, bytes: status })), 0);
    const backing = statSync(device.image, { bigint: true });
    assert.is(word(status, 0), backing.dev);
    assert.is(word(status, 1), backing.ino);

    const size = new Uint8Array(8);
    const getSize = { descriptor, request: Ioctl.BLKGETSIZE64, bytes: size };
    assert.is(kernel.perform(call(Call.IoctlBuffer, getSize)), 0);
    assert.is(word(size, 0), 16n << 20n);

    const disk = new Uint8Array(8 * DiskWord.Words);
    assert.is(kernel.perform(call(Call.ReadDisk, { number, bytes: disk })), 0);
    assert.is(word(disk, DiskWord.Bound), 1n);
    const sequence = new Uint8Array(8);
    const getSequence = { descriptor, request: Ioctl.BLKGETDISKSEQ, bytes: sequence };
    assert.is(kernel.perform(call(Call.IoctlBuffer, getSequence)), 0);
    assert.is(word(disk, DiskWord.Diskseq), word(sequence, 0));
    assert.is(word(disk, DiskWord.Size), (16n << 20n) / 512n);
    const named = new Uint8Array(8 * DiskWord.Words);
    named.set(Buffer.from(device.name));
    assert.is(kernel.perform(call(Call.ReadDisk, { number: -1, bytes: named })), 0);
    assert.equal(named, disk);
    assert.is(kernel.findDisk(word(disk, DiskWord.Diskseq)), device.name);
    assert.is(kernel.findDisk(2n ** 63n), undefined);
    const devnum = [DiskWord.Major, DiskWord.Minor].map((name) => Number(word(disk, name)));
    assert.equal(kernel.diskOf(...(devnum as [number, number])), {
      disk: device.name,
      partition: 0,
    });
    assert.is(kernel.diskOf(7, 1_048_000), undefined);

    const stat = new Uint8Array(8 * StatWord.Words);
    assert.is(kernel.perform(call(Call.Fstat, { descriptor, bytes: stat })), 0);
    assert.is(word(stat, StatWord.Major), 7n);
    assert.is(word(stat, StatWord.Minor), BigInt(number));
    assert.is(word(disk, DiskWord.Major), 7n);
    assert.is(word(disk, DiskWord.Minor), BigInt(number));
    assert.is(word(stat, StatWord.Rdev), BigInt(7 << 8) | BigInt(number));

    const find = { argument: backing.dev, argument2: backing.ino, number };
    assert.is(await kernel.perform(call(Call.FindBacking, find)), number);
    const free = await kernel.perform(call(Call.FindUnbound, { number }));
    assert.ok(free === -Errno.ENOENT || free > number);
    assert.is(kernel.readAttribute(device.name, "loop/backing_file"), device.image);
    assert.is(kernel.readAttribute(device.name, "none"), undefined);
    assert.ok(kernel.listNames().includes(device.name));
    assert.ok(kernel.listNames(device.name).includes("holders"));
  } finally {
    await device.release();
  }
});

real("an unbound device answers ENXIO and its diskseq rises with each attach", async () => {
  const device = await attach(kernel);
  const before = await diskseq(device.number);
  const { descriptor } = device;
  const clear = call(Call.IoctlValue, { descriptor, request: Ioctl.LOOP_CLR_FD });
  assert.is(await kernel.perform(clear), 0);
  const bytes = new Uint8Array(232);
  // detached at once: the only opener; somebody else may have bound it anew, but not through us
  const request = Ioctl.LOOP_GET_STATUS64;
  const result = await kernel.perform(call(Call.IoctlBuffer, { descriptor, request, bytes }));
  if (kernel.readAttribute(device.name, "loop/backing_file") === undefined) {
    assert.is(result, -Errno.ENXIO);
  }
  await device.release();
  const next = await attach(kernel);
  assert.ok((await diskseq(next.number)) > before);
  await next.release();
});

real("makes partitions and lists them, and opens them through private nodes", async () => {
  const device = await attach(kernel);
  const { number, descriptor } = device;
  const add = { descriptor, request: BlkpgOperation.BLKPG_ADD_PARTITION };
  const remove = { descriptor, request: BlkpgOperation.BLKPG_DEL_PARTITION };
  const entry = { number: number, bytes: new Uint8Array(8192) };
  try {
    assert.is(kernel.perform(call(Call.ListPartitions, entry)), 0);
    for (const partition of [10, 2]) {
      const bytes = blkpg(partition, partition << 20, 1 << 20);
      assert.is(kernel.perform(call(Call.Blkpg, { ...add, bytes })), 0);
    }
    const again = blkpg(2, 8 << 20, 1 << 20);
    assert.is(kernel.perform(call(Call.Blkpg, { ...add, bytes: again })), -Errno.EBUSY);

    assert.is(kernel.perform(call(Call.ListPartitions, entry)), 2);
    const view = new DataView(entry.bytes.buffer);
    const field = (index: number, name: PartitionEntryWord) =>
      view.getUint32(4 * (index * PartitionEntryWord.Words + name), true);
    assert.is(field(0, PartitionEntryWord.Number), 2);
    assert.is(field(0, PartitionEntryWord.Start), (2 << 20) / 512);
    assert.is(field(1, PartitionEntryWord.Number), 10);
    assert.is(field(1, PartitionEntryWord.Size), (1 << 20) / 512);
    const one = { number, bytes: new Uint8Array(4 * PartitionEntryWord.Words) };
    assert.is(kernel.perform(call(Call.ListPartitions, one)), 1, "as many as fit");

    const named = { number: -1, bytes: new Uint8Array(8192) };
    named.bytes.set(Buffer.from(device.name));
    assert.is(kernel.perform(call(Call.ListPartitions, named)), 2);
    assert.equal(named.bytes.subarray(0, 64), entry.bytes.subarray(0, 64));

    const [major, minor] = [0, 0].map((_, i) => field(0, PartitionEntryWord.Major + i));
    assert.equal(kernel.diskOf(major ?? 0, minor ?? 0), { disk: device.name, partition: 2 });
    const seen = readdirSync("/dev").filter((name) => name.includes(`${major}`));
    for (const place of [Place.Private, Place.Hidden]) {
      const node = { place, number: major ?? 0, partition: minor ?? 0 };
      assert.is(kernel.perform(call(Call.MakeNode, node)), 0);
      assert.is(kernel.perform(call(Call.MakeNode, node)), 0, "there already");
      if (place === Place.Private) {
        assert.equal(
          readdirSync("/dev").filter((name) => name.includes(`${major}`)),
          seen,
        );
      }
      const opened = await kernel.perform(call(Call.Open, { ...node, request: OpenFlag.O_RDWR }));
      assert.ok(opened >= 0, `open: ${opened}`);
      assert.is(kernel.perform(call(Call.RemoveNode, node)), 0);
      const size = new Uint8Array(8);
      const request = Ioctl.BLKGETSIZE64;
      kernel.perform(call(Call.IoctlBuffer, { descriptor: opened, request, bytes: size }));
      assert.is(word(size, 0), 1n << 20n);
      const stat = new Uint8Array(8 * StatWord.Words);
      kernel.perform(call(Call.Fstat, { descriptor: opened, bytes: stat }));
      assert.is(word(stat, StatWord.Major), BigInt(major ?? 0));
      assert.is(word(stat, StatWord.Minor), BigInt(minor ?? 0));
      await kernel.perform(call(Call.Close, { descriptor: opened }));
      assert.is(await kernel.perform(call(Call.Open, node)), -Errno.ENOENT);
    }

    const place = { place: Place.Partition, number, partition: 2 };
    const path = `/dev/${device.name}p2`;
    if (existsSync(path)) {
      // devtmpfs made it: what is there is left alone
      assert.is(kernel.perform(call(Call.MakeNode, place)), -Errno.EEXIST);
      assert.is(kernel.perform(call(Call.RemoveNode, place)), 0);
    }
    assert.is(kernel.perform(call(Call.MakeNode, place)), 0);
    const stats = statSync(path);
    assert.is(stats.mode, 0o60600);
    assert.is(stats.rdev, ((major ?? 0) << 8) | (minor ?? 0));
  } finally {
    for (const partition of [10, 2]) {
      const bytes = blkpg(partition, 0, 0);
      kernel.perform(call(Call.Blkpg, { ...remove, bytes }));
    }
    rmSync(`/dev/${device.name}p2`, { force: true });
    await device.release();
  }
});

real("a device image is found by its devnum, whatever node leads to it", async () => {
  const inner = await attach(kernel);
  const outer = await attach(kernel, `/dev/${inner.name}`);
  try {
    const find = { argument: BigInt((7 << 8) | inner.number), number: outer.number };
    assert.is(await kernel.perform(call(Call.FindBacking, find)), outer.number);
  } finally {
    await outer.release();
    await inner.release();
  }
});

test.run();
