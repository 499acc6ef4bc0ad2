/** The words in which the views answer, 8 bytes each: what a host must know of them. */

/** Words of a disk's view. */
export enum DiskView {
  /** 1: /sys/block/loopN is there. */
  Shown = 0,
  /** 1: so is its directory `loop/`. */
  Bound,
  Diskseq,
  Size,
  Ro,
  Offset,
  SizeLimit,
  Autoclear,
  Partscan,
  DirectIo,
  BlockSize,
  /** Image that the backing file is, -1: none or a device. */
  BackingImage,
  BackingDeleted,
  /** Device and inode of the backing file. */
  BackingDevice,
  BackingInode,
  BackingRdev,
  Flags,
  Major,
  Minor,
  Partitions,
  Openers,
  /** `LoState` */
  State,
  Words,
}

/** Words of a partition's view. */
export enum PartitionView {
  Number = 0,
  Start,
  Size,
  Major,
  Minor,
  /** 1: its node is there and can be opened. */
  Openable,
  Openers,
  Words,
}
