/**
 * Replays every trace of a directory: `replay-all.js DIRECTORY [RECORDS]`. All of them in Wasm; in
 * the JavaScript build, whose hashes are slow, so many records. One that was cut short is replayed
 * as far as it goes. Exits 1 and names the trace where one differs.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadJsCore } from "../../../host/core.ts";
import { loadDefaultCore } from "../../../host/core-file.ts";
import { type Replayed, replay } from "../../../host/trace/replay.ts";
import { splitLines } from "../../../host/trace/split.ts";
import { packageRoot } from "../root.ts";

const [directory = "", limit = "20000"] = process.argv.slice(2);
const kept = join(packageRoot, "build/failed-traces");
const total = { traces: 0, records: 0, cut: 0, js: 0 };
let jsLeft = Number(limit);

for (const name of readdirSync(directory).sort()) {
  const path = join(directory, name);
  const bytes = readFileSync(path);
  // What was written last when the process died may be half a line, or nothing.
  const lines = bytes.subarray(0, bytes.lastIndexOf("\n") + 1);
  if (lines.length === 0) continue;
  const replayed = await replay(splitLines([lines]), loadDefaultCore);
  check(path, name, replayed, "Wasm");
  total.traces += 1;
  total.records += replayed.records;
  if (replayed.isCut) total.cut += 1;
  if (jsLeft <= 0) continue;
  const again = await replay(splitLines([lines]), loadJsCore, { to: jsLeft });
  jsLeft -= again.records;
  total.js += 1;
  check(path, name, again, "JavaScript");
}

const { traces, records, cut, js } = total;
console.log(
  `${traces} traces replayed, ${records} records, ${js} of them in both builds, ${cut} cut`,
);

function check(path: string, name: string, { divergence }: Replayed, build: string): void {
  if (divergence === undefined) return;
  mkdirSync(kept, { recursive: true });
  copyFileSync(path, join(kept, name));
  console.log(`${build}, line ${divergence.line}: ${divergence.expected}`);
  console.log(`this core: ${divergence.actual}`);
  console.log(`npx diskseq replay build/failed-traces/${name}`);
  process.exitCode = 1;
}
