/**
 * A command's words, checked and written into a blank operation. A command that is refused has
 * changed nothing. Starts nothing.
 */
import { Command, CommandFlag, CommandWord, Limit, Partscan } from "../abi.ts";
import { Field, Global, State } from "./state.ts";

const NUMBER_MAX: u64 = u64(0xfffff);
const BYTES_MAX: u64 = u64(u64(0x7fffffff) << u64(32));

export class Intake {
  private readonly state: State;
  private readonly inbox: DataView;

  constructor(state: State, inbox: DataView) {
    this.state = state;
    this.inbox = inbox;
  }

  /** One word of the command in the inbox. */
  word(word: i32): u64 {
    return this.inbox.getUint64(word * 8, true);
  }

  /** Whether every word is one that the core takes. */
  isValid(command: i32): bool {
    const number = i32(this.word(CommandWord.Number));
    if (number < -1 || u64(number < 0 ? 0 : number) > NUMBER_MAX) return false;
    if (!isOfImage(command)) {
      const isRelease = (i32(this.word(CommandWord.Flags)) & CommandFlag.Release) !== 0;
      if (isRelease && command !== Command.Detach) return false;
      return number >= 0 && (!isRelease || i32(this.word(CommandWord.Descriptor)) >= 0);
    }
    const size = this.word(CommandWord.SectorSize);
    const isPower = size === u64(512) || size === u64(1024) || size === u64(2048);
    if (size !== u64(0) && size !== u64(4096) && !isPower) return false;
    if (this.word(CommandWord.Partscan) > u64(Partscan.None)) return false;
    if (this.word(CommandWord.ReferenceBytes) > u64(Limit.ReferenceBytesMax)) return false;
    return (
      this.word(CommandWord.Offset) < BYTES_MAX && this.word(CommandWord.SizeLimit) < BYTES_MAX
    );
  }

  /** Fills a blank operation. */
  accept(operation: i32, command: i32): void {
    const state = this.state;
    const timeout = this.word(CommandWord.TimeoutNs);
    const descriptor = i32(this.word(CommandWord.Descriptor));
    const number = i32(this.word(CommandWord.Number));
    state.setGlobal(Global.Taken, u64(state.global(Global.Taken) + u64(1)));
    state.set(operation, Field.Command, command);
    state.set(operation, Field.Flags, i32(this.word(CommandWord.Flags)));
    if (timeout !== u64(0)) {
      state.set64(operation, Field.Deadline, u64(state.global(Global.Now) + timeout));
    }
    if (!isOfImage(command)) {
      state.set(operation, Field.Number, number);
      state.set(operation, Field.DeviceDescriptor, descriptor);
      state.set64(operation, Field.DiskseqAsked, this.word(CommandWord.Diskseq));
      state.set64(operation, Field.BackingDeviceAsked, this.word(CommandWord.BackingDevice));
      state.set64(operation, Field.BackingInodeAsked, this.word(CommandWord.BackingInode));
      return;
    }
    state.set(operation, Field.NumberAsked, number);
    state.set(operation, Field.ImageDescriptor, descriptor);
    state.set64(operation, Field.Offset, this.word(CommandWord.Offset));
    state.set64(operation, Field.SizeLimit, this.word(CommandWord.SizeLimit));
    state.set(operation, Field.SectorSize, i32(this.word(CommandWord.SectorSize)));
    state.set(operation, Field.PartscanAsked, i32(this.word(CommandWord.Partscan)));
    const reference = state.at(operation, Field.Reference);
    for (let i = 0; i < i32(this.word(CommandWord.ReferenceBytes)); i++) {
      state.view.setUint8(reference + i, this.inbox.getUint8(CommandWord.Reference * 8 + i));
    }
  }
}

/** Takes an image; others take a device. */
function isOfImage(command: i32): bool {
  return command === Command.Attach || command === Command.Probe;
}
