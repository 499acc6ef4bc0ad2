/**
 * A long recording of uevents: disks that are attached, flap and go, in turn, as one subscription
 * hears of them. No kernel makes these; they have its words and its order.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Command } from "../../assembly/abi.ts";
import { coreSha256, loadDefaultCore } from "../../host/core-file.ts";
import { record } from "../../host/trace/index.ts";
import { kernelMessage, loopProperties, putDatagram } from "./datagrams.ts";

const partitions = [1, 2, 3];
const disks = 8;
const startNs = 1_000_000_000n;
const stepNs = 40_000n;

/** Attaches in turn, each an instance of its own; every third one flaps. */
function* attaches(): Generator<{ action: string; partition: number; diskseq: number }> {
  for (let diskseq = 101; ; diskseq++) {
    const scan = (action: string) =>
      partitions.map((partition) => ({ action, partition, diskseq }) as const);
    const change = { action: "change", partition: 0, diskseq } as const;
    yield change;
    yield* scan("add");
    if (diskseq % 3 === 0) yield* [...scan("remove"), change, ...scan("add")];
    yield* scan("remove");
    yield change;
  }
}

/** Writes a trace of so many events; `extra` are further properties of each. */
export async function recordEvents(
  path: string,
  events: number,
  extra: readonly string[] = [],
): Promise<void> {
  const core = loadDefaultCore({ seed: 1n, operations: 4, partitions: 16, watches: 8 });
  const trace = record(path, core, { core: coreSha256(), facts: { made: "for a test" } });
  let now = startNs;
  const drain = (): void => {
    for (let call = core.pollCall(); call; call = core.pollCall()) {
      core.handleCompletion(now, call.ticket, 0);
    }
    while (core.pollEvent());
  };
  core.handleCommand(now, { command: Command.Watch });
  drain();
  let seqnum = 5000;
  for (const said of attaches()) {
    if (seqnum - 5000 === events) break;
    seqnum += 1;
    now += stepNs;
    const number = said.diskseq % disks;
    putDatagram(core, 0, kernelMessage(loopProperties({ ...said, number, seqnum, extra })));
    core.handleDatagram(now, 0);
    drain();
    if (seqnum % 4096 === 0) await turn();
  }
  const error = await trace.close();
  if (error) throw error;
}
