/**
 * What `ScriptedKernel` tells of its disks: multicast groups, datagrams in virtual time, udev, and
 * the synthetic events that it is asked for. Silent until somebody subscribes.
 */
import { Group, Limit } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";
import type { Datagram } from "./datagrams.ts";
import type { Extras, Quirks, ScriptedDisk } from "./scripted-disks.ts";
import { minorOf, put64, viewOf } from "./scripted-disks.ts";
import { ScriptedUdev } from "./scripted-udev.ts";
import { type Hearing, kernelEvent, type Uevent } from "./uevents.ts";

/** A synthetic `change` that was asked for. */
export interface Trigger {
  readonly disk: string;
  readonly partition: number;
  readonly uuid: string;
  readonly at: bigint;
}

/** From an event to who hears it: before the call that caused it returns. */
const ueventNs = 500n;

export class ScriptedUevents {
  /** Some kernels tell nothing of an attach. */
  isMute = false;
  /** what Subscribe answers; without: 0, or 1 for udev's group while no udevd runs */
  readonly answers = new Map<Group, number>();
  readonly subscribed = new Set<Group>();
  readonly triggers: Trigger[] = [];
  readonly udev = new ScriptedUdev(this);
  /** who hears datagrams */
  audience: Hearing | undefined;
  seqnum = 1_000n;
  readonly #quirks: Quirks;

  constructor(quirks: Quirks) {
    this.#quirks = quirks;
  }

  /** An event of a disk, or of a partition of it, as things are. */
  of(disk: ScriptedDisk, action: string, partition = 0, extras: Extras = {}): Uevent {
    return {
      action,
      disk: disk.name,
      partition,
      major: partition === 0 ? 7 : 259,
      minor: partition === 0 ? disk.number : minorOf(disk.number, partition),
      diskseq: this.#quirks.diskseq === "none" ? 0n : disk.diskseq,
      seqnum: ++this.seqnum,
      extras,
    };
  }

  /** Tells it: to udev always, to us where we listen. */
  tell(disk: ScriptedDisk, action: string, partition?: number, extras?: Extras): void {
    if (this.isMute) return;
    const uevent = this.of(disk, action, partition, extras);
    this.udev.take(uevent);
    if (!this.subscribed.has(Group.Kernel)) return;
    this.later(ueventNs, () => this.hear(kernelEvent(uevent)));
  }

  later(delayNs: bigint, run: () => void): void {
    this.audience?.later(delayNs, run);
  }

  hear(datagram: Datagram): void {
    this.audience?.hear(datagram);
  }

  /* Calls. */

  subscribe(group: Group): number {
    const isDeaf = group === Group.Udev && !this.udev.isRunning;
    const answer = this.answers.get(group) ?? (isDeaf ? 1 : 0);
    if (answer >= 0) this.subscribed.add(group);
    return answer;
  }

  unsubscribe(group: Group): number {
    return this.subscribed.delete(group) ? 0 : -Errno.EBADF;
  }

  readRecord({ number, partition, bytes }: KernelCall): number {
    const stamp = this.udev.records.get(`${number}:${partition}`);
    return stamp === undefined ? -Errno.ENOENT : put64(viewOf(bytes), 0, stamp);
  }

  trigger(disk: ScriptedDisk | undefined, { partition, bytes }: KernelCall, at: bigint): number {
    if (!disk) return -Errno.ENOENT;
    const uuid = Buffer.from(bytes.subarray(Limit.NameBytes, Limit.NameBytes + 16)).toString("hex");
    this.triggers.push({ disk: disk.name, partition, uuid, at });
    this.tell(disk, "change", partition, { SYNTH_UUID: uuid });
    return 0;
  }
}
