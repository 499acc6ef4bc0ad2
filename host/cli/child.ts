/**
 * Runs another program as if it stood in our place: same terminal, same signals, its exit code.
 *
 * Knows nothing of devices.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { escapeText } from "./format.ts";
import { listen } from "./interrupt.ts";

/** Reach the program; none of them ends us before it. */
export const forwarded = [
  "SIGTERM",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGQUIT",
  "SIGINT",
] as const satisfies NodeJS.Signals[];

export interface ChildResult {
  /** As a shell has it: 126 cannot be executed, 127 not found, 128+N killed by signal N. */
  readonly code: number;
  /** Why it was not started. */
  readonly problem?: string;
}

/** Resolves when the program has ended; never rejects. */
export async function runChild(
  [program = "", ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ChildResult> {
  const onTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  return await new Promise((resolve) => {
    let forward = (_signal: NodeJS.Signals) => {};
    // Before the start: a signal in between must not kill us and leave the program alone.
    const stop = listen(forwarded, (signal) => forward(signal));
    const finish = (result: ChildResult) => {
      stop();
      resolve(result);
    };
    const fail = (error: NodeJS.ErrnoException) => finish(startFailure(program, error));
    try {
      const child = spawn(program, args, {
        stdio: "inherit",
        env: { ...process.env, ...environment },
      });
      forward = (signal) => {
        // Ctrl-C and Ctrl-\ reach the whole foreground group; twice would be once too often.
        if (!onTerminal || (signal !== "SIGINT" && signal !== "SIGQUIT")) {
          child.kill(signal);
        }
      };
      child.once("error", fail);
      child.once("exit", (code, signal) => {
        finish({ code: signal === null ? (code ?? 1) : 128 + constants.signals[signal] });
      });
    } catch (error) {
      fail(error as NodeJS.ErrnoException);
    }
  });
}

function startFailure(program: string, error: NodeJS.ErrnoException): ChildResult {
  const name = escapeText(program);
  return error.code === "ENOENT"
    ? { code: 127, problem: `${name}: command not found` }
    : { code: 126, problem: `${name}: cannot be executed (${error.code ?? error.message})` };
}
