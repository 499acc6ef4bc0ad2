/**
 * What the core remembers of disks and of watches: two tables of records behind the operations in
 * the same state, found by the disk's kernel name in constant time. Keeps lists; judges nothing.
 *
 * A disk that somebody is interested in (a watch, an operation) is *live*. Others are remembered
 * only for what events told of them, *idle*, and the one that was silent longest makes room. Each
 * watch and each operation (the lookout too) holds one disk at most, so there is always room for a
 * live one.
 */
import { Command, Limit } from "../abi.ts";
import { DiskField, WatchField } from "./records.ts";
import { State } from "./state.ts";

/** Slots before the tables. */
enum Head {
  FreeDisk = 0,
  FreeWatch,
  /** Subscriptions to all disks. */
  FirstWatch,
  LiveFirst,
  IdleFirst,
  IdleLast,
  QueueFirst,
  QueueLast,
  Slots,
}

const SLOT: i32 = 8;

export class Registry {
  private readonly diskCount: i32;
  private readonly watchCount: i32;
  private readonly view: DataView;
  private readonly head: i32;
  private readonly buckets: i32;
  private readonly disks: i32;
  private readonly watches: i32;

  constructor(state: State) {
    const diskCount = state.disks;
    const watchCount = state.watches;
    const head = state.registryAt;
    const buckets = head + Head.Slots * SLOT;
    const disks = buckets + diskCount * SLOT;
    const watches = disks + diskCount * DiskField.Slots * SLOT;
    this.view = state.view;
    this.diskCount = diskCount;
    this.watchCount = watchCount;
    this.head = head;
    this.buckets = buckets;
    this.disks = disks;
    this.watches = watches;
    for (let i = 1; i < diskCount; i++) this.setDisk(i - 1, DiskField.Next, i + 1);
    for (let i = 1; i < watchCount; i++) this.setWatch(i - 1, WatchField.Next, i + 1);
    this.setHead(Head.FreeDisk, 1);
    this.setHead(Head.FreeWatch, 1);
  }

  /** Bytes that the registry takes of the state. */
  static bytes(disks: i32, watches: i32): i32 {
    return (Head.Slots + disks * (1 + DiskField.Slots) + watches * WatchField.Slots) * SLOT;
  }

  /* Slots. */

  headAt(): i32 {
    return this.head;
  }

  headSlots(): i32 {
    return Head.Slots;
  }

  private getHead(slot: i32): i32 {
    return this.view.getInt32(this.head + slot * SLOT, true);
  }

  private setHead(slot: i32, value: i32): void {
    this.view.setInt32(this.head + slot * SLOT, value, true);
  }

  /** Where a disk's field lies in the state. */
  diskAt(disk: i32, field: i32): i32 {
    assert(disk >= 0 && disk < this.diskCount);
    return this.disks + (disk * DiskField.Slots + field) * SLOT;
  }

  disk(disk: i32, field: i32): i32 {
    return this.view.getInt32(this.diskAt(disk, field), true);
  }

  setDisk(disk: i32, field: i32, value: i32): void {
    this.view.setInt32(this.diskAt(disk, field), value, true);
  }

  disk64(disk: i32, field: i32): u64 {
    return this.view.getUint64(this.diskAt(disk, field), true);
  }

  setDisk64(disk: i32, field: i32, value: u64): void {
    this.view.setUint64(this.diskAt(disk, field), value, true);
  }

  /** Where a watch's field lies in the state. */
  watchAt(watch: i32, field: i32): i32 {
    assert(watch >= 0 && watch < this.watchCount);
    return this.watches + (watch * WatchField.Slots + field) * SLOT;
  }

  watch(watch: i32, field: i32): i32 {
    return this.view.getInt32(this.watchAt(watch, field), true);
  }

  setWatch(watch: i32, field: i32, value: i32): void {
    this.view.setInt32(this.watchAt(watch, field), value, true);
  }

  watch64(watch: i32, field: i32): u64 {
    return this.view.getUint64(this.watchAt(watch, field), true);
  }

  setWatch64(watch: i32, field: i32, value: u64): void {
    this.view.setUint64(this.watchAt(watch, field), value, true);
  }

  /* Disks. */

  /** The record of the name that lies in `view`; -1 where there is none. */
  find(view: DataView, at: i32, bytes: i32): i32 {
    const bucket = this.bucketOf(view, at, bytes);
    let next = this.view.getInt32(bucket, true);
    while (next !== 0) {
      if (this.isNamed(next - 1, view, at, bytes)) return next - 1;
      next = this.disk(next - 1, DiskField.NextInBucket);
    }
    return -1;
  }

  private bucketOf(view: DataView, at: i32, bytes: i32): i32 {
    let hash = 0;
    // Below 2^24 times 31 is exact in every number type.
    for (let i = 0; i < bytes; i++) hash = (hash * 31 + i32(view.getUint8(at + i))) & 0xffffff;
    return this.buckets + (hash % this.diskCount) * SLOT;
  }

  private isNamed(disk: i32, view: DataView, at: i32, bytes: i32): bool {
    if (this.disk(disk, DiskField.NameBytes) !== bytes) return false;
    const name = this.diskAt(disk, DiskField.Name);
    for (let i = 0; i < bytes; i++) {
      if (this.view.getUint8(name + i) !== view.getUint8(at + i)) return false;
    }
    return true;
  }

  /** The record of a name, made where there is none; -1 when all records are live, which can be
   *  only where nobody is about to hold it. */
  track(view: DataView, at: i32, bytes: i32): i32 {
    assert(bytes > 0 && bytes < Limit.NameBytes);
    const found = this.find(view, at, bytes);
    if (found >= 0) return found;
    let disk = this.getHead(Head.FreeDisk) - 1;
    if (disk < 0) {
      disk = this.getHead(Head.IdleFirst) - 1;
      if (disk < 0) return -1;
      this.forget(disk);
    }
    this.setHead(Head.FreeDisk, this.disk(disk, DiskField.Next));
    for (let i = 0; i < DiskField.Slots; i++) this.setDisk64(disk, i, u64(0));
    const name = this.diskAt(disk, DiskField.Name);
    for (let i = 0; i < bytes; i++) this.view.setUint8(name + i, view.getUint8(at + i));
    this.setDisk(disk, DiskField.NameBytes, bytes);
    const bucket = this.bucketOf(view, at, bytes);
    this.setDisk(disk, DiskField.NextInBucket, this.view.getInt32(bucket, true));
    this.view.setInt32(bucket, disk + 1, true);
    this.appendIdle(disk);
    return disk;
  }

  /** An idle disk becomes the last to be forgotten. */
  refresh(disk: i32): void {
    if (this.disk(disk, DiskField.References) !== 0) return;
    if (this.getHead(Head.IdleLast) === disk + 1) return;
    this.unlinkIdle(disk);
    this.appendIdle(disk);
  }

  /** One more who is interested. */
  hold(disk: i32): void {
    const references = this.disk(disk, DiskField.References);
    this.setDisk(disk, DiskField.References, references + 1);
    if (references > 0) return;
    this.unlinkIdle(disk);
    const first = this.getHead(Head.LiveFirst);
    this.setDisk(disk, DiskField.Previous, 0);
    this.setDisk(disk, DiskField.Next, first);
    if (first !== 0) this.setDisk(first - 1, DiskField.Previous, disk + 1);
    this.setHead(Head.LiveFirst, disk + 1);
  }

  /** One less. What only they wanted to know is forgotten with the last. */
  letGo(disk: i32): void {
    const references = this.disk(disk, DiskField.References) - 1;
    assert(references >= 0);
    this.setDisk(disk, DiskField.References, references);
    if (references > 0) return;
    const previous = this.disk(disk, DiskField.Previous);
    const next = this.disk(disk, DiskField.Next);
    if (previous !== 0) this.setDisk(previous - 1, DiskField.Next, next);
    else this.setHead(Head.LiveFirst, next);
    if (next !== 0) this.setDisk(next - 1, DiskField.Previous, previous);
    if (this.disk(disk, DiskField.Queued) !== 0) this.unqueue(disk);
    for (let i: i32 = DiskField.Looked; i < DiskField.Slots; i++) {
      this.setDisk64(disk, i, u64(0));
    }
    this.appendIdle(disk);
  }

  private appendIdle(disk: i32): void {
    const last = this.getHead(Head.IdleLast);
    this.setDisk(disk, DiskField.Previous, last);
    this.setDisk(disk, DiskField.Next, 0);
    if (last !== 0) this.setDisk(last - 1, DiskField.Next, disk + 1);
    else this.setHead(Head.IdleFirst, disk + 1);
    this.setHead(Head.IdleLast, disk + 1);
  }

  private unlinkIdle(disk: i32): void {
    const previous = this.disk(disk, DiskField.Previous);
    const next = this.disk(disk, DiskField.Next);
    if (previous !== 0) this.setDisk(previous - 1, DiskField.Next, next);
    else this.setHead(Head.IdleFirst, next);
    if (next !== 0) this.setDisk(next - 1, DiskField.Previous, previous);
    else this.setHead(Head.IdleLast, previous);
  }

  /** Frees an idle record. */
  private forget(disk: i32): void {
    assert(this.disk(disk, DiskField.References) === 0);
    const name = this.diskAt(disk, DiskField.Name);
    const bucket = this.bucketOf(this.view, name, this.disk(disk, DiskField.NameBytes));
    const after = this.disk(disk, DiskField.NextInBucket);
    const first = this.view.getInt32(bucket, true) - 1;
    if (first === disk) {
      this.view.setInt32(bucket, after, true);
    } else {
      let before = first;
      while (this.disk(before, DiskField.NextInBucket) !== disk + 1) {
        before = this.disk(before, DiskField.NextInBucket) - 1;
      }
      this.setDisk(before, DiskField.NextInBucket, after);
    }
    this.unlinkIdle(disk);
    this.setDisk(disk, DiskField.NameBytes, 0);
    this.setDisk(disk, DiskField.Next, this.getHead(Head.FreeDisk));
    this.setHead(Head.FreeDisk, disk + 1);
  }

  /** What events told is worth nothing once some went unheard. */
  forgetIdle(): void {
    for (let next = this.getHead(Head.IdleFirst); next !== 0; next = this.getHead(Head.IdleFirst)) {
      this.forget(next - 1);
    }
  }

  /** The first live disk, and the one after another; -1: no more. */
  firstLive(): i32 {
    return this.getHead(Head.LiveFirst) - 1;
  }

  firstIdle(): i32 {
    return this.getHead(Head.IdleFirst) - 1;
  }

  nextDisk(disk: i32): i32 {
    return this.disk(disk, DiskField.Next) - 1;
  }

  /* The queue of disks to be looked at. */

  enqueue(disk: i32): void {
    if (this.disk(disk, DiskField.Queued) !== 0) return;
    const last = this.getHead(Head.QueueLast);
    this.setDisk(disk, DiskField.Queued, 1);
    this.setDisk(disk, DiskField.NextQueued, 0);
    if (last !== 0) this.setDisk(last - 1, DiskField.NextQueued, disk + 1);
    else this.setHead(Head.QueueFirst, disk + 1);
    this.setHead(Head.QueueLast, disk + 1);
  }

  /** Takes the first of the queue; -1 when it is empty. */
  dequeue(): i32 {
    const disk = this.getHead(Head.QueueFirst) - 1;
    if (disk >= 0) this.unqueue(disk);
    return disk;
  }

  isQueueEmpty(): bool {
    return this.getHead(Head.QueueFirst) === 0;
  }

  private unqueue(disk: i32): void {
    const after = this.disk(disk, DiskField.NextQueued);
    let before = -1;
    for (
      let next = this.getHead(Head.QueueFirst) - 1;
      next !== disk;
      next = this.disk(next, DiskField.NextQueued) - 1
    ) {
      before = next;
    }
    if (before < 0) this.setHead(Head.QueueFirst, after);
    else this.setDisk(before, DiskField.NextQueued, after);
    if (after === 0) this.setHead(Head.QueueLast, before + 1);
    this.setDisk(disk, DiskField.Queued, 0);
  }

  /* Watches. */

  /** A blank watch of a disk, or of all (-1); -1 when none is free. */
  open(kind: i32, disk: i32): i32 {
    const watch = this.getHead(Head.FreeWatch) - 1;
    if (watch < 0) return -1;
    this.setHead(Head.FreeWatch, this.watch(watch, WatchField.Next));
    for (let i = 0; i < WatchField.Slots; i++) this.setWatch64(watch, i, u64(0));
    this.setWatch(watch, WatchField.Kind, kind);
    this.setWatch(watch, WatchField.Disk, disk + 1);
    const first = kind === Command.Wait ? this.firstWait(disk) : this.firstWatch(disk);
    this.setWatch(watch, WatchField.Next, first + 1);
    if (first >= 0) this.setWatch(first, WatchField.Previous, watch + 1);
    this.setFirst(kind, disk, watch + 1);
    if (disk >= 0) this.hold(disk);
    return watch;
  }

  /** Frees a watch. */
  close(watch: i32): void {
    assert(this.watch(watch, WatchField.Kind) !== 0);
    const disk = this.watch(watch, WatchField.Disk) - 1;
    const previous = this.watch(watch, WatchField.Previous);
    const next = this.watch(watch, WatchField.Next);
    if (previous !== 0) this.setWatch(previous - 1, WatchField.Next, next);
    else this.setFirst(this.watch(watch, WatchField.Kind), disk, next);
    if (next !== 0) this.setWatch(next - 1, WatchField.Previous, previous);
    this.setWatch(watch, WatchField.Kind, 0);
    this.setWatch(watch, WatchField.Next, this.getHead(Head.FreeWatch));
    this.setHead(Head.FreeWatch, watch + 1);
    if (disk >= 0) this.letGo(disk);
  }

  isFull(): bool {
    return this.getHead(Head.FreeWatch) === 0;
  }

  /** The first subscription to a disk, or to all (-1). -1: none, as of all that answer a watch. */
  firstWatch(disk: i32): i32 {
    if (disk < 0) return this.getHead(Head.FirstWatch) - 1;
    return this.disk(disk, DiskField.FirstWatch) - 1;
  }

  /** The first wait for a disk. */
  firstWait(disk: i32): i32 {
    return this.disk(disk, DiskField.FirstWait) - 1;
  }

  private setFirst(kind: i32, disk: i32, value: i32): void {
    if (disk < 0) this.setHead(Head.FirstWatch, value);
    else
      this.setDisk(disk, kind === Command.Wait ? DiskField.FirstWait : DiskField.FirstWatch, value);
  }

  /** The one behind it in its list. */
  nextWatch(watch: i32): i32 {
    return this.watch(watch, WatchField.Next) - 1;
  }
}
