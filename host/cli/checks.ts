/**
 * What `doctor` can see without attaching: kernel, loop-control, rights, udevd, /dev.
 *
 * Looks through `System` only, so tests describe a machine in a few lines. Judges nothing by uid.
 */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { release, version } from "node:os";
import { escapeText } from "./format.ts";
import { factsOf } from "./kernel-facts.ts";

export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail" | "info";
  /** What was found, in few words. */
  readonly found: string;
  /** What it means; one sentence or none. */
  readonly meaning: string;
  /** What to do; null: nothing. */
  readonly advice: string | null;
}

/** The machine as far as the checks look at it. */
export interface System {
  readonly release: string;
  /** The text of a file; undefined where it cannot be read. */
  read(path: string): string | undefined;
  /** Opens for reading and writing, closes; the error's code or undefined. */
  tryOpen(path: string): string | undefined;
  /** Names in a directory; empty where it cannot be read. */
  names(path: string): string[];
}

export const realSystem: System = {
  // Debian's release has an ABI number where the patch number belongs; its version tells it.
  release: /\bDebian (\d+\.\d+\.\d+)/.exec(version())?.[1] ?? release(),
  read(path) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  tryOpen(path) {
    try {
      closeSync(openSync(path, "r+"));
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "unknown error";
    }
  },
  names(path) {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
};

export function staticChecks(system: System): Check[] {
  return [
    checkKernel(system),
    checkLoopControl(system),
    checkRights(system),
    checkNodes(system),
    checkUdev(system),
  ];
}

function checkKernel({ release }: System): Check {
  const facts = factsOf(release);
  return {
    name: "kernel",
    status: facts.some(({ status }) => status === "warn") ? "warn" : "ok",
    found: `Linux ${escapeText(release)}`,
    meaning:
      facts.length === 0
        ? "It has LOOP_CONFIGURE, and disk sequence numbers that rise."
        : facts.map(({ text }) => text).join(" "),
    advice: facts.some(({ status }) => status === "warn") ? "Use a newer kernel if you can." : null,
  };
}

const control = "/dev/loop-control";

function checkLoopControl(system: System): Check {
  const code = system.tryOpen(control);
  const base = { name: "loop-control", status: "fail" } as const;
  switch (code) {
    case undefined:
      return {
        ...base,
        status: "ok",
        found: `${control} opens`,
        meaning: "Free loop devices can be asked for.",
        advice: null,
      };
    case "ENOENT":
      return {
        ...base,
        found: `there is no ${control}`,
        meaning: "The loop driver is not loaded, or this /dev (of a container?) lacks the node.",
        advice:
          `Load it: 'modprobe loop'. In a container: '--device ${control}' or ` +
          `'mknod ${control} c 10 237'.`,
      };
    case "EACCES":
    case "EPERM":
      return {
        ...base,
        found: `${control}: ${code}`,
        meaning: "This process may not use loop devices.",
        advice:
          "Run it as root. In a container the device cgroup must allow it: " +
          "--privileged, or --device-cgroup-rule 'b 7:* rmw' and 'c 10:237 rmw'.",
      };
    case "ENODEV":
    case "ENXIO":
      return {
        ...base,
        found: `${control}: ${code}`,
        meaning: "The node is there, the driver is not.",
        advice: "Load it: 'modprobe loop', or use a kernel with CONFIG_BLK_DEV_LOOP.",
      };
    default:
      return {
        ...base,
        found: `${control}: ${code}`,
        meaning: "It cannot be opened.",
        advice: "See the kernel's log (dmesg).",
      };
  }
}

/** CAP_SYS_ADMIN (include/uapi/linux/capability.h). */
const sysAdmin = 21n;

function checkRights(system: System): Check {
  const hex = /^CapEff:\s*([0-9a-f]+)/im.exec(system.read("/proc/self/status") ?? "")?.[1];
  const capable = hex !== undefined && ((BigInt(`0x${hex}`) >> sysAdmin) & 1n) === 1n;
  // The first user namespace maps every id to itself.
  const map = (system.read("/proc/self/uid_map") ?? "").trim().split(/\s+/).join(" ");
  const nested = map !== "" && map !== "0 0 4294967295";
  const name = "rights";
  if (!capable) {
    return {
      name,
      status: "warn",
      found: "no CAP_SYS_ADMIN",
      meaning: "Most calls on loop devices will be refused.",
      advice: "Run it as root (sudo).",
    };
  }
  return nested
    ? {
        name,
        status: "warn",
        found: "CAP_SYS_ADMIN in a user namespace",
        meaning: "Loop devices ask for it in the first user namespace.",
        advice: "Run it outside of the user namespace (a container: not rootless).",
      }
    : { name, status: "ok", found: "CAP_SYS_ADMIN", meaning: "", advice: null };
}

function checkNodes(system: System): Check {
  const mounts = (system.read("/proc/mounts") ?? "").split("\n").map((line) => line.split(" "));
  const type = mounts.findLast(([, path]) => path === "/dev")?.[2];
  return type === "devtmpfs"
    ? {
        name: "nodes",
        status: "ok",
        found: "devtmpfs on /dev",
        meaning: "The kernel makes the nodes of devices and partitions.",
        advice: null,
      }
    : {
        name: "nodes",
        status: "warn",
        found: type === undefined ? "/dev is a plain directory" : `${escapeText(type)} on /dev`,
        meaning: "Nodes of new devices and partitions do not appear by themselves.",
        advice: "Attach with --mknod.",
      };
}

const udevSocket = "/run/udev/control";
const udevNames = new Set(["systemd-udevd", "udevd", "(udev-worker)", "eudev"]);

function checkUdev(system: System): Check {
  // /proc/net/unix shows who listens; it is that of our network namespace, so processes count too.
  const listens = (system.read("/proc/net/unix") ?? "").includes(` ${udevSocket}\n`);
  const running =
    listens ||
    system
      .names("/proc")
      .some(
        (pid) =>
          /^\d+$/.test(pid) && udevNames.has((system.read(`/proc/${pid}/comm`) ?? "").trim()),
      );
  return running
    ? {
        name: "udevd",
        status: "ok",
        found: listens ? `listens on ${udevSocket}` : "runs, but not where we can reach it",
        meaning: "It makes /dev/disk/by-* links, and opens new devices while others work on them.",
        advice: null,
      }
    : {
        name: "udevd",
        status: "info",
        found: "does not run here",
        meaning: "There will be no /dev/disk/by-* links; nothing else is missing.",
        advice: null,
      };
}
