/**
 * Where the simulated kernel remembers: one contiguous region, hashed and snapshotted as a whole.
 *
 *   globals | images | processes | loop 0: fields, partitions | loop 1 ... | files | tasks
 *           | socket 0: fields, queue | socket 1 ...
 *
 * An explorer's small configuration has less than 3 KiB. What never changes after start (tables of
 * images, the version) is no part of it.
 */
import { Bytes } from "./bytes.ts";
import {
  EventField,
  File,
  FileKind,
  Global,
  ImageField,
  Loop,
  Partition,
  ProcessField,
  Socket,
  Task,
} from "./layout.ts";

/** Capacities, chosen at start. */
export class Capacity {
  readonly loops: i32;
  readonly partitions: i32;
  readonly files: i32;
  readonly tasks: i32;
  readonly sockets: i32;
  /** Datagrams that a socket can keep, whatever its buffer. */
  readonly queue: i32;
  readonly images: i32;
  readonly processes: i32;

  constructor(
    loops: i32,
    partitions: i32,
    files: i32,
    tasks: i32,
    sockets: i32,
    queue: i32,
    images: i32,
    processes: i32,
  ) {
    assert(loops > 0 && loops <= 64 && partitions > 0 && partitions <= 255);
    assert(files > 0 && files <= 250 && tasks > 0 && tasks <= 64);
    assert(sockets > 0 && sockets <= 16 && queue > 0 && queue <= 255);
    assert(images > 0 && images <= 64 && processes > 0 && processes <= 64);
    this.loops = loops;
    this.partitions = partitions;
    this.files = files;
    this.tasks = tasks;
    this.sockets = sockets;
    this.queue = queue;
    this.images = images;
    this.processes = processes;
  }
}

function stateBytes(capacity: Capacity): i32 {
  const fixed = Global.Bytes + capacity.images * ImageField.Bytes;
  const loop = Loop.Bytes + capacity.partitions * Partition.Bytes;
  const socket = Socket.Bytes + capacity.queue * EventField.Bytes;
  const processes = (capacity.processes * ProcessField.Bytes + 7) & ~7;
  const tables = capacity.loops * loop + capacity.files * File.Bytes;
  return fixed + processes + tables + capacity.tasks * Task.Bytes + capacity.sockets * socket;
}

export class State extends Bytes {
  readonly capacity: Capacity;
  private readonly imagesAt: i32;
  private readonly processesAt: i32;
  private readonly loopsAt: i32;
  private readonly loopBytes: i32;
  private readonly filesAt: i32;
  private readonly tasksAt: i32;
  private readonly socketsAt: i32;
  private readonly socketBytes: i32;

  constructor(capacity: Capacity) {
    super(new ArrayBuffer(stateBytes(capacity)));
    const processesAt = Global.Bytes + capacity.images * ImageField.Bytes;
    const loopsAt = (processesAt + capacity.processes * ProcessField.Bytes + 7) & ~7;
    const loopBytes = Loop.Bytes + capacity.partitions * Partition.Bytes;
    const filesAt = loopsAt + capacity.loops * loopBytes;
    const tasksAt = filesAt + capacity.files * File.Bytes;
    const socketsAt = tasksAt + capacity.tasks * Task.Bytes;
    this.capacity = capacity;
    this.imagesAt = Global.Bytes;
    this.processesAt = processesAt;
    this.loopsAt = loopsAt;
    this.loopBytes = loopBytes;
    this.filesAt = filesAt;
    this.tasksAt = tasksAt;
    this.socketsAt = socketsAt;
    this.socketBytes = Socket.Bytes + capacity.queue * EventField.Bytes;
  }

  /* Where records lie. */

  imageAt(image: i32): i32 {
    assert(image >= 0 && image < this.capacity.images);
    return this.imagesAt + image * ImageField.Bytes;
  }

  processAt(process: i32): i32 {
    assert(process >= 0 && process < this.capacity.processes);
    return this.processesAt + process * ProcessField.Bytes;
  }

  loopAt(loop: i32): i32 {
    assert(loop >= 0 && loop < this.capacity.loops);
    return this.loopsAt + loop * this.loopBytes;
  }

  partitionAt(loop: i32, place: i32): i32 {
    assert(place >= 0 && place < this.capacity.partitions);
    return this.loopAt(loop) + Loop.Bytes + place * Partition.Bytes;
  }

  fileAt(file: i32): i32 {
    assert(file >= 0 && file < this.capacity.files);
    return this.filesAt + file * File.Bytes;
  }

  taskAt(task: i32): i32 {
    assert(task >= 0 && task < this.capacity.tasks);
    return this.tasksAt + task * Task.Bytes;
  }

  socketAt(socket: i32): i32 {
    assert(socket >= 0 && socket < this.capacity.sockets);
    return this.socketsAt + socket * this.socketBytes;
  }

  eventAt(socket: i32, place: i32): i32 {
    assert(place >= 0 && place < this.capacity.queue);
    return this.socketAt(socket) + Socket.Bytes + place * EventField.Bytes;
  }

  /* Loop devices and partitions. */

  loop(loop: i32, field: i32): i32 {
    return this.get8(this.loopAt(loop) + field);
  }

  setLoop(loop: i32, field: i32, value: i32): void {
    this.set8(this.loopAt(loop) + field, value);
  }

  /** The place of a loop device by its number, -1: there is none. */
  findLoop(number: i32): i32 {
    for (let loop = 0; loop < this.capacity.loops; loop++) {
      const at = this.loopAt(loop);
      if (this.get8(at + Loop.Present) !== 0 && this.get32(at + Loop.Number) === number) {
        return loop;
      }
    }
    return -1;
  }

  /** Where a partition's record lies, -1: there is none of that number. */
  findPartition(loop: i32, number: i32): i32 {
    for (let place = 0; place < this.capacity.partitions; place++) {
      const at = this.partitionAt(loop, place);
      const found = this.get8(at + Partition.Number);
      if (found === number) return at;
      if (found === 0 || found > number) return -1;
    }
    return -1;
  }

  countPartitions(loop: i32): i32 {
    let count = 0;
    while (count < this.capacity.partitions) {
      if (this.get8(this.partitionAt(loop, count) + Partition.Number) === 0) break;
      count++;
    }
    return count;
  }

  isLoopFile(file: i32): bool {
    const kind = this.get8(this.fileAt(file) + File.Kind);
    return kind === FileKind.Disk || kind === FileKind.Partition;
  }
}
