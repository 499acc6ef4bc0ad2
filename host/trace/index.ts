/** Begins a recording of a core that has done nothing yet. */
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
  return {
    close: () => {
      core.observe(undefined);
      recorder.end();
      return file.close();
    },
  };
}
