/**
 * Kernels as Debian packages them: finds the newest of an era, fetches it, takes out what a guest
 * needs of it. Uses an apt directory of its own, so that the machine's apt hears of no other suite.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pack } from "./archive.ts";
import { type Archives, archivesIn, sourcesFor } from "./sources.ts";
import { cache, run } from "./tools.ts";

/** An era is the beginning of a kernel's version; Debian carries each in one of these suites. */
export const eras = ["5.10", "6.1", "6.12", "7"] as const;
export type Era = (typeof eras)[number];

export const rootSuite = "bookworm";
const kernelSuites = ["bullseye", rootSuite, "sid"].flatMap((name) =>
  name === "sid" ? [name] : [name, `${name}-security`],
);

/** What a guest loads, with all that it depends on; all else that it needs is built in. */
const modules = ["loop", "zram"];

/** What a guest boots. */
export interface Kernel {
  readonly era: Era;
  readonly kernel: string;
  /** its modules, as a cpio archive */
  readonly modules: string;
}

export function kernelOf(era: Era): Kernel {
  const directory = join(cache, era);
  return { era, kernel: join(directory, "vmlinuz"), modules: join(directory, "modules.cpio") };
}

export function hasKernel(era: Era): boolean {
  return existsSync(kernelOf(era).modules);
}

/** Debian's archives by this machine's configuration of apt. */
export function machineArchives(): Archives {
  const list = "/etc/apt/sources.list";
  const parts = `${list}.d`;
  const named = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  const paths = [list, ...named].filter((path) => /\.(list|sources)$/.test(path));
  const present = paths.filter((path) => existsSync(path));
  return archivesIn(present.map((name) => ({ name, text: readFileSync(name, "utf8") })));
}

/**
 * Fetches the newest kernel of the era.
 *
 * @param root a Debian root that has kmod
 */
export async function fetchKernel(era: Era, root: string): Promise<void> {
  const apt = await PrivateApt.open();
  const names = await apt.kernelPackages(era);
  const work = join(cache, `${era}.new`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const name of names) await apt.extract(name, work);
  const isMerged = existsSync(join(work, "usr/lib/modules"));
  const tree = join(work, isMerged ? "usr/lib/modules" : "lib/modules");
  const [version = ""] = readdirSync(tree);
  const inBoot = join(work, "boot", `vmlinuz-${version}`);
  renameSync(existsSync(inBoot) ? inBoot : join(tree, version, "vmlinuz"), join(work, "vmlinuz"));
  await packModules(root, tree, version, join(work, "modules.cpio"));
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
  const wanted = index.filter((line) =>
    modules.some((name) => new RegExp(`/${name}\\.ko[^/]*:`).test(line)),
  );
  if (wanted.length !== modules.length) throw new Error(`${version} lacks one of ${modules}`);
  const files = wanted.flatMap((line) => line.split(/[:\s]+/)).filter(Boolean);
  const tables = readdirSync(join(root, home)).filter((name) => name.startsWith("modules."));
  const all = [...new Set(files), ...tables].map((name) => `${home}/${name}`);
  await pack(root, all, into);
  rmSync(placed, { recursive: true });
}

class PrivateApt {
  readonly #directory = join(cache, "apt");
  readonly #options: readonly string[];

  /** With fresh lists of what the suites have. */
  static async open(): Promise<PrivateApt> {
    const archives = machineArchives();
    if (!archives.main) throw new Error("needs a machine whose apt knows an archive of Debian");
    const apt = new PrivateApt();
    for (const name of ["state/lists/partial", "cache/archives/partial"]) {
      mkdirSync(join(apt.#directory, name), { recursive: true });
    }
    writeFileSync(join(apt.#directory, "kernels.sources"), sourcesFor(archives, kernelSuites));
    writeFileSync(join(apt.#directory, "status"), "");
    await apt.#run("apt-get", ["-qq", "update"]);
    return apt;
  }

  private constructor() {
    const at = (name: string) => join(this.#directory, name);
    const settings = {
      "Dir::Etc::sourcelist": at("kernels.sources"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "Dir::State": at("state"),
      "Dir::State::status": at("status"),
      "Dir::Cache": at("cache"),
      "Acquire::Languages": "none",
      "APT::Architecture": "amd64",
      "APT::Sandbox::User": "root",
    };
    this.#options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  }

  /** The packages of the era's newest kernel for virtual machines: one, or image and modules. */
  async kernelPackages(era: Era): Promise<string[]> {
    const pattern = `^linux-(image|binary)-${era.replace(".", "\\.")}\\.[0-9][^ ]*-cloud-amd64$`;
    const found = await this.#run("apt-cache", ["search", "--names-only", pattern]);
    const names = found.split("\n").map((line) => line.split(" ", 1)[0] ?? "");
    const table = await this.#run("apt-cache", ["madison", ...names.filter(Boolean)]);
    let newest = { name: "", version: "" };
    for (const line of table.trim().split("\n")) {
      const [name = "", version = ""] = line.split("|").map((word) => word.trim());
      if (newest.name === "" || (await isNewer(version, newest.version)))
        newest = { name, version };
    }
    if (newest.name === "") throw new Error(`no suite of ${kernelSuites} has a kernel ${era}`);
    // Where the image is a package without modules they have one of their own.
    const base = newest.name.replace(/^linux-(image|binary)-/, "");
    const apart = [`linux-binary-${base}`, `linux-modules-${base}`];
    const known = await this.#run("apt-cache", [
      "search",
      "--names-only",
      `^${apart[0]?.replaceAll("+", "\\+")}$`,
    ]);
    return known === "" ? [newest.name] : apart;
  }

  async extract(name: string, into: string): Promise<void> {
    const work = join(this.#directory, "packages");
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work);
    await this.#run("apt-get", ["-qq", "download", name], work);
    for (const file of readdirSync(work)) await run("dpkg-deb", ["-x", join(work, file), into]);
    rmSync(work, { recursive: true });
  }

  #run(tool: string, args: readonly string[], directory = this.#directory): Promise<string> {
    return run(tool, [...this.#options, ...args], directory);
  }
}

async function isNewer(version: string, other: string): Promise<boolean> {
  return run("dpkg", ["--compare-versions", version, "gt", other]).then(
    () => true,
    () => false,
  );
}
