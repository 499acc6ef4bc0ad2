/**
 * Open files: a table of all processes' descriptors, and the BSD locks on them.
 *
 * A file is what open() made; loop devices hold a reference of their backing file, so a file can
 * outlive its descriptor. Knows no device driver: what the last reference of a device's file does
 * is done by the routines of `block.ts`.
 */
import { Errno, Lock, OpenFlag } from "../wire/linux.ts";
import { File, FileFlag, FileKind, ImageField, NodeKind } from "./layout.ts";
import { ImageFact, ImageKind, Setup } from "./setup.ts";
import { State } from "./state.ts";

/** O_DIRECT of x86-64; the two lowest bits of the flags say how it is opened. */
const O_DIRECT: i32 = 0x4000;
const O_ACCMODE: i32 = 3;

export class Files {
  private readonly state: State;
  private readonly setup: Setup;

  constructor(state: State, setup: Setup) {
    this.state = state;
    this.setup = setup;
  }

  /** A free place for a process, -EMFILE. Each has places of its own as long as they last, so that
   *  in whatever order they open files, the same files leave the same state. */
  findFree(process: i32): i32 {
    const capacity = this.state.capacity;
    const first = i32((process * capacity.files) / capacity.processes);
    for (let i = 0; i < capacity.files; i++) {
      const file = (first + i) % capacity.files;
      if (this.state.get8(this.state.fileAt(file) + File.Kind) === FileKind.None) return file;
    }
    return -Errno.EMFILE;
  }

  /** Fills a free place; it is the descriptor. */
  create(file: i32, process: i32, kind: i32, flags: i32): i32 {
    const state = this.state;
    const at = state.fileAt(file);
    assert(state.get8(at + File.Kind) === FileKind.None);
    state.set8(at + File.Kind, kind);
    state.set8(at + File.Process, process + 1);
    state.set8(at + File.Flags, fileFlags(flags));
    state.set8(at + File.References, 1);
    return file;
  }

  /** Opens an image by its path. */
  openImage(process: i32, image: i32, flags: i32): i32 {
    const state = this.state;
    if (image < 0 || image >= state.capacity.images || image >= this.setup.images) {
      return -Errno.ENOENT;
    }
    if (state.get8(state.imageAt(image) + ImageField.Deleted) !== 0) return -Errno.ENOENT;
    return this.openInode(process, image, flags);
  }

  /** The same by an open descriptor of it (/proc/self/fd), which needs no path. */
  openInode(process: i32, image: i32, flags: i32): i32 {
    const kind = this.setup.get(image, ImageFact.Kind);
    const isPath = (flags & OpenFlag.O_PATH) !== 0;
    const isWriting = !isPath && (flags & O_ACCMODE) !== 0;
    if (isWriting && kind === ImageKind.Other) return -Errno.EISDIR;
    if (isWriting && this.setup.get(image, ImageFact.Writable) === 0) return -Errno.EROFS;
    const file = this.findFree(process);
    if (file < 0) return file;
    this.create(file, process, kind === ImageKind.Other ? FileKind.Other : FileKind.Image, flags);
    this.state.set8(this.state.fileAt(file) + File.Image, image);
    return file;
  }

  openControl(process: i32, flags: i32): i32 {
    const file = this.findFree(process);
    return file < 0 ? file : this.create(file, process, FileKind.Control, flags);
  }

  /** Whether a descriptor is one of that process'. */
  isOwn(process: i32, file: i32): bool {
    if (file < 0 || file >= this.state.capacity.files) return false;
    const at = this.state.fileAt(file);
    return this.state.get8(at + File.Process) === process + 1;
  }

  kind(file: i32): i32 {
    return this.state.get8(this.state.fileAt(file) + File.Kind);
  }

  has(file: i32, flag: i32): bool {
    return (this.state.get8(this.state.fileAt(file) + File.Flags) & flag) !== 0;
  }

  get(file: i32, field: i32): i32 {
    return this.state.get8(this.state.fileAt(file) + field);
  }

  hold(file: i32): void {
    const at = this.state.fileAt(file);
    this.state.set8(at + File.References, this.state.get8(at + File.References) + 1);
  }

  /** Whether it is of a partition that is plugged, or on its way to be opened. */
  isOfPartition(file: i32, loop: i32, partition: i32): bool {
    if (this.kind(file) !== FileKind.Partition || this.has(file, FileFlag.Orphan)) return false;
    return this.get(file, File.Loop) === loop && this.get(file, File.Partition) === partition;
  }

  /** Its partition is unplugged; the inode that it was opened by keeps the device number. */
  orphan(file: i32, minor: i32): void {
    const at = this.state.fileAt(file);
    this.state.set8(at + File.Flags, this.state.get8(at + File.Flags) | FileFlag.Orphan);
    this.state.set16(at + File.Minor, minor);
  }

  /** Of a partition that is unplugged. */
  minor(file: i32): i32 {
    return this.state.get16(this.state.fileAt(file) + File.Minor);
  }

  /** fput: whether that was the last reference. */
  drop(file: i32): bool {
    const at = this.state.fileAt(file);
    const references = this.state.get8(at + File.References) - 1;
    this.state.set8(at + File.References, references);
    return references === 0;
  }

  /** The process' descriptor is gone; the file may live on. */
  forget(file: i32): void {
    this.state.set8(this.state.fileAt(file) + File.Process, 0);
  }

  free(file: i32): void {
    this.state.zero(this.state.fileAt(file), File.Bytes);
  }

  /* Locks: one a file, on the inode that it was opened by. */

  /** flock with LOCK_NB: 0, -EWOULDBLOCK. An exchange gives the old lock up first. */
  flock(file: i32, operation: i32): i32 {
    const state = this.state;
    const at = state.fileAt(file);
    if (this.has(file, FileFlag.Path)) return -Errno.EBADF;
    const wanted = operation & ~Lock.LOCK_NB;
    if (wanted === Lock.LOCK_UN) {
      state.set8(at + File.Lock, 0);
      return 0;
    }
    if (wanted !== Lock.LOCK_SH && wanted !== Lock.LOCK_EX) return -Errno.EINVAL;
    if (state.get8(at + File.Lock) === wanted) return 0;
    state.set8(at + File.Lock, 0);
    if (this.isLocked(file, wanted === Lock.LOCK_SH)) return -Errno.EAGAIN;
    state.set8(at + File.Lock, wanted);
    return 0;
  }

  /** Whether another file's lock on the same inode is in the way. */
  isLocked(file: i32, isShared: bool): bool {
    const state = this.state;
    for (let other = 0; other < state.capacity.files; other++) {
      if (other === file || !this.isSameInode(file, other)) continue;
      const lock = state.get8(state.fileAt(other) + File.Lock);
      if (lock === Lock.LOCK_EX || (lock === Lock.LOCK_SH && !isShared)) return true;
    }
    return false;
  }

  /** Whether somebody has an exclusive lock on a disk's public node. */
  isDiskLocked(loop: i32): bool {
    const state = this.state;
    for (let file = 0; file < state.capacity.files; file++) {
      if (state.get8(state.fileAt(file) + File.Lock) !== Lock.LOCK_EX) continue;
      if (this.kind(file) !== FileKind.Disk || this.get(file, File.Node) !== NodeKind.Public)
        continue;
      if (this.get(file, File.Loop) === loop) return true;
    }
    return false;
  }

  private isSameInode(a: i32, b: i32): bool {
    const kind = this.kind(a);
    if (kind !== this.kind(b) || this.get(a, File.Image) !== this.get(b, File.Image)) return false;
    if (kind !== FileKind.Disk && kind !== FileKind.Partition) return true;
    if (this.get(a, File.Loop) !== this.get(b, File.Loop)) return false;
    if (this.get(a, File.Partition) !== this.get(b, File.Partition)) return false;
    if (this.has(a, FileFlag.Orphan) !== this.has(b, FileFlag.Orphan)) return false;
    const node = this.get(a, File.Node);
    if (node !== this.get(b, File.Node)) return false;
    return node === NodeKind.Public || this.get(a, File.Process) === this.get(b, File.Process);
  }
}

function fileFlags(flags: i32): i32 {
  if ((flags & OpenFlag.O_PATH) !== 0) return FileFlag.Path;
  let bits = (flags & O_ACCMODE) === 0 ? 0 : FileFlag.Write;
  if ((flags & O_ACCMODE) === 1) bits |= FileFlag.WriteOnly;
  if ((flags & OpenFlag.O_EXCL) !== 0) bits |= FileFlag.Exclusive;
  if ((flags & O_DIRECT) !== 0) bits |= FileFlag.Direct;
  return bits;
}
