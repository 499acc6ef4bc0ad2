/**
 * Tells when a socket can be read, through libuv's poll handle as koffi exposes it
 * (`koffi.node.poll`: undocumented, so koffi is pinned and tests watch these edges). Knows nothing
 * of what is received.
 *
 * - The callback gets `(status, events)`; a negative status means that libuv has stopped the handle
 *   because the socket has an error: it is started again.
 * - An exception in it would be swallowed and end all callbacks: it is thrown elsewhere.
 * - Two handles on a descriptor, a descriptor that is no socket, and one that is closed before its
 *   handle abort the process; so does touching a closed handle.
 * - A worker thread releases an open handle after it has unloaded koffi, unless koffi stays. One
 *   that is terminated at the very moment of a wake aborts the process: nothing helps against that.
 *
 * While it is open the process stays alive.
 */
import { fstatSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import koffi from "koffi";
import { keepLoaded } from "./libc.ts";

interface PollHandle {
  start(options: typeof readable, callback: PollCallback): void;
  close(): void;
}

type PollCallback = (status: number) => void;

const readable = { readable: true };

/** koffi's declaration leaves the status out. */
const poll = koffi.node.poll as unknown as (
  descriptor: number,
  options: typeof readable,
  callback: PollCallback,
) => PollHandle;

const polled = new Set<number>();

/** For a socket of our own, which is closed after it. Comes again for as long as there is more. */
export class Poll {
  readonly #descriptor: number;
  readonly #ready: () => void;
  /** `undefined`: closed */
  #handle: PollHandle | undefined;

  constructor(descriptor: number, ready: () => void) {
    if (!fstatSync(descriptor).isSocket()) throw new TypeError(`${descriptor} is no socket`);
    if (polled.has(descriptor)) throw new TypeError(`${descriptor} is polled already`);
    if (!isMainThread) keepKoffi();
    this.#descriptor = descriptor;
    this.#ready = ready;
    this.#handle = poll(descriptor, readable, this.#callback);
    polled.add(descriptor);
  }

  /** To be called before the descriptor is closed, also from within `ready`; once or more. */
  close(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#handle = undefined;
    polled.delete(this.#descriptor);
    handle.close();
  }

  readonly #callback: PollCallback = (status) => {
    if (this.#handle === undefined) return;
    contain(this.#ready);
    // what has been read has cleared the error
    if (status < 0) contain(() => this.#handle?.start(readable, this.#callback));
  };
}

function contain(action: () => void): void {
  try {
    action();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

let isKept = false;

function keepKoffi(): void {
  if (isKept) return;
  isKept = true;
  const path = /\/.*\/koffi\.node$/m.exec(readFileSync("/proc/self/maps", "utf8"))?.[0];
  if (path !== undefined) keepLoaded(path);
}
