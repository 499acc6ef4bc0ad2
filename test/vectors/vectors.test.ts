/**
 * Every case of every Markdown file beside this one, on both builds of the core: the probe gives
 * what the log says; and however the image is cut or lengthened, there is a result.
 *
 * `SNAP_UPDATE=1 node build/test/vectors/vectors.test.js` rewrites the logs.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Lockstep, openBoth, openWasm } from "../helpers/cores.ts";
import type { VectorFile } from "../helpers/vectors.ts";
import { imageOfVector, isUpdate, logOf, probe, readVectorFiles } from "../helpers/vectors.ts";

/** Tables lie at the start: from here on a cut only moves the end. */
const headBytes = 40 * 1024;
const sectorBytes = 512;
/** Below so many bytes an image is cut at each of them. */
const everyLengthBelow = 1024;
const fewPartitions = 40;

for (const file of readVectorFiles()) {
  const logs: string[][] = [];
  for (const vector of file.vectors.filter(({ kind }) => kind === "sparse")) {
    test(`${vector.place} ${vector.title}`, async () => {
      const log = logOf(
        probe(await openBoth({ operations: 1 }), imageOfVector(vector), vector.meta),
      );
      logs.push(log);
      if (!isUpdate) assert.equal(log.join("\n"), vector.log.join("\n"));
    });
    test(`${vector.place} ${vector.title}, at other lengths`, async () => {
      const partitions = vector.log.length > fewPartitions ? 255 : fewPartitions;
      const both = await openBoth({ operations: 1, partitions });
      const alone = new Lockstep([openWasm({ operations: 1, partitions })]);
      const image = imageOfVector(vector);
      for (const [index, length] of lengthsOf(image.size).entries()) {
        // JavaScript is slow: every fourth length is enough to find a difference.
        const isSlow = index % 4 !== 0;
        probe(isSlow ? alone : both, image.resized(length), vector.meta);
      }
    });
  }
  if (isUpdate) test(`${file.name} is rewritten`, () => rewrite(file, logs));
}

test("every vector file has cases", () => {
  for (const { name, vectors } of readVectorFiles()) assert.ok(vectors.length > 0, name);
});

function rewrite(file: VectorFile, logs: readonly (readonly string[])[]): void {
  if (logs.length === file.vectors.length) file.update(logs);
}

/** Each length of a small image; of a larger one each border of a sector and its neighbours. */
function lengthsOf(size: number): number[] {
  const lengths = new Set<number>();
  if (size <= everyLengthBelow) for (let length = 0; length < size; length++) lengths.add(length);
  for (let border = 0; border <= Math.min(size, headBytes); border += sectorBytes) {
    for (const length of [border - 1, border, border + 1]) lengths.add(length);
  }
  for (const more of [1, 511, 512, 513, 4096, 1 << 20]) lengths.add(size + more);
  for (const less of [1, 512, 513, 4096]) lengths.add(size - less);
  return [...lengths].filter((length) => length >= 0);
}

test.run();
