/**
 * A monitor: a bounded queue between the core's judged events and whoever iterates. Filters by what
 * a datagram says, counts, and never stays silent about what was lost. Judges nothing.
 */
import {
  Action,
  Command,
  CommandFlag,
  type CoreEvent,
  type CoreUevent,
  DeviceType,
  Group,
  Mark,
} from "./core.ts";
import { type Driver, guard, type Listener, type Refusal, type Running } from "./driver.ts";
import { LoopError } from "./errors.ts";
import { diskIn, groupName, marksOf, propertiesOf, refusals, verdicts } from "./event-words.ts";
import { warningOf } from "./failures.ts";
import { kebab } from "./names.ts";
import type {
  Monitor,
  MonitorCounts,
  MonitorItem,
  MonitorOptions,
  UeventGroup,
} from "./stream-types.ts";
import type { LoopWarning } from "./types.ts";

/** Options as they are in use. */
export interface MonitorRequest {
  readonly groups: readonly UeventGroup[];
  /** kernel name; undefined: all disks */
  readonly disk: string | undefined;
  readonly diskseq: bigint;
  /** the diskseq is none that rose at the attach */
  readonly isBestEffort: boolean;
  readonly options: MonitorOptions;
}

type Counts = { -readonly [K in keyof MonitorCounts]: MonitorCounts[K] };

const queueDefault = 4096;

/** As much as systemd takes; below it a burst of events can be too much. */
const receiveBufferMin = 128 << 20;

export class MonitorStream implements Monitor, Listener {
  readonly ready: Promise<void>;
  readonly #driver: Driver;
  readonly #options: MonitorOptions;
  readonly #groups: readonly UeventGroup[];
  readonly #running: Running;
  readonly #receivedBefore: Record<number, number>;
  readonly #counts: Omit<Counts, "received"> = {
    told: 0,
    stale: 0,
    later: 0,
    outOfOrder: 0,
    lost: 0,
    gaps: 0,
    unknownGaps: 0,
    dropped: 0,
    duplicate: 0,
    forged: 0,
    malformed: 0,
    truncated: 0,
  };
  readonly #queue: MonitorItem[] = [];
  /** what datagrams lie in */
  #memory: Buffer = Buffer.alloc(0);
  readonly #max: number;
  /** items dropped and not told yet */
  #dropped = 0;
  #readers: { resolve(result: IteratorResult<MonitorItem>): void; reject(error: unknown): void }[] =
    [];
  #settleReady: { resolve(): void; reject(error: unknown): void } | undefined;
  #isOver = false;
  #receivedAtEnd: number | undefined;
  #error: unknown;
  readonly #onAbort = (): void => this.close();

  constructor(driver: Driver, request: MonitorRequest) {
    const { options } = request;
    this.#driver = driver;
    this.#options = options;
    this.#groups = request.groups;
    this.#max = options.maxQueue ?? queueDefault;
    this.#receivedBefore = { ...driver.received };
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // Who does not ask for it need not catch it.
    this.ready.catch(() => {});
    this.#running = driver.run(
      {
        command: Command.Watch,
        flags: flagsOf(request),
        diskseq: request.diskseq,
        reference: new TextEncoder().encode(request.disk ?? ""),
      },
      {
        listener: this,
        onWarning: (event) => options.onWarning?.(warningOf(event)),
      },
    );
    this.#running.done.then(
      () => this.#end(undefined),
      (error: unknown) => this.#end(error),
    );
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal?.aborted) this.close();
  }

  get counts(): MonitorCounts {
    return { ...this.#counts, received: this.#receivedAtEnd ?? this.#received() };
  }

  #received(): number {
    let sum = 0;
    for (const group of this.#groups) {
      const number = groupNumber(group);
      sum += (this.#driver.received[number] ?? 0) - (this.#receivedBefore[number] ?? 0);
    }
    return sum;
  }

  /* What the driver tells. */

  listening(): void {
    const { onWarning } = this.#options;
    for (const group of onWarning ? this.#groups : []) {
      const bytes = this.#driver.receiveBufferBytes(groupNumber(group)) ?? receiveBufferMin;
      if (bytes < receiveBufferMin) guard(() => onWarning?.(smallBuffer(group, bytes)));
    }
    this.#settleReady?.resolve();
  }

  uevent(event: CoreUevent, memory: Uint8Array, receivedNs: bigint): void {
    const { subsystem, devtype } = this.#options;
    if (devtype !== undefined && isKnownType(devtype) && typeName(event) !== devtype) return;
    if (subsystem === "block" && event.deviceType === DeviceType.None && devtype === undefined) {
      // Block devices without a DEVTYPE there are none.
      return;
    }
    const properties = this.#decode(memory, event);
    if (subsystem !== undefined && properties.SUBSYSTEM !== subsystem) return;
    if (devtype !== undefined && properties.DEVTYPE !== devtype) return;
    const verdict = verdicts[event.verdict] ?? null;
    const isLate = (event.marks & Mark.OutOfOrder) !== 0;
    this.#counts.told++;
    if (verdict === "stale") this.#counts.stale++;
    if (verdict === "later") this.#counts.later++;
    if (isLate) this.#counts.outOfOrder++;
    this.#put({
      type: "uevent",
      group: groupName(event.group),
      action: event.action === Action.Other ? (properties.ACTION ?? "") : actionName(event),
      devpath: properties.DEVPATH ?? "",
      subsystem: properties.SUBSYSTEM ?? "",
      devtype: properties.DEVTYPE ?? null,
      device: nodeOf(properties.DEVNAME),
      devnum: properties.MAJOR === undefined ? null : `${event.major}:${event.minor}`,
      disk: diskOf(event, properties.DEVPATH ?? ""),
      partition: event.deviceType === DeviceType.Partition ? event.partition : null,
      diskseq: event.diskseq === 0n ? null : event.diskseq,
      seqnum: event.seqnum,
      verdict,
      marks: marksOf(event.marks),
      properties,
      timeMs: Number(receivedNs) / 1e6,
    });
  }

  /** KEY=VALUE strings, as Latin-1 where they are no UTF-8. */
  #decode(memory: Uint8Array, event: CoreUevent): Record<string, string> {
    if (this.#memory.buffer !== memory.buffer) this.#memory = Buffer.from(memory.buffer);
    const begin = memory.byteOffset + event.properties;
    const end = memory.byteOffset + event.offset + event.bytes;
    const latin1 = this.#memory.toString("latin1", begin, end);
    const isPlain = !/[\u0080-\u00ff]/.test(latin1);
    return propertiesOf(isPlain ? latin1 : this.#memory.toString("utf8", begin, end));
  }

  lost(event: CoreEvent): void {
    const lost = Number(event.detail);
    this.#counts.gaps++;
    this.#counts.lost += lost;
    if (lost === 0) this.#counts.unknownGaps++;
    this.#put({
      type: "gap",
      group: groupName(event.code),
      lost: lost === 0 ? null : lost,
      after: event.detail2 === 0n ? null : event.detail2,
    });
  }

  refused(refusal: Refusal): void {
    const group = groupName(refusal.group);
    const reason = refusals[refusal.fault];
    if (!this.#groups.includes(group) || reason === undefined) return;
    this.#counts[reason]++;
    if (!this.#options.rejected) return;
    const { portId, pid, uid, bytes } = refusal;
    this.#put({ type: "rejected", group, reason, portId, pid, uid, bytes });
  }

  /* The queue. */

  #put(item: MonitorItem): void {
    if (this.#isOver) return;
    const reader = this.#readers.shift();
    if (reader) {
      reader.resolve({ done: false, value: item });
      return;
    }
    if (this.#queue.length < this.#max && this.#dropped === 0) {
      this.#queue.push(item);
      return;
    }
    this.#dropped++;
    this.#counts.dropped++;
    if (this.#options.overflow !== "throw") return;
    this.#error = new LoopError(
      "ERR_LOOP_OVERFLOW",
      `${this.#max} events wait to be read and another came: read faster, raise maxQueue, ` +
        'filter, or let them be dropped (overflow: "drop")',
    );
    this.close();
  }

  async next(): Promise<IteratorResult<MonitorItem>> {
    const item = this.#queue.shift();
    if (item) return { done: false, value: item };
    if (this.#dropped > 0 && this.#options.overflow !== "throw") {
      const dropped = this.#dropped;
      this.#dropped = 0;
      return { done: false, value: { type: "overrun", dropped } };
    }
    if (this.#isOver) return this.#finish();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  /** After the last item: the error, once. */
  #finish(): IteratorResult<MonitorItem> {
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<MonitorItem>> {
    this.close();
    this.#queue.length = 0;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  close(): void {
    this.#running.abort();
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#receivedAtEnd = this.#received();
    this.#isOver = true;
    this.#error ??= error;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    if (error === undefined) this.#settleReady?.resolve();
    else this.#settleReady?.reject(error);
    for (const reader of this.#readers.splice(0)) {
      try {
        reader.resolve(this.#finish());
      } catch (failure) {
        reader.reject(failure);
      }
    }
  }
}

function smallBuffer(group: UeventGroup, bytes: number): LoopWarning {
  const message =
    `the receive buffer for ${group} events has only ${Math.round(bytes / 1024)} KiB: a burst ` +
    "may be lost, and will be told (run as root, or raise net.core.rmem_max)";
  return { code: "small-receive-buffer", message };
}

function flagsOf({ groups, isBestEffort }: MonitorRequest): number {
  let flags = 0;
  if (!groups.includes("kernel")) flags |= CommandFlag.NoKernelGroup;
  if (groups.includes("udev")) flags |= CommandFlag.Udev;
  if (isBestEffort) flags |= CommandFlag.BestEffort;
  return flags;
}

function groupNumber(group: UeventGroup): Group {
  return group === "udev" ? Group.Udev : Group.Kernel;
}

const actionNames: readonly string[] = Object.values(Action)
  .filter((value) => typeof value === "number")
  .map((value) => kebab(Action[value] ?? ""));

function actionName(event: CoreUevent): string {
  return actionNames[event.action] ?? "";
}

function isKnownType(devtype: string): boolean {
  return devtype === "disk" || devtype === "partition";
}

function typeName(event: CoreUevent): string | undefined {
  if (event.deviceType === DeviceType.Disk) return "disk";
  return event.deviceType === DeviceType.Partition ? "partition" : undefined;
}

/** The kernel says `loop0`, udev says `/dev/loop0`. */
function nodeOf(name: string | undefined): string | null {
  if (name === undefined) return null;
  return name.startsWith("/") ? name : `/dev/${name}`;
}

function diskOf(event: CoreUevent, devpath: string): string | null {
  if (event.deviceType === DeviceType.None) return null;
  return diskIn(devpath, event.deviceType === DeviceType.Partition);
}
