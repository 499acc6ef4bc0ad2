/**
 * The exported ABI of kernel.wasm, nothing but thin calls. Wasm-only. `start` once with the
 * version and the capacities, then `setup*` and `boot`, then system calls as tasks.
 */

import { Limit } from "../abi.ts";
import { panicNote } from "../panic.ts";
import { Calls } from "./calls.ts";
import { Content } from "./content.ts";
import { Era, isKnownVersion } from "./eras.ts";
import { Inquiry } from "./inquiry.ts";
import { Kernel } from "./kernel.ts";
import { Task } from "./layout.ts";
import { root, running } from "./root.ts";
import { Setup } from "./setup.ts";
import { Capacity, State } from "./state.ts";

export { panicNote };

/** Where a host leaves bytes for the kernel (names, UUIDs), and finds a sender. */
const inbox = new DataView(new ArrayBuffer(256));
/** The words of a call, as a core leaves them in its outbox. */
const words = new DataView(new ArrayBuffer(Limit.OutboxBytes));

/** Whether `start` knows a version (`packVersion`). */
export function knows(version: i32): i32 {
  return i32(isKnownVersion(version));
}

export function start(
  version: i32,
  loops: i32,
  partitions: i32,
  files: i32,
  tasks: i32,
  sockets: i32,
  queue: i32,
  images: i32,
  processes: i32,
  maxPart: i32,
  parsers: i32,
  contentBytes: i32,
  buffersBytes: i32,
): void {
  assert(root.kernel === null);
  const capacity = new Capacity(loops, partitions, files, tasks, sockets, queue, images, processes);
  const setup = new Setup(new Era(version), images, partitions, maxPart, parsers);
  const kernel = new Kernel(new State(capacity), setup);
  const content = new Content(contentBytes);
  const buffers = new DataView(new ArrayBuffer(buffersBytes));
  root.kernel = kernel;
  root.content = content;
  root.calls = new Calls(kernel, new Inquiry(kernel, content), words, buffers);
}

function calls(): Calls {
  assert(root.calls !== null);
  return root.calls!;
}

/** Room for bytes of an image: where they are to be left, from `contentAt` on. */
export function addContent(image: i32, offset: u64, bytes: i32): i32 {
  return root.content!.add(image, offset, bytes);
}

export function boot(loops: i32, diskseq: i32): void {
  running().boot(loops, diskseq);
}

export function setGrain(grain: i32): void {
  running().tasks.setGrain(grain);
}

export function switchValue(name: i32): i32 {
  return running().setup.era.get(name);
}

export function begin(
  process: i32,
  routine: i32,
  a: i32,
  b: i32,
  c: i32,
  d: i32,
  e: u64,
  f: u64,
): i32 {
  return running().begin(process, routine, a, b, c, d, e, f);
}

/** lo_file_name of a task that was just begun: 64 bytes of the inbox. */
export function nameTask(task: i32): void {
  running().nameTask(task, inbox, 0);
}

export function step(task: i32): i32 {
  return running().step(task);
}

export function run(task: i32): i32 {
  return running().run(task);
}

/** The result of a task that is done. */
export function result(task: i32): i32 {
  return running().tasks.get(task, Task.Result);
}

export function release(task: i32): void {
  running().tasks.release(task);
}

export function openImage(process: i32, image: i32, flags: i32): i32 {
  return running().files.openImage(process, image, flags);
}

export function openControl(process: i32, flags: i32): i32 {
  return running().files.openControl(process, flags);
}

export function flock(process: i32, file: i32, operation: i32): i32 {
  return running().flock(process, file, operation);
}

export function truncate(image: i32, bytes: u64): i32 {
  return running().scenario.truncate(image, bytes);
}

export function unlink(image: i32): i32 {
  return running().scenario.unlink(image);
}

/** `uuid` 1: its 16 bytes lie in the inbox. */
export function trigger(number: i32, partition: i32, action: i32, uuid: i32): i32 {
  return running().trigger(number, partition, action, inbox, uuid !== 0 ? 0 : -1);
}

export function openSocket(process: i32, group: i32, receiveBuffer: i32, noEnobufs: i32): i32 {
  return running().openSocket(process, group, receiveBuffer, noEnobufs !== 0);
}

export function closeSocket(socket: i32): void {
  running().sockets.close(socket);
}

/** Bytes of a datagram, which lie at `datagramAt`, or -errno; its sender is in the inbox. */
export function receive(socket: i32): i32 {
  return running().sockets.receive(socket, inbox);
}

/** Whether loop device `number` is in sysfs; its `DiskView` is at `viewAt`. */
export function viewDisk(number: i32): i32 {
  return i32(running().views.disk(number));
}

export function viewPartition(number: i32, place: i32): i32 {
  return i32(running().views.partition(number, place));
}

export function watch(number: i32, partition: i32, isWatched: i32): i32 {
  return running().scenario.watch(number, partition, isWatched !== 0);
}

export function isNoticed(number: i32, partition: i32): i32 {
  return i32(running().scenario.isNoticed(number, partition));
}

export function setUdev(isRunning: i32): void {
  running().scenario.setUdev(isRunning !== 0);
}

export function writeRecord(number: i32, partition: i32): i32 {
  return running().scenario.writeRecord(number, partition);
}

export function forward(socket: i32): void {
  running().scenario.forward(socket);
}

export function forge(
  group: i32,
  sender: i32,
  action: i32,
  number: i32,
  partition: i32,
  diskseq: i32,
): i32 {
  return running().scenario.forge(group, sender, action, number, partition, diskseq);
}

export function lose(socket: i32): void {
  running().scenario.lose(socket);
}

export function swap(socket: i32): i32 {
  return i32(running().scenario.swap(socket));
}

/** The first datagram of a socket is done with. */
export function drop(socket: i32): void {
  running().scenario.drop(socket);
}

export function dirty(number: i32): i32 {
  return running().scenario.dirty(number);
}

/* The core's calls: the words of one lie at `callAt`, its bytes among the buffers. */

export function beginCall(process: i32, image: i32): i32 {
  return calls().begin(process, image);
}

export function stepCall(task: i32): i32 {
  return calls().step(task);
}

export function runCall(task: i32): i32 {
  return calls().run(task);
}

export function finishCall(task: i32): i32 {
  return calls().finish(task);
}

/** A datagram into the buffers, and its record. */
export function receiveCall(process: i32, group: i32, slot: i32, record: i32): i32 {
  return calls().receive(process, group, slot, record);
}

/** The socket of a process in a group, -1: none; and what it lost since this was asked last. */
export function socketOf(process: i32, group: i32): i32 {
  return running().sockets.find(process, group);
}

export function takeDrops(socket: i32): i32 {
  return running().sockets.takeDrops(socket);
}

/* Addresses in memory, bytes; fixed from `start` on. */

export function stateAt(): usize {
  return changetype<usize>(running().state.buffer);
}

export function stateBytes(): i32 {
  return running().state.buffer.byteLength;
}

export function setupAt(): usize {
  return changetype<usize>(running().setup.buffer);
}

export function setupBytes(): i32 {
  return running().setup.buffer.byteLength;
}

export function contentAt(): usize {
  return changetype<usize>(root.content!.bytes.buffer);
}

export function callAt(): usize {
  return changetype<usize>(words.buffer);
}

export function buffersAt(): usize {
  return changetype<usize>(calls().buffers.buffer);
}

export function inboxAt(): usize {
  return changetype<usize>(inbox.buffer);
}

export function datagramAt(): usize {
  return changetype<usize>(running().format.bytes.buffer);
}

export function viewAt(): usize {
  return changetype<usize>(running().views.words.buffer);
}
