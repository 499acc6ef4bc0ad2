/**
 * What every event is to an instance, told from the diskseq alone: the oracle that the ordering
 * machine is compared with. It learns what the core learns: events, looks at sysfs, losses.
 */
import { Action, DeviceType, Group, Mark, Verdict } from "../../assembly/abi.ts";
import type { Facts } from "./naive-uevent.ts";

export interface Judgement {
  readonly verdict: Verdict;
  /** `Mark` bits */
  readonly marks: number;
}

/** What sysfs shows of a disk. */
export interface Shown {
  /** 0n: the kernel has none */
  readonly diskseq: bigint;
  readonly isBound: boolean;
  readonly partitions: readonly number[];
}

/** Partitions that are there as far as a group's events, and looks, have told. */
type Plugged = Set<number>;

/**
 * Lower is stale, equal is mine, higher is later; but a partition that is there and goes is mine,
 * whatever number its end carries. Numbers are of partitions, so one that comes again under a
 * higher number was gone before.
 */
function judge(facts: Facts, diskseq: bigint, plugged: Plugged): Judgement {
  const { action, deviceType, partition } = facts;
  const isAdd = deviceType === DeviceType.Partition && action === Action.Add;
  const isRemove = deviceType === DeviceType.Partition && action === Action.Remove;
  if (facts.diskseq < diskseq) return { verdict: Verdict.Stale, marks: 0 };
  const isLater = facts.diskseq > diskseq;
  if (isAdd && isLater) plugged.delete(partition);
  else if (isAdd) plugged.add(partition);
  const isEnd = isRemove && plugged.delete(partition);
  if (!isLater) return { verdict: Verdict.Mine, marks: 0 };
  return isEnd ? { verdict: Verdict.Mine, marks: Mark.Ends } : { verdict: Verdict.Later, marks: 0 };
}

/** Judges for a subscription to one instance. */
export class InstanceJudge {
  readonly diskseq: bigint;
  readonly #plugged = new Map<Group, Plugged>([
    [Group.Kernel, new Set()],
    [Group.Udev, new Set()],
  ]);

  constructor(diskseq: bigint) {
    this.diskseq = diskseq;
  }

  judge(group: Group, facts: Facts): Judgement {
    if (facts.diskseq === 0n) return { verdict: Verdict.BestEffort, marks: 0 };
    return judge(facts, this.diskseq, this.#plugged.get(group) ?? new Set());
  }

  /** A look at sysfs has ended; since the last one events were lost. */
  looked({ diskseq, partitions }: Shown, isLossy: boolean): void {
    if (diskseq !== this.diskseq) return;
    for (const plugged of this.#plugged.values()) learn(plugged, partitions, isLossy);
  }
}

/** Judges for a subscription to all disks: against the newest instance that was told of. */
export class NewestJudge {
  readonly #disks = new Map<string, { told: bigint; isHeard: boolean; plugged: Plugged }>();

  judge(group: Group, facts: Facts): Judgement {
    if (facts.deviceType === DeviceType.None) return { verdict: Verdict.None, marks: 0 };
    const disk = this.#disk(group, facts.disk);
    const first = disk.isHeard ? 0 : Mark.First;
    if (!disk.isHeard) disk.told = facts.diskseq;
    disk.isHeard = true;
    const { verdict, marks } = judge(facts, disk.told, disk.plugged);
    if (verdict === Verdict.Later) {
      disk.told = facts.diskseq;
      judge(facts, disk.told, disk.plugged);
    }
    const isProven = facts.diskseq !== 0n;
    return { verdict: isProven ? verdict : Verdict.BestEffort, marks: marks | first };
  }

  /** Where no event came before, a look tells which instance is the newest. */
  looked(name: string, { diskseq, partitions }: Shown, isLossy: boolean): void {
    for (const group of [Group.Kernel, Group.Udev]) {
      const disk = this.#disk(group, name);
      if (!disk.isHeard) disk.told = diskseq;
      disk.isHeard = true;
      if (disk.told === diskseq) learn(disk.plugged, partitions, isLossy);
    }
  }

  /** What was told of a disk is forgotten. */
  forget(name: string): void {
    for (const group of [Group.Kernel, Group.Udev]) this.#disks.delete(`${group} ${name}`);
  }

  /** One that knows the same. */
  copy(): NewestJudge {
    const other = new NewestJudge();
    for (const [key, disk] of this.#disks) {
      other.#disks.set(key, { ...disk, plugged: new Set(disk.plugged) });
    }
    return other;
  }

  #disk(group: Group, name: string) {
    const key = `${group} ${name}`;
    const disk = this.#disks.get(key) ?? { told: 0n, isHeard: false, plugged: new Set() };
    this.#disks.set(key, disk);
    return disk;
  }
}

/** A remove may be on its way still: only losses take partitions away. */
function learn(plugged: Plugged, partitions: readonly number[], isLossy: boolean): void {
  if (isLossy) plugged.clear();
  for (const number of partitions) plugged.add(number);
}
