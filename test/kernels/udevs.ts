/**
 * Newer udevds than the root's: each with its libraries and rules in a tree of its own, which a
 * guest runs by chroot. Knows nothing of what they are put to.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PrivateApt } from "./apt.ts";
import { packAll } from "./archive.ts";
import { rootTree } from "./root.ts";
import { cache, run } from "./tools.ts";

/** Suites whose udevds differ in what they do when a disk was written. */
export const udevSuites = ["trixie", "sid"] as const;
export type UdevSuite = (typeof udevSuites)[number];

/** Where a guest has them, a directory for each suite. */
export const guestUdevs = "udevd";

/** What no udevd reads for a block device. */
const emptied = ["usr/share", "usr/lib/udev/hwdb.d", "usr/lib/x86_64-linux-gnu/gconv"];

export function udevArchive(suite: UdevSuite): string {
  return join(cache, `udevd-${suite}.cpio`);
}

export function hasUdev(suite: UdevSuite): boolean {
  return existsSync(udevArchive(suite));
}

/** Rejects where it does not run. Needs the root. */
export async function makeUdev(suite: UdevSuite): Promise<void> {
  const apt = await PrivateApt.open(suite, [suite]);
  const work = join(cache, `udevd-${suite}.new`);
  const tree = join(work, guestUdevs, suite);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  await apt.extract(await apt.closure(["udev", "base-files"]), tree);
  for (const name of emptied) rmSync(join(tree, name), { recursive: true, force: true });
  // Its rules name users and groups.
  for (const name of ["passwd", "group"]) {
    copyFileSync(join(rootTree, "etc", name), join(tree, "etc", name));
  }
  await run("chroot", [tree, "udevadm", "--version"]);
  await packAll(work, `${udevArchive(suite)}.new`);
  renameSync(`${udevArchive(suite)}.new`, udevArchive(suite));
  rmSync(work, { recursive: true });
}
