/**
 * The exported ABI: the whole surface of core.wasm, nothing but thin calls. Wasm-only.
 *
 * `start` once, then inputs; after each drain `pollCall` and `pollEvent`, which answer 1 and fill
 * the outbox, or 0. Enums are exported as globals `Enum.Member`, so that a host can check its
 * vocabulary. 64-bit results arrive signed in JavaScript.
 */
import {
  Action,
  Call,
  CallWord,
  ChangeWord,
  Command,
  CommandFlag,
  CommandWord,
  DatagramFlag,
  DatagramWord,
  DetachResult,
  DeviceType,
  DiskWord,
  Event,
  EventWord,
  Failure,
  Fault,
  Group,
  Limit,
  Mark,
  Mismatch,
  PartitionEntryWord,
  PartitionWord,
  Partscan,
  Place,
  Result,
  StatWord,
  Table,
  TimeoutReason,
  UeventWord,
  Verdict,
  WaitResult,
  WaitWord,
  Warning,
} from "../abi.ts";
import { panicNote } from "../panic.ts";
import { Capacities, SEQNUMS } from "./capacities.ts";
import { Machine } from "./machine.ts";
import { Step } from "./steps.ts";

export {
  Action,
  Call,
  CallWord,
  ChangeWord,
  Command,
  CommandFlag,
  CommandWord,
  DatagramFlag,
  DatagramWord,
  DetachResult,
  DeviceType,
  DiskWord,
  Event,
  EventWord,
  Failure,
  Fault,
  Group,
  Limit,
  Mark,
  Mismatch,
  PartitionEntryWord,
  PartitionWord,
  Partscan,
  Place,
  panicNote,
  Result,
  StatWord,
  Step,
  Table,
  TimeoutReason,
  UeventWord,
  Verdict,
  WaitResult,
  WaitWord,
  Warning,
};

class Root {
  machine: Machine | null = null;
}

const root = new Root();

function running(): Machine {
  assert(root.machine !== null);
  return root.machine!;
}

/**
 * Once, before all else. `operations` 1 to 64, `partitions` 1 to 255 for each of them, `watches` 1
 * to 4096.
 */
export function start(seed: u64, operations: i32, partitions: i32, watches: i32): void {
  assert(root.machine === null);
  root.machine = new Machine(seed, new Capacities(operations, partitions, watches, SEQNUMS));
}

export function handleCommand(now: u64): i32 {
  return running().handleCommand(now);
}

export function handleCompletion(now: u64, ticket: i32, result: i32): i32 {
  return running().handleCompletion(now, ticket, result);
}

export function handleDatagram(now: u64, slot: i32): i32 {
  return running().handleDatagram(now, slot);
}

export function handleOverrun(now: u64, group: i32, count: i32): i32 {
  return running().handleOverrun(now, group, count);
}

export function handleTimeout(now: u64): i32 {
  return running().handleTimeout(now);
}

export function pollCall(): i32 {
  return i32(running().pollCall());
}

export function pollEvent(): i32 {
  return i32(running().pollEvent());
}

export function pollTimeout(): u64 {
  return running().pollTimeout();
}

export function timeoutReason(): i32 {
  return running().timeoutReason();
}

export function selectPartition(operation: i32, index: i32): i32 {
  return i32(running().selectPartition(operation, index));
}

export function stateHash(): u64 {
  return running().hash();
}

/* Addresses in memory, bytes; fixed from `start` on. */

export function inboxAt(): usize {
  return changetype<usize>(running().inbox.buffer);
}

export function outboxAt(): usize {
  return changetype<usize>(running().outbox.buffer);
}

export function stateAt(): usize {
  return changetype<usize>(running().state.buffer);
}

export function stateBytes(): i32 {
  return running().state.buffer.byteLength;
}

export function buffersAt(): usize {
  return changetype<usize>(running().state.buffersBuffer);
}

export function buffersBytes(): i32 {
  return running().state.buffersBuffer.byteLength;
}

/** Where the slots for datagrams begin among the buffers, and their records. */
export function slotsAt(): i32 {
  return running().state.slotsAt;
}

export function recordsAt(): i32 {
  return running().state.recordsAt;
}
