/**
 * The JavaScript build of the simulated kernel behind the shape of kernel.wasm's exports: what
 * `assembly/kernel/index.ts` is for Wasm. To be imported after `host/portable.ts`.
 */
import { Limit } from "../../assembly/abi.ts";
import { Calls } from "../../assembly/kernel/calls.ts";
import { Content } from "../../assembly/kernel/content.ts";
import { Era } from "../../assembly/kernel/eras.ts";
import { Inquiry } from "../../assembly/kernel/inquiry.ts";
import { Kernel } from "../../assembly/kernel/kernel.ts";
import { Task } from "../../assembly/kernel/layout.ts";
import { Setup } from "../../assembly/kernel/setup.ts";
import { Capacity, State } from "../../assembly/kernel/state.ts";
import type { ModelEngine, StartNumbers } from "./engine.ts";

export function startKernel(numbers: StartNumbers) {
  const [version, loops, partitions, files, tasks, sockets, queue] = numbers;
  const [, , , , , , , images, processes, maxPart, parsers, contentBytes, buffersBytes] = numbers;
  const capacity = new Capacity(loops, partitions, files, tasks, sockets, queue, images, processes);
  const setup = new Setup(new Era(version), images, partitions, maxPart, parsers);
  const kernel = new Kernel(new State(capacity), setup);
  const inbox = new DataView(new ArrayBuffer(256));
  const content = new Content(contentBytes);
  const words = new DataView(new ArrayBuffer(Limit.OutboxBytes));
  const buffers = new DataView(new ArrayBuffer(buffersBytes));
  const calls = new Calls(kernel, new Inquiry(kernel, content), words, buffers);
  const engine: ModelEngine = {
    boot: (count, diskseq) => kernel.boot(count, diskseq),
    setGrain: (grain) => kernel.tasks.setGrain(grain),
    switchValue: (name) => setup.era.get(name),
    begin: (process, routine, a, b, c, d, e, f) =>
      kernel.begin(process, routine, a, b, c, d, BigInt.asUintN(64, e), BigInt.asUintN(64, f)),
    nameTask: (task) => kernel.nameTask(task, inbox, 0),
    step: (task) => kernel.step(task),
    run: (task) => kernel.run(task),
    result: (task) => kernel.tasks.get(task, Task.Result),
    release: (task) => kernel.tasks.release(task),
    openImage: (process, image, flags) => kernel.files.openImage(process, image, flags),
    openControl: (process, flags) => kernel.files.openControl(process, flags),
    flock: (process, file, operation) => kernel.flock(process, file, operation),
    truncate: (image, bytes) => kernel.scenario.truncate(image, BigInt.asUintN(64, bytes)),
    unlink: (image) => kernel.scenario.unlink(image),
    trigger: (number, partition, action, uuid) =>
      kernel.trigger(number, partition, action, inbox, uuid !== 0 ? 0 : -1),
    openSocket: (process, group, receiveBuffer, noEnobufs) =>
      kernel.openSocket(process, group, receiveBuffer, noEnobufs !== 0),
    closeSocket: (socket) => kernel.sockets.close(socket),
    receive: (socket) => kernel.sockets.receive(socket, inbox),
    viewDisk: (number) => kernel.views.disk(number),
    viewPartition: (number, place) => kernel.views.partition(number, place),
    isNoticed: (number, partition) => kernel.scenario.isNoticed(number, partition),
    setUdev: (isRunning) => kernel.scenario.setUdev(isRunning !== 0),
    writeRecord: (number, partition) => kernel.scenario.writeRecord(number, partition),
    forward: (socket) => kernel.scenario.forward(socket),
    forge: (group, sender, action, number, partition, diskseq) =>
      kernel.scenario.forge(group, sender, action, number, partition, diskseq),
    lose: (socket) => kernel.scenario.lose(socket),
    swap: (socket) => kernel.scenario.swap(socket),
    drop: (socket) => kernel.scenario.drop(socket),
    dirty: (number) => kernel.scenario.dirty(number),
    addContent: (image, offset, bytes) => content.add(image, offset, bytes),
    beginCall: (process, image) => calls.begin(process, image),
    stepCall: (task) => calls.step(task),
    runCall: (task) => calls.run(task),
    finishCall: (task) => calls.finish(task),
    receiveCall: (process, group, slot, record) => calls.receive(process, group, slot, record),
    socketOf: (process, group) => kernel.sockets.find(process, group),
    takeDrops: (socket) => kernel.sockets.takeDrops(socket),
    watch: (number, partition, isWatched) =>
      kernel.scenario.watch(number, partition, isWatched !== 0),
  };
  return { engine, kernel, inbox, content, words, buffers };
}
