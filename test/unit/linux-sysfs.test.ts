/** sysfs read strictly, from trees made by hand, and the devnum arithmetic. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DiskWord, Limit, PartitionEntryWord } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { encodeDevice, majorOf, minorOf } from "../../host/devnum.ts";
import {
  diskOfDevnum,
  EPROTO,
  errnoOf,
  fillPartitions,
  findBacking,
  findDiskseq,
  findUnbound,
  listNames,
  listPartitions,
  parseDecimal,
  parseDevnum,
  readAttribute,
  readDisk,
  readName,
} from "../../host/linux/sysfs.ts";
import { partitionName } from "../../host/names.ts";

const folders: string[] = [];
test.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A tree of attributes by path; what ends in "/" is an empty directory. */
function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path.endsWith("/") ? path : dirname(path)), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(join(root, path), text);
  }
  return root;
}

/** Entries of a directory; those that are undefined left out. */
function inside(name: string, fields: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(fields).flatMap(([key, text]) =>
    text === undefined ? [] : [[`${name}/${key}`, text]],
  );
  return Object.fromEntries(entries);
}

function partition(name: string, fields: Record<string, string | undefined>) {
  return inside(`loop4/${name}`, fields);
}

/** The name of a disk as a call has it, in as many bytes as the answer takes. */
function named(name: string, size = 8 * DiskWord.Words): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(Buffer.from(name));
  return bytes;
}

const p1 = {
  partition: "1\n",
  dev: "259:7\n",
  start: "2048\n",
  size: "4096\n",
  "holders/": "",
};

function errno(read: () => unknown): number {
  try {
    read();
  } catch (error) {
    return errnoOf(error);
  }
  return 0;
}

test("numbers are decimal and in range, or EPROTO", () => {
  assert.is(parseDecimal("0", 5n), 0n);
  assert.is(parseDecimal("18446744073709551615", 2n ** 64n - 1n), 2n ** 64n - 1n);
  for (const text of ["", " 1", "1 ", "1\n", "+1", "-1", "0x1", "1e3", "NaN", "6", "1_0", "٣"]) {
    assert.is(
      errno(() => parseDecimal(text, 5n)),
      -EPROTO,
      text,
    );
  }
  assert.is(
    errno(() => parseDecimal("18446744073709551616", 2n ** 64n - 1n)),
    -EPROTO,
  );
  assert.equal(parseDevnum("259:1048575"), [259, 1048575]);
  for (const text of ["", "7", "7:", ":0", "7:0:0", "4096:0", "7:1048576", "7:-1", "7: 0"]) {
    assert.is(
      errno(() => parseDevnum(text)),
      -EPROTO,
      text,
    );
  }
});

test("devnums are split and joined as glibc and the kernel do", () => {
  for (const [major, minor] of [
    [7, 0],
    [7, 255],
    [259, 256],
    [4095, 1048575],
    [2048, 0],
  ] as const) {
    const device = BigInt(encodeDevice(major, minor));
    assert.is(majorOf(device), BigInt(major));
    assert.is(minorOf(device), BigInt(minor));
  }
  assert.is(encodeDevice(259, 0x12345), 0x12310345);
  const text = execFileSync("stat", ["--format=%t:%T", "/dev/loop-control"], { encoding: "utf8" });
  const { rdev } = statSync("/dev/loop-control", { bigint: true });
  assert.is(`${majorOf(rdev).toString(16)}:${minorOf(rdev).toString(16)}\n`, text);
});

test("a disk: bound or not, with a diskseq or without, by number or name", () => {
  const disk = { dev: "7:1\n", size: "32768\n" };
  const root = tree({
    ...inside("loop0", { ...disk, diskseq: "18446744073709551615\n", "loop/": "" }),
    ...inside("loop1", disk),
    ...inside("loop2", { ...disk, diskseq: "seven\n" }),
    ...inside("loop4", { ...disk, dev: "7\n" }),
    ...inside("loop5", { ...disk, size: "-1\n" }),
    // others: by their size
    ...inside("sda", { dev: "8:0\n", size: "0\n", "loop/": "" }),
    ...inside("cciss!c0d0", { dev: "104:1048575\n", size: "18446744073709551615\n" }),
    // cannot be opened: one path of many
    ...inside("nvme0c0n1", { size: "8\n" }),
    ...inside("loop6", { dev: "7:6\n" }),
  });
  const bytes = new Uint8Array(8 * DiskWord.Words + 8).subarray(8);
  const read = (number: number, from: Uint8Array = bytes) => {
    assert.is(readDisk(number, from, root), 0);
    const view = new DataView(from.buffer, from.byteOffset);
    const word = (index: DiskWord) => view.getBigUint64(8 * index, true);
    assert.is(word(DiskWord.Diskseq), number === 0 ? 2n ** 64n - 1n : 0n);
    return [DiskWord.Bound, DiskWord.Major, DiskWord.Minor, DiskWord.Size].map(word);
  };
  assert.equal(read(0), [1n, 7n, 1n, 32768n]);
  assert.equal(read(1), [0n, 7n, 1n, 32768n]);
  assert.equal(read(-1, named("loop1")), [0n, 7n, 1n, 32768n]);
  assert.equal(read(-1, named("sda")), [0n, 8n, 0n, 0n]);
  assert.equal(read(-1, named("cciss!c0d0")), [1n, 104n, 1048575n, 2n ** 64n - 1n]);
  for (const number of [2, 4, 5]) {
    assert.is(
      errno(() => readDisk(number, bytes, root)),
      -EPROTO,
    );
  }
  assert.is(readDisk(3, bytes, root), -Errno.ENOENT);
  for (const name of ["nvme0c0n1", "loop6", "loop7", "lo", "loop0 "]) {
    assert.is(readDisk(-1, named(name), root), -Errno.ENOENT, name);
  }
});

test("a disk's name: one that a directory can have, and its NUL", () => {
  const root = tree({ "loop0/dev": "7:0\n", "loop0/size": "0\n" });
  for (const name of ["", ".", "..", "/", "../loop0", "loop0/", "x".repeat(Limit.NameBytes)]) {
    assert.is(readName(named(name, 64)), undefined, name);
    assert.is(readDisk(-1, named(name, 64), root), -Errno.EINVAL, name);
    assert.is(fillPartitions(-1, named(name, 64), root), -Errno.EINVAL, name);
  }
  assert.is(readName(named("")), undefined);
  assert.is(readName(new Uint8Array(0)), undefined);
  assert.is(readName(Buffer.from("loop0")), undefined, "without a NUL");
  assert.is(readName(Buffer.from("loop0\0p1\0")), "loop0");
  assert.is(readName(named("x".repeat(Limit.NameBytes - 1))), "x".repeat(Limit.NameBytes - 1));
});

test("a disk that becomes another one while it is read is read again", () => {
  const root = tree({ "loop0/dev": "7:0\n", "loop0/size": "8\n" });
  // each read of a fifo gets what the next writer has
  const path = join(root, "loop0/diskseq");
  execFileSync("mkfifo", [path]);
  const script = `for seq in 5 6 6 6; do echo $seq >"$0"; sleep 0.05; done`;
  const writer = spawn("sh", ["-c", script, path], { stdio: "ignore" });
  const bytes = new Uint8Array(8 * DiskWord.Words);
  assert.is(readDisk(0, bytes, root), 0);
  assert.is(new DataView(bytes.buffer).getBigUint64(8 * DiskWord.Diskseq, true), 6n);
  writer.kill();
});

test("partitions: in order, whole ones only, nothing that is none", () => {
  const root = tree({
    ...partition("loop4p10", { ...p1, partition: "10\n", dev: "259:1\n" }),
    ...partition("loop4p2", { ...p1, partition: "2\n", size: "36028797018963967\n" }),
    // goes away while it is read
    ...partition("loop4p3", { ...p1, partition: "3\n", size: undefined }),
    // cannot be opened yet
    ...partition("loop4p4", { ...p1, partition: "4\n", "holders/": undefined }),
    ...partition("holders", p1),
    "loop4/loop4p5/": "",
    "loop4/size": "1\n",
    "loop5/": "",
  });
  const bytes = new Uint8Array(8192).fill(0xff);
  assert.is(fillPartitions(4, bytes, root), 2);
  const view = new DataView(bytes.buffer);
  assert.is(view.getUint32(4 * PartitionEntryWord.Number, true), 2);
  assert.is(view.getUint32(4 * PartitionEntryWord.Major, true), 259);
  assert.is(view.getUint32(4 * PartitionEntryWord.Minor, true), 7);
  assert.is(view.getBigUint64(4 * PartitionEntryWord.Start, true), 2048n);
  assert.is(view.getBigUint64(4 * PartitionEntryWord.Size, true), 36028797018963967n);
  assert.is(view.getUint32(4 * PartitionEntryWord.Words, true), 10);
  assert.is(fillPartitions(4, bytes.subarray(0, 63), root), 1);
  assert.is(fillPartitions(5, bytes, root), 0);
  assert.is(fillPartitions(6, bytes, root), -Errno.ENOENT);
  for (const bad of [{ partition: "x" }, { dev: "259" }, { start: "-1\n" }, { size: "" }]) {
    const broken = tree(partition("loop4p1", { ...p1, ...bad }));
    assert.is(
      errno(() => listPartitions("loop4", broken)),
      -EPROTO,
    );
  }
});

test("partitions of any disk, by its name", () => {
  const field = (bytes: Uint8Array, index: number, word: PartitionEntryWord) =>
    new DataView(bytes.buffer).getUint32(4 * (index * PartitionEntryWord.Words + word), true);
  const root = tree({
    ...inside("sda/sda1", p1),
    ...inside("sda/sda12", { ...p1, partition: "12\n", dev: "8:12\n" }),
    ...inside("sda/queue", p1),
    ...inside("nvme0n1/nvme0n1p3", { ...p1, partition: "3\n" }),
    // another one's queue of the same disk
    "nvme0n1/nvme0c0n1/size": "8\n",
    "loop4/size": "0\n",
  });
  const sda = named("sda", 512);
  assert.is(fillPartitions(-1, sda, root), 2);
  assert.is(field(sda, 0, PartitionEntryWord.Number), 1);
  assert.is(field(sda, 1, PartitionEntryWord.Number), 12);
  assert.is(field(sda, 1, PartitionEntryWord.Major), 8);
  const nvme = named("nvme0n1", 512);
  assert.is(fillPartitions(-1, nvme, root), 1);
  assert.is(field(nvme, 0, PartitionEntryWord.Number), 3);
  assert.is(fillPartitions(-1, named("loop4", 512), root), 0);
  assert.is(fillPartitions(-1, named("sdb", 512), root), -Errno.ENOENT);
  assert.is(partitionName("sda", 12), "sda12");
  assert.is(partitionName("nvme0n1", 3), "nvme0n1p3");
  assert.is(partitionName("cciss!c0d0", 1), "cciss!c0d0p1");
});

test("the disk of a diskseq, and of a devnum", () => {
  const root = tree({
    ...inside("devices/sda", { dev: "8:0\n", diskseq: "3\n" }),
    ...inside("devices/sda/sda2", { dev: "8:2\n", partition: "2\n" }),
    ...inside("devices/loop0", { dev: "7:0\n", diskseq: "12\n" }),
    ...inside("devices/loop1", { dev: "7:1\n" }),
    ...inside("devices/sdb", { dev: "8:16\n", diskseq: "4x\n" }),
    "links/": "",
  });
  const link = (devnum: string, to: string) =>
    symlinkSync(`../devices/${to}`, join(root, "links", devnum));
  link("8:0", "sda");
  link("8:2", "sda/sda2");
  link("7:0", "loop0");
  // the number has gone to another device, or to none
  link("8:1", "sda/sda2");
  link("8:3", "sda/sda3");
  const of = (major: number, minor: number) => diskOfDevnum(major, minor, join(root, "links"));
  assert.equal(of(8, 0), { disk: "sda", partition: 0 });
  assert.equal(of(8, 2), { disk: "sda", partition: 2 });
  assert.equal(of(7, 0), { disk: "loop0", partition: 0 });
  for (const minor of [1, 3, 4]) assert.is(of(8, minor), undefined);
  const disks = join(root, "devices");
  assert.is(findDiskseq(12n, disks), "loop0");
  assert.is(findDiskseq(3n, disks), "sda");
  assert.is(findDiskseq(0n, disks), undefined, "which stands for none");
  assert.is(findDiskseq(99n, disks), undefined);
  assert.is(findDiskseq(3n, join(root, "none")), undefined);
});

test("the lowest unbound device from a number up, numbers in numeric order", () => {
  const root = tree({ "loop10/": "", "loop9/loop/": "", "loop2/": "", "loopx/": "", "sda/": "" });
  assert.is(findUnbound(0, root), 2);
  assert.is(findUnbound(3, root), 10);
  assert.is(findUnbound(11, root), -Errno.ENOENT);
});

test("backing files: the same file, a node of the same device, or nowhere", () => {
  const image = join(tree({ "image \xfc": "x" }), "image \xfc");
  const other = join(tree({ other: "x" }), "other");
  const deleted = join(tree({ "gone (deleted)": "x" }), "gone (deleted)");
  const node = "/dev/loop-control";
  const root = tree({
    "loop0/loop/backing_file": `${other}\n`,
    "loop1/loop/backing_file": `${image}\n`,
    "loop2/": "",
    "loop3/loop/backing_file": `${image}\n`,
    "loop20/loop/backing_file": `${deleted}\n`,
    "loop21/loop/backing_file": "/nonexistent/image\n",
    "loop22/loop/backing_file": `${node}\n`,
  });
  const { dev, ino } = statSync(image, { bigint: true });
  assert.is(findBacking(dev, ino, 0, root), 1);
  assert.is(findBacking(dev, ino, 2, root), 3);
  assert.is(findBacking(dev, ino, 4, root), 20, "a file by the name of a deleted one");
  assert.is(findBacking(dev, ino, 21, root), 21, "leads nowhere");
  assert.is(findBacking(dev, ino, 22, root), -Errno.ENOENT);
  assert.is(findBacking(statSync(node, { bigint: true }).rdev, 1n, 22, root), 22);
  assert.is(findBacking(0n, 0n, 22, root), -Errno.ENOENT);
});

test("attributes and names: what is not there, and one newline", () => {
  const root = tree({ "loop0/a": "x\n\n", "loop0/b": "y", "loop0/c/d": "z\n" });
  assert.is(readAttribute("loop0", "a", root), "x\n");
  assert.is(readAttribute("loop0", "b", root), "y");
  assert.is(readAttribute("loop0", "c/d", root), "z");
  assert.is(readAttribute("loop0", "e", root), undefined);
  assert.is(readAttribute("loop0", "a/f", root), undefined);
  assert.is(readAttribute("loop1", "a", root), undefined);
  assert.equal(listNames("loop0", root).sort(), ["a", "b", "c"]);
  assert.equal(listNames(undefined, root), ["loop0"]);
  assert.equal(listNames("loop1", root), []);
});

test.run();
