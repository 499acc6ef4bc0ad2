/**
 * Processes that receive uevents, ours and others', and what they cost: all are started, stopped
 * while events queue up in their socket, let go, and asked for the processor time they took.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../helpers/root.ts";

/** How a receiver is started; or why it cannot be. */
export interface Receiver {
  readonly name: string;
  readonly command: readonly string[];
  /** It says nothing: that its queue is empty is seen from outside. */
  readonly isSilent?: boolean;
  readonly missing?: string;
}

const sources = join(packageRoot, "test/bench");

/** The loop in C, compiled into a directory. */
export function compiled(directory: string): Receiver {
  const name = "recv(2) loop in C";
  const program = join(directory, "receive");
  try {
    execFileSync("gcc", ["-O2", "-o", program, join(sources, "receive.c")], { stdio: "pipe" });
    return { name, command: [program] };
  } catch (error) {
    return { name, command: [], missing: `gcc: ${firstLine(error)}` };
  }
}

export function udevadm(): Receiver {
  const name = "udevadm monitor --kernel";
  const command = ["udevadm", "monitor", "--kernel"];
  try {
    const how = { encoding: "utf8", stdio: "pipe" } as const;
    const version = execFileSync("udevadm", ["--version"], how).trim();
    return { name: `${name} (${version})`, command, isSilent: true };
  } catch (error) {
    return { name, command, missing: firstLine(error) };
  }
}

/** By the first python3 that can import it. */
export function pyudev(): Receiver {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      const code = "import pyudev; print(pyudev.__version__)";
      const version = execFileSync(python, ["-c", code], { encoding: "utf8", stdio: "pipe" });
      const command = [python, join(sources, "receive.py")];
      return { name: `pyudev ${version.trim()}`, command };
    } catch {
      // the next one may
    }
  }
  return { name: "pyudev", command: [], missing: "no python3 can import pyudev" };
}

/** diskseq in a process of its own, with that many waits open on other disks. */
export function ours(name: string, mode: string, device: string, waits = 0): Receiver {
  const program = join(packageRoot, "build/test/bench/receiver.js");
  return { name, command: [process.execPath, program, mode, device, String(waits)] };
}

function firstLine(error: unknown): string {
  return String((error as Error).message).split("\n")[0] ?? "";
}

/** A socket's state, as /proc/net/netlink has it. */
interface Queue {
  readonly bytes: number;
  readonly drops: number;
}

/** After it, a receiver that has not done what it should has failed. */
const deadlineMs = 120_000;

export class Receiving {
  static readonly #all = new Set<Receiving>();
  readonly child: ChildProcess;
  readonly #isSilent: boolean;
  #text = "";
  #read = 0;
  /** The last line of its standard error. */
  #complaint = "";

  /** For a process that ends before its time. */
  static killAll(): void {
    for (const { child } of Receiving.#all) child.kill("SIGKILL");
  }

  /** Started, and subscribed to the kernel's group. */
  static async start(receiver: Receiver, words: readonly string[]): Promise<Receiving> {
    const receiving = new Receiving(receiver, words);
    try {
      if (!receiver.isSilent) await receiving.line();
      await receiving.#until(() => receiving.#find() !== undefined, 5);
    } catch (error) {
      await receiving.stop();
      throw error;
    }
    return receiving;
  }

  private constructor({ command, isSilent }: Receiver, words: readonly string[]) {
    const [file = "", ...args] = command;
    this.#isSilent = isSilent === true;
    this.child = spawn(file, this.#isSilent ? args : [...args, ...words], {
      stdio: ["ignore", this.#isSilent ? "ignore" : "pipe", "pipe"],
    });
    Receiving.#all.add(this);
    this.child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      this.#text += piece;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
      this.#complaint = piece.trim().split("\n").at(-1) ?? "";
    });
  }

  /** The next line that it says. */
  async line(): Promise<string> {
    const giveUp = performance.now() + deadlineMs;
    for (;;) {
      const end = this.#text.indexOf("\n", this.#read);
      if (end >= 0) {
        const line = this.#text.slice(this.#read, end);
        this.#read = end + 1;
        return line;
      }
      this.#expectAlive(giveUp);
      const { stdout } = this.child;
      if (stdout === null) throw new Error(`${this.child.spawnfile} says nothing`);
      const stop = new AbortController();
      const { signal } = stop;
      const waits = [
        once(stdout, "data", { signal }),
        once(this.child, "exit", { signal }),
        sleep(giveUp - performance.now(), undefined, { signal }),
      ];
      await Promise.race(waits);
      stop.abort();
      await Promise.allSettled(waits);
    }
  }

  /** Has it take what queues up meanwhile. What finds no room in the queue is lost. */
  async drain(fill: () => void): Promise<{ seconds: number; cpuSeconds: number; lost: number }> {
    const before = this.queue().drops;
    this.child.kill("SIGSTOP");
    await this.#until(() => this.#isStopped(), 1);
    fill();
    const lost = this.queue().drops - before;
    const cpu = this.cpuNs();
    const began = performance.now();
    this.child.kill("SIGCONT");
    // who counts what it receives never gets there when some are lost
    if (this.#isSilent || lost > 0) await this.emptied();
    else await this.line();
    const seconds = (performance.now() - began) / 1000;
    return { seconds, cpuSeconds: (this.cpuNs() - cpu) / 1e9, lost };
  }

  /** Until it has received all that there is. */
  async emptied(): Promise<void> {
    await this.#until(() => this.queue().bytes === 0, 1);
  }

  async #until(isSo: () => boolean, ms: number): Promise<void> {
    const giveUp = performance.now() + deadlineMs;
    while (!isSo()) {
      this.#expectAlive(giveUp);
      await sleep(ms);
    }
  }

  #expectAlive(giveUp: number): void {
    const { exitCode, signalCode, spawnargs } = this.child;
    const end = exitCode ?? signalCode;
    if (end !== null) throw new Error(`it ended by ${end}: ${this.#complaint}`);
    if (performance.now() < giveUp) return;
    throw new Error(`${spawnargs.join(" ")}: not done within ${deadlineMs / 1000} s`);
  }

  #isStopped(): boolean {
    return /^State:\s+T/m.test(readFileSync(`/proc/${this.child.pid}/status`, "utf8"));
  }

  /** Processor time of all its threads. */
  cpuNs(): number {
    const tasks = `/proc/${this.child.pid}/task`;
    let sum = 0;
    for (const task of readdirSync(tasks)) {
      try {
        sum += Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]);
      } catch {
        // a thread that has just ended
      }
    }
    return sum;
  }

  /** Its socket for uevents. */
  queue(): Queue {
    const queue = this.#find();
    if (queue !== undefined) return queue;
    throw new Error(`it has no socket left: ${this.#complaint}`);
  }

  #find(): Queue | undefined {
    for (const line of readFileSync("/proc/net/netlink", "utf8").split("\n")) {
      const [, protocol, port, , queued, , , , drops] = line.trim().split(/\s+/);
      if (protocol !== "15" || Number(port) !== this.child.pid) continue;
      return { bytes: Number(queued), drops: Number(drops) };
    }
    return undefined;
  }

  async stop(): Promise<void> {
    Receiving.#all.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exit;
  }
}
