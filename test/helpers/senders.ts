/**
 * Other programs that make uevents: writers of synthetic ones, as fast as they can, a forger of
 * datagrams, somebody who plays udevd. Python, so that they share no code with the product and
 * never wait for a collector.
 */
import type { Group } from "../../assembly/abi.ts";
import { kernelMessage } from "./datagrams.ts";
import { type Outcome, type Running, start, tool } from "./process.ts";
import { commandPath } from "./root.ts";
import type { Scene } from "./scene.ts";

const writerProgram = `
import os, sys
name, uuid, count, cpu = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cpus = sorted(os.sched_getaffinity(0))
if cpu >= 0: os.sched_setaffinity(0, {cpus[cpu % len(cpus)]})
fd = os.open("/sys/class/block/" + name + "/uevent", os.O_WRONLY)
print("ready", flush=True)
sys.stdin.readline()
write = os.write
if uuid == "-":
    for _ in range(count): write(fd, b"change")
else:
    for n in range(count): write(fd, b"change %s N=%d" % (uuid.encode(), n))
print("written", flush=True)
`;

export interface Writing {
  readonly uuid: string;
  /** Begins to write. */
  go(): void;
  /** Until all are written. */
  readonly done: Promise<void>;
}

export interface WriterOptions {
  /** Index of the only CPU that it runs on; default: any. */
  readonly cpu?: number;
  /** Without one the events carry neither a UUID nor a number: the quickest way. */
  readonly isPlain?: boolean;
}

/** A process that is ready to write so many events of a disk or partition. */
export async function startWriter(
  scene: Scene,
  name: string,
  count: number,
  { cpu = -1, isPlain = false }: WriterOptions = {},
): Promise<Writing> {
  const uuid = crypto.randomUUID();
  const args = ["-c", writerProgram, name, isPlain ? "-" : uuid, `${count}`, `${cpu}`];
  const running = start("python3", args, { isInputOpen: true });
  scene.defer(() => running.stop("SIGKILL"));
  await running.shows("ready");
  const done = running.shows("written");
  done.catch(() => {});
  return { uuid, go: () => void running.child.stdin?.end("\n"), done };
}

const forgerProgram = `
import json, os, socket, struct, sys
for line in sys.stdin:
    group, uid, hexadecimal = json.loads(line)
    s = socket.socket(16, socket.SOCK_RAW, 15)
    s.setsockopt(socket.SOL_SOCKET, 32, 4 << 20)  # SO_SNDBUFFORCE
    s.bind((os.getpid() | 1 << 24, 0))
    credentials = (socket.SOL_SOCKET, 2, struct.pack("iII", os.getpid(), uid, uid))
    s.sendmsg([bytes.fromhex(hexadecimal)], [credentials], 0, (0, group))
    s.close()
print(os.getpid(), os.getpid() | 1 << 24)
`;

/** Where a forgery goes: a multicast group, or the kernel itself, which passes it on to group 1. */
export type Destination = Group | "kernel-itself";

export interface Forgery {
  readonly to: Destination;
  readonly bytes: Uint8Array;
  /** Whom it says that it comes from; default root. */
  readonly uid?: number;
}

export interface Forger {
  readonly pid: number;
  readonly portId: number;
}

/** Another process, which is root, sends datagrams one after the other. */
export async function forge(forgeries: readonly Forgery[]): Promise<Forger> {
  const lines = forgeries.map(({ to, bytes, uid = 0 }) => {
    const group = to === "kernel-itself" ? 0 : to;
    return `${JSON.stringify([group, uid, Buffer.from(bytes).toString("hex")])}\n`;
  });
  const text = await tool("python3", ["-c", forgerProgram], { input: lines.join("") });
  const [pid = Number.NaN, portId = Number.NaN] = text.split(" ").map(Number);
  return { pid, portId };
}

/** For the kernel to pass on, with a SEQNUM: struct nlmsghdr, then the kernel's own form. */
export function injection(properties: readonly string[]): Forgery {
  const { bytes } = kernelMessage(properties.filter((text) => !text.startsWith("SEQNUM=")));
  // u32 length, u16 type, u16 flags, u32 sequence, u32 pid
  const header = Buffer.alloc(16);
  header.writeUInt32LE(header.length + bytes.length, 0);
  // NLMSG_MIN_TYPE, NLM_F_REQUEST
  header.writeUInt16LE(16, 4);
  header.writeUInt16LE(1, 6);
  return { to: "kernel-itself", bytes: Buffer.concat([header, bytes]) };
}

const udevProgram = `
import os, socket, subprocess, sys
subprocess.check_call(["mount", "-t", "tmpfs", "none", "/run"])
os.makedirs("/run/udev/data")
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("/run/udev/control")
s.listen(1000)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
for line in sys.stdin:
    open("/run/udev/data/b" + line.strip(), "w").close()
    print("recorded", line, file=sys.stderr, flush=True)
sys.exit(child.wait())
`;

export interface Udevd {
  readonly running: Running;
  /** Writes a record of a device (`7:0`), as udev does when it has processed it. */
  record(devnum: string): Promise<void>;
  /** Until the command has ended. */
  end(): Promise<Outcome>;
}

/**
 * The built command where a udevd seems to run, which says nothing of itself: what it would say can
 * be forged. In a mount namespace of its own.
 */
export function startBesideUdevd(scene: Scene, args: readonly string[]): Udevd {
  const unshare = ["--mount", "--kill-child", "python3", "-c", udevProgram];
  const words = [...unshare, process.execPath, commandPath, ...args];
  const running = start("unshare", words, { isInputOpen: true });
  scene.defer(() => running.stop("SIGKILL"));
  const { stdin } = running.child;
  return {
    running,
    record: async (devnum) => {
      stdin?.write(`${devnum}\n`);
      await running.shows(`recorded ${devnum}`);
    },
    end: () => {
      stdin?.end();
      return running.outcome;
    },
  };
}
