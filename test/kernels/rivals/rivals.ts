/**
 * Who is at work beside an attach, by name: what is started, how it is ended, and what it takes to
 * attach beside it. Knows nothing of who attaches.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../helpers/devices.ts";
import { start, tool } from "../../helpers/process.ts";
import { guestUdevs } from "../udevs.ts";
import { endProgram, startProgram } from "./programs.ts";
import { Victims } from "./victims.ts";

export interface Rival {
  readonly name: string;
  /** It attaches images of its own: a name may have been its before. */
  readonly isTaker?: boolean;
  /** It makes events of what never was: an attach is waited for by events, too. */
  readonly isLiar?: boolean;
  /** Nothing but diskseq can be measured beside it. */
  readonly isOurs?: boolean;
  /** Of the count, what falls to it; default 1: all. */
  readonly part?: number;
  /** `others`: images that nobody else attaches. */
  start(others: readonly string[]): Promise<AtWork>;
}

export interface AtWork {
  /** Ready means that udev has processed it, too; as `udevadm settle` says. */
  readonly settle?: () => Promise<void>;
  /** Done before each attach of an image. */
  readonly before?: (image: string) => Promise<void>;
  /** Until nothing is under way that events caused, some of it not at once. */
  readonly calm: () => Promise<void>;
  /** After a detach: until the next attach begins in peace. */
  readonly rest?: () => Promise<void>;
  /** Rejects where it had ended before. */
  readonly end: () => Promise<void>;
}

/** How long an attach is watched after its return; with udevd until that has done its work, too. */
const lingerMs = 40;
const udevdLingerMs = 100;

const linger = () => sleep(lingerMs);

export async function allRivals(): Promise<Rival[]> {
  const roots = ["/"];
  const newer = join("/", guestUdevs);
  if (existsSync(newer)) roots.push(...readdirSync(newer).map((suite) => join(newer, suite)));
  // All versions are one rival.
  const udevds = await Promise.all(roots.map((root) => udevdOf(root, 1 / roots.length)));
  const byVersion = udevds.sort((a, b) => a.name.localeCompare(b.name));
  return [
    { name: "none", start: async () => ({ calm: linger, end: async () => {} }) },
    { name: "opener", start: () => program("opener") },
    { name: "tight opener", start: () => program("tight-opener") },
    ...byVersion,
    { name: "thief", isTaker: true, start: startThieves },
    { name: "flood", isLiar: true, start: () => program("flood") },
    { name: "reader", start: () => program("reader") },
    // A process is started for each one that is killed.
    { name: "SIGKILL", isOurs: true, part: 1 / 4, start: startVictims },
  ];
}

async function program(name: string, ...args: readonly string[]): Promise<AtWork> {
  const running = await startProgram(name, ...args);
  return { calm: linger, end: () => endProgram(running) };
}

/** One that has the first name, one that fights for the second, which is left to us. */
async function startThieves(others: readonly string[]): Promise<AtWork> {
  const thieves = [await program("thief", ...others), await program("thief", ...others)];
  return {
    calm: linger,
    end: async () => void (await Promise.all(thieves.map((one) => one.end()))),
  };
}

async function startVictims(): Promise<AtWork> {
  const victims = new Victims();
  return {
    before: (image) => victims.killOne(image),
    calm: linger,
    end: () => victims.end(),
  };
}

/** The udevd below a root, with Debian's rules, for the whole machine. */
async function udevdOf(root: string, part: number): Promise<Rival> {
  const version = await tool("chroot", [root, "udevadm", "--version"]);
  return { name: `udevd ${version.trim()}`, part, start: () => startUdevd(root) };
}

async function startUdevd(root: string): Promise<AtWork> {
  // What another has left is none of its business.
  rmSync("/run/udev", { recursive: true, force: true });
  for (const name of ["dev", "proc", "sys", "run"]) {
    const place = join(root, name);
    if (root !== "/" && readdirSync(place).length === 0) {
      await tool("mount", ["--rbind", `/${name}`, place]);
    }
  }
  const child = spawn("chroot", [root, "/usr/lib/systemd/systemd-udevd"], { stdio: "ignore" });
  const ask = (...words: readonly string[]) => start("chroot", [root, "udevadm", ...words]).outcome;
  while ((await ask("control", "--ping")).status !== 0) throwIfEnded(child);
  const isDone = () => !existsSync("/run/udev/queue");
  const doneAfter = async (ms: number) => {
    await sleep(ms);
    await until("udevd to be done", isDone);
  };
  return {
    settle: async () => void (await tool("chroot", [root, "udevadm", "settle"])),
    calm: () => doneAfter(udevdLingerMs),
    rest: () => doneAfter(lingerMs),
    end: async () => {
      throwIfEnded(child);
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function throwIfEnded({ exitCode, signalCode }: ChildProcess): void {
  const how = exitCode ?? signalCode;
  if (how !== null) throw new Error(`udevd ended by ${how}`);
}
