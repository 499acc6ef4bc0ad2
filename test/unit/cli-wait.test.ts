/** `wait` against an API of the test's own: targets, lines, JSON, exit codes, who ends whom. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Interruption } from "../../host/cli/interrupt.ts";
import { LoopError, type LoopErrorCode } from "../../host/errors.ts";
import type { Waited, WaitOptions, WaitTarget } from "../../host/stream-types.ts";
import { runCommand } from "../helpers/command.ts";

test("each target is a line: device, number, result, nodes", async () => {
  const { code, stdout, stderr } = await run("wait /dev/loop0 loop12 old bare", {
    "/dev/loop0": { ...ready, partitions: [partition(1), partition(2)] },
    loop12: { ...ready, device: "/dev/loop12", diskseq: 4711n },
    old: { ...ready, device: "/dev/loop3", diskseq: null },
    bare: { ...ready, result: "gone", device: "/dev/x\u001b", devnum: null, diskseq: 7n },
  });
  assert.equal([code, stderr], [0, ""]);
  assert.equal(stdout.split("\n"), [
    "/dev/loop0     42  ready  /dev/loop0p1 /dev/loop0p2",
    "/dev/loop12  4711  ready",
    "/dev/loop3      -  ready",
    "/dev/x\\x1b      7  gone",
    "",
  ]);
});

test("--json has a record for each target", async () => {
  const { code, stdout } = await run("wait loop0 diskseq:43 --json", {
    loop0: { ...ready, partitions: [partition(1)] },
    "diskseq:43": { ...ready, result: "gone", devnum: null, diskseq: 43n },
  });
  assert.is(code, 0);
  assert.is(
    stdout,
    '{"waited":[{"target":"loop0","result":"ready","device":"/dev/loop0","devnum":"7:0",' +
      '"diskseq":42,"partitions":[{"number":1,"device":"/dev/loop0p1","devnum":"259:1",' +
      '"start":1048576,"size":4096}]},{"target":"diskseq:43","result":"gone",' +
      '"device":"/dev/loop0","devnum":null,"diskseq":43,"partitions":[]}]}\n',
  );
});

test("options reach the API, none where none was given", async () => {
  const asked = async (words: string) => {
    const { asks } = await run(`wait ${words}`, {});
    return asks.map(({ target, options: { timeoutMs } }) => ({ ...target, timeoutMs }));
  };
  const rest = { udev: false, removed: false, timeoutMs: undefined };
  assert.equal(await asked("loop0"), [{ device: "loop0", ...rest }]);
  assert.equal(await asked("diskseq:18446744073709551615"), [
    { diskseq: 18446744073709551615n, ...rest },
  ]);
  assert.equal(await asked("./diskseq:x --partitions --udev --timeout 1.5s"), [
    { device: "./diskseq:x", partitions: true, udev: true, removed: false, timeoutMs: 1500 },
  ]);
  assert.equal(await asked("a b --partitions=2,1 --removed --timeout 0"), [
    { device: "a", partitions: [1, 2], udev: false, removed: true, timeoutMs: 1 },
    { device: "b", partitions: [1, 2], udev: false, removed: true, timeoutMs: 1 },
  ]);
});

test("the code of the error is the exit code", async () => {
  const codes: [code: LoopErrorCode, exitCode: number][] = [
    ["ERR_LOOP_STALE", 4],
    ["ERR_LOOP_TIMEOUT", 6],
    ["ERR_LOOP_ARGUMENT", 2],
    ["ERR_LOOP_ENVIRONMENT", 3],
  ];
  for (const [code, exitCode] of codes) {
    const ran = await run("wait loop0", { loop0: new LoopError(code, "no\nluck") });
    assert.equal([ran.code, ran.stdout, ran.stderr], [exitCode, "", "diskseq: wait: no\\nluck\n"]);
  }
});

test("one that cannot come true ends the others", async () => {
  const stale = new LoopError("ERR_LOOP_STALE", "over");
  const given = { a: ready, b: "hang", c: stale } as const;
  const { code, stdout, stderr } = await run("wait a b c", given);
  assert.equal([code, stdout], [4, "/dev/loop0  42  ready\n"]);
  assert.is(stderr, "diskseq: wait: over\n");
  const json = await run("wait a b c --json", given);
  assert.equal([json.code, json.stderr], [4, "diskseq: wait: over\n"]);
  const { waited } = JSON.parse(json.stdout) as { waited: Record<string, unknown>[] };
  assert.equal(waited[1], { target: "b", result: "abandoned" });
  assert.equal(Object.keys(waited[2] ?? {}), ["target", "error"]);
});

test("at the timeout every target says what it lacks", async () => {
  const late = (what: string) => new LoopError("ERR_LOOP_TIMEOUT", what);
  const given = { a: late("a lacks 1"), b: late("b lacks 2"), c: ready };
  const { code, stdout, stderr } = await run("wait a b c --timeout 1", given);
  assert.equal([code, stdout], [6, "/dev/loop0  42  ready\n"]);
  assert.is(stderr, "diskseq: wait: a lacks 1\ndiskseq: wait: b lacks 2\n");
});

test("Ctrl-C interrupts it as it does other commands", async () => {
  const before = process.listenerCount("SIGINT");
  setImmediate(() => process.emit("SIGINT", "SIGINT"));
  try {
    await run("wait a b", { a: "hang", b: "hang" });
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof Interruption, String(error));
    assert.equal([error.signal, error.cause], ["SIGINT", undefined]);
  }
  assert.is(process.listenerCount("SIGINT"), before);
});

test("bad words are refused before anything is waited for", async () => {
  const cases: [words: string, part: string][] = [
    ["diskseq:", "'': a disk sequence number is a whole number from 1"],
    ["diskseq:x", "'x': a disk sequence number"],
    ["loop0 diskseq:0", "'0': a disk sequence number"],
    ["diskseq:1\n", "'1\\n': a disk sequence number"],
    ["loop0 --partitions=x", "'--partitions': 'x': partitions are numbers"],
    ["loop0 --partitions 1", "takes its value after '='"],
    ["loop0 --timeout soon", "'soon'"],
  ];
  for (const [words, part] of cases) {
    const { code, stdout, stderr } = await runCommand(`wait ${words}`, {});
    assert.equal([code, stdout], [2, ""], words);
    assert.ok(stderr.includes(part), stderr);
    assert.match(stderr, /^diskseq: wait: [^\n]*\n$/);
  }
});

test("warnings are told", async () => {
  const waitFor = async (_: WaitTarget, options: WaitOptions = {}) => {
    options.onWarning?.({ code: "x", message: "no udevd" });
    return ready;
  };
  const { stderr } = await runCommand("wait loop0", { waitFor });
  assert.is(stderr, "diskseq: warning: no udevd\n");
});

const ready: Waited = {
  result: "ready",
  device: "/dev/loop0",
  devnum: "7:0",
  diskseq: 42n,
  partitions: [],
};

function partition(number: number) {
  const device = `/dev/loop0p${number}`;
  return { number, device, devnum: `259:${number}`, start: 1 << 20, size: 4096 };
}

type Answer = Waited | LoopError | "hang";

/** Runs a line; each target has its answer, by its word, and is ready without one. */
async function run(line: string, answers: Readonly<Record<string, Answer>>) {
  const asks: { target: WaitTarget; options: WaitOptions }[] = [];
  const waitFor = async (target: WaitTarget, options: WaitOptions = {}): Promise<Waited> => {
    asks.push({ target, options });
    const { signal } = options;
    assert.ok(signal);
    const answer = answers[target.device ?? `diskseq:${target.diskseq}`] ?? ready;
    if (answer instanceof LoopError) {
      throw answer;
    }
    if (answer === "hang") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw signal.reason;
    }
    return answer;
  };
  return { ...(await runCommand(line, { waitFor })), asks };
}

test.run();
