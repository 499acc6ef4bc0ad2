/**
 * Options checked and turned into the core's numbers. Every refusal names the option and the
 * value.
 */
import { CommandFlag, Limit, Partscan } from "./core.ts";
import { LoopError } from "./errors.ts";
import type { AttachOptions, DetachOptions, PartscanMode } from "./types.ts";

export const defaultTimeoutMs = 30_000;

const partscans: Record<PartscanMode, Partscan> = {
  kernel: Partscan.Kernel,
  user: Partscan.User,
  none: Partscan.None,
};

export interface CheckedAttach {
  readonly flags: number;
  readonly timeoutNs: bigint;
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly sectorSize: number;
  readonly partscan: Partscan;
  readonly number: number;
  readonly reference: Uint8Array | undefined;
  readonly isPersistent: boolean;
}

export function checkAttachOptions(options: AttachOptions): CheckedAttach {
  const sectorSize = options.sectorSize ?? 0;
  if (![0, 512, 1024, 2048, 4096].includes(sectorSize)) {
    throw refuse("sectorSize", sectorSize, "512, 1024, 2048 or 4096");
  }
  const partscan = partscans[options.partscan ?? "kernel"];
  if (partscan === undefined) throw refuse("partscan", options.partscan, "kernel, user or none");
  const lock = options.lock ?? "shared";
  if (lock !== "shared" && lock !== "none") throw refuse("lock", lock, "shared or none");
  const number = options.device ?? -1;
  const isChosen = options.device !== undefined;
  if (isChosen && (!Number.isInteger(number) || number < 0 || number > 0xfffff)) {
    throw refuse("device", number, "a loop number from 0 to 1048575");
  }
  let flags = 0;
  if (options.readOnly) flags |= CommandFlag.ReadOnly;
  if (options.directIO) flags |= CommandFlag.DirectIo;
  if (options.persistent) flags |= CommandFlag.Persistent;
  if (options.allowOverlap) flags |= CommandFlag.AllowOverlap;
  if (options.mknod) flags |= CommandFlag.MakeNodes;
  if (options.udev) flags |= CommandFlag.Udev;
  if (lock === "none") flags |= CommandFlag.NoLock;
  return {
    flags,
    timeoutNs: timeoutNs(options.timeoutMs),
    offset: bytes("offset", options.offset ?? 0),
    sizeLimit: bytes("sizeLimit", options.sizeLimit ?? 0),
    sectorSize,
    partscan,
    number,
    reference: reference(options.reference),
    isPersistent: options.persistent ?? false,
  };
}

/** The timeout in ns. */
export function checkDetachOptions(options: DetachOptions): bigint {
  return timeoutNs(options.timeoutMs);
}

export function partscanOf(mode: Partscan): PartscanMode {
  return mode === Partscan.Kernel ? "kernel" : mode === Partscan.User ? "user" : "none";
}

function bytes(name: string, value: number | bigint): bigint {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  const wanted = "whole bytes from 0 to 2^63 - 1 (a bigint above 2^53)";
  if (!isWhole) throw refuse(name, value, wanted);
  const big = BigInt(value);
  if (big < 0n || big >= 0x7fffffff_00000000n) throw refuse(name, value, wanted);
  return big;
}

/** The timeout of a wait in ms; by default it has none. */
export function waitTimeoutMs(milliseconds: number = Number.POSITIVE_INFINITY): number {
  if (milliseconds !== 0) timeoutNs(milliseconds);
  return milliseconds;
}

function timeoutNs(milliseconds: number = defaultTimeoutMs): bigint {
  if (milliseconds === Number.POSITIVE_INFINITY) return 0n;
  if (!(milliseconds > 0 && milliseconds <= 1e12)) {
    throw refuse("timeoutMs", milliseconds, "milliseconds above 0, or Infinity");
  }
  return BigInt(Math.max(1, Math.round(milliseconds * 1e6)));
}

function reference(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const encoded = new TextEncoder().encode(text);
  if (encoded.length <= Limit.ReferenceBytesMax && !encoded.includes(0)) return encoded;
  throw refuse("reference", text, "at most 63 bytes without a NUL");
}

function refuse(name: string, value: unknown, wanted: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", `${name} is ${String(value)}; it takes ${wanted}`);
}
