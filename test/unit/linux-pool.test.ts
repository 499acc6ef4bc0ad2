/** The pool of threads: how many, how it keeps a process alive, what dies and what does not. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno, OpenFlag } from "../../assembly/wire/linux.ts";
import { AT_FDCWD } from "../../host/linux/libc.ts";
import { Pool } from "../../host/linux/pool.ts";

const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
const module = fileURLToPath(new URL("../../host/linux/pool.js", import.meta.url));

test.after(() => rmSync(folder, { recursive: true }));

function fifo(name: string): string {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  return path;
}

/** Runs a script with `pool` in a process of its own; what it printed. */
function child(script: string, ...flags: string[]): { status: number | null; stdout: string } {
  const path = join(folder, "script.mjs");
  const text = `import { Pool } from "${module}";\nconst pool = new Pool();\n${script}`;
  writeFileSync(path, text);
  const args = flags.length > 0 ? [...flags, text] : [path];
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout: 20_000 });
}

test("four threads at most, the rest waits in order, the event loop goes on", async () => {
  const pool = new Pool();
  assert.is(pool.threads, 0);
  // a fifo's opener waits for a writer
  const paths = [0, 1, 2, 3, 4, 5].map((i) => fifo(`wait${i}`));
  const order: number[] = [];
  const opens = paths.map(async (path, index) => {
    const result = await pool.run("openat", [AT_FDCWD, path, OpenFlag.O_RDONLY]);
    order.push(index);
    return result;
  });
  assert.is(pool.threads, 4);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(order, []);
  const writers: number[] = [];
  for (const [index, path] of paths.entries()) {
    // O_RDWR of a fifo never waits
    writers.push(openSync(path, "r+"));
    await opens[index];
  }
  const results = await Promise.all(opens);
  assert.equal(order, [0, 1, 2, 3, 4, 5]);
  assert.is(pool.threads, 4);
  for (const descriptor of [...writers, ...results]) closeSync(descriptor);
  await pool.close();
  assert.is(pool.threads, 0);
});

test("a call keeps the process alive, an idle thread does not", () => {
  const { status, stdout } = child(`
    const result = await pool.run("close", [999_999]);
    console.log(result, pool.threads);
  `);
  assert.is(stdout, "-9 1\n");
  assert.is(status, 0);
});

test("threads start whatever flags the process was started with", () => {
  const script = `console.log(await pool.run("close", [999_999]));`;
  const { status, stdout } = child(script, "--input-type=module", "--eval");
  assert.is(stdout, "-9\n");
  assert.is(status, 0);
});

test("a thread that dies fails its call with EIO and is replaced", async () => {
  const dying = join(folder, "dying.mjs");
  writeFileSync(
    dying,
    `import { parentPort } from "node:worker_threads";
    parentPort.on("message", ([name]) => {
      if (name === "fsync") throw new Error("dies");
      parentPort.postMessage(7);
    });`,
  );
  const pool = new Pool({ threads: 1, file: new URL(`file://${dying}`) });
  const results = await Promise.all([
    pool.run("close", [1]),
    pool.run("fsync", [1]),
    pool.run("close", [1]),
  ]);
  assert.equal(results, [7, -Errno.EIO, 7]);
  assert.is(pool.threads, 1);
  await pool.close();
  const missing = new Pool({ file: new URL("file:///nonexistent/worker.js") });
  assert.is(await missing.run("close", [1]), -Errno.EIO);
  await missing.close();
});

test("close answers what waits and lets what runs end", async () => {
  const pool = new Pool({ threads: 1 });
  const path = fifo("closing");
  const running = pool.run("openat", [AT_FDCWD, path, OpenFlag.O_RDONLY]);
  const waiting = pool.run("fsync", [0]);
  await pool.close();
  assert.is(await waiting, -125);
  const writer = openSync(path, "r+");
  const descriptor = await running;
  assert.ok(descriptor >= 0);
  assert.is(await pool.run("fsync", [0]), -125);
  closeSync(writer);
  closeSync(descriptor);
  await pool.close();
});

test.run();
