/**
 * The runtimes that core.wasm is run in: what each one needs, where it is found, how it is got, and
 * how its host is started. What is got lies below build/conformance/, at exact versions.
 */
import { accessSync, constants, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { start } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";
import { type Printed, runInChromium } from "./chromium.ts";
import type { Consumer } from "./consumer.ts";
import type { VectorFile } from "./runner.ts";
import { corePath } from "./vectors.ts";

/** A runtime that is there. */
export interface Runtime {
  readonly version: string;
  /** Runs the host on files. */
  run(consumer: Consumer, files: readonly VectorFile[]): Promise<Printed>;
  /** Runs another module of the kit; not where Node's modules are not known. */
  runModule?(consumer: Consumer, name: string, args?: readonly string[]): Promise<Printed>;
}

/** Finds a runtime, or says why it is not there. `mayGet`: it may be got, by npm. */
type Find = (mayGet: boolean) => Promise<Runtime | string>;

const cache = join(packageRoot, "build/conformance");

/** Packages that bring a runtime, about 100 MB each once they are unpacked. */
const bun = { name: "bun", version: "1.4.5", scope: "@oven", file: "bin/bun" };
const deno = { name: "deno", version: "2.9.6", scope: "@deno", file: "deno" };

export const runtimes: Readonly<Record<string, Find>> = {
  node: async () => script(process.execPath, process.version.slice(1)),
  bun: (mayGet) => packaged(bun, [], mayGet),
  deno: (mayGet) => packaged(deno, ["run", "--no-remote", "--allow-read", "--allow-env"], mayGet),
  chromium: findChromium,
  c: findC,
};

/* Runtimes that run host.js as Node does. */

function script(file: string, version: string, options: readonly string[] = []): Runtime {
  const run = async (consumer: Consumer, name: string, args: readonly string[] = []) => {
    const words = [...options, consumer.path(name), ...args];
    return printed(file, words, consumer.directory);
  };
  return {
    version,
    run: (consumer, files) =>
      run(consumer, "host.js", [consumer.runtime, corePath, ...consumer.write(files)]),
    runModule: run,
  };
}

async function printed(file: string, args: readonly string[], directory: string): Promise<Printed> {
  const { status, signal, stdout, stderr } = await start(file, args, { directory }).outcome;
  const ended = signal === null ? "" : `ended by ${signal}\n`;
  return { status: status ?? 1, text: `${stdout}${stderr}${ended}`.trim() };
}

type Package = typeof bun;

/** Nothing but the package; who has no network is told so soon. */
const npmOptions = [
  ...["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"],
  ...["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"],
];

async function packaged(
  { name, version, scope, file }: Package,
  options: readonly string[],
  mayGet: boolean,
): Promise<Runtime | string> {
  const directory = join(cache, `${name}-${version}`);
  const find = (): string | undefined => {
    const scoped = join(directory, "node_modules", scope);
    return firstThere(namesIn(scoped).map((one) => join(scoped, one, file)));
  };
  let path = find();
  if (path === undefined && !mayGet) {
    return `version ${version} is not there yet; npm run test:conformance gets it`;
  }
  if (path === undefined) {
    mkdirSync(directory, { recursive: true });
    const args = ["install", "--prefix", directory, ...npmOptions, `${name}@${version}`];
    const { stderr } = await start("npm", args, { deadlineMs: 300_000 }).outcome;
    path = find();
    const reason = stderr.split("\n").find((line) => line.startsWith("npm error")) ?? "";
    if (path === undefined) return `npm cannot get version ${version}: ${reason}`;
  }
  return script(path, version, options);
}

/* A browser. */

async function findChromium(): Promise<Runtime | string> {
  const path = inPath("chromium", "chromium-browser", "google-chrome");
  if (path === undefined) return "it is not installed (Debian: apt-get install chromium)";
  const { text } = await printed(path, ["--version"], packageRoot);
  return {
    version: /\d[\d.]*/.exec(text)?.[0] ?? "of unknown version",
    run: (consumer, files) => runInChromium(path, consumer.directory, corePath, files),
  };
}

/* C. */

/** Where the C that every module made by wasm2c needs lies: of Debian, of a build of one's own. */
const runtimeDirectories = ["/usr/src/wasm2c", "/usr/local/share/wabt/wasm2c"];

async function findC(): Promise<Runtime | string> {
  const [wasm2c, compiler] = [inPath("wasm2c"), inPath("cc", "gcc", "clang")];
  if (wasm2c === undefined) return "there is no wasm2c (Debian: apt-get install wabt)";
  if (compiler === undefined) return "there is no C compiler (Debian: apt-get install gcc)";
  const directory = runtimeDirectories.find((one) => namesIn(one).includes("wasm-rt-impl.c"));
  if (directory === undefined) return "wasm2c is there without its wasm-rt-impl.c";
  const { text: version } = await printed(wasm2c, ["--version"], packageRoot);
  const made = join(cache, "c");
  mkdirSync(made, { recursive: true });
  const source = join(made, "core.c");
  const program = join(made, "host");
  const translated = await printed(wasm2c, [corePath, "--module-name=core", "-o", source], made);
  if (translated.status !== 0) return `wasm2c ${version} refuses: ${lastLine(translated.text)}`;
  const isOld = readFileSync(join(made, "core.h"), "utf8").includes("Z_core_instance_t");
  const names = isOld ? ["-DWASM2C_1_0_32"] : [];
  const host = join(packageRoot, "test/conformance/host.c");
  const given = namesIn(directory).filter((name) => name.endsWith("-impl.c"));
  const sources = [host, source, ...given.map((name) => join(directory, name))];
  const includes = [`-I${made}`, `-I${directory}`];
  const args = ["-O1", "-w", ...names, ...includes, "-o", program, ...sources, "-lm"];
  const built = await printed(compiler, args, made);
  if (built.status !== 0) throw new Error(`host.c does not compile: ${built.text}`);
  return {
    version: `wasm2c ${version}`,
    run: (consumer, files) => printed(program, consumer.write(files), made),
  };
}

/* Files. */

function inPath(...names: readonly string[]): string | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter);
  return firstThere(names.flatMap((name) => directories.map((one) => join(one, name))));
}

function firstThere(paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** None where there is no such directory. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
