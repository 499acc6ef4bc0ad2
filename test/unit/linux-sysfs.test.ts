/** sysfs read strictly, from trees made by hand, and the devnum arithmetic. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DiskWord, PartitionEntryWord } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import {
  EPROTO,
  encodeDevice,
  errnoOf,
  fillPartitions,
  findBacking,
  findUnbound,
  listNames,
  listPartitions,
  majorOf,
  minorOf,
  parseDecimal,
  parseDevnum,
  readAttribute,
  readDisk,
} from "../../host/linux/sysfs.ts";

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

function partition(name: string, fields: Record<string, string>): Record<string, string> {
  const entries = Object.entries(fields);
  return Object.fromEntries(entries.map(([key, text]) => [`loop4/${name}/${key}`, text]));
}

const p1 = { partition: "1\n", dev: "259:7\n", start: "2048\n", size: "4096\n" };

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

test("a disk: bound or not, with a diskseq or without", () => {
  const root = tree({
    "loop0/diskseq": "18446744073709551615\n",
    "loop0/loop/": "",
    "loop1/": "",
    "loop2/diskseq": "seven\n",
  });
  const bytes = new Uint8Array(8 * DiskWord.Words + 8).subarray(8);
  const words = new DataView(bytes.buffer, 8);
  const word = (index: DiskWord) => words.getBigUint64(8 * index, true);
  assert.is(readDisk(0, bytes, root), 0);
  assert.is(word(DiskWord.Bound), 1n);
  assert.is(word(DiskWord.Diskseq), 2n ** 64n - 1n);
  assert.is(readDisk(1, bytes, root), 0);
  assert.is(word(DiskWord.Bound), 0n);
  assert.is(word(DiskWord.Diskseq), 0n);
  assert.is(
    errno(() => readDisk(2, bytes, root)),
    -EPROTO,
  );
  assert.is(readDisk(3, bytes, root), -Errno.ENOENT);
});

test("partitions: in order, whole ones only, nothing that is none", () => {
  const root = tree({
    ...partition("loop4p10", { ...p1, partition: "10\n", dev: "259:1\n" }),
    ...partition("loop4p2", { ...p1, partition: "2\n", size: "36028797018963967\n" }),
    // goes away while it is read
    ...partition("loop4p3", { partition: "3\n", dev: "259:2\n", start: "0\n" }),
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
