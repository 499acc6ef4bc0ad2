/**
 * The options that `attach` and `run` share, and how they become options of the API.
 */
import type { AttachOptions } from "../types.ts";
import { sessionOptions } from "./api.ts";
import type { Options, Values } from "./table.ts";

export const attachOptions = {
  offset: { kind: "size", default: "0", summary: "first byte of the image that the device shows" },
  sizeLimit: {
    kind: "size",
    default: "0, to the end",
    summary: "how many bytes the device shows",
  },
  sectorSize: {
    kind: "size",
    value: "N",
    choices: ["512", "1024", "2048", "4096"],
    default: "found in the image's GPT, else 512",
    summary: "logical block size: 512, 1024, 2048 or 4096",
  },
  readOnly: { kind: "flag", short: "r", summary: "attach read-only" },
  directIO: { kind: "flag", summary: "ask for direct I/O to the image" },
  partscan: {
    kind: "choice",
    choices: ["kernel", "user", "none"],
    default: "kernel",
    summary:
      "who makes the partitions: the kernel's parsers (falls back to 'user' where it has none), " +
      "those of diskseq, or nobody",
  },
  fast: {
    kind: "flag",
    summary:
      "bind and scan in one call where this kernel is proven not to race ('doctor' tells); the " +
      "proof takes longer than one attach gains",
  },
  device: {
    kind: "device",
    value: "N",
    default: "a free one",
    summary: "the loop device to use, as number or /dev/loopN; made if there is none",
  },
  lock: {
    kind: "choice",
    choices: ["shared", "none"],
    default: "shared",
    summary: "lock the device so that udev cannot re-read it while diskseq holds it",
  },
  allowOverlap: {
    kind: "flag",
    summary: "attach although another loop device shows the same bytes and one can write",
  },
  reference: {
    kind: "text",
    default: "diskseq: and the image's name",
    summary: "text kept in the device (lo_file_name), at most 63 bytes",
  },
  mknod: { kind: "flag", summary: "make nodes that /dev lacks (containers)" },
  udev: {
    kind: "flag",
    summary: "wait also until udev has processed the device and its partitions, where udevd runs",
  },
  timeout: {
    kind: "duration",
    default: "30s",
    summary: "give up and undo after this time; 'run' gives it to its detach too",
  },
  ...sessionOptions,
} as const satisfies Options;

export function toAttachOptions(options: Values<typeof attachOptions>): AttachOptions {
  return {
    readOnly: options.readOnly,
    directIO: options.directIO,
    allowOverlap: options.allowOverlap,
    mknod: options.mknod,
    udev: options.udev,
    fast: options.fast,
    ...given("offset", options.offset),
    ...given("sizeLimit", options.sizeLimit),
    ...given(
      "sectorSize",
      options.sectorSize === undefined ? undefined : Number(options.sectorSize),
    ),
    ...given("partscan", options.partscan),
    ...given("device", options.device),
    ...given("lock", options.lock),
    ...given("reference", options.reference),
    ...given("timeoutMs", options.timeout),
  };
}

/** A property only where there is a value: the API's defaults stay the API's. */
function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}
