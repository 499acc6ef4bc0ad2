/**
 * Why partitions were plugged, dead, plugged: which known way of losing and remaking them fits what
 * the log has. Says what it concludes from, and whether the log shows it or only fits it.
 *
 * How a scan looks (block/genhd.c, bdev_disk_changed): every partition removed, a `change` of the
 * disk, every partition of the table added. Whoever makes the kernel scan, it looks the same; what
 * differs is what came before.
 */
import { LoFlag } from "../../../assembly/wire/linux.ts";
import { isAttach, isDetach, type Life, type Plug, type Replug } from "./lives.ts";
import type { CallMoment, GapMoment, Log, Moment, UeventMoment } from "./moments.ts";

export type FlapCause =
  /** the driver's own scan after one that an opener's open had done */
  | "double-scan"
  /** udev re-read the table, as it does when a writable descriptor of the disk is closed */
  | "udev-reread"
  /** somebody re-read the table (BLKRRPART) */
  | "reread"
  /** another file behind the same device (LOOP_CHANGE_FD) */
  | "change-fd"
  /** single partitions deleted and added (BLKPG) */
  | "blkpg"
  /** who had it detached it, and attached something again: another instance */
  | "detach"
  /** somebody else attached something: another instance */
  | "re-attach"
  | "unknown";

/** Why partitions went and came again. */
export interface Conclusion {
  readonly cause: FlapCause;
  /** who did it; null: nobody whose calls the log has */
  readonly by: string | null;
  /** the log shows it; false: it fits, and nothing else is known that does */
  readonly isCertain: boolean;
  readonly because: readonly string[];
}

/** Two scans of one attach follow each other at once; udev has to start a worker first. */
const atOnceNs = 50e6;

/** What flaps of a disk are judged by. */
export interface Scene {
  readonly life: Life;
  readonly log: Log;
  /** of the log */
  readonly gaps: readonly GapMoment[];
  /** where each moment of the life stands in it */
  readonly places: ReadonlyMap<Moment, number>;
}

export class Judge {
  readonly isSameInstance: boolean;
  readonly #life: Life;
  readonly #log: Log;
  readonly #gaps: readonly GapMoment[];
  readonly #places: ReadonlyMap<Moment, number>;
  readonly #replug: Replug;
  readonly #between: readonly Moment[];

  constructor({ life, log, gaps, places }: Scene, replug: Replug) {
    this.#life = life;
    this.#log = log;
    this.#gaps = gaps;
    this.#places = places;
    this.#replug = replug;
    const [plugged, , again] = replug.at;
    this.#between = life.moments.slice(Math.max(plugged, 0), again);
    this.isSameInstance = !this.#isNext();
  }

  conclusion(): Conclusion {
    return this.isSameInstance ? this.#same() : this.#next();
  }

  /* Another instance. */

  #isNext(): boolean {
    const { before, after } = this.#replug;
    if (before.diskseq !== null && after.diskseq !== null) return before.diskseq !== after.diskseq;
    // Without numbers: was it unbound in between?
    const wasUnbound = this.#between.some(
      (moment) =>
        (moment.kind === "call" && isAttach(moment)) ||
        (moment.kind === "look" && (moment.isBound === false || !moment.isThere)),
    );
    if (wasUnbound || this.#log.hasCalls) return wasUnbound;
    // A detach says `change` before it removes, an attach before it scans (5.14 and earlier).
    const [, end, again] = this.#replug.at;
    const { moments } = this.#life;
    const told = moments.slice(0, end).findLast((one) => isEvent(one) && !isRemove(one));
    return (told !== undefined && isChangeEvent(told)) || changesIn(moments.slice(end, again)) > 1;
  }

  #next(): Conclusion {
    const { before, after } = this.#replug;
    const numbers =
      before.diskseq === null
        ? "this kernel gives attaches no number"
        : `the diskseq rose from ${before.diskseq} to ${after.diskseq}`;
    const call = this.#lastCall((one) => isAttach(one) || isChange(one));
    if (call === undefined) {
      if (this.#isChanged()) {
        const because = [numbers, "it was removed under the number under which it came again"];
        return { cause: "change-fd", by: null, isCertain: false, because };
      }
      const isCertain = before.diskseq !== null;
      if (!this.#log.hasCalls) {
        const because = ["who detached and attached it, the log does not say", numbers];
        return { cause: "detach", by: null, isCertain, because };
      }
      const because = ["nobody whose calls the log has attached it", numbers];
      return { cause: "re-attach", by: null, isCertain, because };
    }
    const { actor } = call;
    const made = said(call);
    if (isChange(call)) {
      return { cause: "change-fd", by: actor, isCertain: true, because: [made, numbers] };
    }
    const detach = this.#lastCall(isDetach);
    if (detach?.actor === actor) {
      const because = [said(detach), made, numbers];
      return { cause: "detach", by: actor, isCertain: true, because };
    }
    if (this.#owner(before) === actor) {
      const because = [`${actor} had attached it before`, made, numbers];
      return { cause: "detach", by: actor, isCertain: true, because };
    }
    return { cause: "re-attach", by: actor, isCertain: true, because: [made, numbers] };
  }

  /** A detach takes a number of its own; what it leaves, the next attach removes once announced. */
  #isChanged(): boolean {
    const { after, at } = this.#replug;
    const isAfters = (one: Moment) => isEvent(one) && one.diskseq === after.diskseq;
    const unplugged = this.#life.moments[at[1]];
    if (after.diskseq === null || unplugged === undefined || !isAfters(unplugged)) return false;
    const before = this.#life.moments.slice(Math.max(at[0], 0), at[1]);
    return !before.some((one) => isAfters(one) && isChangeEvent(one));
  }

  /** Who had attached what a partition was of. */
  #owner(plug: Plug): string | undefined {
    return this.#life.instances.find(({ plugs }) => plugs.includes(plug))?.attach?.actor;
  }

  /* The same instance. */

  #same(): Conclusion {
    const [, end, again] = this.#replug.at;
    const { moments } = this.#life;
    if (this.#hasGap()) {
      const because = ["events were lost in between"];
      return { cause: "unknown", by: null, isCertain: false, because };
    }
    if (changesIn(moments.slice(end, again)) === 0) return this.#blkpg();
    const last = this.#lastScan();
    if (last === undefined) return this.#byEvents();
    if (last.name === "BLKRRPART") return certain("reread", last);
    if (isChange(last)) return certain("change-fd", last);
    const closed = this.#closedAfter(last);
    if (closed !== undefined) return this.#byClose(closed);
    if (!this.#isFirstScan(last)) return this.#byOthers();
    return this.#doubleScan(last);
  }

  /** Where the instance begins whose partition was plugged again: with the call that made it. */
  #begin(): number {
    const { after } = this.#replug;
    const instance = this.#life.instances.findLast(({ plugs }) => plugs.includes(after));
    const first = instance?.attach ?? instance?.first;
    return first === undefined ? 0 : (this.#places.get(first) ?? 0);
  }

  /** The last call that made the kernel scan this instance, before it came again. */
  #lastScan(): CallMoment | undefined {
    return this.#life.moments
      .slice(this.#begin(), this.#replug.at[2])
      .filter((moment) => moment.kind === "call")
      .findLast(isScanning);
  }

  #lastCall(is: (call: CallMoment) => boolean): CallMoment | undefined {
    return this.#between.findLast((moment): moment is CallMoment =>
      moment.kind === "call" ? is(moment) : false,
    );
  }

  #closedAfter(call: CallMoment): CallMoment | undefined {
    const { moments } = this.#life;
    const from = this.#places.get(call) ?? 0;
    return moments
      .slice(from, this.#replug.at[1])
      .findLast(
        (moment): moment is CallMoment =>
          moment.kind === "call" && moment.name === "close" && moment.isWritable === true,
      );
  }

  /** Whether the partitions that went had been made by the first scan after a call began. */
  #isFirstScan(call: CallMoment): boolean {
    const [plugged] = this.#replug.at;
    const { moments } = this.#life;
    const from = this.#places.get(call) ?? 0;
    const { partition } = this.#replug.before;
    const adds = moments
      .slice(from, plugged)
      .filter((moment) => isEvent(moment) && moment.partition === partition);
    return plugged > from && adds.length === 0;
  }

  #doubleScan(call: CallMoment): Conclusion {
    const end = call.at + (call.tookNs ?? Number.POSITIVE_INFINITY);
    const opener = this.#life.moments.find(
      (moment): moment is CallMoment =>
        moment.kind === "call" &&
        moment.name === "open" &&
        moment.actor !== call.actor &&
        moment.at >= call.at &&
        moment.at <= end,
    );
    const because = [
      `${call.actor} called ${call.name} with LO_FLAGS_PARTSCAN (line ${call.line}), which ` +
        "announces the disk before it scans",
      this.#opened(opener),
      `${call.name}'s own scan dropped what that had made, and made it again`,
    ];
    const isCertain = opener !== undefined;
    return { cause: "double-scan", by: opener?.actor ?? null, isCertain, because };
  }

  #opened(opener: CallMoment | undefined): string {
    if (opener !== undefined) {
      const { actor, line } = opener;
      return `${actor} opened the disk meanwhile (line ${line}): the pending scan ran in that open`;
    }
    const known = this.#hasUdev() ? "; udevd opens each disk that it hears of" : "";
    return `somebody else's open of the disk ran the pending scan first${known}`;
  }

  #byClose(closed: CallMoment): Conclusion {
    const close = `${closed.actor} closed a writable descriptor of the disk (line ${closed.line})`;
    if (!this.#hasUdev()) {
      const because = [close, "who re-read the table then, the log does not say"];
      return { cause: "reread", by: null, isCertain: false, because };
    }
    const because = [
      close,
      "udevd before 259 answers that by BLKRRPART, which drops and remakes all",
    ];
    return { cause: "udev-reread", by: "udevd", isCertain: false, because };
  }

  #byOthers(): Conclusion {
    const because = ["no call in the log makes the kernel scan here"];
    return { cause: "reread", by: null, isCertain: false, because };
  }

  #blkpg(): Conclusion {
    const call = this.#lastCall(({ name, errno }) => /^BLKPG/.test(name) && errno === null);
    if (call !== undefined) return certain("blkpg", call);
    const because = ["removed and added without the `change` that every scan sends"];
    return { cause: "blkpg", by: null, isCertain: false, because };
  }

  /** Nobody's calls are known. */
  #byEvents(): Conclusion {
    const { moments } = this.#life;
    const [plugged, end] = this.#replug.at;
    const begin = this.#begin();
    const isFirst = !moments.slice(begin, Math.max(plugged, 0)).some(isRemove);
    const processed = moments
      .slice(begin, end)
      .find(
        (moment) => moment.kind === "uevent" && moment.group === "udev" && moment.partition === 0,
      );
    const waitNs = (moments[end]?.at ?? 0) - (moments[plugged]?.at ?? 0);
    const isAtOnce = plugged >= 0 && waitNs <= atOnceNs;
    if (isFirst && isAtOnce && processed === undefined) {
      const because = [
        "the first scan of this instance was followed by another at once",
        ...(this.#hasUdev()
          ? ["udev had not processed the disk by then, so it did not re-read"]
          : []),
        "an attach with LO_FLAGS_PARTSCAN that somebody's open overtakes looks like that",
      ];
      return { cause: "double-scan", by: null, isCertain: false, because };
    }
    if (processed !== undefined) {
      const because = [
        `udev had processed the disk (line ${processed.line}), and watched it again`,
        "udevd before 259 re-reads by BLKRRPART when a writable descriptor is closed; " +
          "another program's BLKRRPART looks the same",
      ];
      return { cause: "udev-reread", by: "udevd", isCertain: false, because };
    }
    const because = ["the table was read again long after the attach"];
    return { cause: "reread", by: null, isCertain: false, because };
  }

  #hasGap(): boolean {
    const [from, to] = [this.#between[0]?.at ?? 0, this.#between.at(-1)?.at ?? 0];
    return this.#gaps.some(({ at }) => at >= from && at <= to);
  }

  #hasUdev(): boolean {
    return this.#log.groups.includes("udev");
  }
}

function certain(cause: FlapCause, call: CallMoment): Conclusion {
  return { cause, by: call.actor, isCertain: true, because: [said(call)] };
}

function said({ actor, name, line }: CallMoment): string {
  return `${actor} called ${name} (line ${line})`;
}

function isChange({ name, errno }: CallMoment): boolean {
  return name === "LOOP_CHANGE_FD" && errno === null;
}

function isScanning({ name, flags, errno }: CallMoment): boolean {
  if (errno !== null) return false;
  if (name === "BLKRRPART" || name === "LOOP_CHANGE_FD") return true;
  const asks = ((flags ?? 0) & LoFlag.LO_FLAGS_PARTSCAN) !== 0;
  return asks && (name === "LOOP_CONFIGURE" || name === "LOOP_SET_STATUS64");
}

/** One of the kernel itself, whose doing it was. */
export function isEvent(moment: Moment): moment is UeventMoment {
  return moment.kind === "uevent" && moment.group === "kernel" && !moment.isSynthetic;
}

function isRemove(moment: Moment): boolean {
  return isEvent(moment) && moment.partition > 0 && moment.action === "remove";
}

function isChangeEvent(moment: Moment): boolean {
  return isEvent(moment) && moment.partition === 0 && moment.action === "change";
}

function changesIn(moments: readonly Moment[]): number {
  return moments.filter(isChangeEvent).length;
}
