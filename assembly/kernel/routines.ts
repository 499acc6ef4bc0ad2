/** The names of all routines: system calls that a task can begin with, and what they share. */
export enum Routine {
  None = 0,

  /* Begun by a process. A: descriptor, unless said otherwise. */

  /** A: loop number, B: flags, C: partition. D: `NodeKind`; of a private node A is its major, C its
   *  minor. -> descriptor */
  Open = 1,
  Close = 2,
  /** B: backing descriptor, C: flags, D: block size, E: offset, F: size limit; name */
  Configure = 3,
  /** B: backing descriptor */
  SetFd = 4,
  /** B: backing descriptor */
  ChangeFd = 5,
  ClearFd = 6,
  /** C: flags, E: offset, F: size limit; name */
  SetStatus = 7,
  /** -> 0, and the answer is read from the state at once (`views.ts`) */
  GetStatus = 8,
  SetCapacity = 9,
  /** B: bytes */
  SetBlockSize = 10,
  /** B: 0 or 1 */
  SetDirectIo = 11,
  Reread = 12,
  /** B: operation, C: number, E: start, F: length */
  Blkpg = 13,
  /** B: number, -1: any */
  ControlAdd = 14,
  /** B: number */
  ControlRemove = 15,
  ControlGetFree = 16,
  /** The process ends: all its descriptors are closed. */
  Exit = 17,

  /* Parts of them. a: place of the loop device. */

  /** blkdev_get_by_dev; b: partition, `OPEN_STRICT` */
  OpenDevice = 32,
  /** blkdev_put; b: file, -1: none */
  CloseDevice = 33,
  /** __fput; a: file */
  CloseFile = 34,
  /** lo_release */
  Release = 35,
  /** __loop_clr_fd; b: 1 in lo_release */
  Clear = 36,
  /** bdev_disk_changed */
  Scan = 37,
  /** disk_force_media_change */
  MediaChange = 38,
}

/** OpenDevice: BLK_OPEN_STRICT_SCAN. */
export const OPEN_STRICT: i32 = 0x10000;
/** OpenDevice, while it runs: a scan was done. */
export const OPEN_SCANNED: i32 = 0x20000;
export const OPEN_PARTITION: i32 = 0xff;
