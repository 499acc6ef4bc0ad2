/**
 * A thread of the pool: makes the calls that can block, one at a time. Each message is the name of
 * a task and its arguments, each answer the task's result or -errno. Decides nothing and keeps
 * nothing; an address in a message stays good because its sender holds the bytes until the answer.
 */
import { parentPort } from "node:worker_threads";
import { findHolders, findLockers } from "./holders.ts";
import { close, fsync, ioctlBuffer, ioctlValue, openat, pread } from "./libc.ts";
import { errnoOf, findBacking } from "./sysfs.ts";

const tasks = {
  openat,
  close,
  fsync,
  pread,
  ioctlValue,
  ioctlBuffer,
  findBacking,
  findHolders,
  findLockers,
};

export type Tasks = typeof tasks;
export type TaskName = keyof Tasks;
export type TaskMessage = readonly [name: TaskName, ...args: unknown[]];

parentPort?.on("message", ([name, ...args]: TaskMessage) => {
  const task = tasks[name] as (...args: unknown[]) => unknown;
  parentPort?.postMessage(perform(() => task(...args)));
});

function perform(task: () => unknown): unknown {
  try {
    return task();
  } catch (error) {
    return errnoOf(error);
  }
}
