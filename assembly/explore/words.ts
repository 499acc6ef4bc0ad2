/** The words in which an explorer is told what to try, and in which it tells what it did. */

/** What violates a trial's properties; those of the search itself follow. */
export enum Violation {
  None = 0,
  /** An event of another instance was told as mine, or one of mine as another's. */
  Believed = 1,
  /** A wait ended with what is not so. */
  FalseEnd = 2,
  /** A partition was plugged, dead, plugged. */
  Flap = 3,
  /** A device was cleared that another had bound. */
  ForeignClear = 4,
  /** Attached, and a partition was never there or we have unplugged it. */
  NotReady = 5,
  /** An operation failed though nobody was in its way. */
  Refused = 6,
  /** Detached, and the instance is still there. */
  NotGone = 7,
  /** Left behind at the end, or after a crash. */
  LeftBound = 8,
  LeftLocked = 9,
  LeftOpen = 10,
  LeftNodes = 11,
  LeftSockets = 12,
  /** Something is not over, and nothing can happen. */
  Stuck = 13,
  /** Undisturbed, and yet it never ends. */
  Livelock = 14,
}

/** What of the shipped core's way is turned off, bits: negative controls. */
export enum Control {
  /** LOOP_CONFIGURE with PARTSCAN: announced before it is scanned. */
  NoSplit = 1,
  /** The open and close that drain the pending scan are left out. */
  NoDrain = 2,
  /** No lock on the device. */
  NoLock = 4,
  /** The device is configured through the node that udev watches. */
  NoPrivateNode = 8,
  /** Events are believed by the name of their disk. */
  IgnoreDiskseq = 16,
}

/** Numbers of deeds: the same deed has the same number in every state. */
export enum DeedNumber {
  /** The call of operation N is begun, or goes on. */
  Go = 1,
  /** A datagram of group N is received. */
  Receive = 16,
  /** Timers of operation N: it is tried again; the same for the last time. */
  Wake = 32,
  GiveUp = 48,
  Deadline = 64,
  Grace = 80,
  /** Disk N is looked at again; the same, and udev is asked. */
  Look = 96,
  AskUdev = 112,
  /** The program gives operation 0 up. */
  Abort = 128,
  /** Choice C of actor N: N times 8 plus C. */
  Actor = 200,
}

/** What the last deed was, words of 4 bytes: for who tells it. */
export enum Told {
  /** `Stage` of the program. */
  Stage = 0,
  /** Of a core's call: `Call`, the core's step, the words; `Outcome` of the kernel's step. */
  Call,
  Step,
  Descriptor,
  Request,
  Place,
  Number,
  Partition,
  /** 0: it goes on, 1: it waits, 2: it is done, with this result. */
  Status,
  Result,
  /** Fault with which the core refused a datagram, -1: there was none. */
  Fault,
  /** How many events the core told, up to `TOLD_EVENTS`; of each event, code, and two details. */
  Events,
  FirstEvent,
  Words = FirstEvent + 8 * 4,
}

export const TOLD_EVENTS: i32 = 8;
