/**
 * What goes into a core and comes out of it, with types: the words of `assembly/abi.ts` as the host
 * reads and writes them. Types only.
 */
import type * as abi from "../assembly/abi.ts";
import type { Step } from "../assembly/core/steps.ts";

export interface CoreOptions {
  /** Feeds the jitter of retries; equal seeds give equal runs. */
  readonly seed: bigint;
  /** Operations that may run at once, 1 to 64. */
  readonly operations: number;
  /** Partitions of one table, 1 to 255. */
  readonly partitions: number;
  /** Waits and subscriptions that may be open at once, 1 to 4096. */
  readonly watches: number;
}

/** A command as the host writes it. Everything but `command` is 0, -1 or empty by default. */
export interface CoreCommand {
  readonly command: abi.Command;
  /** `CommandFlag` bits */
  readonly flags?: number;
  readonly timeoutNs?: bigint;
  readonly offset?: bigint;
  readonly sizeLimit?: bigint;
  readonly sectorSize?: number;
  readonly partscan?: abi.Partscan;
  readonly number?: number;
  readonly descriptor?: number;
  readonly diskseq?: bigint;
  readonly backingDevice?: bigint;
  readonly backingInode?: bigint;
  /** Attach: at most 63 bytes. Wait, Watch: the disk's kernel name, at most 31. */
  readonly reference?: Uint8Array;
  /** Wait: bit N for partition N */
  readonly partitionMask?: bigint;
}

/**
 * Who looks on while a core runs, e.g. to write it down: is told of every input before the core
 * takes it, of its answer, and of every output that was polled.
 */
export interface Tap {
  command(now: bigint, command: CoreCommand): void;
  completion(now: bigint, ticket: number, result: number): void;
  datagram(now: bigint, slot: number): void;
  overrun(now: bigint, group: number, count: number): void;
  timeout(now: bigint): void;
  /** what the input was answered: the new operation, 0, or a negative `Fault` */
  answered(answer: number): void;
  call(call: CoreCall): void;
  event(event: CoreEvent | CoreUevent): void;
  partition(operation: number, index: number, partition: CorePartition | undefined): void;
  /** `pollTimeout` */
  wake(at: bigint): void;
}

/** A judged event's words: `Event.Uevent`. */
export interface CoreUevent {
  readonly event: abi.Event.Uevent;
  readonly operation: number;
  readonly verdict: abi.Verdict;
  /** `Mark` bits */
  readonly marks: number;
  readonly group: abi.Group;
  readonly action: abi.Action;
  readonly deviceType: abi.DeviceType;
  readonly partition: number;
  readonly seqnum: bigint;
  readonly diskseq: bigint;
  readonly major: number;
  readonly minor: number;
  /** Where its datagram lies in `Core.buffers`, its bytes, where its properties begin. */
  readonly offset: number;
  readonly bytes: number;
  readonly properties: number;
}

/** An event's words. */
export interface CoreEvent {
  readonly event: Exclude<abi.Event, abi.Event.Uevent>;
  readonly operation: number;
  readonly code: number;
  readonly step: Step;
  readonly call: abi.Call;
  readonly errno: number;
  readonly number: number;
  readonly request: number;
  readonly detail: bigint;
  readonly detail2: bigint;
  /** words of `Result`, as they stand; of `Event.Waited` the words from `EventWord.Result` on */
  readonly result: readonly bigint[];
}

/** A partition's words. */
export interface CorePartition {
  readonly number: number;
  readonly major: number;
  readonly minor: number;
  readonly start: bigint;
  readonly size: bigint;
  readonly byKernel: boolean;
  /** 1 GPT, 0 MBR, -1 neither */
  readonly kind: number;
  readonly mbrType: number;
  readonly diskSignature: number;
  readonly typeGuid: Uint8Array;
  readonly uniqueGuid: Uint8Array;
  /** UTF-16LE, 72 bytes */
  readonly name: Uint8Array;
}

/** A call's words; `buffer` is an offset into `Core.buffers`. */
export interface CoreCall {
  readonly call: abi.Call;
  readonly ticket: number;
  readonly operation: number;
  readonly step: Step;
  readonly descriptor: number;
  readonly request: number;
  readonly place: abi.Place;
  readonly number: number;
  readonly partition: number;
  readonly argument: bigint;
  readonly argument2: bigint;
  readonly buffer: number;
  readonly bytes: number;
}
