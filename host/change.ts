/**
 * What changes a bound device that stays: rescan and resize. Turns what the core did into public
 * shapes, and its failures into errors that name who is in the way.
 */
import {
  ChangeWord,
  Command,
  CommandFlag,
  type CoreEvent,
  Event,
  EventWord,
  Failure,
  Result,
} from "./core.ts";
import type { Outcome } from "./driver.ts";
import { endError } from "./failures.ts";
import type { Holder, Kernel } from "./kernel.ts";
import { deviceName } from "./names.ts";
import type { Session } from "./session.ts";
import type { ChangeOptions, Rescanned, Resized, WaitedPartition } from "./stream-types.ts";
import { type DetachTarget, resolveTarget, type Target } from "./target.ts";

export async function rescan(
  session: Session,
  target: DetachTarget,
  options: ChangeOptions,
): Promise<Rescanned> {
  const instance = await resolveTarget(session, target);
  const { event, partitions } = await change(session, Command.Rescan, 0, instance, options);
  const device = deviceName(instance.number);
  return {
    device,
    diskseq: instance.diskseq ?? null,
    added: numbers(event, ChangeWord.Added),
    removed: numbers(event, ChangeWord.Removed),
    resized: numbers(event, ChangeWord.Resized),
    partitions: partitions
      .map(
        ({ number, major, minor, start, size }): WaitedPartition => ({
          number,
          device: `${device}p${number}`,
          devnum: `${major}:${minor}`,
          start: Number(start),
          size: Number(size),
        }),
      )
      .sort((a, b) => a.number - b.number),
  };
}

export async function resize(
  session: Session,
  target: DetachTarget,
  options: ChangeOptions,
): Promise<Resized> {
  const instance = await resolveTarget(session, target);
  // No table is read: who locks the device is not in the way.
  const flags = CommandFlag.NoLock;
  const { event } = await change(session, Command.Resize, flags, instance, options);
  return {
    device: deviceName(instance.number),
    diskseq: instance.diskseq ?? null,
    before: Number(event.detail),
    size: Number(event.result[Result.Size]),
  };
}

/** Runs a command that ends as `Event.Changed`; rejects where it did not. */
export async function change(
  session: Session,
  command: Command.Rescan | Command.Resize | Command.Sweep,
  flags: number,
  target: Target,
  options: ChangeOptions,
): Promise<Outcome> {
  const outcome = await session.change(command, flags, target, options);
  if (outcome.event.event === Event.Changed) return outcome;
  const subject = `${Command[command].toLowerCase()} of ${target.subject}`;
  const holders = await holdersOf(session.kernel, outcome.event);
  throw endError({ ...outcome, subject, holders }, options.signal);
}

/** Who is in the way of what failed. */
async function holdersOf(kernel: Kernel, event: CoreEvent): Promise<Holder[]> {
  const disk = `loop${event.number}`;
  if (event.code === Failure.DeviceLocked) return kernel.findLockers(disk);
  if (event.code !== Failure.PartitionBusy) return [];
  const holders = await kernel.findHolders(disk);
  const isMeant = event.detail === 0n ? () => true : isOf(`${disk}p${event.detail}`);
  return holders.filter(isMeant);
}

function isOf(device: string): (holder: Holder) => boolean {
  return (holder) => holder.device === device;
}

/** The numbers of a set, ascending. */
function numbers(event: CoreEvent, first: ChangeWord): number[] {
  const found: number[] = [];
  for (let number = 0; number < 256; number++) {
    const bits = event.result[first - EventWord.Result + (number >> 6)] ?? 0n;
    if ((bits >> BigInt(number & 63)) & 1n) found.push(number);
  }
  return found;
}
