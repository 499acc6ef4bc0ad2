/**
 * The records that the world around a core remembers, packed; all that is unused is zero, so equal
 * worlds have equal bytes. And the words in which a host is told what an actor does.
 *
 *   ghost | loop 0: fields, lives of partitions | loop 1 ... | actor 0 | actor 1 ...
 */

export enum ActorKind {
  None = 0,
  /** Opens and closes the disk at each event of it. */
  Opener = 1,
  /** Opens and closes it whenever it likes. */
  TightOpener = 2,
  /** Attaches another image to the same device; may clear it again, or leave it. */
  Thief = 3,
  /** LOOP_CLR_FD, whoever attached it. */
  Detacher = 4,
  /** Hands forged datagrams to process 0. */
  Forger = 5,
  /** Synthetic events, more than a small queue has room for. */
  Flooder = 6,
  /** udevd up to 258: re-reads the table when a writable descriptor was closed. */
  UdevdDrops = 7,
  /** udevd from 259 on: changes only what differs. */
  UdevdKeeps = 8,
  /** Process 0 dies. */
  Crash = 9,
  /** A datagram to process 0 is lost. */
  Loss = 10,
}

/** Byte offsets of an actor. Tasks and files are kept plus one, 0: none. */
export enum Actor {
  /** `ActorKind` */
  Kind = 0,
  Process = 1,
  /** What it does next: an enum of its own. */
  Phase = 2,
  Task = 3,
  File = 4,
  /** Opener, Thief: the image; udevd: the partition that it reads. */
  Second = 5,
  /** Rounds that it may still begin. */
  Budget = 6,
  /** Opener: events that it has not answered yet. */
  Pending = 7,
  /** 16-bit: the loop device that it is about; udevd: of the event that it processes. */
  Number = 8,
  /** Thief: which image it attaches. */
  Image = 10,
  /** udevd: its socket plus one. */
  Socket = 11,
  /** udevd, what it does when a writable descriptor was closed. */
  WatchPhase = 12,
  WatchTask = 13,
  WatchFile = 14,
  /** Progress and result of that: `Reread`. */
  WatchCount = 15,
  WatchResult = 16,
  /** 16-bit: the loop device. */
  WatchNumber = 18,
  Bytes = 20,
}

/** What an observer remembers. Masks have the bit of each process that did it. */
export enum Ghost {
  Actors = 0,
  /** 1: process 0 was made to die. */
  Crashed = 1,
  /** The instance that process 0 was told to detach, though another bound it. */
  Told = 2,
  /** Of the first flap: instance, partition, who unplugged and who plugged it, processes. */
  FlapInstance = 3,
  FlapPartition = 4,
  Unplugger = 5,
  Plugger = 6,
  /** 32-bit masks: who unplugged a partition that its instance got again; who asked for the end of
   *  an instance of another. */
  Flappers = 8,
  ForeignClearers = 12,
  Bytes = 16,
}

/** Of a loop device; the lives of its partitions follow, by number. */
export enum GhostLoop {
  /** The instance that the rest is about. */
  Instance = 0,
  /** `Loop.Clearer` as it was seen last. */
  Clearer = 1,
  Bytes = 2,
}

/** Lowest bits of a partition's life; above them who unplugged it, plus one. */
export enum Life {
  Never = 0,
  Plugged = 1,
  Gone = 2,
}

export const LIFE_BITS: i32 = 2;

/** What a process has left behind. */
export enum Left {
  /** Devices that it bound and that still are. */
  Bound = 0,
  Files = 1,
  Locks = 2,
  /** Nodes in /dev */
  Nodes = 3,
  Sockets = 4,
}

/** What an actor's choice does. */
export enum Deed {
  None = 0,
  /** The call that is under way goes on. */
  GoOn = 1,
  OpenDisk = 2,
  OpenPartition = 3,
  Close = 4,
  Configure = 5,
  ClearFd = 6,
  /** Thief: it lets the device bound. */
  Leave = 7,
  /** Forger: as if the disk had its next number; as if it was removed. Three senders. */
  ForgeLater = 8,
  ForgeRemove = 9,
  ForgeLaterInjected = 10,
  ForgeRemoveInjected = 11,
  ForgeLaterUdev = 12,
  ForgeRemoveUdev = 13,
  Trigger = 14,
  Die = 15,
  LoseKernel = 16,
  LoseUdev = 17,
  /** udevd: an event that is none of its business. */
  Skip = 18,
  /** udevd: LOCK_SH, and the watch is taken away. */
  LockShared = 19,
  /** udevd: the event is tried again. */
  Retry = 20,
  /** udevd: the record is written, the watch is back, the lock goes. */
  Record = 21,
  /** udevd: the message to group 2. */
  Tell = 22,
  /** udevd: LOCK_EX, to read the table anew. */
  LockExclusive = 23,
  Reread = 24,
  /** udevd: compares table and partitions, and changes one that differs. */
  Compare = 25,
  /** Process 0 ends what it was in, after its death. */
  Exit = 26,
  /** Thief, before LOOP_CONFIGURE. */
  SetFd = 27,
}
