/**
 * How kernels differ: for every switch the versions at which it changes, and what it is from there
 * on. A version is one number, 5.10.223 = 5_010_223, so that a row reads like a version, and stable
 * series that got a change by a backport are rows like any other: the series after them falls back.
 *
 * Sources: drivers/block/loop.c, block/{genhd,ioctl,disk-events}.c and block/partitions/core.c of
 * the versions named, net/netlink/af_netlink.c for the socket rules.
 */

export enum Switch {
  /** `AttachEvents` */
  AttachEvents = 0,
  /** 1: LOOP_CONFIGURE exists (else EINVAL). */
  HasConfigure,
  /** 1: it lets partitions be scanned; 1: it minds offset and size limit. */
  ConfigurePartscan,
  ConfigureSize,
  HasDiskseq,
  /** 1: loop calls disk_force_media_change at attach, change and detach. */
  MediaChange,
  /** 1: that raises the diskseq; 1: that leaves a scan for the next open (GD_NEED_PART_SCAN). */
  SeqOnChange,
  NeedOnChange,
  /** `Suppression` */
  Suppression,
  /** 1: a scan makes no partitions while they are suppressed. */
  ScanHonoursSuppression,
  /** `BlkpgRefusal` while PARTSCAN is off. */
  BlkpgRefusal,
  /** 1: BLKPG refuses what ends beyond the disk, new or resized. */
  BlkpgCapacity,
  /** `LoOpen` */
  LoOpen,
  /** 1: loop_ctl_mutex is the one lock for everything. */
  GlobalMutex,
  /** 1: LOOP_CLR_FD leaves the work to the last close. */
  ClearAtClose,
  /** 1: a detach drops partitions whatever made them. */
  DetachDrops,
  /** `RereadClaim` of BLKRRPART. */
  RereadClaim,
  /** 1: it opens the disk anew; 0: it scans under the lock and says what came of it. */
  RereadOpens,
  /** 1: the scan's error is its own. */
  RereadErrors,
  /** 1: LOOP_SET_BLOCK_SIZE claims the disk. */
  BlockSizeClaims,
  /** 1: dirty pages make LOOP_SET_STATUS64 fail with EAGAIN where the range changes. */
  StatusAgain,
  /** 1: a bad block size is found late and leaves the uevents suppressed. */
  BadBlockSizeSticks,
  /** Largest block size. */
  BlockSizeMax,
  /** 1: LO_FLAGS_DIRECT_IO chooses the block size; 0: an O_DIRECT backing descriptor does. */
  DirectIoByFlag,
  /** 1: every open of a partition counts as one of the disk; 0: every open partition. */
  OpensCounted,
  /** 1: openers are counted before the scan that an open does. */
  CountsBeforeScan,
  /** 1: SEQNUMs are taken before the lock of the broadcast. */
  SeqnumAtomic,
  PartuuidKey,
  /** 1: /sys/block/X/partscan */
  PartscanAttribute,
  /** 1: LOOP_CTL_REMOVE answers 0, not the number. */
  RemoveAnswersZero,
  /** 1: loop_control_remove hides the number while it looks. */
  RemoveHides,
  /** 1: a socket takes what fits; 0: anything while it is not over its limit. */
  QueueMustFit,
  /** 1: small datagrams come from a cache of their own (truesize). */
  SmallHeads,
  Count,
}

/** What a listener hears of LOOP_CONFIGURE. */
export enum AttachEvents {
  /** One change, from the new size. */
  Plain = 0,
  /** All that happens, before the device is bound. */
  Loud = 1,
  /** Nothing, of the scan neither. */
  Mute = 2,
  /** Only what the scan says. */
  Table = 3,
  /** One change when all is done, then the scan. */
  One = 4,
}

/** What keeps a disk from being scanned. */
export enum Suppression {
  /** GENHD_FL_NO_PART_SCAN */
  NoPartScan = 0,
  /** GENHD_FL_NO_PART */
  NoPart = 1,
  /** GD_SUPPRESS_PART_SCAN */
  Suppress = 2,
}

export enum BlkpgRefusal {
  None = 0,
  All = 1,
  Add = 2,
}

export enum LoOpen {
  /** Waits for lo_mutex. */
  Waits = 0,
  /** There is no lo_open. */
  None = 1,
  /** Waits, and refuses a device that is being detached or removed. */
  Refuses = 2,
}

export enum RereadClaim {
  None = 0,
  /** EBUSY where another holds the disk. */
  Check = 1,
  /** Claims it. */
  Claim = 2,
}

/** Oldest and newest version that anything is known of. */
export const VERSION_MIN: i32 = 5_004_000;
export const VERSION_MAX: i32 = 7_999_999;

/** Switch, first version, value; ascending by version in each switch, 0 before the first. */
// biome-ignore format: one row a line
const ROWS: i32[] = [
  Switch.AttachEvents, 5_015_000, AttachEvents.Loud,
  Switch.AttachEvents, 5_015_106, AttachEvents.Table,
  Switch.AttachEvents, 5_015_181, AttachEvents.One,
  Switch.AttachEvents, 5_016_000, AttachEvents.Loud,
  Switch.AttachEvents, 5_018_000, AttachEvents.Mute,
  Switch.AttachEvents, 6_001_023, AttachEvents.Table,
  Switch.AttachEvents, 6_001_135, AttachEvents.One,
  Switch.AttachEvents, 6_002_000, AttachEvents.Mute,
  Switch.AttachEvents, 6_003_000, AttachEvents.Table,
  Switch.AttachEvents, 6_006_088, AttachEvents.One,
  Switch.AttachEvents, 6_007_000, AttachEvents.Table,
  Switch.AttachEvents, 6_012_025, AttachEvents.One,
  Switch.AttachEvents, 6_013_000, AttachEvents.Table,
  Switch.AttachEvents, 6_015_000, AttachEvents.One,
  Switch.HasConfigure, 5_008_000, 1,
  Switch.ConfigurePartscan, 5_009_000, 1,
  Switch.ConfigureSize, 5_008_011, 1,
  Switch.HasDiskseq, 5_015_000, 1,
  Switch.MediaChange, 5_015_000, 1,
  Switch.SeqOnChange, 5_015_121, 1,
  Switch.SeqOnChange, 5_016_000, 0,
  Switch.SeqOnChange, 6_001_039, 1,
  Switch.SeqOnChange, 6_002_000, 0,
  Switch.SeqOnChange, 6_005_000, 1,
  Switch.NeedOnChange, 5_015_000, 1,
  Switch.NeedOnChange, 6_006_141, 0,
  Switch.NeedOnChange, 6_007_000, 1,
  Switch.NeedOnChange, 6_012_091, 0,
  Switch.NeedOnChange, 6_013_000, 1,
  Switch.NeedOnChange, 6_018_033, 0,
  Switch.NeedOnChange, 6_019_000, 1,
  Switch.NeedOnChange, 7_001_000, 0,
  Switch.Suppression, 5_015_132, Suppression.NoPart,
  Switch.Suppression, 5_016_000, Suppression.NoPartScan,
  Switch.Suppression, 5_017_000, Suppression.NoPart,
  Switch.Suppression, 5_018_002, Suppression.Suppress,
  Switch.ScanHonoursSuppression, 5_000_000, 1,
  Switch.ScanHonoursSuppression, 5_018_002, 0,
  Switch.ScanHonoursSuppression, 5_019_009, 1,
  Switch.BlkpgRefusal, 5_015_132, BlkpgRefusal.All,
  Switch.BlkpgRefusal, 5_015_149, BlkpgRefusal.Add,
  Switch.BlkpgRefusal, 5_015_197, BlkpgRefusal.None,
  Switch.BlkpgCapacity, 6_007_000, 1,
  Switch.LoOpen, 5_018_000, LoOpen.None,
  Switch.LoOpen, 6_011_000, LoOpen.Refuses,
  Switch.GlobalMutex, 5_000_000, 1,
  Switch.GlobalMutex, 5_012_000, 0,
  Switch.ClearAtClose, 6_011_000, 1,
  Switch.DetachDrops, 7_002_000, 1,
  Switch.RereadClaim, 6_001_003, RereadClaim.Check,
  Switch.RereadClaim, 6_001_020, RereadClaim.Claim,
  Switch.RereadClaim, 6_002_000, RereadClaim.Check,
  Switch.RereadClaim, 6_003_000, RereadClaim.Claim,
  Switch.RereadOpens, 5_012_000, 1,
  Switch.RereadErrors, 6_009_000, 1,
  Switch.BlockSizeClaims, 6_001_191, 1,
  Switch.BlockSizeClaims, 6_002_000, 0,
  Switch.BlockSizeClaims, 6_006_103, 1,
  Switch.BlockSizeClaims, 6_006_108, 0,
  Switch.BlockSizeClaims, 6_006_109, 1,
  Switch.BlockSizeClaims, 6_007_000, 0,
  Switch.BlockSizeClaims, 6_012_043, 1,
  Switch.BlockSizeClaims, 6_013_000, 0,
  Switch.BlockSizeClaims, 6_017_000, 1,
  Switch.StatusAgain, 5_000_000, 1,
  Switch.StatusAgain, 5_018_000, 0,
  Switch.BadBlockSizeSticks, 6_010_000, 1,
  Switch.BlockSizeMax, 5_000_000, 4096,
  Switch.BlockSizeMax, 6_015_000, 65536,
  Switch.DirectIoByFlag, 6_012_031, 1,
  Switch.DirectIoByFlag, 6_013_000, 0,
  Switch.DirectIoByFlag, 6_015_000, 1,
  Switch.OpensCounted, 6_005_000, 1,
  Switch.CountsBeforeScan, 6_009_000, 1,
  Switch.SeqnumAtomic, 6_009_000, 1,
  Switch.PartuuidKey, 6_013_000, 1,
  Switch.PartscanAttribute, 6_006_032, 1,
  Switch.PartscanAttribute, 6_007_000, 0,
  Switch.PartscanAttribute, 6_010_000, 1,
  Switch.RemoveAnswersZero, 5_015_000, 1,
  Switch.RemoveHides, 5_015_000, 1,
  Switch.QueueMustFit, 5_004_296, 1,
  Switch.QueueMustFit, 5_005_000, 0,
  Switch.QueueMustFit, 5_010_240, 1,
  Switch.QueueMustFit, 5_011_000, 0,
  Switch.QueueMustFit, 5_015_189, 1,
  Switch.QueueMustFit, 5_016_000, 0,
  Switch.QueueMustFit, 6_001_146, 1,
  Switch.QueueMustFit, 6_002_000, 0,
  Switch.QueueMustFit, 6_006_099, 1,
  Switch.QueueMustFit, 6_007_000, 0,
  Switch.QueueMustFit, 6_012_039, 1,
  Switch.QueueMustFit, 6_013_000, 0,
  Switch.QueueMustFit, 6_015_007, 1,
  Switch.SmallHeads, 6_003_000, 1,
];

const COLUMNS: i32 = 3;

/** One kernel's switches. */
export class Era {
  readonly version: i32;
  private readonly values: Int32Array;

  constructor(version: i32) {
    assert(isKnownVersion(version));
    const values = new Int32Array(Switch.Count);
    for (let row = 0; row < ROWS.length; row += COLUMNS) {
      if (ROWS[row + 1] <= version) values[ROWS[row]] = ROWS[row + 2];
    }
    this.version = version;
    this.values = values;
  }

  get(name: i32): i32 {
    return this.values[name];
  }

  has(name: i32): bool {
    return this.values[name] !== 0;
  }
}

/** Whether a version is one that the table is about. */
export function isKnownVersion(version: i32): bool {
  return version >= VERSION_MIN && version <= VERSION_MAX;
}

/** Major, minor and patch as one number; -1 where they are no version. */
export function packVersion(major: i32, minor: i32, patch: i32): i32 {
  if (major < 0 || major > 999 || minor < 0 || minor > 999 || patch < 0 || patch > 999) return -1;
  return major * 1000000 + minor * 1000 + patch;
}
