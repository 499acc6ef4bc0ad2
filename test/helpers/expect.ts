/**
 * Comparisons that several tests make.
 */
import * as assert from "uvu/assert";
import { LoopError, type LoopErrorCode } from "../../host/errors.ts";
import type { LoopDeviceJson, Partition } from "../../host/types.ts";
import { attribute, numberOf, partitionsOf } from "./devices.ts";
import type { ExpectedPartition } from "./images.ts";
import type { Outcome } from "./process.ts";
import type { AttachedJson } from "./scene.ts";

/** The product's partitions are those of `sfdisk -J`, the case of uuid and type aside. */
export function expectPartitions(
  actual: readonly Partition[],
  expected: readonly ExpectedPartition[],
): void {
  const shown = actual.map(({ number, start, size, type, uuid, name }) => ({
    number,
    start,
    size,
    type: type?.toLowerCase(),
    uuid: uuid?.toLowerCase(),
    name,
  }));
  assert.equal(shown, [...expected]);
}

/** Nothing is said of an attach but what every one has said of it where there is no diskseq. */
export function expectNoWarning({ stderr, diskseq }: AttachedJson): void {
  const bestEffort = /^diskseq: warning: this kernel has no diskseq [^\n]*\n/;
  assert.is(diskseq === null ? stderr.replace(bestEffort, "") : stderr, "");
}

/** What a result says of partitions is what the kernel has, number by number. */
export function expectKernelAgrees(device: LoopDeviceJson): void {
  const number = numberOf(device.device);
  const said = device.partitions.map(({ number, start, size }) => ({ number, start, size }));
  assert.equal(said, partitionsOf(number));
  assert.is(device.devnum, attribute(number, "dev"));
  if (device.identity === "diskseq") {
    assert.is(String(device.diskseq), attribute(number, "diskseq"));
  }
  for (const partition of device.partitions) {
    assert.is(partition.device, `${device.device}p${partition.number}`);
    const name = partition.device.slice("/dev/".length);
    assert.is(partition.devnum, attribute(number, `${name}/dev`));
  }
}

/** The exit code, and one clear line on stderr that contains every piece of text. */
export function expectRefusal(
  outcome: Outcome,
  status: number | readonly number[],
  ...texts: readonly string[]
): void {
  const allowed = typeof status === "number" ? [status] : status;
  assert.ok(
    outcome.status !== null && allowed.includes(outcome.status),
    `exit ${outcome.signal ?? outcome.status}, not ${allowed.join(" or ")}: ${outcome.stderr}`,
  );
  const lines = outcome.stderr.split("\n").filter((line) => line.startsWith("diskseq: "));
  const errors = lines.filter((line) => !line.startsWith("diskseq: warning: "));
  assert.is(errors.length, 1, `one line of error: ${outcome.stderr}`);
  assert.not.match(outcome.stderr, /\n {4}at /, "no stack");
  assert.not.match(outcome.stderr, /ERR_CORE_PANIC|assertion/i);
  for (const text of texts) {
    assert.ok(outcome.stderr.includes(text), `'${text}' in: ${outcome.stderr}`);
  }
}

/** What a promise rejects with; fails where it resolves. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  const resolved = Symbol("resolved");
  const reason: unknown = await promise.then(
    () => resolved,
    (error: unknown) => error,
  );
  assert.is.not(reason, resolved, "it resolved");
  return reason;
}

/** The typed error that a promise rejects with, of one of these codes. */
export async function errorOf(
  promise: Promise<unknown>,
  ...codes: readonly LoopErrorCode[]
): Promise<LoopError> {
  const reason = await reasonOf(promise);
  assert.ok(reason instanceof LoopError, `untyped: ${(reason as Error).stack}`);
  assert.ok(codes.includes(reason.code), `${reason.code}: ${reason.message}`);
  return reason;
}
