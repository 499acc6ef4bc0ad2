/**
 * The steps that prove each partition: its node leads to it, and it is this instance's; those of
 * our own making are looked at once more when all are proven. Knows not how they were made.
 */
import { Call, CommandFlag, Failure, Place, StatWord } from "../abi.ts";
import { Ioctl, OpenFlag } from "../wire/linux.ts";
import { entryNumber, findRecord } from "./numbers.ts";
import { dropped, isOurs } from "./partitions.ts";
import { answer, Room } from "./port.ts";
import { Entry, Field } from "./state.ts";
import { Outcome, Step } from "./steps.ts";

/** A node that devtmpfs does not make is waited for so often (about half a second). */
const NODE_TRIES_MAX: i32 = 32;

export class ProofSteps extends Room {
  begin(operation: i32, step: i32): i32 {
    const state = this.state;
    const port = this.port;
    const number = state.get(operation, Field.Number);
    const auxiliary = state.get(operation, Field.AuxiliaryDescriptor);
    switch (step) {
      case Step.OpenNode:
      case Step.MakeNode:
        return this.beginNode(operation, step);
      case Step.StatNode:
        return port.fstat(operation, auxiliary);
      case Step.SeqNode:
        if (state.get64(operation, Field.Diskseq) === u64(0)) return Outcome.Skip;
        return port.ioctlNumber(operation, auxiliary, Ioctl.BLKGETDISKSEQ);
      case Step.RedrainOpen:
        return port.open(operation, Place.Disk, OpenFlag.O_NONBLOCK, number, 0);
      case Step.ListProven:
        return port.query(operation, Call.ListPartitions, number, -1);
      default:
        assert(step === Step.CloseNode || step === Step.RedrainClose);
        return port.close(operation, auxiliary);
    }
  }

  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.OpenNode:
      case Step.MakeNode:
        return this.finishNode(operation, step, result, outcome);
      case Step.CloseNode:
        state.set(operation, Field.AuxiliaryDescriptor, -1);
        state.set(operation, Field.Cursor, state.get(operation, Field.Cursor) + 1);
        return outcome;
      case Step.RedrainClose:
        state.set(operation, Field.AuxiliaryDescriptor, -1);
        return outcome;
      default:
        return result < 0 ? outcome : this.succeeded(operation, step, result, outcome);
    }
  }

  private succeeded(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    switch (step) {
      case Step.StatNode:
        return this.statNode(operation);
      case Step.SeqNode: {
        const isOurs = answer(state, operation) === state.get64(operation, Field.Diskseq);
        return isOurs ? outcome : this.mismatch(operation);
      }
      case Step.RedrainOpen:
        state.set(operation, Field.AuxiliaryDescriptor, result);
        return outcome;
      default:
        assert(step === Step.ListProven);
        return this.recount(operation, result);
    }
  }

  private beginNode(operation: i32, step: i32): i32 {
    const state = this.state;
    const cursor = state.get(operation, Field.Cursor);
    if (cursor === state.get(operation, Field.Partitions)) return this.afterNodes(operation);
    const entry = state.entryAt(operation, cursor);
    const number = state.get(operation, Field.Number);
    const partition = entryNumber(state, entry);
    if (step === Step.MakeNode) {
      return this.port.node(operation, Call.MakeNode, Place.Partition, number, partition);
    }
    return this.port.open(operation, Place.Partition, OpenFlag.O_NONBLOCK, number, partition);
  }

  /** The kernel's own come of a scan that is over: none can follow it. */
  private afterNodes(operation: i32): i32 {
    const state = this.state;
    if (state.get(operation, Field.Partitions) === 0) return Outcome.Skip;
    return isOurs(state, operation) ? Outcome.Doubt : Outcome.Skip;
  }

  private finishNode(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    const state = this.state;
    if (step === Step.MakeNode) return outcome;
    if (result >= 0) {
      state.set(operation, Field.AuxiliaryDescriptor, result);
      return outcome;
    }
    const tries = state.get(operation, Field.Denied) + 1;
    if (outcome !== Outcome.Missing && outcome !== Outcome.Again) return outcome;
    state.set(operation, Field.Denied, tries);
    if (tries > NODE_TRIES_MAX) {
      this.port.note(operation, -result);
      return Outcome.Doubt;
    }
    if (outcome === Outcome.Missing && !state.has(operation, CommandFlag.MakeNodes)) {
      return Outcome.Again;
    }
    return outcome;
  }

  private statNode(operation: i32): i32 {
    const state = this.state;
    const at = state.bufferAt(operation);
    const entry = state.entryAt(operation, state.get(operation, Field.Cursor));
    const major = i32(state.buffers.getUint64(at + StatWord.Major * 8, true));
    const minor = i32(state.buffers.getUint64(at + StatWord.Minor * 8, true));
    state.set(operation, Field.Denied, 0);
    if (
      major !== state.view.getInt32(entry + Entry.Major, true) ||
      minor !== state.view.getInt32(entry + Entry.Minor, true)
    ) {
      return this.mismatch(operation);
    }
    return Outcome.Ok;
  }

  private mismatch(operation: i32): i32 {
    const state = this.state;
    const entry = state.entryAt(operation, state.get(operation, Field.Cursor));
    const number = u64(entryNumber(state, entry));
    return this.port.fail(operation, Failure.NodeMismatch, number, u64(0));
  }

  /**
   * Partitions of our own making, once more: a scan that somebody put off, who had a partition of
   * an earlier instance open, drops them when it is done after all, by the last open at the latest.
   */
  private recount(operation: i32, found: i32): i32 {
    const state = this.state;
    const expected = state.get(operation, Field.Partitions);
    for (let i = 0; i < expected; i++) {
      const number = entryNumber(state, state.entryAt(operation, i));
      if (findRecord(state, operation, found, number) >= 0) continue;
      return dropped(state, this.port, operation, number);
    }
    if (NODE_TRIES_MAX >= state.get(operation, Field.Denied)) return Outcome.Ok;
    state.set(operation, Field.Failure, Failure.System);
    return Outcome.Fail;
  }
}
