/**
 * What goes out through the outbox: the words of a call, of an ended operation's result, of one of
 * its partitions. Copies; decides nothing.
 */
import {
  CallWord,
  ChangeWord,
  Command,
  CommandFlag,
  DetachResult,
  Event,
  EventWord,
  Failure,
  PartitionWord,
  Partscan,
  Result,
} from "../abi.ts";
import { Change } from "./numbers.ts";
import { Port, TICKET_SLOTS } from "./port.ts";
import { Entry, Field, Global, State } from "./state.ts";

export class Outlet {
  private readonly state: State;
  private readonly port: Port;
  private readonly outbox: DataView;

  constructor(state: State, port: Port, outbox: DataView) {
    this.state = state;
    this.port = port;
    this.outbox = outbox;
  }

  /** The next call that waits to be handed out, with a ticket; false when there is none. */
  call(): bool {
    for (let operation = 0; operation <= this.state.lookout; operation++) {
      if (this.callOf(operation)) return true;
    }
    return false;
  }

  /** The same of one operation. */
  callOf(operation: i32): bool {
    const state = this.state;
    if (state.get(operation, Field.CallPending) === 0) return false;
    // 23 bits, so that a ticket stays positive.
    const serial = (i32(state.global(Global.Serial)) % 0x7fffff) + 1;
    state.setGlobal(Global.Serial, u64(serial));
    const ticket = serial * TICKET_SLOTS + operation;
    state.set(operation, Field.Ticket, ticket);
    state.set(operation, Field.CallPending, 0);
    this.put(CallWord.Call, state.get(operation, Field.CallKind));
    this.put(CallWord.Ticket, ticket);
    this.put(CallWord.Operation, operation);
    this.put(CallWord.Step, state.get(operation, Field.Step));
    this.put(CallWord.Descriptor, state.get(operation, Field.CallDescriptor));
    this.put(CallWord.Request, state.get(operation, Field.CallRequest));
    this.put(CallWord.Place, state.get(operation, Field.CallPlace));
    this.put(CallWord.Number, state.get(operation, Field.CallNumber));
    this.put(CallWord.Partition, state.get(operation, Field.CallPartition));
    this.put64(CallWord.Argument, state.get64(operation, Field.CallArgument));
    this.put64(CallWord.Argument2, state.get64(operation, Field.CallArgument2));
    this.put(CallWord.Buffer, state.bufferAt(operation));
    this.put(CallWord.Bytes, state.get(operation, Field.CallBytes));
    return true;
  }

  /** Moves one partition of an ended operation to the outbox. */
  partition(operation: i32, index: i32): bool {
    const state = this.state;
    if (operation < 0 || operation >= state.operations) return false;
    if (index < 0 || index >= state.get(operation, Field.Partitions)) return false;
    const at = state.entryAt(operation, index);
    const view = state.view;
    const kind = view.getInt32(at + Entry.Kind, true);
    const isKernel = state.get(operation, Field.Partscan) === Partscan.Kernel;
    this.put(PartitionWord.Number, view.getInt32(at + Entry.Number, true));
    this.put(PartitionWord.Major, view.getInt32(at + Entry.Major, true));
    this.put(PartitionWord.Minor, view.getInt32(at + Entry.Minor, true));
    this.put64(PartitionWord.Start, view.getUint64(at + Entry.Start, true));
    this.put64(PartitionWord.Size, view.getUint64(at + Entry.Size, true));
    this.put(PartitionWord.ByKernel, isKernel ? 1 : 0);
    this.put(PartitionWord.Kind, kind);
    this.put(PartitionWord.MbrType, view.getInt32(at + Entry.MbrType, true));
    this.put(PartitionWord.DiskSignature, state.get(operation, Field.DiskSignature));
    for (let i = 0; i < Entry.Bytes - Entry.TypeGuid; i += 8) {
      const value = kind === 1 ? view.getUint64(at + Entry.TypeGuid + i, true) : u64(0);
      this.outbox.setUint64(PartitionWord.TypeGuid * 8 + i, value, true);
    }
    return true;
  }

  /** The event of an operation that did what it is for. */
  succeed(operation: i32): void {
    // An attach that was told as failed gives back instead.
    assert(this.state.get(operation, Field.Reported) === 0);
    const isProbe = this.state.get(operation, Field.Command) === Command.Probe;
    const at = this.port.push(operation, isProbe ? Event.Probed : Event.Attached, 0);
    this.putResult(operation, at);
  }

  /** The event of a detach that reached its end; its last writes may have failed all the same. */
  detached(operation: i32): void {
    const state = this.state;
    if (state.get(operation, Field.Reported) !== 0) return;
    if (state.get(operation, Field.Failure) !== Failure.None) {
      this.port.failure(operation, Event.Failed);
    } else {
      let code = state.get(operation, Field.Deferred);
      if (state.has(operation, CommandFlag.Release)) code = DetachResult.Released;
      this.putResult(operation, this.port.push(operation, Event.Detached, code));
    }
  }

  /** The event of a rescan, resize or sweep that did what it is for. */
  changed(operation: i32): void {
    const state = this.state;
    const port = this.port;
    if (state.get(operation, Field.Reported) !== 0) return;
    const at = port.push(operation, Event.Changed, 0);
    port.put(at, EventWord.Number, state.get(operation, Field.Number));
    port.put64(at, ChangeWord.Before, state.get64(operation, Field.ImageSize));
    for (let word = 0; word < 4; word++) {
      const shrunk = this.changes(operation, Change.Shrink, word);
      port.put64(at, ChangeWord.Removed + word, this.changes(operation, Change.Remove, word));
      port.put64(at, ChangeWord.Added + word, this.changes(operation, Change.Add, word));
      const grown = this.changes(operation, Change.Grow, word);
      port.put64(at, ChangeWord.Resized + word, u64(shrunk | grown));
    }
    port.result(at, Result.Partitions, u64(state.get(operation, Field.Partitions)));
    port.result(at, Result.Table, u64(state.get(operation, Field.Table)));
    port.result(at, Result.Size, state.get64(operation, Field.Capacity));
  }

  private changes(operation: i32, change: i32, word: i32): u64 {
    return this.state.get64(operation, Field.Changes + change * 4 + word);
  }

  private putResult(operation: i32, at: i32): void {
    const state = this.state;
    const port = this.port;
    port.result(at, Result.Descriptor, u64(state.get(operation, Field.DeviceDescriptor)));
    port.result(at, Result.Major, u64(state.get(operation, Field.Major)));
    port.result(at, Result.Minor, u64(state.get(operation, Field.Minor)));
    port.result(at, Result.Diskseq, state.get64(operation, Field.Diskseq));
    port.result(at, Result.Identity, u64(state.get(operation, Field.Identity)));
    port.result(at, Result.BackingDevice, state.get64(operation, Field.ImageDevice));
    port.result(at, Result.BackingInode, state.get64(operation, Field.ImageInode));
    port.result(at, Result.Offset, state.get64(operation, Field.Offset));
    port.result(at, Result.SizeLimit, state.get64(operation, Field.SizeLimit));
    port.result(at, Result.SectorSize, u64(state.get(operation, Field.SectorSize)));
    port.result(at, Result.Flags, u64(state.get(operation, Field.LoFlags)));
    port.result(at, Result.Partscan, u64(state.get(operation, Field.Partscan)));
    port.result(at, Result.Partitions, u64(state.get(operation, Field.Partitions)));
    port.result(at, Result.Table, u64(state.get(operation, Field.Table)));
    port.result(at, Result.Size, state.get64(operation, Field.Capacity));
    // The number tells the host which name the device has.
    port.put(at, EventWord.Number, state.get(operation, Field.Number));
  }

  private put(word: i32, value: i32): void {
    this.outbox.setUint64(word * 8, u64(value), true);
  }

  private put64(word: i32, value: u64): void {
    this.outbox.setUint64(word * 8, value, true);
  }
}
