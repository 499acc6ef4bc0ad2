/** The built command as a process: streams, exit codes, signals. Needs no device and no root. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const cli = new URL("../../host/cli/", import.meta.url);
const main = fileURLToPath(new URL("main.js", cli));

const diskseq = (...words: string[]) =>
  spawnSync(process.execPath, [main, ...words], { encoding: "utf8" });

test("--version is the package's version", () => {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  for (const word of ["--version", "-V"]) {
    const { status, stdout, stderr } = diskseq(word);
    assert.equal([status, stdout, stderr], [0, `${version}\n`, ""]);
  }
});

test("--help goes to stdout and exits 0", () => {
  for (const words of [["--help"], ["-h"], ["help"], ["attach", "--help"], ["help", "run"]]) {
    const { status, stdout, stderr } = diskseq(...words);
    assert.equal([status, stderr], [0, ""]);
    assert.match(stdout, /Usage: diskseq/);
    assert.ok(!stdout.includes("\u001b"));
  }
});

test("no arguments: help on stderr, exit 2", () => {
  const { status, stdout, stderr } = diskseq();
  assert.equal([status, stdout], [2, ""]);
  assert.match(stderr, /Usage: diskseq/);
});

test("usage errors are one line on stderr that names the word, exit 2", () => {
  const cases: [words: string[], pattern: RegExp][] = [
    [["atach"], /unknown command 'atach' \(did you mean 'attach'\?\); see 'diskseq help'/],
    [["--jsn"], /unknown option '--jsn'.*diskseq help/],
    [["attach", "x", "--ofset=1"], /'--ofset' \(did you mean '--offset'\?\).*--help/],
    [["attach", "--json"], /attach: IMAGE is missing/],
    [["attach", "x", "--offset", "-1"], /'-1'/],
    [["run", "x", "true"], /'--' and CMD are missing/],
    [["at\u001b[31m"], /at\\x1b\[31m/],
  ];
  for (const [words, pattern] of cases) {
    const { status, stdout, stderr } = diskseq(...words);
    assert.equal([status, stdout], [2, ""], words.join(" "));
    assert.match(stderr, pattern);
    assert.match(stderr, /^diskseq: [^\n]*\n$/);
    assert.ok(!stderr.includes("\u001b"));
  }
});

test("a reader that leaves early is no error", () => {
  const script = `"$0" "$1" help --json | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, process.execPath, main], {
    encoding: "utf8",
  });
  assert.equal([stdout, stderr], ["0\n", ""]);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${signal} aborts, waits for the undo, and is what the work rejects with`, async () => {
    const { stdout, stderr } = await signalled(signal, interruptScript, "ready\n");
    assert.is(stdout, `ready\nundone\nInterruption ${signal}\n`);
    assert.is(stderr, `diskseq: test: ${signal}: stopping, cleaning up\n`);
  });
}

test("after commit a signal changes nothing", async () => {
  const { stdout, stderr } = await signalled("SIGINT", commitScript, "ready\n");
  assert.equal([stdout, stderr], ["ready\ndone\n", ""]);
});

for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGINT"] as const) {
  test(`${signal} is passed on to the child, whose exit code counts`, async () => {
    const { stdout } = await signalled(signal, childScript(signal.slice(3)), "ready\n");
    assert.is(stdout, 'ready\ngot\n{"code":9}\n');
  });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a monitor with its summary`, async () => {
    const script = monitorScript(["monitor", "--json"], 50);
    const { stdout, stderr } = await signalled(signal, script, "}\n");
    const types = stdout.trimEnd().split("\n");
    assert.is(types.pop(), "exit 0");
    assert.match(types.pop() ?? "", /^\{"type":"summary","received":\d+,/);
    assert.ok(types.length > 0 && types.every((line) => line.startsWith('{"type":"uevent"')));
    assert.match(stderr, /^diskseq: monitor: listening\ndiskseq: monitor: received \d+, .*\n$/);
  });
}

test("a monitor whose reader leaves ends quietly", () => {
  for (const words of [["monitor"], ["monitor", "--json"], ["monitor", "--properties"]]) {
    const pipeline = `"$0" --input-type=module -e "$1" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const args = ["-c", pipeline, process.execPath, monitorScript(words, 0)];
    const { stdout, stderr } = spawnSync("bash", args, { encoding: "utf8" });
    const [first, ...others] = stdout.split("\n");
    assert.ok(first?.includes("loop0"), first);
    assert.equal(others, ["0", ""]);
    assert.is(stderr, "diskseq: monitor: listening\n");
  }
});

test("a monitor whose reader sleeps stops reading, and dies of a second signal", async () => {
  const script = monitorScript(["monitor", "--json"], 0);
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      stderr += piece;
    });
    const waitFor = async (pattern: RegExp) => {
      while (!pattern.test(stderr)) {
        await once(child.stderr, "data", { signal: AbortSignal.timeout(20_000) });
      }
    };
    await waitFor(/listening/);
    // Nobody reads more than what Node reads ahead and the pipe holds.
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill("SIGINT");
    await waitFor(/received \d+/);
    const received = Number(/received (\d+)/.exec(stderr)?.[1]);
    assert.ok(received > 0 && received < 1000, String(received));
    // It waits for its reader; not after a second signal.
    child.kill("SIGINT");
    const [, signal] = await once(child, "exit", { signal: AbortSignal.timeout(20_000) });
    assert.is(signal, "SIGINT");
  } finally {
    child.kill("SIGKILL");
  }
});

async function signalled(signal: NodeJS.Signals, script: string, ready: string) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => {
      const isFirst = !text.stdout.includes(ready);
      text[name] += piece;
      if (isFirst && text.stdout.includes(ready)) {
        child.kill(signal);
      }
    });
  }
  await once(child, "close");
  return text;
}

const interruptScript = `
  import { interruptible } from "${cli}interrupt.js";
  const context = { stderr: { write: (text) => process.stderr.write(text) } };
  const work = (signal) => new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error("no signal came")), 20_000);
    signal.addEventListener("abort", () => setTimeout(() => {
      clearTimeout(timer);
      console.log("undone");
      reject(signal.reason);
    }, 50));
    console.log("ready");
  });
  try {
    await interruptible("test", context, work);
  } catch (error) {
    console.log(error.name, error.signal);
  }`;

const commitScript = `
  import { interruptible } from "${cli}interrupt.js";
  const context = { stderr: { write: (text) => process.stderr.write(text) } };
  await interruptible("test", context, async (signal, commit) => {
    commit();
    console.log("ready");
    await new Promise((resolve) => setTimeout(resolve, 200));
  });
  console.log("done");`;

const childScript = (name: string) => `
  import { runChild } from "${cli}child.js";
  const script = "trap 'echo got; exit 9' ${name}; echo ready; while :; do sleep 0.05; done";
  console.log(JSON.stringify(await runChild(["sh", "-c", script], {})));`;

/** The command against an API whose monitor tells events without end, at this pace. */
const monitorScript = (words: readonly string[], paceMs: number) => `
  import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
  import { commands } from "${cli}commands.js";
  import { dispatch } from "${cli}dispatch.js";
  import { streamOutput } from "${cli}output.js";
  const counts = { received: 0, told: 0, stale: 0, later: 0, lost: 0, duplicate: 0, forged: 0,
    malformed: 0, gaps: 0, unknownGaps: 0, outOfOrder: 0, dropped: 0, truncated: 0 };
  const event = { type: "uevent", group: "kernel", action: "add", devpath: "/x", device:
    "/dev/loop0", devtype: "disk", diskseq: 42n, seqnum: 1n, verdict: "mine", marks: [],
    properties: { KEY: "v".repeat(5000) }, timeMs: 1 };
  async function* items(signal) {
    while (!signal.aborted) {
      counts.received++;
      yield event;
      await (${paceMs} > 0 ? sleep(${paceMs}) : turn());
    }
  }
  const monitor = async ({ signal }) =>
    Object.assign(items(signal), { ready: Promise.resolve(), counts, close() {} });
  const stdout = streamOutput(process.stdout, process.env);
  const stderr = streamOutput(process.stderr, process.env);
  const context = { stdout, stderr, version: "0", commands, now: () => 0,
    loadApi: async () => ({ monitor }) };
  const code = await dispatch(${JSON.stringify(words)}, context);
  if (${paceMs} > 0) console.log("exit", code);
  await new Promise((resolve) => process.stdout.write("", () => resolve()));
  process.exit(code);`;

test.run();
