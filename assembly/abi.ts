/**
 * Every number that a host must know: the words of the boundary between the core and its host.
 *
 * Plain enums, compiled by asc into the core and by tsc into the host, so there is nothing to
 * generate. Values are frozen: append, never renumber. The core exports them too, and
 * `host/core.ts` compares every one at load, so a host never drives a core of another vocabulary.
 *
 * Words: a *command* is what the application asks; a *call* is a system call that the core wants
 * made; a *completion* is its result (`>= 0`, or `-errno`); an *event* is what the core tells the
 * application; a *ticket* ties a completion to its call; an *instance* is one attach of one device
 * (devnum and diskseq); a *datagram* is one uevent as received; a *gap* is events known to be lost;
 * a *watch* is an interest in events: a wait for one disk, or a subscription.
 */

/** Numbers that size the boundary. Bytes unless said otherwise. */
export enum Limit {
  AbiVersion = 2,
  /** Operations that may run at once, at most; the host chooses how many at start. */
  OperationsMax = 64,
  /** Partitions of one table, at most: a disk has 256 minors and one is the disk itself. */
  PartitionsMax = 255,
  /** One operation's buffer: argument structs, sysfs records, pieces of a partition table. */
  BufferBytes = 16384,
  /** Watches that may be open at once, at most; the host chooses how many at start. Their numbers
   *  follow those of operations, from `OperationsMax` on. */
  WatchesMax = 4096,
  /** A slot for one datagram. The kernel's own are below 2.3 KiB (lib/kobject_uevent.c). */
  DatagramBytes = 8192,
  /** Slots, one behind the other: a datagram that needs more begins in the first one. */
  DatagramSlots = 64,
  /** Kernel name of a disk with its NUL (include/linux/blkdev.h, DISK_NAME_LEN). */
  NameBytes = 32,
  /** Command in, one record: words of 8 bytes (see `CommandWord`), then the reference. */
  InboxBytes = 256,
  /** Call, event or partition out, one record: words of 8 bytes. */
  OutboxBytes = 256,
  /** `lo_file_name` without its NUL (include/uapi/linux/loop.h, LO_NAME_SIZE 64). */
  ReferenceBytesMax = 63,
  /** Message and place of a panic, as UTF-8 text. */
  PanicBytes = 256,
  /** Tries of one attach before it gives up, whatever the deadline (systemd's and losetup's 64). */
  TriesMax = 64,
}

/** What the application asks of the core. */
export enum Command {
  None = 0,
  /** Attach an image to a loop device, with its partitions. */
  Attach = 1,
  /** Detach one instance. */
  Detach = 2,
  /** Decode the image's partition table, attach nothing. */
  Probe = 3,
  /** Give up an operation: everything taken is given back, then it fails as aborted. */
  Abort = 4,
  /** Wait until an instance is ready, or gone. */
  Wait = 5,
  /** Be told every event of a disk, or of all; until aborted. */
  Watch = 6,
  /** Make a bound device's partitions those of its table, by BLKPG, only where they differ. */
  Rescan = 7,
  /** Let a bound device show what its file has grown to. */
  Resize = 8,
  /** Delete partitions that are left on an unbound device. */
  Sweep = 9,
}

/** Words of a command in the inbox, 8 bytes each, little-endian; unused ones are 0. */
export enum CommandWord {
  Command = 0,
  /** `CommandFlag` bits. */
  Flags = 1,
  /** Nanoseconds until the operation times out; 0: never. */
  TimeoutNs = 2,
  /** Attach, Probe: first byte of the image that the device shows. */
  Offset = 3,
  /** Attach, Probe: bytes that the device shows; 0: to the end. */
  SizeLimit = 4,
  /** Attach, Probe: logical block size; 0: found in the image's GPT, else 512. */
  SectorSize = 5,
  /** Attach: `Partscan`. */
  Partscan = 6,
  /** Attach: loop number to use, -1 for any. Detach and its like: loop number. Abort: operation. */
  Number = 7,
  /** Attach, Probe: the caller's descriptor of the image, -1 when the host has a path.
   *  Detach, Rescan, Resize: an open read-only descriptor of the device, -1 to open it. */
  Descriptor = 8,
  /** Detach and its like: diskseq of the instance, 0 when unknown. */
  Diskseq = 9,
  /** Detach, Rescan, Resize: st_dev and st_ino of the backing file, 0 when unknown. */
  BackingDevice = 10,
  BackingInode = 11,
  /** Attach: bytes of the reference, which follows the words. */
  ReferenceBytes = 12,
  Reference = 13,
  /** Wait, Watch: bytes of the disk's kernel name, which lies at `Reference`; Watch: 0 for all. */
  NameBytes = 12,
  Name = 13,
  /** Wait: partitions that must be there, bit N for number N; four words. */
  PartitionMask = 21,
}

/** Flag bits of a command. */
export enum CommandFlag {
  ReadOnly = 1,
  DirectIo = 2,
  Persistent = 4,
  AllowOverlap = 8,
  /** Make device nodes that sysfs knows and /dev lacks. */
  MakeNodes = 16,
  /** Attach: give the lock up at the end. Detach, Rescan, Resize: take none. */
  NoLock = 32,
  /** Detach: a deferred detach is good enough, do not wait for it. */
  Lazy = 64,
  /** Detach: only close the descriptor, leave the device to its own fate. */
  Release = 128,
  /** Attach, Wait: until udev has processed the disk and the partitions; where udevd runs.
   *  Watch: the events of udev's group too. */
  Udev = 256,
  /** Wait: until the instance, or all partitions of the mask, are gone. */
  Removed = 512,
  /** Wait, Watch: the diskseq is none that rose at the attach: names are all there is. */
  BestEffort = 1024,
  /** Watch: not the kernel's group. */
  NoKernelGroup = 2048,
  /** Attach: the kernel makes partitions in LOOP_CONFIGURE itself. Only for kernels that leave no
   *  scan pending there: on others whoever opens the device meanwhile makes them blink. */
  OneCall = 4096,
}

/** Who makes partitions. */
export enum Partscan {
  /** The kernel, by its own parsers. */
  Kernel = 0,
  /** The core's parsers and BLKPG; no re-read can touch such partitions. */
  User = 1,
  None = 2,
}

/**
 * The closed set of calls, in system-call vocabulary. A call fills the outbox as `CallWord` says;
 * its bytes, where it has any, lie in the operation's buffer at `Buffer`.
 */
export enum Call {
  None = 0,
  /** Place, flags -> descriptor. */
  Open = 1,
  /** Descriptor. */
  Close = 2,
  /** Descriptor, operation. LOCK_NB is always set. */
  Flock = 3,
  /** Descriptor -> `StatWord`s in the buffer. */
  Fstat = 4,
  /** Descriptor, offset, bytes -> bytes read, in the buffer. */
  Pread = 5,
  /** Descriptor. */
  Fsync = 6,
  /** Descriptor, request; the argument is `Argument` itself. */
  IoctlValue = 7,
  /** Descriptor, request; the argument is a struct of `Bytes` in the buffer. */
  IoctlBuffer = 8,
  /** Descriptor, operation (BLKPG_*): blkpg_partition of `Bytes` in the buffer;
   *  the host wraps it in blkpg_ioctl_arg. */
  Blkpg = 9,
  /** Place: make a block device node. */
  MakeNode = 10,
  /** Place: remove a node that MakeNode made. */
  RemoveNode = 11,
  /** Number, or the disk's name in the buffer where that is -1 -> `DiskWord`s in the buffer: what
   *  sysfs shows of a disk; -ENOENT. */
  ReadDisk = 12,
  /** The same -> count of partitions that can be opened, that many `PartitionEntryWord` records
   *  in the buffer; -ENOENT. */
  ListPartitions = 13,
  /** Device, inode (`Argument`, `Argument2`), number: the lowest bound loop device from `Number`
   *  up whose backing path leads to that file or nowhere; -ENOENT: no more. */
  FindBacking = 14,
  /** Number: the lowest loop device from `Number` up that sysfs shows as unbound; -ENOENT. */
  FindUnbound = 15,
  /** Number, descriptor: count of mounts, holders and open descriptors of the disk and its
   *  partitions, the given descriptor of this process left out. The host keeps their names, and
   *  leaves 256 bits in the buffer: bit N for a holder of partition N, bit 0 of the disk. */
  FindHolders = 16,
  /** Number: multicast group (`Group`). Receiving begins: 0, or 1 where it does but nothing will
   *  come (a network namespace of another user namespace; no udevd). */
  Subscribe = 17,
  /** Number: multicast group. Receiving ends. */
  Unsubscribe = 18,
  /** Number, partition: major and minor -> a u64 in the buffer that changes whenever udev writes
   *  its record of that device (/run/udev/data); -ENOENT. */
  ReadRecord = 19,
  /** The disk's name (`NameBytes`) and a UUID (16 bytes) in the buffer, partition (0: the disk):
   *  has the kernel send a synthetic `change` (Documentation/ABI/testing/sysfs-uevent). */
  Trigger = 20,
}

/** Words of a call in the outbox. */
export enum CallWord {
  Call = 0,
  Ticket = 1,
  Operation = 2,
  Step = 3,
  Descriptor = 4,
  /** open flags, flock operation, ioctl request, BLKPG operation. */
  Request = 5,
  Place = 6,
  /** Loop number, the major of a private node, or a group. */
  Number = 7,
  /** Partition number, or the minor of a private node. */
  Partition = 8,
  Argument = 9,
  Argument2 = 10,
  /** Where the operation's buffer lies among the buffers. */
  Buffer = 11,
  /** Bytes of the buffer that the call reads or may fill. */
  Bytes = 12,
}

/** What a path-taking call names; the host knows how its system spells it. */
export enum Place {
  None = 0,
  /** The image, by the path that the application gave. */
  Image = 1,
  /** What `Descriptor` leads to, opened anew (/proc/self/fd). */
  Reopen = 2,
  /** /dev/loop-control */
  Control = 3,
  /** The public node of loop device `Number`. */
  Disk = 4,
  /** The public node of partition `Partition` of loop device `Number`. */
  Partition = 5,
  /** Node `Number`:`Partition` (major:minor) in a file system only this process sees. */
  Private = 6,
  /** The same in /dev under a name of our own, removed at once. */
  Hidden = 7,
}

/** What Fstat leaves in the buffer, words of 8 bytes. Source: struct stat. */
export enum StatWord {
  Mode = 0,
  Device = 1,
  Inode = 2,
  /** Major and minor of st_rdev. */
  Major = 3,
  Minor = 4,
  Size = 5,
  /** st_rdev as the kernel encodes it (huge_encode_dev). */
  Rdev = 6,
  Words = 7,
}

/** What ReadDisk leaves in the buffer, words of 8 bytes. Source: /sys/block/DISK. */
export enum DiskWord {
  /** 1: a loop device that is bound (there is a `loop/` directory), another disk with a medium
   *  (its size is not 0). */
  Bound = 0,
  /** 0 before 5.15. */
  Diskseq = 1,
  Major = 2,
  Minor = 3,
  /** 512-byte sectors. */
  Size = 4,
  Words = 5,
}

/** One record of ListPartitions, words of 4 bytes. Source: /sys/block/DISK/PARTITION. */
export enum PartitionEntryWord {
  Number = 0,
  Major = 1,
  Minor = 2,
  /** 512-byte sectors, 64 bits in two words. */
  Start = 4,
  Size = 6,
  Words = 8,
}

/** Multicast groups of NETLINK_KOBJECT_UEVENT. */
export enum Group {
  None = 0,
  /** The kernel's own datagrams. */
  Kernel = 1,
  /** What udev sends when it has processed an event. */
  Udev = 2,
}

/** One record a datagram slot, words of 4 bytes: what the socket said of it. */
export enum DatagramWord {
  Group = 0,
  /** As received: 0 to all slots together. */
  Bytes = 1,
  /** sockaddr_nl.nl_pid of the sender: 0 for the kernel. */
  PortId = 2,
  /** SCM_CREDENTIALS. Uid: 0 also where root has no number of its own here. */
  Pid = 3,
  Uid = 4,
  /** `DatagramFlag` bits. */
  Flags = 5,
  Words = 8,
}

export enum DatagramFlag {
  /** It was longer than the slot (MSG_TRUNC). */
  Truncated = 1,
  /** It came with credentials. */
  Credentials = 2,
}

/** ACTION. Source: lib/kobject_uevent.c, kobject_actions. */
export enum Action {
  Other = 0,
  Add = 1,
  Remove = 2,
  Change = 3,
  Move = 4,
  Online = 5,
  Offline = 6,
  Bind = 7,
  Unbind = 8,
}

/** DEVTYPE of SUBSYSTEM=block. */
export enum DeviceType {
  /** No block device. */
  None = 0,
  Disk = 1,
  Partition = 2,
}

/** What an event is to an instance. */
export enum Verdict {
  /** Of no disk. */
  None = 0,
  /** Of an earlier instance of this disk. */
  Stale = 1,
  Mine = 2,
  /** Of a later instance: mine is over. */
  Later = 3,
  /** Of a disk of this name; there is no number that proves more. */
  BestEffort = 4,
}

/** Bits that say more of a judged event. */
export enum Mark {
  /** Its SEQNUM is lower than that of an event before it: no sign of anything since 6.9. */
  OutOfOrder = 1,
  /** DISK_MEDIA_CHANGE=1: with Mine, announces the end of the instance. */
  MediaChange = 2,
  /** Written to sysfs by a program (SYNTH_UUID). */
  Synthetic = 4,
  /** The end of a partition of mine that already carries the next number: detach does that. */
  Ends = 8,
  /** The first event of a disk that nothing is known of. */
  First = 16,
}

/** How a wait ended. */
export enum WaitResult {
  Ready = 0,
  /** Another instance has the name. */
  Superseded = 1,
  Gone = 2,
}

/** What the core tells the application. */
export enum Event {
  None = 0,
  /** The attach stands; partitions by `selectPartition`. */
  Attached = 1,
  /** The instance is gone, or deferred: `Code` is a `DetachResult`. */
  Detached = 2,
  /** The table is decoded; partitions by `selectPartition`. */
  Probed = 3,
  /** The operation failed and everything is given back: `Code` is a `Failure`. */
  Failed = 4,
  /** `Code` is a `Warning`; the operation goes on. */
  Warned = 5,
  /** One try of a device failed and another follows: step, call, errno, number. */
  Tried = 6,
  /** A wait is over: `Code` is a `WaitResult`, the rest as `WaitWord` says. */
  Waited = 7,
  /** A judged event for a subscription: the words are `UeventWord`s. Read it before the slot of its
   *  datagram is used again. */
  Uevent = 8,
  /** Events are lost. Code: `Group`; Detail: how many, 0 unknown; Detail2: the SEQNUM before. */
  Lost = 9,
  /** A rescan, resize or sweep is done: words as `ChangeWord` says, and of the `Result` those from
   *  `Partitions` on; partitions by `selectPartition`. */
  Changed = 10,
  /** A subscription hears all of its groups from here on. */
  Listening = 11,
}

/** Words of `Event.Waited` in the outbox after `EventWord.Number`. */
export enum WaitWord {
  /** Of the instance waited for; 0 where there is none. */
  Diskseq = 8,
  /** Of the instance that is there, 0 none. */
  Current = 9,
  Major = 10,
  Minor = 11,
  /** Partitions that are there, four words as in `CommandWord.PartitionMask`. */
  PartitionMask = 12,
}

/** Words of `Event.Changed` in the outbox after `EventWord.Number`. Sets of partition numbers have
 *  four words each, as in `CommandWord.PartitionMask`. */
export enum ChangeWord {
  /** Resize: bytes that the device showed. */
  Before = 8,
  Removed = 10,
  Added = 14,
  Resized = 18,
}

/** Words of `Event.Uevent` in the outbox. */
export enum UeventWord {
  Event = 0,
  /** The watch. */
  Operation = 1,
  /** `Verdict` */
  Verdict = 2,
  /** `Mark` bits */
  Marks = 3,
  Group = 4,
  /** `Action` */
  Action = 5,
  /** `DeviceType` */
  DeviceType = 6,
  /** Partition number; 0: the disk. */
  Partition = 7,
  Seqnum = 8,
  /** 0: the event has none. */
  Diskseq = 9,
  Major = 10,
  Minor = 11,
  /** Where its datagram lies among the buffers, and its bytes. */
  Offset = 12,
  Bytes = 13,
  /** Where its properties begin. */
  Properties = 14,
  Words = 15,
}

/** Words of an event in the outbox. */
export enum EventWord {
  Event = 0,
  Operation = 1,
  Code = 2,
  Step = 3,
  Call = 4,
  /** errno, 0 where the kernel said nothing. */
  Errno = 5,
  /** Loop number, -1 where none is concerned. */
  Number = 6,
  /** ioctl request, open flags or flock operation of the call. Warned: its descriptor. */
  Request = 7,
  /** What the code says. */
  Detail = 8,
  /** Where a failure says nothing else of it: 1, somebody still holds the device open. */
  Detail2 = 9,
  /** Attached, Probed, Detached: the result, see `Result`. */
  Result = 10,
}

/** Words of a result, from `EventWord.Result` on. */
export enum Result {
  /** The device's read-only descriptor, which holds the lock; the application's from here on.
   *  Failed too: the descriptor that a detach was given, -1 when it is closed. */
  Descriptor = 0,
  Major = 1,
  Minor = 2,
  /** 0 where the kernel has none. */
  Diskseq = 3,
  /** 1: the diskseq rose at this attach and identifies it. */
  Identity = 4,
  BackingDevice = 5,
  BackingInode = 6,
  Offset = 7,
  SizeLimit = 8,
  SectorSize = 9,
  /** loop_info64.lo_flags as the kernel has them. */
  Flags = 10,
  /** `Partscan` that was used. */
  Partscan = 11,
  Partitions = 12,
  /** `Table` */
  Table = 13,
  /** Bytes that the device shows. */
  Size = 14,
}

/** Words of a partition in the outbox after `selectPartition`, 8 bytes each. */
export enum PartitionWord {
  Number = 0,
  Major = 1,
  Minor = 2,
  /** Bytes. */
  Start = 3,
  Size = 4,
  /** 1: the kernel made it, 0: we did. */
  ByKernel = 5,
  /** 1: GPT, the two GUIDs and the name hold; 0: MBR, `MbrType` and `DiskSignature` hold;
   *  -1: the kernel found it, no table of ours says more. */
  Kind = 6,
  MbrType = 7,
  DiskSignature = 8,
  /** 16 bytes as on disk: the first three fields little-endian. */
  TypeGuid = 9,
  UniqueGuid = 11,
  /** 72 bytes, UTF-16LE, NUL-padded. */
  Name = 13,
  Words = 22,
}

/** Partition table of an image. */
export enum Table {
  None = 0,
  Gpt = 1,
  Mbr = 2,
}

/** How a detach ended. */
export enum DetachResult {
  Gone = 0,
  /** Somebody holds it; it goes away when they let go. */
  Deferred = 1,
  /** Only the descriptor was closed, as asked. */
  Released = 2,
}

/** Why an operation failed. */
export enum Failure {
  None = 0,
  /** A call answered an errno that no retry helps. */
  System = 1,
  TimedOut = 2,
  Aborted = 3,
  /** 64 tries, each lost. */
  TriesExhausted = 4,
  /** Neither a regular file nor a block device. Detail: st_mode. */
  NotImage = 5,
  /** Fewer than 512 bytes to show. Detail: bytes there are. */
  ImageTooSmall = 6,
  /** The offset lies at or beyond the end. Detail: image's bytes. */
  OffsetBeyondEnd = 7,
  /** More than one sector size has a GPT. Detail: bit mask, bit 9 = 512. */
  SectorSizeAmbiguous = 8,
  /** The protective MBR promises a GPT and neither copy is good. */
  GptDamaged = 9,
  /** Detail, Detail2: the two partition numbers. */
  PartitionsOverlap = 10,
  /** Detail: partition number. */
  PartitionOutOfRange = 11,
  /** The chain of logical partitions leads back into itself. Detail: sector. */
  ChainLoops = 12,
  /** More than 255 partitions. */
  TooManyPartitions = 13,
  /** Another loop device shows the same bytes. Number: that device. */
  Overlap = 14,
  /** What the kernel made is not what was asked. Detail: `Mismatch`. */
  NotHonoured = 15,
  /** A partition is missing or differs after the scan. Detail: partition number. */
  PartitionMissing = 16,
  /** A node leads to another device or instance. Detail: partition number. */
  NodeMismatch = 17,
  /** The explicit device is bound already. */
  DeviceBound = 18,
  /** Another process holds a lock on the device. */
  DeviceLocked = 19,
  /** Detach: the device is another instance. Detail: its diskseq. */
  Superseded = 20,
  /** Detach: nothing is attached. */
  NotAttached = 21,
  /** Detach: not a loop device. */
  NotLoop = 22,
  /** The image shrank while it was read. */
  ImageShrank = 23,
  /** Detach: done, but its last writes failed (step, errno). */
  FlushFailed = 24,
  /** A partition of an earlier attach is open and stays. Detail: partition number. */
  LeftoverOpen = 25,
  /** udev has not processed a device. Detail: partition number, 0 the disk. */
  UdevSilent = 26,
  /** A partition that must change is open. Detail: partition number, 0 where nobody can tell. */
  PartitionBusy = 27,
  /** An instance was named by its diskseq, and this kernel has none. */
  NoDiskseq = 28,
}

/** What the kernel did not honour. */
export enum Mismatch {
  Backing = 1,
  Range = 2,
  Flags = 3,
  Size = 4,
}

/** What the application ought to know although the operation goes on. */
export enum Warning {
  None = 0,
  /** The image cannot be opened for writing: attached read-only. Errno says why. */
  FellBackToReadOnly = 1,
  /** This kernel cannot read this table (Detail: `Table`): partitions are made by us. */
  NoKernelParser = 2,
  /** Only one copy of the GPT is good. Detail 1: primary used, 2: backup used. */
  GptCopyDamaged = 3,
  /** The primary copy cannot be read by the kernel: partitions are made by us. */
  GptNotForKernel = 4,
  /** The kernel made a partition that our table does not have. Detail: number. */
  PartitionUnexpected = 5,
  /** Direct I/O was asked for and is not to be had here. */
  DirectIoDropped = 6,
  /** No diskseq, or it did not rise: identity is best effort. */
  IdentityBestEffort = 7,
  /** The last bytes (Detail) do not fill a 512-byte sector and are not shown. */
  TailLost = 8,
  /** The device had to be opened through its public node: udev may read it again. */
  PublicNode = 9,
  /** Partitions are forced on by the module (max_part). */
  PartscanForced = 10,
  /** Partition (Detail) ends beyond the image and is clipped. */
  PartitionClipped = 11,
  /** Detach: somebody holds the device; waiting. Detail: how many. */
  Waiting = 12,
  /** A descriptor's close reported an error; the descriptor is gone all the same. */
  CloseFailed = 13,
  /** Leftover partitions of an earlier attach were removed. Detail: how many. */
  LeftoversRemoved = 14,
  /** No uevents come here: sysfs is looked at again and again. Errno: why, 0 a namespace. */
  NoUevents = 15,
  /** No udevd runs: there is nothing to wait for. */
  NoUdev = 16,
}

/** Why the core wants to be woken. */
export enum TimeoutReason {
  None = 0,
  /** A deadline of the application. */
  Deadline = 1,
  /** A failed try is repeated with another device. */
  Backoff = 2,
  /** Something that others hold is looked at again. */
  Poll = 3,
  /** Giving back outlived the deadline by two seconds; the application is told without it. */
  Grace = 4,
}

/** What a `handle*` answers: 0, or why the input was refused; then nothing has changed. */
export enum Fault {
  Ok = 0,
  UnknownCommand = 1,
  /** No operation is free: the host queues. */
  Full = 2,
  UnknownTicket = 3,
  UnknownOperation = 4,
  BadArgument = 5,
  /** A datagram that nobody can read. */
  Malformed = 6,
  /** Not from the kernel, or not from udev. */
  Forged = 7,
  /** It was handed in before. */
  Duplicate = 8,
  /** It did not fit. */
  Truncated = 9,
}
