/**
 * The words of the tables: what an operation can be at, and what can come of it. Nothing else; what
 * follows what is in `transitions.ts`.
 */

/** The order is that of an attach, then giving back, then a detach, then what changes a device. */
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
  AwaitStream,

  /* Under the lock of loop-control: overlap guard, choice of a number, configuration. */
  AwaitControl,
  OpenControl,
  LockControl,
  FindBacking,
  OpenBacking,
  StatusBacking,
  SeqBacking,
  CloseBacking,
  AddNumber,
  FreeNumber,
  FindUnbound,
  AddAny,
  OpenDevice,
  MakeDevice,
  StatDevice,
  LockDevice,
  RecordBefore,
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
  RereadDevice,
  ListReread,
  OpenNode,
  MakeNode,
  StatNode,
  SeqNode,
  CloseNode,
  RedrainOpen,
  RedrainClose,
  ListProven,
  AwaitUdev,

  /* The end of an attach. */
  CloseImage,
  KeepStatus,
  KeepSet,
  AwaitGroups,
  CloseWritable,
  AwaitChange,
  UnlockDevice,
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
  UndoRead,
  UndoLook,
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
  AwaitHolders,
  CloseTarget,
  ReadTarget,
  NameHolders,
  LookTarget,
  SweepRead,
  SweepOpen,
  SweepStatus,
  SweepList,
  SweepDelete,
  SweepClose,
  Detached,
  RelockTarget,
  ReturnTarget,

  /* Resize and rescan of a device that stays, proven and locked by the steps of a detach. */
  SizeTarget,
  RefreshTarget,
  SectorTarget,
  ListPresent,
  FindUsers,
  SetCapacity,
  SizeChanged,
  RereadTarget,
  ChangePartition,
  ListChanged,
  Changed,

  /* The lookout's: it hears events and looks at sysfs for everybody. */
  Look,
  Subscribe,
  Unsubscribe,
  LookDisk,
  LookPartitions,
  LookAgain,
  LookRecord,
  Trigger,

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
  /** What was seen may have another reason: look again. */
  Doubt,
  /** The device stays: it is changed, or nothing but its lock is to be given back. */
  Change,

  Count,
}

/** First halves of get-and-set, and a question in between: the wait is that of the other step. */
export function isHalfAWait(step: i32): bool {
  if (step === Step.ScanStatus || step === Step.KeepStatus) return true;
  return step === Step.NameHolders || step === Step.UndoRead;
}

/** Steps of the lookout, and those of an attach that wait for it or tell it something. */
export function isLookout(step: i32): bool {
  return step >= Step.Look || step === Step.RecordBefore || isWaitForEvents(step);
}

/** An attach waits there until the lookout has heard something, or can hear. */
export function isWaitForEvents(step: i32): bool {
  if (step === Step.AwaitStream || step === Step.AwaitUdev) return true;
  return step === Step.AwaitGroups || step === Step.AwaitChange;
}

/** Steps of the overlap guard. */
export function isGuard(step: i32): bool {
  return step >= Step.FindBacking && step <= Step.CloseBacking;
}

/** Steps that prove partitions. */
export function isProof(step: i32): bool {
  return step >= Step.OpenNode && step <= Step.ListProven;
}

/** Steps that rid an unbound device of what is left on it. */
export function isSweep(step: i32): bool {
  return step >= Step.SweepRead && step <= Step.SweepClose;
}

/** Cleared, and somebody else keeps it. */
export function isWaitForHolders(step: i32): bool {
  return step === Step.AwaitHolders || step === Step.ReadTarget || step === Step.NameHolders;
}

/** Between these the application can end an operation; giving back goes through. */
export function isInterruptible(step: i32): bool {
  if (step >= Step.OpenImage && step <= Step.UnlockDevice) return true;
  if (step === Step.Backoff || isWaitForHolders(step)) return true;
  // What has begun to change a device goes through.
  if (step >= Step.SizeTarget && step <= Step.FindUsers) return true;
  return step >= Step.OpenTarget && step <= Step.ClearTarget;
}
