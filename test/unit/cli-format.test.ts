/** What reaches a terminal: escapes, columns, sizes, colours. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeHolder, deviceRow, partitionRow, typeName } from "../../host/cli/describe.ts";
import {
  alignColumns,
  escapeText,
  humanSize,
  jsonLine,
  painter,
  wrap,
} from "../../host/cli/format.ts";
import { errorLines, toJsonError } from "../../host/cli/report.ts";
import type { Context } from "../../host/cli/table.ts";
import { LoopError } from "../../host/errors.ts";
import type { LoopDevice, Partition } from "../../host/types.ts";

test("control characters of any kind are shown, not sent", () => {
  assert.is(escapeText("a\u001b[31mb\u0000\u007f\u009bc"), "a\\x1b[31mb\\x00\\x7f\\x9bc");
  assert.is(escapeText("a\nb\r\tc"), "a\\nb\\r\\tc");
  assert.is(escapeText("a\u202eb\u2028c\u2066"), "a\\u202eb\\u2028c\\u2066");
  assert.is(escapeText("/tmp/Größe 日本.img"), "/tmp/Größe 日本.img");
  for (let code = 0; code < 0x20; code++) {
    assert.not.match(escapeText(String.fromCharCode(code)), /[^ -~]/);
  }
});

test("JSON is one line that means the same and shows no control character", () => {
  const value = { text: "a\u001b\u007f\u009b\u202e\n", big: 42n, none: null };
  const line = jsonLine(value);
  assert.match(line, /^[ -~]+\n$/);
  assert.equal(JSON.parse(line), { ...value, big: 42 });
});

test("sizes are exact or marked", () => {
  assert.is(humanSize(0), "0 B");
  assert.is(humanSize(512), "512 B");
  assert.is(humanSize(1023), "1023 B");
  assert.is(humanSize(1024), "1 KiB");
  assert.is(humanSize(1536), "1.5 KiB");
  assert.is(humanSize(17_408), "17 KiB");
  assert.is(humanSize(8 << 20), "8 MiB");
  assert.is(humanSize((8 << 20) - 512), "~7.9 MiB");
  assert.is(humanSize(2 ** 63), "8 EiB");
});

test("columns are aligned left or right, without spaces at the end", () => {
  const columns = [{ title: "A" }, { title: "B", align: "right" }, { title: "C" }] as const;
  assert.equal(
    alignColumns(columns, [
      ["a", "1", "x"],
      ["日本", "100", ""],
      ["ccc", "20", "y"],
    ]),
    ["a       1  x", "日本  100", "ccc    20  y"],
  );
  assert.equal(alignColumns(columns, []), []);
});

test("long text is wrapped at words", () => {
  assert.equal(wrap("one two three", "  ", 9), ["  one two", "  three"]);
  assert.equal(wrap("unbreakable", "  ", 5), ["  unbreakable"]);
});

test("colours are for terminals of people who did not refuse them", () => {
  assert.is(painter(false, {})("red", "x"), "x");
  assert.is(painter(true, { NO_COLOR: "1" })("red", "x"), "x");
  assert.is(painter(true, { TERM: "dumb" })("red", "x"), "x");
  assert.is(painter(true, { NO_COLOR: "" })("red", "x"), "\u001b[31mx\u001b[39m");
});

test("partition types have names, unknown ones are shown as they are", () => {
  assert.is(typeName("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "EFI system");
  assert.is(typeName("83"), "Linux");
  assert.is(typeName("0x0c"), "FAT32 (LBA)");
  assert.is(typeName("0c"), "FAT32 (LBA)");
  assert.is(typeName("a9"), "a9");
  assert.is(typeName("\u001b"), "\\x1b");
  assert.is(typeName(null), "-");
});

test("names and paths of others are escaped in rows", () => {
  const partition = { number: 1, device: "/dev/loop0p1", start: 512, size: 512, type: "83" };
  const row = partitionRow({ ...partition, name: "\u001b[2J" } as unknown as Partition);
  assert.equal(row, ["1", "/dev/loop0p1", "512 B", "512 B", "Linux", "\\x1b[2J"]);
  assert.is(deviceRow(device({ path: "/a\u001b", dev: null, ino: null }))[2], "/a\\x1b");
});

test("a device without a path shows the inode", () => {
  assert.is(deviceRow(device({ path: null, dev: "8:1", ino: 5 }))[2], "inode 5 on 8:1");
  assert.is(deviceRow(device({ path: null, dev: null, ino: null }))[2], "?");
});

test("flags say what the device is", () => {
  const flags = { readOnly: true, directIO: true, persistent: true, identity: "best-effort" };
  assert.is(deviceRow({ ...device(), ...flags } as LoopDevice)[6], allFlags);
  assert.is(deviceRow({ ...device(), partscan: "none" })[6], "auto");
});

test("holders are sentences", () => {
  const mount = { kind: "mount", path: "/mnt\n", device: "loop0p1" } as const;
  assert.is(describeHolder(mount), "loop0p1 is mounted on /mnt\\n");
  assert.is(
    describeHolder({ kind: "descriptor", pid: 7, command: "cat", device: "loop0" }),
    "loop0 is open in process 7 (cat)",
  );
  assert.is(describeHolder({ kind: "lock", device: "loop0" }), "loop0 is locked by somebody");
});

test("an error is one line; holders and tries are indented; many tries are cut", () => {
  const context = { stderr: { paint: (_: unknown, text: string) => text } } as unknown as Context;
  const one = {
    device: "/dev/loop3",
    step: "configure",
    syscall: "LOOP_CONFIGURE",
    errno: "EBUSY",
  };
  const error = new LoopError("ERR_LOOP_BUSY", "no\nuse", {
    errno: -16,
    tries: Array.from({ length: 20 }, () => one),
    holders: [{ kind: "swap", device: "loop3" }],
  });
  const lines = errorLines("attach", error, context);
  assert.is(lines[0], "diskseq: attach: no\\nuse");
  assert.is(lines[1], "  loop3 is in use as swap");
  assert.is(lines[2], "  (12 earlier tries left out)");
  assert.is(lines.at(-1), "  tried /dev/loop3: configure: LOOP_CONFIGURE: EBUSY");
  assert.is(lines.length, 11);
});

test("the JSON error has every field, null where nothing is known", () => {
  assert.equal(Object.keys(toJsonError(new LoopError("ERR_LOOP_IMAGE", "x"))), jsonErrorKeys);
  const strange = toJsonError(new TypeError("oops"));
  assert.equal([strange.code, strange.errno, strange.message], ["ERR_UNKNOWN", null, "oops"]);
  assert.is(toJsonError("text").message, "text");
});

const allFlags = "ro,dio,persistent,partscan=user,best-effort";
const jsonErrorKeys = "code errno syscall device step message tries holders".split(" ");

function device(backing: LoopDevice["backing"] = { path: "/a", dev: "8:1", ino: 1 }): LoopDevice {
  return {
    device: "/dev/loop0",
    devnum: "7:0",
    diskseq: 1n,
    backing,
    offset: 0,
    sizeLimit: 0,
    sectorSize: 512,
    readOnly: false,
    directIO: false,
    persistent: false,
    partscan: "user",
    partitions: [],
    identity: "diskseq",
  };
}

test.run();
