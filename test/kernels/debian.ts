/**
 * Kernels as Debian packages them: finds the newest of an era, fetches it, takes out what a guest
 * needs of it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PrivateApt } from "./apt.ts";
import { pack } from "./archive.ts";
import { cache, run } from "./tools.ts";

/** An era is the beginning of a kernel's version; Debian carries each in one of these suites. */
export const eras = ["5.10", "6.1", "6.12", "7"] as const;
export type Era = (typeof eras)[number];

export const rootSuite = "bookworm";
const kernelSuites = ["bullseye", rootSuite, "sid"].flatMap((name) =>
  name === "sid" ? [name] : [name, `${name}-security`],
);

/** What a guest loads, with all that it depends on; all else that it needs is built in. */
const modules = ["loop", "nbd", "scsi_debug", "sd_mod", "zram"];

/** What zram asks the kernel for by itself, where that is a module. */
const asked = ["lzo-rle"];

/** Named after what is in it, so that a kernel whose modules are others is fetched anew. */
const modulesArchive = `${[...modules, ...asked].join("+")}.cpio`;

/** What a guest boots. */
export interface Kernel {
  readonly era: Era;
  readonly kernel: string;
  /** its modules, as a cpio archive */
  readonly modules: string;
}

export function kernelOf(era: Era): Kernel {
  const directory = join(cache, era);
  return { era, kernel: join(directory, "vmlinuz"), modules: join(directory, modulesArchive) };
}

export function hasKernel(era: Era): boolean {
  return existsSync(kernelOf(era).modules);
}

/** Fetched once for all eras. */
let lists: Promise<PrivateApt> | undefined;

/**
 * Fetches the newest kernel of the era.
 *
 * @param root a Debian root that has kmod
 */
export async function fetchKernel(era: Era, root: string): Promise<void> {
  lists ??= PrivateApt.open("kernels", kernelSuites);
  const apt = await lists;
  const names = await kernelPackages(apt, era);
  const work = join(cache, `${era}.new`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  await apt.extract(names, work);
  const isMerged = existsSync(join(work, "usr/lib/modules"));
  const tree = join(work, isMerged ? "usr/lib/modules" : "lib/modules");
  const [version = ""] = readdirSync(tree);
  const inBoot = join(work, "boot", `vmlinuz-${version}`);
  renameSync(existsSync(inBoot) ? inBoot : join(tree, version, "vmlinuz"), join(work, "vmlinuz"));
  await packModules(root, tree, version, join(work, modulesArchive));
  for (const made of ["usr", "lib", "boot"])
    rmSync(join(work, made), { recursive: true, force: true });
  rmSync(join(cache, era), { recursive: true, force: true });
  renameSync(work, join(cache, era));
}

/** The modules that a guest loads, and depmod's index of them. */
async function packModules(root: string, tree: string, version: string, into: string) {
  const placed = join(root, "usr/lib/modules");
  rmSync(placed, { recursive: true, force: true });
  mkdirSync(placed);
  await run("cp", ["--recursive", join(tree, version), placed]);
  await run("chroot", [root, "depmod", version]);
  const home = `usr/lib/modules/${version}`;
  const index = readFileSync(join(root, home, "modules.dep"), "utf8")
    .trim()
    .split("\n");
  const linesOf = (names: readonly string[]) =>
    index.filter((line) => names.some((name) => new RegExp(`/${name}\\.ko[^/]*:`).test(line)));
  const wanted = linesOf(modules);
  if (wanted.length !== modules.length) throw new Error(`${version} lacks one of ${modules}`);
  wanted.push(...linesOf(asked));
  const files = wanted.flatMap((line) => line.split(/[:\s]+/)).filter(Boolean);
  const tables = readdirSync(join(root, home)).filter((name) => name.startsWith("modules."));
  const all = [...new Set(files), ...tables].map((name) => `${home}/${name}`);
  await pack(root, all, into);
  rmSync(placed, { recursive: true });
}

/** The packages of the era's newest kernel for virtual machines: one, or image and modules. */
async function kernelPackages(apt: PrivateApt, era: Era): Promise<string[]> {
  const pattern = `^linux-(image|binary)-${era.replace(".", "\\.")}\\.[0-9][^ ]*-cloud-amd64$`;
  const table = await apt.versions(await apt.search(pattern));
  let newest = { name: "", version: "" };
  for (const line of table.trim().split("\n")) {
    const [name = "", version = ""] = line.split("|").map((word) => word.trim());
    if (newest.name === "" || (await isNewer(version, newest.version))) newest = { name, version };
  }
  if (newest.name === "") throw new Error(`no suite of ${kernelSuites} has a kernel ${era}`);
  // Where the image is a package without modules they have one of their own.
  const base = newest.name.replace(/^linux-(image|binary)-/, "");
  const apart = [`linux-binary-${base}`, `linux-modules-${base}`];
  const known = await apt.search(`^${apart[0]?.replaceAll("+", "\\+")}$`);
  return known.length === 0 ? [newest.name] : apart;
}

async function isNewer(version: string, other: string): Promise<boolean> {
  return run("dpkg", ["--compare-versions", version, "gt", other]).then(
    () => true,
    () => false,
  );
}
