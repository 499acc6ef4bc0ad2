/**
 * The model is held against what real kernels did: every call of every recorded scenario must give
 * the same result, the same sysfs and the same events, and every race must be one of its orders.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadJsModel, loadWasmModel } from "../../host/sim/load.ts";
import { validateTrace } from "../../host/sim/validate.ts";
import { packageRoot } from "../helpers/root.ts";

const wasmBytes = readFileSync(join(packageRoot, "build/kernel.wasm"));

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
