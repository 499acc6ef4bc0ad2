/**
 * Archives that a kernel unpacks into its first root, one after the other: a minimal Debian, the
 * kernel's modules, and this package with its tests.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { start } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";
import { cache } from "./tools.ts";

/** Where a guest has the package. */
export const guestPackage = "diskseq";

const built = [
  "core.wasm",
  "kernel.wasm",
  "world.wasm",
  "explore.wasm",
  "assembly",
  "host",
  "test",
];
/** What the end-to-end tests import, beside what the package itself depends on. */
const testLibraries = ["uvu"];

/** Files and directories by their paths from the directory, with the directories above them. */
export async function pack(
  directory: string,
  names: readonly string[],
  into: string,
): Promise<void> {
  const all = new Set(names.flatMap(withParents));
  const script = 'cpio --quiet -0 -o -H newc -R 0:0 >"$0"';
  const input = [...all].sort().join("\0");
  const { status, stderr } = await start("sh", ["-c", script, into], { directory, input }).outcome;
  if (status !== 0) throw new Error(`cpio: ${stderr}`);
}

function withParents(name: string): string[] {
  const parent = dirname(name);
  return parent === "." ? [name] : [...withParents(parent), name];
}

/** All that the tests need of the package; what the guest has to do is written beside it. */
export async function packPackage(into: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "package-"));
  const home = join(work, guestPackage);
  mkdirSync(home);
  const copy = (name: string) =>
    cpSync(join(packageRoot, name), join(home, name), { recursive: true });
  copy("package.json");
  copy("test");
  for (const name of built) copy(`build/${name}`);
  for (const name of libraries()) copy(`node_modules/${name}`);
  cpSync(join(packageRoot, "test/kernels/init"), join(work, "init"));
  chmodSync(join(work, "init"), 0o755);
  await packAll(work, into);
  rmSync(work, { recursive: true });
}

/** A whole directory. */
export async function packAll(directory: string, into: string): Promise<void> {
  const script = 'find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc -R 0:0 >"$0"';
  const { status, stderr } = await start("sh", ["-c", script, into], { directory }).outcome;
  if (status !== 0) throw new Error(`cpio: ${stderr}`);
}

/** Packages at run time of the package and its tests; those for other systems are not there. */
function libraries(): string[] {
  const found = new Set<string>();
  const follow = (name: string, isOptional: boolean): void => {
    if (found.has(name)) return;
    const path = join(packageRoot, "node_modules", name, "package.json");
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if (isOptional) return;
      throw error;
    }
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text);
    for (const one of Object.keys(optionalDependencies)) follow(one, true);
    for (const one of Object.keys(dependencies)) follow(one, one in optionalDependencies);
  };
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  for (const name of [...Object.keys(dependencies), ...testLibraries]) follow(name, false);
  return [...found];
}
