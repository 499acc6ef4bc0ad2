/**
 * A udevd of the test's own, for one loop device of the test's own. udevd serves every block device
 * of a machine: it opens and locks each one that has an event. So it is given a socket, as systemd
 * would, that lets it hear of the test's device only.
 *
 * Only in namespaces of its own: without systemd's /run it has no cgroup to clean up, and without
 * the system's rules nothing to do.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Errno, Ioctl } from "../../assembly/wire/linux.ts";
import { type Attachment, type AttachOptions, attach, monitor } from "../../host/index.ts";
import { ioctlValue } from "../../host/linux/libc.ts";
import { isApart, udevdPath } from "./apart.ts";
import { until } from "./devices.ts";
import { Heard, patientMs } from "./heard.ts";
import { type Running, start, tool } from "./process.ts";
import type { Scene } from "./scene.ts";

/** Loop numbers from here on are the tests', of three digits or more. */
const firstNumber = 960;

/** Of a test with a udevd. */
export const deadlineMs = 120_000;

/**
 * Becomes udevd, with a socket whose filter (linux/filter.h) looks at how a kernel's message
 * begins: `add@`, `change@` or `remove@`, then a path with `/loo` and `p960` at the right place.
 */
const starter = `
import ctypes, os, socket, struct, sys
path, name = sys.argv[1], sys.argv[2].encode()
word = lambda text: struct.unpack(">I", text)[0]
path_at = len("/devices/virtual/block")
load, jump, jump_equal, result = 0x20, 0x05, 0x15, 0x06
steps = [
    (load, 0, 0, 0), (jump_equal, 0, 4, word(b"add@")),
    (load, 0, 0, 4 + path_at), (jump_equal, 0, 7, word(b"/loo")),
    (load, 0, 0, 8 + path_at), (jump, 0, 0, 3),
    (load, 0, 0, 7 + path_at), (jump_equal, 0, 3, word(b"/loo")), (load, 0, 0, 11 + path_at),
    (jump_equal, 0, 1, word(name[3:7])), (result, 0, 0, 0xffffffff), (result, 0, 0, 0),
]
code = b"".join(struct.pack("=HBBI", *step) for step in steps)
program = (ctypes.c_char * len(code)).from_buffer_copy(code)
s = socket.socket(16, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 15)
attach_filter = 26
filter = struct.pack("@HP", len(steps), ctypes.addressof(program))
s.setsockopt(socket.SOL_SOCKET, attach_filter, filter)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind((0, 1))
os.dup2(s.detach(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), SYSTEMD_LOG_TARGET="console")
os.execv(path, [path])
`;

/** A disk, or a partition of it. */
export interface Named {
  readonly device: string;
  /** null: it has none */
  readonly devnum: string | null;
}

export class Udevd {
  /** of the loop device */
  readonly number: number;
  readonly device: string;
  /** its kernel name */
  readonly disk: string;
  readonly #scene: Scene;
  #running: Running;

  /**
   * Runs until the scene ends, with the loop device made before it.
   *
   * @param rules for what happens to the device and its partitions but for their ends; they come
   * before the one that leaves the DISKSEQ in udev's record
   */
  static async start(scene: Scene, rules: readonly string[] = []): Promise<Udevd> {
    const number = addLoop();
    scene.defer(() => removeLoop(number));
    const running = await run(number, rules);
    const udevd = new Udevd(scene, number, running);
    scene.defer(() => udevd.stop());
    return udevd;
  }

  private constructor(scene: Scene, number: number, running: Running) {
    this.number = number;
    this.disk = `loop${number}`;
    this.device = `/dev/${this.disk}`;
    this.#scene = scene;
    this.#running = running;
  }

  /** Ends it with its workers; with SIGKILL its socket stays behind. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (signal === "SIGTERM") this.resume();
    const late = setTimeout(() => this.#running.child.kill("SIGKILL"), 5000);
    await this.#running.stop(signal);
    clearTimeout(late);
    await until("udevd and its workers to end", () => processes().length === 0);
    if (signal === "SIGTERM") rmSync("/run/udev", { recursive: true, force: true });
  }

  /** It takes no event until `resume`; what it has begun, its workers finish. */
  async pause(): Promise<void> {
    const { pid } = this.#running;
    process.kill(pid, "SIGSTOP");
    const status = () => readFileSync(`/proc/${pid}/status`, "utf8");
    await until("udevd to stop", () => /^State:\s+T/m.test(status()));
  }

  resume(): void {
    this.#running.child.kill("SIGCONT");
  }

  /** Until it has processed all that has happened. */
  async settle(): Promise<void> {
    await tool("udevadm", ["settle", `--timeout=${patientMs / 1000}`], { deadlineMs });
  }

  /** Attaches to its loop device, for the scene at most; partitions are made by BLKPG. */
  async attach(image: string, options: AttachOptions = {}): Promise<Attachment> {
    const fixed = { device: this.number, timeoutMs: patientMs, partscan: "user" } as const;
    const attachment = await attach(image, { ...fixed, ...options });
    this.#scene.defer(() => attachment.detach());
    return attachment;
  }

  /** Hears what the kernel and udev say of its loop device, judged against an instance. */
  async listen(diskseq?: bigint | null): Promise<Heard> {
    const instance = diskseq ? { diskseq } : {};
    const groups = ["kernel", "udev"] as const;
    return Heard.start(this.#scene, await monitor({ disk: this.device, groups, ...instance }));
  }

  /** The DISKSEQ under which it has processed each; undefined: it has not. */
  processed(...devices: readonly Named[]): (bigint | undefined)[] {
    return devices.map(({ devnum }) => {
      const diskseq = recordOf(devnum)?.get("TEST_DISKSEQ");
      return diskseq === undefined ? undefined : BigInt(diskseq);
    });
  }
}

/** A disk with its partitions. */
type Instance = Named & {
  readonly diskseq: bigint | number | null;
  readonly partitions: readonly (Named & { readonly number: number })[];
};

/** udev's records of the disk and of each of three partitions are of this instance, and so are
 *  its links. */
export function expectProcessed(udevd: Udevd, instance: Instance): void {
  const { partitions, device } = instance;
  const diskseq = BigInt(instance.diskseq ?? 0);
  assert.is(partitions.length, 3);
  const expected = [diskseq, diskseq, diskseq, diskseq];
  assert.equal(udevd.processed(instance, ...partitions), expected);
  assert.is(realpathSync(`/dev/disk/by-diskseq/${diskseq}`), device);
  for (const { number, device } of partitions) {
    assert.is(realpathSync(`/dev/disk/by-diskseq/${diskseq}-part${number}`), device);
  }
}

/** udev has processed none of them. */
export function expectUnprocessed(udevd: Udevd, instance: Instance): void {
  const { partitions } = instance;
  assert.is(partitions.length, 3);
  assert.equal(udevd.processed(instance, ...partitions), Array(4).fill(undefined));
}

/** What rules have set of a device, from udev's record. */
export function recordOf(devnum: string | null): Map<string, string> | undefined {
  const path = `/run/udev/data/b${devnum}`;
  if (!existsSync(path)) return undefined;
  const matches = readFileSync(path, "utf8").matchAll(/^E:([^=]+)=(.*)$/gm);
  return new Map([...matches].map(([, key = "", value = ""]) => [key, value]));
}

async function run(number: number, rules: readonly string[]): Promise<Running> {
  const path = udevdPath();
  if (!isApart() || path === undefined) throw new Error("a udevd for the whole machine?");
  mkdirSync("/run/udev/rules.d", { recursive: true });
  writeFileSync("/run/udev/rules.d/10-test.rules", `${allRules(number, rules).join("\n")}\n`);
  // Without the site's modules it starts in a third of the time.
  const words = ["-S", "-B", "-c", starter, path, `loop${number}`];
  const running = start("python3", words, { deadlineMs });
  let hasEnded = false;
  void running.outcome.then(() => {
    hasEnded = true;
  });
  const ping = () => start("udevadm", ["control", "--ping", "--timeout=5"]).outcome;
  for (const end = performance.now() + 10_000; (await ping()).status !== 0; await sleep(10)) {
    if (!hasEnded && performance.now() < end) continue;
    const { stderr } = await running.stop("SIGKILL");
    throw new Error(`udevd does not answer: ${stderr}`);
  }
  return running;
}

/** Ids of what runs from udevd's file, in this namespace of processes. */
function processes(): string[] {
  const path = realpathSync(udevdPath() ?? "");
  return readdirSync("/proc").filter((id) => {
    try {
      return /^\d+$/.test(id) && readlinkSync(`/proc/${id}/exe`) === path;
    } catch {
      return false;
    }
  });
}

function allRules(number: number, rules: readonly string[]): string[] {
  return [
    'SUBSYSTEM!="block", GOTO="end"',
    `KERNEL!="loop${number}|loop${number}p*", GOTO="end"`,
    // as 60-block.rules has it
    'ENV{DEVTYPE}=="disk", OPTIONS+="watch"',
    'ACTION=="remove", GOTO="end"',
    ...rules,
    'ENV{TEST_DISKSEQ}="$env{DISKSEQ}"',
    'ENV{DEVTYPE}=="disk", SYMLINK+="disk/by-diskseq/$env{DISKSEQ}"',
    'ENV{DEVTYPE}=="partition", SYMLINK+="disk/by-diskseq/$env{DISKSEQ}-part%n"',
    'LABEL="end"',
  ];
}

/* The loop device. */

function control(request: Ioctl, number: number): number {
  const descriptor = openSync("/dev/loop-control", "r+");
  try {
    return ioctlValue(descriptor, request, BigInt(number));
  } finally {
    closeSync(descriptor);
  }
}

/** One that was not there. */
function addLoop(): number {
  for (let number = firstNumber; ; number++) {
    const result = control(Ioctl.LOOP_CTL_ADD, number);
    if (result === number) return number;
    if (result !== -Errno.EEXIST) throw new Error(`LOOP_CTL_ADD ${number}: ${result}`);
  }
}

async function removeLoop(number: number): Promise<void> {
  let result = 0;
  await until(`loop${number} to be removed`, () => {
    result = control(Ioctl.LOOP_CTL_REMOVE, number);
    return result !== -Errno.EBUSY;
  });
  if (result < 0) throw new Error(`LOOP_CTL_REMOVE ${number}: ${result}`);
}
