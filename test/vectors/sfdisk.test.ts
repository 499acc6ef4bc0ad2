/**
 * Random layouts written by `sfdisk`, read back by `sfdisk -J` and by the Probe command: they must
 * agree on number, start, size, type, uuid and name of every partition.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CorePartition, Event } from "../../host/core.ts";
import { guidText } from "../../host/names.ts";
import { type Lockstep, openBoth } from "../helpers/cores.ts";
import { scratchRoot } from "../helpers/root.ts";
import { imageOf } from "../helpers/scripted-disks.ts";
import { skip } from "../helpers/skip.ts";
import { probe } from "../helpers/vectors.ts";

const imageBytes = 4 * 1024 * 1024;
const sectorBytes = 512;
const runs = { numRuns: 20, seed: 4711 };
const hasSfdisk = spawnSync("sfdisk", ["--version"]).status === 0;

/** Gap before a partition and its length, in sectors. */
const places = (most: number) =>
  fc.array(
    fc.record({ gap: fc.integer({ min: 64, max: 90 }), size: fc.integer({ min: 1, max: 120 }) }),
    { minLength: 1, maxLength: most },
  );

test("a GPT of sfdisk is read as sfdisk reads it", async () => {
  const lockstep = await openBoth({ operations: 1 });
  const entry = fc.record({
    name: fc.stringMatching(/^[a-zA-Z0-9 _.äß本😀-]{0,12}$/u),
    type: fc.constantFrom("L", "U", "S", "21686148-6449-6E6F-744E-656564454649"),
    number: fc.integer({ min: 1, max: 128 }),
  });
  const entries = fc.uniqueArray(entry, {
    minLength: 12,
    maxLength: 12,
    selector: ({ number }) => number,
  });
  compare(lockstep, fc.tuple(places(12), entries), ([list, facts]) => {
    let at = 2048;
    const lines = list.map(({ gap, size }, index) => {
      const { name = "", type = "L", number = 1 } = facts[index] ?? {};
      const start = at + gap;
      at = start + size;
      return `${number} : start=${start}, size=${size}, type=${type}, name="${name}"`;
    });
    return ["label: gpt", "first-lba: 34", ...lines];
  });
});

test("an MBR of sfdisk is read as sfdisk reads it", async () => {
  const lockstep = await openBoth({ operations: 1 });
  const types = fc.array(fc.constantFrom("83", "82", "c", "fd", "7"), { minLength: 13 });
  const signature = fc.integer({ min: 1, max: 0xffffffff });
  compare(lockstep, fc.tuple(places(3), places(9), types, signature), (layout) => {
    const [primaries, logicals, kinds, id] = layout;
    let at = 0;
    const line = ({ gap, size }: { gap: number; size: number }) => {
      const start = at + gap;
      at = start + size;
      return `start=${start}, size=${size}, type=${kinds[at % kinds.length]}`;
    };
    const first = primaries.map(line);
    const extended = `start=${at}, size=${imageBytes / sectorBytes - at}, type=5`;
    return ["label: dos", `label-id: ${id}`, ...first, extended, ...logicals.map(line)];
  });
});

/** Writes each script, and compares what the two readers make of it. */
function compare<T>(
  lockstep: Lockstep,
  layouts: fc.Arbitrary<T>,
  script: (layout: T) => string[],
): void {
  if (!hasSfdisk) {
    skip("random tables of sfdisk: no sfdisk here");
    return;
  }
  const directory = mkdtempSync(join(scratchRoot, "sfdisk-"));
  const path = join(directory, "image");
  try {
    fc.assert(
      fc.property(layouts, (layout) => {
        writeFileSync(path, new Uint8Array(imageBytes));
        sfdisk(["--quiet", "--no-reread", "--no-tell-kernel", path], script(layout));
        const { partitiontable } = JSON.parse(sfdisk(["-J", path], []));
        const { end } = probe(lockstep, imageOf(readFileSync(path)));
        assert.is(end?.event, Event.Probed);
        assert.equal(end?.partitions.map(shown), partitiontable.partitions.map(expected));
      }),
      runs,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function sfdisk(args: readonly string[], lines: readonly string[]): string {
  const input = lines.join("\n");
  const { status, stdout, stderr } = spawnSync("sfdisk", args, { input, encoding: "utf8" });
  assert.is(status, 0, `${input}\n${stderr}`);
  return stdout;
}

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
}

function expected({ node, start, size, type, uuid, name }: SfdiskPartition) {
  // Of an extended partition Linux shows two sectors.
  const sectors = type === "5" ? 2 : size;
  const number = Number(/\d+$/.exec(node)?.[0]);
  return { number, start, size: sectors, type, ...(uuid ? { uuid, name: name ?? "" } : {}) };
}

function shown({ number, start, size, kind, mbrType, ...gpt }: CorePartition) {
  const place = { number, start: Number(start) / sectorBytes, size: Number(size) / sectorBytes };
  if (kind === 0) return { ...place, type: mbrType.toString(16) };
  const name = Buffer.from(gpt.name).toString("utf16le").replace(/\0+$/, "");
  return { ...place, type: guidText(gpt.typeGuid), uuid: guidText(gpt.uniqueGuid), name };
}

test.run();
