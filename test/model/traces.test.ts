/**
 * The model is held against what real kernels did: every call of every recorded scenario must give
 * the same result, the same sysfs and the same events, and every race must be one of its orders.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LoopError } from "../../host/errors.ts";
import { loadJsModel, loadJsWorld, loadWasmModel, loadWasmWorld } from "../../host/sim/load.ts";
import { type ValidateOptions, validateTrace } from "../../host/sim/validate.ts";
import { packageRoot } from "../helpers/root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/kernel.wasm"));
const worldBytes = readFileSync(join(packageRoot, "build/world.wasm"));

const wasm: ValidateOptions = {
  load: (options) => loadWasmModel(wasmBytes, options),
  loadWorld: (actors, options) => loadWasmWorld(worldBytes, actors, options),
};

/** Recorded without udev: nobody but the recorder touched the device. */
const plain = ["linux-5.10", "linux-6.1"] as const;

for (const name of plain) {
  test(`${name}: the model does what that kernel did`, async () => {
    const found = await validateTrace(read(name), {
      load: (options) => loadWasmModel(wasmBytes, options),
    });
    assert.is(found.difference, undefined);
    assert.equal([found.scenarios, found.calls, found.races], [48, 670, 24]);
    assert.ok(found.events > 500);
  });

  test(`${name}: so does its JavaScript build`, async () => {
    const found = await validateTrace(read(name), { load: loadJsModel });
    assert.is(found.difference, undefined);
  });
}

test("linux-6.1-udev252: some order of the calls and of udevd's steps makes it", async () => {
  const found = await validateTrace(read("linux-6.1-udev252"), wasm);
  assert.is(found.difference, undefined);
  assert.equal([found.scenarios, found.calls, found.races], [48, 670, 24]);
  assert.is(found.events, 738);
});

test("linux-6.1-udev252: so does the JavaScript build", async () => {
  const load = { load: loadJsModel, loadWorld: loadJsWorld };
  const found = await validateTrace(read("linux-6.1-udev252"), load);
  assert.is(found.difference, undefined);
});

test("what one udevd did is refuted by another, by other kernels, with an event less", async () => {
  const text = read("linux-6.1-udev252");
  const other = text.replace('"udev": "252"', '"udev": "259"');
  assert.ok((await validateTrace(other, wasm)).difference);
  for (const version of ["5.10.223", "5.15.50", "5.19.10", "6.1.100", "6.12.90", "7.2.13"]) {
    assert.ok((await validateTrace(text, { ...wasm, version })).difference, version);
  }
  const lines = text.split("\n");
  // Of BLKRRPART by udevd: the kernel's remove of one partition.
  const at = lines.findIndex((line) => line.includes("AUTOCLEAR in LOOP_CONFIGURE"));
  const removed = lines.findIndex((line, index) => index > at && line.includes('["remove@'));
  const fewer = lines.filter((_, index) => index !== removed).join("\n");
  assert.ok((await validateTrace(fewer, wasm)).difference);
});

test("a trace with a udevd needs one", async () => {
  try {
    await validateTrace(read("linux-6.1-udev252"), { load: loadJsModel });
    assert.unreachable();
  } catch (error) {
    assert.is((error as LoopError).code, "ERR_TRACE_FORMAT");
  }
});

test("a trace of one kernel is refuted by the model of another", async () => {
  const others = ["5.10.223", "5.15.50", "5.19.10", "6.1.100", "6.12.90", "7.2.13"];
  for (const version of others) {
    const load = (options: Parameters<typeof loadJsModel>[0]) => loadWasmModel(wasmBytes, options);
    const { difference } = await validateTrace(read("linux-6.1"), { version, load });
    assert.ok(difference, version);
  }
});

function read(name: string): string {
  return gunzipSync(readFileSync(join(packageRoot, `test/traces/${name}.ndjson.gz`))).toString();
}

test.run();
