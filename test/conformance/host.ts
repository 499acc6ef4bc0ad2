/** The host for runtimes that read files as Node does: `host.js RUNTIME CORE FILE...`. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { runFiles } from "./runner.ts";

const [runtime = "", core = "", ...paths] = process.argv.slice(2);
const files = paths.map((path) => ({ name: basename(path), text: readFileSync(path, "utf8") }));
const { lines, isGood } = runFiles(runtime, files, readFileSync(core));
console.log(lines.join("\n"));
process.exitCode = isGood ? 0 : 1;
