#!/usr/bin/env node
/**
 * The entry of the command: gives `dispatch` the real streams and the real API, and ends the
 * process with its exit code or of the signal that came. Nothing is decided here.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { commands } from "./commands.ts";
import { dispatch } from "./dispatch.ts";
import { Interruption } from "./interrupt.ts";
import { streamOutput } from "./output.ts";
import type { Context } from "./table.ts";

const endings: (() => Promise<void>)[] = [];
const context: Context = {
  stdout: streamOutput(process.stdout, process.env),
  stderr: streamOutput(process.stderr, process.env),
  version: readVersion(),
  commands,
  now: () => Number(process.hrtime.bigint()) / 1e6,
  atEnd: (work) => void endings.push(work),
  loadApi: async () => await import("../index.ts"),
};

try {
  const code = await dispatch(process.argv.slice(2), context);
  await end();
  process.exit(code);
} catch (error) {
  if (!(error instanceof Interruption)) {
    throw error;
  }
  await end();
  await dieOf(error.signal);
}

function readVersion(): string {
  // From build/host/cli/ to the package.
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

async function end(): Promise<void> {
  for (const work of endings) await work();
  await flush();
}

/** Resolves when both streams have taken what was written, or can take no more. */
async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.write("", () => resolve());
    });
  }
}

async function dieOf(signal: NodeJS.Signals): Promise<never> {
  process.kill(process.pid, signal);
  // As process 1 of a container nobody dies of a signal without a handler.
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.exit(128 + constants.signals[signal]);
}
