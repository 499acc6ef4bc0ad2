/** Bugs that are planted in the core, each by changing one place, and compiled into an explorer. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Violation } from "../../assembly/explore/words.ts";
import { start } from "./process.ts";
import { packageRoot } from "./root.ts";

export interface Plant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** what the swarm finds first */
  readonly violation: Violation;
  /** of 1000 seeds, one of which finds it: a change of core or kernel moves it */
  readonly first: number;
}

export const plants: readonly Plant[] = [
  {
    name: "events of later instances are told as mine",
    file: "assembly/core/order.ts",
    from: "if (!isPlugged || uevent.action !== Action.Remove) return Verdict.Later;",
    to: "if (!isPlugged || uevent.action !== Action.Remove) return Verdict.Mine;",
    violation: Violation.Believed,
    first: 1,
  },
  {
    name: "giving back forgets the descriptor of the device",
    file: "assembly/core/undo.ts",
    from: "return this.close(operation, Field.DeviceDescriptor);",
    to: "return Outcome.Ok;",
    violation: Violation.LeftLocked,
    first: 1,
  },
  {
    name: "a wait takes any instance for the one that it waits for",
    file: "assembly/core/waits.ts",
    from: "return diskseq === u64(0) || diskseq === current;",
    to: "return diskseq === diskseq && current === current;",
    violation: Violation.Livelock,
    // One seed in ten thousand.
    first: 15_001,
  },
];

/** The file of an explorer with that bug; it goes when the process ends. */
export async function buildPlanted(plant: Plant): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "diskseq-plant-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  cpSync(join(packageRoot, "assembly"), join(directory, "assembly"), { recursive: true });
  const path = join(directory, plant.file);
  const text = readFileSync(path, "utf8");
  if (text.split(plant.from).length !== 2)
    throw new Error(`${plant.file}: not once: ${plant.from}`);
  writeFileSync(path, text.replace(plant.from, plant.to));
  const wasm = join(directory, "explore.wasm");
  const asc = join(packageRoot, "node_modules/assemblyscript/bin/asc.js");
  const memory = ["--initialMemory", "64", "--maximumMemory", "65536"];
  const rest = [
    "--runtime",
    "minimal",
    "--exportRuntime",
    "-O2",
    "--use",
    "abort=assembly/panic/panic",
    "--lib",
    "assembly/native",
    "--enable",
    "simd",
  ];
  const { status, stderr } = await start(
    process.execPath,
    [asc, "assembly/explore/index.ts", "--outFile", wasm, ...memory, ...rest],
    { directory, deadlineMs: 120_000 },
  ).outcome;
  if (status !== 0) throw new Error(`asc: ${stderr}`);
  return wasm;
}
