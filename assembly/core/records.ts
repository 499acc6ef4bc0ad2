/** What is remembered of groups, disks and watches, and where: slots of 8 bytes. Nothing else. */

/** How it is with a multicast group. */
export enum GroupState {
  Closed = 0,
  Open = 1,
  /** Open, but nothing comes. */
  Deaf = 2,
  Refused = 3,
}

/** Slots of a disk; indices are kept plus one, so that 0 is none. Masks have a bit a partition. */
export enum DiskField {
  /** Kernel name, NUL-padded. */
  Name = 0,
  /** 0: the record is free. */
  NameBytes = Name + 4,
  NextInBucket,
  Previous,
  Next,
  References,
  /** Subscriptions, and waits: an event is told to the first and costs nothing for the others. */
  FirstWatch,
  FirstWait,

  /** Watches that wait, and operations that await udev. */
  Waiting,

  /** The newest instance that events told of, 64-bit, 1 in Heard where there was one, and what of
   *  it is plugged; once for each group, since udev's events are later. */
  Told,
  Heard,
  ToldMask,
  UdevTold = ToldMask + 4,
  UdevHeard,
  UdevToldMask,

  /** What sysfs showed last: `Looked`. */
  Looked = UdevToldMask + 4,
  Bound,
  /** 64-bit */
  Diskseq,
  Major,
  Minor,
  Mask,

  /** 1: to be looked at; the next of that queue. */
  Queued = Mask + 4,
  NextQueued,
  /** Looks since the last event, as far as they count for the next one. */
  Looks,
  /** Looks that failed in a row, and the last one's errno. */
  Refusals,
  RefusedErrno,
  /** 1: events of it were lost since the last look. */
  Lossy,

  /** Who wants to know what udev has done. */
  UdevInterest,
  /** The instance, 64-bit, that udev said it has processed, and of it: the disk, partitions. */
  Claimed,
  ClaimedDisk,
  ClaimedMask,
  /** The same, seen in udev's own records. */
  ConfirmedDisk = ClaimedMask + 4,
  ConfirmedMask,
  /** 64-bit: the record's stamp before; 0: not read. */
  BaseStamp = ConfirmedMask + 4,
  /** 64-bit: when udev is asked to process it again; 0: not to be. */
  AskAt,
  /** How often it was asked, as far as that counts for the next time. */
  Asked,
  Slots,
}

export enum Looked {
  Never = 0,
  Absent = 1,
  Present = 2,
}

/** Slots of a watch. */
export enum WatchField {
  /** `Command.Wait` or `Command.Watch`; 0: free, and Next is the next free one. */
  Kind = 0,
  Flags,
  /** Index of the disk plus one; 0: all. */
  Disk,
  Previous,
  Next,
  /** 64-bit; 0: whichever is there. */
  Diskseq,
  /** Wait: must be there. Watch: seen plugged under the diskseq, by each group. */
  Mask,
  UdevMask = Mask + 4,
  /** 1: the instance was seen. */
  Seen = UdevMask + 4,
  /** 1: it was told what it hears. */
  Told,
  /** 1: it began while its disk was looked at: that look is older than the wait. */
  Early,
  Slots,
}
