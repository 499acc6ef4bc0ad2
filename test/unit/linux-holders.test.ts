/** Who holds a device: found on the real kernel by mounts, descriptors, stacked devices, locks. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Place } from "../../assembly/abi.ts";
import { BlkpgOperation, Lock } from "../../assembly/wire/linux.ts";
import type { Holder, KernelCall } from "../../host/kernel.ts";
import { parseFlock, parseMount, unescapeOctal } from "../../host/linux/holders.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Scans } from "../../host/linux/scans.ts";
import { attach, blkpg, call, real, run } from "./linux-device.ts";

const kernel = new LinuxKernel();
const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));

test.after(async () => {
  await kernel.close();
  rmSync(folder, { recursive: true });
});

/** A shell command that says "ready" and then waits; killed by `end`. */
async function start(command: string): Promise<ChildProcess> {
  const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", () => reject(new Error(`ended early: ${command}`)));
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  // its command reads standard input: its end is the child's
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin?.end();
  await ended;
}

/**
 * Others may look at any loop device for a moment, and a mount namespace that somebody makes while
 * our mount is there copies it: what must be true only has to come true.
 */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (const start = performance.now(); ; ) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() - start > 10_000) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function expectHolders(
  name: string,
  except: number | undefined,
  expected: Holder[],
): Promise<void> {
  await eventually(async () => assert.equal(await kernel.findHolders(name, except), expected));
}

async function expectCount(holders: KernelCall, expected: number): Promise<void> {
  await eventually(async () => assert.is(await kernel.perform(holders), expected));
}

async function expectLockers(name: string, expected: Holder[]): Promise<void> {
  await eventually(async () => assert.equal(await kernel.findLockers(name), expected));
}

test("mountinfo, swaps and locks are decoded", () => {
  assert.is(unescapeOctal("/mnt/a\\040b\\011c\\134d"), "/mnt/a b\tc\\d");
  assert.equal(
    parseMount("36 35 7:0 / /mnt\\0402 rw master:1 propagate_from:2 - ext4 /dev/loop\\0400 rw"),
    { devnum: "7:0", path: "/mnt 2", source: "/dev/loop 0" },
  );
  assert.is(parseMount("36 35 7:0 / /mnt rw - btrfs /dev/loop0 rw").source, "/dev/loop0");
  assert.equal(parseMount("").devnum, "");
  assert.equal(parseFlock("1: FLOCK  ADVISORY  WRITE 4206 00:06:100 0 EOF"), {
    file: "00:06:100",
    pid: 4206,
  });
  for (const line of [
    "1: -> FLOCK  ADVISORY  WRITE 4206 00:06:100 0 EOF",
    "2: POSIX  ADVISORY  READ 5433 08:01:7864448 128 128",
    "3: OFDLCK ADVISORY  READ -1 08:01:8713209 128 191",
    "",
  ]) {
    assert.is(parseFlock(line), undefined);
  }
});

test("one scan answers all who asked while another ran", async () => {
  const scans: string[][] = [];
  const release: (() => void)[] = [];
  const shared = new Scans(async (disks) => {
    scans.push([...disks]);
    await new Promise<void>((resolve) => release.push(resolve));
    if (disks.includes("loop9")) return -5;
    return disks.flatMap((disk) => [
      { kind: "descriptor", disk, device: disk, pid: process.pid, descriptor: 7 } as const,
      { kind: "descriptor", disk, device: disk, pid: process.pid, descriptor: 8 } as const,
      { kind: "descriptor", disk, device: disk, pid: 1, descriptor: 7 } as const,
      { kind: "mount", disk, device: disk, path: "/mnt" } as const,
    ]);
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = shared.find("loop0", undefined);
  await turn();
  const later = [shared.find("loop0", 7), shared.find("loop1", 8), shared.find("loop1", undefined)];
  await turn();
  assert.equal(scans, [["loop0"]]);
  release.shift()?.();
  assert.is(((await first) as Holder[]).length, 4);
  await turn();
  assert.equal(scans, [["loop0"], ["loop0", "loop1"]]);
  release.shift()?.();
  const [without7, without8, all] = (await Promise.all(later)) as Holder[][];
  assert.is(without7?.length, 3);
  assert.is(without8?.length, 3);
  assert.equal(all, [
    { kind: "descriptor", device: "loop1", pid: process.pid },
    { kind: "descriptor", device: "loop1", pid: process.pid },
    { kind: "descriptor", device: "loop1", pid: 1 },
    { kind: "mount", device: "loop1", path: "/mnt" },
  ]);
  const failing = shared.find("loop9", undefined);
  await turn();
  release.shift()?.();
  assert.is(await failing, -5);
});

real("descriptors, by any node, of the disk and of a partition", async () => {
  const device = await attach(kernel);
  const { number, descriptor, name } = device;
  const node = { place: Place.Private, number: 7, partition: number };
  try {
    await expectHolders(name, descriptor, []);
    await expectHolders(name, undefined, [
      { kind: "descriptor", pid: process.pid, command: "node", device: name },
    ]);
    const count = call(Call.FindHolders, { number, descriptor });
    await expectCount(count, 0);
    const everybody = call(Call.FindHolders, { number, descriptor: -1 });
    await expectCount(everybody, 1);

    kernel.perform(call(Call.MakeNode, node));
    const second = await kernel.perform(call(Call.Open, node));
    kernel.perform(call(Call.RemoveNode, node));
    assert.ok(second >= 0);
    await expectCount(count, 1);
    await kernel.perform(call(Call.Close, { descriptor: second }));
    await expectCount(count, 0);

    const add = { descriptor, request: BlkpgOperation.BLKPG_ADD_PARTITION };
    kernel.perform(call(Call.Blkpg, { ...add, bytes: blkpg(1, 1 << 20, 1 << 20) }));
    const dev = kernel.readAttribute(name, `${name}p1/dev`)?.split(":");
    run("mknod", join(folder, "p1"), "b", dev?.[0] ?? "", dev?.[1] ?? "");
    const child = await start(`exec 5<${join(folder, "p1")}; echo ready; read _`);
    await expectCount(count, 1);
    await expectHolders(name, descriptor, [
      { kind: "descriptor", pid: child.pid ?? -1, command: "sh", device: `${name}p1` },
    ]);
    await end(child);
    await expectHolders(name, descriptor, []);
  } finally {
    const remove = { descriptor, request: BlkpgOperation.BLKPG_DEL_PARTITION };
    kernel.perform(call(Call.Blkpg, { ...remove, bytes: blkpg(1, 0, 0) }));
    rmSync(`/dev/${name}p1`, { force: true });
    await device.release();
  }
});

real("mounts, of this mount namespace and of another", async () => {
  const device = await attach(kernel);
  const { descriptor, name } = device;
  const point = join(folder, "a b");
  mkdirSync(point);
  try {
    run("mkfs.ext4", "-q", `/dev/${name}`);
    run("mount", `/dev/${name}`, point);
    try {
      await expectHolders(name, descriptor, [{ kind: "mount", path: point, device: name }]);
    } finally {
      run("umount", point);
    }
    await expectHolders(name, descriptor, []);
    const mount = `mount /dev/${name} "${point}" && echo ready && read _`;
    const child = await start(`exec unshare --mount sh -c '${mount}'`);
    try {
      await expectHolders(name, descriptor, [{ kind: "mount", path: point, device: name }]);
    } finally {
      await end(child);
    }
  } finally {
    await device.release();
  }
});

real("a loop device on top of another", async () => {
  const inner = await attach(kernel);
  const outer = await attach(kernel, `/dev/${inner.name}`);
  try {
    await expectHolders(inner.name, inner.descriptor, [
      { kind: "device", path: outer.name, device: inner.name },
    ]);
    await expectHolders(outer.name, outer.descriptor, []);
  } finally {
    await outer.release();
    await inner.release();
  }
});

real("swap on a partition or disk", async () => {
  const device = await attach(kernel);
  const { descriptor, name } = device;
  try {
    run("mkswap", `/dev/${name}`);
    try {
      run("swapon", `/dev/${name}`);
    } catch (error) {
      console.log(`skipped: no swap here: ${error}`);
      return;
    }
    try {
      await expectHolders(name, descriptor, [{ kind: "swap", path: `/dev/${name}`, device: name }]);
    } finally {
      run("swapoff", `/dev/${name}`);
    }
  } finally {
    await device.release();
  }
});

real("locks on the public node, those of others only", async () => {
  const device = await attach(kernel);
  const { descriptor, name } = device;
  try {
    const shared = Lock.LOCK_SH | Lock.LOCK_NB;
    assert.is(kernel.perform(call(Call.Flock, { descriptor, request: shared })), 0);
    await expectLockers(name, []);
    const child = await start(`exec 5</dev/${name}; flock --shared 5; echo ready; read _`);
    // the one that took the lock is gone; its descriptor lives on in the shell
    await eventually(async () => {
      const lockers = await kernel.findLockers(name);
      assert.is(lockers.length, 1);
      assert.is(lockers[0]?.kind, "lock");
      assert.is(lockers[0]?.device, name);
    });
    await end(child);
    const holding = `flock --shared --no-fork /dev/${name} sh -c "echo ready; read _"`;
    const other = await start(`exec ${holding}`);
    await expectLockers(name, [
      { kind: "lock", pid: other.pid ?? -1, command: "sh", device: name },
    ]);
    await end(other);
    await expectLockers(name, []);
    await expectLockers("loop1048000", []);
  } finally {
    await device.release();
  }
});

real("a scan leaves the event loop alone", async () => {
  const device = await attach(kernel);
  const descriptors = Array.from({ length: 2000 }, () => openSync("/proc/self/status", "r"));
  try {
    let ticks = 0;
    let scanning = true;
    const holders = kernel.findHolders(device.name, device.descriptor).then((found) => {
      scanning = false;
      return found;
    });
    while (scanning) {
      await new Promise((resolve) => setImmediate(resolve));
      ticks++;
    }
    await holders;
    assert.ok(ticks > 2, `${ticks} turns of the event loop`);
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
    await device.release();
  }
});

test.run();
