/**
 * Where the core remembers: one contiguous region of operations, hashed and snapshotted as a whole,
 * and one of buffers, which the kernel reads and fills and nobody hashes.
 *
 *   state    globals | operation 0: fields, partitions | operation 1 ... | the lookout
 *            | registry | deadlines | SEQNUMs seen
 *   buffers  16 KiB an operation; belongs to the outstanding call until its completion
 *            | slots for datagrams | a record for each of them
 *
 * The lookout is one more operation, the core's own: it subscribes, and looks at sysfs for watches.
 *
 * Every field is a slot of 8 bytes, so that one enum is the layout. Knows no step and no policy.
 */
import { DatagramWord, Limit } from "../abi.ts";
import { Capacities } from "./capacities.ts";

/** Slots before the operations. */
export enum Global {
  /** State of the generator behind the jitter (xorshift64*); never 0. */
  Random = 0,
  /** The latest `now`; time never runs backwards. */
  Now,
  /** Rises by one a call; with the operation it makes the ticket. */
  Serial,
  /** Operation that owns loop-control, plus one; 0: nobody. */
  ControlOwner,
  /** Rises by one a waiter, so that loop-control is handed out in order of arrival. */
  Arrival,
  /** Operations that ended and whose results may still be read; freed at the next input. */
  Ended,
  /** Operations that are not free. */
  Taken,
  /** 1: LOOP_CONFIGURE is unknown to this kernel (probed). */
  ConfigureMissing,
  /** 1: the kernel was seen not to read a table. Indexed by `Table` from here. */
  ParserMissing,
  /** Where the next device that was given back is remembered, and `ABANDONED_MAX` pairs of its
   *  number plus one and its diskseq. While somebody has it open it still shows its image. */
  AbandonedNext = ParserMissing + 3,
  Abandoned,
  /** How it is with each multicast group, as `GroupState`; who is interested in it; and 1: events
   *  of it were lost. Indexed by `Group` from here. */
  GroupIs = Abandoned + 16,
  GroupInterest = GroupIs + 3,
  /** errno of a refused subscription. */
  GroupErrno = GroupInterest + 3,
  /** Watches of `Command.Watch`: only for them idle disks are remembered. */
  Subscriptions = GroupErrno + 3,
  Slots,
}

/** Slots of an operation. 64-bit ones are marked; all others hold an i32. */
export enum Field {
  /** `Command`; 0: the slot is free. */
  Command = 0,
  Step,
  Flags,
  /** `Partscan` asked for, and the one in use. */
  PartscanAsked,
  Partscan,
  NumberAsked,

  /** 64-bit; 0: none. When the operation times out, is looked at again, is reported without its
   *  call. */
  Deadline,
  Wake,
  Grace,
  WakeReason,
  /** `Failure` that ends the operation at its next completion. */
  Interrupt,
  /** 1: the application was told already; what is left is giving back. */
  Reported,
  /** 1: over; freed at the next input. */
  Ended,

  /** Outstanding ticket, 0: none; 1 in CallPending: not handed out. */
  Ticket,
  CallPending,
  CallKind,
  CallDescriptor,
  CallRequest,
  CallPlace,
  CallNumber,
  CallPartition,
  /** 64-bit */
  CallArgument,
  CallArgument2,
  CallBytes,

  /** Waits in this step; tries of a device; of them refused with EACCES. */
  Waits,
  Tries,
  Denied,
  /** Arrival in the queue for loop-control, 0: not waiting. */
  Arrival,
  /** Loop numbers below this are passed over. */
  NumberFrom,
  NumberFailed,
  NumberFailures,

  ImageDescriptor,
  ImageOwned,
  /** The O_PATH descriptor while the image is reopened. */
  PathDescriptor,
  ControlDescriptor,
  /** A descriptor held for a few steps: another device, a node, the drain. */
  AuxiliaryDescriptor,
  /** The read-only descriptor of the device, which holds the lock; opened by us or the caller's. */
  DeviceDescriptor,
  DeviceOwned,
  WritableDescriptor,
  HiddenMade,
  /** `Reaction` */
  Reaction,

  ImageMode,
  /** 64-bit */
  ImageDevice,
  ImageInode,
  ImageRdev,
  ImageSize,
  Offset,
  SizeLimit,
  /** 64-bit: bytes that the device will show, whole 512-byte sectors. */
  Capacity,
  SectorSize,
  /** 1: the image is open for reading only. */
  ImageReadOnly,

  /** `Table`, and whether the kernel's parser makes this list of it. */
  Table,
  ForKernel,
  /** 1: the entries come from the backup. */
  FromBackup,
  /** 64-bit: LBA of the other copy of the header, of the entries; bytes of them read. */
  OtherLba,
  EntriesLba,
  EntriesDone,
  EntryCount,
  EntryBytes,
  EntriesCrc,
  /** 1: an entry in use has a number that no kernel gives. */
  Excess,
  Crc,
  /**
   * 64-bit, 512-byte sectors: extended partition, its link under way, and Brent's remembered
   * one.
   */
  ExtendedStart,
  ExtendedSize,
  LinkSector,
  /** 1: there is a link to read at LinkSector. */
  LinkAhead,
  LinkSize,
  LinkSeen,
  LinkSteps,
  LinkPower,
  LinksEmpty,
  NextLogical,
  DiskSignature,

  /** Length of the list, place in it. */
  Partitions,
  Cursor,

  Number,
  Major,
  Minor,
  /** 64-bit */
  DiskseqBefore,
  Diskseq,
  Identity,
  /** 1: the device is bound by us. */
  Configured,
  /** 1: by LOOP_SET_FD, so that its settings are still to come. */
  OldPath,
  LoFlags,
  /** Leftover partition to delete next; tries to delete one, and how many are gone. */
  Leftover,
  LeftoverDeletions,
  LeftoversRemoved,
  /** Number of the loop device that a guard step looks at. */
  Suspect,

  /** What happens after giving back: an `Outcome`. */
  Afterwards,
  Failure,
  FailedStep,
  FailedCall,
  FailedErrno,
  FailedRequest,
  FailedNumber,
  /** 64-bit */
  FailedDetail,
  FailedDetail2,

  /** Detach: 64-bit identity asked for. */
  DiskseqAsked,
  BackingDeviceAsked,
  BackingInodeAsked,
  Cleared,
  Holders,
  /** 1: the application knows that somebody holds the device. */
  Told,
  Deferred,

  /** Partition numbers, 256 bits for each `Change`. */
  Changes,

  /** Index, plus one, of the disk in the registry: the one that udev is awaited for, or that the
   *  lookout looks at. */
  Disk = Changes + 16,
  /** Partitions that udev is awaited for, a set. */
  AwaitedMask,
  /** The lookout's: the group that it subscribes to. */
  Group = AwaitedMask + 4,

  /** `lo_file_name`, 64 bytes. The lookout's: a mask of the partitions that it sees. */
  Reference,
  Slots = Reference + 8,
}

/** Byte offsets in a partition's record. */
export enum Entry {
  Number = 0,
  Major = 4,
  Minor = 8,
  /** as `PartitionWord.Kind` */
  Kind = 12,
  /** u64 bytes */
  Start = 16,
  Size = 24,
  MbrType = 32,
  /** 1: sysfs shows it as it must be. */
  Seen = 36,
  /**
   * GPT: 16 bytes each. An extended MBR partition keeps its whole size (u64, sectors) at
   * TypeGuid.
   */
  TypeGuid = 40,
  UniqueGuid = 56,
  /** 72 bytes */
  Name = 72,
  Bytes = 144,
}

const SLOT: i32 = 8;

/** More than anybody keeps open at once. */
export const ABANDONED_MAX: i32 = 8;

export class State {
  readonly operations: i32;
  readonly partitions: i32;
  readonly watches: i32;
  /** Disks that can be remembered: one for each watch and operation, and the lookout's. */
  readonly disks: i32;
  /** How far back SEQNUMs are known. */
  readonly seqnums: i32;
  /** The operation that is the core's own; also the number of the application's. */
  readonly lookout: i32;
  /** Where the parts behind the operations lie in the state. */
  readonly registryAt: i32;
  readonly deadlinesAt: i32;
  readonly seenAt: i32;
  /** Where datagrams, and their records, lie among the buffers. */
  readonly slotsAt: i32;
  readonly recordsAt: i32;
  readonly buffer: ArrayBuffer;
  readonly view: DataView;
  readonly buffersBuffer: ArrayBuffer;
  readonly buffers: DataView;
  private readonly stride: i32;

  constructor(capacities: Capacities) {
    const operations = capacities.operations;
    const partitions = capacities.partitions;
    const watches = capacities.watches;
    assert(operations > 0 && operations <= Limit.OperationsMax);
    assert(partitions > 0 && partitions <= Limit.PartitionsMax);
    assert(watches > 0 && watches <= Limit.WatchesMax);
    const stride = Field.Slots * SLOT + partitions * Entry.Bytes;
    const registryAt = Global.Slots * SLOT + (operations + 1) * stride;
    const deadlinesAt = registryAt + capacities.registryBytes;
    const seenAt = deadlinesAt + capacities.deadlinesBytes;
    const slotsAt = (operations + 1) * Limit.BufferBytes;
    const recordsAt = slotsAt + Limit.DatagramSlots * Limit.DatagramBytes;
    const buffer = new ArrayBuffer(seenAt + capacities.seenBytes);
    const buffersBuffer = new ArrayBuffer(recordsAt + Limit.DatagramSlots * DatagramWord.Words * 4);
    this.operations = operations;
    this.partitions = partitions;
    this.watches = watches;
    this.disks = capacities.disks;
    this.seqnums = capacities.seqnums;
    this.lookout = operations;
    this.registryAt = registryAt;
    this.deadlinesAt = deadlinesAt;
    this.seenAt = seenAt;
    this.slotsAt = slotsAt;
    this.recordsAt = recordsAt;
    this.stride = stride;
    this.buffer = buffer;
    this.view = new DataView(buffer);
    this.buffersBuffer = buffersBuffer;
    this.buffers = new DataView(buffersBuffer);
  }

  global(slot: i32): u64 {
    return this.view.getUint64(slot * SLOT, true);
  }

  setGlobal(slot: i32, value: u64): void {
    this.view.setUint64(slot * SLOT, value, true);
  }

  /** Where an operation's field lies in the state. */
  at(operation: i32, field: i32): i32 {
    assert(operation >= 0 && operation <= this.lookout);
    return Global.Slots * SLOT + operation * this.stride + field * SLOT;
  }

  get(operation: i32, field: i32): i32 {
    return this.view.getInt32(this.at(operation, field), true);
  }

  set(operation: i32, field: i32, value: i32): void {
    this.view.setInt32(this.at(operation, field), value, true);
  }

  get64(operation: i32, field: i32): u64 {
    return this.view.getUint64(this.at(operation, field), true);
  }

  set64(operation: i32, field: i32, value: u64): void {
    this.view.setUint64(this.at(operation, field), value, true);
  }

  has(operation: i32, flag: i32): bool {
    return (this.get(operation, Field.Flags) & flag) !== 0;
  }

  /** Where a partition's record lies in the state. */
  entryAt(operation: i32, index: i32): i32 {
    assert(index >= 0 && index < this.partitions);
    return this.at(operation, Field.Slots) + index * Entry.Bytes;
  }

  /** Where an operation's buffer begins among the buffers. */
  bufferAt(operation: i32): i32 {
    assert(operation >= 0 && operation <= this.lookout);
    return operation * Limit.BufferBytes;
  }

  /** Appends a blank partition record; -1 when the list is full. */
  appendEntry(operation: i32): i32 {
    const index = this.get(operation, Field.Partitions);
    if (index === this.partitions) return -1;
    this.set(operation, Field.Partitions, index + 1);
    const at = this.entryAt(operation, index);
    for (let i = 0; i < Entry.Bytes; i += SLOT) this.view.setUint64(at + i, u64(0), true);
    return at;
  }

  /** Remembers an instance that this process gave back. */
  abandon(number: i32, diskseq: u64): void {
    const next = i32(this.global(Global.AbandonedNext));
    this.setGlobal(Global.Abandoned + next * 2, u64(number + 1));
    this.setGlobal(Global.Abandoned + next * 2 + 1, diskseq);
    this.setGlobal(Global.AbandonedNext, u64((next + 1) % ABANDONED_MAX));
  }

  /** Whether it is remembered; with diskseq 0, whether any instance of that number is. */
  isAbandoned(number: i32, diskseq: u64): bool {
    for (let i = 0; i < ABANDONED_MAX; i++) {
      if (this.global(Global.Abandoned + i * 2) !== u64(number + 1)) continue;
      if (diskseq === u64(0) || this.global(Global.Abandoned + i * 2 + 1) === diskseq) return true;
    }
    return false;
  }

  /** Blanks an operation; descriptors become -1. */
  clear(operation: i32): void {
    const at = this.at(operation, 0);
    for (let i = 0; i < this.stride; i += SLOT) this.view.setUint64(at + i, u64(0), true);
    this.set(operation, Field.ImageDescriptor, -1);
    this.set(operation, Field.PathDescriptor, -1);
    this.set(operation, Field.ControlDescriptor, -1);
    this.set(operation, Field.AuxiliaryDescriptor, -1);
    this.set(operation, Field.DeviceDescriptor, -1);
    this.set(operation, Field.WritableDescriptor, -1);
    this.set(operation, Field.Number, -1);
    this.set(operation, Field.NumberFailed, -1);
  }
}
