/**
 * What `doctor` learns from devices: by attaching a small image twice, whether an attach works at
 * all, whether the disk sequence number proves identity, who reads partition tables; then whether
 * the kernel's scan races, and what others left. Leaves nothing behind.
 */
import type { LoopDevice, ScanVerdict } from "../types.ts";
import type { Check } from "./checks.ts";
import { escapeText } from "./format.ts";
import { linuxFilesystem, mebibyte, withImage } from "./image.ts";
import type { Api, Context } from "./table.ts";

/** Checks that attach; rejects only when aborted. */
export async function probe({ loadApi }: Context, signal: AbortSignal): Promise<Check[]> {
  const partitions = [
    { name: "probe", type: linuxFilesystem, start: mebibyte, size: 4 * mebibyte },
  ];
  try {
    const api = await loadApi();
    return await withImage("doctor.img", partitions, async (path) => {
      const started = performance.now();
      const first = await attachOnce(api, path, "kernel", signal);
      const tookMs = performance.now() - started;
      const second = await attachOnce(api, path, "none", signal);
      return [checkAttach(tookMs), checkIdentity(first, second), checkParsers(first)];
    });
  } catch (error) {
    signal.throwIfAborted();
    return [
      {
        name: "attach",
        status: "fail",
        found: "a small image cannot be attached",
        meaning: escapeText(error instanceof Error ? error.message : String(error)),
        advice: "See the checks above.",
      },
    ];
  }
}

const scans: Readonly<Record<ScanVerdict, Omit<Check, "name">>> = {
  fixed: {
    status: "ok",
    found: "fixed",
    meaning: "LOOP_CONFIGURE scans once, whoever opens the device meanwhile.",
    advice: "Attach with --fast: diskseq leaves the scan to it, too.",
  },
  racy: {
    status: "info",
    found: "racy",
    meaning:
      "LOOP_CONFIGURE leaves a second scan to whoever opens the device: with losetup -P " +
      "partitions vanish and appear again. diskseq scans in a step of its own, also with --fast.",
    advice: null,
  },
  unknown: {
    status: "info",
    found: "unknown",
    meaning:
      "Whether the kernel's scan races could not be measured here. diskseq scans in a step of " +
      "its own, also with --fast.",
    advice: null,
  },
};

/** Whether the kernel's own scan races, measured. */
export async function checkScan({ loadApi }: Context, signal: AbortSignal): Promise<Check> {
  signal.throwIfAborted();
  const verdict = await loadApi()
    .then(({ probeScan }) => probeScan())
    .catch(() => "unknown" as const);
  signal.throwIfAborted();
  return { name: "scan", ...scans[verdict] };
}

/** Loop devices whose image is deleted: bound, and probably forgotten. */
export async function checkLeftovers({ loadApi }: Context, signal: AbortSignal): Promise<Check> {
  const name = "leftovers";
  try {
    const { list } = await loadApi();
    const lost = (await list({ signal })).filter(
      ({ backing }) => backing.path?.endsWith(" (deleted)") === true,
    );
    const [one] = lost;
    return one === undefined
      ? { name, status: "ok", found: "none", meaning: "", advice: null }
      : {
          name,
          status: "info",
          found: lost.map(({ device }) => escapeText(device)).join(", "),
          meaning: "The image is deleted; the device keeps its space in use.",
          advice: `If it is yours: 'diskseq detach ${targetOf(one)}'.`,
        };
  } catch (error) {
    signal.throwIfAborted();
    const found = `cannot be listed: ${escapeText(String((error as Error).message))}`;
    return { name, status: "warn", found, meaning: "", advice: null };
  }
}

function targetOf({ device, diskseq }: LoopDevice): string {
  return diskseq === null ? escapeText(device) : `diskseq:${diskseq}`;
}

async function attachOnce(
  api: Api,
  path: string,
  partscan: "kernel" | "none",
  signal: AbortSignal,
): Promise<LoopDevice> {
  const attachment = await api.attach(path, { partscan, timeoutMs: 15_000, signal });
  try {
    const { diskseq, identity, partitions } = attachment;
    return { ...attachment.toJSON(), diskseq, identity, partitions };
  } finally {
    await attachment.detach({ timeoutMs: 15_000 });
  }
}

function checkAttach(tookMs: number): Check {
  return {
    name: "attach",
    status: "ok",
    found: `works, ${tookMs.toFixed(1)} ms`,
    meaning: "A small image was attached and detached twice.",
    advice: null,
  };
}

function checkIdentity(first: LoopDevice, second: LoopDevice): Check {
  const numbers = `${first.diskseq ?? "none"}, then ${second.diskseq ?? "none"}`;
  const rises = first.diskseq !== null && second.diskseq !== null && second.diskseq > first.diskseq;
  return rises && first.identity === "diskseq" && second.identity === "diskseq"
    ? {
        name: "diskseq",
        status: "ok",
        found: `rises: ${numbers}`,
        meaning: "Each attach has a number of its own, which no other attach gets.",
        advice: null,
      }
    : {
        name: "diskseq",
        status: "warn",
        found: numbers,
        meaning: "Two attaches cannot be told apart by number: identity is best effort.",
        advice: "Linux 6.5 has it (5.15.121 and 6.1.39 too).",
      };
}

function checkParsers({ partitions: [partition] }: LoopDevice): Check {
  const name = "partitions";
  if (partition === undefined) {
    return {
      name,
      status: "warn",
      found: "the partition of a small image did not appear",
      meaning: "Neither the kernel nor diskseq made it.",
      advice: "Try 'diskseq attach IMAGE --partscan user'.",
    };
  }
  return partition.by === "kernel"
    ? {
        name,
        status: "ok",
        found: "the kernel reads partition tables",
        meaning: "--partscan kernel is what you get.",
        advice: null,
      }
    : {
        name,
        status: "info",
        found: "the kernel does not read this table (GPT)",
        meaning: "diskseq reads it and adds the partitions itself, as with --partscan user.",
        advice: null,
      };
}
