/**
 * What is known of kernel releases, as far as users of loop devices feel it. Pure.
 *
 * By version number only: distributions backport without changing it, so `doctor` also measures.
 */

export interface KernelFact {
  readonly status: "warn" | "info";
  readonly text: string;
}

type Version = readonly [major: number, minor: number, patch: number];
type Range = readonly [first: string, last: string];

interface RangedFact extends KernelFact {
  /** Both ends included; without a patch number, all patches of the last one. */
  readonly ranges: readonly Range[];
}

const facts: readonly RangedFact[] = [
  {
    ranges: [["0.0", "5.7"]],
    status: "warn",
    text:
      "There is no LOOP_CONFIGURE: binding takes two calls, and a crash between them leaves the " +
      "device bound.",
  },
  {
    ranges: [["0.0", "5.14"]],
    status: "warn",
    text: "There is no disk sequence number: identity is best effort (inode and offset).",
  },
  {
    ranges: [
      ["5.15.0", "5.15.120"],
      ["5.16", "6.0"],
      ["6.1.0", "6.1.38"],
      ["6.2", "6.4"],
    ],
    status: "warn",
    text: "The disk sequence number does not rise at an attach: identity is best effort.",
  },
  {
    ranges: [["5.15.132", "5.15.196"]],
    status: "warn",
    text: "Partitions cannot be added by BLKPG: --partscan user does not work.",
  },
  {
    ranges: [
      ["5.15.181", "5.15"],
      ["6.1.135", "6.1"],
      ["6.6.88", "6.6.140"],
      ["6.12.25", "6.12.90"],
      ["6.15", "6.17"],
      ["6.18.0", "6.18.32"],
      ["6.19", "7.0"],
    ],
    status: "info",
    text:
      "losetup -P races here: who opens the device in the middle of it makes partitions vanish " +
      "and appear again. diskseq scans in a separate step, which does not.",
  },
];

/** `6.1.0-18-amd64` is 6.1.0. */
export function parseRelease(release: string): Version | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

export function factsOf(release: string): readonly KernelFact[] {
  const version = parseRelease(release);
  return version === undefined
    ? []
    : facts.filter(({ ranges }) => ranges.some((range) => isWithin(version, range)));
}

function isWithin(version: Version, [first, last]: Range): boolean {
  const from = parseRelease(first) ?? version;
  const [major, minor, patch] = parseRelease(last) ?? version;
  const whole = !/\.\d+\./.test(last);
  const to: Version = [major, minor, whole ? Number.POSITIVE_INFINITY : patch];
  return compare(version, from) >= 0 && compare(version, to) <= 0;
}

function compare(one: Version, other: Version): number {
  const index = one.findIndex((part, position) => part !== other[position]);
  return index < 0 ? 0 : (one[index] ?? 0) - (other[index] ?? 0);
}
