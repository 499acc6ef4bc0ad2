/**
 * Spin on `attach.pml`: its verifiers, compiled, and what they say of a run. The model is held to
 * what it is for: Spin finds nothing in it as it stands, and the flap in both its variants.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../helpers/root.ts";

export interface Search {
  /** without those that lie inside atomic sequences */
  readonly states: number;
  readonly transitions: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** How a verifier searches. */
export interface Way {
  readonly name: string;
  readonly defines: readonly string[];
}

const wholly = "-DNOREDUCE";
/** All but the last visit all that can happen. */
export const ways: readonly Way[] = [
  { name: "Spin, depth first", defines: [wholly] },
  { name: "Spin, depth first, COLLAPSE", defines: [wholly, "-DCOLLAPSE"] },
  { name: "Spin, breadth first", defines: [wholly, "-DBFS"] },
  { name: "Spin, breadth first, COLLAPSE", defines: [wholly, "-DBFS", "-DCOLLAPSE"] },
  { name: "Spin as it comes: partial orders reduced", defines: [] },
];

const variants = ["NOSPLIT", "NODRAIN"];
const model = "test/bench/attach.pml";
const memoryMiB = 4096;
/** Steps of one path, and bits of the hash table's size. */
const limits = ["-m100000", "-w20"];
/** pan's own clock has this step. */
const tickSeconds = 0.01;

/** Why there is no Spin; undefined: there is. */
export function missingSpin(): string | undefined {
  for (const [program, flag] of [
    ["spin", "-V"],
    ["gcc", "--version"],
  ] as const) {
    try {
      execFileSync(program, [flag], { stdio: "pipe" });
    } catch {
      return `no ${program} here; on Debian: apt-get install spin gcc`;
    }
  }
  return undefined;
}

/** The verifier of the model. `optimize`: a flag of gcc. */
export class Verifier {
  readonly #program: string;

  constructor(
    directory: string,
    defines: readonly string[],
    spin: readonly string[],
    optimize: string,
  ) {
    const own = join(directory, ["pan", ...spin, ...defines].join(""));
    mkdirSync(own);
    copyFileSync(join(packageRoot, model), join(own, "attach.pml"));
    const how = { cwd: own, stdio: "pipe" } as const;
    execFileSync("spin", ["-a", ...spin, "attach.pml"], how);
    const common = [optimize, "-w", "-DSAFETY", `-DMEMLIM=${memoryMiB}`];
    execFileSync("gcc", [...common, ...defines, "-o", "pan", "pan.c"], how);
    this.#program = join(own, "pan");
  }

  run(): string {
    const how = { cwd: join(this.#program, ".."), encoding: "utf8", stdio: "pipe" } as const;
    return execFileSync(this.#program, ["-n", ...limits], how);
  }

  /** All of the model, in which there is nothing to find. */
  measure(): Search {
    const text = this.run();
    if (!/errors: 0$/m.test(text) || /not completed|too small|out of memory/.test(text)) {
      throw new Error(`Spin found an error in ${model}, or did not get to its end:\n${text}`);
    }
    const read = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
    const stored = read(/^\s*(\d+) states, stored/m);
    const nominal = read(/^\s*([\d.e+]+) nominal states/m);
    const inside = Number.isNaN(nominal) ? 0 : stored - nominal;
    return {
      states: stored - inside,
      transitions: read(/^\s*(\d+) transitions/m) - inside,
      bytes: read(/^\s*([\d.]+)\s+total actual memory usage/m) * 2 ** 20,
      seconds: Math.max(read(/elapsed time ([\d.e+-]+) seconds/), tickSeconds),
    };
  }
}

/** The model's own negative controls: where a precaution is left out, there is the flap. */
export function expectFlaps(directory: string): void {
  for (const variant of variants) {
    const verifier = new Verifier(directory, ["-DBFS"], [`-D${variant}`], "-O0");
    const text = verifier.run();
    if (/assertion violated \(life\[\d\]!=/.test(text)) continue;
    throw new Error(`Spin found no flap in ${model} with -D${variant}:\n${text}`);
  }
}
