/** Begins a recording of a core that has done nothing yet, and ends it, with the process at last. */
import { Limit } from "../../assembly/abi.ts";
import type { Core } from "../core.ts";
import { TraceFile } from "./file.ts";
import { formatVersion, type Header, readerVersion, spell } from "./lines.ts";
import { Recorder } from "./recorder.ts";

/** A recording under way. */
export interface Trace {
  /** Ends it. Resolves when the file is written; with an error where something of it is missing. */
  close(): Promise<Error | undefined>;
}

export function record(
  path: string,
  core: Core,
  /** of its core.wasm */
  sha256: string,
  facts: Readonly<Record<string, string>>,
): Trace {
  const { seed, operations, partitions, watches } = core.options;
  const file = new TraceFile(path);
  const header: Header = {
    diskseq: "trace",
    format: formatVersion,
    reads: readerVersion,
    abi: Limit.AbiVersion,
    core: sha256,
    seed: String(seed),
    operations,
    partitions,
    watches,
    facts,
  };
  file.write(spell(header));
  const recorder = new Recorder(core, (line) => file.write(line));
  core.observe(recorder);
  let isOver = false;
  const stop = (): void => {
    if (isOver) return;
    isOver = true;
    core.observe(undefined);
    recorder.end();
    open.delete(atExit);
  };
  const atExit = (): void => {
    stop();
    file.closeNow();
  };
  if (open.size === 0) process.on("exit", endAll);
  open.add(atExit);
  return {
    close: async () => {
      stop();
      if (open.size === 0) process.off("exit", endAll);
      return await file.close();
    },
  };
}

/** What is to be ended where the process ends first. */
const open = new Set<() => void>();

function endAll(): void {
  for (const end of open) end();
}
