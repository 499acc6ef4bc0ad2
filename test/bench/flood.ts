/**
 * A flood as it comes: this process writes events as fast as it can while a receiver takes them.
 * Who is slower than that lives on its buffer first, and then loses.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchDevice } from "./device.ts";
import { compiled, ours, pyudev, type Receiver, Receiving, udevadm } from "./receivers.ts";
import type { Scale } from "./scale.ts";
import { figure, Rounds, type Row, type Section, skipped } from "./table.ts";

/** What an open monitor says of itself; times in ns. */
interface Report {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly seen: number;
  readonly lost: number;
  readonly dropped: number;
  readonly grown: number;
}

const slice = 20_000;

export async function flood(
  device: BenchDevice,
  directory: string,
  scale: Scale,
): Promise<Section> {
  const base = compiled(directory);
  const own = ours("diskseq: monitor(), for await", "flood", device.name);
  const receivers: readonly Receiver[] = [base, own, udevadm(), pyudev()];
  const { floods, floodEvents: count, warmEvents: warm } = scale;
  const rates = new Rounds();
  const lost = new Rounds();
  const writers = new Rounds();
  const reports: Report[] = [];
  const failures = new Map<string, string>();
  for (let round = 0; round < floods; round++) {
    for (const receiver of receivers) {
      if (receiver.missing !== undefined || failures.has(receiver.name)) continue;
      // never "done": it is ended when its queue is empty
      const words = receiver === own ? [String(warm)] : [String(2 * (warm + count))];
      const receiving = await Receiving.start(receiver, words);
      try {
        device.flood(warm);
        await receiving.emptied();
        const before = receiving.queue().drops;
        const began = performance.now();
        for (let left = count; left > 0; left -= slice) {
          device.flood(Math.min(left, slice));
          await sleep(0);
        }
        const written = performance.now();
        await receiving.emptied();
        const seconds = (performance.now() - began) / 1000;
        const drops = receiving.queue().drops - before;
        writers.add(receiver.name, count / ((written - began) / 1000));
        rates.add(receiver.name, Math.max(count - drops, 0) / seconds);
        lost.add(receiver.name, drops);
        if (receiver === own) reports.push(await reportOf(receiving));
      } catch (error) {
        if (receiver === own || receiver === base) throw error;
        failures.set(receiver.name, `gave up in the flood: ${(error as Error).message}`);
      } finally {
        await receiving.stop();
      }
    }
  }
  const rows = receivers.map(({ name, missing }): Row => {
    if (missing !== undefined) return skipped(name, missing);
    const failure = failures.get(name);
    if (failure !== undefined) return { name, cells: [], text: failure, values: { failure } };
    const ratio = rates.ratio(name, base.name);
    const share = lost.sum(name) / (count * floods);
    const [received, written] = [rates.median(name), writers.median(name)];
    const lostText = lost.sum(name) === 0 ? "none" : `${(share * 100).toFixed(1)} %`;
    return {
      name,
      cells: [figure(received), ratio.text, lostText, figure(written)],
      values: {
        receivedPerSecond: received,
        rateOfC: ratio.value,
        lost: lost.sum(name),
        sent: count * floods,
        writtenPerSecond: written,
      },
    };
  });
  return {
    title: "a flood as it comes",
    columns: ["events/s", "rate, x of C", "lost", "written/s"],
    rows: [...rows, ...reports.slice(-1).map((report) => ownRow(report, warm + count))],
    notes: [
      `${figure(count)} events while they are received; median of ${floods} rounds, a new process`,
      "each. Lost: what the kernel dropped at that socket, of all rounds. Buffers: 128 MiB asked.",
      "The writer shares the processors: a slow receiver can leave it more of them.",
    ],
  };
}

async function reportOf(receiving: Receiving): Promise<Report> {
  receiving.child.kill("SIGTERM");
  return JSON.parse(await receiving.line()) as Report;
}

function ownRow({ p50, p99, most, seen, lost, dropped, grown }: Report, sent: number): Row {
  const ms = (ns: number) => figure(ns / 1e6);
  const late = `timers of 1 ms late p50 ${ms(p50)}, p99 ${ms(p99)}, most ${ms(most)} ms`;
  return {
    name: "diskseq meanwhile, last round",
    cells: [],
    text: `${late}; rss +${(grown / 2 ** 20).toFixed(1)} MiB; dropped by its queue: ${dropped}`,
    values: {
      timerLateNsP50: p50,
      timerLateNsP99: p99,
      timerLateNsMost: most,
      seen,
      sent,
      told: lost,
      dropped,
      rssGrownBytes: grown,
    },
  };
}
