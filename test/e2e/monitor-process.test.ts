/**
 * `diskseq monitor` as a process, on real events: what it writes, and how it ends. And the API: a
 * process lives as long as its last monitor.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type OwnLoop, ownLoop } from "../helpers/loops.ts";
import { type Outcome, type Running, start, startCommand } from "../helpers/process.ts";
import { commandPath, packageRoot } from "../helpers/root.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { Writer } from "../helpers/streams.ts";

/** Between two writes of a few events, so that a process that reads them keeps up. */
const pauseMs = 2;

interface JsonRecord {
  readonly type: string;
  readonly [key: string]: unknown;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  behaviour(
    `${signal} while events flow: --json stays whole lines, a summary ends it, exit 0`,
    ["root"],
    async (scene) => {
      const loop = await ownLoop(scene);
      await loop.addPartition(1);
      const { name, diskseq: first } = loop;
      const args = ["--kernel", "--disk", name, "--diskseq", `${first}`, "--json"];
      const running = await listening(scene, args);
      const flow = new Flow(scene, loop, running);
      await running.shows('"verdict":"mine"');
      const second = await loop.replace();
      await running.shows('"verdict":"later"');
      running.child.kill(signal);
      const { status, stdout, stderr } = await flow.end();

      assert.is(status, 0, stderr);
      assert.ok(stdout.endsWith("}\n"));
      const records = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as JsonRecord);
      const summary = records.pop();
      const uevents = records.filter(({ type }) => type === "uevent");
      assert.equal([summary?.type, summary?.told], ["summary", uevents.length]);
      assert.ok(records.every(({ type }) => type !== "summary"));
      assert.ok(Number(summary?.received) >= uevents.length);
      for (const { diskseq, seqnum, verdict, disk, timeMs } of uevents) {
        assert.equal([typeof seqnum, typeof timeMs, disk], ["number", "number", name]);
        assert.is(verdict, diskseq === Number(first) ? "mine" : "later");
        assert.ok([Number(first), Number(second)].includes(Number(diskseq)));
      }
      expectFlow(records, flow, Number(summary?.lost));
      expectLines(stderr, summary?.told);
    },
  );
}

behaviour("SIGINT of a monitor for people: lines, then the counts", ["root"], async (scene) => {
  const loop = await ownLoop(scene);
  const running = await listening(scene, ["--kernel", "--disk", loop.device]);
  const flow = new Flow(scene, loop, running);
  await running.shows("synthetic");
  running.child.kill("SIGINT");
  const { status, stdout, stderr } = await flow.end();
  assert.is(status, 0, stderr);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("-- "));
  const pattern = new RegExp(`^ *\\d+\\.\\d{6} kernel +\\d+ change +${loop.device} +disk +\\d+`);
  for (const line of lines) assert.match(line.replaceAll(/ {2,}/g, " "), pattern);
  expectLines(stderr, lines.length);
});

behaviour("--count ends it by itself, with the summary", ["root"], async (scene) => {
  const loop = await ownLoop(scene);
  const running = await listening(scene, ["--kernel", "--disk", loop.name, "--count=5", "--json"]);
  const { status, stdout, stderr } = await new Flow(scene, loop, running).end();
  assert.is(status, 0, stderr);
  const records = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonRecord);
  assert.is(records.filter(({ type }) => type === "uevent").length, 5);
  assert.is(records.at(-1)?.type, "summary");
});

behaviour("a pipe that is closed ends it quietly", ["root"], async (scene) => {
  const loop = await ownLoop(scene);
  for (const format of ["--json", "--properties"]) {
    const script = `"$@" | head -n 1; echo "exit \${PIPESTATUS[0]}"`;
    const words = [process.execPath, commandPath, "monitor", "--kernel", "--disk", loop.name];
    const running = start("bash", ["-c", script, "bash", ...words, format]);
    scene.defer(() => running.stop("SIGKILL"));
    await running.shows("monitor: listening");
    const { stdout, stderr } = await new Flow(scene, loop, running).end();
    const [line = "", ...others] = stdout.split("\n");
    assert.ok(line.includes(loop.name), stdout);
    assert.equal(others, ["exit 0", ""]);
    const said = stderr
      .trimEnd()
      .split("\n")
      .filter((text) => !text.includes("warning: "));
    assert.equal(said, ["diskseq: monitor: listening"]);
  }
});

behaviour(
  "a process ends when its last monitor is closed, and not before",
  ["root"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const script = `
    const { monitor, waitFor } = await import(process.argv[1]);
    const options = { disk: "${loop.name}", groups: ["kernel", "udev"] };
    const [first, second, third] = await Promise.all([0, 1, 2].map(() => monitor(options)));
    await Promise.all([first.ready, second.ready, third.ready]);
    await waitFor({ device: "${loop.name}" });
    first.close();
    const signal = new AbortController();
    const fourth = await monitor({ ...options, signal: signal.signal });
    signal.abort();
    const last = (async () => {
      for await (const item of second) if (item.type === "uevent") return console.log("told");
    })();
    await third.return();
    process.on("exit", () => console.log("ended"));
    console.log("reads", first.counts.told + fourth.counts.told);`;
    const url = pathToFileURL(join(packageRoot, "build/host/index.js")).href;
    const path = scene.path("script.mjs");
    writeFileSync(path, script.replace("process.argv[1]", JSON.stringify(url)));
    const running = start(process.execPath, [path]);
    scene.defer(() => running.stop("SIGKILL"));
    await running.shows("reads 0");
    // It would have ended by itself, if it could.
    await sleep(200);
    assert.is(running.child.exitCode, null);
    const writer = new Writer(loop.name);
    writer.write();
    writer.close();
    const { status, stdout, stderr } = await running.outcome;
    assert.equal([status, stdout, stderr], [0, "reads 0\ntold\nended\n", ""]);
  },
);

/* What flows, and what is said of it. */

/** A monitor that hears from here on. */
async function listening(scene: Scene, args: readonly string[]): Promise<Running> {
  const running = startCommand(["monitor", ...args]);
  scene.defer(() => running.stop("SIGKILL"));
  await running.shows("monitor: listening");
  return running;
}

/** Events of a device, written for as long as a process lives. */
class Flow {
  readonly writer: Writer;
  readonly #outcome: Promise<Outcome>;
  readonly #flowing: Promise<void>;
  #isOver = false;

  constructor(scene: Scene, loop: OwnLoop, running: Running) {
    this.writer = new Writer(loop.name);
    this.#outcome = running.outcome;
    scene.defer(() => {
      this.#isOver = true;
    });
    this.#flowing = this.#flow();
  }

  async #flow(): Promise<void> {
    const end = () => {
      this.#isOver = true;
    };
    this.#outcome.then(end, end);
    try {
      while (!this.#isOver) {
        this.writer.write(3);
        await sleep(pauseMs);
      }
    } finally {
      this.writer.close();
    }
  }

  /** Until the process has ended. */
  async end(): Promise<Outcome> {
    await this.#flowing;
    return await this.#outcome;
  }
}

/** What was written is told in order from the first one on, none of it twice. */
function expectFlow(records: readonly JsonRecord[], { writer }: Flow, lost: number): void {
  const numbers = records.flatMap(({ properties }) => {
    const { SYNTH_UUID, SYNTH_ARG_N } = (properties ?? {}) as { [key: string]: string };
    return SYNTH_UUID === writer.uuid ? [Number(SYNTH_ARG_N)] : [];
  });
  assert.ok(numbers.length > 0);
  assert.ok(numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0)));
  if (lost === 0) assert.is(numbers[0], 0);
}

/** Two lines on stderr, the second with how many were told. */
function expectLines(stderr: string, told: unknown): void {
  const lines = stderr
    .trimEnd()
    .split("\n")
    .filter((line) => !line.includes("warning: "));
  assert.is(lines.length, 2, stderr);
  assert.is(lines[0], "diskseq: monitor: listening");
  assert.match(lines[1] ?? "", new RegExp(`^diskseq: monitor: received \\d+, told ${told}, `));
}

test.run();
