/**
 * A stream of the process as commands see it. Knows no command.
 */
import { once } from "node:events";
import { painter } from "./format.ts";
import type { Output } from "./table.ts";

export function streamOutput(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): Output {
  const left = new AbortController();
  // A reader that left (EPIPE) is no reason to speak, nor to leave a device half undone.
  stream.on("error", (error) => left.abort(error));
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    gone: left.signal,
    write: (text) => void stream.write(text),
    drained: (signal) => drained(stream, signal),
    paint: painter(isTerminal, environment),
  };
}

async function drained(stream: NodeJS.WriteStream, signal: AbortSignal): Promise<void> {
  if (stream.writableNeedDrain) {
    // It rejects when aborted, and with the stream's error, which `gone` tells.
    await once(stream, "drain", { signal }).catch(() => {});
  }
}
