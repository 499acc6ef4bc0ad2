/**
 * All that decides what follows what. Nothing else in the core names a next step.
 *
 * An operation is in one *step*. Entering a step makes one call, or waits, or decides at once; what
 * comes of it is an *outcome*; the tables map (step, outcome) to the next step. A completion below
 * zero is turned into an outcome by the errno policy first. Three tables:
 *
 * - `ROWS`: step, outcome, next step. The README's diagram is generated from it.
 * - `DEFAULTS`: the same for a range of steps, used where `ROWS` is silent: any failure of an attach
 *   leads into giving back (`UndoControl`), which ends where `Afterwards` says.
 * - `POLICY`: step, errno, outcome. EINTR repeats every call but close. What is not listed fails.
 *
 * A pair that no table knows is a bug and traps. The order of the steps is the order of an attach.
 */
import { Errno } from "../wire/linux.ts";

export enum Step {
  Idle = 0,

  /* The image and its table. */
  OpenImage,
  StatImage,
  ReopenImage,
  ReopenReadOnly,
  ClosePath,
  SizeImage,
  ReadHead,
  ReadTail,
  ReadEntries,
  ReadOtherHeader,
  ReadLogical,
  Arrange,

  /* Under the lock of loop-control: overlap guard, choice of a number, configuration. */
  AwaitControl,
  OpenControl,
  LockControl,
  FindBacking,
  OpenBacking,
  StatusBacking,
  CloseBacking,
  AddNumber,
  FreeNumber,
  FindUnbound,
  AddAny,
  OpenDevice,
  MakeDevice,
  StatDevice,
  LockDevice,
  StatusDevice,
  ListLeftovers,
  ClaimDevice,
  StatusClaimed,
  ListClaimed,
  DeleteLeftover,
  ReleaseClaim,
  SeqBefore,
  MakePrivate,
  OpenPrivate,
  MakeHidden,
  OpenHidden,
  RemoveHidden,
  OpenPublic,
  Configure,
  ProbeConfigure,
  SetFd,
  CloseControl,

  /* Proof of what the kernel made, and the old path's settings. */
  SetStatus,
  SetBlockSize,
  SetDirectIo,
  SeqAfter,
  StatusAfter,
  SizeAfter,

  /* Partitions. */
  DrainOpen,
  DrainClose,
  DrainList,
  ScanStatus,
  ScanSet,
  AddPartition,
  ListPartitions,
  OpenNode,
  MakeNode,
  StatNode,
  SeqNode,
  CloseNode,

  /* The end of an attach. */
  UnlockDevice,
  CloseImage,
  KeepStatus,
  KeepSet,
  CloseWritable,
  Done,

  /* Giving back. */
  UndoControl,
  UndoAuxiliary,
  UndoList,
  UndoDelete,
  UndoClear,
  UndoHidden,
  UndoWritable,
  UndoDevice,
  UndoJudge,
  Backoff,
  UndoPath,
  UndoImage,
  Failed,

  /* Detach. */
  OpenTarget,
  StatTarget,
  SeqTarget,
  StatusTarget,
  LockTarget,
  FlushTarget,
  ListTarget,
  FindHolders,
  DeleteTarget,
  ClearTarget,
  CloseTarget,
  ReadTarget,
  NameHolders,
  SweepOpen,
  SweepStatus,
  SweepDelete,
  SweepClose,
  Detached,
  RelockTarget,
  ReturnTarget,

  Count,
}

export enum Outcome {
  /** The step did what it is for. */
  Ok = 0,
  /** There is nothing to do here. */
  Skip,
  /** Another of the same is to be done. */
  More,
  /** The same step after a wait. */
  Again,
  /** The same call at once. */
  Repeat,
  /** Give the device back, wait, take one anew. */
  Retry,
  /** The same, and let this number be. */
  PassOver,
  /** Give the device back and begin again with partitions of our own making. */
  Restart,
  /** Give everything back, then fail. */
  Fail,
  /** The thing is not there; another way is tried. */
  Missing,
  /** Not for writing. */
  ReadOnly,
  /** What the image begins with. */
  Gpt,
  Mbr,
  /** This copy of the GPT is bad: the other one. */
  OtherCopy,
  /** Only the table was asked for. */
  Probe,
  /** Partitions are made by the kernel, by us, by nobody. */
  Kernel,
  User,
  /** Somebody holds the device. */
  Held,

  Count,
}

/** Step, outcome, next step. */
// biome-ignore format: one row a line
export const ROWS: i32[] = [
  Step.OpenImage, Outcome.Ok, Step.StatImage,
  Step.OpenImage, Outcome.Skip, Step.StatImage,
  Step.StatImage, Outcome.Ok, Step.ReopenImage,
  Step.StatImage, Outcome.Skip, Step.SizeImage,
  Step.ReopenImage, Outcome.Ok, Step.ClosePath,
  Step.ReopenImage, Outcome.ReadOnly, Step.ReopenReadOnly,
  Step.ReopenReadOnly, Outcome.Ok, Step.ClosePath,
  Step.ClosePath, Outcome.Ok, Step.SizeImage,
  Step.SizeImage, Outcome.Ok, Step.ReadHead,
  Step.ReadHead, Outcome.Gpt, Step.ReadEntries,
  Step.ReadHead, Outcome.OtherCopy, Step.ReadTail,
  Step.ReadHead, Outcome.Mbr, Step.ReadLogical,
  Step.ReadHead, Outcome.Skip, Step.Arrange,
  Step.ReadTail, Outcome.Gpt, Step.ReadEntries,
  Step.ReadTail, Outcome.Skip, Step.Arrange,
  Step.ReadEntries, Outcome.More, Step.ReadEntries,
  Step.ReadEntries, Outcome.Ok, Step.ReadOtherHeader,
  Step.ReadEntries, Outcome.Skip, Step.Arrange,
  Step.ReadEntries, Outcome.OtherCopy, Step.ReadOtherHeader,
  Step.ReadOtherHeader, Outcome.Ok, Step.Arrange,
  Step.ReadOtherHeader, Outcome.Gpt, Step.ReadEntries,
  Step.ReadLogical, Outcome.More, Step.ReadLogical,
  Step.ReadLogical, Outcome.Ok, Step.Arrange,
  Step.Arrange, Outcome.Ok, Step.AwaitControl,
  Step.Arrange, Outcome.Probe, Step.CloseImage,

  Step.AwaitControl, Outcome.Ok, Step.OpenControl,
  Step.OpenControl, Outcome.Ok, Step.LockControl,
  Step.LockControl, Outcome.Again, Step.LockControl,
  Step.LockControl, Outcome.Ok, Step.FindBacking,
  Step.FindBacking, Outcome.Ok, Step.OpenBacking,
  Step.FindBacking, Outcome.Skip, Step.AddNumber,
  Step.OpenBacking, Outcome.Ok, Step.StatusBacking,
  Step.OpenBacking, Outcome.Skip, Step.FindBacking,
  Step.StatusBacking, Outcome.Ok, Step.CloseBacking,
  Step.StatusBacking, Outcome.Skip, Step.CloseBacking,
  Step.CloseBacking, Outcome.Ok, Step.FindBacking,
  Step.AddNumber, Outcome.Ok, Step.OpenDevice,
  Step.AddNumber, Outcome.Skip, Step.FreeNumber,
  Step.FreeNumber, Outcome.Ok, Step.OpenDevice,
  Step.FreeNumber, Outcome.Missing, Step.FindUnbound,
  Step.FindUnbound, Outcome.Ok, Step.OpenDevice,
  Step.FindUnbound, Outcome.Missing, Step.AddAny,
  Step.AddAny, Outcome.Ok, Step.OpenDevice,
  Step.OpenDevice, Outcome.Ok, Step.StatDevice,
  Step.OpenDevice, Outcome.Missing, Step.MakeDevice,
  Step.MakeDevice, Outcome.Ok, Step.OpenDevice,
  Step.StatDevice, Outcome.Ok, Step.LockDevice,
  Step.LockDevice, Outcome.Ok, Step.StatusDevice,
  Step.StatusDevice, Outcome.Ok, Step.ListLeftovers,
  Step.ListLeftovers, Outcome.Ok, Step.SeqBefore,
  Step.ListLeftovers, Outcome.More, Step.ClaimDevice,
  Step.ClaimDevice, Outcome.Ok, Step.StatusClaimed,
  Step.StatusClaimed, Outcome.Ok, Step.ListClaimed,
  Step.ListClaimed, Outcome.More, Step.DeleteLeftover,
  Step.ListClaimed, Outcome.Ok, Step.ReleaseClaim,
  Step.DeleteLeftover, Outcome.Ok, Step.ListClaimed,
  Step.ReleaseClaim, Outcome.Ok, Step.SeqBefore,
  Step.SeqBefore, Outcome.Ok, Step.MakePrivate,
  Step.SeqBefore, Outcome.Skip, Step.MakePrivate,
  Step.MakePrivate, Outcome.Ok, Step.OpenPrivate,
  Step.MakePrivate, Outcome.Skip, Step.Configure,
  Step.MakePrivate, Outcome.Missing, Step.MakeHidden,
  Step.OpenPrivate, Outcome.Ok, Step.Configure,
  Step.OpenPrivate, Outcome.Missing, Step.MakeHidden,
  Step.MakeHidden, Outcome.Ok, Step.OpenHidden,
  Step.MakeHidden, Outcome.Missing, Step.OpenPublic,
  Step.OpenHidden, Outcome.Ok, Step.RemoveHidden,
  Step.OpenHidden, Outcome.Missing, Step.RemoveHidden,
  Step.RemoveHidden, Outcome.Ok, Step.Configure,
  Step.RemoveHidden, Outcome.Missing, Step.OpenPublic,
  Step.OpenPublic, Outcome.Ok, Step.Configure,
  Step.Configure, Outcome.Ok, Step.CloseControl,
  Step.Configure, Outcome.Skip, Step.SetFd,
  Step.Configure, Outcome.Missing, Step.ProbeConfigure,
  Step.ProbeConfigure, Outcome.Missing, Step.SetFd,
  Step.SetFd, Outcome.Ok, Step.CloseControl,
  Step.CloseControl, Outcome.Ok, Step.SetStatus,

  Step.SetStatus, Outcome.Ok, Step.SetBlockSize,
  Step.SetStatus, Outcome.Skip, Step.SeqAfter,
  Step.SetStatus, Outcome.Again, Step.SetStatus,
  Step.SetBlockSize, Outcome.Ok, Step.SetDirectIo,
  Step.SetBlockSize, Outcome.Skip, Step.SetDirectIo,
  Step.SetBlockSize, Outcome.Again, Step.SetBlockSize,
  Step.SetDirectIo, Outcome.Ok, Step.SeqAfter,
  Step.SetDirectIo, Outcome.Skip, Step.SeqAfter,
  Step.SeqAfter, Outcome.Ok, Step.StatusAfter,
  Step.SeqAfter, Outcome.Skip, Step.StatusAfter,
  Step.StatusAfter, Outcome.Ok, Step.SizeAfter,
  Step.SizeAfter, Outcome.Ok, Step.DrainOpen,

  Step.DrainOpen, Outcome.Ok, Step.DrainClose,
  Step.DrainClose, Outcome.Ok, Step.DrainList,
  Step.DrainList, Outcome.Ok, Step.ListPartitions,
  Step.DrainList, Outcome.Skip, Step.UnlockDevice,
  Step.DrainList, Outcome.Kernel, Step.ScanStatus,
  Step.DrainList, Outcome.User, Step.AddPartition,
  Step.ScanStatus, Outcome.Ok, Step.ScanSet,
  Step.ScanSet, Outcome.Ok, Step.ListPartitions,
  Step.ScanSet, Outcome.Again, Step.ScanStatus,
  Step.AddPartition, Outcome.More, Step.AddPartition,
  Step.AddPartition, Outcome.Ok, Step.ListPartitions,
  Step.ListPartitions, Outcome.Ok, Step.OpenNode,
  Step.OpenNode, Outcome.Ok, Step.StatNode,
  Step.OpenNode, Outcome.Skip, Step.UnlockDevice,
  Step.OpenNode, Outcome.Again, Step.OpenNode,
  Step.OpenNode, Outcome.Missing, Step.MakeNode,
  Step.MakeNode, Outcome.Ok, Step.OpenNode,
  Step.StatNode, Outcome.Ok, Step.SeqNode,
  Step.SeqNode, Outcome.Ok, Step.CloseNode,
  Step.SeqNode, Outcome.Skip, Step.CloseNode,
  Step.CloseNode, Outcome.Ok, Step.OpenNode,

  Step.UnlockDevice, Outcome.Ok, Step.CloseImage,
  Step.UnlockDevice, Outcome.Skip, Step.CloseImage,
  Step.CloseImage, Outcome.Ok, Step.KeepStatus,
  Step.CloseImage, Outcome.Probe, Step.Done,
  Step.KeepStatus, Outcome.Ok, Step.KeepSet,
  Step.KeepStatus, Outcome.Skip, Step.CloseWritable,
  Step.KeepSet, Outcome.Ok, Step.CloseWritable,
  Step.KeepSet, Outcome.Again, Step.KeepStatus,
  Step.CloseWritable, Outcome.Ok, Step.Done,
  Step.CloseWritable, Outcome.Skip, Step.Done,

  Step.UndoControl, Outcome.Ok, Step.UndoAuxiliary,
  Step.UndoAuxiliary, Outcome.Ok, Step.UndoList,
  Step.UndoList, Outcome.Ok, Step.UndoClear,
  Step.UndoList, Outcome.More, Step.UndoDelete,
  Step.UndoList, Outcome.Skip, Step.UndoHidden,
  Step.UndoDelete, Outcome.More, Step.UndoDelete,
  Step.UndoDelete, Outcome.Ok, Step.UndoClear,
  Step.UndoClear, Outcome.Ok, Step.UndoHidden,
  Step.UndoClear, Outcome.Again, Step.UndoClear,
  Step.UndoHidden, Outcome.Ok, Step.UndoWritable,
  Step.UndoWritable, Outcome.Ok, Step.UndoDevice,
  Step.UndoDevice, Outcome.Ok, Step.UndoJudge,
  Step.UndoJudge, Outcome.Retry, Step.Backoff,
  Step.UndoJudge, Outcome.Restart, Step.Arrange,
  Step.UndoJudge, Outcome.Fail, Step.UndoPath,
  Step.Backoff, Outcome.Ok, Step.AwaitControl,
  Step.Backoff, Outcome.Fail, Step.UndoPath,
  Step.UndoPath, Outcome.Ok, Step.UndoImage,
  Step.UndoImage, Outcome.Ok, Step.Failed,

  Step.OpenTarget, Outcome.Ok, Step.StatTarget,
  Step.OpenTarget, Outcome.Skip, Step.CloseTarget,
  Step.OpenTarget, Outcome.Again, Step.OpenTarget,
  Step.OpenTarget, Outcome.Missing, Step.ReadTarget,
  Step.StatTarget, Outcome.Ok, Step.SeqTarget,
  Step.SeqTarget, Outcome.Ok, Step.StatusTarget,
  Step.SeqTarget, Outcome.Skip, Step.StatusTarget,
  Step.StatusTarget, Outcome.Ok, Step.LockTarget,
  Step.LockTarget, Outcome.Ok, Step.FlushTarget,
  Step.LockTarget, Outcome.Again, Step.LockTarget,
  Step.FlushTarget, Outcome.Ok, Step.ListTarget,
  Step.ListTarget, Outcome.More, Step.FindHolders,
  Step.ListTarget, Outcome.Ok, Step.ClearTarget,
  Step.FindHolders, Outcome.Ok, Step.DeleteTarget,
  Step.FindHolders, Outcome.Held, Step.ClearTarget,
  Step.DeleteTarget, Outcome.More, Step.DeleteTarget,
  Step.DeleteTarget, Outcome.Ok, Step.ClearTarget,
  Step.DeleteTarget, Outcome.Held, Step.ClearTarget,
  Step.ClearTarget, Outcome.Ok, Step.CloseTarget,
  Step.ClearTarget, Outcome.Again, Step.ClearTarget,
  Step.CloseTarget, Outcome.Ok, Step.ReadTarget,
  Step.CloseTarget, Outcome.Skip, Step.Detached,
  Step.ReadTarget, Outcome.Ok, Step.Detached,
  Step.ReadTarget, Outcome.Again, Step.ReadTarget,
  Step.ReadTarget, Outcome.More, Step.SweepOpen,
  Step.ReadTarget, Outcome.Held, Step.NameHolders,
  Step.ReadTarget, Outcome.Skip, Step.Detached,
  Step.NameHolders, Outcome.Ok, Step.ReadTarget,
  Step.NameHolders, Outcome.Held, Step.Detached,
  Step.NameHolders, Outcome.Skip, Step.Detached,
  Step.SweepOpen, Outcome.Ok, Step.SweepStatus,
  Step.SweepOpen, Outcome.Skip, Step.Detached,
  Step.SweepStatus, Outcome.Ok, Step.SweepDelete,
  Step.SweepStatus, Outcome.Skip, Step.SweepClose,
  Step.SweepDelete, Outcome.More, Step.SweepDelete,
  Step.SweepDelete, Outcome.Ok, Step.SweepClose,
  Step.SweepClose, Outcome.Ok, Step.Detached,
  Step.RelockTarget, Outcome.Ok, Step.Failed,
  Step.RelockTarget, Outcome.Skip, Step.ReturnTarget,
  Step.ReturnTarget, Outcome.Ok, Step.Failed,
];

/** First step, last step, outcome, next step: where `ROWS` is silent. */
// biome-ignore format: one row a line
export const DEFAULTS: i32[] = [
  Step.OpenImage, Step.CloseWritable, Outcome.Retry, Step.UndoControl,
  Step.OpenImage, Step.CloseWritable, Outcome.PassOver, Step.UndoControl,
  Step.OpenImage, Step.CloseWritable, Outcome.Restart, Step.UndoControl,
  Step.OpenImage, Step.CloseWritable, Outcome.Fail, Step.UndoControl,
  Step.OpenTarget, Step.NameHolders, Outcome.Fail, Step.RelockTarget,
];

/** Step, errno, outcome. errno 0: any that is not listed. */
// biome-ignore format: one row a line
export const POLICY: i32[] = [
  Step.ReopenImage, Errno.EACCES, Outcome.ReadOnly,
  Step.ReopenImage, Errno.EPERM, Outcome.ReadOnly,
  Step.ReopenImage, Errno.EROFS, Outcome.ReadOnly,
  Step.ReopenImage, Errno.ETXTBSY, Outcome.ReadOnly,

  Step.LockControl, Errno.EAGAIN, Outcome.Again,
  Step.FindBacking, Errno.ENOENT, Outcome.Skip,
  Step.OpenBacking, Errno.ENOENT, Outcome.Skip,
  Step.OpenBacking, Errno.ENXIO, Outcome.Skip,
  Step.OpenBacking, Errno.ENODEV, Outcome.Skip,
  Step.OpenBacking, Errno.EBUSY, Outcome.Retry,
  Step.StatusBacking, Errno.ENXIO, Outcome.Skip,

  Step.AddNumber, Errno.EEXIST, Outcome.Ok,
  Step.AddNumber, Errno.EAGAIN, Outcome.Repeat,
  Step.FreeNumber, Errno.EAGAIN, Outcome.Repeat,
  Step.FindUnbound, Errno.ENOENT, Outcome.Missing,
  Step.AddAny, Errno.EAGAIN, Outcome.Repeat,
  Step.AddAny, Errno.EEXIST, Outcome.Repeat,

  Step.OpenDevice, Errno.ENOENT, Outcome.Missing,
  Step.OpenDevice, Errno.ENXIO, Outcome.Retry,
  Step.OpenDevice, Errno.ENODEV, Outcome.Retry,
  Step.OpenDevice, Errno.EBUSY, Outcome.Retry,
  Step.OpenDevice, Errno.EAGAIN, Outcome.Retry,
  Step.OpenDevice, Errno.EACCES, Outcome.Retry,
  Step.MakeDevice, Errno.EEXIST, Outcome.Ok,
  Step.MakeDevice, Errno.ENOENT, Outcome.Retry,
  Step.LockDevice, Errno.EAGAIN, Outcome.PassOver,
  Step.StatusDevice, Errno.ENXIO, Outcome.Ok,
  Step.StatusDevice, Errno.ENODEV, Outcome.Retry,
  Step.ListLeftovers, Errno.ENOENT, Outcome.Retry,
  Step.ClaimDevice, Errno.EBUSY, Outcome.PassOver,
  Step.ClaimDevice, Errno.ENXIO, Outcome.Retry,
  Step.ClaimDevice, Errno.ENODEV, Outcome.Retry,
  Step.ClaimDevice, Errno.ENOENT, Outcome.Retry,
  Step.ClaimDevice, Errno.EAGAIN, Outcome.Retry,
  Step.StatusClaimed, Errno.ENXIO, Outcome.Ok,
  Step.ListClaimed, Errno.ENOENT, Outcome.Retry,
  Step.DeleteLeftover, Errno.ENXIO, Outcome.Ok,
  Step.DeleteLeftover, Errno.EBUSY, Outcome.PassOver,
  Step.SeqBefore, Errno.EINVAL, Outcome.Skip,
  Step.SeqBefore, Errno.ENOTTY, Outcome.Skip,

  Step.MakePrivate, Errno.EEXIST, Outcome.Ok,
  Step.MakePrivate, 0, Outcome.Missing,
  Step.OpenPrivate, Errno.ENXIO, Outcome.Retry,
  Step.OpenPrivate, Errno.ENODEV, Outcome.Retry,
  Step.OpenPrivate, Errno.EBUSY, Outcome.Retry,
  Step.OpenPrivate, Errno.EAGAIN, Outcome.Retry,
  Step.OpenPrivate, Errno.ENOENT, Outcome.Missing,
  Step.OpenPrivate, Errno.EACCES, Outcome.Missing,
  Step.OpenPrivate, Errno.EPERM, Outcome.Missing,
  Step.MakeHidden, Errno.EEXIST, Outcome.Ok,
  Step.MakeHidden, 0, Outcome.Missing,
  Step.OpenHidden, Errno.ENXIO, Outcome.Retry,
  Step.OpenHidden, Errno.ENODEV, Outcome.Retry,
  Step.OpenHidden, Errno.EBUSY, Outcome.Retry,
  Step.OpenHidden, Errno.EAGAIN, Outcome.Retry,
  Step.OpenHidden, Errno.ENOENT, Outcome.Missing,
  Step.OpenHidden, Errno.EACCES, Outcome.Missing,
  Step.OpenHidden, Errno.EPERM, Outcome.Missing,
  Step.RemoveHidden, 0, Outcome.Ok,
  Step.OpenPublic, Errno.ENXIO, Outcome.Retry,
  Step.OpenPublic, Errno.ENODEV, Outcome.Retry,
  Step.OpenPublic, Errno.ENOENT, Outcome.Retry,
  Step.OpenPublic, Errno.EBUSY, Outcome.Retry,
  Step.OpenPublic, Errno.EAGAIN, Outcome.Retry,

  Step.Configure, Errno.EBUSY, Outcome.Retry,
  Step.Configure, Errno.EAGAIN, Outcome.Retry,
  Step.Configure, Errno.ENXIO, Outcome.Retry,
  Step.Configure, Errno.ENODEV, Outcome.Retry,
  Step.Configure, Errno.EINVAL, Outcome.Missing,
  Step.Configure, Errno.ENOTTY, Outcome.Missing,
  Step.Configure, Errno.ENOSYS, Outcome.Missing,
  Step.Configure, Errno.EOPNOTSUPP, Outcome.Missing,
  Step.ProbeConfigure, Errno.EBADF, Outcome.Fail,
  Step.ProbeConfigure, Errno.EINVAL, Outcome.Missing,
  Step.ProbeConfigure, Errno.ENOTTY, Outcome.Missing,
  Step.ProbeConfigure, Errno.ENOSYS, Outcome.Missing,
  Step.ProbeConfigure, Errno.EOPNOTSUPP, Outcome.Missing,
  Step.SetFd, Errno.EBUSY, Outcome.Retry,
  Step.SetFd, Errno.EAGAIN, Outcome.Retry,
  Step.SetFd, Errno.ENXIO, Outcome.Retry,
  Step.SetFd, Errno.ENODEV, Outcome.Retry,

  Step.SetStatus, Errno.EAGAIN, Outcome.Again,
  Step.SetStatus, Errno.ENXIO, Outcome.Retry,
  Step.SetBlockSize, Errno.EAGAIN, Outcome.Again,
  Step.SetBlockSize, Errno.EBUSY, Outcome.Again,
  Step.SetBlockSize, Errno.ENXIO, Outcome.Retry,
  Step.SetDirectIo, 0, Outcome.Ok,
  Step.SeqAfter, Errno.EINVAL, Outcome.Skip,
  Step.SeqAfter, Errno.ENOTTY, Outcome.Skip,
  Step.StatusAfter, Errno.ENXIO, Outcome.Retry,

  Step.DrainOpen, Errno.ENXIO, Outcome.Retry,
  Step.DrainOpen, Errno.ENODEV, Outcome.Retry,
  Step.DrainOpen, Errno.ENOENT, Outcome.Retry,
  Step.DrainOpen, Errno.EBUSY, Outcome.Retry,
  Step.DrainOpen, Errno.EAGAIN, Outcome.Retry,
  Step.ScanStatus, Errno.ENXIO, Outcome.Retry,
  Step.ScanSet, Errno.EAGAIN, Outcome.Again,
  Step.ScanSet, Errno.ENXIO, Outcome.Retry,
  Step.AddPartition, Errno.EBUSY, Outcome.Ok,
  Step.OpenNode, Errno.ENOENT, Outcome.Missing,
  Step.OpenNode, Errno.ENXIO, Outcome.Again,
  Step.OpenNode, Errno.EACCES, Outcome.Again,
  Step.OpenNode, Errno.EBUSY, Outcome.Again,
  Step.OpenNode, Errno.EAGAIN, Outcome.Again,
  Step.MakeNode, Errno.EEXIST, Outcome.Ok,
  Step.SeqNode, Errno.EINVAL, Outcome.Skip,
  Step.SeqNode, Errno.ENOTTY, Outcome.Skip,
  Step.KeepStatus, Errno.ENXIO, Outcome.Retry,
  Step.KeepSet, Errno.EAGAIN, Outcome.Again,
  Step.KeepSet, Errno.ENXIO, Outcome.Retry,

  Step.UndoList, 0, Outcome.Ok,
  Step.UndoDelete, 0, Outcome.Ok,
  Step.UndoClear, Errno.ENXIO, Outcome.Ok,
  Step.UndoClear, 0, Outcome.Again,
  Step.UndoHidden, 0, Outcome.Ok,

  Step.OpenTarget, Errno.ENOENT, Outcome.Missing,
  Step.OpenTarget, Errno.ENXIO, Outcome.Missing,
  Step.OpenTarget, Errno.ENODEV, Outcome.Missing,
  Step.OpenTarget, Errno.EBUSY, Outcome.Again,
  Step.OpenTarget, Errno.EAGAIN, Outcome.Again,
  Step.SeqTarget, Errno.EINVAL, Outcome.Skip,
  Step.SeqTarget, Errno.ENOTTY, Outcome.Skip,
  Step.LockTarget, Errno.EAGAIN, Outcome.Again,
  Step.FlushTarget, 0, Outcome.Ok,
  Step.ListTarget, 0, Outcome.Ok,
  Step.FindHolders, 0, Outcome.Ok,
  Step.DeleteTarget, Errno.EBUSY, Outcome.Held,
  Step.DeleteTarget, 0, Outcome.Ok,
  Step.ClearTarget, Errno.ENXIO, Outcome.Ok,
  Step.ClearTarget, 0, Outcome.Again,
  Step.ReadTarget, Errno.ENOENT, Outcome.Ok,
  Step.ReadTarget, 0, Outcome.Again,
  Step.NameHolders, 0, Outcome.Ok,
  Step.SweepOpen, 0, Outcome.Skip,
  Step.SweepStatus, Errno.ENXIO, Outcome.Ok,
  Step.SweepStatus, 0, Outcome.Skip,
  Step.SweepDelete, 0, Outcome.Ok,
  Step.RelockTarget, 0, Outcome.Ok,
];

/** The tables made dense once, at start. */
export class Transitions {
  private readonly nextStep: Uint8Array;

  constructor() {
    this.nextStep = new Uint8Array(Step.Count * Outcome.Count);
    for (let i = 0; i < DEFAULTS.length; i += 4) {
      for (let step = DEFAULTS[i]; step <= DEFAULTS[i + 1]; step++) {
        this.nextStep[step * Outcome.Count + DEFAULTS[i + 2]] = u8(DEFAULTS[i + 3]);
      }
    }
    for (let i = 0; i < ROWS.length; i += 3) {
      this.nextStep[ROWS[i] * Outcome.Count + ROWS[i + 1]] = u8(ROWS[i + 2]);
    }
  }

  /** The step that follows; traps where no table knows one. */
  next(step: i32, outcome: i32): i32 {
    assert(step >= 0 && step < Step.Count && outcome >= 0 && outcome < Outcome.Count);
    const next = i32(this.nextStep[step * Outcome.Count + outcome]);
    assert(next !== Step.Idle);
    return next;
  }

  /** What an errno means in a step. Failures are rare, so the rows are searched as they stand. */
  judge(step: i32, errno: i32): i32 {
    assert(errno > 0);
    let other: i32 = Outcome.Fail;
    for (let i = 0; i < POLICY.length; i += 3) {
      if (POLICY[i] !== step) continue;
      if (POLICY[i + 1] === errno) return POLICY[i + 2];
      if (POLICY[i + 1] === 0) other = POLICY[i + 2];
    }
    return errno === Errno.EINTR ? Outcome.Repeat : other;
  }
}
