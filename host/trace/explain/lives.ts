/**
 * The life of each disk in a log: its instances by diskseq, and when each partition was plugged and
 * unplugged. Follows what the kernel's events say, in their order; what sysfs showed fills in what
 * no event told. Names no causes.
 */
import type { CallMoment, Log, LookMoment, Moment, UeventMoment } from "./moments.ts";

/** A partition from when it is plugged until it is unplugged. */
export interface Plug {
  readonly partition: number;
  /** of the disk, as the event or the look has it */
  readonly diskseq: number | null;
  /** null: before the log begins, or nothing told of it */
  readonly plugged: UeventMoment | LookMoment | null;
  unplugged: UeventMoment | LookMoment | null;
}

/** What one number stands for; without numbers, one attach. */
export interface Instance {
  readonly diskseq: number | null;
  /** the first that the log has of it */
  readonly first: Moment;
  last: Moment;
  /** the call that made it; null: not of anybody whose calls the log has */
  attach: CallMoment | null;
  detach: CallMoment | null;
  /** something is attached; a number that a detach left behind stands for nothing */
  isOccupied: boolean;
  readonly plugs: Plug[];
}

/** The same partition, unplugged and plugged again. */
export interface Replug {
  readonly before: Plug;
  readonly after: Plug;
  /** of what happened to the disk: the partition was plugged, unplugged, plugged */
  readonly at: readonly [plugged: number, unplugged: number, replugged: number];
}

/** What must have happened and no event told. */
export interface Missing {
  readonly moment: Moment;
  readonly action: "add" | "remove";
  readonly partition: number;
}

export interface Life {
  readonly disk: string;
  /** all that is about the disk, in the order of the log */
  readonly moments: readonly Moment[];
  readonly instances: readonly Instance[];
  readonly replugs: readonly Replug[];
  readonly stale: readonly UeventMoment[];
  readonly missing: readonly Missing[];
}

/** Of every disk, in the order in which the log comes to them. */
export function livesOf(log: Log): Life[] {
  const disks = new Map<string, Moment[]>();
  for (const moment of log.moments) {
    if (!("disk" in moment) || moment.disk === null) continue;
    const known = disks.get(moment.disk);
    if (known === undefined) disks.set(moment.disk, [moment]);
    else known.push(moment);
  }
  const hasEvents = log.groups.includes("kernel");
  return [...disks].map(([disk, moments]) => new Follower(disk, moments, hasEvents).life);
}

/** Whether a call attached a file. */
export function isAttach({ name, errno }: CallMoment): boolean {
  return errno === null && (name === "LOOP_CONFIGURE" || name === "LOOP_SET_FD");
}

/** Whether a call detached, or had a detach deferred. */
export function isDetach({ name, errno }: CallMoment): boolean {
  return errno === null && (name === "LOOP_CLR_FD" || name === "LOOP_CTL_REMOVE");
}

/** Whether it is a call that looks at sysfs: what that found is a moment of its own. */
export function isLookCall(moment: Moment): boolean {
  return moment.kind === "call" && ["read disk", "list partitions"].includes(moment.name);
}

interface Live {
  readonly plug: Plug;
  readonly index: number;
}

class Follower {
  readonly #disk: string;
  readonly #moments: readonly Moment[];
  readonly #hasEvents: boolean;
  readonly #instances: Instance[] = [];
  readonly #replugs: Replug[] = [];
  readonly #stale: UeventMoment[] = [];
  readonly #missing: Missing[] = [];
  readonly #live = new Map<number, Live>();
  /** the last life of a partition that is over, and when it ended */
  readonly #dead = new Map<number, Live & { readonly end: number }>();
  /** number and partition of every `add` that comes */
  readonly #told = new Set<string>();
  /** of each moment: the lowest number that an event behind it carries */
  readonly #lowest: number[] = [];
  #attach: CallMoment | null = null;
  #index = 0;

  constructor(disk: string, moments: readonly Moment[], hasEvents: boolean) {
    this.#disk = disk;
    this.#moments = moments;
    this.#hasEvents = hasEvents;
    let lowest = Number.POSITIVE_INFINITY;
    for (const [index, moment] of [...moments.entries()].reverse()) {
      this.#lowest[index] = lowest;
      if (!isKernels(moment)) continue;
      lowest = Math.min(lowest, moment.diskseq ?? lowest);
      if (moment.action === "add") this.#told.add(keyOf(moment.diskseq, moment.partition));
    }
    for (const moment of moments) {
      this.#follow(moment);
      this.#index++;
    }
  }

  get life(): Life {
    return {
      disk: this.#disk,
      moments: this.#moments,
      instances: this.#instances,
      replugs: this.#replugs,
      stale: this.#stale,
      missing: this.#missing,
    };
  }

  #follow(moment: Moment): void {
    if (moment.kind === "call") this.#call(moment);
    else if (moment.kind === "look") this.#look(moment);
    else if (isKernels(moment)) this.#uevent(moment);
    const current = this.#instances.at(-1);
    if (current !== undefined) current.last = moment;
  }

  #call(moment: CallMoment): void {
    if (isAttach(moment)) {
      this.#attach = moment;
      // What has no number begins with what makes it.
      const current = this.#instances.at(-1);
      if (current?.diskseq === null && (current.attach !== null || current.detach !== null)) {
        this.#begin(moment, null);
      }
    } else if (isDetach(moment)) {
      const current = this.#instances.at(-1);
      if (current !== undefined) current.detach ??= moment;
    }
  }

  /** The instance that a moment with this number is of; undefined: of an earlier one. */
  #instance(moment: Moment, diskseq: number | null): Instance | undefined {
    const current = this.#instances.at(-1);
    if (current === undefined) return this.#begin(moment, diskseq);
    if (diskseq === null || diskseq === current.diskseq) {
      if (this.#attach !== null && current.attach === null && current.diskseq === null) {
        current.attach = this.#attach;
        this.#attach = null;
      }
      return current;
    }
    if (current.diskseq !== null && diskseq < current.diskseq) return undefined;
    return this.#begin(moment, diskseq);
  }

  #begin(first: Moment, diskseq: number | null): Instance {
    const instance: Instance = {
      diskseq,
      first,
      last: first,
      attach: this.#attach,
      detach: null,
      isOccupied: this.#attach !== null,
      plugs: [],
    };
    this.#attach = null;
    this.#instances.push(instance);
    return instance;
  }

  #uevent(moment: UeventMoment): void {
    const { partition, action, diskseq } = moment;
    if (moment.isSynthetic) {
      if (this.#instance(moment, diskseq) === undefined) this.#stale.push(moment);
      return;
    }
    if (partition > 0 && action === "remove") this.#unplug(moment);
    const instance = this.#instance(moment, diskseq);
    if (instance === undefined) {
      this.#stale.push(moment);
      return;
    }
    if (partition === 0) {
      // Media that come and go are announced; a medium that is there is a change, too.
      if (action === "change" && !moment.isMediaChange) instance.isOccupied ||= diskseq === null;
      return;
    }
    if (action === "add") this.#plug(instance, partition, moment);
  }

  #plug(instance: Instance, partition: number, moment: UeventMoment | LookMoment): void {
    if (this.#live.has(partition)) {
      this.#missing.push({ moment, action: "remove", partition });
      this.#end(partition, null);
    }
    instance.isOccupied = true;
    const { diskseq } = instance;
    const plug: Plug = { partition, diskseq, plugged: moment, unplugged: null };
    instance.plugs.push(plug);
    this.#live.set(partition, { plug, index: this.#index });
    const dead = this.#dead.get(partition);
    if (dead !== undefined) {
      const at = [dead.index, dead.end, this.#index] as const;
      this.#replugs.push({ before: dead.plug, after: plug, at });
    }
  }

  #unplug(moment: UeventMoment): void {
    const { partition, diskseq } = moment;
    const live = this.#live.get(partition);
    if (live !== undefined) {
      this.#end(partition, moment);
      return;
    }
    const current = this.#instances.at(-1);
    const isOld = current?.diskseq != null && diskseq !== null && diskseq < current.diskseq;
    if (isOld) return;
    if (this.#dead.has(partition)) this.#missing.push({ moment, action: "add", partition });
    const owner = this.#ended() ?? this.#begin(moment, diskseq);
    const plug: Plug = { partition, diskseq: owner.diskseq, plugged: null, unplugged: moment };
    owner.plugs.push(plug);
    this.#dead.set(partition, { plug, index: -1, end: this.#index });
  }

  /** What partitions leave: at a detach they do so under the next number, which begins there. */
  #ended(): Instance | undefined {
    const current = this.#instances.at(-1);
    const isNext = current?.first.kind === "uevent" && current.first.action === "remove";
    return (isNext ? this.#instances.at(-2) : undefined) ?? current;
  }

  #end(partition: number, moment: UeventMoment | LookMoment | null): void {
    const live = this.#live.get(partition);
    if (live === undefined) return;
    live.plug.unplugged = moment;
    this.#live.delete(partition);
    this.#dead.set(partition, { ...live, end: this.#index });
  }

  /** Sysfs runs ahead of the socket: what an event tells, before or after, is the event's. */
  #look(moment: LookMoment): void {
    const isAhead = (moment.diskseq ?? 0) > (this.#lowest[this.#index] ?? 0);
    const instance = isAhead ? undefined : this.#instance(moment, moment.diskseq);
    if (instance === undefined) return;
    if (moment.isBound === true) instance.isOccupied = true;
    if (moment.partitions === null) return;
    for (const partition of moment.partitions) {
      if (this.#live.has(partition) || this.#told.has(keyOf(instance.diskseq, partition))) continue;
      if (this.#hasEvents && this.#index > 0) {
        this.#missing.push({ moment, action: "add", partition });
      }
      this.#plug(instance, partition, moment);
    }
    for (const [partition, { plug }] of this.#live) {
      if (plug.plugged?.kind !== "look" || moment.partitions.includes(partition)) continue;
      this.#end(partition, moment);
    }
  }
}

function isKernels(moment: Moment): moment is UeventMoment {
  return moment.kind === "uevent" && moment.group === "kernel";
}

function keyOf(diskseq: number | null, partition: number): string {
  return `${diskseq ?? ""} ${partition}`;
}
