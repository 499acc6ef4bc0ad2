/**
 * `diskseq monitor`: tells uevents as they come, each judged, until it is stopped.
 *
 * A signal is the usual end here, not an interruption, and so is a reader that has seen enough.
 */
import { once } from "node:events";
import type { Monitor, MonitorOptions } from "../../stream-types.ts";
import { openApi, type SessionValues, traceOption } from "../api.ts";
import { jsonLine } from "../format.ts";
import { listen } from "../interrupt.ts";
import { warner } from "../report.ts";
import { type Context, defineCommand, type Options, type Output, type Values } from "../table.ts";
import { headerLine, itemLine, propertyLines, summaryText } from "../uevent.ts";

const options = {
  ...traceOption,
  kernel: {
    kind: "kernelGroup",
    value: "sim:VERSION",
    summary:
      "events as the kernel sends them; neither option: both. With =sim:6.1.192 both, of a " +
      "simulated Linux of that version, on which nothing happens but by this command",
  },
  udev: { kind: "flag", summary: "events as udev sends them when it has processed them" },
  subsystem: {
    kind: "text",
    value: "NAME",
    default: "block",
    summary: "only events of this subsystem; 'all' shows every one",
  },
  devtype: {
    kind: "text",
    value: "NAME",
    summary: "only events of this type, e.g. disk or partition",
  },
  disk: {
    kind: "text",
    value: "DISK",
    complete: "device",
    summary: "only this disk and its partitions: loop0, /dev/loop0 or a link to it",
  },
  diskseq: {
    kind: "diskseq",
    value: "N",
    summary: "judge against this instance; without --disk, only the disk that has it",
  },
  count: { kind: "count", value: "N", summary: "end after N events" },
  properties: { kind: "flag", summary: "show the KEY=VALUE lines of each event below it" },
} as const satisfies Options;

export const monitorCommand = defineCommand({
  name: "monitor",
  summary: "show uevents as they come, each judged by its diskseq",
  usage: "[options]",
  description: [
    "A line for each event: seconds since the start, group, SEQNUM, action, device, type, " +
      "DISKSEQ, marks. Marks: stale is of an earlier instance, later of the next one; ends is " +
      "the end of a partition of this one; media change may announce a detach; synthetic was " +
      "asked for by a program; best effort where no number proves anything. Lost and refused " +
      "datagrams have lines of their own.",
    "'listening' on stderr: what happens from then on is seen. Runs until --count, Ctrl-C or " +
      "SIGTERM, then sums up on stderr and exits 0. With --json each line is one object; its " +
      "type is uevent, gap, overrun or rejected, and summary at the end.",
  ],
  options,
  examples: [
    ["diskseq monitor", "what the kernel and udev say about disks"],
    ["diskseq monitor --disk loop0 --kernel --properties", "all that the kernel says of one disk"],
    ["diskseq monitor --json | jq 'select(.verdict == \"stale\")'", "only stale events"],
  ],
  async run(invocation, context) {
    const api = await openApi(context, sessionOf(invocation.options));
    const interrupt = new AbortController();
    // Whoever asks twice does not want to wait: the second signal has its usual effect.
    const stop = listen(["SIGINT", "SIGTERM"], () => {
      stop();
      interrupt.abort();
    });
    const { gone } = context.stdout;
    const signal = AbortSignal.any([interrupt.signal, gone]);
    try {
      const startMs = context.now();
      const monitor = await api.monitor({
        ...toMonitorOptions(invocation.options),
        signal,
        onWarning: warner(context),
      });
      await show(monitor, { ...invocation, startMs, signal }, context);
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) {
        throw error;
      }
    } finally {
      stop();
    }
    if (gone.aborted && (gone.reason as NodeJS.ErrnoException).code !== "EPIPE") {
      throw gone.reason;
    }
    return 0;
  },
});

/** `--kernel` means the group, or a simulated one. */
function sessionOf({ kernel, ...rest }: Values<typeof options>): SessionValues {
  return { kernel: typeof kernel === "string" ? kernel : undefined, ...rest };
}

function toMonitorOptions(given: Values<typeof options>): MonitorOptions {
  const { disk, diskseq, devtype, subsystem = "block" } = given;
  const groups = (["kernel", "udev"] as const).filter((group) => given[group] === true);
  return {
    groups: groups.length === 0 ? ["kernel", "udev"] : groups,
    rejected: true,
    ...(subsystem === "all" ? {} : { subsystem }),
    ...(devtype === undefined ? {} : { devtype }),
    ...(disk === undefined ? {} : { disk }),
    ...(diskseq === undefined ? {} : { diskseq }),
  };
}

interface Show {
  readonly options: Values<typeof options>;
  readonly json: boolean;
  readonly startMs: number;
  readonly signal: AbortSignal;
}

/** Returns when the monitor is closed, with its counts told. */
async function show(monitor: Monitor, how: Show, context: Context): Promise<void> {
  const { stdout, stderr } = context;
  try {
    if (!(await isReady(monitor, how.signal))) {
      return;
    }
    stderr.write("diskseq: monitor: listening\n");
    try {
      await showItems(monitor, how, stdout);
    } finally {
      if (!stdout.gone.aborted) {
        const { counts } = monitor;
        if (how.json) {
          stdout.write(jsonLine({ type: "summary", ...counts }));
        }
        stderr.write(`diskseq: monitor: ${summaryText(counts)}\n`);
      }
    }
  } finally {
    monitor.close();
  }
}

async function showItems(monitor: Monitor, how: Show, stdout: Output): Promise<void> {
  const { json, startMs, signal } = how;
  const { count, properties } = how.options;
  if (!json && stdout.isTerminal) {
    stdout.write(`${headerLine(stdout.paint)}\n`);
  }
  let events = 0;
  for await (const item of monitor) {
    if (json) {
      stdout.write(jsonLine(item));
    } else {
      const below = properties && item.type === "uevent" ? propertyLines(item) : [];
      stdout.write(`${[itemLine(item, startMs, stdout.paint), ...below].join("\n")}\n`);
    }
    if (stdout.gone.aborted || (item.type === "uevent" && ++events === count)) {
      break;
    }
    // A slow reader costs events, which are then told as an overrun, and no memory.
    await stdout.drained(signal);
  }
}

/** False where it was stopped before. */
async function isReady(monitor: Monitor, signal: AbortSignal): Promise<boolean> {
  const done = new AbortController();
  const stopped = once(signal, "abort", { signal: done.signal }).catch(() => {});
  try {
    await Promise.race([monitor.ready, signal.aborted ? undefined : stopped]);
  } finally {
    done.abort();
  }
  return !signal.aborted;
}
