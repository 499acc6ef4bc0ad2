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

test.run();
