/**
 * The composed machine: takes inputs, moves operations from step to step, hands out calls, events
 * and the next deadline. Owns the only state. Deterministic: the same inputs give the same outputs
 * and the same state, on every runtime.
 *
 * After every `handle*` drain `pollCall` and `pollEvent` until they answer false, then ask
 * `pollTimeout`. A `handle*` that answers a fault has changed nothing.
 */
import {
  Command,
  CommandFlag,
  CommandWord,
  Failure,
  Fault,
  Group,
  Limit,
  TimeoutReason,
} from "../abi.ts";
import { Capacities } from "./capacities.ts";
import { Deadlines } from "./deadlines.ts";
import { Engine } from "./engine.ts";
import { Groups } from "./groups.ts";
import { hashState } from "./hash.ts";
import { Intake } from "./intake.ts";
import { Lookout } from "./lookout.ts";
import { Order } from "./order.ts";
import { Outlet } from "./outlet.ts";
import { isPossible, Port, TICKET_SLOTS } from "./port.ts";
import { Registry } from "./registry.ts";
import { Seen } from "./seen.ts";
import { Field, Global, State } from "./state.ts";
import { Step } from "./steps.ts";
import { Timers } from "./timers.ts";
import { firstStep } from "./transitions.ts";
import { UdevProgress } from "./udev.ts";
import { Waits } from "./waits.ts";

export class Machine {
  readonly state: State;
  readonly inbox: DataView;
  readonly outbox: DataView;
  readonly registry: Registry;
  readonly deadlines: Deadlines;
  private readonly port: Port;
  private readonly timers: Timers;
  private readonly intake: Intake;
  private readonly outlet: Outlet;
  private readonly groups: Groups;
  private readonly lookout: Lookout;
  private readonly waits: Waits;
  private readonly order: Order;
  private readonly engine: Engine;

  /** `seed` feeds the jitter; capacities are fixed from here on. */
  constructor(seed: u64, capacities: Capacities) {
    const watches = capacities.watches;
    capacities.registryBytes = Registry.bytes(capacities.disks, watches);
    capacities.deadlinesBytes = Deadlines.bytes(watches + capacities.disks);
    capacities.seenBytes = Seen.bytes(capacities.seqnums);
    const state = new State(capacities);
    const port = new Port(state);
    const registry = new Registry(state);
    const deadlines = new Deadlines(state);
    const seen = new Seen(state);
    this.state = state;
    this.port = port;
    const inbox = new DataView(new ArrayBuffer(Limit.InboxBytes));
    const outbox = new DataView(new ArrayBuffer(Limit.OutboxBytes));
    this.inbox = inbox;
    this.outbox = outbox;
    state.setGlobal(Global.Random, u64(seed | u64(1)));
    for (let operation = 0; operation <= state.lookout; operation++) state.clear(operation);
    const udev = new UdevProgress(state, port, registry);
    const groups = new Groups(state, port);
    const lookout = new Lookout(state, port, groups, registry, deadlines, seen, udev);
    const timers = new Timers(state, deadlines);
    const outlet = new Outlet(state, port, outbox);
    this.timers = timers;
    this.intake = new Intake(state, inbox);
    this.outlet = outlet;
    this.registry = registry;
    this.deadlines = deadlines;
    this.groups = groups;
    this.lookout = lookout;
    this.waits = new Waits(state, port, groups, registry, lookout, udev, deadlines, inbox);
    this.order = new Order(state, port, registry, lookout, seen);
    this.engine = new Engine(state, port, timers, outlet, groups, lookout, udev);
  }

  /* Inputs. */

  /** Takes the command in the inbox. Its operation, a watch's number, or a negative `Fault`. */
  handleCommand(now: u64): i32 {
    const state = this.state;
    const command = i32(this.intake.word(CommandWord.Command));
    if (command === Command.Abort) return this.abort(now);
    if (command === Command.Wait || command === Command.Watch) return this.watch(now, command);
    const first = firstStep(command);
    if (first === Step.Idle) return -Fault.UnknownCommand;
    if (!this.intake.isValid(command)) return -Fault.BadArgument;
    const operation = this.freeOperation();
    if (operation < 0) return -Fault.Full;
    this.timers.arrive(now);
    this.intake.accept(operation, command);
    if (command === Command.Attach && state.has(operation, CommandFlag.Udev)) {
      this.groups.interest(CommandFlag.Udev, 1);
    }
    this.engine.start(operation, first);
    this.settle();
    return operation;
  }

  /** Takes the result of a call: `>= 0`, or `-errno`. */
  handleCompletion(now: u64, ticket: i32, result: i32): i32 {
    const state = this.state;
    const operation = ticket % TICKET_SLOTS;
    if (ticket <= 0 || operation > state.lookout) return Fault.UnknownTicket;
    if (state.get(operation, Field.Ticket) !== ticket) return Fault.UnknownTicket;
    if (!isPossible(state, operation, result)) return Fault.BadArgument;
    this.timers.arrive(now);
    state.set(operation, Field.Ticket, 0);
    this.engine.complete(operation, result);
    this.settle();
    return Fault.Ok;
  }

  /** Takes the datagram in a slot, as its record has it. A fault says why it counts for nothing. */
  handleDatagram(now: u64, slot: i32): i32 {
    const fault = this.order.check(slot);
    if (fault !== Fault.Ok) return fault;
    this.timers.arrive(now);
    this.order.take();
    this.wakeOperations();
    this.settle();
    return Fault.Ok;
  }

  /** Events of a group were lost after the last one handed in: `count`, 0 unknown. */
  handleOverrun(now: u64, group: i32, count: i32): i32 {
    if (group !== Group.Kernel && group !== Group.Udev) return Fault.BadArgument;
    if (count < 0) return Fault.BadArgument;
    this.timers.arrive(now);
    this.order.lose(group, count);
    this.settle();
    return Fault.Ok;
  }

  /** Looks at every deadline; without one that has passed it changes nothing but the time. */
  handleTimeout(now: u64): i32 {
    this.timers.arrive(now);
    const state = this.state;
    for (let operation = 0; operation < state.operations; operation++) {
      if (!this.timers.isBusy(operation)) continue;
      if (this.timers.isDue(operation, Field.Wake)) this.engine.wake(operation);
      if (this.timers.isBusy(operation) && this.timers.isDue(operation, Field.Deadline)) {
        state.set64(operation, Field.Deadline, u64(0));
        this.engine.interrupt(operation, Failure.TimedOut);
      }
      if (this.timers.isBusy(operation) && this.timers.isDue(operation, Field.Grace))
        this.engine.reportEarly(operation);
    }
    for (let item = this.timers.takeDue(); item >= 0; item = this.timers.takeDue()) {
      if (state.watches > item) this.waits.expire(item);
      else this.lookout.due(item - state.watches);
    }
    this.settle();
    return Fault.Ok;
  }

  /* Outputs. */

  /** Moves the next call to the outbox; poll again after every `handle*`. */
  pollCall(): bool {
    return this.outlet.call();
  }

  /** The same of one operation: for who chooses which goes on. */
  takeCall(operation: i32): bool {
    return this.outlet.callOf(operation);
  }

  /** Moves the next event to the outbox. After the last one of an operation its partitions may be
   *  read by `selectPartition` until the next `handle*`. */
  pollEvent(): bool {
    return this.port.shift(this.outbox);
  }

  /** Monotonic ns at which `handleTimeout` is due; 0: never. Ask again after every `handle*`. */
  pollTimeout(): u64 {
    return this.timers.next();
  }

  /** Why: the `TimeoutReason` of the last `pollTimeout`. */
  timeoutReason(): i32 {
    return this.timers.reason;
  }

  /** Moves one partition of an ended operation to the outbox. */
  selectPartition(operation: i32, index: i32): bool {
    return this.outlet.partition(operation, index);
  }

  /** 64-bit hash of everything that the machine remembers. */
  hash(): u64 {
    return hashState(this.state, this.registry, this.deadlines);
  }

  /* Commands. */

  private freeOperation(): i32 {
    for (let operation = 0; operation < this.state.operations; operation++) {
      if (!this.timers.isBusy(operation)) return operation;
    }
    return -1;
  }

  private abort(now: u64): i32 {
    const operation = i32(this.intake.word(CommandWord.Number));
    if (operation >= Limit.OperationsMax) return this.unwatch(now, operation);
    if (operation < 0 || operation >= this.state.operations) return -Fault.UnknownOperation;
    if (!this.timers.isBusy(operation)) return -Fault.UnknownOperation;
    this.timers.arrive(now);
    this.engine.interrupt(operation, Failure.Aborted);
    this.settle();
    return operation;
  }

  private watch(now: u64, command: i32): i32 {
    const fault = this.waits.check(command);
    if (fault !== Fault.Ok) return -fault;
    this.timers.arrive(now);
    const number = this.waits.open(command);
    this.settle();
    return number;
  }

  private unwatch(now: u64, number: i32): i32 {
    const watch = number - Limit.OperationsMax;
    if (!this.waits.isOpen(watch)) return -Fault.UnknownOperation;
    this.timers.arrive(now);
    this.waits.fail(watch, Failure.Aborted, 0, u64(0));
    this.settle();
    return number;
  }

  /** An event wakes whoever polls sysfs for that very device. */
  private wakeOperations(): void {
    const state = this.state;
    // A stream without an operation costs nothing here.
    if (state.global(Global.Taken) === u64(0)) return;
    const number = this.order.loopNumber();
    if (number < 0) return;
    for (let operation = 0; operation < state.operations; operation++) {
      if (state.get(operation, Field.Number) !== number) continue;
      const isPoll = state.get(operation, Field.WakeReason) === TimeoutReason.Poll;
      if (isPoll && state.get64(operation, Field.Wake) !== u64(0)) {
        state.set64(operation, Field.Wake, state.global(Global.Now));
      }
    }
  }

  /** All that others have made possible: loop-control goes on, the lookout looks, waits end. */
  private settle(): void {
    this.engine.grant();
    this.engine.look();
    const disk = this.lookout.takeConcluded();
    if (disk >= 0) this.waits.looked(disk);
    if (this.groups.takeSubscribed()) this.waits.subscribed();
    else if (disk < 0) return;
    this.engine.resume();
    this.engine.look();
  }
}
