/**
 * Packages of any suite of Debian, from where this machine's apt gets its own. Each user has a
 * directory of apt's, so that the machine's apt hears of no other suite. Installs nothing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Archives, archivesIn, sourcesFor } from "./sources.ts";
import { cache, run } from "./tools.ts";

/** Debian's archives by this machine's configuration of apt. */
export function machineArchives(): Archives {
  const list = "/etc/apt/sources.list";
  const parts = `${list}.d`;
  const named = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  const paths = [list, ...named].filter((path) => /\.(list|sources)$/.test(path));
  const present = paths.filter((path) => existsSync(path));
  return archivesIn(present.map((name) => ({ name, text: readFileSync(name, "utf8") })));
}

export class PrivateApt {
  readonly #directory: string;
  readonly #options: readonly string[];

  /** With fresh lists of what the suites have. `name`: of its directory. */
  static async open(name: string, suites: readonly string[]): Promise<PrivateApt> {
    const archives = machineArchives();
    if (!archives.main) throw new Error("needs a machine whose apt knows an archive of Debian");
    const apt = new PrivateApt(join(cache, `apt-${name}`));
    for (const part of ["state/lists/partial", "cache/archives/partial"]) {
      mkdirSync(join(apt.#directory, part), { recursive: true });
    }
    writeFileSync(join(apt.#directory, "suites.sources"), sourcesFor(archives, suites));
    writeFileSync(join(apt.#directory, "status"), "");
    await apt.#run("apt-get", ["-qq", "update"]);
    return apt;
  }

  private constructor(directory: string) {
    this.#directory = directory;
    const at = (name: string) => join(directory, name);
    const settings = {
      "Dir::Etc::sourcelist": at("suites.sources"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "Dir::State": at("state"),
      "Dir::State::status": at("status"),
      "Dir::Cache": at("cache"),
      "Acquire::Languages": "none",
      "APT::Architecture": "amd64",
      "APT::Install-Recommends": "false",
      "APT::Sandbox::User": "root",
    };
    this.#options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  }

  /** Names of packages that match. */
  async search(pattern: string): Promise<string[]> {
    const found = await this.#run("apt-cache", ["search", "--names-only", pattern]);
    return found.split("\n").flatMap((line) => line.split(" ", 1).filter(Boolean));
  }

  /** A table of all their versions, a line each: name, version, where. */
  async versions(names: readonly string[]): Promise<string> {
    return this.#run("apt-cache", ["madison", ...names]);
  }

  /** These packages and all that they depend on. */
  async closure(names: readonly string[]): Promise<string[]> {
    const plan = await this.#run("apt-get", ["--simulate", "install", ...names]);
    return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = ""]) => name);
  }

  /** Their files, over one another; no script of theirs runs. */
  async extract(names: readonly string[], into: string): Promise<void> {
    const work = join(this.#directory, "packages");
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work);
    await this.#run("apt-get", ["-qq", "download", ...names], work);
    for (const file of readdirSync(work)) await run("dpkg-deb", ["-x", join(work, file), into]);
    rmSync(work, { recursive: true });
  }

  #run(tool: string, args: readonly string[], directory = this.#directory): Promise<string> {
    return run(tool, [...this.#options, ...args], directory);
  }
}
