/**
 * Runs processes: the built command, tools of the system, programs that hold something for a while.
 * Every process has a deadline and is killed by its id.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { commandPath } from "./root.ts";
import { slowness } from "./slowness.ts";

export interface ProcessOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** What it reads from standard input; default nothing. */
  readonly input?: string;
  /** Its standard input is the test's to write to and to end. */
  readonly isInputOpen?: boolean;
  /** Milliseconds until it is killed, on a usual machine; default 60 000. */
  readonly deadlineMs?: number;
  /** Words before the command, e.g. `unshare -m`. */
  readonly wrapper?: readonly string[];
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** Resolves when standard output or error has shown the text, rejects when it ended without. */
  shows(text: string): Promise<void>;
  /** Ends it and waits until it has ended. */
  stop(signal?: NodeJS.Signals): Promise<Outcome>;
}

/** The built command with these arguments, to its end. */
export function command(args: readonly string[], options: ProcessOptions = {}): Promise<Outcome> {
  return startCommand(args, options).outcome;
}

export function startCommand(args: readonly string[], options: ProcessOptions = {}): Running {
  const words = [...(options.wrapper ?? []), process.execPath, commandPath, ...args];
  return start(words[0] ?? "", words.slice(1), options);
}

/** A tool of the system; rejects unless it exits 0. Resolves with its standard output. */
export async function tool(
  file: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<string> {
  const outcome = await start(file, args, options).outcome;
  if (outcome.status !== 0) {
    const how = outcome.signal ?? outcome.status;
    throw new Error(`${file} ${args.join(" ")}: ${how}: ${outcome.stderr.trim()}`);
  }
  return outcome.stdout;
}

export function start(
  file: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Running {
  const began = performance.now();
  const child = spawn(file, args, {
    cwd: options.directory,
    env: { ...process.env, ...options.environment },
    stdio: "pipe",
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (piece: string) => {
      text[name] += piece;
    });
  }
  child.stdin.on("error", () => {});
  if (!options.isInputOpen) child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), slowness * (options.deadlineMs ?? 60_000));
  const outcome = once(child, "close").then(([status, signal]): Outcome => {
    clearTimeout(timer);
    return { status, signal, ...text, tookMs: performance.now() - began };
  });
  outcome.catch(() => clearTimeout(timer));
  return {
    pid: child.pid ?? 0,
    child,
    outcome,
    shows: async (wanted) => {
      const ended = outcome.then(() => true);
      while (!`${text.stdout}\n${text.stderr}`.includes(wanted)) {
        const data = Promise.race([once(child.stdout, "data"), once(child.stderr, "data")]);
        if ((await Promise.race([ended, data])) === true) {
          throw new Error(`${file} ended without '${wanted}': ${text.stdout}${text.stderr}`);
        }
      }
    },
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return outcome;
    },
  };
}

/** Whether a tool is installed. */
export async function isInstalled(name: string): Promise<boolean> {
  return (await start("sh", ["-c", `command -v "$0"`, name]).outcome).status === 0;
}
