/**
 * The minimal Debian that every guest runs: udev and the tools of the tests, by debootstrap, and
 * this very Node. Made once for a version of Node.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { machineArchives } from "./apt.ts";
import { packAll } from "./archive.ts";
import { rootSuite } from "./debian.ts";
import { cache, run } from "./tools.ts";

const packages = ["udev", "util-linux", "mount", "fdisk", "e2fsprogs", "kmod", "python3"];
/** What no program of a guest reads; modules are packed with their kernel. */
const unread = ["doc", "man", "locale", "info", "zoneinfo"].map((name) => `usr/share/${name}`);
const emptied = [...unread, "var/cache", "var/lib/apt", "var/log", "usr/lib/modules"];

/** The tree itself, which kernels' modules are prepared in. */
export const rootTree = join(cache, "root");

export const rootArchive = join(cache, `root-node-${process.version}.cpio`);

export function hasRoot(): boolean {
  return existsSync(rootArchive) && existsSync(rootTree);
}

/** Rejects where Node does not run in it. */
export async function makeRoot(): Promise<void> {
  const archive = machineArchives().main;
  if (!archive) throw new Error("needs a machine whose apt knows an archive of Debian");
  const work = `${rootTree}.new`;
  for (const old of [work, rootTree]) rmSync(old, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const { signedBy } = archive;
  const keyring = signedBy?.startsWith("/") ? [`--keyring=${signedBy.split(" ", 1)[0]}`] : [];
  const words = ["--arch=amd64", "--variant=minbase", `--include=${packages.join()}`, ...keyring];
  await run("debootstrap", [...words, rootSuite, work, archive.uri]);
  for (const name of emptied) rmSync(join(work, name), { recursive: true, force: true });
  await addNode(work);
  mkdirSync(join(work, "usr/lib/modules"));
  renameSync(work, rootTree);
  await packAll(rootTree, `${rootArchive}.new`);
  renameSync(`${rootArchive}.new`, rootArchive);
}

/** With those of its libraries that the root has not. */
async function addNode(root: string): Promise<void> {
  copyFileSync(process.execPath, join(root, "usr/bin/node"));
  const linked = await run("ldd", [process.execPath]).catch(() => "");
  for (const [path] of linked.matchAll(/\/\S+/g)) {
    const placed = join(root, path);
    if (existsSync(placed)) continue;
    mkdirSync(dirname(placed), { recursive: true });
    copyFileSync(path, placed);
  }
  await run("chroot", [root, "node", "--version"]);
}
