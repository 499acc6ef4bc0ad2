/** Sizes, durations and device numbers as people write them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  parseCount,
  parseDevice,
  parseDiskseq,
  parseDuration,
  parseKernel,
  parsePartitions,
  parseSize,
  parseVersion,
} from "../../host/cli/values.ts";
import { exitCodeOf, LoopError } from "../../host/errors.ts";

const refuses = (work: () => unknown, text: string) => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof LoopError, `${text}: ${String(error)}`);
    assert.is(exitCodeOf(error), 2);
    assert.ok((error as Error).message.includes(`'${text}'`), (error as Error).message);
    return;
  }
  assert.unreachable(`'${text}' was accepted`);
};

test("a size is bytes, binary units, or decimal units with B", () => {
  const sizes: [string, bigint][] = [
    ["0", 0n],
    ["4096", 4096n],
    ["007", 7n],
    ["4K", 4096n],
    ["4k", 4096n],
    ["4KiB", 4096n],
    ["4KB", 4000n],
    ["3M", 3n << 20n],
    ["3MiB", 3n << 20n],
    ["3MB", 3_000_000n],
    ["2G", 2n << 30n],
    ["2GB", 2_000_000_000n],
    ["1T", 1n << 40n],
    ["1TB", 1_000_000_000_000n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["8388607T", 8_388_607n << 40n],
  ];
  for (const [text, bytes] of sizes) {
    assert.is(parseSize(text), bytes, text);
  }
});

test("a size that is negative, absurd or too large is refused with its text", () => {
  const bad = ["", " ", "-1", "-4K", "+1", "1.5G", "4X", "4 K", "K", "NaN", "Infinity", "0x10"];
  const worse = ["1e3", "4Ki", "4B", "9223372036854775808", "8388608T", "9".repeat(5000), "٣"];
  for (const text of [...bad, ...worse]) {
    refuses(() => parseSize(text), text);
  }
});

test("a duration is milliseconds, seconds, minutes or hours; a bare number is seconds", () => {
  const durations: [string, number][] = [
    ["0", 0],
    ["20", 20_000],
    ["1.5", 1500],
    ["500ms", 500],
    ["20s", 20_000],
    ["1.1s", 1100],
    ["2m", 120_000],
    ["1h", 3_600_000],
    [".5s", 500],
    ["0.1ms", 1],
  ];
  for (const [text, milliseconds] of durations) {
    assert.is(parseDuration(text), milliseconds, text);
  }
});

test("a duration that is negative, absurd or too long is refused with its text", () => {
  const bad = ["", "-1", "-1s", "s", "1 s", "NaN", "Infinity", "1e3", "1d", "1.s"];
  for (const text of [...bad, "600h", "9".repeat(400)]) {
    refuses(() => parseDuration(text), text);
  }
});

test("a device is a number or a node", () => {
  assert.is(parseDevice("0"), 0);
  assert.is(parseDevice("/dev/loop17"), 17);
  for (const text of [
    "",
    "-1",
    "loop0",
    "/dev/loop",
    "/dev/loop0p1",
    "/dev/sda",
    "1048576",
    "1.5",
  ]) {
    refuses(() => parseDevice(text), text);
  }
});

test("what a refusal quotes cannot reach the terminal as a control character", () => {
  try {
    parseSize("\u001b[2J");
    assert.unreachable();
  } catch (error) {
    assert.ok((error as Error).message.startsWith("'\\x1b[2J'"));
  }
});

test("counts and disk sequence numbers are whole and begin with 1", () => {
  assert.equal([parseCount("1"), parseCount("007")], [1, 7]);
  assert.is(parseCount("9007199254740991"), Number.MAX_SAFE_INTEGER);
  assert.equal([parseDiskseq("1"), parseDiskseq("18446744073709551615")], [1n, 2n ** 64n - 1n]);
  for (const text of ["", "0", "-1", "1.5", "x", "1e3", "0x1", " 1", "9".repeat(5000)]) {
    refuses(() => parseCount(text), text);
    refuses(() => parseDiskseq(text), text);
  }
  refuses(() => parseCount("9007199254740992"), "9007199254740992");
  refuses(() => parseDiskseq("18446744073709551616"), "18446744073709551616");
});

test("partitions are numbers from 1 to 255, in order, each once", () => {
  assert.equal(parsePartitions("1"), [1]);
  assert.equal(parsePartitions("10,2,255,2"), [2, 10, 255]);
  for (const text of ["", "0", "256", "1000", "x", "1,", "1, 2", "-1", "1;2", "9".repeat(5000)]) {
    refuses(() => parsePartitions(text), text);
  }
});

test("a simulated kernel is sim: and a version that the simulation knows", () => {
  assert.is(parseKernel("sim:6.1.192"), "6.1.192");
  assert.is(parseVersion("sim:5.4.0"), "5.4.0");
  assert.is(parseVersion("7.2.13"), "7.2.13");
  const bad = [
    "",
    "6.1.192",
    "sim",
    "sim:",
    "sim:6.1",
    "sim:3.2.1",
    "sim:6.1.192-rc1",
    "sim:6.1.1000",
  ];
  for (const text of bad) refuses(() => parseKernel(text), text);
  for (const text of ["", "6", "5.3.99", "8.0.0", "6.1.1.1"])
    refuses(() => parseVersion(text), text);
});

test.run();
