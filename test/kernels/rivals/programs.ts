/**
 * What goes on beside an attach, and who watches: programs in Python, processes of their own, which
 * share no code with diskseq. They know nothing of who attaches.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Running, start } from "../../helpers/process.ts";

/** All events of the kernel, none lost: a socket, and what a message holds. */
const listener = `
import os, socket
s = socket.socket(16, socket.SOCK_RAW, 15)
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
s.bind((0, 1))
def fields():
    strings = s.recv(8192).decode("latin1").split("\\0")
    return dict(one.split("=", 1) for one in strings if "=" in one)
print("listening", flush=True)
`;

/** Writes a line for each event of a loop device, and for each mark. */
const watcher = `${listener}
while True:
    event = fields()
    if event["DEVPATH"].startswith("/devices/virtual/block/loop"):
        print(event["ACTION"], event["DEVNAME"], event.get("DISKSEQ", "-"), flush=True)
    elif event.get("SYNTH_UUID", "0") != "0":
        print("mark", event["SYNTH_UUID"], flush=True)
`;

/** Opens each loop device at its every event, and closes it. */
const opener = `${listener}
while True:
    event = fields()
    if event.get("DEVTYPE") == "disk" and event["DEVNAME"].startswith("loop"):
        try:
            os.close(os.open("/dev/" + event["DEVNAME"], os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            pass
`;

/** Opens and closes what is attached to first, as fast as it can. */
const tightOpener = `
import os
print("listening", flush=True)
while True:
    try:
        os.close(os.open("/dev/loop0", os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        pass
`;

const udevd = "/usr/lib/systemd/systemd-udevd";

/** By name: starts it, resolves with how it is ended. */
export const rivals = {
  none: async () => async () => {},
  opener: () => python(opener),
  "tight opener": () => python(tightOpener),
  udevd: startUdevd,
} as const;
export type Rival = keyof typeof rivals;

async function python(program: string): Promise<() => Promise<void>> {
  const running = await startPython(program);
  return async () => void (await running.stop("SIGKILL"));
}

export async function startPython(program: string): Promise<Running> {
  const running = start("python3", ["-c", program], { deadlineMs: 3_600_000 });
  await running.shows("listening");
  return running;
}

/** With Debian's rules, for the whole machine. */
async function startUdevd(): Promise<() => Promise<void>> {
  const child = spawn(udevd, [], { stdio: "ignore" });
  const ping = () => start("udevadm", ["control", "--ping"]).outcome;
  while ((await ping()).status !== 0) {
    if (child.exitCode !== null) throw new Error(`udevd ended by ${child.exitCode}`);
  }
  return async () => {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  };
}

/** What it has told so far, line by line. */
export class Watcher {
  readonly lines: string[] = [];
  readonly #running: Running;

  static async start(): Promise<Watcher> {
    return new Watcher(await startPython(watcher));
  }

  private constructor(running: Running) {
    this.#running = running;
    let rest = "";
    running.child.stdout?.on("data", (piece: string) => {
      const lines = `${rest}${piece}`.split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
    });
  }

  async stop(): Promise<void> {
    await this.#running.stop("SIGKILL");
  }
}
