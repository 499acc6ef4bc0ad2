/**
 * What an errno means in a step: the whole errno policy, as one table. EINTR repeats every call but
 * close, whose descriptor is gone whatever it says. What is not listed fails.
 */
import { Errno } from "../wire/linux.ts";
import { Outcome, Step } from "./steps.ts";

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
  Step.SeqBacking, Errno.EINVAL, Outcome.Missing,
  Step.SeqBacking, Errno.ENOTTY, Outcome.Missing,

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
  Step.RecordBefore, 0, Outcome.Ok,
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
  Step.RedrainOpen, Errno.ENXIO, Outcome.Retry,
  Step.RedrainOpen, Errno.ENODEV, Outcome.Retry,
  Step.RedrainOpen, Errno.ENOENT, Outcome.Retry,
  Step.RedrainOpen, Errno.EBUSY, Outcome.Retry,
  Step.RedrainOpen, Errno.EAGAIN, Outcome.Retry,
  Step.ScanStatus, Errno.ENXIO, Outcome.Retry,
  Step.ScanSet, Errno.EAGAIN, Outcome.Again,
  Step.ScanSet, Errno.ENXIO, Outcome.Retry,
  Step.AddPartition, Errno.EBUSY, Outcome.Ok,
  Step.RereadDevice, Errno.EBUSY, Outcome.PassOver,
  Step.RereadDevice, 0, Outcome.Ok,
  Step.OpenNode, Errno.ENOENT, Outcome.Missing,
  Step.OpenNode, Errno.ENXIO, Outcome.Again,
  Step.OpenNode, Errno.EACCES, Outcome.Again,
  Step.OpenNode, Errno.EBUSY, Outcome.Again,
  Step.OpenNode, Errno.EAGAIN, Outcome.Again,
  Step.MakeNode, Errno.EEXIST, Outcome.Ok,
  Step.SeqNode, Errno.EINVAL, Outcome.Skip,
  Step.SeqNode, Errno.ENOTTY, Outcome.Skip,
  Step.KeepSet, Errno.EAGAIN, Outcome.Again,

  Step.UndoDelete, 0, Outcome.Ok,
  Step.UndoClear, Errno.ENXIO, Outcome.Ok,
  Step.UndoClear, 0, Outcome.Again,
  Step.UndoHidden, 0, Outcome.Ok,
  Step.UndoRead, 0, Outcome.Skip,
  Step.UndoLook, 0, Outcome.Ok,

  Step.OpenTarget, Errno.ENOENT, Outcome.Missing,
  Step.OpenTarget, Errno.ENXIO, Outcome.Missing,
  Step.OpenTarget, Errno.ENODEV, Outcome.Missing,
  Step.OpenTarget, Errno.EBUSY, Outcome.Again,
  Step.OpenTarget, Errno.EAGAIN, Outcome.Again,
  Step.SeqTarget, Errno.EINVAL, Outcome.Skip,
  Step.SeqTarget, Errno.ENOTTY, Outcome.Skip,
  Step.LockTarget, Errno.EAGAIN, Outcome.Again,
  Step.FlushTarget, 0, Outcome.Ok,
  Step.ListTarget, Errno.ENOENT, Outcome.Ok,
  Step.ListTarget, 0, Outcome.Again,
  Step.FindHolders, 0, Outcome.Ok,
  Step.DeleteTarget, Errno.ENXIO, Outcome.Ok,
  Step.DeleteTarget, 0, Outcome.Held,
  Step.ClearTarget, 0, Outcome.Again,
  Step.AwaitHolders, 0, Outcome.Ok,
  Step.ReadTarget, Errno.ENOENT, Outcome.Ok,
  Step.ReadTarget, 0, Outcome.Again,
  Step.NameHolders, 0, Outcome.Ok,
  Step.LookTarget, 0, Outcome.Ok,
  Step.SweepRead, 0, Outcome.Skip,
  Step.SweepOpen, Errno.ENXIO, Outcome.Again,
  Step.SweepOpen, 0, Outcome.Skip,
  Step.SweepStatus, Errno.ENXIO, Outcome.Ok,
  Step.SweepStatus, 0, Outcome.Skip,
  Step.SweepList, 0, Outcome.Ok,
  Step.SweepDelete, 0, Outcome.Ok,
  Step.RelockTarget, Errno.EAGAIN, Outcome.Again,
  Step.RelockTarget, 0, Outcome.Ok,

  Step.RefreshTarget, 0, Outcome.Ok,
  Step.FindUsers, 0, Outcome.Ok,
  Step.RereadTarget, Errno.EBUSY, Outcome.Held,
  Step.ChangePartition, Errno.EBUSY, Outcome.Held,
  Step.ChangePartition, Errno.ENXIO, Outcome.Ok,

  Step.Subscribe, 0, Outcome.Skip,
  Step.Unsubscribe, 0, Outcome.Ok,
  Step.LookDisk, Errno.ENOENT, Outcome.Missing,
  Step.LookDisk, 0, Outcome.Skip,
  Step.LookPartitions, Errno.ENOENT, Outcome.Missing,
  Step.LookPartitions, 0, Outcome.Skip,
  Step.LookAgain, Errno.ENOENT, Outcome.Missing,
  Step.LookAgain, 0, Outcome.Skip,
  Step.LookRecord, 0, Outcome.Ok,
  Step.Trigger, 0, Outcome.Ok,
];

/** The outcome of a negative completion. Failures are rare: the rows are searched as they stand. */
export function judgeErrno(step: i32, errno: i32): i32 {
  assert(errno > 0);
  const outcome = find(step, errno);
  if (outcome >= 0) return outcome;
  return errno === Errno.EINTR ? Outcome.Repeat : judgeOther(step);
}

/** The outcome of an errno that has no row of its own. */
export function judgeOther(step: i32): i32 {
  const outcome = find(step, 0);
  return outcome >= 0 ? outcome : Outcome.Fail;
}

function find(step: i32, errno: i32): i32 {
  for (let i = 0; i < POLICY.length; i += 3) {
    if (POLICY[i] === step && POLICY[i + 1] === errno) return POLICY[i + 2];
  }
  return -1;
}
