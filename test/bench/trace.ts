/**
 * What it costs to write down all that a core is told and says, and how fast that runs again: the
 * same datagrams judged by a core alone, by one that is recorded, and by the replay of that. And
 * how much memory a replay takes, of a trace and of a tenth of it.
 */
import { execFileSync } from "node:child_process";
import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { coreSha256, loadDefaultCore } from "../../host/core-file.ts";
import { record } from "../../host/trace/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";
import { changeOf, Judge, slots } from "./judge.ts";
import type { Scale } from "./scale.ts";
import { figure, Rounds, type Section } from "./table.ts";

const options = { seed: 1n, operations: 64, partitions: 255, watches: 1024 };
const alone = "judged by a core alone";
const recorded = "the same, recorded";
const again = "replayed";
const read = "the file read, and no more";

/** Seconds of so many batches of datagrams, each told to one subscription. */
async function judge(batches: number, path?: string): Promise<number> {
  const core = loadDefaultCore(options);
  const about = { core: coreSha256(), facts: {} };
  const trace = path === undefined ? undefined : record(path, core, about);
  const judge = new Judge(core);
  judge.subscribe();
  judge.load(changeOf("loop1", 1));
  let ns = 0;
  for (let batch = 0; batch < batches; batch++) {
    judge.renumber();
    const began = process.hrtime.bigint();
    judge.time();
    judge.drain();
    ns += Number(process.hrtime.bigint() - began);
    await turn();
  }
  const error = await trace?.close();
  if (error) throw error;
  return ns / 1e9;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - began) / 1e9;
}

/** Of a process that does nothing else. */
function peakMiB(path: string): number {
  const program = fileURLToPath(new URL("peak.js", import.meta.url));
  return Number(execFileSync(process.execPath, [program, path], { encoding: "utf8" })) / 2 ** 20;
}

export async function trace(scale: Scale, directory: string): Promise<Section> {
  const { traceRounds: rounds, traceBatches: batches } = scale;
  const path = join(directory, "bench.ndjson");
  const measured = new Rounds();
  let records = 0;
  for (let round = 0; round < rounds; round++) {
    measured.add(alone, await judge(batches));
    measured.add(recorded, await judge(batches, path));
    const replaying = timed(async () => {
      const { divergence, isCut, ...found } = await replay(linesOf(path), loadDefaultCore);
      if (divergence !== undefined || isCut) throw new Error("the trace does not replay");
      records = found.records;
    });
    measured.add(again, await replaying);
    const reading = timed(async () => {
      for await (const _ of createReadStream(path)) void _;
    });
    measured.add(read, await reading);
  }
  const short = join(directory, "short.ndjson");
  await judge(Math.ceil(batches / 10), short);
  const [peak, shortPeak] = [peakMiB(path), peakMiB(short)];
  const events = batches * slots;
  const rows = [alone, recorded, again, read].map((name) => {
    const seconds = measured.median(name);
    const ratio = measured.ratio(name, alone);
    const perSecond = events / seconds;
    return {
      name,
      cells: [figure(perSecond), figure(records / seconds), ratio.text],
      values: {
        eventsPerSecond: perSecond,
        recordsPerSecond: records / seconds,
        time: ratio.value,
        ...(name === again && { peakMiB: peak, shortPeakMiB: shortPeak }),
      },
    };
  });
  return {
    title: "a trace of uevents",
    columns: ["events/s", "records/s", "time, x of the first"],
    rows,
    notes: [
      `${figure(events)} events, each told to one subscription: ${figure(records)} records,`,
      `${figure(statSync(path).size / 2 ** 20)} MiB; medians of ${rounds} interleaved rounds.`,
      `A process that replays it takes ${figure(peak)} MiB, of a tenth ${figure(shortPeak)} MiB.`,
    ],
  };
}
