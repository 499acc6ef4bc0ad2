/**
 * The records that the simulated kernel is made of: enums that are their layout, packed so that
 * millions of states can be kept. All that is unused is zero and all lists are in order, so equal
 * kernels have equal bytes.
 */

/** Byte offsets. 32 bits: counters; 8 bits: the rest. A lock holds its task plus one. */
export enum Global {
  Diskseq = 0,
  Seqnum = 4,
  /** loop_ctl_mutex, loop_validate_mutex */
  CtlMutex = 8,
  ValidateMutex = 9,
  /** 1: a udevd runs. */
  Udev = 10,
  /** The latest instance: rises with every bind, 1 to 255 and again. For observers only. */
  Instance = 11,
  Bytes = 16,
}

export enum ImageField {
  /** 64-bit */
  Size = 0,
  /** 1: no path leads to it. */
  Deleted = 8,
  Bytes = 16,
}

export enum ProcessField {
  /** 1: its descriptors are being closed (do_exit). */
  Dying = 0,
  /** Nodes in /dev that it made and has not removed. */
  Nodes = 1,
  Bytes = 4,
}

/** struct loop_device and its gendisk. */
export enum Loop {
  /** 1: there is one in this place. */
  Present = 0,
  /** idr_visible */
  Visible = 1,
  /** disk_live: opens find it. */
  Live = 2,
  /** `LoState` */
  State = 3,
  Flags = 4,
  /** GD_READ_ONLY: stays when the device is detached. */
  Ro = 5,
  /** GD_NEED_PART_SCAN: the next open scans. */
  Need = 6,
  /** Partitions are not to be scanned for. */
  Suppressed = 7,
  /** dev_set_uevent_suppress */
  Silent = 8,
  /** lo_backing_file: its file plus one. */
  Backing = 9,
  /** bd_claiming: its task plus one. */
  Claiming = 10,
  /** bd_holder: its file plus one. */
  Holder = 11,
  /** Partitions that are held exclusively. */
  PartitionHolders = 12,
  LoMutex = 13,
  OpenMutex = 14,
  /** The directory `loop/` in sysfs. */
  Group = 15,
  /** 1: pages are dirty that a change of the range would have to drop. */
  Dirty = 16,
  /** 1: udev watches the public node; 1: a writable descriptor of it was closed since. */
  Watched = 17,
  Noticed = 18,
  /** 1: sysfs shows it and devtmpfs has its node; 2: that node was removed. */
  Shown = 19,
  Openers = 20,
  OpenPartitions = 21,
  /** 16-bit: rises whenever udev writes its record (/run/udev/data); 0: there is none. */
  Record = 22,
  /** 32-bit */
  Number = 24,
  Diskseq = 28,
  BlockSize = 32,
  /** For observers only. While it is bound or runs down: which instance it is, who bound it and
   *  who asked for its end last, processes plus one; else 0. */
  Instance = 36,
  Binder = 37,
  Clearer = 38,
  /** 64-bit; capacity in sectors of 512 bytes. */
  Offset = 40,
  SizeLimit = 48,
  Capacity = 56,
  /** lo_file_name */
  Name = 64,
  Bytes = 128,
}

export enum LoState {
  Unbound = 0,
  Bound = 1,
  Rundown = 2,
  Deleting = 3,
}

/** A partition's block_device; in order of number. */
export enum Partition {
  /** 0: none in this place or behind it. */
  Number = 0,
  Openers = 1,
  Holder = 2,
  /** bdev_add is done: it can be opened. */
  Openable = 3,
  /** Whose table it comes from, plus one; 0: BLKPG. And which entry of it. */
  Image = 4,
  Entry = 5,
  Watched = 6,
  Noticed = 7,
  /** 16-bit; the second as in `Loop` */
  Minor = 8,
  Record = 10,
  /** For observers only: the instance that it was plugged in. */
  Instance = 12,
  /** 64-bit, sectors of 512 bytes */
  Start = 16,
  Size = 24,
  Bytes = 32,
}

/** struct file. Its place in the table is the descriptor of the process that owns it. */
export enum File {
  /** `FileKind` */
  Kind = 0,
  /** The process plus one; 0: no descriptor is left, something in the kernel still has it. */
  Process = 1,
  /** `FileFlag` bits */
  Flags = 2,
  /** Place of the loop device. */
  Loop = 3,
  Partition = 4,
  /** `NodeKind`: which inode it was opened by. */
  Node = 5,
  Image = 6,
  /** BSD lock: LOCK_SH or LOCK_EX. */
  Lock = 7,
  References = 8,
  /** 16-bit: of the partition, once it is unplugged. */
  Minor = 10,
  Bytes = 16,
}

export enum FileKind {
  None = 0,
  Image = 1,
  Disk = 2,
  Partition = 3,
  Control = 4,
  /** A file that is neither regular nor a block device: a directory, a pipe. */
  Other = 5,
}

export enum FileFlag {
  Write = 1,
  Exclusive = 2,
  Direct = 4,
  /** O_PATH */
  Path = 8,
  /** Not for reading. */
  WriteOnly = 16,
  /** Its partition was unplugged after it was looked up; it counts among the open ones. */
  Orphan = 32,
}

export enum NodeKind {
  Public = 0,
  Private = 1,
  Hidden = 2,
}

/** A system call under way. */
export enum Task {
  /** `TaskStatus` */
  Status = 0,
  Process = 1,
  /** Frames on its stack. */
  Depth = 2,
  /** A file whose last reference went: closed before the call returns (task work). */
  Deferred = 3,
  /** 32-bit: what the routine that returned last answered; at the end the call's result. */
  Result = 4,
  /** 32-bit arguments. */
  A = 8,
  B = 12,
  C = 16,
  D = 20,
  /** 64-bit arguments. */
  E = 24,
  F = 32,
  /** `FRAMES` frames. */
  Frames = 40,
  /** 32-bit: the answer, while what the call left to do at its end is done. */
  Answer = 88,
  /** `TaskPhase` */
  Phase = 92,
  /** `Call` of the boundary that it performs, 0: none. */
  Call = 93,
  /** lo_file_name on its way in */
  Name = 96,
  /** 32-bit: where the bytes of that call lie among the buffers, and how many they are. */
  Buffer = 160,
  Room = 164,
  Bytes = 168,
}

/** A routine on the stack of a task. */
export enum Frame {
  Routine = 0,
  Pc = 1,
  A = 2,
  /** 32-bit */
  B = 4,
  Bytes = 8,
}

export const FRAMES: i32 = 6;

export enum TaskPhase {
  Call = 0,
  /** Task work, before the call returns. */
  Ending = 1,
}

export enum TaskStatus {
  Free = 0,
  Running = 1,
  Done = 2,
}

/** A netlink socket of NETLINK_KOBJECT_UEVENT. */
export enum Socket {
  /** Process plus one, 0: none in this place. */
  Process = 0,
  Group = 1,
  NoEnobufs = 2,
  Congested = 3,
  /** 1: ENOBUFS is to be told. */
  Error = 4,
  Count = 5,
  /** 1: the next datagram is lost. */
  Lossy = 6,
  /** 32-bit */
  ReceiveBuffer = 8,
  Allocated = 12,
  Drops = 16,
  Bytes = 24,
}

/** A datagram in a queue; its bytes are made of this when somebody reads it. */
export enum EventField {
  /** `Action` of the boundary */
  Action = 0,
  /** `EventKind` */
  Kind = 1,
  /** `EventExtra` */
  Extra = 2,
  Partition = 3,
  /** Whose names it carries, as in `Partition`. */
  Image = 4,
  Entry = 5,
  /** `Sender` */
  Sender = 6,
  /** For observers only: the instance that it is about, 0: none. */
  Instance = 7,
  /** 16-bit */
  Minor = 8,
  Truesize = 10,
  /** 32-bit */
  Number = 12,
  Diskseq = 16,
  Seqnum = 20,
  /** 16 bytes */
  Uuid = 24,
  Bytes = 40,
}
