/** The handle of one attach: plain data, and the descriptor that pins the instance. */

import { LoFlag } from "../assembly/wire/linux.ts";
import { CommandFlag, type CorePartition, LoopError, Result } from "./core.ts";
import { readBackingPath, tableFields, toJson } from "./describe.ts";
import { devnumOf } from "./devnum.ts";
import type { Outcome } from "./driver.ts";
import { deviceName } from "./names.ts";
import { type CheckedAttach, partscanOf } from "./options.ts";
import type { Session } from "./session.ts";
import type { Monitor, MonitorOptions } from "./stream-types.ts";
import type { Target } from "./target.ts";
import type {
  Attachment,
  Detached,
  DetachOptions,
  LoopDevice,
  LoopDeviceJson,
  Partition,
  PartscanMode,
} from "./types.ts";

export class AttachmentHandle implements Attachment {
  readonly device: string;
  readonly devnum: string;
  readonly diskseq: bigint | null;
  readonly backing: LoopDevice["backing"];
  readonly offset: number;
  readonly sizeLimit: number;
  readonly sectorSize: number;
  readonly readOnly: boolean;
  readonly directIO: boolean;
  readonly persistent: boolean;
  readonly partscan: PartscanMode;
  readonly partitions: readonly Partition[];
  readonly identity: "diskseq" | "best-effort";
  readonly #session: Session;
  readonly #target: Target;
  readonly #isLocked: boolean;
  #descriptor: number;
  #isOver = false;
  /** Ends when everybody is done with the descriptor. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(session: Session, outcome: Outcome, checked: CheckedAttach) {
    const { event, partitions } = outcome;
    const word = (result: Result): bigint => event.result[result] ?? 0n;
    const flags = Number(word(Result.Flags));
    const disk = `loop${event.number}`;
    const diskseq = word(Result.Diskseq);
    this.#session = session;
    this.#descriptor = Number(word(Result.Descriptor));
    this.#isLocked = (checked.flags & CommandFlag.NoLock) === 0;
    this.device = deviceName(event.number);
    this.devnum = `${word(Result.Major)}:${word(Result.Minor)}`;
    this.diskseq = diskseq === 0n ? null : diskseq;
    this.backing = {
      path: readBackingPath(session.kernel, disk),
      dev: devnumOf(word(Result.BackingDevice)),
      ino: Number(word(Result.BackingInode)),
    };
    this.offset = Number(word(Result.Offset));
    this.sizeLimit = Number(word(Result.SizeLimit));
    this.sectorSize = Number(word(Result.SectorSize));
    this.readOnly = (flags & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
    this.directIO = (flags & LoFlag.LO_FLAGS_DIRECT_IO) !== 0;
    this.persistent = checked.isPersistent;
    this.partscan = partscanOf(Number(word(Result.Partscan)));
    this.partitions = partitions
      .map((partition) => partitionOf(this.device, partition))
      .sort((a, b) => a.number - b.number);
    this.identity = word(Result.Identity) === 1n ? "diskseq" : "best-effort";
    this.#target = {
      subject: this.device,
      number: event.number,
      diskseq: this.identity === "diskseq" ? diskseq : undefined,
      backingDevice: word(Result.BackingDevice),
      backingInode: word(Result.BackingInode),
    };
  }

  /** A second call waits for the first and then finds it over, or tries again. */
  async detach(options: DetachOptions = {}): Promise<Detached> {
    return this.#inTurn(() => this.#detach(options));
  }

  async #detach(options: DetachOptions): Promise<Detached> {
    if (this.#isOver) return this.#gone();
    const end = await this.#session.detachInstance(this.#target, this.#descriptor, options);
    if (!end.isDescriptorOpen) this.#unpin();
    this.#isOver = end.detached?.result === "gone" || isGone(end.error);
    if (end.detached) return { ...end.detached, diskseq: this.diskseq };
    if (!this.#isOver) throw end.error;
    await this.#release();
    return this.#gone();
  }

  events(options: MonitorOptions = {}): Monitor {
    return this.#session.watch({
      groups: options.groups ?? ["kernel"],
      disk: this.device.slice("/dev/".length),
      diskseq: this.diskseq ?? 0n,
      isBestEffort: this.identity === "best-effort",
      options,
    });
  }

  /** Work through the descriptor that holds the lock; -1: there is none, or it holds none. */
  async lend<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    return this.#inTurn(() => work(this.#isLocked ? this.#descriptor : -1));
  }

  /** One at a time: the descriptor must not be closed while somebody uses it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Whether this handle holds the instance; without a diskseq whatever it is. */
  pins(diskseq: bigint | undefined): boolean {
    if (this.#descriptor < 0) return false;
    return diskseq === undefined || diskseq === this.diskseq;
  }

  #unpin(): void {
    this.#descriptor = -1;
    this.#session.forget(this.#target.number, this);
  }

  #gone(): Detached {
    return { result: "gone", device: this.device, diskseq: this.diskseq, holders: [] };
  }

  async release(): Promise<void> {
    return this.#inTurn(() => this.#release());
  }

  async #release(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#unpin();
    if (descriptor >= 0) await this.#session.release(this.#target.number, descriptor);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.persistent) await this.release();
    else await this.detach();
  }

  toJSON(): LoopDeviceJson {
    return toJson(this);
  }
}

/** Somebody else ended this instance: it is gone, which is what was asked for. */
function isGone(error: unknown): boolean {
  if (!(error instanceof LoopError)) return false;
  return error.code === "ERR_LOOP_NOT_ATTACHED" || error.code === "ERR_LOOP_STALE";
}

function partitionOf(device: string, partition: CorePartition): Partition {
  return {
    number: partition.number,
    device: `${device}p${partition.number}`,
    devnum: `${partition.major}:${partition.minor}`,
    ...tableFields(partition),
    by: partition.byKernel ? "kernel" : "user",
  };
}
