/**
 * A guest: boots a kernel with this package in it under qemu, without KVM, has it do what it is
 * ordered, and hands out the lines that it prints and the files that it leaves. Nothing outlives
 * its deadline.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  createWriteStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packAll } from "./archive.ts";
import type { Kernel } from "./debian.ts";
import { run } from "./tools.ts";

const GiB = 2 ** 30;
/** As large as they may get: the files take what is written. */
const disks = { scratch: 8 * GiB, results: 4 * GiB };

/**
 * Without what an emulator pays for at every copy from and to user memory and every walk of the
 * page tables, and no test is about. Without the promise that copies byte by byte are the quickest:
 * an emulator makes them so.
 */
const processor = "max,-smap,-smep,-la57,-erms";
/**
 * The emulated cycle counter is one for all processors, which a kernel cannot know: it would take
 * each time from a device, by a system call. Mitigations are for who has secrets. The grace periods
 * that every attach waits for end sooner when nobody waits before looking.
 */
const parameters = [
  ...["console=ttyS0", "panic=-1", "tsc=reliable", "mitigations=off"],
  "rcutree.jiffies_till_first_fqs=0",
];

export interface Order {
  readonly kernel: Kernel;
  /** cpio archives, unpacked one over the other */
  readonly archives: readonly string[];
  /** a shell script, run in the package's directory; files in /tmp/results are handed out */
  readonly script: string;
  /** where its logs and, below `results`, its files go */
  readonly directory: string;
  readonly deadlineMs: number;
  readonly onLine: (line: string) => void;
}

export interface Ended {
  /** of the script; undefined: the guest never said */
  readonly status: number | undefined;
  /** `uname -r`; undefined: it did not come so far */
  readonly release: string | undefined;
  /** since it was started */
  readonly bootedMs: number;
  readonly tookMs: number;
}

export async function boot(order: Order): Promise<Ended> {
  const { directory, kernel } = order;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, "order"), { recursive: true });
  mkdirSync(join(directory, "results"));
  writeFileSync(join(directory, "order/order"), order.script);
  const initial = join(directory, "initramfs");
  await packAll(join(directory, "order"), `${initial}.order`);
  const parts = [...order.archives, kernel.modules, `${initial}.order`];
  await run("sh", ["-c", 'into=$0; cat "$@" >"$into"', initial, ...parts]);
  for (const [name, bytes] of Object.entries(disks)) makeDisk(diskPath(directory, name), bytes);
  try {
    const ended = await runGuest(order, initial);
    if (ended.status !== undefined) {
      const words = ["--extract", "--file", diskPath(directory, "results")];
      await run("tar", [...words, "--directory", join(directory, "results")]);
    }
    return ended;
  } finally {
    const images = Object.keys(disks).map((name) => `${name}.disk`);
    for (const name of ["order", "initramfs", "initramfs.order", ...images]) {
      rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

async function runGuest(order: Order, initial: string): Promise<Ended> {
  const { directory, kernel } = order;
  const began = performance.now();
  const drives = Object.keys(disks).flatMap((name) => [
    ...["-drive", `file=${diskPath(directory, name)},format=raw,if=none,id=${name},cache=unsafe`],
    ...["-device", `nvme,drive=${name},serial=${name}`],
  ]);
  const child = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg,thread=single", "-cpu", processor, "-smp", "2", "-m", "3G"],
      ...["-nographic", "-no-reboot", "-net", "none", "-monitor", "none"],
      ...["-kernel", kernel.kernel, "-initrd", initial, "-append", parameters.join(" ")],
      ...["-serial", `file:${join(directory, "console.log")}`, "-serial", "stdio"],
      ...drives,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  const timer = setTimeout(stop, order.deadlineMs);
  const log = createWriteStream(join(directory, "lines.log"));
  const exited = once(child, "close");
  child.stderr.on("data", (piece: Buffer) => log.write(piece));
  let release: string | undefined;
  let status: number | undefined;
  let bootedMs = 0;
  for await (const line of createInterface(child.stdout)) {
    log.write(`${line}\n`);
    const [, word, value = ""] = /^# (booted|ended) (\S+)$/.exec(line) ?? [];
    if (word === "booted") {
      release = value;
      bootedMs = performance.now() - began;
    } else if (word === "ended") status = Number(value);
    order.onLine(line);
  }
  await exited;
  clearTimeout(timer);
  process.off("exit", stop);
  await new Promise<void>((resolve) => log.end(resolve));
  return { status, release, bootedMs, tookMs: performance.now() - began };
}

function diskPath(directory: string, name: string): string {
  return join(directory, `${name}.disk`);
}

function makeDisk(path: string, bytes: number): void {
  const descriptor = openSync(path, "w");
  ftruncateSync(descriptor, bytes);
  closeSync(descriptor);
}
