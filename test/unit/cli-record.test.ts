/** `record` against an API of the test's own: what it asks for, what it says, every way to end. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Api } from "../../host/cli/table.ts";
import { LoopError } from "../../host/errors.ts";
import type { Recorded, RecordOptions } from "../../host/record.ts";
import type { MonitorCounts } from "../../host/stream-types.ts";
import { type RunOptions, runCommand } from "../helpers/command.ts";

test("it says where to, then sums up; the file's name is the result", async () => {
  const { code, stdout, stderr } = await run("record t.ndjson --count 3");
  assert.is(code, 0);
  assert.is(stdout, "t.ndjson\n");
  assert.equal(stderr.split("\n"), [
    "diskseq: record: recording to t.ndjson",
    "diskseq: record: 4096 bytes, looks 7, received 5, told 3, stale 1, later 0, " +
      "lost 2 in 1 gap, duplicates 0, forged 0, malformed 0",
    "",
  ]);
});

test("--json is one object with the counts", async () => {
  const { code, stdout } = await run("record t.ndjson --json");
  assert.is(code, 0);
  assert.is(stdout.split("\n").length, 2);
  const { path, bytes, looks, error, told, lost } = JSON.parse(stdout);
  assert.equal([path, bytes, looks, error, told, lost], ["t.ndjson", 4096, 7, null, 3, 2]);
});

test("options reach the API, nothing else does", async () => {
  const { path, options } = await run(
    "record x --disk loop3 --count 9 --limit 2MiB --force --redact",
  );
  const { signal, onWarning, ...others } = options ?? {};
  assert.ok(signal instanceof AbortSignal && onWarning !== undefined);
  assert.is(path, "x");
  const wanted = { disk: "loop3", count: 9, limit: 2 << 20, force: true, redact: true };
  assert.equal(others, wanted);
});

test("without a name the file is called after the time", async () => {
  const { path, stdout } = await run("record");
  assert.match(path ?? "", /^diskseq-\d{8}T\d{6}Z\.ndjson$/);
  assert.is(stdout, `${path}\n`);
});

test("a file that is not whole is exit 1, and told", async () => {
  const error = new Error("ENOSPC: no space left\u001b");
  const text = await run("record t", {}, { error });
  assert.is(text.code, 1);
  assert.match(text.stderr, /record: the trace is not whole: ENOSPC: no space left\\x1b\n$/);
  const json = await run("record t --json", {}, { error });
  assert.is(JSON.parse(json.stdout).error, error.message);
});

test("a refusal has the error's exit code and leaves nothing on stdout", async () => {
  const refusal = new LoopError("ERR_LOOP_ARGUMENT", "t: is there already; --force replaces it");
  const { code, stdout, stderr } = await runCommand("record t", {
    record: async () => {
      throw refusal;
    },
  });
  assert.equal([code, stdout], [2, ""]);
  assert.match(stderr, "is there already");
  for (const line of ["record a b", "record --for never", "record --count 0"]) {
    assert.is((await runCommand(line, "none")).code, 2, line);
  }
});

test("a warning is told", async () => {
  const { stderr } = await run("record t", {}, {}, (options) =>
    options.onWarning?.({ code: "no-uevents", message: "no events are heard" }),
  );
  assert.match(stderr, "diskseq: warning: no events are heard\n");
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends it with the summary, exit 0, and leaves no handler`, async () => {
    const before = process.listenerCount(signal);
    const { code, stderr } = await run("record t", {}, {}, () => process.emit(signal), "hang");
    assert.is(code, 0);
    assert.match(stderr, /record: 4096 bytes/);
    assert.is(process.listenerCount(signal), before);
  });
}

test("--for ends it", async () => {
  const { code } = await run("record t --for 20ms", {}, {}, undefined, "hang");
  assert.is(code, 0);
});

test("a terminal sees it grow, and keeps only the lines", async () => {
  const { stderr } = await run("record t --for 300ms", { isTerminal: true }, {}, undefined, "hang");
  const grown = "\r\x1b[K3 events, 2 lost, 7 looks, 4096 bytes\r\x1b[K";
  assert.ok(stderr.includes(`recording to t\n${grown}`), JSON.stringify(stderr));
});

const counts: MonitorCounts = {
  received: 5,
  told: 3,
  stale: 1,
  later: 0,
  outOfOrder: 0,
  lost: 2,
  gaps: 1,
  unknownGaps: 0,
  dropped: 0,
  duplicate: 0,
  forged: 0,
  malformed: 0,
  truncated: 0,
};

/** A recording that is over at once, or when its signal says so. */
async function run(
  line: string,
  how: RunOptions = {},
  result: Partial<Recorded> = {},
  onBegin?: (options: RecordOptions) => unknown,
  end?: "hang",
) {
  let seen: { path: string; options: RecordOptions } | undefined;
  const api: Pick<Api, "record"> = {
    record: async (path, options = {}) => {
      seen = { path, options };
      const recorded: Recorded = { path, bytes: 4096, looks: 7, counts, error: null, ...result };
      const over = new Promise<Recorded>((resolve) => {
        const done = () => resolve(recorded);
        if (end === undefined) done();
        else options.signal?.addEventListener("abort", done);
      });
      onBegin?.(options);
      return {
        ready: Promise.resolve(),
        done: over,
        progress: () => recorded,
        close: async () => recorded,
        [Symbol.asyncDispose]: async () => {},
      };
    },
  };
  const ran = await runCommand(line, api, how);
  return { ...ran, path: seen?.path, options: seen?.options };
}

test.run();
