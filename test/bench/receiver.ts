/**
 * diskseq as a receiver, in a process of its own. Says "ready", then "done" when it has received as
 * many events of a device as each word says; or the nanoseconds of each wake-up. WAITS are open all
 * the time, on other disks.
 *
 *   node receiver.js core|monitor|json|flood|wake|wait DEVICE WAITS [COUNT ...]
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type MonitorItem, monitor, waitFor } from "../../host/index.ts";

const [mode = "", device = "", waits = "0", ...words] = process.argv.slice(2);
const counts = words.map(Number);
for (let index = 0; index < Number(waits); index++) {
  waitFor({ device: `loop${900_000 + index}` }).catch(fail);
}
// until they have all looked for the first time
if (waits !== "0") await sleep(1000);

switch (mode) {
  case "core":
    await judgeOnly();
    break;
  case "monitor":
    await iterate((item) => (item.type === "uevent" && item.disk === device ? 1 : 0));
    break;
  case "json":
    await iterate((item) => {
      const line = `${JSON.stringify(item, plain)}\n`;
      return item.type === "uevent" && line.length > 1 && item.disk === device ? 1 : 0;
    });
    break;
  case "flood":
    await flooded();
    break;
  case "wake":
    await wake();
    break;
  default:
    await wait();
}
process.exit();

/** Everything is judged, and nobody hears it: the one who listens asks for another disk. */
async function judgeOnly(): Promise<void> {
  const none = await monitor({ disk: "loop999999" });
  await none.ready;
  console.log("ready");
  let received = none.counts.received;
  for (const count of counts) {
    received += count;
    while (none.counts.received < received) await sleep(1);
    console.log("done");
  }
}

/** As an application does it. */
async function iterate(take: (item: MonitorItem) => number): Promise<void> {
  const items = await monitor();
  await items.ready;
  console.log("ready");
  let left = counts.shift() ?? 0;
  for await (const item of items) {
    if (item.type === "overrun") throw new Error(`${item.dropped} items were dropped`);
    left -= take(item);
    if (left > 0) continue;
    console.log("done");
    left = counts.shift() ?? 0;
    if (left === 0) return;
  }
}

/** At SIGTERM says how late timers were, what was lost, and how memory grew, after the first. */
async function flooded(): Promise<void> {
  const items = await monitor();
  await items.ready;
  console.log("ready");
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const [warm = 0] = counts;
  let seen = 0;
  let rss = 0;
  process.once("SIGTERM", () => items.close());
  for await (const item of items) {
    if (item.type !== "uevent" || item.disk !== device) continue;
    seen++;
    if (seen !== warm) continue;
    rss = process.memoryUsage.rss();
    delay.enable();
  }
  delay.disable();
  const { lost, dropped } = items.counts;
  const grown = process.memoryUsage.rss() - rss;
  const [p50, p99, most] = [delay.percentile(50), delay.percentile(99), delay.max];
  console.log(JSON.stringify({ p50, p99, most, seen, lost, dropped, grown }));
}

/** Time from the write that made an event to its item. */
async function wake(): Promise<void> {
  const items = await monitor({ disk: device });
  await items.ready;
  console.log("ready");
  for await (const item of items) {
    const at = process.hrtime.bigint();
    const sent = item.type === "uevent" ? item.properties.SYNTH_ARG_T : undefined;
    if (sent !== undefined) console.log(String(at - BigInt(sent)));
  }
}

/** When a wait for partition 1 to come ends, time and again. */
async function wait(): Promise<void> {
  const target = { device, partitions: [1] };
  for (;;) {
    const ready = waitFor(target);
    // the first look at it is over by then
    await sleep(3);
    console.log("ready");
    await ready;
    console.log(String(process.hrtime.bigint()));
    await waitFor({ device: `${device}p1`, removed: true });
  }
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}
