/** What is equal in two uevents of a loop device: one recorded, one of the model. */
import { isDeepStrictEqual } from "node:util";

/** The loop device that a uevent is about, -1: none. */
export function numberOfEvent([head = ""]: readonly string[]): number {
  const number = /^\w+@\/devices\/virtual\/block\/loop(\d+)(?:\/|$)/.exec(head)?.[1];
  return number === undefined ? -1 : Number(number);
}

/** 0: it has none. */
export function diskseqOf(strings: readonly string[]): bigint {
  const digits = /^DISKSEQ=(\d{1,19})$/.exec(
    strings.find((one) => one.startsWith("DISKSEQ=")) ?? "",
  );
  return BigInt(digits?.[1] ?? 0);
}

/** All but the numbers that only the kernel that sent it hands out. */
export function isSameEvent(recorded: readonly string[], model: readonly string[]): boolean {
  return isDeepStrictEqual(comparable(recorded, model), comparable(model, model));
}

/** SEQNUM counts all events of a machine, a minor of partitions is any free one. */
function comparable(strings: readonly string[], model: readonly string[]): string[] {
  const isPartition = model.includes("DEVTYPE=partition");
  const kept: string[] = [];
  for (const text of strings) {
    const key = text.slice(0, text.indexOf("=") + 1);
    if (key === "SEQNUM=") continue;
    const isAny = key === "DISKSEQ=" || key === "SYNTH_UUID=" || (isPartition && key === "MINOR=");
    // Names of a table that nobody read are not known.
    const isName = key === "PARTNAME=" || key === "PARTUUID=";
    if (isAny) kept.push(key);
    else if (!isName || model.some((one) => one.startsWith(key))) kept.push(text);
  }
  return kept;
}
