/** For the tests of uevents: a stream that keeps what it is given, and who sends such things. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Call, DatagramFlag, DatagramWord, Group, Limit } from "../../assembly/abi.ts";
import type { Stream } from "../../host/kernel.ts";
import { LinuxKernel, type LinuxKernelOptions } from "../../host/linux/kernel.ts";
import { UeventSocket, type UeventSocketOptions } from "../../host/linux/netlink.ts";
import { until } from "../helpers/devices.ts";
import type { Need } from "../helpers/needs.ts";
import { start } from "../helpers/process.ts";
import { attach, call, type Device, real } from "./linux-device.ts";

export interface Received {
  readonly bytes: Buffer;
  /** its strings, each of which ended with a NUL */
  readonly text: readonly string[];
  readonly group: number;
  readonly portId: number;
  readonly pid: number;
  readonly uid: number;
  readonly isTruncated: boolean;
  readonly isCredited: boolean;
}

const slotsBytes = Limit.DatagramSlots * Limit.DatagramBytes;
const recordsBytes = Limit.DatagramSlots * DatagramWord.Words * 4;

export class Listener implements Stream {
  readonly slots: Uint8Array;
  readonly records: DataView;
  readonly received: Received[] = [];
  /** what each call of `datagrams` had */
  readonly counts: number[] = [];
  /** how many had been received by then */
  readonly losses: { group: number; count: number; after: number }[] = [];
  /** called after each */
  onDatagrams: () => void = () => {};
  onLost: () => void = () => {};

  constructor() {
    // as in the core's memory: something lies before and behind
    const memory = new ArrayBuffer(slotsBytes + recordsBytes + 128);
    this.slots = new Uint8Array(memory, 64, slotsBytes);
    this.records = new DataView(memory, 64 + slotsBytes, recordsBytes);
  }

  datagrams(count: number): void {
    this.counts.push(count);
    for (let index = 0; index < count; index++) this.received.push(this.#take(index));
    this.onDatagrams();
  }

  lost(group: number, count: number): void {
    this.losses.push({ group, count, after: this.received.length });
    this.onLost();
  }

  /** Those of a writer, in order. */
  of(uuid: string): Received[] {
    return this.received.filter(({ text }) => text.includes(`SYNTH_UUID=${uuid}`));
  }

  /** Until so many of a writer have come. */
  async until(uuid: string, count: number): Promise<Received[]> {
    await until(`${count} events`, () => this.of(uuid).length >= count);
    return this.of(uuid);
  }

  #take(index: number): Received {
    const word = (name: DatagramWord) =>
      this.records.getUint32(4 * (index * DatagramWord.Words + name), true);
    const begin = index * Limit.DatagramBytes;
    const bytes = Buffer.from(this.slots.slice(begin, begin + word(DatagramWord.Bytes)));
    return {
      bytes,
      text: bytes.toString("latin1").split("\0").slice(0, -1),
      group: word(DatagramWord.Group),
      portId: word(DatagramWord.PortId),
      pid: word(DatagramWord.Pid),
      uid: word(DatagramWord.Uid),
      isTruncated: (word(DatagramWord.Flags) & DatagramFlag.Truncated) !== 0,
      isCredited: (word(DatagramWord.Flags) & DatagramFlag.Credentials) !== 0,
    };
  }
}

const listening = new Set<{ close(): unknown }>();

/** A kernel that leaves its datagrams with a listener. */
export function listen(options?: LinuxKernelOptions): { kernel: LinuxKernel; listener: Listener } {
  const kernel = new LinuxKernel(options);
  const listener = new Listener();
  listening.add(kernel);
  kernel.connect(listener);
  return { kernel, listener };
}

/** A socket alone, on the kernel's group. */
export function listenBy(options: UeventSocketOptions): {
  socket: UeventSocket;
  listener: Listener;
} {
  const listener = new Listener();
  const socket = UeventSocket.open(Group.Kernel, listener, options);
  if (typeof socket === "number") throw new Error(`socket: ${socket}`);
  listening.add(socket);
  return { socket, listener };
}

/** Nobody listens after it: a failed test must not go on for ever. */
export async function stopListening(): Promise<void> {
  for (const one of listening) await one.close();
  listening.clear();
}

export function subscribe(kernel: LinuxKernel, group: number): number | Promise<number> {
  return kernel.perform(call(Call.Subscribe, { number: group }));
}

export function unsubscribe(kernel: LinuxKernel, group: number): number | Promise<number> {
  return kernel.perform(call(Call.Unsubscribe, { number: group }));
}

/** Has the kernel send events of a device, numbered from 0 on in SYNTH_ARG_N. */
export class Writer {
  readonly uuid: string = crypto.randomUUID();
  readonly #descriptor: number;
  /** how many so far */
  written = 0;

  constructor(device: string) {
    this.#descriptor = openSync(`/sys/class/block/${device}/uevent`, "r+");
  }

  write(count = 1): void {
    for (let i = 0; i < count; i++) {
      writeSync(this.#descriptor, `change ${this.uuid} N=${this.written++}`, 0);
    }
  }

  /** Until one of them, written into an empty queue, has been heard. */
  async writeUntil(listener: Listener): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      await sleep(2);
      const number = this.written;
      this.write();
      await sleep(2);
      if (numbersOf(listener.of(this.uuid)).includes(number)) return;
    }
    throw new Error("no event was heard");
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Attaches what the tests need. */
export const devices = new LinuxKernel();

/** A test with a device of its own and a writer of events of it. */
export function withWriter(
  name: string,
  body: (writer: Writer, device: Device) => Promise<void>,
  ...needs: Need[]
): void {
  real(
    name,
    async () => {
      const device = await attach(devices);
      const writer = new Writer(device.name);
      try {
        await body(writer, device);
      } finally {
        writer.close();
        await device.release();
      }
    },
    ...needs,
  );
}

/** What a writer gave as numbers. */
export function numbersOf(received: readonly Received[]): number[] {
  return received.map((one) => Number(property(one, "SYNTH_ARG_N") ?? Number.NaN));
}

export function property(received: Received | undefined, key: string): string | undefined {
  const found = received?.text.find((line) => line.startsWith(`${key}=`));
  return found?.slice(key.length + 1);
}

const sender = `
import os, socket, struct, sys
group, uid = int(sys.argv[1]), int(sys.argv[2])
s = socket.socket(16, socket.SOCK_RAW, 15)
s.setsockopt(socket.SOL_SOCKET, 32, 4 << 20)  # SO_SNDBUFFORCE
s.bind((os.getpid() | 1 << 24, 0))
credentials = (socket.SOL_SOCKET, 2, struct.pack("iII", os.getpid(), uid, uid))
s.sendmsg([sys.stdin.buffer.read()], [credentials], 0, (0, group))
print(os.getpid(), s.getsockname()[0])
`;

export interface Sent {
  readonly pid: number;
  readonly portId: number;
}

/** Another process, which is root, sends a datagram to a group, 0: to the kernel. */
export function send(group: number, text: string, uid = 0): Sent {
  const args = ["-c", sender, `${group}`, `${uid}`];
  const { status, stdout, stderr } = spawnSync("python3", args, { input: text, encoding: "utf8" });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  const [pid = Number.NaN, portId = Number.NaN] = stdout.split(" ").map(Number);
  return { pid, portId };
}

const module = fileURLToPath(new URL("../../host/linux/kernel.js", import.meta.url));

const prelude = `
import { LinuxKernel } from "${module}";
const memory = new ArrayBuffer(${slotsBytes + recordsBytes});
const slots = new Uint8Array(memory, 0, ${slotsBytes});
const records = new DataView(memory, ${slotsBytes});
const kernel = new LinuxKernel();
const stream = { slots, records, datagrams() {}, lost() {} };
kernel.connect(stream);
const perform = (call, number) => kernel.perform({ call, number, bytes: new Uint8Array(0) });
const subscribe = (group) => perform(${Call.Subscribe}, group);
const unsubscribe = (group) => perform(${Call.Unsubscribe}, group);
const textOf = (index) => Buffer.from(slots).toString("latin1", index * ${Limit.DatagramBytes},
  index * ${Limit.DatagramBytes} + wordOf(index, ${DatagramWord.Bytes}));
const wordOf = (index, word) => records.getUint32(4 * (index * ${DatagramWord.Words} + word), true);
`;

/** Runs a script in a process of its own, in which `kernel` listens by `stream`. */
export async function inProcess<T>(
  script: string,
  wrapper: readonly string[],
  use: (running: ReturnType<typeof start>) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
  const path = join(folder, "script.mjs");
  writeFileSync(path, prelude + script);
  const [file = "", ...args] = [...wrapper, process.execPath, path];
  const running = start(file, args, { deadlineMs: 20_000 });
  try {
    return await use(running);
  } finally {
    await running.stop();
    rmSync(folder, { recursive: true });
  }
}
