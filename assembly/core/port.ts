/**
 * What the machine puts out: one outstanding call and one timer an operation, and a ring of events.
 * Fills in words; decides nothing. The ring is empty whenever the host has drained it, so it is no
 * part of the state.
 */
import {
  Call,
  DiskWord,
  Event,
  EventWord,
  Failure,
  Limit,
  PartitionEntryWord,
  Place,
  Result,
  TimeoutReason,
} from "../abi.ts";
import { BlkpgOperation, Ioctl, Lock, OpenFlag } from "../wire/linux.ts";
import { Blkpg, clearBytes, LoopInfo, putBlkpg } from "../wire/loop.ts";
import { Field, State } from "./state.ts";
import { Outcome } from "./steps.ts";

/** Returned by a step that made a call or waits, instead of an outcome. */
export const PENDING: i32 = -1;

export const MILLISECOND: i32 = 1000000;

/** Room for the operation in a ticket: the application's, and the lookout. */
export const TICKET_SLOTS: i32 = 128;

const EVENT_WORDS: i32 = 26;
const EVENTS_A_OPERATION: i32 = 300;

export class Port {
  private readonly state: State;
  private readonly events: DataView;
  private readonly capacity: i32;
  private head: i32 = 0;
  private count: i32 = 0;

  constructor(state: State) {
    // By one input every watch may be told that it listens, and what it cannot hear.
    const capacity = EVENTS_A_OPERATION + state.operations * 4 + state.watches * 3;
    this.state = state;
    this.capacity = capacity;
    this.events = new DataView(new ArrayBuffer(capacity * EVENT_WORDS * 8));
  }

  /* Calls. Each returns PENDING, so that a step can end with it. */

  open(operation: i32, place: i32, flags: i32, number: i32, partition: i32): i32 {
    this.call(operation, Call.Open, -1);
    this.state.set(operation, Field.CallRequest, flags | OpenFlag.O_CLOEXEC | OpenFlag.O_NOCTTY);
    return this.place(operation, place, number, partition);
  }

  /** Opens a device so that nobody else can configure, mount or re-read it meanwhile. */
  claim(operation: i32, number: i32): i32 {
    const flags = OpenFlag.O_NONBLOCK | OpenFlag.O_EXCL;
    return this.open(operation, Place.Disk, flags, number, 0);
  }

  /** Opens anew what a descriptor leads to. */
  reopen(operation: i32, place: i32, descriptor: i32, flags: i32): i32 {
    this.open(operation, place, flags, -1, 0);
    this.state.set(operation, Field.CallDescriptor, descriptor);
    return PENDING;
  }

  close(operation: i32, descriptor: i32): i32 {
    return this.call(operation, Call.Close, descriptor);
  }

  flock(operation: i32, descriptor: i32, lock: i32): i32 {
    this.call(operation, Call.Flock, descriptor);
    this.state.set(operation, Field.CallRequest, lock | Lock.LOCK_NB);
    return PENDING;
  }

  fstat(operation: i32, descriptor: i32): i32 {
    this.call(operation, Call.Fstat, descriptor);
    this.state.set(operation, Field.CallBytes, 64);
    return PENDING;
  }

  pread(operation: i32, descriptor: i32, offset: u64, bytes: i32): i32 {
    assert(bytes > 0 && bytes <= Limit.BufferBytes);
    this.call(operation, Call.Pread, descriptor);
    this.state.set64(operation, Field.CallArgument, offset);
    this.state.set(operation, Field.CallBytes, bytes);
    return PENDING;
  }

  fsync(operation: i32, descriptor: i32): i32 {
    return this.call(operation, Call.Fsync, descriptor);
  }

  ioctlValue(operation: i32, descriptor: i32, request: i32, value: i32): i32 {
    this.call(operation, Call.IoctlValue, descriptor);
    this.state.set(operation, Field.CallRequest, request);
    this.state.set64(operation, Field.CallArgument, u64(value));
    return PENDING;
  }

  /** The struct lies in the operation's buffer, or is left there by the kernel. */
  ioctlBuffer(operation: i32, descriptor: i32, request: i32, bytes: i32): i32 {
    this.call(operation, Call.IoctlBuffer, descriptor);
    this.state.set(operation, Field.CallRequest, request);
    this.state.set(operation, Field.CallBytes, bytes);
    return PENDING;
  }

  /** An ioctl that answers one u64: zeroed first, so that a kernel that writes less is seen. */
  ioctlNumber(operation: i32, descriptor: i32, request: i32): i32 {
    clearBytes(this.state.buffers, this.state.bufferAt(operation), 8);
    return this.ioctlBuffer(operation, descriptor, request, 8);
  }

  addPartition(operation: i32, descriptor: i32, number: i32, start: u64, length: u64): i32 {
    this.putBlkpg(operation, number, start, length);
    return this.blkpg(operation, descriptor, BlkpgOperation.BLKPG_ADD_PARTITION);
  }

  deletePartition(operation: i32, descriptor: i32, number: i32): i32 {
    this.putBlkpg(operation, number, u64(0), u64(0));
    return this.blkpg(operation, descriptor, BlkpgOperation.BLKPG_DEL_PARTITION);
  }

  /** The start must be what it is. */
  resizePartition(operation: i32, descriptor: i32, number: i32, start: u64, length: u64): i32 {
    this.putBlkpg(operation, number, start, length);
    return this.blkpg(operation, descriptor, BlkpgOperation.BLKPG_RESIZE_PARTITION);
  }

  private putBlkpg(operation: i32, number: i32, start: u64, length: u64): void {
    const state = this.state;
    putBlkpg(state.buffers, state.bufferAt(operation), number, start, length);
  }

  private blkpg(operation: i32, descriptor: i32, what: i32): i32 {
    this.call(operation, Call.Blkpg, descriptor);
    this.state.set(operation, Field.CallRequest, what);
    this.state.set(operation, Field.CallBytes, Blkpg.Bytes);
    return PENDING;
  }

  node(operation: i32, kind: i32, place: i32, number: i32, partition: i32): i32 {
    this.call(operation, kind, -1);
    return this.place(operation, place, number, partition);
  }

  /** A question to sysfs or /proc about loop device `number`. */
  query(operation: i32, kind: i32, number: i32, descriptor: i32): i32 {
    this.call(operation, kind, descriptor);
    this.state.set(operation, Field.CallNumber, number);
    this.state.set(operation, Field.CallBytes, Limit.BufferBytes);
    return PENDING;
  }

  /** A question about the disk whose name lies at `name` in the state. */
  queryNamed(operation: i32, kind: i32, name: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    for (let i = 0; i < Limit.NameBytes; i += 8) {
      state.buffers.setUint64(at + i, state.view.getUint64(name + i, true), true);
    }
    return this.query(operation, kind, -1, -1);
  }

  private call(operation: i32, kind: i32, descriptor: i32): i32 {
    const state = this.state;
    assert(state.get(operation, Field.Ticket) === 0);
    state.set(operation, Field.CallPending, 1);
    state.set(operation, Field.CallKind, kind);
    state.set(operation, Field.CallDescriptor, descriptor);
    state.set(operation, Field.CallRequest, 0);
    state.set(operation, Field.CallPlace, 0);
    state.set(operation, Field.CallNumber, -1);
    state.set(operation, Field.CallPartition, 0);
    state.set64(operation, Field.CallArgument, u64(0));
    state.set64(operation, Field.CallArgument2, u64(0));
    state.set(operation, Field.CallBytes, 0);
    return PENDING;
  }

  private place(operation: i32, place: i32, number: i32, partition: i32): i32 {
    this.state.set(operation, Field.CallPlace, place);
    this.state.set(operation, Field.CallNumber, number);
    this.state.set(operation, Field.CallPartition, partition);
    return PENDING;
  }

  /** Arms the operation's own timer. */
  wait(operation: i32, now: u64, delay: u64, reason: i32): i32 {
    assert(reason === TimeoutReason.Backoff || reason === TimeoutReason.Poll);
    this.state.set64(operation, Field.Wake, u64(now + delay));
    this.state.set(operation, Field.WakeReason, reason);
    return PENDING;
  }

  /* Events. */

  /** A failure the core finds itself; the first one counts. Returns the outcome that it is. */
  fail(operation: i32, failure: i32, detail: u64, detail2: u64): i32 {
    const state = this.state;
    if (this.isUndecided(operation)) {
      this.note(operation, 0);
      state.set(operation, Field.Failure, failure);
      state.set64(operation, Field.FailedDetail, detail);
      state.set64(operation, Field.FailedDetail2, detail2);
    }
    return Outcome.Fail;
  }

  /** No failure yet, or only a flush's, which a detach that went on outweighs. */
  isUndecided(operation: i32): bool {
    const failure = this.state.get(operation, Field.Failure);
    return failure === Failure.None || failure === Failure.FlushFailed;
  }

  /** Remembers where and with which errno something went wrong. */
  note(operation: i32, errno: i32): void {
    const state = this.state;
    state.set(operation, Field.FailedStep, state.get(operation, Field.Step));
    state.set(operation, Field.FailedCall, state.get(operation, Field.CallKind));
    state.set(operation, Field.FailedRequest, state.get(operation, Field.CallRequest));
    state.set(operation, Field.FailedErrno, errno);
    state.set(operation, Field.FailedNumber, state.get(operation, Field.Number));
  }

  warn(operation: i32, warning: i32, errno: i32, detail: u64): void {
    const state = this.state;
    if (state.get(operation, Field.Reported) !== 0) return;
    const at = this.push(operation, Event.Warned, warning);
    this.put(at, EventWord.Step, state.get(operation, Field.Step));
    this.put(at, EventWord.Call, state.get(operation, Field.CallKind));
    this.put(at, EventWord.Errno, errno);
    this.put(at, EventWord.Number, state.get(operation, Field.Number));
    this.put(at, EventWord.Request, state.get(operation, Field.CallDescriptor));
    this.put64(at, EventWord.Detail, detail);
  }

  /** What `note` and `fail` remember, as an event. */
  failure(operation: i32, event: i32): void {
    const state = this.state;
    const at = this.push(operation, event, state.get(operation, Field.Failure));
    this.put(at, EventWord.Step, state.get(operation, Field.FailedStep));
    this.put(at, EventWord.Call, state.get(operation, Field.FailedCall));
    this.put(at, EventWord.Errno, state.get(operation, Field.FailedErrno));
    this.put(at, EventWord.Number, state.get(operation, Field.FailedNumber));
    this.put(at, EventWord.Request, state.get(operation, Field.FailedRequest));
    this.put64(at, EventWord.Detail, state.get64(operation, Field.FailedDetail));
    this.put64(at, EventWord.Detail2, state.get64(operation, Field.FailedDetail2));
    // A failed detach says whether the caller's descriptor is still open.
    this.result(at, Result.Descriptor, u64(state.get(operation, Field.DeviceDescriptor)));
  }

  /** Begins an event; its result words are put with `result`. Returns where it lies. */
  push(operation: i32, event: i32, code: i32): i32 {
    assert(this.count < this.capacity);
    const at = ((this.head + this.count) % this.capacity) * EVENT_WORDS * 8;
    this.count++;
    clearBytes(this.events, at, EVENT_WORDS * 8);
    this.put(at, EventWord.Event, event);
    this.put(at, EventWord.Operation, operation);
    this.put(at, EventWord.Code, code);
    return at;
  }

  put(at: i32, word: i32, value: i32): void {
    this.events.setInt32(at + word * 8, value, true);
  }

  put64(at: i32, word: i32, value: u64): void {
    this.events.setUint64(at + word * 8, value, true);
  }

  result(at: i32, word: i32, value: u64): void {
    this.put64(at, EventWord.Result + word, value);
  }

  /** Moves the oldest event to the outbox; false when there is none. */
  shift(outbox: DataView): bool {
    if (this.count === 0) return false;
    const at = this.head * EVENT_WORDS * 8;
    for (let i = 0; i < EVENT_WORDS * 8; i += 8) {
      outbox.setUint64(i, this.events.getUint64(at + i, true), true);
    }
    this.head = (this.head + 1) % this.capacity;
    this.count--;
    return true;
  }
}

/** What every room of steps works with. */
export class Room {
  protected readonly state: State;
  protected readonly port: Port;

  constructor(state: State, port: Port) {
    this.state = state;
    this.port = port;
  }
}

/** Reads a u64 that a call left at the start of an operation's buffer. */
export function answer(state: State, operation: i32): u64 {
  return state.buffers.getUint64(state.bufferAt(operation), true);
}

/** Whether the ReadDisk record in the buffer shows a bound device. */
export function diskIsBound(state: State, operation: i32): bool {
  const at = state.bufferAt(operation) + DiskWord.Bound * 8;
  return state.buffers.getUint64(at, true) !== u64(0);
}

/** Its diskseq; 0 where there is none. */
export function diskSeq(state: State, operation: i32): u64 {
  return state.buffers.getUint64(state.bufferAt(operation) + DiskWord.Diskseq * 8, true);
}

/** The descriptor through which an operation configures its device. */
export function loopDescriptor(state: State, operation: i32): i32 {
  const writable = state.get(operation, Field.WritableDescriptor);
  return writable >= 0 ? writable : state.get(operation, Field.DeviceDescriptor);
}

/** loop_info64 of the device into the buffer. */
export function getStatus(state: State, port: Port, operation: i32, descriptor: i32): i32 {
  clearBytes(state.buffers, state.bufferAt(operation), LoopInfo.Bytes);
  return port.ioctlBuffer(operation, descriptor, Ioctl.LOOP_GET_STATUS64, LoopInfo.Bytes);
}

/** A count that the buffer has no room for is a host's mistake. */
export function isPossible(state: State, operation: i32, result: i32): bool {
  const kind = state.get(operation, Field.CallKind);
  if (kind !== Call.Pread && kind !== Call.ListPartitions) return true;
  const unit = kind === Call.Pread ? 1 : PartitionEntryWord.Words * 4;
  return result <= i32(state.get(operation, Field.CallBytes) / unit);
}
