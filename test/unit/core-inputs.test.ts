/** Inputs that are refused change nothing; a bug of the core is readable and final. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Command, type CoreCommand, Fault, LoopError } from "../../host/core.ts";
import { openBoth, openWasm } from "../helpers/cores.ts";
import { packageRoot } from "../helpers/root.ts";
import { wasm } from "../helpers/wasm.ts";
import { scene } from "./core-scene.ts";

const now = 1_000n;

test("a full core refuses, and has changed nothing", async () => {
  const lockstep = await openBoth({ operations: 2 });
  for (const _ of [1, 2]) assert.ok(lockstep.command(now, { command: Command.Attach }).answer >= 0);
  const before = lockstep.hash();
  assert.is(lockstep.command(now, { command: Command.Attach }).answer, -Fault.Full);
  assert.is(lockstep.hash(), before);
  assert.is(lockstep.command(now + 1n, { command: Command.Probe }).answer, -Fault.Full);
  assert.is(lockstep.hash(), before, "later, too");
});

test("an operation that ended makes room for the next input", async () => {
  const { bench } = await scene({ operations: 1 });
  bench.run({ command: Command.Probe });
  bench.run({ command: Command.Probe });
});

test("bad arguments are refused, and have changed nothing", async () => {
  const attach = { command: Command.Attach } as const;
  const bad: [CoreCommand, Fault][] = [
    [{ command: Command.None }, Fault.UnknownCommand],
    [{ command: 99 as Command }, Fault.UnknownCommand],
    [{ command: -1 as Command }, Fault.UnknownCommand],
    [{ ...attach, sectorSize: 256 }, Fault.BadArgument],
    [{ ...attach, sectorSize: 8192 }, Fault.BadArgument],
    [{ ...attach, sectorSize: 513 }, Fault.BadArgument],
    [{ ...attach, sectorSize: -512 }, Fault.BadArgument],
    [{ ...attach, number: -2 }, Fault.BadArgument],
    [{ ...attach, number: 1 << 20 }, Fault.BadArgument],
    [{ ...attach, partscan: 3 as 0 }, Fault.BadArgument],
    [{ ...attach, partscan: -1 as 0 }, Fault.BadArgument],
    [{ ...attach, offset: 1n << 63n }, Fault.BadArgument],
    [{ ...attach, offset: -1n }, Fault.BadArgument],
    [{ ...attach, sizeLimit: 1n << 63n }, Fault.BadArgument],
    [{ ...attach, reference: new Uint8Array(64) }, Fault.BadArgument],
    [{ ...attach, reference: new Uint8Array(9999) }, Fault.BadArgument],
    [{ command: Command.Detach, number: -1 }, Fault.BadArgument],
    [{ command: Command.Detach, number: 1 << 20 }, Fault.BadArgument],
    [{ command: Command.Abort, number: 0 }, Fault.UnknownOperation],
    [{ command: Command.Abort, number: -1 }, Fault.UnknownOperation],
    [{ command: Command.Abort, number: 64 }, Fault.UnknownOperation],
  ];
  const lockstep = await openBoth({ operations: 2 });
  const before = lockstep.hash();
  for (const [index, [command, fault]] of bad.entries()) {
    const output = lockstep.command(now + BigInt(index), command);
    assert.is(output.answer, -fault, `case ${index}`);
    assert.equal([output.calls, output.events, output.timeoutAt], [[], [], 0n]);
    assert.is(lockstep.hash(), before, `case ${index}`);
  }
});

test("the largest arguments are taken", async () => {
  const lockstep = await openBoth({ operations: 2 });
  const number = (1 << 20) - 1;
  const reference = new Uint8Array(63).fill(0x41);
  const command = { command: Command.Attach, number, reference, sectorSize: 4096 };
  assert.is(lockstep.command(now, command).answer, 0);
});

test("unknown tickets are refused, and have changed nothing", async () => {
  const lockstep = await openBoth({ operations: 2 });
  const [call] = lockstep.command(now, { command: Command.Attach }).calls;
  assert.ok(call);
  const before = lockstep.hash();
  const wrong = [0, -1, 1, 63, call.ticket + 1, call.ticket + 64, call.ticket - 64, 1 << 24];
  for (const ticket of [...wrong, 2 ** 31 - 1, -(2 ** 31)]) {
    const output = lockstep.completeTicket(now + 9n, ticket, 0, 0);
    assert.is(output.answer, Fault.UnknownTicket, `${ticket}`);
    assert.is(lockstep.hash(), before, `${ticket}`);
  }
  assert.is(lockstep.complete(now + 9n, call, -2).answer, Fault.Ok);
  const after = lockstep.hash();
  assert.is(lockstep.complete(now + 9n, call, -2).answer, Fault.UnknownTicket, "a second time");
  assert.is(lockstep.hash(), after);
});

test("a timeout too early changes nothing but the time", async () => {
  const lockstep = await openBoth({ operations: 2 });
  const command = { command: Command.Attach, timeoutNs: 1_000n };
  lockstep.command(now, command);
  const before = lockstep.timeout(now).hash;
  for (const _ of [1, 2]) {
    const output = lockstep.timeout(now);
    assert.equal([output.calls, output.events, output.hash], [[], [], before]);
    assert.is(output.timeoutAt, now + 1_000n);
  }
});

test("time that runs backwards is a panic that names its place, and final", () => {
  const core = openWasm({ operations: 1 });
  core.handleTimeout(2_000n);
  expectPanic(() => core.handleTimeout(1_000n), /assembly\/core\/timers\.ts:\d+:\d+$/);
  expectPanic(() => core.handleTimeout(3_000n), /entered twice/);
  expectPanic(() => core.pollCall(), /entered twice/);
});

test("a core that is started twice panics readably", () => {
  const bytes = readFileSync(join(packageRoot, "build/core.wasm"));
  const { exports } = new wasm.Instance(new wasm.Module(bytes));
  const core = exports as Record<string, (...args: unknown[]) => number>;
  assert.throws(() => core.stateHash?.(), /unreachable/);
  core.start?.(1n, 1, 1, 1);
  assert.throws(() => core.start?.(1n, 1, 1, 1), /unreachable/);
  const memory = (exports.memory as { buffer: ArrayBuffer }).buffer;
  const note = new Uint8Array(memory, core.panicNote?.() ?? 0, 256);
  const text = new TextDecoder().decode(note.subarray(0, note.indexOf(0)));
  assert.match(text, /^assembly\/core\/index\.ts:\d+:\d+$/);
});

test("capacities outside their bounds panic at the start", () => {
  for (const options of [
    { operations: 0 },
    { operations: 65 },
    { partitions: 0 },
    { partitions: 256 },
    { watches: 0 },
    { watches: 4097 },
  ]) {
    assert.throws(() => openWasm(options), /unreachable|panicked/);
  }
});

function expectPanic(run: () => unknown, pattern: RegExp): void {
  try {
    run();
  } catch (error) {
    assert.instance(error, LoopError);
    assert.is((error as LoopError).code, "ERR_CORE_PANIC");
    assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable("no panic");
}

test.run();
