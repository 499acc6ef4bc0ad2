/**
 * Runs a command line inside this process, against an API of the test's own, with streams that keep
 * what is written.
 */
import * as assert from "uvu/assert";
import { commands } from "../../host/cli/commands.ts";
import { dispatch } from "../../host/cli/dispatch.ts";
import type { Api, Context, Output } from "../../host/cli/table.ts";

/** An API that a command must not use. */
export const noApi: Api = {
  attach: () => unexpected("attach"),
  detach: () => unexpected("detach"),
  probeScan: () => unexpected("probeScan"),
  list: () => unexpected("list"),
  toJson: () => unexpected("toJson"),
  monitor: () => unexpected("monitor"),
  waitFor: () => unexpected("waitFor"),
  rescan: () => unexpected("rescan"),
  resize: () => unexpected("resize"),
  collectGarbage: () => unexpected("collectGarbage"),
  trace: () => unexpected("trace"),
  record: () => unexpected("record"),
};

function unexpected(name: string): never {
  throw new Error(`${name} was called`);
}

export interface RunOptions {
  readonly isTerminal?: boolean;
  /** How a terminal shows a format; default: not at all. */
  readonly paint?: Output["paint"];
  /** Called with what is written to stdout; may abort `gone`. */
  readonly onWrite?: (text: string, gone: AbortController) => void;
  readonly drained?: (signal: AbortSignal) => Promise<void>;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A no-break space stands for a space inside a word. */
export async function runCommand(
  line: string,
  api: Partial<Api> | "none",
  options: RunOptions = {},
): Promise<Ran> {
  const { isTerminal = false, paint = (_, text) => text, onWrite } = options;
  const text = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof text): Output => {
    const gone = new AbortController();
    return {
      isTerminal,
      paint,
      gone: gone.signal,
      write: (piece) => {
        text[name] += piece;
        if (name === "stdout") {
          onWrite?.(piece, gone);
        }
      },
      drained: options.drained ?? (async () => {}),
    };
  };
  const endings: (() => Promise<void>)[] = [];
  const context: Context = {
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    version: "0.0.0",
    commands,
    now: () => 1000,
    atEnd: (work) => void endings.push(work),
    loadApi: async () => {
      assert.is.not(api, "none", "the API was loaded");
      return { ...noApi, ...(api as Partial<Api>) };
    },
  };
  const words = line.split(" ").map((word) => word.replaceAll("\u00a0", " "));
  const code = await dispatch(words, context);
  for (const work of endings) await work();
  return { code, ...text };
}
