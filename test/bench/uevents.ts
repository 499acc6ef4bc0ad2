/**
 * Receivers of uevents side by side: how fast each takes what is queued up in its socket, and how
 * soon it wakes.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchDevice } from "./device.ts";
import { compiled, ours, pyudev, type Receiver, Receiving, udevadm } from "./receivers.ts";
import type { Scale } from "./scale.ts";
import { figure, quantile, Rounds, type Row, type Section, skipped } from "./table.ts";

/** Every receiver gets the same: some events to warm up, then as many are queued and timed. */
export async function rate(device: BenchDevice, directory: string, scale: Scale): Promise<Section> {
  const { rounds, warmEvents: warm, events } = scale;
  const base = compiled(directory);
  const receivers: readonly Receiver[] = [
    base,
    ours("diskseq: received, parsed, judged", "core", device.name, 0),
    ours("diskseq: the same, 100 waits open", "core", device.name, 100),
    ours("diskseq: the same, 1000 waits open", "core", device.name, 1000),
    ours("diskseq: monitor(), for await", "monitor", device.name),
    ours("diskseq: that as lines of JSON", "json", device.name),
    udevadm(),
    pyudev(),
  ];
  const walls = new Rounds();
  const cpus = new Rounds();
  const lost = new Rounds();
  for (let round = 0; round < rounds; round++) {
    for (const receiver of receivers) {
      const { name, missing } = receiver;
      if (missing !== undefined) continue;
      // the last number keeps it alive until it is stopped
      const words = [warm, events, 1e9].map(String);
      const receiving = await Receiving.start(receiver, words);
      try {
        await receiving.drain(() => device.flood(warm));
        const drained = await receiving.drain(() => device.flood(events));
        walls.add(name, drained.seconds / (events - drained.lost));
        cpus.add(name, (drained.cpuSeconds / (events - drained.lost)) * 1e9);
        lost.add(name, drained.lost);
      } finally {
        await receiving.stop();
      }
    }
  }
  const rows = receivers.map(({ name, missing }): Row => {
    if (missing !== undefined) return skipped(name, missing);
    const [wall, cpu] = [walls.ratio(name, base.name), cpus.ratio(name, base.name)];
    const [perSecond, cpuNs] = [1 / walls.median(name), cpus.median(name)];
    const gone = lost.sum(name);
    return {
      name,
      cells: [figure(perSecond), figure(cpuNs), wall.text, cpu.text, gone ? figure(gone) : "none"],
      values: {
        receivedPerSecond: perSecond,
        cpuNs,
        timeOfC: wall.value,
        cpuOfC: cpu.value,
        lost: gone,
        sent: events * rounds,
      },
    };
  });
  return {
    title: "uevents from the kernel",
    columns: ["events/s", "CPU ns", "time, x of C", "CPU, x of C", "lost"],
    rows,
    notes: [
      `${figure(events)} events of ${device.name} queued in the socket, then drained; median`,
      `(least-most) of ${rounds} interleaved rounds, a new process each, after ${figure(warm)}`,
      "events. CPU ns: processor time of all threads an event. udevadm formats text for /dev/null,",
      "pyudev reads three properties. The waits are on other disks, which are not there.",
    ],
  };
}

/** From the write to sysfs in this process to the receiver in another, which sleeps. */
export async function wake(device: BenchDevice, directory: string, scale: Scale): Promise<Section> {
  const { wakes, waits, warmWakes } = scale;
  const base = compiled(directory);
  const event = "an event, C: poll(2), recv(2)";
  const item = "an event, diskseq: item of monitor()";
  const partition = "a partition added, C: its event";
  const waited = "a partition added, diskseq: waitFor()";
  const words = ["wake", device.name];
  const c = base.missing === undefined ? await Receiving.start(base, words) : undefined;
  const monitor = await Receiving.start(ours(item, "wake", device.name), []);
  const waiting = await Receiving.start(ours(waited, "wait", device.name), []);
  const took = new Rounds();
  try {
    for (let index = -warmWakes; index < wakes; index++) {
      await sleep(1 + Math.random() * 2);
      device.stamp();
      for (const [name, one] of [[event, c] as const, [item, monitor] as const]) {
        const ns = Number((await one?.line()) ?? Number.NaN);
        if (index >= 0 && one) took.add(name, ns / 1000);
      }
    }
    device.bind(join(directory, "image"), 8 << 20);
    for (let index = -warmWakes; index < waits; index++) {
      // "ready" of the next wait; the first one was said at the start
      if (index > -warmWakes) await waiting.line();
      await sleep(5 + Math.random() * 5);
      const began = process.hrtime.bigint();
      device.addPartition();
      for (const [name, one] of [[partition, c] as const, [waited, waiting] as const]) {
        if (one === undefined) continue;
        const us = Number(BigInt(await one.line()) - began) / 1000;
        if (index >= 0) took.add(name, us);
      }
      device.deletePartition();
      await c?.line();
    }
  } finally {
    for (const one of [c, monitor, waiting]) await one?.stop();
  }
  const row = (name: string, other: string): Row => {
    const [values, others] = [took.of(name), took.of(other)];
    if (values.length === 0) return skipped(name, base.missing ?? "not measured");
    const [p50, p99] = [quantile(values, 0.5), quantile(values, 0.99)];
    const [p50OfC, p99OfC] = [p50 / quantile(others, 0.5), p99 / quantile(others, 0.99)];
    return {
      name,
      cells: [p50, p99, p50OfC, p99OfC].map(figure),
      values: { p50Us: p50, p99Us: p99, p50OfC, p99OfC, count: values.length },
    };
  };
  return {
    title: "wake-up of a process that sleeps",
    columns: ["p50 us", "p99 us", "p50, x of C", "p99, x of C"],
    rows: [row(event, event), row(item, event), row(partition, partition), row(waited, partition)],
    notes: [
      `${wakes} single events and ${waits} partitions, all receivers woken by the same one; from`,
      "before the system call that causes it, which for BLKPG takes most of the time.",
    ],
  };
}
