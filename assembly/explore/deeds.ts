/**
 * What can happen next in a trial, in the order in which it would if nobody disturbed: the core's
 * calls, what is received, what others have begun, timers; and then what disturbs: new rounds of
 * rivals, faults, deadlines, the program giving up.
 */
import { Group, TimeoutReason } from "../abi.ts";
import { Machine } from "../core/machine.ts";
import { DiskField } from "../core/records.ts";
import { Field, Global } from "../core/state.ts";
import { Socket } from "../kernel/layout.ts";
import { Ghost } from "../world/layout.ts";
import { World } from "../world/world.ts";
import { Memo, Memory } from "./memo.ts";
import { LAST_TRY, NOW } from "./stillness.ts";
import { DeedNumber } from "./words.ts";

const DEEDS_MAX: i32 = 128;

export class Deeds {
  /** Filled by `list`: the first `calm` happen when nobody disturbs. */
  readonly numbers: Int32Array = new Int32Array(DEEDS_MAX);
  calm: i32 = 0;
  private count: i32 = 0;
  private readonly machine: Machine;
  private readonly world: World;
  private readonly memory: Memory;
  /** So many datagrams may wait to be received: then it is done; 0: more than a queue keeps. */
  private readonly lag: i32;

  constructor(machine: Machine, world: World, memory: Memory, lag: i32) {
    this.lag = lag;
    this.machine = machine;
    this.world = world;
    this.memory = memory;
  }

  /** How many there are. */
  list(): i32 {
    const hasDied = this.hasDied();
    this.count = 0;
    if (!hasDied && this.lag > 0 && this.isLate()) {
      this.listDatagrams();
      this.calm = this.count;
      this.listFaults();
      return this.count;
    }
    if (!hasDied) {
      this.listCalls();
      this.listDatagrams();
    }
    this.listActors(true);
    if (!hasDied) this.listTimers();
    this.calm = this.count;
    this.listActors(false);
    if (!hasDied) this.listDeadlines();
    return this.count;
  }

  private add(deed: i32): void {
    this.numbers[this.count] = deed;
    this.count++;
  }

  private hasDied(): bool {
    return this.world.state.get8(Ghost.Crashed) !== 0;
  }

  private isCalling(operation: i32): bool {
    const state = this.machine.state;
    return state.get(operation, Field.Ticket) + state.get(operation, Field.CallPending) !== 0;
  }

  private listCalls(): void {
    const state = this.machine.state;
    for (let operation = 0; operation <= state.lookout; operation++) {
      if (this.isCalling(operation)) this.add(DeedNumber.Go + operation);
    }
  }

  private queued(group: i32): i32 {
    const kernel = this.world.kernel;
    const socket = kernel.sockets.find(0, group);
    return socket < 0 ? 0 : kernel.state.get8(kernel.state.socketAt(socket) + Socket.Count);
  }

  /** Whether no other may go on before something was received. */
  private isLate(): bool {
    return this.queued(Group.Kernel) >= this.lag || this.queued(Group.Udev) >= this.lag;
  }

  private listDatagrams(): void {
    for (let group: i32 = Group.Kernel; group <= Group.Udev; group++) {
      if (this.queued(group) > 0) this.add(DeedNumber.Receive + group);
    }
  }

  /** What can happen to our process whatever it does. */
  private listFaults(): void {
    const world = this.world;
    const actors = world.state.get8(Ghost.Actors);
    for (let actor = 0; actor < actors; actor++) {
      if (!world.isFault(actor)) continue;
      const choices = world.choices(actor);
      for (let choice = 0; choice < choices; choice++) {
        this.add(DeedNumber.Actor + actor * 8 + choice);
      }
    }
  }

  private listActors(isCalm: bool): void {
    const world = this.world;
    const actors = world.state.get8(Ghost.Actors);
    for (let actor = 0; actor < actors; actor++) {
      const choices = world.choices(actor);
      for (let choice = 0; choice < choices; choice++) {
        if (world.isCalm(actor, choice) !== isCalm) continue;
        this.add(DeedNumber.Actor + actor * 8 + choice);
      }
    }
  }

  /** Whoever counts his tries gives up first: else he would never, where time stands still. */
  private listTimers(): void {
    const state = this.machine.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get64(operation, Field.Wake) === u64(0)) continue;
      const waits = state.get(operation, Field.Waits);
      const isPoll = state.get(operation, Field.WakeReason) === TimeoutReason.Poll;
      if (isPoll && waits > 0 && waits < LAST_TRY) this.add(DeedNumber.GiveUp + operation);
      const isTimed = state.get64(operation, Field.Deadline) !== u64(0);
      if (waits === LAST_TRY && isTimed) this.add(DeedNumber.Deadline + operation);
      this.add(DeedNumber.Wake + operation);
    }
    const registry = this.machine.registry;
    for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
      if (this.machine.deadlines.time(state.watches + disk) === u64(0)) continue;
      const isToAsk = registry.disk64(disk, DiskField.AskAt) > u64(NOW);
      if (isToAsk && this.isAskable()) this.add(DeedNumber.AskUdev + disk);
      this.add(DeedNumber.Look + disk);
    }
  }

  private isAskable(): bool {
    return this.world.isUdevIdle() || this.memory.get(Memo.Asks) > 0;
  }

  private listDeadlines(): void {
    const state = this.machine.state;
    for (let operation = 0; operation < state.operations; operation++) {
      const isSet = state.get64(operation, Field.Deadline) !== u64(0);
      const isWaiting = state.get64(operation, Field.Wake) !== u64(0);
      const isNext = isWaiting && state.get(operation, Field.Waits) === LAST_TRY;
      if (isSet && !isNext && this.memory.get(Memo.Deadlines) > 0) {
        this.add(DeedNumber.Deadline + operation);
      }
      const isGrace = state.get64(operation, Field.Grace) !== u64(0);
      if (isGrace) this.add(DeedNumber.Grace + operation);
    }
    const isBusy = state.global(Global.Taken) !== u64(0);
    if (isBusy && this.memory.get(Memo.Aborts) > 0) this.add(DeedNumber.Abort);
  }

  /** Nothing is asked of the core, and it asks for nothing. */
  isCoreIdle(): bool {
    const state = this.machine.state;
    if (state.global(Global.Taken) !== u64(0)) return false;
    return !this.isCalling(state.lookout) && this.machine.deadlines.length() === 0;
  }
}
