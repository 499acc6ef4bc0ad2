/**
 * What tests of uevents share: sessions of their own, monitors whose items are kept, synthetic
 * events, and limits on how long something that must come at once may take.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { Command } from "../../assembly/abi.ts";
import type { Kernel } from "../../host/kernel.ts";
import { LinuxKernel, type LinuxKernelOptions } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import type {
  Monitor,
  MonitorItem,
  Uevent,
  Waited,
  WaitOptions,
  WaitTarget,
} from "../../host/stream-types.ts";
import type { Scene } from "./scene.ts";
import { slowness } from "./slowness.ts";

/** What ends at once has so long, on whatever machine. */
export const soonMs = 2000;

/** Knows how many waits the core has taken: names are looked up before, in any order. */
export class TestSession extends Session {
  #waits = 0;
  #wake: () => void = () => {};

  override run(...words: Parameters<Session["run"]>): ReturnType<Session["run"]> {
    const outcome = super.run(...words);
    if (words[0].command === Command.Wait) this.#waits++;
    this.#wake();
    return outcome;
  }

  /** Until so many waits are or were under way. */
  async begun(count: number): Promise<void> {
    while (this.#waits < count) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await soon(`wait ${count} to begin`, woken);
    }
  }
}

/** A session with the real kernel, closed with the scene. */
export function openSession(scene: Scene, options: LinuxKernelOptions = {}): TestSession {
  return openSessionOn(scene, new LinuxKernel(options));
}

export function openSessionOn(scene: Scene, kernel: Kernel): TestSession {
  const session = new TestSession(kernel);
  scene.defer(() => session.close());
  return session;
}

/** A wait that is looked at later, when it may have been rejected. */
export function begin(
  session: Session,
  target: WaitTarget,
  options: WaitOptions = {},
): Promise<Waited> {
  const wait = session.waitFor(target, options);
  wait.catch(() => {});
  return wait;
}

/** Rejects when the promise does not settle within the limit. */
export async function soon<T>(what: string, promise: Promise<T>, ms = soonMs): Promise<T> {
  const timer = new AbortController();
  const late = sleep(slowness * ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what}: not within ${slowness * ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  const settle = () => {
    isDone = true;
  };
  promise.then(settle, settle);
  await turn();
  return isDone;
}

/** Reads a monitor to its end and keeps what it told. */
export class Collector {
  readonly items: MonitorItem[] = [];
  /** The iteration's end; rejects as it does. */
  readonly done: Promise<void>;
  readonly #monitor: Monitor;
  #wake: () => void = () => {};

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    this.done = this.#read();
    this.done.catch(() => {});
  }

  get uevents(): Uevent[] {
    return this.items.filter((item) => item.type === "uevent");
  }

  async #read(): Promise<void> {
    try {
      for await (const item of this.#monitor) {
        this.items.push(item);
        this.#wake();
      }
    } finally {
      this.#wake();
    }
  }

  /** Looks whenever there are new items; a condition that has come true stays so. */
  async until(what: string, condition: () => boolean, ms = 30_000): Promise<void> {
    const isOver = this.done.then(
      () => true,
      () => true,
    );
    const watch = async (): Promise<void> => {
      while (!condition()) {
        const woken = new Promise<false>((resolve) => {
          this.#wake = () => resolve(false);
        });
        if ((await Promise.race([woken, isOver])) && !condition()) {
          throw new Error(`${what}: the stream ended before`);
        }
        // Once for all that is to be read already.
        await turn();
      }
    };
    await soon(`${what}, after ${this.items.length} items`, watch(), ms);
  }

  /** Until a synthetic event that is written here has been told, and hence all before it. */
  async flush(disk: string): Promise<void> {
    const writer = new Writer(disk);
    writer.write();
    writer.close();
    await this.until("a synthetic event", () => writer.of(this.uevents).length > 0);
  }
}

/** A monitor that receives from here on, and is read. */
export async function collect(
  session: Session,
  options: Parameters<Session["monitor"]>[0],
): Promise<{ monitor: Monitor; collector: Collector }> {
  const monitor = await session.monitor(options);
  const collector = new Collector(monitor);
  await soon("ready", monitor.ready);
  return { monitor, collector };
}

/** Has the kernel send `change` events of a device, numbered from 0 on. */
export class Writer {
  readonly uuid: string = crypto.randomUUID();
  readonly #descriptor: number;
  #next = 0;

  /** Kernel name of a disk or partition. */
  constructor(name: string) {
    this.#descriptor = openSync(`/sys/class/block/${name}/uevent`, "r+");
  }

  write(count = 1): void {
    for (let i = 0; i < count; i++) {
      writeSync(this.#descriptor, `change ${this.uuid} N=${this.#next++}`, 0);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Those that it wrote. */
  of(uevents: readonly Uevent[]): Uevent[] {
    return uevents.filter(({ properties }) => properties.SYNTH_UUID === this.uuid);
  }
}

/** What a writer gave as numbers. */
export function numbersOf(uevents: readonly Uevent[]): number[] {
  return uevents.map(({ properties }) => Number(properties.SYNTH_ARG_N ?? Number.NaN));
}
