/**
 * What must hold of the tree as a whole: the built modules' shape, the rooms and who may import
 * whom, the README. Reads files only.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../assembly/abi.ts";
import { commands } from "../host/cli/commands.ts";
import { transitionDiagram } from "./helpers/diagram.ts";
import { packageRoot } from "./helpers/root.ts";
import { skip } from "./helpers/skip.ts";
import { wasm } from "./helpers/wasm.ts";

const corePath = join(packageRoot, "build/core.wasm");
/** What is built, and how big each may get. */
const modules = [
  { path: corePath, bytesMax: 96 * 1024 },
  { path: join(packageRoot, "build/kernel.wasm"), bytesMax: 64 * 1024 },
  { path: join(packageRoot, "build/world.wasm"), bytesMax: 80 * 1024 },
];
const linesMax = 400;
/** One list on purpose: every number of the boundary. */
const listOnPurpose = "assembly/abi.ts";
const columnsMax = 100;
/** Only asc compiles these. */
const wasmOnly = [
  "assembly/core/index.ts",
  "assembly/explore/index.ts",
  "assembly/kernel/index.ts",
  "assembly/world/index.ts",
  "assembly/native/words.ts",
  "assembly/panic.ts",
];

test("a module imports nothing and is small", () => {
  for (const { path, bytesMax } of modules) {
    const bytes = readFileSync(path);
    assert.equal(wasm.Module.imports(new wasm.Module(bytes)), [], path);
    assert.ok(bytes.length <= bytesMax, `${path}: ${bytes.length} bytes`);
  }
});

test("a module's memory never grows", () => {
  for (const { path } of modules) {
    const [initial, maximum] = memoryLimits(readFileSync(path));
    assert.ok(initial !== undefined && initial > 0);
    assert.is(maximum, initial, path);
  }
});

test("any runtime loads core.wasm in a few lines of plain JavaScript", () => {
  const script = `
    const { readFileSync } = require("node:fs");
    const module = new WebAssembly.Module(readFileSync(process.argv[1]));
    const { exports } = new WebAssembly.Instance(module);
    exports.start(1n, 4, 16, 8);
    const refused = exports.handleCommand(0n);
    console.log(refused === -exports["Fault.UnknownCommand"].value, exports.pollCall());`;
  const args = ["--input-type=commonjs", "--eval", script, corePath];
  assert.is(execFileSync(process.execPath, args, { encoding: "utf8" }), "true 0\n");
});

test("core.wasm exports every number of abi.ts", () => {
  const { exports } = new wasm.Instance(new wasm.Module(readFileSync(corePath)));
  let checked = 0;
  for (const [name, members] of Object.entries(abi)) {
    for (const [member, value] of Object.entries(members)) {
      if (typeof value === "number") {
        const found = exports[`${name}.${member}`] as { readonly value: number } | undefined;
        assert.is(found?.value, value, `${name}.${member}`);
        checked += 1;
      }
    }
  }
  assert.ok(checked > 100);
});

test("no file of assembly/ and host/ is longer than a room", () => {
  const long = sources("assembly", "host")
    .map(([path, text]) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ path, lines }) => lines > linesMax && path !== listOnPurpose);
  assert.equal(long, []);
});

test("no line is wider than 100 columns", () => {
  const wide = sources("assembly", "host", "test").flatMap(([path, text]) =>
    text
      .split("\n")
      .flatMap((line, index) => ([...line].length > columnsMax ? [`${path}:${index + 1}`] : [])),
  );
  assert.equal(wide, []);
});

test("assembly/ has no state outside its memory", () => {
  expectNowhere(sources("assembly"), /^(export )?(let|var)\b/m);
});

test("assembly/ stays within what both compilers know", () => {
  const portable = sources("assembly").filter(([path]) => !wasmOnly.includes(path));
  expectNowhere(portable, /\b(load|store|changetype|reinterpret)</);
  expectNowhere(portable, /^\s*@\w+/m);
});

test("assembly/ knows no host", () => {
  for (const [path, text] of sources("assembly")) {
    for (const target of imported(path, text)) {
      assert.ok(target.startsWith("assembly/"), `${path} imports ${target}`);
    }
  }
});

test("koffi is imported only in host/linux", () => {
  for (const [path, text] of sources("host", "test")) {
    if (imported(path, text).includes("koffi")) {
      assert.ok(path.startsWith("host/linux/"), `${path} imports koffi`);
    }
  }
});

test("what replays a trace runs on any runtime", () => {
  const found = new Map<string, string>();
  const follow = (path: string): void => {
    if (found.has(path)) return;
    const text = readFileSync(join(packageRoot, path), "utf8");
    found.set(path, text);
    for (const target of imported(path, text)) {
      assert.ok(target.endsWith(".ts"), `${path} imports ${target}`);
      follow(target);
    }
  };
  for (const path of ["host/trace.ts", "host/core.ts"]) follow(path);
  assert.ok(found.has("host/trace/uevents.ts") && found.has("assembly/core/machine.ts"));
  expectNowhere([...found], /\b(Buffer|process)\.\w|\brequire\(/);
});

test("the kernels never import one another", () => {
  const rooms = ["host/linux/", "host/sim/", "host/trace/"];
  for (const [path, text] of sources("host")) {
    const own = rooms.find((room) => path.startsWith(room));
    const others = rooms.filter((room) => own !== undefined && room !== own);
    for (const target of imported(path, text)) {
      assert.not.ok(
        others.some((room) => target.startsWith(room)),
        `${path} imports ${target}`,
      );
    }
  }
});

test("the code of pages knows no Node module and no package", () => {
  const pages = sources("host").filter(([path]) => path.startsWith("host/trace/page/"));
  assert.ok(pages.length > 0);
  for (const [path, text] of pages) {
    for (const target of imported(path, text)) {
      assert.ok(target.startsWith("host/"), `${path} imports ${target}`);
      assert.not.ok(target.startsWith("host/cli/"), `${path} imports ${target}`);
    }
  }
});

test("the top level holds only what was agreed", () => {
  const names = readdirSync(packageRoot).filter((name) => !ignored().includes(name));
  for (const name of names) {
    assert.ok(name.startsWith(".") || topLevel.includes(name), `${name} at the top level`);
  }
});

test("koffi is the only dependency at run time, and pinned", () => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  assert.equal(Object.keys(dependencies), ["koffi"]);
  assert.match(dependencies.koffi, /^\d+\.\d+\.\d+$/);
});

test("no file names a place of one machine", () => {
  const places = ["work", "farm"].map((name) => `/${name}/`).join("|");
  const pattern = new RegExp(`(^|[^A-Za-z0-9_.])(${places})`, "m");
  expectNowhere(allFiles(), pattern);
});

test("the commands of the README exist", () => {
  const readme = readReadme();
  const known = commands.map(({ name }) => name);
  for (const [, name = ""] of readme.matchAll(/\bnpx diskseq ([a-z][\w-]*)/g)) {
    assert.ok(known.includes(name), `npx diskseq ${name}`);
  }
  for (const line of ["npm ci && npx diskseq demo", "npm ci && npm test"]) {
    assert.ok(readme.includes(line), `README says '${line}'`);
  }
});

test("the README's diagram is that of the tables", () => {
  const diagram = /```mermaid\n([\s\S]*?)\n```/.exec(readReadme())?.[1];
  if (diagram === undefined) {
    skip("the README's diagram is that of the tables: it has none yet");
    return;
  }
  assert.is(diagram, transitionDiagram(), "node build/test/helpers/programs/diagram.js prints it");
});

const topLevel: readonly string[] = [
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "asconfig.json",
  "biome.json",
  "assembly",
  "host",
  "test",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
];

function ignored(): readonly string[] {
  const lines = readFileSync(join(packageRoot, ".gitignore"), "utf8").split("\n");
  return lines.map((line) => line.replace(/\/$/, ""));
}

function readReadme(): string {
  const path = join(packageRoot, "README.md");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

type Source = readonly [path: string, text: string];

function sources(...rooms: readonly string[]): Source[] {
  return rooms.flatMap((room) => filesBelow(room)).filter(([path]) => path.endsWith(".ts"));
}

function allFiles(): Source[] {
  const names = readdirSync(packageRoot);
  return names
    .filter((name) => name !== ".git" && !ignored().includes(name))
    .flatMap((name) => filesBelow(name));
}

function filesBelow(name: string): Source[] {
  const path = join(packageRoot, name);
  const names = statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, encoding: "utf8" }).map((inner) => join(name, inner))
    : [name];
  return names
    .filter((one) => statSync(join(packageRoot, one)).isFile())
    .map((one) => [one, readFileSync(join(packageRoot, one), "utf8")]);
}

function expectNowhere(files: readonly Source[], pattern: RegExp): void {
  assert.ok(files.length > 0);
  for (const [path, text] of files) {
    const match = pattern.exec(text);
    const line = text.slice(0, match?.index).split("\n").length;
    assert.is(match, null, `${path}:${line}: ${match?.[0]}`);
  }
}

/** What a file imports: a package's name, or a path from the top level. */
function imported(path: string, text: string): string[] {
  const names = [...text.matchAll(/(?<!")\b(?:from|import)\s*\(?\s*"([^"]+)"/g)];
  return names.map(([, name = ""]) => (name.startsWith(".") ? join(path, "..", name) : name));
}

/** Pages at the start and at most: section 5 of the module. */
function memoryLimits(bytes: Uint8Array): readonly (number | undefined)[] {
  let at = 8;
  const readNumber = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const section = readNumber();
    const length = readNumber();
    if (section === 5) {
      assert.is(readNumber(), 1, "one memory");
      const hasMaximum = readNumber() === 1;
      return [readNumber(), hasMaximum ? readNumber() : undefined];
    }
    at += length;
  }
  return [];
}

test.run();
