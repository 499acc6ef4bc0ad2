/**
 * Which kernel a command works on: the one that runs, or a simulated one that lives as long as the
 * command. Says so on stderr, since nothing else could tell the results apart.
 */
import { toJson } from "../describe.ts";
import { LoopError } from "../errors.ts";
import type { Session } from "../session.ts";
import type { Trace } from "../trace/index.ts";
import { escapeText } from "./format.ts";
import type { Api, Context, Options } from "./table.ts";

export const kernelOption = {
  kernel: {
    kind: "kernel",
    value: "sim:VERSION",
    default: "the one that runs",
    summary:
      "work on a simulated Linux of this version, e.g. sim:6.1.192, which lives for this command " +
      "only: no root is needed and nothing of the machine is touched",
  },
} as const satisfies Options;

export const redactOption = {
  redact: { kind: "flag", summary: "leave names out of it; it runs again all the same" },
} as const satisfies Options;

export const traceOption = {
  trace: {
    kind: "text",
    value: "FILE",
    summary: "write down all that happens, for 'diskseq replay' and 'explain'",
  },
  limit: {
    kind: "size",
    value: "SIZE",
    summary: "keep the trace within this: what is older goes; FILE.1 is the part before FILE",
  },
  ...redactOption,
} as const satisfies Options;

/** Of every command that touches devices. */
export const sessionOptions = { ...kernelOption, ...traceOption };

/** What is said of all that a command does. */
export interface SessionValues {
  /** the version of a simulated kernel */
  readonly kernel?: string | undefined;
  readonly trace?: string | undefined;
  /** bytes of it */
  readonly limit?: bigint | undefined;
  /** names are left out of it */
  readonly redact?: boolean | undefined;
}

/** What each command is writing. */
const traces = new WeakMap<Context, Trace>();

/** The API on that kernel, recorded where that is asked for. */
export async function openApi(context: Context, values: SessionValues): Promise<Api> {
  if (values.trace === undefined && (values.limit !== undefined || values.redact)) {
    const option = values.redact ? "--redact" : "--limit";
    const message = `${option} is that of a trace: give --trace FILE too`;
    throw new LoopError("ERR_LOOP_ARGUMENT", message);
  }
  const api = await openKernel(context, values.kernel);
  if (values.trace === undefined) return api;
  const { stderr } = context;
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  // Where a command goes on with another kernel, the file is that one's.
  await traces.get(context)?.close();
  const trace = await api.trace(values.trace, { limit, redact: values.redact });
  traces.set(context, trace);
  context.atEnd(async () => {
    const error = await trace.close();
    const label = stderr.paint("yellow", "diskseq:");
    if (error) stderr.write(`${label} the trace is not whole: ${escapeText(error.message)}\n`);
  });
  return api;
}

async function openKernel(context: Context, version: string | undefined): Promise<Api> {
  if (version === undefined) return context.loadApi();
  const label = context.stderr.paint("cyan", "diskseq:");
  context.stderr.write(`${label} simulated Linux ${version}: no device of this machine is meant\n`);
  return simulatedApi(version);
}

async function simulatedApi(version: string): Promise<Api> {
  // Late, so that help and completion need no simulation.
  const { simulate } = await import("../sim/index.ts");
  return apiOf(simulate({ version }));
}

/** A session of one's own, as commands see it. */
export function apiOf(session: Session): Api {
  return {
    attach: (image, options) => session.attach(image, options),
    detach: (target, options) => session.detach(target, options),
    probeScan: () => session.probeScan(),
    list: (options) => session.list(options),
    toJson,
    monitor: (options) => session.monitor(options),
    waitFor: (target, options) => session.waitFor(target, options),
    rescan: (target, options) => session.rescan(target, options),
    resize: (target, options) => session.resize(target, options),
    collectGarbage: (options) => session.collectGarbage(options),
    trace: (path, options) => session.trace(path, options),
    record: (path, options) => session.record(path, options),
  };
}
