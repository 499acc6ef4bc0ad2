/**
 * What a trial remembers beside core, kernel and world: where its program is, and which task of the
 * kernel performs which operation's call. One small region, a part of the state.
 */

/** Slots of 8 bytes. */
export enum Memo {
  /** `Stage` */
  Stage = 0,
  /** Rounds of attach and detach that are left. */
  Rounds,
  /** What is to be asked of the core when it has told all: `Ask` bits. */
  Ask,
  /** Answers that the stage waits for: `Ask` bits. */
  Awaited,
  /** Of the attach: loop number, descriptor, diskseq, 1: it rose; dev and inode of the image. */
  Number,
  Descriptor,
  Diskseq,
  Identity,
  BackingDevice,
  BackingInode,
  /** The kernel's name for the instance, which no process knows. */
  Instance,
  /** The watch that hears all, the one of the instance, the wait; 0: none. */
  Listener,
  Watch,
  Wait,
  /** 1: the core was made to give something up, so that a failure is none of its own. */
  Excused,
  /** How often a deadline may strike, or the program abort. */
  Deadlines,
  Aborts,
  /** How often udev may still be asked while it is at work. */
  Asks,
  /** The kernel's task plus one of each operation, the lookout's last. */
  Tasks,
  Slots = Tasks + 3,
}

export enum Stage {
  Begin = 0,
  Attaching,
  Waiting,
  Detaching,
  Over,
}

export enum Ask {
  Attach = 1,
  /** A subscription by the diskseq, and a wait for disk and partitions. */
  Wait = 2,
  Detach = 4,
  /** A wait for the end of the instance. */
  Removed = 8,
  /** The round is over: another one, or the end. */
  Next = 16,
  /** The handle of a device that was not detached is let go. */
  Release = 32,
}

export class Memory {
  readonly buffer: ArrayBuffer;
  private readonly view: DataView;

  constructor() {
    const buffer = new ArrayBuffer(Memo.Slots * 8);
    this.buffer = buffer;
    this.view = new DataView(buffer);
  }

  get(slot: i32): i32 {
    return this.view.getInt32(slot * 8, true);
  }

  set(slot: i32, value: i32): void {
    this.view.setInt32(slot * 8, value, true);
  }

  get64(slot: i32): u64 {
    return this.view.getUint64(slot * 8, true);
  }

  set64(slot: i32, value: u64): void {
    this.view.setUint64(slot * 8, value, true);
  }

  /** Nothing is waited for any more but an end. */
  isLast(): bool {
    return this.get(Memo.Rounds) === 0 && this.get(Memo.Stage) > Stage.Waiting;
  }

  has(slot: i32, bits: i32): bool {
    return (this.get(slot) & bits) !== 0;
  }

  add(slot: i32, bits: i32): void {
    this.set(slot, this.get(slot) | bits);
  }

  remove(slot: i32, bits: i32): void {
    this.set(slot, this.get(slot) & ~bits);
  }
}
