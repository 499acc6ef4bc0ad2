/** The poll handle and its edges: what wakes, what goes on after an error, how it ends. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Errno } from "../../assembly/wire/linux.ts";
import { close, connect, socket } from "../../host/linux/libc.ts";
import { Poll } from "../../host/linux/poll.ts";
import { errnoOf } from "../../host/linux/sysfs.ts";
import { until } from "../helpers/devices.ts";

const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
const path = join(folder, "socket");
const server = createServer({ pauseOnConnect: true }).listen(path);
const bytes = Buffer.alloc(16);

test.after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** A socket of ours, and its other end. */
async function pair(): Promise<{ descriptor: number; peer: Socket }> {
  const AF_UNIX = 1;
  const SOCK_STREAM = 1;
  const descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  const name = Buffer.from(`\x01\0${path}\0`, "latin1");
  const connected = once(server, "connection");
  assert.is(connect(descriptor, name), 0);
  const [peer] = (await connected) as [Socket];
  return { descriptor, peer };
}

/** Some turns of the event loop, in which what can come has come. */
async function turns(count = 20): Promise<void> {
  for (let left = count; left > 0; left--) await turn();
}

test("it wakes when there is something to read, for as long as there is", async () => {
  const { descriptor, peer } = await pair();
  let wakes = 0;
  const poll = new Poll(descriptor, () => wakes++);
  await turns();
  assert.is(wakes, 0);
  peer.write("x");
  await until("a second wake", () => wakes > 1);
  readSync(descriptor, bytes);
  await turns(2);
  const before = wakes;
  await turns();
  assert.is(wakes, before);
  poll.close();
  peer.write("x");
  await turns();
  assert.is(wakes, before, "none after the end");
  poll.close();
  close(descriptor);
  peer.destroy();
});

test("it can end within its wake, and another begin on that number", async () => {
  for (let round = 0; round < 200; round++) {
    const { descriptor, peer } = await pair();
    let wakes = 0;
    let next = -1;
    const poll = new Poll(descriptor, () => {
      wakes++;
      poll.close();
      close(descriptor);
      next = openSync("/dev/null", "r");
    });
    peer.write("x");
    await until("a wake", () => wakes > 0);
    assert.is(next, descriptor, "the number is free");
    closeSync(next);
    await turns(2);
    assert.is(wakes, 1);
    peer.destroy();
  }
});

test("what a wake promises comes true without another", async () => {
  const { descriptor, peer } = await pair();
  const order: string[] = [];
  const woken = new Promise<void>((resolve) => {
    const poll = new Poll(descriptor, () => {
      poll.close();
      close(descriptor);
      process.nextTick(() => order.push("tick"));
      queueMicrotask(() => order.push("microtask"));
      resolve();
    });
  });
  peer.write("x");
  await woken;
  await turns(1);
  assert.equal(order, ["tick", "microtask"]);
  peer.destroy();
});

test("an error of the socket wakes, and it goes on", async () => {
  const { descriptor, peer } = await pair();
  const answers: number[] = [];
  const poll = new Poll(descriptor, () => {
    try {
      answers.push(readSync(descriptor, bytes));
    } catch (error) {
      answers.push(errnoOf(error));
    }
  });
  // a peer that goes without having read: ECONNRESET, for which libuv stops the handle
  writeSync(descriptor, "unread");
  peer.destroy();
  await until("the end", () => answers.length > 3);
  poll.close();
  close(descriptor);
  assert.equal(answers.slice(0, 4), [-104, 0, 0, 0]);
});

test("only sockets, and each once", async () => {
  const { descriptor, peer } = await pair();
  const file = openSync("/proc/self/status", "r");
  const never = () => assert.unreachable();
  assert.throws(() => new Poll(file, never), /is no socket/);
  closeSync(file);
  assert.throws(
    () => new Poll(file, never),
    (error: unknown) => errnoOf(error) === -Errno.EBADF,
  );
  const poll = new Poll(descriptor, never);
  assert.throws(() => new Poll(descriptor, never), /is polled already/);
  poll.close();
  const again = new Poll(descriptor, never);
  await turns();
  again.close();
  close(descriptor);
  peer.destroy();
});

const folderOfModules = fileURLToPath(new URL("../../host/linux/", import.meta.url));

/** Runs a script in a process of its own; `open` polls a socket that always has a byte to read. */
function child(script: string, ...flags: string[]) {
  const file = join(folder, "script.mjs");
  const own = join(folder, "own");
  const text = `
    import { createServer } from "node:net";
    import { isMainThread, parentPort, Worker } from "node:worker_threads";
    async function open(ready) {
      const { connect, socket } = await import("${folderOfModules}libc.js");
      const { Poll } = await import("${folderOfModules}poll.js");
      const server = createServer((peer) => peer.unref().write("x")).listen("${own}");
      const descriptor = socket(1, 1, 0);
      connect(descriptor, Buffer.from("\x01\0${own}\0", "latin1"));
      await new Promise((resolve) => server.once("connection", resolve));
      server.close();
      server.unref();
      return new Poll(descriptor, ready);
    }
    ${script}`;
  writeFileSync(file, text);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, file], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { ended: status ?? signal, stdout, stderr };
}

test("an exception in a wake is an uncaught one, and the wakes go on", () => {
  const { ended, stdout } = child(`
    let wakes = 0;
    process.on("uncaughtException", ({ message }) => console.log(message));
    const poll = await open(() => {
      wakes++;
      if (wakes === 3) poll.close();
      throw new Error(\`wake \${wakes}\`);
    });`);
  assert.is(stdout, "wake 1\nwake 2\nwake 3\n");
  assert.is(ended, 0);
  const fatal = child(`await open(() => { throw new Error("nobody catches it"); });`);
  assert.is(fatal.ended, 1);
  assert.match(fatal.stderr, /Error: nobody catches it/);
});

test("a process ends when it is closed, whoever forgot it before", () => {
  const { ended, stdout } = child(
    `
    let wakes = 0;
    let isCollected = false;
    const registry = new FinalizationRegistry(() => { isCollected = true; });
    async function forget() {
      const poll = await open(() => {
        if (++wakes < 2000) return;
        console.log("closed", isCollected);
        poll.close();
      });
      registry.register(poll, 0);
    }
    await forget();
    for (let round = 0; round < 20; round++) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log("forgotten");`,
    "--expose-gc",
  );
  assert.is(stdout, "forgotten\nclosed false\n");
  assert.is(ended, 0);
});

test("a process can exit while one is open, in a thread too", () => {
  for (const [end, expected] of [
    [`process.exit(3)`, 3],
    [`await Promise.reject(new Error())`, 1],
    [`process.kill(process.pid, "SIGTERM")`, "SIGTERM"],
  ] as const) {
    assert.is(child(`await open(() => {}); ${end};`).ended, expected, end);
  }
  // only the thread has loaded koffi
  for (const [end, expected] of [
    [`parentPort.postMessage("open")`, "1"],
    [`process.exit(3)`, "3"],
  ]) {
    const { ended, stdout } = child(`
      if (isMainThread) {
        const worker = new Worker(new URL(import.meta.url));
        worker.on("message", () => worker.terminate());
        worker.on("exit", (status) => console.log(\`thread \${status}\`));
      } else {
        const { socket } = await import("${folderOfModules}libc.js");
        const { Poll } = await import("${folderOfModules}poll.js");
        // of netlink, with nothing to read
        new Poll(socket(16, 3, 15), () => {});
        ${end};
      }`);
    assert.is(ended, 0, end);
    assert.is(stdout, `thread ${expected}\n`);
  }
});

test.run();
