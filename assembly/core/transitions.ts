/**
 * All that decides what follows what. Nothing else in the core names a next step.
 *
 * An operation is in one *step*. Entering a step makes one call, or waits, or decides at once; what
 * comes of it is an *outcome*; the tables map (step, outcome) to the next step. A completion below
 * zero is turned into an outcome by the errno policy first (`policy.ts`). Two tables:
 *
 * - `ROWS`: step, outcome, next step. The README's diagram is generated from it.
 * - `DEFAULTS`: the same for a range of steps, used where `ROWS` is silent: any failure of an
 * attach
 *   leads into giving back (`UndoControl`), which ends where `Afterwards` says.
 *
 * A pair that no table knows is a bug and traps.
 */
import { Command } from "../abi.ts";
import { Outcome, Step } from "./steps.ts";

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
  Step.Arrange, Outcome.Ok, Step.AwaitStream,
  Step.Arrange, Outcome.Probe, Step.CloseImage,
  Step.Arrange, Outcome.Change, Step.ListPresent,
  Step.AwaitStream, Outcome.Ok, Step.AwaitControl,

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
  Step.StatusBacking, Outcome.Held, Step.SeqBacking,
  Step.SeqBacking, Outcome.Ok, Step.CloseBacking,
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
  Step.LockDevice, Outcome.Ok, Step.RecordBefore,
  Step.RecordBefore, Outcome.Ok, Step.StatusDevice,
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
  Step.DrainOpen, Outcome.Skip, Step.ListPartitions,
  Step.DrainClose, Outcome.Ok, Step.DrainList,
  Step.DrainList, Outcome.Ok, Step.ListPartitions,
  Step.DrainList, Outcome.Skip, Step.AwaitUdev,
  Step.DrainList, Outcome.Kernel, Step.ScanStatus,
  Step.DrainList, Outcome.User, Step.AddPartition,
  Step.ScanStatus, Outcome.Ok, Step.ScanSet,
  Step.ScanSet, Outcome.Ok, Step.ListPartitions,
  Step.ScanSet, Outcome.Again, Step.ScanStatus,
  Step.AddPartition, Outcome.More, Step.AddPartition,
  Step.AddPartition, Outcome.Ok, Step.ListPartitions,
  Step.ListPartitions, Outcome.Ok, Step.OpenNode,
  Step.ListPartitions, Outcome.Doubt, Step.RereadDevice,
  Step.RereadDevice, Outcome.Ok, Step.ListReread,
  Step.ListReread, Outcome.Ok, Step.OpenNode,
  Step.OpenNode, Outcome.Ok, Step.StatNode,
  Step.OpenNode, Outcome.Skip, Step.AwaitUdev,
  Step.OpenNode, Outcome.Again, Step.OpenNode,
  Step.OpenNode, Outcome.Missing, Step.MakeNode,
  Step.OpenNode, Outcome.Doubt, Step.RedrainOpen,
  Step.RedrainOpen, Outcome.Ok, Step.RedrainClose,
  Step.RedrainClose, Outcome.Ok, Step.ListProven,
  Step.ListProven, Outcome.Ok, Step.AwaitUdev,
  Step.MakeNode, Outcome.Ok, Step.OpenNode,
  Step.StatNode, Outcome.Ok, Step.SeqNode,
  Step.SeqNode, Outcome.Ok, Step.CloseNode,
  Step.SeqNode, Outcome.Skip, Step.CloseNode,
  Step.CloseNode, Outcome.Ok, Step.OpenNode,
  Step.AwaitUdev, Outcome.Ok, Step.CloseImage,

  Step.CloseImage, Outcome.Ok, Step.KeepStatus,
  Step.CloseImage, Outcome.Probe, Step.Done,
  Step.KeepStatus, Outcome.Ok, Step.KeepSet,
  Step.KeepStatus, Outcome.Skip, Step.AwaitGroups,
  Step.KeepSet, Outcome.Ok, Step.AwaitGroups,
  Step.KeepSet, Outcome.Again, Step.KeepStatus,
  Step.AwaitGroups, Outcome.Ok, Step.CloseWritable,
  Step.CloseWritable, Outcome.Ok, Step.AwaitChange,
  Step.CloseWritable, Outcome.Skip, Step.UnlockDevice,
  Step.AwaitChange, Outcome.Ok, Step.UnlockDevice,
  Step.AwaitChange, Outcome.Again, Step.AwaitChange,
  Step.UnlockDevice, Outcome.Ok, Step.Done,
  Step.UnlockDevice, Outcome.Skip, Step.Done,

  Step.UndoControl, Outcome.Ok, Step.UndoAuxiliary,
  Step.UndoControl, Outcome.Change, Step.RelockTarget,
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
  Step.UndoDevice, Outcome.Ok, Step.UndoRead,
  Step.UndoRead, Outcome.Ok, Step.UndoLook,
  Step.UndoRead, Outcome.Skip, Step.UndoJudge,
  Step.UndoRead, Outcome.Again, Step.UndoRead,
  Step.UndoLook, Outcome.Ok, Step.UndoJudge,
  Step.UndoLook, Outcome.Again, Step.UndoRead,
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
  Step.LockTarget, Outcome.Change, Step.SizeTarget,
  Step.FlushTarget, Outcome.Ok, Step.ListTarget,
  Step.ListTarget, Outcome.More, Step.FindHolders,
  Step.ListTarget, Outcome.Ok, Step.ClearTarget,
  Step.ListTarget, Outcome.Again, Step.ListTarget,
  Step.FindHolders, Outcome.Ok, Step.DeleteTarget,
  Step.FindHolders, Outcome.Held, Step.ClearTarget,
  Step.DeleteTarget, Outcome.More, Step.DeleteTarget,
  Step.DeleteTarget, Outcome.Ok, Step.ClearTarget,
  Step.DeleteTarget, Outcome.Held, Step.FindHolders,
  Step.ClearTarget, Outcome.Ok, Step.CloseTarget,
  Step.ClearTarget, Outcome.Held, Step.AwaitHolders,
  Step.AwaitHolders, Outcome.Ok, Step.DeleteTarget,
  Step.AwaitHolders, Outcome.Again, Step.AwaitHolders,
  Step.AwaitHolders, Outcome.Skip, Step.CloseTarget,
  Step.ClearTarget, Outcome.Again, Step.ClearTarget,
  Step.CloseTarget, Outcome.Ok, Step.ReadTarget,
  Step.CloseTarget, Outcome.Skip, Step.Detached,
  Step.ReadTarget, Outcome.Ok, Step.LookTarget,
  Step.ReadTarget, Outcome.Again, Step.ReadTarget,
  Step.ReadTarget, Outcome.Held, Step.NameHolders,
  Step.ReadTarget, Outcome.Skip, Step.Detached,
  Step.NameHolders, Outcome.Ok, Step.ReadTarget,
  Step.NameHolders, Outcome.Held, Step.Detached,
  Step.NameHolders, Outcome.Skip, Step.Detached,
  Step.LookTarget, Outcome.Ok, Step.Detached,
  Step.LookTarget, Outcome.More, Step.SweepRead,
  Step.SweepRead, Outcome.Ok, Step.SweepOpen,
  Step.SweepRead, Outcome.Skip, Step.Detached,
  Step.SweepOpen, Outcome.Ok, Step.SweepStatus,
  Step.SweepOpen, Outcome.Again, Step.SweepOpen,
  Step.SweepOpen, Outcome.Skip, Step.Detached,
  Step.SweepStatus, Outcome.Ok, Step.SweepList,
  Step.SweepStatus, Outcome.Skip, Step.SweepClose,
  Step.SweepList, Outcome.More, Step.SweepDelete,
  Step.SweepList, Outcome.Ok, Step.SweepClose,
  Step.SweepDelete, Outcome.More, Step.SweepDelete,
  Step.SweepDelete, Outcome.Ok, Step.SweepClose,
  Step.SweepClose, Outcome.Ok, Step.Detached,
  Step.SweepClose, Outcome.Change, Step.Changed,
  Step.SweepClose, Outcome.Fail, Step.Failed,
  Step.RelockTarget, Outcome.Ok, Step.Failed,
  Step.RelockTarget, Outcome.Again, Step.RelockTarget,
  Step.RelockTarget, Outcome.Skip, Step.ReturnTarget,
  Step.RelockTarget, Outcome.Change, Step.Changed,
  Step.ReturnTarget, Outcome.Ok, Step.Failed,
  Step.ReturnTarget, Outcome.Change, Step.Changed,

  Step.SizeTarget, Outcome.Ok, Step.SetCapacity,
  Step.SizeTarget, Outcome.Skip, Step.RefreshTarget,
  Step.SetCapacity, Outcome.Ok, Step.SizeChanged,
  Step.SizeChanged, Outcome.Ok, Step.RelockTarget,
  Step.RefreshTarget, Outcome.Ok, Step.SectorTarget,
  Step.SectorTarget, Outcome.Ok, Step.SizeImage,
  Step.ListPresent, Outcome.More, Step.FindUsers,
  Step.ListPresent, Outcome.Ok, Step.ChangePartition,
  Step.ListPresent, Outcome.Skip, Step.ListChanged,
  Step.FindUsers, Outcome.Ok, Step.ChangePartition,
  Step.FindUsers, Outcome.Kernel, Step.RereadTarget,
  Step.RereadTarget, Outcome.Ok, Step.ListChanged,
  Step.ChangePartition, Outcome.More, Step.ChangePartition,
  Step.ChangePartition, Outcome.Ok, Step.ListChanged,
  Step.ListChanged, Outcome.Ok, Step.RelockTarget,

  Step.Look, Outcome.More, Step.Subscribe,
  Step.Look, Outcome.Held, Step.Unsubscribe,
  Step.Look, Outcome.Ok, Step.LookDisk,
  Step.Subscribe, Outcome.Ok, Step.Look,
  Step.Subscribe, Outcome.Skip, Step.Look,
  Step.Unsubscribe, Outcome.Ok, Step.Look,
  Step.LookDisk, Outcome.Ok, Step.LookPartitions,
  Step.LookDisk, Outcome.Missing, Step.Look,
  Step.LookDisk, Outcome.Skip, Step.Look,
  Step.LookPartitions, Outcome.Ok, Step.LookAgain,
  Step.LookPartitions, Outcome.Missing, Step.LookAgain,
  Step.LookPartitions, Outcome.Skip, Step.Look,
  Step.LookAgain, Outcome.Ok, Step.LookRecord,
  Step.LookAgain, Outcome.More, Step.LookPartitions,
  Step.LookAgain, Outcome.Missing, Step.Look,
  Step.LookAgain, Outcome.Skip, Step.Look,
  Step.LookRecord, Outcome.More, Step.LookRecord,
  Step.LookRecord, Outcome.Ok, Step.Trigger,
  Step.Trigger, Outcome.More, Step.Trigger,
  Step.Trigger, Outcome.Ok, Step.Look,
];

/** First step, last step, outcome, next step: where `ROWS` is silent. */
// biome-ignore format: one row a line
export const DEFAULTS: i32[] = [
  Step.OpenImage, Step.UnlockDevice, Outcome.Retry, Step.UndoControl,
  Step.OpenImage, Step.UnlockDevice, Outcome.PassOver, Step.UndoControl,
  Step.OpenImage, Step.UnlockDevice, Outcome.Restart, Step.UndoControl,
  Step.OpenImage, Step.UnlockDevice, Outcome.Fail, Step.UndoControl,
  Step.OpenTarget, Step.NameHolders, Outcome.Fail, Step.RelockTarget,
  Step.SizeTarget, Step.ListChanged, Outcome.Fail, Step.RelockTarget,
  Step.SweepRead, Step.SweepOpen, Outcome.Fail, Step.Failed,
  Step.SweepStatus, Step.SweepDelete, Outcome.Fail, Step.SweepClose,
];

/** Where the operation of a command begins; `Idle`: it begins none. */
export function firstStep(command: i32): i32 {
  switch (command) {
    case Command.Attach:
    case Command.Probe:
      return Step.OpenImage;
    case Command.Detach:
    case Command.Rescan:
    case Command.Resize:
      return Step.OpenTarget;
    case Command.Sweep:
      return Step.SweepRead;
    default:
      return Step.Idle;
  }
}

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
}
