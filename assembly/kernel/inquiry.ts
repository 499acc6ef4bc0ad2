/**
 * Calls that only ask: what sysfs, /dev, open descriptors and images show. Each is answered at one
 * moment, as the words of the boundary say (`DiskWord`, `PartitionEntryWord`, `StatWord`).
 */
import { Action, DiskWord, Group, Limit, PartitionEntryWord, StatWord } from "../abi.ts";
import { Errno, FileType } from "../wire/linux.ts";
import { clearBytes, LO_FILE_NAME, LoopInfo, loopNumber } from "../wire/loop.ts";
import { Content } from "./content.ts";
import { Switch } from "./eras.ts";
import { BLOCK_EXT_MAJOR, LOOP_MAJOR } from "./format.ts";
import { Kernel } from "./kernel.ts";
import { File, FileFlag, FileKind, Global, ImageField, Loop, Partition } from "./layout.ts";
import { ImageFact, ImageKind } from "./setup.ts";
import { State } from "./state.ts";

const SECTOR_SHIFT: u64 = u64(9);
/** st_dev of devtmpfs. */
const DEVTMPFS: u64 = u64(5);
const MISC_MAJOR: i32 = 10;
const LOOP_CTRL_MINOR: i32 = 237;
const S_IFCHR: i32 = 0x2000;
const S_IFDIR: i32 = 0x4000;
/** rw for root */
const MODE: i32 = 0x180;

export class Inquiry {
  private readonly kernel: Kernel;
  private readonly state: State;
  private readonly content: Content;

  constructor(kernel: Kernel, content: Content) {
    this.kernel = kernel;
    this.state = kernel.state;
    this.content = content;
  }

  /* Descriptors. */

  /** 0 where a descriptor is one of a block device, else -errno. */
  checkDevice(process: i32, file: i32): i32 {
    if (!this.kernel.files.isOwn(process, file)) return -Errno.EBADF;
    return this.state.isLoopFile(file) ? 0 : -Errno.ENOTTY;
  }

  numberOf(file: i32): i32 {
    const loop = this.kernel.files.get(file, File.Loop);
    return this.state.get32(this.state.loopAt(loop) + Loop.Number);
  }

  /** BLKGETSIZE64 */
  size(process: i32, file: i32, view: DataView, at: i32): i32 {
    const checked = this.checkDevice(process, file);
    if (checked === 0) view.setUint64(at, this.kernel.backing.fileSize(file), true);
    return checked;
  }

  /** BLKSSZGET */
  blockSize(process: i32, file: i32, view: DataView, at: i32): i32 {
    const checked = this.checkDevice(process, file);
    if (checked < 0) return checked;
    const loop = this.kernel.files.get(file, File.Loop);
    view.setInt32(at, this.state.get32(this.state.loopAt(loop) + Loop.BlockSize), true);
    return 0;
  }

  /** BLKGETDISKSEQ */
  diskseq(process: i32, file: i32, view: DataView, at: i32): i32 {
    const checked = this.checkDevice(process, file);
    if (checked < 0) return checked;
    const loop = this.kernel.files.get(file, File.Loop);
    view.setUint64(at, u64(this.state.get32(this.state.loopAt(loop) + Loop.Diskseq)), true);
    return 0;
  }

  /** The loop_info64 of the device behind a descriptor. */
  putStatus(file: i32, view: DataView, at: i32): void {
    const state = this.state;
    const loop = this.kernel.files.get(file, File.Loop);
    const from = state.loopAt(loop);
    clearBytes(view, at, LoopInfo.Bytes);
    const backing = state.get8(from + Loop.Backing) - 1;
    if (backing >= 0) {
      view.setUint64(at, this.device(backing), true);
      view.setUint64(at + 8, this.inode(backing), true);
      view.setUint64(at + 16, this.rdev(backing), true);
    }
    view.setUint64(at + 24, state.get64(from + Loop.Offset), true);
    view.setUint64(at + 32, state.get64(from + Loop.SizeLimit), true);
    view.setInt32(at + 40, state.get32(from + Loop.Number), true);
    view.setInt32(at + 52, state.get8(from + Loop.Flags), true);
    for (let i = 0; i < 63; i++) {
      view.setUint8(at + LO_FILE_NAME + i, u8(state.get8(from + Loop.Name + i)));
    }
  }

  /** `Call.Fstat` */
  fstat(process: i32, file: i32, view: DataView, at: i32): i32 {
    const files = this.kernel.files;
    if (!files.isOwn(process, file)) return -Errno.EBADF;
    const isDevice = this.state.isLoopFile(file);
    const rdev = this.rdev(file);
    view.setUint64(at + StatWord.Mode * 8, u64(this.mode(file) | MODE), true);
    view.setUint64(at + StatWord.Device * 8, this.device(file), true);
    view.setUint64(at + StatWord.Inode * 8, this.inode(file), true);
    view.setUint64(at + StatWord.Major * 8, u64(majorOf(rdev)), true);
    view.setUint64(at + StatWord.Minor * 8, u64(minorOf(rdev)), true);
    const isSized = !isDevice && files.kind(file) === FileKind.Image && !this.isBlock(file);
    view.setUint64(
      at + StatWord.Size * 8,
      isSized ? this.kernel.backing.fileSize(file) : u64(0),
      true,
    );
    view.setUint64(at + StatWord.Rdev * 8, rdev, true);
    return 0;
  }

  private isBlock(file: i32): bool {
    const image = this.kernel.files.get(file, File.Image);
    return this.kernel.setup.get(image, ImageFact.Kind) === ImageKind.Block;
  }

  private mode(file: i32): i32 {
    const kind = this.kernel.files.kind(file);
    if (kind === FileKind.Control) return S_IFCHR;
    if (kind === FileKind.Other) return S_IFDIR;
    if (kind !== FileKind.Image || this.isBlock(file)) return FileType.S_IFBLK;
    return FileType.S_IFREG;
  }

  private device(file: i32): u64 {
    const kind = this.kernel.files.kind(file);
    if (kind !== FileKind.Image && kind !== FileKind.Other) return DEVTMPFS;
    return this.kernel.setup.get64(this.kernel.files.get(file, File.Image), ImageFact.Device);
  }

  /** Nodes have inodes of their own: whatever is not another's will do. */
  private inode(file: i32): u64 {
    const kind = this.kernel.files.kind(file);
    if (kind === FileKind.Image || kind === FileKind.Other) {
      return this.kernel.setup.get64(this.kernel.files.get(file, File.Image), ImageFact.Inode);
    }
    if (kind === FileKind.Control) return u64(1);
    return u64(2 + this.numberOf(file) * 256 + this.kernel.files.get(file, File.Partition));
  }

  private rdev(file: i32): u64 {
    const files = this.kernel.files;
    switch (files.kind(file)) {
      case FileKind.Control:
        return encodeDevice(MISC_MAJOR, LOOP_CTRL_MINOR);
      case FileKind.Disk:
        return encodeDevice(LOOP_MAJOR, this.kernel.format.minorOf(this.numberOf(file)));
      case FileKind.Partition: {
        if (files.has(file, FileFlag.Orphan)) return this.partitionDevice(files.minor(file));
        const at = this.state.findPartition(
          files.get(file, File.Loop),
          files.get(file, File.Partition),
        );
        return at < 0 ? u64(0) : this.partitionDevice(this.state.get16(at + Partition.Minor));
      }
      default:
        return this.kernel.setup.get64(files.get(file, File.Image), ImageFact.Rdev);
    }
  }

  /** `Call.Pread`: of an image, or of what a device shows of one. */
  pread(process: i32, file: i32, offset: u64, view: DataView, at: i32, room: i32): i32 {
    const files = this.kernel.files;
    if (!files.isOwn(process, file)) return -Errno.EBADF;
    const kind = files.kind(file);
    if (kind === FileKind.Other || kind === FileKind.Control) return -Errno.EINVAL;
    const size = this.kernel.backing.fileSize(file);
    if (offset >= size) return 0;
    const rest = u64(size - offset);
    const bytes = rest < u64(room) ? i32(rest) : room;
    clearBytes(view, at, bytes);
    return this.readFile(file, offset, view, at, bytes);
  }

  private partitionDevice(minor: i32): u64 {
    return encodeDevice(this.kernel.setup.maxPart > 0 ? LOOP_MAJOR : BLOCK_EXT_MAJOR, minor);
  }

  private readFile(file: i32, offset: u64, view: DataView, at: i32, bytes: i32): i32 {
    const state = this.state;
    const files = this.kernel.files;
    let source = file;
    let from = offset;
    // Loop devices on loop devices, as many as there are.
    for (let depth = 0; depth <= state.capacity.loops; depth++) {
      if (!state.isLoopFile(source)) {
        this.content.read(files.get(source, File.Image), from, view, at, bytes);
        return bytes;
      }
      // Where its partition began is forgotten.
      if (files.has(source, FileFlag.Orphan)) return -Errno.EIO;
      const loop = files.get(source, File.Loop);
      const partition = state.findPartition(loop, files.get(source, File.Partition));
      if (partition >= 0) {
        from = u64(from + u64(state.get64(partition + Partition.Start) << SECTOR_SHIFT));
      }
      from = u64(from + state.get64(state.loopAt(loop) + Loop.Offset));
      source = state.loop(loop, Loop.Backing) - 1;
      if (source < 0) return -Errno.EIO;
    }
    return -Errno.EIO;
  }

  /* sysfs. */

  /** The number of the disk that a call means; -1: it is no loop device. */
  named(number: i32, view: DataView, at: i32, room: i32): i32 {
    if (number !== -1) return number;
    const limit = room < Limit.NameBytes ? room : Limit.NameBytes;
    let bytes = 0;
    while (bytes < limit && view.getUint8(at + bytes) !== 0) bytes++;
    return loopNumber(view, at, bytes);
  }

  /** A disk that sysfs shows: its place, -1: there is none. */
  private shown(number: i32): i32 {
    const loop = number < 0 ? -1 : this.state.findLoop(number);
    return loop >= 0 && this.state.loop(loop, Loop.Shown) !== 0 ? loop : -1;
  }

  /** `Call.ReadDisk` */
  readDisk(number: i32, view: DataView, at: i32): i32 {
    const loop = this.shown(number);
    if (loop < 0) return -Errno.ENOENT;
    const state = this.state;
    const from = state.loopAt(loop);
    const hasDiskseq = this.kernel.setup.era.has(Switch.HasDiskseq);
    const diskseq = hasDiskseq ? state.get32(from + Loop.Diskseq) : 0;
    view.setUint64(at + DiskWord.Bound * 8, u64(state.get8(from + Loop.Group)), true);
    view.setUint64(at + DiskWord.Diskseq * 8, u64(diskseq), true);
    view.setUint64(at + DiskWord.Major * 8, u64(LOOP_MAJOR), true);
    view.setUint64(at + DiskWord.Minor * 8, u64(this.kernel.format.minorOf(number)), true);
    view.setUint64(at + DiskWord.Size * 8, state.get64(from + Loop.Capacity), true);
    return 0;
  }

  /** `Call.ListPartitions`: those that can be opened. */
  listPartitions(number: i32, view: DataView, at: i32, room: i32): i32 {
    const loop = this.shown(number);
    if (loop < 0) return -Errno.ENOENT;
    const state = this.state;
    const bytes = PartitionEntryWord.Words * 4;
    const major = this.kernel.setup.maxPart > 0 ? LOOP_MAJOR : BLOCK_EXT_MAJOR;
    let listed = 0;
    for (let place = 0; state.countPartitions(loop) > place; place++) {
      const from = state.partitionAt(loop, place);
      if (state.get8(from + Partition.Openable) === 0) continue;
      if ((listed + 1) * bytes > room) break;
      const to = at + listed * bytes;
      view.setUint32(to + PartitionEntryWord.Number * 4, state.get8(from + Partition.Number), true);
      view.setUint32(to + PartitionEntryWord.Major * 4, major, true);
      view.setUint32(to + PartitionEntryWord.Minor * 4, state.get16(from + Partition.Minor), true);
      view.setUint32(to + PartitionEntryWord.Minor * 4 + 4, 0, true);
      view.setUint64(to + PartitionEntryWord.Start * 4, state.get64(from + Partition.Start), true);
      view.setUint64(to + PartitionEntryWord.Size * 4, state.get64(from + Partition.Size), true);
      listed++;
    }
    return listed;
  }

  /** `Call.FindUnbound` */
  findUnbound(first: i32): i32 {
    let lowest = -Errno.ENOENT;
    for (let loop = 0; loop < this.state.capacity.loops; loop++) {
      const at = this.state.loopAt(loop);
      if (this.state.get8(at + Loop.Shown) === 0 || this.state.get8(at + Loop.Group) !== 0)
        continue;
      lowest = lower(lowest, this.state.get32(at + Loop.Number), first);
    }
    return lowest;
  }

  /** `Call.FindBacking` */
  findBacking(device: u64, inode: u64, first: i32): i32 {
    const state = this.state;
    let lowest = -Errno.ENOENT;
    for (let loop = 0; loop < state.capacity.loops; loop++) {
      const at = state.loopAt(loop);
      if (state.get8(at + Loop.Shown) === 0 || state.get8(at + Loop.Group) === 0) continue;
      const file = state.get8(at + Loop.Backing) - 1;
      if (file < 0 || !this.leadsTo(file, device, inode)) continue;
      lowest = lower(lowest, state.get32(at + Loop.Number), first);
    }
    return lowest;
  }

  /** Whether the path of a backing file leads to that inode, or to nothing. */
  private leadsTo(file: i32, device: u64, inode: u64): bool {
    const state = this.state;
    const files = this.kernel.files;
    if (files.kind(file) === FileKind.Image && !this.isBlock(file)) {
      const image = files.get(file, File.Image);
      if (state.get8(state.imageAt(image) + ImageField.Deleted) !== 0) return true;
      return this.device(file) === device && this.inode(file) === inode;
    }
    // Two nodes of one block device are one image.
    return this.rdev(file) === device;
  }

  /** `Call.FindHolders`: descriptors; a set of who is held, 256 bits. */
  findHolders(number: i32, except: i32, view: DataView, at: i32): i32 {
    const loop = this.state.findLoop(number);
    clearBytes(view, at, 32);
    let holders = 0;
    for (let file = 0; file < this.state.capacity.files; file++) {
      if (file === except || !this.state.isLoopFile(file)) continue;
      const files = this.kernel.files;
      if (files.get(file, File.Loop) !== loop || files.get(file, File.Process) === 0) continue;
      const partition = files.get(file, File.Partition);
      const byte = at + (partition >> 3);
      view.setUint8(byte, u8(i32(view.getUint8(byte)) | (1 << (partition & 7))));
      holders++;
    }
    return holders;
  }

  /** `Call.ReadRecord` */
  readRecord(major: i32, minor: i32, view: DataView, at: i32): i32 {
    const record = this.kernel.recordOf(major, minor);
    if (record <= 0) return -Errno.ENOENT;
    // Hosts answer a time: the core takes 1 for none.
    view.setUint64(at, u64(record + 1), true);
    return 0;
  }

  /** `Call.Trigger` */
  trigger(partition: i32, view: DataView, at: i32): i32 {
    const number = this.named(-1, view, at, Limit.NameBytes);
    const uuid = at + Limit.NameBytes;
    return this.kernel.trigger(number, partition, Action.Change, view, uuid);
  }

  /* Sockets: one a group, as a host has them. */

  /** `Call.Subscribe` */
  subscribe(process: i32, group: i32): i32 {
    if (this.kernel.sockets.find(process, group) >= 0) return -Errno.EALREADY;
    const socket = this.kernel.openSocket(process, group, RECEIVE_BUFFER, true);
    if (socket < 0) return socket;
    // Without a udevd nothing will come.
    const isSilent = group === Group.Udev && this.state.get8(Global.Udev) === 0;
    return isSilent ? 1 : 0;
  }

  /** `Call.Unsubscribe` */
  unsubscribe(process: i32, group: i32): i32 {
    const socket = this.kernel.sockets.find(process, group);
    if (socket < 0) return -Errno.ENOTCONN;
    this.kernel.sockets.close(socket);
    return 0;
  }
}

/** 128 MiB, as the kernel counts them. */
const RECEIVE_BUFFER: i32 = 0x10000000;

function lower(lowest: i32, number: i32, first: i32): i32 {
  if (number < first) return lowest;
  return lowest < 0 || number < lowest ? number : lowest;
}

/** As the kernel encodes it (huge_encode_dev), which is also what stat answers. */
function encodeDevice(major: i32, minor: i32): u64 {
  return u64((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12));
}

function majorOf(device: u64): i32 {
  return (i32(device) >> 8) & 0xfff;
}

function minorOf(device: u64): i32 {
  return (i32(device) & 0xff) | ((i32(device) >> 12) & 0xfff00);
}
