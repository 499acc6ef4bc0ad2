/** Whether udevd runs, what it has recorded, and events that are asked for. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Call, Group, Limit } from "../../assembly/abi.ts";
import { BlkpgOperation, Errno } from "../../assembly/wire/linux.ts";
import { isUdevRunning, readRecord, trigger } from "../../host/linux/udev.ts";
import { missing } from "../helpers/needs.ts";
import { type Running, start, tool } from "../helpers/process.ts";
import { skip } from "../helpers/skip.ts";
import { attach, blkpg, call, real } from "./linux-device.ts";
import { listen, property, stopListening, subscribe } from "./linux-listener.ts";

const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));

test.after.each(stopListening);
test.after(() => rmSync(folder, { recursive: true }));

/** A process that has bound a socket and then waits. */
function bound(path: string, type: string, isListening: boolean): Running {
  const script = `
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.${type})
s.bind(sys.argv[1])
${isListening ? "s.listen(0)" : ""}
print("bound", flush=True)
time.sleep(60)`;
  return start("python3", ["-c", script, path]);
}

test("udevd runs where somebody listens on its control socket", async () => {
  const path = join(folder, "control");
  assert.is(isUdevRunning(path), false);
  assert.is(isUdevRunning(join(folder, "x".repeat(108))), false);
  const reason = await missing(["python3"]);
  if (reason !== undefined) return skip(`udevd runs: ${reason}`);
  for (const [type, isListening, expected] of [
    ["SOCK_SEQPACKET", true, true],
    ["SOCK_SEQPACKET", false, false],
    ["SOCK_STREAM", true, false],
  ] as const) {
    const other = bound(path, type, isListening);
    await other.shows("bound");
    // the second finds no room, as nobody accepts the first
    for (let again = 0; again < 3; again++) assert.is(isUdevRunning(path), expected, type);
    await other.stop();
    assert.is(isUdevRunning(path), false, "left by one that is gone");
    rmSync(path);
  }
});

test("a record's stamp changes with every write of it", () => {
  const bytes = new Uint8Array(16).subarray(8);
  const stamp = () => {
    assert.is(readRecord(259, 7, bytes, folder), 0);
    return new DataView(bytes.buffer, 8).getBigUint64(0, true);
  };
  assert.is(readRecord(259, 7, bytes, folder), -Errno.ENOENT);
  assert.is(readRecord(259, 7, bytes, join(folder, "none")), -Errno.ENOENT);
  const path = join(folder, "b259:7");
  let last = 0n;
  for (let round = 0; round < 50; round++) {
    // as udev does, within one tick of the clock of files
    writeFileSync(`${path}.new`, "E:ID_FS_TYPE=ext4\n");
    utimesSync(`${path}.new`, 1_000_000_000, 1_000_000_000);
    renameSync(`${path}.new`, path);
    assert.is.not(stamp(), last);
    last = stamp();
    assert.is(stamp(), last, "the same while nobody writes");
  }
  utimesSync(path, 1_000_000_000, 1_000_000_001);
  assert.is.not(stamp(), last);
});

test("a control socket that may not be connected to is there", async () => {
  const reason = await missing(["root", "python3", "user-namespaces"]);
  if (reason !== undefined) return skip(`a control socket: ${reason}`);
  const path = join(folder, "control");
  const other = bound(path, "SOCK_SEQPACKET", true);
  await other.shows("bound");
  chmodSync(path, 0);
  const url = new URL("../../host/linux/udev.js", import.meta.url);
  const script = `import { isUdevRunning } from "${url}"; console.log(isUdevRunning("${path}"));`;
  const args = ["--user", process.execPath, "--input-type=module", "--eval", script];
  assert.is(await tool("unshare", args), "true\n");
  await other.stop();
  rmSync(path);
});

/** A call's bytes: the name of a disk, then a UUID. */
function asked(disk: string, uuid = "0123456789abcdef0123456789abcdef"): Uint8Array {
  const bytes = Buffer.alloc(Limit.NameBytes + 16);
  bytes.write(disk);
  bytes.write(uuid, Limit.NameBytes, "hex");
  return bytes;
}

test("a trigger goes to the disk, or to its partition by the kernel's name", () => {
  const written = "change 01234567-89ab-cdef-0123-456789abcdef";
  for (const [disk, partition, name] of [
    ["loop0", 0, "loop0"],
    ["loop0", 12, "loop0p12"],
    ["sda", 3, "sda3"],
    ["nvme0n1", 1, "nvme0n1p1"],
    ["cciss!c0d0", 0, "cciss!c0d0"],
  ] as const) {
    assert.is(trigger(asked(disk), partition, folder), -Errno.ENOENT);
    mkdirSync(join(folder, name));
    assert.is(trigger(asked(disk), partition, folder), -Errno.ENOENT, "no file is made");
    writeFileSync(join(folder, name, "uevent"), "");
    assert.is(trigger(asked(disk), partition, folder), 0);
    assert.is(readFileSync(join(folder, name, "uevent"), "utf8"), written);
  }
  for (const disk of ["", "..", "../sda", "x".repeat(Limit.NameBytes)]) {
    assert.is(trigger(asked(disk), 0, folder), -Errno.EINVAL, disk);
  }
  assert.is(trigger(asked("sda").subarray(0, Limit.NameBytes + 15), 0, folder), -Errno.EINVAL);
});

real("the kernel sends what was asked for, with its UUID", async () => {
  const { kernel, listener } = listen();
  const device = await attach(kernel);
  const { number, descriptor, name } = device;
  const add = { descriptor, request: BlkpgOperation.BLKPG_ADD_PARTITION };
  const remove = { descriptor, request: BlkpgOperation.BLKPG_DEL_PARTITION };
  try {
    assert.is(kernel.perform(call(Call.Blkpg, { ...add, bytes: blkpg(3, 1 << 20, 1 << 20) })), 0);
    assert.is(await subscribe(kernel, Group.Kernel), 0);
    for (const [partition, type] of [
      [0, "disk"],
      [3, "partition"],
    ] as const) {
      const uuid = crypto.randomUUID();
      const bytes = asked(name, uuid.replaceAll("-", ""));
      assert.is(kernel.perform(call(Call.Trigger, { number, partition, bytes })), 0);
      const [event] = await listener.until(uuid, 1);
      assert.is(property(event, "ACTION"), "change");
      assert.is(property(event, "DEVNAME"), partition === 0 ? name : `${name}p${partition}`);
      assert.is(property(event, "DEVTYPE"), type);
    }
    const none = { partition: 4, bytes: asked(name) };
    assert.is(kernel.perform(call(Call.Trigger, none)), -Errno.ENOENT);
    const bytes = new Uint8Array(8);
    const record = { number: 4095, partition: 1_048_575, bytes };
    assert.is(kernel.perform(call(Call.ReadRecord, record)), -Errno.ENOENT);
  } finally {
    kernel.perform(call(Call.Blkpg, { ...remove, bytes: blkpg(3, 0, 0) }));
    await device.release();
  }
});

test.run();
