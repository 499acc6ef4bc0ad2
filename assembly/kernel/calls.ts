/**
 * The core's calls (`Call`, `CallWord` of the boundary) on the simulated kernel, as tasks: what a
 * host does for the real one, so that a core and a kernel can be driven without a host between
 * them. The words and the bytes are the very ones of the core; every answer is left in the bytes in
 * the step that finishes the call.
 */
import { Call, CallWord, DatagramFlag, DatagramWord, Place } from "../abi.ts";
import { Errno, Ioctl } from "../wire/linux.ts";
import {
  Blkpg,
  LO_FILE_NAME,
  LoopConfig,
  LoopInfo,
  loopFlags,
  loopOffset,
  loopSizeLimit,
} from "../wire/loop.ts";
import { Switch } from "./eras.ts";
import { Inquiry } from "./inquiry.ts";
import { Kernel } from "./kernel.ts";
import { File, FileKind, NodeKind, ProcessField, Task } from "./layout.ts";
import { Routine } from "./routines.ts";
import { Step } from "./tasks.ts";

const NONE: u64 = u64(0);

export class Calls {
  private readonly kernel: Kernel;
  private readonly inquiry: Inquiry;
  /** The core's outbox and its buffers. */
  readonly words: DataView;
  readonly buffers: DataView;
  private readonly sender: DataView;

  constructor(kernel: Kernel, inquiry: Inquiry, words: DataView, buffers: DataView) {
    this.kernel = kernel;
    this.inquiry = inquiry;
    this.words = words;
    this.buffers = buffers;
    this.sender = new DataView(new ArrayBuffer(12));
  }

  private word(name: i32): i32 {
    return this.words.getInt32(name * 8, true);
  }

  private word64(name: i32): u64 {
    return this.words.getUint64(name * 8, true);
  }

  /**
   * Begins the call whose words lie in the outbox; `image` is what `Place.Image` means. Its task,
   * -1 when all are in use. What takes no lock is done at once: the task is done already.
   */
  begin(process: i32, image: i32): i32 {
    const task = this.start(process, image);
    if (task < 0) return -1;
    const kernel = this.kernel;
    const at = kernel.state.taskAt(task);
    kernel.state.set8(at + Task.Call, this.word(CallWord.Call));
    kernel.state.set32(at + Task.Buffer, this.word(CallWord.Buffer));
    kernel.state.set32(at + Task.Room, this.word(CallWord.Bytes));
    return task;
  }

  /** Runs it to its next choice point. */
  step(task: i32): i32 {
    const routine = this.routine(task);
    const file = this.kernel.tasks.get(task, Task.A);
    const step = this.kernel.step(task);
    // The status is that of the moment at which the call had the lock.
    if (step === Step.Done && routine === Routine.GetStatus) this.putStatus(task, file);
    return step;
  }

  run(task: i32): i32 {
    let step = this.step(task);
    while (step === Step.Ran) step = this.step(task);
    return step;
  }

  /** The completion of a call that is done. */
  finish(task: i32): i32 {
    const result = this.kernel.tasks.get(task, Task.Result);
    this.kernel.tasks.release(task);
    return result;
  }

  /**
   * Receives one datagram of a process' socket into a slot and its record (`DatagramWord`): its
   * bytes, -EAGAIN: there is none.
   */
  receive(process: i32, group: i32, slot: i32, record: i32): i32 {
    const socket = this.kernel.sockets.find(process, group);
    if (socket < 0) return -Errno.ENOTCONN;
    const bytes = this.kernel.sockets.receive(socket, this.sender);
    if (bytes < 0) return bytes;
    const view = this.buffers;
    const from = this.kernel.format.bytes;
    for (let i = 0; i < bytes; i++) view.setUint8(slot + i, from.getUint8(i));
    view.setUint32(record + DatagramWord.Group * 4, group, true);
    view.setUint32(record + DatagramWord.Bytes * 4, bytes, true);
    view.setUint32(record + DatagramWord.PortId * 4, this.sender.getUint32(0, true), true);
    view.setUint32(record + DatagramWord.Pid * 4, this.sender.getUint32(4, true), true);
    view.setUint32(record + DatagramWord.Uid * 4, this.sender.getUint32(8, true), true);
    view.setUint32(record + DatagramWord.Flags * 4, DatagramFlag.Credentials, true);
    return bytes;
  }

  private routine(task: i32): i32 {
    return this.kernel.tasks.depth(task) === 1 ? this.kernel.tasks.routine(task) : Routine.None;
  }

  private start(process: i32, image: i32): i32 {
    const kernel = this.kernel;
    const descriptor = this.word(CallWord.Descriptor);
    switch (this.word(CallWord.Call)) {
      case Call.Open:
        return this.open(process, image);
      case Call.Close:
        return this.task(process, Routine.Close, descriptor, 0);
      case Call.Flock: {
        const operation = this.word(CallWord.Request);
        return kernel.answered(process, kernel.flock(process, descriptor, operation));
      }
      case Call.IoctlValue:
        return this.ioctlValue(process, descriptor);
      case Call.IoctlBuffer:
        return this.ioctlBuffer(process, descriptor);
      case Call.Blkpg:
        return this.blkpg(process, descriptor);
      case Call.MakeNode:
      case Call.RemoveNode:
        return kernel.answered(process, this.node(process));
      case Call.Subscribe:
      case Call.Unsubscribe:
        return kernel.answered(process, this.subscribe(process));
      default:
        return kernel.answered(process, this.inquire(process));
    }
  }

  private task(process: i32, routine: i32, a: i32, b: i32): i32 {
    return this.kernel.begin(process, routine, a, b, 0, 0, NONE, NONE);
  }

  private open(process: i32, image: i32): i32 {
    const kernel = this.kernel;
    const flags = this.word(CallWord.Request);
    const number = this.word(CallWord.Number);
    const partition = this.word(CallWord.Partition);
    switch (this.word(CallWord.Place)) {
      case Place.Image:
        return kernel.answered(process, kernel.files.openImage(process, image, flags));
      case Place.Reopen:
        return this.reopen(process, this.word(CallWord.Descriptor), flags);
      case Place.Control:
        return kernel.answered(process, kernel.files.openControl(process, flags));
      case Place.Disk:
        return this.openNode(process, NodeKind.Public, number, flags, 0);
      case Place.Partition:
        return this.openNode(process, NodeKind.Public, number, flags, partition);
      case Place.Private:
        return this.openNode(process, NodeKind.Private, number, flags, partition);
      case Place.Hidden:
        return this.openNode(process, NodeKind.Hidden, number, flags, partition);
      default:
        return kernel.answered(process, -Errno.EINVAL);
    }
  }

  private openNode(process: i32, node: i32, number: i32, flags: i32, partition: i32): i32 {
    return this.kernel.begin(process, Routine.Open, number, flags, partition, node, NONE, NONE);
  }

  /** /proc/self/fd leads to the file itself, whatever its path is. */
  private reopen(process: i32, descriptor: i32, flags: i32): i32 {
    const kernel = this.kernel;
    const files = kernel.files;
    if (!files.isOwn(process, descriptor)) return kernel.answered(process, -Errno.ENOENT);
    const kind = files.kind(descriptor);
    if (kind === FileKind.Image || kind === FileKind.Other) {
      const image = files.get(descriptor, File.Image);
      return kernel.answered(process, files.openInode(process, image, flags));
    }
    if (kind === FileKind.Control) {
      return kernel.answered(process, files.openControl(process, flags));
    }
    const number = this.inquiry.numberOf(descriptor);
    const partition = files.get(descriptor, File.Partition);
    return this.openNode(process, NodeKind.Public, number, flags, partition);
  }

  private ioctlValue(process: i32, descriptor: i32): i32 {
    const value = i32(this.word64(CallWord.Argument));
    switch (this.word(CallWord.Request)) {
      case Ioctl.LOOP_SET_FD:
        return this.task(process, Routine.SetFd, descriptor, value);
      case Ioctl.LOOP_CHANGE_FD:
        return this.task(process, Routine.ChangeFd, descriptor, value);
      case Ioctl.LOOP_CLR_FD:
        return this.task(process, Routine.ClearFd, descriptor, 0);
      case Ioctl.LOOP_SET_CAPACITY:
        return this.task(process, Routine.SetCapacity, descriptor, 0);
      case Ioctl.LOOP_SET_DIRECT_IO:
        return this.task(process, Routine.SetDirectIo, descriptor, value);
      case Ioctl.LOOP_SET_BLOCK_SIZE:
        return this.task(process, Routine.SetBlockSize, descriptor, value);
      case Ioctl.LOOP_CTL_ADD:
        return this.task(process, Routine.ControlAdd, descriptor, value);
      case Ioctl.LOOP_CTL_REMOVE:
        return this.task(process, Routine.ControlRemove, descriptor, value);
      case Ioctl.LOOP_CTL_GET_FREE:
        return this.task(process, Routine.ControlGetFree, descriptor, 0);
      case Ioctl.BLKRRPART:
        return this.task(process, Routine.Reread, descriptor, 0);
      case Ioctl.BLKFLSBUF:
        return this.kernel.answered(process, this.inquiry.checkDevice(process, descriptor));
      default:
        return this.kernel.answered(process, -Errno.ENOTTY);
    }
  }

  private ioctlBuffer(process: i32, descriptor: i32): i32 {
    const at = this.word(CallWord.Buffer);
    const room = this.word(CallWord.Bytes);
    const kernel = this.kernel;
    switch (this.word(CallWord.Request)) {
      case Ioctl.LOOP_CONFIGURE:
        if (room < LoopConfig.Bytes) return kernel.answered(process, -Errno.EFAULT);
        return this.configure(process, descriptor, at);
      case Ioctl.LOOP_SET_STATUS64:
        if (room < LoopInfo.Bytes) return kernel.answered(process, -Errno.EFAULT);
        return this.setStatus(process, descriptor, at);
      case Ioctl.LOOP_GET_STATUS64:
        if (room < LoopInfo.Bytes) return kernel.answered(process, -Errno.EFAULT);
        return this.task(process, Routine.GetStatus, descriptor, 0);
      case i32(Ioctl.BLKGETSIZE64):
        return kernel.answered(process, this.inquiry.size(process, descriptor, this.buffers, at));
      case Ioctl.BLKSSZGET:
        return kernel.answered(
          process,
          this.inquiry.blockSize(process, descriptor, this.buffers, at),
        );
      case i32(Ioctl.BLKGETDISKSEQ):
        return kernel.answered(process, this.diskseq(process, descriptor, at));
      default:
        return kernel.answered(process, -Errno.ENOTTY);
    }
  }

  private diskseq(process: i32, descriptor: i32, at: i32): i32 {
    const checked = this.inquiry.checkDevice(process, descriptor);
    if (checked < 0) return checked;
    // An unknown ioctl falls through to the loop driver, which answers so.
    if (!this.kernel.setup.era.has(Switch.HasDiskseq)) return -Errno.EINVAL;
    return this.inquiry.diskseq(process, descriptor, this.buffers, at);
  }

  private configure(process: i32, descriptor: i32, at: i32): i32 {
    const view = this.buffers;
    const info = at + LoopConfig.Info;
    const task = this.kernel.begin(
      process,
      Routine.Configure,
      descriptor,
      view.getInt32(at, true),
      loopFlags(view, info),
      view.getInt32(at + 4, true),
      loopOffset(view, info),
      loopSizeLimit(view, info),
    );
    if (task >= 0) this.kernel.nameTask(task, view, info + LO_FILE_NAME);
    return task;
  }

  private setStatus(process: i32, descriptor: i32, at: i32): i32 {
    const view = this.buffers;
    const task = this.kernel.begin(
      process,
      Routine.SetStatus,
      descriptor,
      0,
      loopFlags(view, at),
      0,
      loopOffset(view, at),
      loopSizeLimit(view, at),
    );
    if (task >= 0) this.kernel.nameTask(task, view, at + LO_FILE_NAME);
    return task;
  }

  private putStatus(task: i32, file: i32): void {
    const kernel = this.kernel;
    if (kernel.tasks.get(task, Task.Result) < 0) return;
    this.inquiry.putStatus(file, this.buffers, kernel.tasks.get(task, Task.Buffer));
  }

  private blkpg(process: i32, descriptor: i32): i32 {
    const view = this.buffers;
    const at = this.word(CallWord.Buffer);
    if (this.word(CallWord.Bytes) < Blkpg.Bytes) {
      return this.kernel.answered(process, -Errno.EFAULT);
    }
    return this.kernel.begin(
      process,
      Routine.Blkpg,
      descriptor,
      this.word(CallWord.Request),
      view.getInt32(at + 16, true),
      0,
      view.getUint64(at, true),
      view.getUint64(at + 8, true),
    );
  }

  /** A node that is made again is the same one; nothing depends on one that is not removed. */
  private node(process: i32): i32 {
    const place = this.word(CallWord.Place);
    if (place === Place.Disk) return this.publicNode();
    if (place === Place.Hidden) this.countNode(process);
    return place === Place.Private || place === Place.Hidden ? 0 : -Errno.EINVAL;
  }

  /** Of a disk, in devtmpfs: who removes it keeps others from opening the disk. */
  private publicNode(): i32 {
    const isMade = this.word(CallWord.Call) === Call.MakeNode;
    return this.kernel.setNode(this.word(CallWord.Number), isMade);
  }

  /** One that stays visible in /dev until it is removed; the others go with the process. */
  private countNode(process: i32): void {
    const at = this.kernel.state.processAt(process) + ProcessField.Nodes;
    const nodes = this.kernel.state.get8(at);
    if (this.word(CallWord.Call) === Call.MakeNode) this.kernel.state.set8(at, nodes + 1);
    else if (nodes > 0) this.kernel.state.set8(at, nodes - 1);
  }

  private subscribe(process: i32): i32 {
    const group = this.word(CallWord.Number);
    if (this.word(CallWord.Call) === Call.Subscribe) return this.inquiry.subscribe(process, group);
    return this.inquiry.unsubscribe(process, group);
  }

  /** What only asks, and is answered at once. */
  private inquire(process: i32): i32 {
    const inquiry = this.inquiry;
    const view = this.buffers;
    const at = this.word(CallWord.Buffer);
    const room = this.word(CallWord.Bytes);
    const number = this.word(CallWord.Number);
    const partition = this.word(CallWord.Partition);
    const descriptor = this.word(CallWord.Descriptor);
    const first = this.word64(CallWord.Argument);
    switch (this.word(CallWord.Call)) {
      case Call.Fstat:
        return inquiry.fstat(process, descriptor, view, at);
      case Call.Pread:
        return inquiry.pread(process, descriptor, first, view, at, room);
      case Call.Fsync:
        return this.kernel.files.isOwn(process, descriptor) ? 0 : -Errno.EBADF;
      case Call.ReadDisk:
        return inquiry.readDisk(inquiry.named(number, view, at, room), view, at);
      case Call.ListPartitions:
        return inquiry.listPartitions(inquiry.named(number, view, at, room), view, at, room);
      case Call.FindBacking:
        return inquiry.findBacking(first, this.word64(CallWord.Argument2), number);
      case Call.FindUnbound:
        return inquiry.findUnbound(number);
      case Call.FindHolders:
        return inquiry.findHolders(number, descriptor, view, at);
      case Call.ReadRecord:
        return inquiry.readRecord(number, partition, view, at);
      case Call.Trigger:
        return inquiry.trigger(partition, view, at);
      default:
        return -Errno.ENOSYS;
    }
  }
}
