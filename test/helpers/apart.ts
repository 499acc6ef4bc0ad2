/**
 * Runs a test file in namespaces of its own (network, mounts, processes), where a udevd that it
 * starts is the only one: nobody else hears it, and it finds no rules, records and links but the
 * file's. What was started there ends with the file.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Errno, Lock } from "../../assembly/wire/linux.ts";
import { flock } from "../../host/linux/libc.ts";
import { isInstalled, start } from "./process.ts";

/** Lies in a /run that only the set-up below mounts. */
const mark = "/run/diskseq-apart";

const namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

/** Where udevd looks for rules, besides /run/udev/rules.d. */
const ruleFolders = [
  "/etc/udev/rules.d",
  "/usr/lib/udev/rules.d",
  "/usr/local/lib/udev/rules.d",
  "/lib/udev/rules.d",
];

/** Where udevd makes links for every device, whatever the rules say, and where rules make them. */
const linkFolders = ["/dev/block", "/dev/char", "/dev/disk"];

/** How long the same tests of another run on this machine are waited for. */
const turnMs = 180_000;

const paths = ["/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/sbin/udevd"];

export function udevdPath(): string | undefined {
  return paths.find((path) => existsSync(path));
}

/** Whether this process runs in such namespaces. */
export function isApart(): boolean {
  return existsSync(mark);
}

/** Why no udevd can be run so; undefined where it can. */
export async function whyNotApart(): Promise<string | undefined> {
  if (udevdPath() === undefined) return "needs udevd: package udev is not installed";
  if (!(await isInstalled("udevadm"))) return "needs udevadm: package udev is not installed";
  for (const name of ["unshare", "python3"]) {
    if (!(await isInstalled(name))) return `needs ${name}: it is not installed`;
  }
  const words = [...namespaces, "mount", "-t", "tmpfs", "none", "/run"];
  const { status, stderr } = await start("unshare", words).outcome;
  return status === 0 ? undefined : `needs namespaces: ${stderr.trim()}`;
}

/** Runs the file's tests there; here where that cannot be, and then they skip. */
export async function runApart(run: () => void): Promise<void> {
  const path = udevdPath();
  if (isApart() || path === undefined || (await whyNotApart()) !== undefined) {
    run();
    return;
  }
  const turn = await takeTurn(path);
  const before = outside();
  const made = linkFolders.filter((folder) => makeFolder(folder));
  try {
    process.exitCode = await runChild();
  } finally {
    // fails where something lies in it
    for (const folder of made) rmdirSync(folder);
    closeSync(turn);
  }
  const after = outside();
  const changed = [
    ...before.filter((line) => !after.includes(line)).map((line) => `gone: ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `left: ${line}`),
  ];
  if (changed.length > 0) throw new Error(`not as it was before:\n${changed.join("\n")}`);
}

async function runChild(): Promise<number> {
  const words = ["sh", "-c", setUp(), "sh", process.execPath, process.argv[1] ?? ""];
  const child = spawn("unshare", [...namespaces, ...words], { stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const end = () => child.kill("SIGTERM");
  for (const signal of signals) process.on(signal, end);
  const [status] = await once(child, "exit");
  for (const signal of signals) process.off(signal, end);
  return status ?? 1;
}

/** Where the tests would leave something, were they not apart: rules, links, records, mounts. */
function outside(): string[] {
  const folders = [...ruleFolders, ...linkFolders, "/run/udev"].filter((one) => existsSync(one));
  const shown = folders.filter((one) => ruleFolders.includes(one) || one === "/dev/disk");
  const names = shown.flatMap((one) => readdirSync(one).map((name) => `${one}/${name}`));
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const points = ["/run", ...folders];
  return [
    ...folders,
    ...names,
    ...mounts.filter((line) => points.includes(line.split(" ")[4] ?? "")),
  ];
}

/** The first process stays, to reap what others leave. */
function setUp(): string {
  const present = ruleFolders.filter((one) => existsSync(one));
  const folders = new Set(present.map((one) => realpathSync(one)));
  const hidden = ["/run", ...folders, ...linkFolders];
  const steps = [
    ...hidden.map((folder) => `mount -t tmpfs -o mode=755 none ${folder}`),
    `touch ${mark}`,
    '"$@"',
  ];
  return `${steps.join(" && ")}; exit $?`;
}

/** One run at a time: two would reckon with each other's events and link folders. */
async function takeTurn(path: string): Promise<number> {
  const descriptor = openSync(path, "r");
  for (const end = performance.now() + turnMs; ; await sleep(100)) {
    const result = flock(descriptor, Lock.LOCK_EX | Lock.LOCK_NB);
    if (result === 0) return descriptor;
    if (result !== -Errno.EAGAIN || performance.now() > end) {
      throw new Error(`the lock on ${path}, by which these tests take turns: ${result}`);
    }
  }
}

/** Whether it had to be made. */
function makeFolder(path: string): boolean {
  if (existsSync(path)) return false;
  mkdirSync(path);
  return true;
}
