/** What is equal in two uevents of a loop device: one recorded, one of the model. */
import { isDeepStrictEqual } from "node:util";
import { Action } from "../../../assembly/abi.ts";
import { partitionName } from "../../names.ts";

/** The loop device that a uevent is about, -1: none. */
export function numberOfEvent([head = ""]: readonly string[]): number {
  const number = /^\w+@\/devices\/virtual\/block\/loop(\d+)(?:\/|$)/.exec(head)?.[1];
  return number === undefined ? -1 : Number(number);
}

/** The kernel's name of a loop device, or of one of its partitions. */
export function nameOf(number: number, partition = 0): string {
  const disk = `loop${number}`;
  return partition === 0 ? disk : partitionName(disk, partition);
}

/** 0: it has none. */
export function diskseqOf(strings: readonly string[]): bigint {
  const digits = /^DISKSEQ=(\d{1,19})$/.exec(
    strings.find((one) => one.startsWith("DISKSEQ=")) ?? "",
  );
  return BigInt(digits?.[1] ?? 0);
}

/** As the kernel spells them. */
const actions = new Map(
  [Action.Add, Action.Remove, Action.Change].map((action) => [
    Action[action].toLowerCase(),
    action,
  ]),
);

/** An event that somebody asked the kernel for, by a write to `uevent` in sysfs. */
export interface Asked {
  readonly action: Action;
  /** 0: the disk */
  readonly partition: number;
}

/** undefined: nobody asked for it. */
export function askedIn(strings: readonly string[]): Asked | undefined {
  if (!strings.some((one) => one.startsWith("SYNTH_UUID="))) return undefined;
  const [head = ""] = strings;
  const [, word = "", partition = 0] = /^(\w+)@.*\/loop\d+(?:p(\d+))?$/.exec(head) ?? [];
  const action = actions.get(word);
  return action === undefined ? undefined : { action, partition: Number(partition) };
}

/** Such an event of the device that another event is about. */
export function askedLike([head = "", ...rest]: readonly string[], { action }: Asked): string[] {
  const word = Action[action].toLowerCase();
  return [head.replace(/^\w+/, word), ...rest].flatMap((one) => {
    if (one.startsWith("ACTION=")) return [`ACTION=${word}`];
    return one.startsWith("SUBSYSTEM=") ? [one, "SYNTH_UUID=0"] : [one];
  });
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
