/**
 * The core on the simulated kernel, call by call in the core's own words: an attach and its detach
 * on every era, with what a listener hears. What the boundary says of each call is what the model
 * does.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  CallWord,
  Command,
  CommandFlag,
  DatagramWord,
  Event,
  Group,
  Limit,
  Partscan,
  Result,
} from "../../assembly/abi.ts";
import { Switch } from "../../assembly/kernel/eras.ts";
import { TableKind } from "../../assembly/kernel/setup.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import type { Core, CoreCall, CoreCommand, CoreEvent } from "../../host/core.ts";
import { loadJsCore } from "../../host/core.ts";
import { type Model, type ModelImage, Step } from "../../host/sim/model.ts";
import { Bench, openJsModel, openWasmModel } from "../helpers/models.ts";

const versions = [
  "5.4.286",
  "5.8.5",
  "5.10.223",
  "5.15.50",
  "5.15.140",
  "5.15.160",
  "5.15.215",
  "5.17.15",
  "5.18.5",
  "6.0.19",
  "6.1.20",
  "6.1.134",
  "6.1.192",
  "6.3.13",
  "6.6.87",
  "6.6.150",
  "6.9.0",
  "6.12.10",
  "6.12.90",
  "6.18.44",
  "7.1.5",
  "7.2.13",
];

/** BLKPG adds nothing while PARTSCAN is off. */
const refusesBlkpg = ["5.15.140", "5.15.160"];
/** Any open after an attach makes the partitions, asked for or not. */
const scansUnasked = ["5.18.5"];

for (const version of versions) {
  test(`${version}: the core attaches and detaches`, async () => {
    for (const mode of [Partscan.Kernel, Partscan.User, Partscan.None]) {
      const play = await Play.open(version);
      const attached = play.run({ command: Command.Attach, partscan: mode });
      if (mode === Partscan.User && refusesBlkpg.includes(version)) {
        assert.equal([attached.event, attached.errno], [Event.Failed, Errno.EINVAL]);
        play.expectClosed();
        continue;
      }
      assert.is(attached.event, Event.Attached, play.story());
      const word = (at: Result) => Number(attached.result[at] ?? 0n);
      const isBare = mode === Partscan.None && !scansUnasked.includes(version);
      const parts = isBare ? [] : [1, 3];
      assert.is(word(Result.Partitions), mode === Partscan.None ? 0 : parts.length);
      assert.equal(play.bench.partitions, parts);
      const rises = play.model.switchValue(Switch.SeqOnChange) === 1;
      assert.is(word(Result.Identity), rises ? 1 : 0);
      assert.is(word(Result.Diskseq), Number(play.model.disk(0)?.diskseq ?? 0n));
      // Plugged once, and nothing else ever.
      const plugged = play.bench.heard().filter((text) => / p\d/.test(text));
      assert.is(plugged.length, parts.length, plugged.join());
      assert.ok(plugged.every((text) => text.startsWith("add")));

      const detached = play.run({
        command: Command.Detach,
        number: attached.number,
        descriptor: word(Result.Descriptor),
        diskseq: rises ? (attached.result[Result.Diskseq] ?? 0n) : 0n,
        backingDevice: attached.result[Result.BackingDevice] ?? 0n,
        backingInode: attached.result[Result.BackingInode] ?? 0n,
      });
      assert.is(detached.event, Event.Detached, play.story());
      assert.equal(play.bench.partitions, []);
      assert.is(play.model.disk(0)?.isBound, false);
      const unplugged = play.bench.heard().filter((text) => / p\d/.test(text));
      assert.is(unplugged.length, parts.length);
      play.expectClosed();
    }
  });
}

test("without parsers the core makes the partitions itself", async () => {
  const play = await Play.open("6.12.90", { parsers: false });
  const attached = play.run({ command: Command.Attach, partscan: Partscan.Kernel });
  assert.is(attached.event, Event.Attached);
  assert.is(Number(attached.result[Result.Partscan]), Partscan.User);
  assert.equal(play.bench.partitions, [1, 3]);
});

test("a wait hears of the attach that it waits for", async () => {
  const play = await Play.open("6.12.90");
  const name = new TextEncoder().encode("loop0");
  const wait = play.start({ command: Command.Wait, reference: name, partitionMask: 0b1010n });
  play.settle();
  assert.is(play.ended.get(wait), undefined);
  assert.is(play.run({ command: Command.Attach }).event, Event.Attached);
  assert.is(play.ended.get(wait)?.event, Event.Waited);
  assert.ok(play.datagrams > 0);
});

test("the core tells what a persistent attach left, and detaches it by its number", async () => {
  const play = await Play.open("7.2.13");
  const flags = CommandFlag.Persistent;
  const attached = play.run({ command: Command.Attach, flags });
  assert.is(attached.event, Event.Attached);
  const release = { command: Command.Detach, flags: CommandFlag.Release, number: 0 } as const;
  const descriptor = Number(attached.result[Result.Descriptor]);
  assert.is(play.run({ ...release, descriptor }).event, Event.Detached);
  play.expectClosed(1);
  assert.is(play.model.disk(0)?.isBound, true);
  const diskseq = attached.result[Result.Diskseq] ?? 0n;
  assert.is(play.run({ command: Command.Detach, number: 0, diskseq }).event, Event.Detached);
  assert.is(play.model.disk(0)?.isBound, false);
  play.expectClosed();
});

/** 64 KiB with two partitions in its MBR. */
function mbrImage(): ModelImage {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const slots = [
    { number: 1, start: 8, size: 16 },
    { number: 3, start: 32, size: 96 },
  ];
  for (const { number, start, size } of slots) {
    const at = 0x1be + 16 * (number - 1);
    view.setUint8(at + 4, 0x83);
    view.setUint32(at + 8, start, true);
    view.setUint32(at + 12, size, true);
  }
  view.setUint16(510, 0xaa55, true);
  return {
    bytes: 65536,
    table: TableKind.Mbr,
    entries: slots.map(({ number, start, size }) => ({
      number,
      start: BigInt(start),
      size: BigInt(size),
    })),
    content: [{ offset: 0n, bytes }],
  };
}

/** One core on one model, time running as the core asks for it. */
class Play {
  readonly core: Core;
  readonly model: Model;
  readonly bench: Bench;
  readonly ended = new Map<number, CoreEvent>();
  readonly calls: CoreCall[] = [];
  datagrams = 0;
  #now = 1_000_000n;

  constructor(core: Core, model: Model) {
    this.core = core;
    this.model = model;
    this.bench = new Bench(model);
  }

  static async open(version: string, options: { parsers?: boolean } = {}): Promise<Play> {
    const core = await loadJsCore({ operations: 2, partitions: 16, watches: 4 });
    const chosen = {
      version,
      images: [mbrImage()],
      sockets: 4,
      buffersBytes: Limit.BufferBytes,
      ...options,
    };
    const isWasm = version.endsWith("0");
    return new Play(core, isWasm ? openWasmModel(chosen) : await openJsModel(chosen));
  }

  start(command: CoreCommand): number {
    const operation = this.core.handleCommand(++this.#now, command);
    assert.ok(operation >= 0, `refused: ${operation}`);
    return operation;
  }

  /** Runs a command to its end. */
  run(command: CoreCommand): CoreEvent {
    const operation = this.start(command);
    for (let turns = 0; turns < 1000; turns++) {
      this.settle();
      const ended = this.ended.get(operation);
      if (ended) {
        this.ended.delete(operation);
        return ended;
      }
      this.#now = this.core.pollTimeout();
      assert.ok(this.#now > 0n, "it waits for nothing");
      this.core.handleTimeout(this.#now);
    }
    throw new Error(`no end: ${this.story()}`);
  }

  /** Performs calls and hands in datagrams until the core wants nothing. */
  settle(): void {
    for (let turns = 0; turns < 1000; turns++) {
      for (let event = this.core.pollEvent(); event; event = this.core.pollEvent()) {
        if (event.event === Event.Uevent || event.event === Event.Warned) continue;
        if (event.event !== Event.Tried) this.ended.set(event.operation, event);
      }
      const call = this.core.pollCall();
      if (call) this.#perform(call);
      else if (!this.#receive()) return;
    }
    throw new Error("the core never comes to rest");
  }

  #perform(call: CoreCall): void {
    this.calls.push(call);
    const { model, core } = this;
    const put = (word: CallWord, value: number | bigint) =>
      model.callWords.setBigUint64(word * 8, BigInt.asUintN(64, BigInt(value)), true);
    put(CallWord.Call, call.call);
    put(CallWord.Descriptor, call.descriptor);
    put(CallWord.Request, call.request);
    put(CallWord.Place, call.place);
    put(CallWord.Number, call.number);
    put(CallWord.Partition, call.partition);
    put(CallWord.Argument, call.argument);
    put(CallWord.Argument2, call.argument2);
    put(CallWord.Buffer, 0);
    put(CallWord.Bytes, call.bytes);
    const bytes = core.buffers.subarray(call.buffer, call.buffer + call.bytes);
    model.buffers.set(bytes);
    const task = model.beginCall(0, 0);
    assert.is(model.runCall(task), Step.Done, "nobody is in its way");
    const result = model.finishCall(task);
    bytes.set(model.buffers.subarray(0, call.bytes));
    assert.is(core.handleCompletion(++this.#now, call.ticket, result), 0);
  }

  #receive(): boolean {
    const record = 8192;
    const bytes = this.model.receiveCall(0, Group.Kernel, 0, record);
    if (bytes < 0) return false;
    this.datagrams += 1;
    this.core.slots.set(this.model.buffers.subarray(0, bytes));
    const { buffer, byteOffset } = this.model.buffers;
    const from = new DataView(buffer, byteOffset + record, DatagramWord.Words * 4);
    for (let word = 0; word < DatagramWord.Words; word++) {
      this.core.records.setUint32(word * 4, from.getUint32(word * 4, true), true);
    }
    this.core.handleDatagram(++this.#now, 0);
    return true;
  }

  /** Nothing of the process is open but so many descriptors. */
  expectClosed(openers = 0): void {
    assert.is(this.model.disk(0)?.openers, 0);
    let open = 0;
    for (let file = 0; file < 16; file++) if (this.model.flock(0, file, 8) === 0) open++;
    assert.is(open, 0, `${openers} still open`);
  }

  story(): string {
    return `step/call: ${this.calls.map(({ call, step }) => `${step}/${call}`).join(" ")}`;
  }
}

test.run();
