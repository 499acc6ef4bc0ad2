/**
 * Partitions by their number: as sysfs lists them in an operation's buffer, as entries of its list,
 * and as sets of numbers that are to change. Makes no call and decides nothing.
 */
import { Limit, PartitionEntryWord } from "../abi.ts";
import { Entry, Field, State } from "./state.ts";

const SECTOR: u64 = u64(512);

/** What becomes of a partition, in the order in which it is done: room is made, then filled. */
export enum Change {
  Remove = 0,
  Shrink,
  Grow,
  Add,
  Count,
}

/** Numbers that a set has room for, from 0 on. */
export const SET_NUMBERS: i32 = 256;

/** Where a record of ListPartitions lies among the buffers. */
export function recordAt(state: State, operation: i32, index: i32): i32 {
  return state.bufferAt(operation) + index * PartitionEntryWord.Words * 4;
}

export function recordNumber(state: State, record: i32): i32 {
  return state.buffers.getInt32(record + PartitionEntryWord.Number * 4, true);
}

/** Bytes. */
export function recordStart(state: State, record: i32): u64 {
  return u64(state.buffers.getUint64(record + PartitionEntryWord.Start * 4, true) * SECTOR);
}

/** Bytes. */
export function recordSize(state: State, record: i32): u64 {
  return u64(state.buffers.getUint64(record + PartitionEntryWord.Size * 4, true) * SECTOR);
}

/** The record with a number among the first `count`; -1: none. */
export function findRecord(state: State, operation: i32, count: i32, number: i32): i32 {
  for (let i = 0; i < count; i++) {
    const record = recordAt(state, operation, i);
    if (recordNumber(state, record) === number) return record;
  }
  return -1;
}

export function entryNumber(state: State, entry: i32): i32 {
  return state.view.getInt32(entry + Entry.Number, true);
}

/** The entry with a number among the first `count`; -1: none. */
export function findEntry(state: State, operation: i32, count: i32, number: i32): i32 {
  for (let i = 0; i < count; i++) {
    const entry = state.entryAt(operation, i);
    if (entryNumber(state, entry) === number) return entry;
  }
  return -1;
}

/** Puts a number into the set of a change; one that no partition can have is left out. */
export function plan(state: State, operation: i32, change: i32, number: i32): void {
  if (number <= 0 || number > Limit.PartitionsMax) return;
  const slot = Field.Changes + change * (SET_NUMBERS / 64) + (number >> 6);
  const bit = u64(u64(1) << u64(number & 63));
  state.set64(operation, slot, u64(state.get64(operation, slot) | bit));
}

export function isPlanned(state: State, operation: i32, change: i32, number: i32): bool {
  const slot = Field.Changes + change * (SET_NUMBERS / 64) + (number >> 6);
  return (u64(state.get64(operation, slot) >> u64(number & 63)) & u64(1)) !== u64(0);
}

/** Whether the set of a change holds any number. */
export function isAnyPlanned(state: State, operation: i32, change: i32): bool {
  for (let i = 0; i < SET_NUMBERS / 64; i++) {
    const slot = Field.Changes + change * (SET_NUMBERS / 64) + i;
    if (state.get64(operation, slot) !== u64(0)) return true;
  }
  return false;
}
