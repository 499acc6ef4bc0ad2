/**
 * The simulated kernel as a whole: begins system calls as tasks, runs them from one choice point to
 * the next, and does at once what nobody can interrupt. Knows no actor and no order: whoever drives
 * it chooses which task goes on.
 */
import { Action, Group } from "../abi.ts";
import { Errno } from "../wire/linux.ts";
import { Backing } from "./backing.ts";
import { Blkpg } from "./blkpg.ts";
import { Block } from "./block.ts";
import { Clear } from "./clear.ts";
import { Configure, NAME_BYTES } from "./configure.ts";
import { Control } from "./control.ts";
import { Switch } from "./eras.ts";
import { Events } from "./events.ts";
import { Files } from "./files.ts";
import { Format } from "./format.ts";
import {
  File,
  FileFlag,
  FileKind,
  Global,
  Loop,
  Partition,
  ProcessField,
  Task,
  TaskPhase,
  TaskStatus,
} from "./layout.ts";
import { Locks } from "./locks.ts";
import { Common } from "./room.ts";
import { Routine } from "./routines.ts";
import { Scan } from "./scan.ts";
import { Scenario } from "./scenario.ts";
import { Setup } from "./setup.ts";
import { Sockets } from "./sockets.ts";
import { State } from "./state.ts";
import { Status } from "./status.ts";
import { Flow, Step, Tasks } from "./tasks.ts";
import { Views } from "./views.ts";

/** More stages than any call has between two choice points. */
const STAGES_MAX: i32 = 2000;

export class Kernel {
  readonly state: State;
  readonly setup: Setup;
  readonly tasks: Tasks;
  readonly files: Files;
  readonly backing: Backing;
  readonly sockets: Sockets;
  readonly events: Events;
  readonly format: Format;
  readonly views: Views;
  readonly scenario: Scenario;
  private readonly parts: Scan;
  private readonly block: Block;
  private readonly configuring: Configure;
  private readonly status: Status;
  private readonly clearing: Clear;
  private readonly control: Control;
  private readonly blkpg: Blkpg;

  constructor(state: State, setup: Setup) {
    const format = new Format(setup);
    const sockets = new Sockets(state, setup, format);
    const events = new Events(state, sockets);
    const tasks = new Tasks(state);
    const locks = new Locks(state, setup, tasks);
    const files = new Files(state, setup);
    const parts = new Scan(state, setup, tasks, events, files);
    const common = new Common(state, setup, tasks, locks, files, events);
    const backing = new Backing(state, setup, files, events);
    this.backing = backing;
    this.state = state;
    this.setup = setup;
    this.tasks = tasks;
    this.files = files;
    this.sockets = sockets;
    this.events = events;
    this.format = format;
    this.views = new Views(state, setup);
    this.scenario = new Scenario(state, setup.era, sockets, events);
    this.parts = parts;
    this.block = new Block(common);
    this.configuring = new Configure(common, backing);
    this.status = new Status(common, backing);
    this.clearing = new Clear(common);
    this.control = new Control(common, parts);
    this.blkpg = new Blkpg(common, parts);
  }

  /** Devices that the module makes at start (max_loop), and the number that it continues from. */
  boot(loops: i32, diskseq: i32): void {
    const state = this.state;
    assert(loops >= 0 && loops <= state.capacity.loops);
    state.set32(Global.Diskseq, diskseq);
    for (let loop = 0; loop < loops; loop++) {
      this.control.place(loop, loop);
      state.setLoop(loop, Loop.Visible, 1);
      state.setLoop(loop, Loop.Live, 1);
      state.setLoop(loop, Loop.Shown, 1);
      if (this.setup.era.has(Switch.HasDiskseq)) this.parts.takeDiskseq(loop);
    }
  }

  /* Tasks. */

  /** Begins a system call of a process: its task, -1 when all are in use. */
  begin(process: i32, routine: i32, a: i32, b: i32, c: i32, d: i32, e: u64, f: u64): i32 {
    if (routine <= Routine.None || routine > Routine.Exit) {
      return this.answered(process, -Errno.ENOSYS);
    }
    const task = this.tasks.allocate(process);
    if (task < 0) return -1;
    this.tasks.set(task, Task.A, a);
    this.tasks.set(task, Task.B, b);
    this.tasks.set(task, Task.C, c);
    this.tasks.set(task, Task.D, d);
    this.tasks.set64(task, Task.E, e);
    this.tasks.set64(task, Task.F, f);
    if (routine === Routine.Exit) {
      this.state.set8(this.state.processAt(process) + ProcessField.Dying, 1);
    }
    this.tasks.call(task, routine, 0, 0);
    return task;
  }

  /** A task that is done before it began: what takes one step and no lock. */
  answered(process: i32, result: i32): i32 {
    const task = this.tasks.allocate(process);
    if (task < 0) return -1;
    this.state.set8(this.state.taskAt(task) + Task.Status, TaskStatus.Done);
    this.tasks.set(task, Task.Result, result);
    return task;
  }

  /** lo_file_name of a call that was just begun: 64 bytes. */
  nameTask(task: i32, view: DataView, at: i32): void {
    this.state.fill(this.state.taskAt(task) + Task.Name, view, at, NAME_BYTES);
  }

  /** Runs a task to its next choice point. */
  step(task: i32): i32 {
    const status = this.state.get8(this.state.taskAt(task) + Task.Status);
    if (status === TaskStatus.Done) return Step.Done;
    assert(status === TaskStatus.Running);
    let hasRun = false;
    for (let stage = 0; stage < STAGES_MAX; stage++) {
      if (this.tasks.depth(task) === 0) {
        if (this.end(task)) return Step.Done;
        hasRun = true;
        continue;
      }
      const flow = this.dispatch(task);
      if (flow === Flow.Block) return hasRun ? Step.Ran : Step.Blocked;
      hasRun = true;
      if (flow === Flow.Pause) return Step.Ran;
    }
    assert(false);
    return Step.Blocked;
  }

  /** Runs it until it is done or waits. */
  run(task: i32): i32 {
    for (let step = 0; step < STAGES_MAX; step++) {
      const result = this.step(task);
      if (result !== Step.Ran) return result;
    }
    assert(false);
    return Step.Blocked;
  }

  /** What is left to do when a call has its answer; true when nothing is. */
  private end(task: i32): bool {
    const state = this.state;
    const at = state.taskAt(task);
    if (state.get8(at + Task.Phase) === TaskPhase.Call) {
      state.set8(at + Task.Phase, TaskPhase.Ending);
      state.set32(at + Task.Answer, state.get32(at + Task.Result));
    }
    const deferred = state.get8(at + Task.Deferred) - 1;
    if (deferred >= 0) {
      state.set8(at + Task.Deferred, 0);
      this.tasks.call(task, Routine.CloseFile, deferred, 0);
      return false;
    }
    const answer = state.get32(at + Task.Answer);
    const process = state.get8(at + Task.Process);
    const call = state.get8(at + Task.Call);
    const buffer = state.get32(at + Task.Buffer);
    const room = state.get32(at + Task.Room);
    state.zero(at, Task.Bytes);
    // Nobody waits for the answer to a call of a process that ends.
    if (state.get8(state.processAt(process) + ProcessField.Dying) !== 0) return true;
    state.set8(at + Task.Status, TaskStatus.Done);
    state.set8(at + Task.Process, process);
    state.set32(at + Task.Result, answer);
    state.set8(at + Task.Call, call);
    state.set32(at + Task.Buffer, buffer);
    state.set32(at + Task.Room, room);
    return true;
  }

  private dispatch(task: i32): i32 {
    const tasks = this.tasks;
    const routine = tasks.routine(task);
    if (routine >= Routine.OpenDevice) return this.part(task, routine);
    if (routine === Routine.Open) return this.block.open(task);
    if (routine === Routine.Close) return this.block.close(task);
    if (routine === Routine.Exit) return this.exit(task);
    // The descriptor is looked up once, at the start of the call; a holds the device from there on.
    if (tasks.pc(task) === 0) {
      const found = this.resolve(task, routine);
      if (found < 0) return tasks.finish(task, found);
      if (routine < Routine.ControlAdd) tasks.setA(task, found);
    }
    switch (routine) {
      case Routine.Configure:
      case Routine.SetFd:
        return this.configuring.configure(task);
      case Routine.ChangeFd:
        return this.status.changeFd(task);
      case Routine.ClearFd:
        return this.clearing.clearFd(task);
      case Routine.SetStatus:
        return this.status.set(task);
      case Routine.GetStatus:
        return this.status.get(task);
      case Routine.SetCapacity:
        return this.status.setCapacity(task);
      case Routine.SetBlockSize:
        return this.status.setBlockSize(task);
      case Routine.SetDirectIo:
        return this.status.setDirectIo(task);
      case Routine.Reread:
        return this.block.reread(task);
      case Routine.Blkpg:
        return this.blkpg.blkpg(task);
      case Routine.ControlAdd:
        return this.control.add(task, false);
      case Routine.ControlRemove:
        return this.control.remove(task);
      case Routine.ControlGetFree:
        return this.control.add(task, true);
      default:
        return tasks.finish(task, -Errno.ENOSYS);
    }
  }

  private part(task: i32, routine: i32): i32 {
    switch (routine) {
      case Routine.OpenDevice:
        return this.block.openDevice(task);
      case Routine.CloseDevice:
        return this.block.closeDevice(task);
      case Routine.CloseFile:
        return this.block.closeFile(task);
      case Routine.Release:
        return this.block.release(task);
      case Routine.Clear:
        return this.clearing.clear(task);
      case Routine.Scan:
        return this.parts.scan(task);
      default:
        return this.parts.mediaChange(task);
    }
  }

  /** The device behind an ioctl's descriptor, 0 for loop-control; -errno. */
  private resolve(task: i32, routine: i32): i32 {
    const file = this.tasks.get(task, Task.A);
    if (!this.files.isOwn(this.tasks.process(task), file)) return -Errno.EBADF;
    if (this.files.has(file, FileFlag.Path)) return -Errno.EBADF;
    const isControl = this.files.kind(file) === FileKind.Control;
    if (isControl) return routine >= Routine.ControlAdd ? 0 : -Errno.ENOSYS;
    if (routine >= Routine.ControlAdd || !this.state.isLoopFile(file)) return -Errno.ENOTTY;
    const isNew = routine === Routine.Configure;
    if (isNew && !this.setup.era.has(Switch.HasConfigure)) return -Errno.EINVAL;
    return this.files.get(file, File.Loop);
  }

  /** do_exit: waits for the process' other calls, then closes its descriptors one by one. */
  private exit(task: i32): i32 {
    const state = this.state;
    const process = this.tasks.process(task);
    for (let other = 0; other < state.capacity.tasks; other++) {
      const at = state.taskAt(other);
      if (other === task || state.get8(at + Task.Process) !== process) continue;
      if (state.get8(at + Task.Status) === TaskStatus.Running) return Flow.Block;
      if (state.get8(at + Task.Status) === TaskStatus.Done) this.tasks.release(other);
    }
    this.sockets.closeAll(process);
    const at = state.taskAt(task);
    const deferred = state.get8(at + Task.Deferred) - 1;
    if (deferred >= 0) {
      state.set8(at + Task.Deferred, 0);
      return this.exitCloses(task, deferred);
    }
    for (let file = 0; file < state.capacity.files; file++) {
      if (!this.files.isOwn(process, file)) continue;
      this.files.forget(file);
      if (!this.files.drop(file)) continue;
      return this.exitCloses(task, file);
    }
    state.set8(state.processAt(process) + ProcessField.Dying, 0);
    return this.tasks.finish(task, 0);
  }

  /** One file at a time, and back to look for the next. */
  private exitCloses(task: i32, file: i32): i32 {
    this.tasks.goto(task, 0);
    this.tasks.call(task, Routine.CloseFile, file, 0);
    return Flow.Pause;
  }

  /* What nobody can interrupt. */

  flock(process: i32, file: i32, operation: i32): i32 {
    if (!this.files.isOwn(process, file)) return -Errno.EBADF;
    return this.files.flock(file, operation);
  }

  /** Makes or removes the public node of a disk. */
  setNode(number: i32, isMade: bool): i32 {
    const loop = this.state.findLoop(number);
    const shown = loop < 0 ? 0 : this.state.loop(loop, Loop.Shown);
    if (isMade && shown !== 2) return shown === 0 ? -Errno.ENOENT : -Errno.EEXIST;
    if (!isMade && shown !== 1) return -Errno.ENOENT;
    this.state.setLoop(loop, Loop.Shown, isMade ? 1 : 2);
    return 0;
  }

  /** A write to `uevent` of a disk (partition 0) or partition; `uuid` -1: without one. */
  trigger(number: i32, partition: i32, action: i32, view: DataView | null, uuid: i32): i32 {
    const loop = this.state.findLoop(number);
    if (loop < 0 || this.state.loop(loop, Loop.Shown) === 0) return -Errno.ENOENT;
    if (partition !== 0 && this.state.findPartition(loop, partition) < 0) return -Errno.ENOENT;
    if (action < Action.Add || action > Action.Bind) return -Errno.EINVAL;
    this.events.synthetic(loop, partition, action, uuid < 0 ? null : view, uuid);
    return 0;
  }

  openSocket(process: i32, group: i32, receiveBuffer: i32, noEnobufs: bool): i32 {
    if (group !== Group.Kernel && group !== Group.Udev) return -Errno.EINVAL;
    return this.sockets.open(process, group, receiveBuffer, noEnobufs);
  }

  /** The image whose table a scan of a device would go by, -1: none. */
  recognise(loop: i32): i32 {
    return this.parts.recognise(loop);
  }

  /** What changes with every record that udev writes of a device; 0: there is none. */
  recordOf(major: i32, minor: i32): i32 {
    const found = this.block.findDevice(major, minor);
    if (found < 0) return 0;
    const at = this.state.findPartition(found >> 8, found & 0xff);
    if ((found & 0xff) === 0) return this.state.get16(this.state.loopAt(found >> 8) + Loop.Record);
    return at < 0 ? 0 : this.state.get16(at + Partition.Record);
  }
}
