/**
 * Which kernel a command works on: the one that runs, or a simulated one that lives as long as the
 * command. Says so on stderr, since nothing else could tell the results apart.
 */
import type { Api, Context, Options } from "./table.ts";

/** Of every command that touches devices. */
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

/** The API on that kernel; `version` is that of a simulated one. */
export async function openApi(context: Context, version: string | undefined): Promise<Api> {
  if (version === undefined) return context.loadApi();
  const label = context.stderr.paint("cyan", "diskseq:");
  context.stderr.write(`${label} simulated Linux ${version}: no device of this machine is meant\n`);
  return simulatedApi(version);
}

async function simulatedApi(version: string): Promise<Api> {
  // Late, so that help and completion need no simulation.
  const { simulate, toJson } = await import("../sim/index.ts");
  const session = simulate({ version });
  return {
    attach: (image, options) => session.attach(image, options),
    detach: (target, options) => session.detach(target, options),
    list: (options) => session.list(options),
    toJson: (device) => toJson(device),
    monitor: (options) => session.monitor(options),
    waitFor: (target, options) => session.waitFor(target, options),
    rescan: (target, options) => session.rescan(target, options),
    resize: (target, options) => session.resize(target, options),
    collectGarbage: (options) => session.collectGarbage(options),
  };
}
