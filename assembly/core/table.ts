/**
 * The list of partitions of an operation: filled from decoded entries, then judged as a whole. It
 * is what the kernel's own parsers would make of the table, or the operation fails and says which
 * partition is to blame. Reads no image and makes no call.
 *
 * Sources: block/partitions/msdos.c (parse_extended, msdos_partition), block/partitions/core.c
 * (blk_add_partition: clipped at the end of the disk), include/linux/genhd.h (DISK_MAX_PARTS 256).
 */
import { Command, Failure, Limit, Partscan, Table, Warning } from "../abi.ts";
import { Gpt, gptEntryFirst, gptEntryIsUsed, gptEntryLast } from "../wire/gpt.ts";
import {
  diskSignature,
  hasMagic,
  Mbr,
  mbrIsExtended,
  mbrSize,
  mbrStart,
  mbrType,
} from "../wire/mbr.ts";
import { Port } from "./port.ts";
import { Entry, Field, Global, State } from "./state.ts";
import { Outcome } from "./steps.ts";

const SECTOR: u64 = u64(512);

/** Remembered before any link was: no sector has this number. */
const NO_SECTOR: u64 = u64(u64(0) - u64(1));

/** `Entry.Seen` of an entry that points outside the disk, until the table is judged. */
const OUT_OF_RANGE: i32 = -1;

export class TableList {
  private readonly state: State;
  private readonly port: Port;

  constructor(state: State, port: Port) {
    this.state = state;
    this.port = port;
  }

  /** One entry of a GPT; whether the table counts is known only when its CRC is. */
  takeGptEntry(operation: i32, index: i32, at: i32): void {
    const state = this.state;
    const buffers = state.buffers;
    if (!gptEntryIsUsed(buffers, at)) return;
    const entry = index < Limit.PartitionsMax ? state.appendEntry(operation) : -1;
    if (entry < 0) {
      state.set(operation, Field.Excess, 1);
      return;
    }
    const view = state.view;
    const size = u64(state.get(operation, Field.SectorSize));
    const first = gptEntryFirst(buffers, at);
    const last = gptEntryLast(buffers, at);
    const lbas = state.get64(operation, Field.Capacity) / size;
    view.setInt32(entry + Entry.Number, index + 1, true);
    view.setInt32(entry + Entry.Kind, 1, true);
    if (first > last || last >= lbas) view.setInt32(entry + Entry.Seen, OUT_OF_RANGE, true);
    view.setUint64(entry + Entry.Start, u64(first * size), true);
    view.setUint64(entry + Entry.Size, u64(u64(last - first + u64(1)) * size), true);
    for (let i = 0; i < 32; i += 8) {
      view.setUint64(entry + Entry.TypeGuid + i, buffers.getUint64(at + i, true), true);
    }
    for (let i = 0; i < Gpt.NameBytes; i += 8) {
      view.setUint64(entry + Entry.Name + i, buffers.getUint64(at + Gpt.Name + i, true), true);
    }
  }

  /** The four slots of sector 0, which lies in the buffer. */
  takePrimaries(operation: i32): void {
    const state = this.state;
    const at = state.bufferAt(operation);
    state.set(operation, Field.Table, Table.Mbr);
    state.set(operation, Field.ForKernel, 1);
    state.set(operation, Field.DiskSignature, i32(diskSignature(state.buffers, at)));
    state.set(operation, Field.NextLogical, Mbr.FirstLogical);
    state.set(operation, Field.Partitions, 0);
    state.set(operation, Field.Cursor, 0);
    const scale = this.scale(operation);
    for (let slot = 0; slot < Mbr.Slots; slot++) {
      const start = u64(mbrStart(state.buffers, at, slot) * scale);
      const size = u64(mbrSize(state.buffers, at, slot) * scale);
      const type = mbrType(state.buffers, at, slot);
      if (size === u64(0)) continue;
      const entry = this.append(operation, slot + 1, type, start, size);
      if (entry < 0 || !mbrIsExtended(type)) continue;
      // Two sectors: nobody shall make a file system on it, but LILO may live there.
      let shown = scale > u64(2) ? scale : u64(2);
      if (size < shown) shown = size;
      state.view.setUint64(entry + Entry.Size, u64(shown * SECTOR), true);
      state.view.setUint64(entry + Entry.TypeGuid, size, true);
    }
  }

  /**
   * Whether there is another link to read; begins the next extended partition's chain if need
   * be.
   */
  hasLink(operation: i32): bool {
    const state = this.state;
    if (state.get(operation, Field.Excess) !== 0) return false;
    if (state.get(operation, Field.LinkAhead) === 0 && !this.nextChain(operation)) return false;
    const empty = state.get(operation, Field.LinksEmpty) + 1;
    state.set(operation, Field.LinksEmpty, empty);
    const end = u64(u64(state.get64(operation, Field.LinkSector) + u64(1)) * SECTOR);
    if (empty <= Mbr.EmptyLinksMax && end <= state.get64(operation, Field.Capacity)) return true;
    // The kernel stops here in silence.
    state.set(operation, Field.LinkAhead, 0);
    return this.hasLink(operation);
  }

  private nextChain(operation: i32): bool {
    const state = this.state;
    const view = state.view;
    const primaries = state.get(operation, Field.Partitions);
    for (let i = state.get(operation, Field.Cursor); i < primaries; i++) {
      const entry = state.entryAt(operation, i);
      if (view.getInt32(entry + Entry.Number, true) > Mbr.Slots) break;
      if (!mbrIsExtended(view.getUint32(entry + Entry.MbrType, true))) continue;
      const start = view.getUint64(entry + Entry.Start, true) / SECTOR;
      state.set(operation, Field.Cursor, i + 1);
      state.set64(operation, Field.ExtendedStart, start);
      state.set64(operation, Field.ExtendedSize, view.getUint64(entry + Entry.TypeGuid, true));
      state.set64(operation, Field.LinkSector, start);
      state.set(operation, Field.LinkAhead, 1);
      state.set64(operation, Field.LinkSize, view.getUint64(entry + Entry.TypeGuid, true));
      state.set64(operation, Field.LinkSeen, NO_SECTOR);
      state.set(operation, Field.LinkSteps, 0);
      state.set(operation, Field.LinkPower, 1);
      state.set(operation, Field.LinksEmpty, 0);
      return true;
    }
    state.set(operation, Field.Cursor, primaries);
    return false;
  }

  /** One link, whose sector lies in the buffer: its partitions, and where the next one is. */
  takeLink(operation: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const sector = state.get64(operation, Field.LinkSector);
    if (this.isLoop(operation, sector)) {
      return this.port.fail(operation, Failure.ChainLoops, sector, u64(0));
    }
    state.set(operation, Field.LinkAhead, 0);
    if (!hasMagic(state.buffers, at)) return Outcome.More;
    const scale = this.scale(operation);
    let next = -1;
    for (let slot = 0; slot < Mbr.Slots; slot++) {
      const size = u64(mbrSize(state.buffers, at, slot) * scale);
      const type = mbrType(state.buffers, at, slot);
      if (size === u64(0)) continue;
      if (mbrIsExtended(type)) {
        if (next < 0) next = slot;
        continue;
      }
      const offset = u64(mbrStart(state.buffers, at, slot) * scale);
      if (slot >= 2 && !this.isInside(operation, sector, offset, size)) continue;
      const number = state.get(operation, Field.NextLogical);
      if (number > Limit.PartitionsMax) {
        state.set(operation, Field.Excess, 1);
        return Outcome.More;
      }
      this.append(operation, number, type, u64(sector + offset), size);
      state.set(operation, Field.NextLogical, number + 1);
      state.set(operation, Field.LinksEmpty, 0);
    }
    if (next < 0) return Outcome.More;
    const offset = u64(mbrStart(state.buffers, at, next) * scale);
    const start = state.get64(operation, Field.ExtendedStart);
    state.set64(operation, Field.LinkSector, u64(start + offset));
    state.set(operation, Field.LinkAhead, 1);
    state.set64(operation, Field.LinkSize, u64(mbrSize(state.buffers, at, next) * scale));
    return Outcome.More;
  }

  /** The third and fourth slots sometimes hold garbage: only what lies inside counts. */
  private isInside(operation: i32, sector: u64, offset: u64, size: u64): bool {
    const state = this.state;
    const first = state.get64(operation, Field.ExtendedStart);
    const end = u64(first + state.get64(operation, Field.ExtendedSize));
    const start = u64(sector + offset);
    if (u64(offset + size) > state.get64(operation, Field.LinkSize)) return false;
    return start >= first && u64(start + size) <= end;
  }

  /** Brent's cycle detection: constant memory, a loop is seen after at most three rounds. */
  private isLoop(operation: i32, sector: u64): bool {
    const state = this.state;
    if (sector === state.get64(operation, Field.LinkSeen)) return true;
    const steps = state.get(operation, Field.LinkSteps) + 1;
    const power = state.get(operation, Field.LinkPower);
    state.set(operation, Field.LinkSteps, steps);
    if (steps === power) {
      state.set64(operation, Field.LinkSeen, sector);
      state.set(operation, Field.LinkPower, power * 2);
      state.set(operation, Field.LinkSteps, 0);
    }
    return false;
  }

  /** 512-byte sectors a logical block. */
  private scale(operation: i32): u64 {
    return u64(this.state.get(operation, Field.SectorSize)) / SECTOR;
  }

  private append(operation: i32, number: i32, type: u32, start: u64, sectors: u64): i32 {
    const entry = this.state.appendEntry(operation);
    if (entry < 0) {
      this.state.set(operation, Field.Excess, 1);
      return -1;
    }
    const view = this.state.view;
    view.setInt32(entry + Entry.Number, number, true);
    view.setUint64(entry + Entry.Start, u64(start * SECTOR), true);
    view.setUint64(entry + Entry.Size, u64(sectors * SECTOR), true);
    view.setUint32(entry + Entry.MbrType, type, true);
    return entry;
  }

  /** Judges the whole list and decides who makes the partitions. */
  arrange(operation: i32): i32 {
    const state = this.state;
    const table = state.get(operation, Field.Table);
    if (state.get(operation, Field.Excess) !== 0) {
      return this.port.fail(operation, Failure.TooManyPartitions, u64(0), u64(0));
    }
    if (!this.fits(operation)) return Outcome.Fail;
    let mode = state.get(operation, Field.PartscanAsked);
    if (mode === Partscan.Kernel && table !== Table.None) {
      if (state.get(operation, Field.ForKernel) === 0) {
        this.port.warn(operation, Warning.GptNotForKernel, 0, u64(0));
        mode = Partscan.User;
      } else if (state.global(Global.ParserMissing + table) !== u64(0)) {
        mode = Partscan.User;
      }
    }
    state.set(operation, Field.Partscan, mode);
    // Hybrid ISO images overlap in their MBR and the kernel lets them; BLKPG does not.
    if (table === Table.Gpt || mode === Partscan.User) {
      if (!this.isDisjoint(operation)) return Outcome.Fail;
    }
    const command = state.get(operation, Field.Command);
    if (command === Command.Rescan) return Outcome.Change;
    return command === Command.Probe ? Outcome.Probe : Outcome.Ok;
  }

  private fits(operation: i32): bool {
    const state = this.state;
    const view = state.view;
    const capacity = state.get64(operation, Field.Capacity);
    const count = state.get(operation, Field.Partitions);
    for (let i = 0; i < count; i++) {
      const entry = state.entryAt(operation, i);
      const number = view.getInt32(entry + Entry.Number, true);
      const start = view.getUint64(entry + Entry.Start, true);
      const size = view.getUint64(entry + Entry.Size, true);
      if (view.getInt32(entry + Entry.Seen, true) === OUT_OF_RANGE || start >= capacity) {
        this.port.fail(operation, Failure.PartitionOutOfRange, u64(number), u64(0));
        return false;
      }
      if (size <= u64(capacity - start)) continue;
      view.setUint64(entry + Entry.Size, u64(capacity - start), true);
      this.port.warn(operation, Warning.PartitionClipped, 0, u64(number));
    }
    return true;
  }

  private isDisjoint(operation: i32): bool {
    const state = this.state;
    const view = state.view;
    const count = state.get(operation, Field.Partitions);
    for (let i = 0; i < count; i++) {
      const a = state.entryAt(operation, i);
      const start = view.getUint64(a + Entry.Start, true);
      const end = u64(start + view.getUint64(a + Entry.Size, true));
      for (let j = i + 1; j < count; j++) {
        const b = state.entryAt(operation, j);
        const other = view.getUint64(b + Entry.Start, true);
        const otherEnd = u64(other + view.getUint64(b + Entry.Size, true));
        if (other >= end || start >= otherEnd) continue;
        const first = u64(view.getInt32(a + Entry.Number, true));
        const second = u64(view.getInt32(b + Entry.Number, true));
        this.port.fail(operation, Failure.PartitionsOverlap, first, second);
        return false;
      }
    }
    return true;
  }
}
