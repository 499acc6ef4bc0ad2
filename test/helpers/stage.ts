/**
 * Watches and datagrams before cores in virtual time. Answers the lookout's calls at once from what
 * sysfs is said to show, and keeps what came of every watch. Whatever ends, and when, is held
 * against sysfs: a wait that ends as ready, superseded or gone must be right at that very time.
 */
import * as assert from "uvu/assert";
import {
  Call,
  type Command,
  CommandFlag,
  DiskWord,
  Event,
  type Fault,
  type Group,
  Limit,
  PartitionEntryWord,
  WaitResult,
} from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { type Core, type CoreCommand, type CoreUevent, Step } from "../../host/core.ts";
import type { Lockstep, OutCall, OutEvent, Output } from "./cores.ts";
import type { Datagram } from "./datagrams.ts";
import type { Shown } from "./judge.ts";

/** How a watch ended. */
export interface Ended {
  readonly event: Event;
  /** a `WaitResult`, or a `Failure` */
  readonly code: number;
  /** the instance that was there, and its partitions */
  readonly current: bigint;
  readonly partitions: bigint;
}

/** A wait or a subscription that was opened. */
export interface Watched {
  /** the core's number of it, which another one may have after its end */
  readonly number: number;
  readonly name: string;
  readonly command: CoreCommand;
  ended: Ended | undefined;
}

export interface Heard {
  readonly fault: Fault;
  /** what each subscription was told, by its number */
  readonly told: ReadonlyMap<number, CoreUevent>;
}

const inputNs = 1_000n;
/** More calls than any look makes. */
const callsMax = 64;

export class Stage {
  /** what sysfs shows; a disk that is missing is not there */
  readonly disks = new Map<string, Shown>();
  readonly lockstep: Lockstep;
  /** A look at a disk has ended; since the one before events were lost. */
  onLooked: (name: string, shown: Shown | undefined, isLossy: boolean) => void = () => {};
  /** 1: nothing will come of a group */
  subscribed = 0;
  readonly #lossy = new Set<string>();
  readonly #watched = new Map<number, Watched>();
  #timeoutAt = 0n;

  constructor(lockstep: Lockstep) {
    this.lockstep = lockstep;
  }

  get timeoutAt(): bigint {
    return this.#timeoutAt;
  }

  /** Opens a wait or a subscription of a disk, "" for all. */
  open(
    command: Command.Wait | Command.Watch,
    name: string,
    rest: Partial<CoreCommand> = {},
  ): Watched {
    const given = { ...rest, command, reference: Buffer.from(name, "latin1") };
    const output = this.lockstep.command(this.#tick(), given);
    assert.ok(output.answer >= Limit.OperationsMax, `refused: ${-output.answer}`);
    return this.adopt({ number: output.answer, name, command: given, ended: undefined }, output);
  }

  /** One that the cores have open. */
  adopt(watched: Watched, output?: Output): Watched {
    this.#watched.set(watched.number, watched);
    if (output) this.#take(output);
    return watched;
  }

  /** Hands a datagram in. Each subscription may be told once. */
  hear(datagram: Datagram, slot = 0): Heard {
    const output = this.lockstep.datagram(this.#tick(), slot, datagram);
    const told = new Map(output.uevents.map((uevent) => [uevent.operation, uevent] as const));
    assert.is(told.size, output.uevents.length, "a subscription was told twice");
    this.#take(output);
    return { fault: output.answer, told };
  }

  /** Events of a group were lost. The numbers of the watches that are told so. */
  lose(group: Group, count: number): OutEvent[] {
    for (const { name } of this.#watched.values()) this.#lossy.add(name);
    const output = this.lockstep.overrun(this.#tick(), group, count);
    const lost = output.events.filter(({ event }) => event === Event.Lost);
    this.#take(output);
    return lost;
  }

  /** Lets time pass to the next deadline; false where there is none. */
  wake(): boolean {
    if (this.#timeoutAt === 0n) return false;
    const at = this.#timeoutAt > this.lockstep.now ? this.#timeoutAt : this.#tick();
    this.#take(this.lockstep.timeout(at));
    return true;
  }

  #tick(): bigint {
    return this.lockstep.now + inputNs;
  }

  #take(output: Output): void {
    let next: Output | undefined = output;
    const calls: OutCall[] = [];
    for (let done = 0; next; done++) {
      assert.ok(done < callsMax, "it looks and looks");
      this.#timeoutAt = next.timeoutAt;
      for (const event of next.events) this.#tell(event);
      calls.push(...next.calls);
      const call = calls.shift();
      next = call && this.#answer(call);
    }
  }

  #answer(call: OutCall): Output {
    const { result, bytes, looked } = this.#resultOf(call);
    // Before the completion: whoever is told of this look must find it known.
    if (looked !== undefined) {
      this.onLooked(looked, this.disks.get(looked), this.#lossy.delete(looked));
    }
    return this.lockstep.complete(this.#tick(), call, result, bytes);
  }

  /** `looked`: the disk of which this call ends a look. */
  #resultOf(call: OutCall): { result: number; bytes?: Uint8Array; looked?: string } {
    if (call.call === Call.Subscribe) return { result: this.subscribed };
    if (call.call === Call.Unsubscribe) return { result: 0 };
    const isDisk = call.call === Call.ReadDisk;
    assert.ok(isDisk || call.call === Call.ListPartitions, `${Call[call.call]} was not expected`);
    const name = Buffer.from(call.bytes.subarray(0, Limit.NameBytes)).toString("latin1");
    const disk = name.slice(0, name.indexOf("\0"));
    const shown = this.disks.get(disk);
    if (!shown) return { result: -Errno.ENOENT, looked: disk };
    const looked = call.step === Step.LookAgain ? { looked: disk } : {};
    if (isDisk) return { result: 0, bytes: diskBytes(shown), ...looked };
    return { result: shown.partitions.length, bytes: partitionsBytes(shown) };
  }

  #tell(event: OutEvent): void {
    const watched = this.#watched.get(event.operation);
    assert.ok(watched, `${Event[event.event]} of no watch`);
    if (event.event !== Event.Waited && event.event !== Event.Failed) return;
    const [, , ...words] = event.result;
    const partitions = words
      .slice(0, 4)
      .reduce((mask, word, index) => mask | (word << BigInt(64 * index)), 0n);
    const { code, detail2: current } = event;
    watched.ended = { event: event.event, code, current, partitions };
    this.#watched.delete(event.operation);
    if (event.event === Event.Waited) this.#expectRight(watched, code, partitions);
  }

  /** The answer of a wait, against what sysfs shows. */
  #expectRight({ name, command }: Watched, code: number, told: bigint): void {
    const { flags = 0, diskseq = 0n, partitionMask = 0n } = command;
    const shown = this.disks.get(name);
    const there = (shown?.partitions ?? []).reduce(
      (mask, number) => mask | (1n << BigInt(number)),
      0n,
    );
    const isAny = diskseq === 0n || shown?.diskseq === 0n;
    const isMine = shown?.isBound === true && (isAny || shown.diskseq === diskseq);
    const text = `${name} ${diskseq}: ${WaitResult[code]}`;
    assert.is(told, there, `${text}: the partitions that are there`);
    if ((flags & CommandFlag.Removed) !== 0) {
      const isLeft = isMine && (partitionMask === 0n || (there & partitionMask) !== 0n);
      assert.ok(code === WaitResult.Gone && !isLeft, `${text} while it is there`);
    } else if (code === WaitResult.Ready) {
      assert.ok(isMine && (there & partitionMask) === partitionMask, `${text}, it is not`);
    } else {
      assert.not.ok(isMine, `${text} while it is there`);
      assert.is(code === WaitResult.Superseded, shown?.isBound === true, text);
    }
  }
}

/** Writes a state back; and blanks what is no state, but shows in calls. */
export function restore(core: Core, state: Uint8Array): void {
  core.state.set(state);
  core.buffers.fill(0, 0, core.slots.byteOffset - core.buffers.byteOffset);
}

/** What ReadDisk leaves. */
function diskBytes({ diskseq, isBound, partitions }: Shown): Uint8Array {
  const bytes = Buffer.alloc(DiskWord.Words * 8);
  bytes.writeBigUInt64LE(isBound ? 1n : 0n, DiskWord.Bound * 8);
  bytes.writeBigUInt64LE(diskseq, DiskWord.Diskseq * 8);
  bytes.writeBigUInt64LE(7n, DiskWord.Major * 8);
  bytes.writeBigUInt64LE(300n, DiskWord.Minor * 8);
  bytes.writeBigUInt64LE(isBound || partitions.length > 0 ? 131072n : 0n, DiskWord.Size * 8);
  return bytes;
}

/** What ListPartitions leaves. */
function partitionsBytes({ partitions }: Shown): Uint8Array {
  const recordBytes = PartitionEntryWord.Words * 4;
  const bytes = Buffer.alloc(partitions.length * recordBytes);
  for (const [index, number] of partitions.entries()) {
    const at = index * recordBytes;
    bytes.writeUInt32LE(number, at + PartitionEntryWord.Number * 4);
    bytes.writeUInt32LE(259, at + PartitionEntryWord.Major * 4);
    bytes.writeUInt32LE(number - 1, at + PartitionEntryWord.Minor * 4);
    bytes.writeBigUInt64LE(BigInt(number * 2048), at + PartitionEntryWord.Start * 4);
    bytes.writeBigUInt64LE(2048n, at + PartitionEntryWord.Size * 4);
  }
  return bytes;
}
