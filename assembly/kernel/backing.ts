/**
 * What a loop device shows: its backing file, the range of it, block sizes, direct I/O. Source:
 * drivers/block/loop.c (loop_validate_file, get_loop_size, loop_set_size, loop_default_blocksize).
 */

import { Action } from "../abi.ts";
import { Errno, LoFlag } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { Events } from "./events.ts";
import { Files } from "./files.ts";
import { EventExtra } from "./format.ts";
import { File, FileFlag, FileKind, ImageField, Loop, LoState, Partition } from "./layout.ts";
import { ImageFact, Setup } from "./setup.ts";
import { State } from "./state.ts";

const SECTOR: u64 = u64(512);
const SECTOR_SHIFT: u64 = u64(9);
/** Offsets and lengths are signed in the kernel. */
export const LLONG_MAX: u64 = u64(u64(u64(0) - u64(1)) >> u64(1));

export class Backing {
  private readonly state: State;
  private readonly setup: Setup;
  private readonly files: Files;
  private readonly events: Events;

  constructor(state: State, setup: Setup, files: Files, events: Events) {
    this.state = state;
    this.setup = setup;
    this.files = files;
    this.events = events;
  }

  /** fget and the check of its operations: 0, -EBADF, -EINVAL. */
  check(process: i32, file: i32): i32 {
    if (!this.files.isOwn(process, file) || this.files.has(file, FileFlag.Path)) {
      return -Errno.EBADF;
    }
    const kind = this.files.kind(file);
    return kind === FileKind.Other || kind === FileKind.Control ? -Errno.EINVAL : 0;
  }

  /** loop_validate_file: no device may lead back to itself. */
  validate(loop: i32, file: i32): i32 {
    const state = this.state;
    let backing = file;
    for (let depth = 0; depth <= state.capacity.loops; depth++) {
      if (!state.isLoopFile(backing)) return 0;
      const inner = state.get8(state.fileAt(backing) + File.Loop);
      if (inner === loop) return -Errno.EBADF;
      if (state.loop(inner, Loop.State) !== LoState.Bound) return -Errno.EINVAL;
      backing = state.loop(inner, Loop.Backing) - 1;
      if (backing < 0) return -Errno.EINVAL;
    }
    return -Errno.EBADF;
  }

  isRangeRefused(offset: u64, limit: u64): bool {
    return offset > LLONG_MAX || limit > LLONG_MAX;
  }

  isBlockSizeRefused(bytes: i32): bool {
    const isPower = (bytes & (bytes - 1)) === 0;
    return bytes < 512 || bytes > this.setup.era.get(Switch.BlockSizeMax) || !isPower;
  }

  /** Logical block size of a device that is asked for 0 or some. */
  blockSize(asked: i32, file: i32, flags: i32): i32 {
    if (asked !== 0) return asked;
    const isDirect = this.setup.era.has(Switch.DirectIoByFlag)
      ? (flags & LoFlag.LO_FLAGS_DIRECT_IO) !== 0
      : this.files.has(file, FileFlag.Direct);
    const own = this.deviceBlockSize(file);
    return isDirect && own > 512 ? own : 512;
  }

  /** Whether direct I/O can be had; where not, the flag is dropped without a word. */
  canDirect(file: i32, blockSize: i32, offset: u64): bool {
    const own = this.deviceBlockSize(file);
    if (own === 0 || blockSize < own) return false;
    return (offset & u64(own - 1)) === u64(0);
  }

  /** Of what the file lies on; 0: no direct I/O there. */
  private deviceBlockSize(file: i32): i32 {
    const state = this.state;
    if (!state.isLoopFile(file)) {
      return this.setup.get(state.get8(state.fileAt(file) + File.Image), ImageFact.DeviceBlockSize);
    }
    const loop = state.get8(state.fileAt(file) + File.Loop);
    return state.get32(state.loopAt(loop) + Loop.BlockSize);
  }

  /** Bytes of a file. */
  fileSize(file: i32): u64 {
    const state = this.state;
    const at = state.fileAt(file);
    const loop = state.get8(at + File.Loop);
    const kind = state.get8(at + File.Kind);
    if (kind === FileKind.Disk) {
      return u64(state.get64(state.loopAt(loop) + Loop.Capacity) << SECTOR_SHIFT);
    }
    if (kind === FileKind.Partition) {
      const partition = state.findPartition(loop, state.get8(at + File.Partition));
      return partition < 0 ? u64(0) : u64(state.get64(partition + Partition.Size) << SECTOR_SHIFT);
    }
    return state.get64(state.imageAt(state.get8(at + File.Image)) + ImageField.Size);
  }

  /** Sectors that a range of a file has; whole ones only. */
  sectors(file: i32, offset: u64, limit: u64): u64 {
    const bytes = this.fileSize(file);
    if (offset >= bytes) return u64(0);
    const rest = u64(bytes - offset);
    return (limit > u64(0) && limit < rest ? limit : rest) / SECTOR;
  }

  /** loop_set_size: always tells, as RESIZE=1 where one size follows another. */
  setSize(loop: i32, sectors: u64): bool {
    const state = this.state;
    const at = state.loopAt(loop);
    const before = state.get64(at + Loop.Capacity);
    state.set64(at + Loop.Capacity, sectors);
    const isResize = before !== sectors && before !== u64(0) && sectors !== u64(0);
    return this.events.disk(loop, Action.Change, isResize ? EventExtra.Resize : EventExtra.None);
  }

  /** Whether writing is possible through a descriptor of the device and one of the file. */
  isReadOnly(device: i32, file: i32): bool {
    return !this.files.has(device, FileFlag.Write) || !this.files.has(file, FileFlag.Write);
  }
}
