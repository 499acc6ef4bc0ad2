/**
 * `diskseq record`: writes down what others do to disks, until it is stopped.
 *
 * As for `monitor`, a signal is the usual end and no interruption.
 */
import type { Recorded, Recording } from "../../record.ts";
import { kernelOption, openApi, redactOption } from "../api.ts";
import { escapeText, jsonLine } from "../format.ts";
import { listen } from "../interrupt.ts";
import { warner } from "../report.ts";
import { type Context, defineCommand, type Options } from "../table.ts";
import { summaryText } from "../uevent.ts";

const options = {
  disk: {
    kind: "text",
    value: "DISK",
    complete: "device",
    summary: "only this disk and its partitions: loop0, /dev/loop0 or a link to it",
  },
  for: { kind: "duration", value: "TIME", default: "until stopped", summary: "end after this" },
  count: { kind: "count", value: "N", summary: "end after N events" },
  limit: {
    kind: "size",
    value: "SIZE",
    summary: "keep the trace within this: what is older goes; FILE.1 is the part before FILE",
  },
  ...redactOption,
  force: { kind: "flag", summary: "replace FILE where it is there already" },
  ...kernelOption,
} as const satisfies Options;

/** How often a terminal is told how far it is. */
const progressMs = 250;

export const recordCommand = defineCommand({
  name: "record",
  summary: "write down what others do to disks, for 'diskseq explain'",
  usage: "[FILE] [options]",
  description: [
    "For hunting a race of other programs: a trace of all block uevents of the kernel and of " +
      "udev, each judged, of what was lost, and of what sysfs showed (disk sequence number, " +
      "size, partitions) at the start, after the events of a disk and after a loss. Attaches " +
      "nothing, opens no device; needs no root where sockets and sysfs are open to all.",
    "FILE is diskseq-TIME.ndjson by default, and is printed. 'recording' on stderr: what happens " +
      "from then on is in it. Runs until --count, --for, Ctrl-C or SIGTERM, then sums up on " +
      "stderr and exits 0; 1 where the file is not whole.",
  ],
  operand: { name: "FILE", min: 0, max: 1, complete: "file" },
  options,
  examples: [
    ["diskseq record", "all disks, until Ctrl-C"],
    ["diskseq record t.ndjson --disk loop0 --for 10s", "one disk, ten seconds"],
    ["diskseq record t.ndjson --limit 64MiB", "the newest part, for days"],
  ],
  async run({ options: given, operands: [file = defaultFile()], json }, context) {
    const api = await openApi(context, { kernel: given.kernel });
    const { disk, count, limit, redact, force } = given;
    const end = new AbortController();
    // Whoever asks twice does not want to wait: the second signal has its usual effect.
    const stop = listen(["SIGINT", "SIGTERM"], () => {
      stop();
      end.abort();
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      const recording = await api.record(file, {
        disk,
        count,
        limit: limit === undefined ? undefined : Number(limit),
        redact,
        force,
        signal: end.signal,
        onWarning: warner(context),
      });
      await recording.ready;
      context.stderr.write(`diskseq: record: recording to ${escapeText(file)}\n`);
      if (given.for !== undefined) timer = setTimeout(() => end.abort(), given.for);
      return tell(await watched(recording, context), json, context);
    } finally {
      clearTimeout(timer);
      stop();
    }
  },
});

/** In UTC, without what a file system or a shell minds. */
function defaultFile(): string {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  return `diskseq-${time}.ndjson`;
}

/** Until it is over; a terminal sees it grow. */
async function watched(recording: Recording, { stderr }: Context): Promise<Recorded> {
  if (!stderr.isTerminal) return await recording.done;
  const show = () => {
    const { counts, looks, bytes } = recording.progress();
    const text = `${counts.told} events, ${counts.lost} lost, ${looks} looks, ${bytes} bytes`;
    stderr.write(`\r\x1b[K${text}`);
  };
  const timer = setInterval(show, progressMs);
  try {
    return await recording.done;
  } finally {
    clearInterval(timer);
    stderr.write("\r\x1b[K");
  }
}

function tell(recorded: Recorded, json: boolean, { stdout, stderr }: Context): number {
  const { path, bytes, looks, counts, error } = recorded;
  const failure = error === null ? null : error.message;
  stdout.write(
    json ? jsonLine({ path, bytes, looks, error: failure, ...counts }) : `${escapeText(path)}\n`,
  );
  stderr.write(`diskseq: record: ${bytes} bytes, looks ${looks}, ${summaryText(counts)}\n`);
  if (failure === null) return 0;
  const label = stderr.paint("red", "diskseq: record:");
  stderr.write(`${label} the trace is not whole: ${escapeText(failure)}\n`);
  return 1;
}
