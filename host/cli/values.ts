/**
 * Reads the values of options: sizes, durations, numbers of devices, disks and partitions. Pure.
 *
 * Refuses with `ERR_LOOP_ARGUMENT`; the message quotes the offending text and says what is allowed.
 * Knows nothing of the option that the text was given to.
 */
import { isKnownVersion, packVersion } from "../../assembly/kernel/eras.ts";
import { LoopError } from "../errors.ts";
import { escapeText } from "./format.ts";

const sizeMax = 2n ** 63n - 1n;
/** Longest time of a Node timer. */
const durationMaxMs = 2 ** 31 - 1;
/** MINORBITS is 20 (include/linux/kdev_t.h). */
const deviceMax = 2 ** 20 - 1;
/** DISK_MAX_PARTS is 256 (include/linux/blkdev.h), and one is the disk itself. */
const partitionMax = 255;
const diskseqMax = 2n ** 64n - 1n;

const unitPowers: Readonly<Record<string, bigint>> = { "": 0n, K: 1n, M: 2n, G: 3n, T: 4n };
const durationUnitsMs: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Bytes: `4096`, `4K` = `4KiB` = 4096, `4KB` = 4000; K, M, G, T. */
export function parseSize(text: string): bigint {
  if (/^\s*-/.test(text)) {
    throw refusal(text, "a size is not negative");
  }
  const match = /^(\d+)(?:([KMGT])(iB|B)?)?$/i.exec(text);
  if (match === null) {
    throw refusal(text, "a size is a whole number such as 4096, 4K (= 4KiB), 4KB, 1G");
  }
  const [, digits = "", unit = "", suffix = ""] = match;
  const base = suffix.toLowerCase() === "b" ? 1000n : 1024n;
  // The digits are bounded before BigInt sees them: its time grows with their number.
  const significant = digits.replace(/^0+(?=\d)/, "");
  const bytes =
    significant.length > 19
      ? sizeMax + 1n
      : BigInt(significant) * base ** (unitPowers[unit.toUpperCase()] ?? 0n);
  if (bytes > sizeMax) {
    throw refusal(text, `a size is at most ${sizeMax}`);
  }
  return bytes;
}

/** Milliseconds: `500ms`, `20s`, `2m`, `1h`; a bare number is seconds. Rounds up. */
export function parseDuration(text: string): number {
  if (/^\s*-/.test(text)) {
    throw refusal(text, "a duration is not negative");
  }
  const match = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/i.exec(text);
  if (match === null) {
    throw refusal(text, "a duration is such as 500ms, 20s, 2m; a bare number is seconds");
  }
  const [, digits = "", unit = ""] = match;
  const exact = Number(digits) * (durationUnitsMs[unit.toLowerCase()] ?? 1000);
  // 1.1 s is 1100.0000000000002 ms in binary; only a real fraction rounds up.
  const milliseconds = Math.ceil(Number(exact.toFixed(6)));
  if (!(milliseconds <= durationMaxMs)) {
    throw refusal(text, "a duration is at most 24 days");
  }
  return milliseconds;
}

/** The number of a loop device: `3` or `/dev/loop3`. */
export function parseDevice(text: string): number {
  const match = /^(?:\/dev\/loop)?(\d{1,7})$/.exec(text);
  const number = match === null ? Number.NaN : Number(match[1]);
  if (!(number <= deviceMax)) {
    throw refusal(text, `a device is a number up to ${deviceMax} or /dev/loopN`);
  }
  return number;
}

/** A disk sequence number: the kernel counts from 1, in 64 bits. */
export function parseDiskseq(text: string): bigint {
  const diskseq = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  if (diskseq < 1n || diskseq > diskseqMax) {
    throw refusal(text, "a disk sequence number is a whole number from 1");
  }
  return diskseq;
}

export function parseCount(text: string): number {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (count < 1 || !Number.isSafeInteger(count)) {
    throw refusal(text, "a count is a whole number from 1");
  }
  return count;
}

/** Partition numbers: `1,2,5`. In order, each once. */
export function parsePartitions(text: string): number[] {
  const numbers = text.split(",").map((word) => (/^\d{1,3}$/.test(word) ? Number(word) : 0));
  if (numbers.some((number) => number < 1 || number > partitionMax)) {
    throw refusal(text, `partitions are numbers from 1 to ${partitionMax}, such as 1,2,5`);
  }
  return [...new Set(numbers)].sort((one, other) => one - other);
}

function refusal(text: string, rule: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", `'${escapeText(text)}': ${rule}`);
}

/** `sim:6.1.192` as the version of a simulated kernel. */
export function parseKernel(text: string): string {
  if (text.startsWith("sim:")) return parseVersion(text);
  throw refusal(text, "must be sim: and a version of Linux, e.g. sim:6.1.192");
}

/** A version of Linux that the simulated kernel knows; `sim:` may stand before it. */
export function parseVersion(text: string): string {
  const match = /^(?:sim:)?((\d{1,3})\.(\d{1,3})\.(\d{1,3}))$/.exec(text);
  const [, version = "", major, minor, patch] = match ?? [];
  if (match && isKnownVersion(packVersion(Number(major), Number(minor), Number(patch)))) {
    return version;
  }
  throw refusal(text, "no version of Linux that the simulation knows, e.g. 6.1.192");
}
