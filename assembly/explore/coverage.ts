/**
 * What was reached at least once: the core's steps, what it told, verdicts, ends of waits and of
 * operations. Beside the state; only grows.
 */
import { Event, EventWord, Limit, UeventWord } from "../abi.ts";
import { Step } from "../core/steps.ts";
import { TOLD_EVENTS, Told } from "./words.ts";

/** Numbers of what can be reached. */
export enum Reached {
  Steps = 0,
  Events = 128,
  Verdicts = 144,
  Waits = 152,
  Detaches = 160,
  Failures = 168,
  Warnings = 208,
  Count = 240,
}

export class Coverage {
  readonly reached: Uint8Array = new Uint8Array(Reached.Count);
  /** The last deed, as `Told` says. */
  readonly told: DataView = new DataView(new ArrayBuffer(Told.Words * 4));

  step(step: i32): void {
    assert(step < Step.Count);
    this.reached[Reached.Steps + step] = 1;
  }

  /** Of the event in an outbox. */
  event(outbox: DataView): void {
    const event = outbox.getInt32(EventWord.Event * 8, true);
    const code = outbox.getInt32(EventWord.Code * 8, true);
    this.reached[Reached.Events + event] = 1;
    const group = codesOf(event);
    if (group > 0) this.reached[group + code] = 1;
    this.tell(event, outbox);
  }

  private tell(event: i32, outbox: DataView): void {
    const count = this.told.getInt32(Told.Events * 4, true);
    if (count === TOLD_EVENTS) return;
    this.told.setInt32(Told.Events * 4, count + 1, true);
    const at = (Told.FirstEvent + count * 4) * 4;
    const isUevent = event === Event.Uevent;
    const operation = outbox.getInt32(EventWord.Operation * 8, true);
    const isWatch = operation >= Limit.OperationsMax;
    const detail: i32 = isUevent ? UeventWord.Action : EventWord.Errno;
    this.told.setInt32(at, event, true);
    this.told.setInt32(at + 4, outbox.getInt32(EventWord.Code * 8, true), true);
    this.told.setInt32(at + 8, isWatch ? operation - Limit.OperationsMax : operation, true);
    this.told.setInt32(at + 12, outbox.getInt32(detail * 8, true), true);
  }

  put(word: i32, value: i32): void {
    this.told.setInt32(word * 4, value, true);
  }

  blank(): void {
    for (let i = 0; i < Told.Words; i++) this.put(i, 0);
  }
}

/** Which codes an event has. */
function codesOf(event: i32): i32 {
  switch (event) {
    case Event.Uevent:
      return Reached.Verdicts;
    case Event.Waited:
      return Reached.Waits;
    case Event.Detached:
      return Reached.Detaches;
    case Event.Failed:
      return Reached.Failures;
    case Event.Warned:
      return Reached.Warnings;
    default:
      return 0;
  }
}
