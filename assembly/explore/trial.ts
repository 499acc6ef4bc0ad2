/**
 * One core on the simulated kernel, and a program that attaches and detaches with it, among rivals:
 * the subject of the search. A deed is one step of one of them, and who goes next is chosen from
 * outside. Between the deeds the state is canonical (`stillness.ts`).
 *
 * What only our own process can see (its image, its private node) is done at once: it neither
 * hinders nor helps anybody, in whatever order it comes.
 */
import { Call, CallWord, Place } from "../abi.ts";
import { Capacities } from "../core/capacities.ts";
import { Machine } from "../core/machine.ts";
import { DiskField } from "../core/records.ts";
import { Field } from "../core/state.ts";
import { Calls } from "../kernel/calls.ts";
import { Switch } from "../kernel/eras.ts";
import { Inquiry } from "../kernel/inquiry.ts";
import { Kernel } from "../kernel/kernel.ts";
import { FileKind, Socket } from "../kernel/layout.ts";
import { Step } from "../kernel/tasks.ts";
import { ActorKind, Ghost, Left } from "../world/layout.ts";
import { World } from "../world/world.ts";
import { Blank, KEPT_BYTES } from "./blank.ts";
import { Controls } from "./controls.ts";
import { Coverage } from "./coverage.ts";
import { Deeds } from "./deeds.ts";
import { Memo, Memory, Stage } from "./memo.ts";
import { TrialOptions } from "./options.ts";
import { Parts } from "./parts.ts";
import { Program } from "./program.ts";
import { LAST_TRY, NOW, Stillness } from "./stillness.ts";
import { Subject } from "./subject.ts";
import { DeedNumber, Told, Violation } from "./words.ts";

/** Room for the listener, a watch, two waits; operations are one behind the other. */
const OPERATIONS: i32 = 1;
const WATCHES: i32 = 3;
const SEQNUMS: i32 = 64;
const SEED: u64 = u64(0x5eed);

export class Trial extends Subject {
  readonly machine: Machine;
  readonly coverage: Coverage;
  private readonly kernel: Kernel;
  private readonly world: World;
  private readonly calls: Calls;
  private readonly memory: Memory;
  private readonly program: Program;
  private readonly controls: Controls;
  private readonly stillness: Stillness;
  private readonly blank: Blank;
  private readonly keepsAll: bool;
  private readonly layout: Parts;
  private readonly deeds: Deeds;
  /** Processes whose flaps are none of our doing: udevd's, where a thief closes nodes that it has
   *  written to. */
  private readonly provoked: i32;
  /** Whether the last deed changed anything; it only waited otherwise. */
  hasMoved: bool = true;
  /** The last deed was none of the core's. */
  private isCoreUntouched: bool = false;

  constructor(world: World, inquiry: Inquiry, options: TrialOptions) {
    super();
    const kernel = world.kernel;
    const partitions = kernel.state.capacity.partitions;
    const machine = new Machine(SEED, new Capacities(OPERATIONS, partitions, WATCHES, SEQNUMS));
    const memory = new Memory();
    const coverage = new Coverage();
    this.machine = machine;
    this.coverage = coverage;
    this.kernel = kernel;
    this.world = world;
    this.calls = new Calls(kernel, inquiry, machine.outbox, machine.state.buffers);
    this.memory = memory;
    this.program = new Program(machine, world, memory, coverage, u64(NOW), options);
    this.controls = new Controls(kernel, options.controls, machine.outbox, machine.state.buffers);
    this.stillness = new Stillness(machine, kernel);
    this.blank = new Blank(machine, world, memory, options);
    this.keepsAll = options.keepsAll;
    this.layout = layOut(machine, kernel, world, memory);
    this.deeds = new Deeds(machine, world, memory, options.lag);
    this.provoked = world.has(ActorKind.Thief) ? world.udevds() : 0;
    memory.set(Memo.Deadlines, options.deadlines);
    memory.set(Memo.Aborts, options.aborts);
    memory.set(Memo.Asks, options.asks);
    this.program.begin();
    this.program.hear(0);
    this.settle();
  }

  /** Of all states that are alike the one that stands for them. */
  private settle(): void {
    this.stillness.settle();
    // Nobody asks udev any more.
    if (this.memory.isLast()) this.memory.set(Memo.Asks, 0);
    if (!this.keepsAll) this.blank.core();
  }

  /* Parts. */

  parts(): i32 {
    return this.layout.count;
  }

  partWords(part: i32): i32 {
    return this.layout.words(part);
  }

  partView(part: i32): Int32Array {
    return this.layout.view(part);
  }

  partAt(part: i32): i32 {
    return this.layout.at(part);
  }

  untouched(): i32 {
    return this.isCoreUntouched ? this.layout.core : 0;
  }

  /** 30 bits of the whole state. */
  hash(): i32 {
    return this.layout.hash();
  }

  /* What can happen. */

  choices(): i32 {
    return this.deeds.list();
  }

  choice(index: i32): i32 {
    return this.deeds.numbers[index];
  }

  calm(): i32 {
    return this.deeds.calm;
  }

  isOver(): bool {
    if (!this.world.isAtRest()) return false;
    if (this.hasDied()) return true;
    return this.memory.get(Memo.Stage) === Stage.Over && this.deeds.isCoreIdle();
  }

  private hasDied(): bool {
    return this.world.state.get8(Ghost.Crashed) !== 0;
  }

  atEnd(): i32 {
    const ghost = this.world.ghost;
    // Before LOOP_CONFIGURE a device was bound in two steps, and a crash came in between.
    const isTold = !this.hasDied() || this.kernel.setup.era.has(Switch.HasConfigure);
    if (isTold && ghost.left(0, Left.Bound) > 0) return Violation.LeftBound;
    if (ghost.left(0, Left.Locks) > 0) return Violation.LeftLocked;
    if (ghost.left(0, Left.Files) > 0) return Violation.LeftOpen;
    if (ghost.left(0, Left.Nodes) > 0) return Violation.LeftNodes;
    return ghost.left(0, Left.Sockets) > 0 ? Violation.LeftSockets : Violation.None;
  }

  /* Deeds. */

  act(deed: i32): i32 {
    this.coverage.blank();
    this.coverage.put(Told.Fault, -1);
    const wasDead = this.hasDied();
    this.isCoreUntouched = true;
    this.hasMoved = true;
    const violation = this.perform(deed);
    if (!this.keepsAll && this.blank.world()) this.isCoreUntouched = false;
    if (this.hasDied()) {
      // Nobody asks a core that is dead.
      if (!wasDead) this.bury();
      this.stillness.renumberKernel();
    } else if (this.isCoreUntouched) {
      if (this.stillness.renumber()) this.isCoreUntouched = false;
    } else {
      this.program.goOn();
      const late = this.program.hear(0);
      assert(late === 0);
      this.settle();
    }
    this.stillness.renumberRecords();
    this.coverage.put(Told.Stage, this.memory.get(Memo.Stage));
    return violation !== 0 ? violation : this.seen();
  }

  private perform(deed: i32): i32 {
    if (deed >= DeedNumber.Actor) {
      const actor = (deed - DeedNumber.Actor) >> 3;
      this.world.act(actor, (deed - DeedNumber.Actor) & 7);
      this.hasMoved = this.world.hasMoved();
      this.coverage.put(Told.Status, this.hasMoved ? Step.Ran : Step.Blocked);
      return 0;
    }
    if (deed >= DeedNumber.Receive) this.isCoreUntouched = false;
    if (deed === DeedNumber.Abort) {
      this.memory.set(Memo.Aborts, this.memory.get(Memo.Aborts) - 1);
      this.program.abort();
      return this.program.hear(0);
    }
    if (deed >= DeedNumber.Look) return this.look(deed);
    if (deed >= DeedNumber.Wake) return this.timer(deed);
    if (deed >= DeedNumber.Receive) return this.receive(deed - DeedNumber.Receive);
    return this.go(deed - DeedNumber.Go);
  }

  /** What nobody may ever see. */
  private seen(): i32 {
    const state = this.world.state;
    if ((state.get32(Ghost.ForeignClearers) & 1) !== 0) return Violation.ForeignClear;
    const flappers = state.get32(Ghost.Flappers) & ~this.provoked;
    return flappers !== 0 ? Violation.Flap : Violation.None;
  }

  /** The core of a process that died: all its states are one. */
  private bury(): void {
    this.isCoreUntouched = false;
    this.layout.clear(0, this.layout.core);
    this.memory.set(Memo.Stage, Stage.Over);
    for (let slot = 1; slot < Memo.Slots; slot++) this.memory.set64(slot, u64(0));
  }

  /** A call of the core is begun, or goes on; and then what only we can see. */
  private go(operation: i32): i32 {
    let violation = this.step(operation, true);
    while (violation === 0 && this.isLocal(operation)) violation = this.step(operation, false);
    return violation;
  }

  /** The first call of a deed is what is told of it. */
  private step(operation: i32, isTold: bool): i32 {
    const slot = Memo.Tasks + operation;
    let task = this.memory.get(slot) - 1;
    const isNew = task < 0;
    if (isNew) {
      this.isCoreUntouched = false;
      assert(this.machine.takeCall(operation));
      this.coverage.step(this.word(CallWord.Step));
      if (isTold) this.tellCall();
      task = this.controls.begin();
      if (task < 0) task = this.calls.begin(0, 0);
      assert(task >= 0);
      this.memory.set(slot, task + 1);
    }
    const step = this.calls.step(task);
    this.hasMoved = isNew || step !== Step.Blocked;
    if (isTold) this.coverage.put(Told.Status, step);
    this.world.look(0);
    if (step !== Step.Done) return 0;
    const ticket = this.machine.state.get(operation, Field.Ticket);
    const result = this.calls.finish(task);
    if (isTold) this.coverage.put(Told.Result, result);
    this.memory.set(slot, 0);
    this.isCoreUntouched = false;
    const fault = this.machine.handleCompletion(u64(NOW), ticket, result);
    assert(fault === 0);
    return this.program.hear(0);
  }

  private word(word: i32): i32 {
    return this.machine.outbox.getInt32(word * 8, true);
  }

  private tellCall(): void {
    this.coverage.put(Told.Call, this.word(CallWord.Call));
    this.coverage.put(Told.Step, this.word(CallWord.Step));
    this.coverage.put(Told.Descriptor, this.word(CallWord.Descriptor));
    this.coverage.put(Told.Request, this.word(CallWord.Request));
    this.coverage.put(Told.Place, this.word(CallWord.Place));
    this.coverage.put(Told.Number, this.word(CallWord.Number));
    this.coverage.put(Told.Partition, this.word(CallWord.Partition));
  }

  /** Whether an operation's next call is of our own files only. */
  private isLocal(operation: i32): bool {
    const state = this.machine.state;
    if (state.get(operation, Field.CallPending) === 0) return false;
    const place = state.get(operation, Field.CallPlace);
    switch (state.get(operation, Field.CallKind)) {
      case Call.Fstat:
      case Call.Fsync:
      case Call.Pread:
        return true;
      case Call.Open:
        return place === Place.Image || place === Place.Reopen;
      case Call.MakeNode:
        return place === Place.Private;
      case Call.Close: {
        const file = state.get(operation, Field.CallDescriptor);
        const kernel = this.kernel.state;
        if (file >= kernel.capacity.files) return true;
        return this.kernel.files.kind(file) === FileKind.Image;
      }
      default:
        return false;
    }
  }

  /** As a host does it: what was dropped is asked for when the queue is empty. */
  private receive(group: i32): i32 {
    const state = this.machine.state;
    const truth = this.world.ghost.truth(0, group);
    const bytes = this.calls.receive(0, group, state.slotsAt, state.recordsAt);
    assert(bytes > 0);
    const fault = this.machine.handleDatagram(u64(NOW), 0);
    this.coverage.put(Told.Fault, fault);
    const violation = this.program.hear(truth);
    const socket = this.kernel.sockets.find(0, group);
    const kernel = this.kernel.state;
    if (kernel.get8(kernel.socketAt(socket) + Socket.Count) > 0) return violation;
    const drops = this.kernel.sockets.takeDrops(socket);
    if (drops === 0) return violation;
    this.machine.handleOverrun(u64(NOW), group, drops);
    return violation !== 0 ? violation : this.program.hear(0);
  }

  /* Time. */

  private timer(deed: i32): i32 {
    const state = this.machine.state;
    const operation = deed & 15;
    if (deed >= DeedNumber.Grace) {
      state.set64(operation, Field.Grace, u64(NOW));
    } else if (deed >= DeedNumber.Deadline) {
      const left = this.memory.get(Memo.Deadlines);
      this.memory.set(Memo.Deadlines, left > 0 ? left - 1 : 0);
      this.memory.set(Memo.Excused, 1);
      state.set64(operation, Field.Deadline, u64(NOW));
    } else {
      if (deed >= DeedNumber.GiveUp) {
        if (this.memory.get(Memo.Stage) === Stage.Attaching) this.memory.set(Memo.Excused, 1);
        state.set(operation, Field.Waits, LAST_TRY);
      }
      state.set64(operation, Field.Wake, u64(NOW));
    }
    return this.runOut();
  }

  private look(deed: i32): i32 {
    const disk = deed & 15;
    const machine = this.machine;
    if (deed >= DeedNumber.AskUdev && !this.world.isUdevIdle()) {
      this.memory.set(Memo.Asks, this.memory.get(Memo.Asks) - 1);
    }
    if (deed >= DeedNumber.AskUdev) machine.registry.setDisk64(disk, DiskField.AskAt, u64(NOW));
    machine.deadlines.set(machine.state.watches + disk, u64(NOW));
    return this.runOut();
  }

  private runOut(): i32 {
    this.machine.handleTimeout(u64(NOW));
    return this.program.hear(0);
  }
}

/** The core comes first: parts that die with its process. */
function layOut(machine: Machine, kernel: Kernel, world: World, memory: Memory): Parts {
  const parts = new Parts();
  const state = machine.state;
  parts.add(state.buffer, 0, state.buffer.byteLength);
  for (let operation = 0; operation <= state.lookout; operation++) {
    parts.add(state.buffersBuffer, state.bufferAt(operation), KEPT_BYTES);
  }
  parts.core = parts.count;
  parts.add(kernel.state.buffer, 0, kernel.state.buffer.byteLength);
  parts.add(world.state.buffer, 0, world.state.buffer.byteLength);
  parts.add(memory.buffer, 0, memory.buffer.byteLength);
  return parts;
}
