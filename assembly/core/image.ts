/**
 * The steps of the image: opened safely, measured, its partition table decoded in bounded pieces
 * into the list of partitions that the kernel's own parsers would make. Knows no device.
 *
 * Sources: block/partitions/{efi.c,msdos.c,core.c}; UEFI 2.10 section 5.
 */
import {
  Command,
  CommandFlag,
  Failure,
  Limit,
  Partscan,
  Place,
  StatWord,
  Table,
  Warning,
} from "../abi.ts";
import { Crc32 } from "../wire/crc32.ts";
import { GptFault, GptHeader } from "../wire/gpt.ts";
import { FileType, Ioctl, OpenFlag } from "../wire/linux.ts";
import { Mbr, MbrKind, mbrKind } from "../wire/mbr.ts";
import { answer, Port } from "./port.ts";
import { Field, State } from "./state.ts";
import { Outcome, Step } from "./steps.ts";
import { TableList } from "./table.ts";

const SECTOR: u64 = u64(512);

export class ImageSteps {
  private readonly state: State;
  private readonly port: Port;
  private readonly crc: Crc32;
  private readonly header: GptHeader;
  private readonly list: TableList;

  constructor(state: State, port: Port) {
    this.state = state;
    this.port = port;
    const crc = new Crc32();
    this.crc = crc;
    this.header = new GptHeader(crc);
    this.list = new TableList(state, port);
  }

  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const path = state.get(operation, Field.PathDescriptor);
    const image = state.get(operation, Field.ImageDescriptor);
    switch (step) {
      case Step.OpenImage:
        // O_PATH: opening a FIFO or a watchdog for real has effects.
        if (image >= 0) return Outcome.Skip;
        return port.open(operation, Place.Image, OpenFlag.O_PATH, -1, 0);
      case Step.StatImage:
        return port.fstat(operation, path >= 0 ? path : image);
      case Step.ReopenImage:
        if (this.isForReading(operation)) return Outcome.ReadOnly;
        return port.reopen(operation, Place.Reopen, path, OpenFlag.O_RDWR | OpenFlag.O_NONBLOCK);
      case Step.ReopenReadOnly:
        return port.reopen(operation, Place.Reopen, path, OpenFlag.O_NONBLOCK);
      case Step.ClosePath:
        return port.close(operation, path);
      case Step.SizeImage:
        if (!this.isBlock(operation)) return this.measure(operation);
        return port.ioctlNumber(operation, image, Ioctl.BLKGETSIZE64);
      case Step.ReadHead:
        return this.readHead(operation);
      case Step.ReadTail:
        return this.read(operation, this.tailAt(operation), this.tailBytes(operation));
      case Step.ReadEntries:
        return this.readEntries(operation);
      case Step.ReadOtherHeader:
        return this.readOtherHeader(operation);
      case Step.ReadLogical:
        return this.readLogical(operation);
      default:
        assert(step === Step.Arrange);
        return this.list.arrange(operation);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (step === Step.ClosePath) state.set(operation, Field.PathDescriptor, -1);
    if (step === Step.ReopenImage && outcome === Outcome.ReadOnly) {
      this.port.warn(operation, Warning.FellBackToReadOnly, -result, u64(0));
    }
    if (result < 0) return outcome;
    switch (step) {
      case Step.OpenImage:
        state.set(operation, Field.PathDescriptor, result);
        return outcome;
      case Step.StatImage:
        return this.statImage(operation);
      case Step.ReopenImage:
      case Step.ReopenReadOnly:
        state.set(operation, Field.ImageDescriptor, result);
        state.set(operation, Field.ImageOwned, 1);
        if (step === Step.ReopenReadOnly) state.set(operation, Field.ImageReadOnly, 1);
        return outcome;
      case Step.SizeImage:
        state.set64(operation, Field.ImageSize, answer(state, operation));
        return this.measure(operation);
      case Step.ClosePath:
        return outcome;
      default:
        break;
    }
    // All that is left reads the image.
    if (state.get(operation, Field.CallBytes) > result) {
      return this.port.fail(operation, Failure.ImageShrank, u64(result), u64(0));
    }
    switch (step) {
      case Step.ReadHead:
        return this.judgeHead(operation, result);
      case Step.ReadTail:
        return this.judgeTail(operation, result);
      case Step.ReadEntries:
        return this.takeEntries(operation, result);
      case Step.ReadOtherHeader:
        return this.judgeOtherHeader(operation);
      default:
        assert(step === Step.ReadLogical);
        return this.list.takeLink(operation);
    }
  }

  private isForReading(operation: i32): bool {
    return (
      this.state.has(operation, CommandFlag.ReadOnly) ||
      this.state.get(operation, Field.Command) === Command.Probe
    );
  }

  private isBlock(operation: i32): bool {
    return (this.state.get(operation, Field.ImageMode) & FileType.S_IFMT) === FileType.S_IFBLK;
  }

  private statImage(operation: i32): i32 {
    const state = this.state;
    const view = state.buffers;
    const at = state.bufferAt(operation);
    const mode = i32(view.getUint64(at + StatWord.Mode * 8, true));
    const type = mode & FileType.S_IFMT;
    if (type !== FileType.S_IFREG && type !== FileType.S_IFBLK) {
      return this.port.fail(operation, Failure.NotImage, u64(mode), u64(0));
    }
    state.set(operation, Field.ImageMode, mode);
    state.set64(operation, Field.ImageDevice, view.getUint64(at + StatWord.Device * 8, true));
    state.set64(operation, Field.ImageInode, view.getUint64(at + StatWord.Inode * 8, true));
    state.set64(operation, Field.ImageRdev, view.getUint64(at + StatWord.Rdev * 8, true));
    state.set64(operation, Field.ImageSize, view.getUint64(at + StatWord.Size * 8, true));
    return state.get(operation, Field.PathDescriptor) >= 0 ? Outcome.Ok : Outcome.Skip;
  }

  /** How many bytes the device will show: whole sectors (loop.c, get_size). */
  private measure(operation: i32): i32 {
    const state = this.state;
    const size = state.get64(operation, Field.ImageSize);
    const offset = state.get64(operation, Field.Offset);
    const limit = state.get64(operation, Field.SizeLimit);
    if (size > u64(0) && offset >= size) {
      return this.port.fail(operation, Failure.OffsetBeyondEnd, size, offset);
    }
    let shown = u64(size - offset);
    if (limit !== u64(0) && limit < shown) shown = limit;
    const tail = shown % SECTOR;
    if (shown < SECTOR) return this.port.fail(operation, Failure.ImageTooSmall, shown, u64(0));
    if (tail !== u64(0)) this.port.warn(operation, Warning.TailLost, 0, tail);
    state.set64(operation, Field.Capacity, u64(shown - tail));
    return Outcome.Ok;
  }

  private read(operation: i32, position: u64, bytes: i32): i32 {
    const state = this.state;
    const offset = u64(state.get64(operation, Field.Offset) + position);
    return this.port.pread(operation, state.get(operation, Field.ImageDescriptor), offset, bytes);
  }

  private isWanted(operation: i32): bool {
    return this.state.get(operation, Field.PartscanAsked) !== Partscan.None;
  }

  private readHead(operation: i32): i32 {
    const state = this.state;
    if (!this.isWanted(operation) && state.get(operation, Field.SectorSize) !== 0) {
      return Outcome.Skip;
    }
    const capacity = state.get64(operation, Field.Capacity);
    const all = u64(Limit.BufferBytes);
    return this.read(operation, u64(0), i32(capacity < all ? capacity : all));
  }

  /** Whether a sector size is to be tried: the one given, else each that Linux has GPTs with. */
  private isCandidate(operation: i32, sectorSize: i32): bool {
    const given = this.state.get(operation, Field.SectorSize);
    return given === 0 || given === sectorSize;
  }

  /** A table that is no GPT says nothing of the sector size. */
  private settleSectorSize(operation: i32): void {
    if (this.state.get(operation, Field.SectorSize) === 0) {
      this.state.set(operation, Field.SectorSize, Mbr.SectorBytes);
    }
  }

  private judgeHead(operation: i32, bytes: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const kind = mbrKind(state.buffers, at, bytes);
    if (kind === MbrKind.Protective) {
      let found = 0;
      for (let size = 512; size <= 4096; size *= 2) {
        if (!this.isCandidate(operation, size) || size * 2 > bytes) continue;
        const fault = this.header.decode(state.buffers, at + size, size, u64(1));
        if (fault === GptFault.Ok) found |= size;
      }
      if (found === 0) return Outcome.OtherCopy;
      return this.takeHeader(operation, found);
    }
    this.settleSectorSize(operation);
    if (kind !== MbrKind.Dos || !this.isWanted(operation)) return Outcome.Skip;
    this.list.takePrimaries(operation);
    return Outcome.Mbr;
  }

  /** The last LBA of every sector size lies in the last 8191 bytes. */
  private tailAt(operation: i32): u64 {
    const capacity = this.state.get64(operation, Field.Capacity);
    const whole = u64(capacity - (capacity % u64(4096)));
    return whole < u64(4096) ? u64(0) : u64(whole - u64(4096));
  }

  private tailBytes(operation: i32): i32 {
    return i32(u64(this.state.get64(operation, Field.Capacity) - this.tailAt(operation)));
  }

  private judgeTail(operation: i32, bytes: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const start = this.tailAt(operation);
    let found = 0;
    for (let size = 512; size <= 4096; size *= 2) {
      const lbas = this.lbas(operation, size);
      if (!this.isCandidate(operation, size) || lbas < u64(2)) continue;
      const position = u64(u64(lbas - u64(1)) * u64(size));
      if (position < start || i32(u64(position - start)) + size > bytes) continue;
      const place = at + i32(u64(position - start));
      const fault = this.header.decode(state.buffers, place, size, u64(lbas - u64(1)));
      if (fault === GptFault.Ok) found |= size;
    }
    if (found === 0) {
      this.settleSectorSize(operation);
      if (!this.isWanted(operation)) return Outcome.Skip;
      return this.port.fail(operation, Failure.GptDamaged, u64(0), u64(0));
    }
    state.set(operation, Field.FromBackup, 1);
    return this.takeHeader(operation, found);
  }

  private lbas(operation: i32, sectorSize: i32): u64 {
    return this.state.get64(operation, Field.Capacity) / u64(sectorSize);
  }

  /** One sector size has a header: decode it again and go on with its entries. */
  private takeHeader(operation: i32, found: i32): i32 {
    const state = this.state;
    if ((found & (found - 1)) !== 0) {
      return this.port.fail(operation, Failure.SectorSizeAmbiguous, u64(found), u64(0));
    }
    state.set(operation, Field.SectorSize, found);
    if (!this.isWanted(operation)) return Outcome.Skip;
    let lba = u64(1);
    let start = u64(0);
    if (state.get(operation, Field.FromBackup) !== 0) {
      lba = u64(this.lbas(operation, found) - u64(1));
      start = this.tailAt(operation);
    }
    const place = state.bufferAt(operation) + i32(u64(u64(lba * u64(found)) - start));
    this.header.decode(state.buffers, place, found, lba);
    return this.adopt(operation) ? Outcome.Gpt : this.otherCopy(operation);
  }

  /** Makes the decoded header the one in use; false when its entries cannot be read. */
  private adopt(operation: i32): bool {
    const state = this.state;
    const header = this.header;
    const size = state.get(operation, Field.SectorSize);
    const lbas = this.lbas(operation, size);
    const fromBackup = state.get(operation, Field.FromBackup) !== 0;
    state.set(operation, Field.Table, Table.Gpt);
    state.set64(operation, Field.OtherLba, header.otherLba);
    if (!header.isReadable(lbas, size)) return false;
    const forKernel = !fromBackup && header.isForKernel(u64(lbas - u64(1)));
    state.set(operation, Field.ForKernel, forKernel ? 1 : 0);
    state.set64(operation, Field.EntriesLba, header.entriesLba);
    state.set64(operation, Field.EntriesDone, u64(0));
    state.set(operation, Field.EntryCount, i32(header.entryCount));
    state.set(operation, Field.EntryBytes, i32(header.entryBytes));
    state.set(operation, Field.EntriesCrc, i32(header.entriesCrc));
    state.set(operation, Field.Crc, 0);
    state.set(operation, Field.Partitions, 0);
    state.set(operation, Field.Excess, 0);
    if (fromBackup) this.port.warn(operation, Warning.GptCopyDamaged, 0, u64(2));
    return true;
  }

  /** The copy in use is bad: the other one, if there is one left. */
  private otherCopy(operation: i32): i32 {
    if (this.state.get(operation, Field.FromBackup) !== 0) {
      return this.port.fail(operation, Failure.GptDamaged, u64(0), u64(0));
    }
    this.state.set(operation, Field.FromBackup, 1);
    return Outcome.OtherCopy;
  }

  private entriesBytes(operation: i32): u64 {
    const count = u64(u32(this.state.get(operation, Field.EntryCount)));
    return u64(count * u64(u32(this.state.get(operation, Field.EntryBytes))));
  }

  /** The next piece of the array: whole entries, or a piece of a very large one. */
  private readEntries(operation: i32): i32 {
    const state = this.state;
    const entry = state.get(operation, Field.EntryBytes);
    const done = state.get64(operation, Field.EntriesDone);
    let piece: i32 = Limit.BufferBytes - (Limit.BufferBytes % entry);
    if (entry > Limit.BufferBytes) {
      const rest = entry - i32(done % u64(entry));
      piece = rest < Limit.BufferBytes ? rest : Limit.BufferBytes;
    }
    const left = u64(this.entriesBytes(operation) - done);
    if (left < u64(piece)) piece = i32(left);
    const size = u64(state.get(operation, Field.SectorSize));
    const start = u64(state.get64(operation, Field.EntriesLba) * size);
    return this.read(operation, u64(start + done), piece);
  }

  private takeEntries(operation: i32, bytes: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const entry = state.get(operation, Field.EntryBytes);
    const done = state.get64(operation, Field.EntriesDone);
    const crc = this.crc.update(u32(state.get(operation, Field.Crc)), state.buffers, at, bytes);
    state.set(operation, Field.Crc, i32(crc));
    if (done % u64(entry) === u64(0)) {
      const first = i32(done / u64(entry));
      for (let i = 0; i * entry < bytes; i++) {
        this.list.takeGptEntry(operation, first + i, at + i * entry);
      }
    }
    const total = u64(done + u64(bytes));
    state.set64(operation, Field.EntriesDone, total);
    if (total < this.entriesBytes(operation)) return Outcome.More;
    if (crc !== u32(state.get(operation, Field.EntriesCrc))) return this.otherCopy(operation);
    return state.get(operation, Field.FromBackup) !== 0 ? Outcome.Skip : Outcome.Ok;
  }

  /** Where the other copy lies: where this one says, else at the end. */
  private otherLba(operation: i32): u64 {
    const state = this.state;
    const last = u64(this.lbas(operation, state.get(operation, Field.SectorSize)) - u64(1));
    const said = state.get64(operation, Field.OtherLba);
    return said > u64(1) && said <= last ? said : last;
  }

  private readOtherHeader(operation: i32): i32 {
    const size = this.state.get(operation, Field.SectorSize);
    return this.read(operation, u64(this.otherLba(operation) * u64(size)), size);
  }

  private judgeOtherHeader(operation: i32): i32 {
    const state = this.state;
    const size = state.get(operation, Field.SectorSize);
    const at = state.bufferAt(operation);
    const fault = this.header.decode(state.buffers, at, size, this.otherLba(operation));
    if (state.get(operation, Field.FromBackup) === 0) {
      const same = this.header.entriesCrc === u32(state.get(operation, Field.EntriesCrc));
      if (fault !== GptFault.Ok || !same) {
        this.port.warn(operation, Warning.GptCopyDamaged, 0, u64(1));
      }
      return Outcome.Ok;
    }
    if (fault === GptFault.Ok && this.adopt(operation)) return Outcome.Gpt;
    return this.port.fail(operation, Failure.GptDamaged, u64(0), u64(0));
  }

  /** The next link of a chain of logical partitions, if there is one. */
  private readLogical(operation: i32): i32 {
    if (!this.list.hasLink(operation)) return Outcome.Ok;
    const sector = this.state.get64(operation, Field.LinkSector);
    return this.read(operation, u64(sector * SECTOR), Mbr.SectorBytes);
  }
}
