/** `monitor` against an API of the test's own: columns, marks, escapes, JSON, every way to end. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Api } from "../../host/cli/table.ts";
import { LoopError } from "../../host/errors.ts";
import type {
  Monitor,
  MonitorCounts,
  MonitorItem,
  MonitorOptions,
  Uevent,
  UeventRejected,
} from "../../host/stream-types.ts";
import { type RunOptions, runCommand } from "../helpers/command.ts";

const listening = "diskseq: monitor: listening\n";

test("an event is one line, its cells under one another", async () => {
  const { code, stdout, stderr } = await run("monitor", [
    event,
    { ...event, seqnum: 8n, group: "udev", action: "change", timeMs: 1001.5 },
    { ...event, ...partition, diskseq: 43n, marks: ["ends"], timeMs: 2345.678 },
    { ...event, ...module, seqnum: 12_345_678n, timeMs: 1_234_567.891 },
  ]);
  assert.is(code, 0);
  assert.equal(stdout.split("\n"), [
    "   0.000250  kernel        7  add      /dev/loop0      disk            42",
    "   0.001500  udev          8  change   /dev/loop0      disk            42",
    "   1.345678  kernel        7  remove   /dev/loop0p1    partition       43  ends",
    "1233.567891  kernel  12345678  add      /module/loop    -                -",
    "",
  ]);
  assert.is(stderr, `${listening}diskseq: monitor: ${zeros}\n`);
});

test("every verdict and mark that means something is named", async () => {
  const all = ["out-of-order", "media-change", "synthetic", "ends", "first"] as const;
  const { stdout } = await run("monitor", [
    { ...event, verdict: "stale" },
    { ...event, verdict: "later" },
    { ...event, verdict: "best-effort" },
    { ...event, verdict: "mine", marks: ["first"] },
    { ...event, verdict: "stale", marks: all },
  ]);
  const marks = stdout.split("\n").map((line) => line.slice(75));
  assert.equal(marks, [
    "stale",
    "later",
    "best effort",
    "",
    "stale, out of order, media change, synthetic, ends",
    "",
  ]);
});

test("a terminal gets titles and colours; a file gets neither", async () => {
  const paint = (format: string, text: string) => `<${format}>${text}</>`;
  const items: MonitorItem[] = [
    { ...event, verdict: "later", marks: ["ends"] },
    { type: "gap", group: "udev", lost: 1, after: null },
    { type: "overrun", dropped: 1 },
    { ...rejected, reason: "truncated" },
  ];
  const { stdout } = await run("monitor", items, { isTerminal: true, paint });
  assert.equal(stdout.split("\n"), [
    "<bold>       TIME  GROUP    SEQNUM  ACTION   DEVICE          DEVTYPE    DISKSEQ  MARKS</>",
    "   0.000250  kernel        7  add      /dev/loop0      disk            42  " +
      "<red>later</>, <cyan>ends</>",
    "<red>-- gap: 1 event lost (udev) --</>",
    "<red>-- overrun: 1 item dropped, unread --</>",
    "<yellow>-- truncated: 120 bytes from pid 77, uid 1000 (kernel) --</>",
    "",
  ]);
});

test("what was lost, dropped or refused has lines of its own", async () => {
  const { stdout } = await run("monitor", [
    { type: "gap", group: "kernel", lost: 2744, after: 13_140n },
    { type: "gap", group: "udev", lost: null, after: 9n },
    { type: "overrun", dropped: 12 },
    rejected,
    { ...rejected, reason: "duplicate", group: "udev", pid: 0, uid: 0, bytes: 1 },
    { ...rejected, reason: "malformed" },
  ]);
  assert.equal(stdout.split("\n"), [
    "-- gap: 2744 events lost after 13140 (kernel) --",
    "-- gap: an unknown number of events lost after 9 (udev) --",
    "-- overrun: 12 items dropped, unread --",
    "-- forged: 120 bytes from pid 77, uid 1000 (kernel) --",
    "-- duplicate: 1 byte from pid 0, uid 0 (udev) --",
    "-- malformed: 120 bytes from pid 77, uid 1000 (kernel) --",
    "",
  ]);
});

const hostile: Uevent = {
  ...event0(),
  action: "add\n\u001b[2J",
  devpath: "/x\u0007",
  device: null,
  devtype: "\u202edisk",
  properties: { "A\u001b": "b\nC=d", DEVNAME: "loop0" },
};

test("text of datagrams cannot reach the terminal", async () => {
  const { stdout } = await run("monitor --properties", [hostile]);
  assert.equal(stdout.split("\n"), [
    "   0.000250  kernel        7  add\\n\\x1b[2J  /x\\x07          \\u202edisk       42",
    "    A\\x1b=b\\nC=d",
    "    DEVNAME=loop0",
    "",
  ]);
});

test("--json is a record for each item and a summary, numbers as numbers", async () => {
  const gap: MonitorItem = { type: "gap", group: "kernel", lost: 3, after: 7n };
  const items: MonitorItem[] = [hostile, gap, { type: "overrun", dropped: 2 }, rejected];
  const { code, stdout, stderr } = await run("monitor --json --properties", items);
  assert.is(code, 0);
  assert.match(stdout, /^[ -~\n]+$/);
  assert.equal(stdout.split("\n"), [
    '{"type":"uevent","group":"kernel","action":"add\\n\\u001b[2J","devpath":"/x\\u0007",' +
      '"subsystem":"block","devtype":"\\u202edisk","device":null,"devnum":"7:0",' +
      '"disk":"loop0","partition":null,"diskseq":42,"seqnum":7,"verdict":"mine","marks":[],' +
      '"properties":{"A\\u001b":"b\\nC=d","DEVNAME":"loop0"},"timeMs":1000.25}',
    '{"type":"gap","group":"kernel","lost":3,"after":7}',
    '{"type":"overrun","dropped":2}',
    '{"type":"rejected","group":"kernel","reason":"forged","portId":78,"pid":77,"uid":1000,' +
      '"bytes":120}',
    '{"type":"summary","received":0,"told":0,"stale":0,"later":0,"outOfOrder":0,"lost":0,' +
      '"gaps":0,"unknownGaps":0,"dropped":0,"duplicate":0,"forged":0,"malformed":0,' +
      '"truncated":0}',
    "",
  ]);
  assert.is(stderr, `${listening}diskseq: monitor: ${zeros}\n`);
});

test("the summary tells what there was", async () => {
  const counts = {
    received: 100,
    told: 9,
    stale: 2,
    later: 1,
    outOfOrder: 3,
    lost: 2744,
    gaps: 2,
    unknownGaps: 1,
    dropped: 4,
    duplicate: 5,
    forged: 6,
    malformed: 7,
    truncated: 8,
  };
  const { stderr } = await run("monitor", [], {}, counts);
  assert.is(
    stderr,
    `${listening}diskseq: monitor: received 100, told 9, stale 2, later 1, out of order 3, ` +
      "dropped 4, lost 2744 in 2 gaps (1 of unknown size), duplicates 5, forged 6, malformed 7, " +
      "truncated 8\n",
  );
});

test("options reach the API; blocks of both groups by default", async () => {
  const asked = async (words: string) => {
    const { options } = await run(`monitor ${words}`.trim(), []);
    const { signal, onWarning, ...others } = options ?? {};
    assert.ok(signal instanceof AbortSignal && onWarning !== undefined);
    return others;
  };
  const both = ["kernel", "udev"];
  assert.equal(await asked(""), { groups: both, rejected: true, subsystem: "block" });
  assert.equal(await asked("--kernel --udev --subsystem all"), { groups: both, rejected: true });
  assert.equal((await asked("--kernel")).groups, ["kernel"]);
  assert.equal(await asked("--udev --subsystem net --devtype x --disk loop0 --diskseq 42"), {
    groups: ["udev"],
    rejected: true,
    subsystem: "net",
    devtype: "x",
    disk: "loop0",
    diskseq: 42n,
  });
});

test("--count ends after that many events; other items do not count", async () => {
  const gap: MonitorItem = { type: "gap", group: "kernel", lost: 3, after: 7n };
  const { code, stdout, closed } = await run("monitor --count 2", [event, gap, event, event]);
  assert.equal([code, stdout.split("\n").length - 1, closed], [0, 3, true]);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends it with the summary and exit code 0`, async () => {
    const before = process.listenerCount(signal);
    const onWrite = () => void process.emit(signal, signal);
    const ran = await run("monitor", [event, "hang"], { onWrite });
    assert.equal([ran.code, ran.closed], [0, true]);
    assert.is(ran.stdout.split("\n").length, 2);
    assert.is(ran.stderr, `${listening}diskseq: monitor: ${zeros}\n`);
    assert.is(process.listenerCount(signal), before);
  });
}

test("a signal while it begins ends it without a word", async () => {
  const api = fakeApi([], {}, () => {
    process.emit("SIGINT", "SIGINT");
    return new Promise(() => {});
  });
  const { code, stdout, stderr } = await runCommand("monitor", api);
  assert.equal([code, stdout, stderr], [0, "", ""]);
  const monitor = async ({ signal }: MonitorOptions = {}) => {
    process.emit("SIGTERM", "SIGTERM");
    throw signal?.reason;
  };
  assert.equal(await runCommand("monitor", { monitor }), { code: 0, stdout: "", stderr: "" });
});

test("a reader that left ends it quietly", async () => {
  for (const line of ["monitor", "monitor --json"]) {
    const onWrite = (_: string, gone: AbortController) => gone.abort(systemError("EPIPE"));
    const { code, stdout, stderr, closed } = await run(line, [event, event], { onWrite });
    assert.equal([code, stdout.split("\n").length, stderr, closed], [0, 2, listening, true]);
  }
});

test("output that cannot be written for another reason is an error", async () => {
  const onWrite = (_: string, gone: AbortController) => gone.abort(systemError("ENOSPC"));
  const { code, stderr } = await run("monitor", [event, event], { onWrite });
  assert.equal([code, stderr], [1, `${listening}diskseq: monitor: write ENOSPC\n`]);
});

test("it reads no further than its own reader, and a signal still ends it", async () => {
  const drained = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve());
      setImmediate(() => process.emit("SIGINT", "SIGINT"));
    });
  const { code, stdout } = await run("monitor", [event, event, event], { drained });
  assert.equal([code, stdout.split("\n").length - 1], [0, 1]);
});

test("what the API refuses is the exit code", async () => {
  const monitor = async () => {
    throw new LoopError("ERR_LOOP_STALE", "over");
  };
  const { code, stdout, stderr } = await runCommand("monitor --diskseq 41", { monitor });
  assert.equal([code, stdout, stderr], [4, "", "diskseq: monitor: over\n"]);
  const refusal = new LoopError("ERR_LOOP_ENVIRONMENT", "no netlink");
  const unready = await runCommand(
    "monitor --json",
    fakeApi([], {}, async () => {
      throw refusal;
    }),
  );
  assert.equal([unready.code, unready.stderr], [3, "diskseq: monitor: no netlink\n"]);
  assert.match(unready.stdout, /^\{"error":\{"code":"ERR_LOOP_ENVIRONMENT".*\}\n$/);
});

test("a stream that breaks is told with what was counted", async () => {
  const { code, stdout, stderr } = await run("monitor", [event, new Error("broken")]);
  assert.is(code, 1);
  assert.is(stdout.split("\n").length, 2);
  assert.is(stderr, `${listening}diskseq: monitor: ${zeros}\ndiskseq: monitor: broken\n`);
});

test("warnings are told as they come", async () => {
  const api = fakeApi([], {});
  const monitor = async (options: MonitorOptions = {}) => {
    options.onWarning?.({ code: "x", message: "no\nudevd" });
    return await api.monitor(options);
  };
  const { stderr } = await runCommand("monitor", { monitor });
  assert.ok(stderr.startsWith(`diskseq: warning: no\\nudevd\n${listening}`), stderr);
});

test("bad words are refused", async () => {
  const cases: [words: string, part: string][] = [
    ["loop0", "unexpected argument 'loop0'"],
    ["--count 0", "'--count': '0': a count is a whole number from 1"],
    ["--count x", "'--count': 'x'"],
    ["--diskseq 0", "'--diskseq': '0'"],
    ["--diskseq -1", "'--diskseq': '-1'"],
    ["--diskseq 18446744073709551616", "'--diskseq'"],
    ["--disk", "'--disk' needs a value: DISK"],
    ["--kernel=1", "'--kernel': '1': must be sim: and a version of Linux"],
    ["--kernel sim:6.1.192", "'--kernel' takes its value after '='"],
    ["--propertis", "did you mean '--properties'"],
  ];
  for (const [words, part] of cases) {
    const { code, stdout, stderr } = await runCommand(`monitor ${words}`, "none");
    assert.equal([code, stdout], [2, ""], words);
    assert.ok(stderr.includes(part), stderr);
  }
});

function event0(): Uevent {
  return {
    type: "uevent",
    group: "kernel",
    action: "add",
    devpath: "/devices/virtual/block/loop0",
    subsystem: "block",
    devtype: "disk",
    device: "/dev/loop0",
    devnum: "7:0",
    disk: "loop0",
    partition: null,
    diskseq: 42n,
    seqnum: 7n,
    verdict: "mine",
    marks: [],
    properties: { ACTION: "add" },
    timeMs: 1000.25,
  };
}

const event = event0();
const partition = { action: "remove", device: "/dev/loop0p1", devtype: "partition" };
const module = { device: null, devpath: "/module/loop", devtype: null, diskseq: null };
const rejected: UeventRejected = {
  type: "rejected",
  group: "kernel",
  reason: "forged",
  portId: 78,
  pid: 77,
  uid: 1000,
  bytes: 120,
};
const zeros = "received 0, told 0, stale 0, later 0, lost 0, duplicates 0, forged 0, malformed 0";

type Step = MonitorItem | Error | "hang";

/** Runs a line against a monitor that tells these items, and ends, fails or hangs. */
async function run(
  line: string,
  steps: readonly Step[],
  options: RunOptions = {},
  counts: Partial<MonitorCounts> = {},
) {
  const seen: { closed?: boolean; options?: MonitorOptions } = {};
  const ran = await runCommand(line, fakeApi(steps, counts, undefined, seen), options);
  return { ...ran, closed: seen.closed, options: seen.options };
}

function fakeApi(
  steps: readonly Step[],
  counts: Partial<MonitorCounts>,
  ready: () => Promise<void> = async () => {},
  seen: { closed?: boolean; options?: MonitorOptions } = {},
): Pick<Api, "monitor"> {
  return {
    monitor: async (options = {}) => {
      seen.options = options;
      const items = itemsOf(steps, options.signal as AbortSignal);
      const methods = {
        ready: ready(),
        counts: { ...noCounts, ...counts },
        close: () => {
          seen.closed = true;
        },
      };
      return Object.assign(items, methods) as unknown as Monitor;
    },
  };
}

async function* itemsOf(steps: readonly Step[], signal: AbortSignal): AsyncGenerator<MonitorItem> {
  for (const step of steps) {
    if (signal.aborted) {
      return;
    }
    if (step instanceof Error) {
      throw step;
    }
    if (step === "hang") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return;
    }
    yield step;
  }
}

const noCounts: MonitorCounts = {
  received: 0,
  told: 0,
  stale: 0,
  later: 0,
  outOfOrder: 0,
  lost: 0,
  gaps: 0,
  unknownGaps: 0,
  dropped: 0,
  duplicate: 0,
  forged: 0,
  malformed: 0,
  truncated: 0,
};

function systemError(code: string): Error {
  return Object.assign(new Error(`write ${code}`), { code });
}

test.run();
