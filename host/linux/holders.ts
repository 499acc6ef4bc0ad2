/**
 * Who keeps a loop device from going away, by reading /proc and /sys: mounts, stacked devices,
 * swap, open descriptors, locks. Synchronous and slow where there are many processes, so it runs in
 * a thread of the pool.
 *
 * Devices are told apart by device number, never by name: a node can have any name. What vanishes
 * while it is read, or may not be read, is passed over.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { encodeDevice } from "../devnum.ts";
import type { Holder } from "../kernel.ts";
import {
  attempt,
  listLoops,
  listNames,
  listPartitions,
  parseDevnum,
  readAttribute,
  readBacking,
} from "./sysfs.ts";

/** A holder, and of which disk. */
export interface FoundHolder extends Holder {
  readonly disk: string;
  /** the descriptor, where it is one */
  readonly descriptor?: number;
}

/** A disk or partition by its encoded devnum. */
type Devices = Map<number, { readonly disk: string; readonly device: string }>;

const S_IFMT = 0xf000;
const S_IFBLK = 0x6000;

/** One scan for any number of disks, named as in /sys/block. */
export function findHolders(disks: readonly string[]): FoundHolder[] {
  const devices = listDevices(disks);
  if (devices.size === 0) return [];
  const found: FoundHolder[] = [];
  addStacked(found, devices);
  addSwaps(found, devices);
  addMounts(found, devices, "self");
  const namespaces = new Set([attempt(() => readlinkSync("/proc/self/ns/mnt"))]);
  for (const pid of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const namespace = attempt(() => readlinkSync(`/proc/${pid}/ns/mnt`));
    if (!namespaces.has(namespace) && addMounts(found, devices, pid)) namespaces.add(namespace);
    addDescriptors(found, devices, pid);
  }
  return unique(found);
}

function listDevices(disks: readonly string[]): Devices {
  const devices: Devices = new Map();
  for (const disk of disks) {
    const dev = attempt(() => readAttribute(disk, "dev"));
    if (dev === undefined) continue;
    devices.set(encodeDevice(...parseDevnum(dev)), { disk, device: disk });
    for (const { name, major, minor } of attempt(() => listPartitions(disk)) ?? []) {
      devices.set(encodeDevice(major, minor), { disk, device: name });
    }
  }
  return devices;
}

/** A mount that is propagated shows in every namespace; one mention is enough. */
function unique(found: FoundHolder[]): FoundHolder[] {
  const mounts = new Set<string>();
  return found.filter(({ kind, device, path }) => {
    const key = `${device} ${path}`;
    if (kind !== "mount") return true;
    return !mounts.has(key) && mounts.add(key);
  });
}

/** The devnum that a node leads to, encoded; `undefined` where it is no block device. */
function blockDevice(path: string | Buffer): number | undefined {
  const stats = attempt(() => statSync(path, { throwIfNoEntry: false }));
  return stats !== undefined && (stats.mode & S_IFMT) === S_IFBLK ? stats.rdev : undefined;
}

/** Device mapper and its like (holders/), and loop devices whose image is one of the devices. */
function addStacked(found: FoundHolder[], devices: Devices): void {
  for (const { disk, device } of devices.values()) {
    const folder = device === disk ? `${disk}/holders` : `${disk}/${device}/holders`;
    for (const path of attempt(() => listNames(folder)) ?? []) {
      found.push({ kind: "device", path, disk, device });
    }
  }
  for (const number of listLoops(0)) {
    const backing = attempt(() => readBacking(number));
    const devnum = backing && blockDevice(backing);
    const held = devnum === undefined ? undefined : devices.get(devnum);
    if (held) found.push({ kind: "device", path: `loop${number}`, ...held });
  }
}

/** `\040` and its like in /proc/PID/mountinfo and /proc/swaps. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}

function lines(path: string): string[] | undefined {
  return attempt(() => readFileSync(path, "utf8"))
    ?.split("\n")
    .filter((line) => line !== "");
}

function addSwaps(found: FoundHolder[], devices: Devices): void {
  // "Filename Type Size Used Priority"; a swap file holds its device by the mount
  for (const line of lines("/proc/swaps")?.slice(1) ?? []) {
    const path = unescapeOctal(line.split(/\s/, 1)[0] ?? "");
    const devnum = blockDevice(path);
    const held = devnum === undefined ? undefined : devices.get(devnum);
    if (held) found.push({ kind: "swap", path, ...held });
  }
}

/** The devnum, mount point and source of one line of mountinfo (proc_pid_mountinfo(5)). */
export function parseMount(line: string): { devnum: string; path: string; source: string } {
  // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  return {
    devnum: fields[2] ?? "",
    path: unescapeOctal(fields[4] ?? ""),
    source: unescapeOctal((separator < 0 ? undefined : fields[separator + 2]) ?? ""),
  };
}

/** False: this process's mountinfo cannot be had, another one of its namespace may do. */
function addMounts(found: FoundHolder[], devices: Devices, pid: string): boolean {
  const mounts = lines(`/proc/${pid}/mountinfo`);
  if (mounts === undefined || mounts.length === 0) return false;
  for (const { devnum, path, source } of mounts.map(parseMount)) {
    // btrfs and its like have devnums of their own (major 0); their source is a node
    const number =
      devnum.startsWith("0:") && source.startsWith("/dev/")
        ? blockDevice(source)
        : attempt(() => encodeDevice(...parseDevnum(devnum)));
    const held = number === undefined ? undefined : devices.get(number);
    if (held) found.push({ kind: "mount", path, ...held });
  }
  return true;
}

function readCommand(pid: string): { command: string } | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8"));
  return text === undefined ? undefined : { command: text.trimEnd() };
}

function addDescriptors(found: FoundHolder[], devices: Devices, pid: string): void {
  for (const name of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
    const devnum = blockDevice(`/proc/${pid}/fd/${name}`);
    const held = devnum === undefined ? undefined : devices.get(devnum);
    if (!held) continue;
    const descriptor = Number(name);
    found.push({ kind: "descriptor", pid: Number(pid), ...readCommand(pid), descriptor, ...held });
  }
}

/** A flock that is held on a file: `MAJ:MIN` of its file system in hex, inode, process. */
export function parseFlock(line: string): { file: string; pid: number } | undefined {
  // 1: FLOCK  ADVISORY  WRITE 4206 00:06:100 0 EOF; a waiter has "->" before FLOCK
  const match = /^\d+: FLOCK +\S+ +\S+ +(-?\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /.exec(line);
  return match ? { pid: Number(match[1]), file: match[2] ?? "" } : undefined;
}

/** See `Kernel.findLockers`. Locks belong to the node, so only the public node's are seen. */
export function findLockers(disk: string): Holder[] {
  const stats = attempt(() => statSync(`/dev/${disk}`, { throwIfNoEntry: false }));
  if (stats === undefined) return [];
  const found = new Map<number, Holder>();
  for (const line of lines("/proc/locks") ?? []) {
    const lock = parseFlock(line);
    if (!lock || lock.pid === process.pid || !isFile(lock.file, stats)) continue;
    // a pid of 0 or less: nobody of this pid namespace
    const who = lock.pid > 0 ? { pid: lock.pid, ...readCommand(String(lock.pid)) } : {};
    found.set(lock.pid, { kind: "lock", ...who, device: disk });
  }
  return [...found.values()];
}

function isFile(file: string, stats: { dev: number; ino: number }): boolean {
  const [major = "", minor = "", inode = ""] = file.split(":");
  const device = encodeDevice(Number.parseInt(major, 16), Number.parseInt(minor, 16));
  return device === stats.dev && Number(inode) === stats.ino;
}
