/**
 * The program of a trial: it listens, attaches an image, waits for what it attached, detaches it,
 * and judges whatever the core tells it against what is true. Every round is the same, so all that
 * differs is what others do, and when.
 *
 * Whose an event is and what became of an instance, the kernel's records for observers say.
 */
import {
  Command,
  CommandFlag,
  CommandWord,
  DetachResult,
  Event,
  EventWord,
  Failure,
  Group,
  Limit,
  Partscan,
  Result,
  UeventWord,
  Verdict,
  WaitResult,
} from "../abi.ts";
import { Machine } from "../core/machine.ts";
import { Global } from "../core/state.ts";
import { Loop } from "../kernel/layout.ts";
import { putLoopName } from "../wire/loop.ts";
import { ActorKind, Ghost } from "../world/layout.ts";
import { World } from "../world/world.ts";
import { Coverage } from "./coverage.ts";
import { Ask, Memo, Memory, Stage } from "./memo.ts";
import { TrialOptions } from "./options.ts";
import { Truth } from "./truth.ts";
import { Control, Violation } from "./words.ts";

/** Time does not pass; a deadline only has to be there. */
const SECOND: u64 = u64(1_000_000_000);

export class Program {
  private readonly machine: Machine;
  private readonly world: World;
  private readonly memory: Memory;
  private readonly coverage: Coverage;
  private readonly truth: Truth;
  private readonly now: u64;
  private readonly options: TrialOptions;

  constructor(
    machine: Machine,
    world: World,
    memory: Memory,
    coverage: Coverage,
    now: u64,
    options: TrialOptions,
  ) {
    this.machine = machine;
    this.world = world;
    this.memory = memory;
    this.coverage = coverage;
    this.truth = new Truth(world, memory);
    this.now = now;
    this.options = options;
  }

  /* Asking. */

  begin(): void {
    const memory = this.memory;
    memory.set(Memo.Rounds, this.options.rounds);
    this.blank(Command.Watch);
    this.put(CommandWord.Flags, this.udev());
    memory.set(Memo.Listener, this.ask());
  }

  /** Gives operation 0 up. */
  abort(): void {
    this.memory.set(Memo.Excused, 1);
    this.abandon(0);
  }

  /** Asks what the last events have made it ask. Operations are queued, as a host does it. */
  goOn(): void {
    const memory = this.memory;
    if (this.take(Ask.Wait)) this.wait();
    if (this.take(Ask.Removed)) memory.set(Memo.Wait, this.await(CommandFlag.Removed));
    if (this.take(Ask.Next)) this.next();
    if (this.isBusy()) return;
    if (this.take(Ask.Release)) this.release();
    else if (this.take(Ask.Detach)) this.detach();
    else if (this.take(Ask.Attach)) this.attach();
  }

  private take(ask: i32): bool {
    const isAsked = this.memory.has(Memo.Ask, ask);
    this.memory.remove(Memo.Ask, ask);
    return isAsked;
  }

  /** One that was told as failed may still give back. What has ended is free at the next input. */
  private isBusy(): bool {
    const state = this.machine.state;
    return state.global(Global.Taken) !== state.global(Global.Ended);
  }

  private udev(): i32 {
    return this.options.awaitsUdev ? CommandFlag.Udev : 0;
  }

  private blank(command: i32): void {
    const inbox = this.machine.inbox;
    for (let i = 0; i < Limit.InboxBytes; i += 8) inbox.setUint64(i, u64(0), true);
    this.put(CommandWord.Command, command);
  }

  private put(word: i32, value: i32): void {
    this.machine.inbox.setUint64(word * 8, u64(value), true);
  }

  private put64(word: i32, value: u64): void {
    this.machine.inbox.setUint64(word * 8, value, true);
  }

  private ask(): i32 {
    const answer = this.machine.handleCommand(this.now);
    // Capacities are such that nothing is refused.
    assert(answer >= 0);
    return answer;
  }

  private abandon(operation: i32): void {
    this.blank(Command.Abort);
    this.put(CommandWord.Number, operation);
    this.machine.handleCommand(this.now);
  }

  private attach(): void {
    this.memory.set(Memo.Stage, Stage.Attaching);
    this.blank(Command.Attach);
    const once = this.options.isOneCall ? CommandFlag.OneCall : 0;
    this.put(CommandWord.Flags, this.udev() | once);
    this.put(CommandWord.Partscan, this.options.partscan);
    this.put(CommandWord.Number, -1);
    this.put(CommandWord.Descriptor, -1);
    this.deadline();
    this.ask();
  }

  /** By its number alone a device that another has bound again is never seen to be gone. */
  private deadline(): void {
    const isNamed = this.memory.get(Memo.Stage) === Stage.Detaching && !this.isLasting();
    if (this.options.deadlines > 0 || isNamed) this.put64(CommandWord.TimeoutNs, SECOND);
  }

  private name(): void {
    const number = this.memory.get(Memo.Number);
    const at = CommandWord.Name * 8;
    this.put(CommandWord.NameBytes, putLoopName(this.machine.inbox, at, number));
    this.put64(CommandWord.Diskseq, this.memory.get64(Memo.Diskseq));
  }

  private byName(): i32 {
    return this.memory.get(Memo.Identity) !== 0 ? 0 : CommandFlag.BestEffort;
  }

  private wait(): void {
    const isIgnorant = (this.options.controls & Control.IgnoreDiskseq) !== 0;
    this.memory.set(Memo.Stage, Stage.Waiting);
    this.blank(Command.Watch);
    this.put(CommandWord.Flags, isIgnorant ? CommandFlag.BestEffort : this.byName());
    this.name();
    this.memory.set(Memo.Watch, this.ask());
    if (this.isLasting()) {
      this.memory.set(Memo.Wait, this.await(this.udev()));
      this.memory.add(Memo.Awaited, Ask.Wait);
    } else {
      this.ready();
    }
  }

  /** By its name alone a device is waited for until it comes again, if others can take it away. */
  private isLasting(): bool {
    if (this.memory.get(Memo.Identity) !== 0) return true;
    return !this.world.has(ActorKind.Thief) && !this.world.has(ActorKind.Detacher);
  }

  /** What was waited for is there, or over: the end of the round. */
  private ready(): void {
    const memory = this.memory;
    memory.set(Memo.Stage, Stage.Detaching);
    memory.remove(Memo.Awaited, Ask.Wait);
    memory.add(Memo.Ask, Ask.Detach);
    memory.add(Memo.Awaited, Ask.Detach);
    // By its name alone nobody can see an instance end where another follows.
    if (memory.get(Memo.Identity) === 0) return;
    memory.add(Memo.Ask, Ask.Removed);
    memory.add(Memo.Awaited, Ask.Removed);
  }

  private await(flags: i32): i32 {
    const isReady = (flags & CommandFlag.Removed) === 0;
    this.blank(Command.Wait);
    this.put(CommandWord.Flags, flags | this.byName());
    this.name();
    if (isReady && this.options.partscan !== Partscan.None) {
      let mask = 0;
      for (let entry = 0; this.truth.entries() > entry; entry++)
        mask |= 1 << this.truth.entry(entry);
      this.put(CommandWord.PartitionMask, mask);
    }
    return this.ask();
  }

  private detach(): void {
    const memory = this.memory;
    this.blank(Command.Detach);
    this.put(CommandWord.Number, memory.get(Memo.Number));
    this.put(CommandWord.Descriptor, memory.get(Memo.Descriptor));
    if (memory.get(Memo.Identity) !== 0) {
      this.put64(CommandWord.Diskseq, memory.get64(Memo.Diskseq));
    }
    this.put64(CommandWord.BackingDevice, memory.get64(Memo.BackingDevice));
    this.put64(CommandWord.BackingInode, memory.get64(Memo.BackingInode));
    this.deadline();
    this.ask();
  }

  private release(): void {
    this.blank(Command.Detach);
    this.put(CommandWord.Flags, CommandFlag.Release);
    this.put(CommandWord.Number, this.memory.get(Memo.Number));
    this.put(CommandWord.Descriptor, this.memory.get(Memo.Descriptor));
    this.ask();
  }

  private next(): void {
    const memory = this.memory;
    if (memory.get(Memo.Watch) !== 0) this.abandon(memory.get(Memo.Watch));
    const rounds = memory.get(Memo.Rounds);
    const listener = memory.get(Memo.Listener);
    for (let slot: i32 = Memo.Number; slot < Memo.Excused; slot++) memory.set64(slot, u64(0));
    if (rounds > 0) {
      memory.set(Memo.Listener, listener);
      memory.set(Memo.Rounds, rounds - 1);
      memory.add(Memo.Ask, Ask.Attach);
      return;
    }
    memory.set(Memo.Stage, Stage.Over);
    this.abandon(listener);
  }

  /* Hearing. */

  /** Takes what the core tells. `truth`: the instance that the datagram just handed in is about. */
  hear(truth: i32): i32 {
    let violation = 0;
    while (this.machine.pollEvent()) {
      this.coverage.event(this.machine.outbox);
      const found = this.judge(truth);
      if (violation === 0) violation = found;
    }
    return violation;
  }

  private word(word: i32): i32 {
    return this.machine.outbox.getInt32(word * 8, true);
  }

  private judge(truth: i32): i32 {
    const operation = this.word(EventWord.Operation);
    switch (this.word(EventWord.Event)) {
      case Event.Uevent:
        return operation === this.memory.get(Memo.Watch) ? this.judgeVerdict(truth) : 0;
      case Event.Listening:
        if (this.memory.get(Memo.Stage) === Stage.Begin) this.memory.add(Memo.Ask, Ask.Next);
        return 0;
      case Event.Attached:
        return this.attached();
      case Event.Waited:
        return this.waited();
      case Event.Detached:
        return this.detached();
      case Event.Failed:
        return this.failed(operation);
      default:
        return 0;
    }
  }

  private judgeVerdict(truth: i32): i32 {
    const verdict = this.word(UeventWord.Verdict);
    // A message of a root process cannot be told from udev's.
    if (this.word(UeventWord.Group) !== Group.Kernel) return 0;
    const isMine = truth === this.memory.get(Memo.Instance);
    const isIgnorant = (this.options.controls & Control.IgnoreDiskseq) !== 0;
    if (verdict === Verdict.Mine) return isMine ? 0 : Violation.Believed;
    if (verdict === Verdict.BestEffort) return isMine || !isIgnorant ? 0 : Violation.Believed;
    // The end of what was never seen to begin may be told as a later instance's.
    return isMine && verdict === Verdict.Stale ? Violation.Believed : 0;
  }

  private attached(): i32 {
    const memory = this.memory;
    const kernel = this.world.kernel.state;
    const number = this.word(EventWord.Number);
    const loop = kernel.findLoop(number);
    assert(loop >= 0);
    memory.set(Memo.Number, number);
    memory.set(Memo.Descriptor, this.result(Result.Descriptor));
    memory.set(Memo.Diskseq, this.result(Result.Diskseq));
    memory.set(Memo.Identity, this.result(Result.Identity));
    memory.set64(Memo.BackingDevice, this.result64(Result.BackingDevice));
    memory.set64(Memo.BackingInode, this.result64(Result.BackingInode));
    memory.set(Memo.Instance, kernel.loop(loop, Loop.Instance));
    memory.add(Memo.Ask, Ask.Wait);
    // Our descriptor keeps the instance, whoever has asked for its end.
    if (kernel.loop(loop, Loop.Binder) !== 1) return Violation.NotReady;
    if (this.options.partscan === Partscan.None) return 0;
    return this.truth.isPlugged(loop) ? 0 : Violation.NotReady;
  }

  private result(word: i32): i32 {
    return this.word(EventWord.Result + word);
  }

  private result64(word: i32): u64 {
    return this.machine.outbox.getUint64((EventWord.Result + word) * 8, true);
  }

  private waited(): i32 {
    const memory = this.memory;
    const isReady = this.word(EventWord.Code) === WaitResult.Ready;
    const isFirst = memory.has(Memo.Awaited, Ask.Wait);
    memory.set(Memo.Wait, 0);
    if (isFirst) this.ready();
    else this.answered(Ask.Removed);
    if (memory.get(Memo.Identity) === 0) return 0;
    const isFalse = isReady ? !this.truth.isRunningDown() : this.truth.isThere();
    return isFalse ? Violation.FalseEnd : 0;
  }

  private detached(): i32 {
    const isGone = this.word(EventWord.Code) === DetachResult.Gone;
    this.answered(Ask.Detach);
    return isGone && (this.truth.isThere() || this.truth.hasPartitions()) ? Violation.NotGone : 0;
  }

  private answered(ask: i32): void {
    this.memory.remove(Memo.Awaited, ask);
    if (this.memory.get(Memo.Awaited) === 0) this.memory.add(Memo.Ask, Ask.Next);
  }

  private failed(operation: i32): i32 {
    const memory = this.memory;
    const failure = this.word(EventWord.Code);
    // Our own end of a watch.
    if (operation >= Limit.OperationsMax)
      return failure === Failure.Aborted ? 0 : Violation.Refused;
    const isOver = failure === Failure.Superseded || failure === Failure.NotAttached;
    if (memory.get(Memo.Stage) !== Stage.Detaching) {
      memory.add(Memo.Ask, Ask.Next);
    } else if (this.result(Result.Descriptor) >= 0) {
      memory.add(Memo.Ask, Ask.Release);
    } else {
      this.answered(Ask.Detach);
    }
    if (isOver) return this.truth.isThere() ? Violation.FalseEnd : 0;
    return this.isExcused() ? 0 : Violation.Refused;
  }

  /** Somebody has ended what was ours, or we have given it up. */
  private isExcused(): bool {
    if (this.memory.get(Memo.Excused) !== 0) return true;
    return this.world.state.get32(Ghost.ForeignClearers) !== 0;
  }
}
