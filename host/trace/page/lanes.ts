/**
 * Which lanes a log has, and what is in each: of every disk its instances and its partitions, of
 * every actor what it did and how long that took. Knows moments by their place in the log, and
 * neither pixels nor an axis.
 */
import type { Flap } from "../explain/flaps.ts";
import type { Moment } from "../explain/moments.ts";
import type { PageData } from "./data.ts";
import { firstAtLeast } from "./scale.ts";

/** Something that lasts. */
export interface Bar {
  readonly kind: "instance" | "plug" | "call" | "failed" | "operation";
  /** place of the moment with which it begins; -1: before the log does */
  readonly from: number;
  /** with which it ends; null: see `tookNs` */
  readonly to: number | null;
  /** how long it takes; null: beyond the log */
  readonly tookNs: number | null;
  readonly text: string;
  /** those of one row do not overlap */
  readonly row: number;
}

export interface FlapSpan {
  readonly flap: Flap;
  readonly from: number;
  readonly to: number;
}

export interface Lane {
  readonly kind: "disk" | "partition" | "actor";
  readonly name: string;
  /** null: not of one disk */
  readonly disk: string | null;
  readonly bars: readonly Bar[];
  /** places of moments, ascending */
  readonly marks: readonly number[];
  readonly flaps: readonly FlapSpan[];
  readonly rows: number;
}

/** More rows than these share the last. */
const rowsMax = 4;

export function lanesOf(data: PageData): Lane[] {
  const { moments } = data.log;
  const places = new Map<Moment, number>(moments.map((moment, place) => [moment, place]));
  return [...diskLanes(data, places), ...actorLanes(moments)];
}

/** Places of the first moment of each line. */
export function linePlaces(moments: readonly Moment[]): Map<number, number> {
  const places = new Map<number, number>();
  for (const [place, { line }] of moments.entries()) if (!places.has(line)) places.set(line, place);
  return places;
}

/* Disks. */

function diskLanes({ log, disks }: PageData, places: ReadonlyMap<Moment, number>): Lane[] {
  const marks = new Map<string, number[]>();
  for (const [place, moment] of log.moments.entries()) {
    if (moment.kind !== "uevent" && moment.kind !== "look") continue;
    if (moment.disk === null) continue;
    const partition = moment.kind === "uevent" ? moment.partition : 0;
    list(marks, `${moment.disk} ${partition}`).push(place);
  }
  const lines = linePlaces(log.moments);
  const at = (line: number): number => lines.get(line) ?? 0;
  return disks.flatMap(({ disk, instances, flaps }): Lane[] => {
    const plugs = instances.flatMap((instance) => instance.plugs);
    const told = [...marks.keys()].filter((key) => key.startsWith(`${disk} `));
    const numbers = told.map((key) => Number(key.slice(disk.length + 1)));
    for (const { partition } of plugs) numbers.push(partition);
    const partitions = [...new Set(numbers)].filter((one) => one > 0).sort((a, b) => a - b);
    const base = { disk, rows: 1 };
    const occupied = instances.filter(({ isOccupied }) => isOccupied);
    const disksOwn: Lane = {
      ...base,
      kind: "disk",
      name: disk,
      bars: occupied.map(({ diskseq, first, last }) => ({
        kind: "instance",
        from: places.get(first) ?? 0,
        to: places.get(last) ?? 0,
        tookNs: null,
        text: diskseq === null ? "" : `#${diskseq}`,
        row: 0,
      })),
      marks: marks.get(`${disk} 0`) ?? [],
      flaps: [],
    };
    const ownMarks = (partition: number) => marks.get(`${disk} ${partition}`) ?? [];
    const partitionLane = (partition: number): Lane => ({
      ...base,
      kind: "partition",
      name: `p${partition}`,
      bars: plugs
        .filter((plug) => plug.partition === partition)
        .map(({ plugged, unplugged, diskseq }) => ({
          kind: "plug",
          from: plugged === null ? -1 : (places.get(plugged) ?? 0),
          to: unplugged === null ? null : (places.get(unplugged) ?? 0),
          tookNs: null,
          text: diskseq === null ? "" : `#${diskseq}`,
          row: 0,
        })),
      marks: ownMarks(partition),
      flaps: flaps
        .filter((flap) => flap.partitions.includes(partition))
        .map((flap) => flapSpan(flap, ownMarks(partition), log.moments, at)),
    });
    return [disksOwn, ...partitions.map(partitionLane)];
  });
}

/** A flap tells when the first of its partitions was plugged again; each has its own moments. */
function flapSpan(
  flap: Flap,
  own: readonly number[],
  moments: readonly Moment[],
  at: (line: number) => number,
): FlapSpan {
  const isOf = (place: number, action: string): boolean => {
    const moment = moments[place];
    return moment.kind === "uevent" && moment.group === "kernel" && moment.action === action;
  };
  const [begin, end] = [at(flap.unplugged.line), at(flap.plugged.line)];
  let index = firstAtLeast(own, end);
  while (index < own.length && !isOf(own[index], "add")) index++;
  const to = own[index] ?? end;
  do index--;
  while (index >= 0 && !isOf(own[index], "remove"));
  return { flap, from: own[index] ?? begin, to };
}

/* Actors. */

function actorLanes(moments: readonly Moment[]): Lane[] {
  const marks = new Map<string, number[]>();
  const calls = new Map<string, Omit<Bar, "row">[]>();
  for (const [place, moment] of moments.entries()) {
    if (moment.kind === "uevent" || moment.kind === "refused" || moment.kind === "gap") {
      list(marks, moment.group).push(place);
    } else if (moment.kind === "call") {
      const { name, tookNs, errno } = moment;
      const kind = errno === null ? "call" : "failed";
      list(calls, moment.actor).push({ kind, from: place, to: null, tookNs, text: name });
    } else if (moment.kind === "title") {
      list(marks, "titles").push(place);
    }
  }
  const lane = (name: string, own: readonly number[], bars: readonly Omit<Bar, "row">[]): Lane => {
    const placed = inRows(bars, moments);
    const rows = Math.max(1, ...placed.map(({ row }) => row + 1));
    return { kind: "actor", name, disk: null, bars: placed, marks: own, flaps: [], rows };
  };
  const { marks: ends, bars } = operationsOf(moments);
  return [
    ...["titles", "kernel", "udev"]
      .filter((name) => marks.has(name))
      .map((name) => lane(name, marks.get(name) ?? [], [])),
    ...[...calls].map(([name, own]) => lane(`calls of ${name}`, [], own)),
    ...(ends.length > 0 ? [lane("operations", ends, bars)] : []),
  ];
}

/** From a command until the last that is told of it. */
function operationsOf(moments: readonly Moment[]): {
  marks: number[];
  bars: Omit<Bar, "row">[];
} {
  const marks: number[] = [];
  const bars: { kind: "operation"; from: number; to: number | null; tookNs: null; text: string }[] =
    [];
  const open = new Map<number, (typeof bars)[number]>();
  for (const [place, moment] of moments.entries()) {
    if (moment.kind !== "command" && moment.kind !== "event") continue;
    marks.push(place);
    const { operation, text } = moment;
    const current = open.get(operation);
    if (moment.kind === "event" || text === "abort") {
      if (current !== undefined) current.to = place;
      continue;
    }
    const bar = { kind: "operation", from: place, to: null, tookNs: null, text } as const;
    open.set(operation, bar);
    bars.push(bar);
  }
  return { marks, bars };
}

function inRows(bars: readonly Omit<Bar, "row">[], moments: readonly Moment[]): Bar[] {
  const ends: number[] = [];
  return bars.map((bar) => {
    const begin = moments[bar.from]?.at ?? 0;
    const free = ends.findIndex((end) => end <= begin);
    const row = Math.min(free < 0 ? ends.length : free, rowsMax - 1);
    ends[row] = endTime(bar, begin, moments);
    return { ...bar, row };
  });
}

function endTime(bar: Omit<Bar, "row">, begin: number, moments: readonly Moment[]): number {
  if (bar.to !== null) return moments[bar.to]?.at ?? begin;
  return begin + (bar.tookNs ?? Number.POSITIVE_INFINITY);
}

function list<T>(lists: Map<string, T[]>, name: string): T[] {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const made: T[] = [];
  lists.set(name, made);
  return made;
}
