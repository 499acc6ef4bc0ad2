/**
 * A directory with a program that depends on diskseq: the package as it ships, without koffi, and
 * the modules of this kit that the runtimes run. It lies where no other package is found.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot, scratchRoot } from "../helpers/root.ts";
import type { VectorFile } from "./runner.ts";

/** What the runtimes run. */
const modules = ["runner.js", "host.js", "page.js", "simulation.js", "replaying.js"];

export class Consumer implements Disposable {
  /** for whom it is, as hosts print it */
  readonly runtime: string;
  readonly directory: string;

  constructor(runtime: string) {
    this.runtime = runtime;
    this.directory = mkdtempSync(join(scratchRoot, "diskseq-conformance-"));
    const target = this.path("node_modules/diskseq");
    mkdirSync(target, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
    for (const name of ["package.json", ...manifest.files]) {
      cpSync(join(packageRoot, name), join(target, name), { recursive: true });
    }
    const dependencies = { [manifest.name]: manifest.version };
    writeFileSync(this.path("package.json"), JSON.stringify({ type: "module", dependencies }));
    for (const name of modules) {
      cpSync(join(packageRoot, "build/test/conformance", name), this.path(name));
    }
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Writes files for a host that reads them; their paths. */
  write(files: readonly VectorFile[]): string[] {
    return files.map(({ name, text }) => {
      writeFileSync(this.path(name), text);
      return this.path(name);
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}
