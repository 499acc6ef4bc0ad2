/**
 * `diskseq/sim` and `diskseq/trace` as users get them: resolved by the package's own name, without
 * koffi, and the examples of the README.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { start } from "../helpers/process.ts";
import { packageRoot, scratchRoot } from "../helpers/root.ts";

/** Runs a module of a package that depends on diskseq, and has nothing else; or diskseq itself. */
async function runDependent(source: string, args?: readonly string[]) {
  const directory = mkdtempSync(join(scratchRoot, "diskseq-"));
  try {
    const target = join(directory, "node_modules/diskseq");
    mkdirSync(target, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
    for (const name of ["package.json", ...manifest.files]) {
      cpSync(join(packageRoot, name), join(target, name), { recursive: true });
    }
    const path = join(directory, "program.test.mjs");
    writeFileSync(path, source);
    const own = args && [join(target, manifest.bin.diskseq), ...args];
    return await start(process.execPath, own ?? [path], { directory }).outcome;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("diskseq/sim attaches where koffi is not installed", async () => {
  const { status, stdout, stderr } = await runDependent(`
    import { simulate } from "diskseq/sim";
    const name = "koffi";
    const isThere = await import(name).then(() => true, () => false);
    const session = simulate({ version: "6.1.192", images: { "/a.img": new Uint8Array(4096) } });
    const disk = await session.attach("/a.img");
    console.log(isThere, disk.device, disk.diskseq, (await disk.detach()).result);
    await session.close();`);
  assert.is(status, 0, stderr);
  assert.is(stdout, "false /dev/loop0 9n gone\n");
});

test("demo simulates where koffi is not installed", async () => {
  const { status, stdout, stderr } = await runDependent("", ["demo", "--json"]);
  assert.is(status, 0, stderr);
  assert.match(stderr, /diskseq: demo: .*koffi/);
  assert.is(JSON.parse(stdout).story.version, "6.12.90");
});

/** The first program of a section. */
function exampleOf(section: string): string {
  const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
  const [, text = ""] = readme.split(`\n## ${section}\n`);
  const [, source = ""] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
  return source;
}

test("the example of simulations works", async () => {
  const source = exampleOf("Testing without root");
  assert.match(source, 'from "diskseq/sim"');
  const { status, stderr } = await runDependent(source);
  assert.is(status, 0, stderr);
});

test("the example of traces replays one", async () => {
  const source = exampleOf("Traces");
  assert.match(source, 'from "diskseq/trace"');
  const { status, stdout, stderr } = await runDependent(`
    import { readFileSync } from "node:fs";
    import { simulate } from "diskseq/sim";
    const session = simulate({ version: "6.1.192", images: { "/a.img": new Uint8Array(4096) } });
    const trace = await session.trace("t.ndjson");
    await (await session.attach("/a.img")).detach();
    await session.close();
    await trace.close();
    const pieces = [readFileSync("t.ndjson")];
    const coreWasm = readFileSync(new URL(import.meta.resolve("diskseq/core.wasm")));
    ${source}
    console.log(divergence, pieces[0].length > 10_000);`);
  assert.is(status, 0, stderr);
  assert.is(stdout, "undefined true\n");
});

test.run();
