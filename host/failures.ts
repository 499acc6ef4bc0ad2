/**
 * Turns the core's failures and warnings into typed errors and sentences: what was attempted, what
 * the kernel said, what to do. Decides the error's code; knows no kernel.
 */
import {
  Call,
  type CoreEvent,
  type CorePartition,
  Failure,
  Mismatch,
  Step,
  Table,
  Warning,
} from "./core.ts";
import { errnoName, errnoText } from "./errno.ts";
import { LoopError, type LoopErrorCode, type Try } from "./errors.ts";
import type { Holder } from "./kernel.ts";
import { deviceName, kebab, syscallName } from "./names.ts";
import { noDiskseqText } from "./target.ts";
import type { LoopWarning } from "./types.ts";

/** What is known when an operation failed. */
export interface FailureContext {
  readonly event: CoreEvent;
  readonly tries?: readonly CoreEvent[];
  readonly partitions?: readonly CorePartition[];
  readonly holders?: readonly Holder[];
  /** the image or the target, for the message */
  readonly subject: string;
}

const environment: LoopErrorCode = "ERR_LOOP_ENVIRONMENT";

/** The error of a `Failed` event. */
export function failureError(context: FailureContext): LoopError {
  const { event } = context;
  const [code, text] = explain(context);
  const message = isLeftBound(event) ? `${text}; ${deviceName(event.number)} ${leftBound}` : text;
  return new LoopError(code, message, {
    errno: event.errno === 0 ? undefined : -event.errno,
    syscall: event.call === Call.None ? undefined : syscallName(event.call, event.request),
    device: event.number < 0 ? undefined : deviceName(event.number),
    step: kebab(Step[event.step] ?? "unknown"),
    tries: (context.tries ?? []).map(tryOf),
    holders: context.holders,
  });
}

/** The same, or the signal's own reason where the application ended it. */
export function endError(context: FailureContext, signal: AbortSignal | undefined): unknown {
  if (context.event.code === Failure.Aborted && signal?.aborted) return signal.reason;
  return failureError(context);
}

const leftBound = "is held open by somebody and goes when they let go";

/** Failures whose second detail is about something else. */
const ownDetail2: readonly number[] = [
  Failure.NotHonoured,
  Failure.PartitionMissing,
  Failure.PartitionsOverlap,
  Failure.OffsetBeyondEnd,
];

/** Giving back was done, and somebody else keeps the device for a while. */
function isLeftBound(event: CoreEvent): boolean {
  return !ownDetail2.includes(event.code) && event.detail2 === 1n && event.number >= 0;
}

function tryOf(event: CoreEvent): Try {
  return {
    device: event.number < 0 ? null : deviceName(event.number),
    step: kebab(Step[event.step] ?? "unknown"),
    syscall: syscallName(event.call, event.request),
    errno: errnoName(event.errno),
  };
}

function explain(context: FailureContext): [LoopErrorCode, string] {
  const { event, subject } = context;
  const device = event.number < 0 ? "the device" : deviceName(event.number);
  switch (event.code as Failure) {
    case Failure.System:
      return explainErrno(event, subject, device);
    case Failure.TimedOut:
      return [
        "ERR_LOOP_TIMEOUT",
        `${subject}: timed out at step ${kebab(Step[event.step] ?? "")}; ` +
          (event.detail === 1n
            ? "a call is still out and will be undone when it returns"
            : "undone (see --timeout, timeoutMs)"),
      ];
    case Failure.Aborted:
      return ["ERR_LOOP_SYSTEM", `${subject}: aborted`];
    case Failure.TriesExhausted:
      return [
        "ERR_LOOP_BUSY",
        `${subject}: no loop device to be had in 64 tries, the last one ended with ` +
          `${errnoName(event.errno)}; something on this machine takes them all`,
      ];
    default:
      return explainImage(context, device) ?? explainDevice(context, device);
  }
}

function explainErrno(event: CoreEvent, subject: string, device: string): [LoopErrorCode, string] {
  const name = errnoName(event.errno);
  const what = `${syscallName(event.call, event.request)}: ${name}, ${errnoText(event.errno)}`;
  const isRefused = name === "EACCES" || name === "EPERM";
  switch (event.step) {
    case Step.OpenImage:
    case Step.StatImage:
    case Step.ReopenImage:
    case Step.ReopenReadOnly:
      return isRefused
        ? [environment, `${subject}: the image cannot be opened (${what}); run as root`]
        : ["ERR_LOOP_IMAGE", `${subject}: the image cannot be opened (${what})`];
    case Step.OpenControl:
      if (name === "EMFILE" || name === "ENFILE" || name === "ENOMEM") break;
      return [
        environment,
        isRefused
          ? `/dev/loop-control cannot be opened (${what}); run as root, and in a container allow ` +
            "device 10:237 (and 7:*, 259:*)"
          : `/dev/loop-control is not there (${what}); load the module (modprobe loop), and in a ` +
            "container bind-mount /dev",
      ];
    case Step.OpenDevice:
    case Step.OpenPublic:
    case Step.OpenTarget:
      if (isRefused) return [environment, `${device} cannot be opened (${what}); run as root`];
      if (name !== "ENOENT") break;
      return [
        environment,
        `${device} has no node in /dev; make it (mknod), or attach with --mknod (mknod: true)`,
      ];
    case Step.OpenNode:
      if (name !== "ENOENT") break;
      return [
        environment,
        `a partition of ${device} has no node in /dev; ask for --mknod (mknod: true)`,
      ];
    case Step.ChangePartition:
    case Step.SweepDelete:
      if (name !== "EINVAL") break;
      return [
        environment,
        `${subject}: this kernel refuses ${what} on ${device}; Linux 5.15.132 to 5.15.196 takes ` +
          "none while it does not scan a device: update it, or attach with --partscan kernel",
      ];
    default:
      break;
  }
  const code = isRefused ? environment : "ERR_LOOP_SYSTEM";
  const advice = isRefused ? "; run as root (CAP_SYS_ADMIN)" : "";
  const step = kebab(Step[event.step] ?? "unknown");
  return [code, `${subject}: step ${step} failed on ${device} (${what})${advice}`];
}

function explainImage(
  context: FailureContext,
  device: string,
): [LoopErrorCode, string] | undefined {
  const { event, subject } = context;
  const { detail, detail2 } = event;
  switch (event.code as Failure) {
    case Failure.NotImage:
      return [
        "ERR_LOOP_IMAGE",
        `${subject}: ${fileType(Number(detail))}; an image is a regular file or a block device`,
      ];
    case Failure.ImageTooSmall:
      return [
        "ERR_LOOP_IMAGE",
        detail === 0n
          ? `${subject}: the image is empty`
          : `${subject}: only ${detail} bytes to show, less than one sector of 512`,
      ];
    case Failure.OffsetBeyondEnd:
      return [
        "ERR_LOOP_IMAGE",
        `${subject}: offset ${detail2} lies at or beyond the end of the image (${detail} bytes)`,
      ];
    case Failure.ImageShrank:
      return ["ERR_LOOP_IMAGE", `${subject}: the image shrank while it was read; try again`];
    case Failure.SectorSizeAmbiguous:
      return [
        "ERR_LOOP_TABLE",
        `${subject}: a GPT for sector sizes ${sizes(detail)} each; say which with --sector-size`,
      ];
    case Failure.GptDamaged:
      return [
        "ERR_LOOP_TABLE",
        `${subject}: both copies of the GPT are damaged; repair the image (gdisk, sfdisk), or ` +
          "attach it with --partscan none",
      ];
    case Failure.TooManyPartitions:
      return ["ERR_LOOP_TABLE", `${subject}: the table has more than 255 partitions`];
    case Failure.PartitionsOverlap:
      return [
        "ERR_LOOP_TABLE",
        `${subject}: partitions ${detail} and ${detail2} overlap; repair the table, or attach ` +
          "it with --partscan none",
      ];
    case Failure.PartitionOutOfRange:
      return [
        "ERR_LOOP_TABLE",
        `${subject}: partition ${detail} lies outside the image; the image is cut short or the ` +
          "table is wrong (--partscan none attaches it as it is)",
      ];
    case Failure.ChainLoops:
      return [
        "ERR_LOOP_TABLE",
        `${subject}: the chain of logical partitions leads back to sector ${detail}; repair the ` +
          "table, or attach it with --partscan none",
      ];
    case Failure.Overlap:
      return [
        "ERR_LOOP_OVERLAP",
        `${subject}: ${device} shows the same bytes of this image and one of the two can write; ` +
          "detach it, attach both read-only, or insist with --allow-overlap",
      ];
    default:
      return undefined;
  }
}

function explainDevice(context: FailureContext, device: string): [LoopErrorCode, string] {
  const { event, subject } = context;
  const { detail, detail2 } = event;
  switch (event.code as Failure) {
    case Failure.NotHonoured:
      return [
        "ERR_LOOP_SYSTEM",
        `${subject}: the kernel did not honour what was asked of ${device}: ` +
          `${(Mismatch[Number(detail)] ?? "?").toLowerCase()}` +
          (detail === BigInt(Mismatch.Size) ? `, it shows ${detail2} bytes` : "") +
          "; was the image changed meanwhile?",
      ];
    case Failure.PartitionMissing:
      return [
        "ERR_LOOP_SYSTEM",
        `${subject}: partition ${detail} of ${device} ` +
          (detail2 === 0n ? "did not appear" : "has another start or size than the table says") +
          "; was the image or the device changed meanwhile?",
      ];
    case Failure.NodeMismatch:
      return [
        environment,
        `${subject}: the node of ${detail === 0n ? device : `${device}p${detail}`} leads to ` +
          "another device; /dev is not this kernel's devtmpfs, or is not kept up to date",
      ];
    case Failure.DeviceBound:
      return ["ERR_LOOP_BUSY", `${device} is bound already; choose another, or let one be chosen`];
    case Failure.LeftoverOpen:
      return [
        "ERR_LOOP_BUSY",
        `${device}p${detail} is left over from an earlier attach and somebody has it open`,
      ];
    case Failure.PartitionBusy:
      return [
        "ERR_LOOP_BUSY",
        `${subject}: ${detail === 0n ? `a partition of ${device}` : `${device}p${detail}`} must ` +
          `go or shrink and is held by ${holderList(context.holders)}; have it closed or ` +
          "unmounted and try again",
      ];
    case Failure.DeviceLocked:
      return [
        "ERR_LOOP_BUSY",
        `${device} is locked (flock) by ${holderList(context.holders)}; nothing was touched`,
      ];
    case Failure.Superseded:
      return [
        "ERR_LOOP_STALE",
        `${subject}: that instance is over` +
          (detail === 0n ? "" : `; ${device} is diskseq ${detail}, somebody else's`) +
          "; nothing was touched",
      ];
    case Failure.NoDiskseq:
      return [environment, `${noDiskseqText(subject)}; name the device alone`];
    case Failure.NotAttached:
      return ["ERR_LOOP_NOT_ATTACHED", `${subject}: nothing is attached to ${device}`];
    case Failure.NotLoop:
      return ["ERR_LOOP_ARGUMENT", `${subject}: not a loop device`];
    case Failure.UdevSilent: {
      const silent = detail === 0n ? device : `${device}p${detail}`;
      return [
        "ERR_LOOP_TIMEOUT",
        `${subject}: timed out: udev has not processed ${silent}; undone; is udevd stuck or ` +
          "stopped (udevadm settle, systemctl status systemd-udevd)?",
      ];
    }
    case Failure.FlushFailed:
      return [
        "ERR_LOOP_SYSTEM",
        `${subject}: ${device} is detached, but its last writes failed ` +
          `(fsync: ${errnoName(event.errno)}); data may be lost`,
      ];
    default:
      return ["ERR_LOOP_SYSTEM", `${subject}: failed (${Failure[event.code] ?? event.code})`];
  }
}

/** For people: `pid 12 (bash), mounted on /mnt`. */
export function holderList(holders: readonly Holder[] | undefined): string {
  if (!holders || holders.length === 0) return "somebody that cannot be seen from here";
  return holders.map(holderText).join(", ");
}

function holderText(holder: Holder): string {
  const who = holder.pid === undefined ? "" : `pid ${holder.pid} (${holder.command ?? "?"})`;
  switch (holder.kind) {
    case "mount":
      return `${holder.device} mounted on ${holder.path ?? "?"}`;
    case "device":
      return `${holder.device} under ${holder.path ?? "?"}`;
    case "swap":
      return `${holder.device} as swap`;
    default:
      return who === "" ? `a lock on ${holder.device}` : `${who} on ${holder.device}`;
  }
}

/** A `Warned` event as a sentence. */
export function warningOf(event: CoreEvent, holders: readonly Holder[] = []): LoopWarning {
  const device = event.number < 0 ? "the device" : deviceName(event.number);
  const code = kebab(Warning[event.code] ?? "unknown");
  return { code, message: warningText(event, device, holders) };
}

function warningText(event: CoreEvent, device: string, holders: readonly Holder[]): string {
  const { detail } = event;
  switch (event.code as Warning) {
    case Warning.FellBackToReadOnly:
      return (
        "the image cannot be written" +
        (event.errno === 0 ? "" : ` (${errnoName(event.errno)})`) +
        "; attached read-only"
      );
    case Warning.NoKernelParser:
      return (
        `this kernel cannot read ${detail === BigInt(Table.Gpt) ? "a GPT" : "an MBR"}; ` +
        "partitions are made by diskseq (as with --partscan user)"
      );
    case Warning.GptCopyDamaged:
      return detail === 1n
        ? "the backup copy of the GPT is damaged; the primary one is used"
        : "the primary copy of the GPT is damaged; the backup is used";
    case Warning.GptNotForKernel:
      return "this GPT is not one that the kernel reads; partitions are made by diskseq";
    case Warning.PartitionUnexpected:
      return `the kernel made partition ${detail}, which the table does not have`;
    case Warning.DirectIoDropped:
      return "direct I/O is not possible here; the device does buffered I/O";
    case Warning.IdentityBestEffort:
      return "this kernel has no diskseq that rises at attach; identity is best effort";
    case Warning.TailLost:
      return `the last ${detail} bytes do not fill a sector of 512 and are not shown`;
    case Warning.PublicNode:
      return `${device} had to be configured through its public node; udev may read it again`;
    case Warning.PartscanForced:
      return "the loop module forces partition scans (max_part)";
    case Warning.PartitionClipped:
      return `partition ${detail} ends beyond the image and is clipped`;
    case Warning.Waiting:
      return `${device} is held by ${holderList(holders)}; waiting until it is let go`;
    case Warning.CloseFailed:
      return `close reported ${errnoName(event.errno)}`;
    case Warning.NoUevents:
      return event.errno === 0
        ? "no uevents come here (this network namespace belongs to another user namespace); " +
            "sysfs is watched instead"
        : `no uevents come here (${errnoName(event.errno)}); sysfs is watched instead`;
    case Warning.NoUdev:
      return event.errno === 0
        ? "no udevd runs here: nothing of it is waited for"
        : `udev cannot be heard here (${errnoName(event.errno)}): nothing of it is waited for`;
    case Warning.LeftoversRemoved:
      return `${detail} partitions left over from an earlier attach of ${device} were removed`;
    default:
      return `warning ${event.code}`;
  }
}

function fileType(mode: number): string {
  const names: Record<number, string> = {
    4096: "it is a FIFO",
    8192: "it is a character device",
    16384: "it is a directory",
    49152: "it is a socket",
  };
  return names[mode & 0xf000] ?? "it is no file";
}

function sizes(mask: bigint): string {
  return [512n, 1024n, 2048n, 4096n].filter((size) => (mask & size) !== 0n).join(" and ");
}
