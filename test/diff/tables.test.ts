/**
 * Random tables through the Probe command on both builds: the images of the test vectors with bytes
 * changed, and sectors of noise that look like tables. There is always a result, and partitions lie
 * inside what is shown.
 */
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Event, Partscan, Result } from "../../host/core.ts";
import { openBoth } from "../helpers/cores.ts";
import { type Image, imageOf } from "../helpers/scripted-disks.ts";
import {
  imageOfVector,
  logOf,
  probe,
  readVectorFiles,
  type SparseImage,
} from "../helpers/vectors.ts";
import { check } from "./check.ts";

const vectors = readVectorFiles()
  .flatMap((file) => file.vectors)
  .filter(({ kind, input }) => kind === "sparse" && input.length > 0);

interface Change {
  /** which row of the vector, and where in it or shortly behind */
  readonly row: number;
  readonly at: number;
  readonly bytes: Uint8Array;
}

const change: fc.Arbitrary<Change> = fc.record({
  row: fc.nat(),
  at: fc.nat({ max: 40 }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.constantFrom(new Uint8Array(8), new Uint8Array(8).fill(255)),
  ),
});

const partscan = fc.constantFrom("kernel", "kernel", "user", "none");
const sectorSize = fc.constantFrom(0, 0, 512, 1024, 2048, 4096);

test("a vector with bytes changed has a result, the same of both builds", async () => {
  const changes = fc.array(change, { maxLength: 4 });
  const isMended = fc.boolean();
  const input = fc.tuple(fc.nat(), changes, isMended, partscan, sectorSize);
  const property = fc.asyncProperty(input, async ([which, list, isMendedToo, scan, size]) => {
    const vector = vectors[which % vectors.length];
    assert.ok(vector);
    const image = changed(imageOfVector(vector), list);
    if (isMendedToo) mend(image);
    await expectSane(imageOf(image), { partscan: scan, sectorSize: size });
  });
  await check(property, 400);
});

test("noise that ends in 55 aa, with links that lead anywhere, has a result", async () => {
  const slot = fc.record({
    boot: fc.constantFrom(0, 0, 0, 0x80, 0x7f),
    type: fc.constantFrom(0x83, 0x05, 0x0f, 0x85, 0, 0xee),
    start: fc.oneof(fc.nat({ max: 70 }), fc.integer({ min: 0, max: 0xffffffff })),
    size: fc.oneof(fc.nat({ max: 70 }), fc.integer({ min: 0, max: 0xffffffff })),
  });
  const sectors = fc.array(fc.array(slot, { maxLength: 4 }), { minLength: 1, maxLength: 64 });
  const property = fc.asyncProperty(fc.tuple(sectors, partscan, sectorSize), async (facts) => {
    const [list, scan, size] = facts;
    const image = Buffer.alloc(32768);
    for (const [sector, slots] of list.entries()) {
      image.writeUInt16LE(0xaa55, sector * 512 + 510);
      for (const [index, { boot, type, start, size: sectorCount }] of slots.entries()) {
        const at = sector * 512 + 0x1be + index * 16;
        image.writeUInt8(sector === 0 ? boot : 0, at);
        image.writeUInt8(type, at + 4);
        image.writeUInt32LE(start, at + 8);
        image.writeUInt32LE(sectorCount, at + 12);
      }
    }
    await expectSane(imageOf(image), { partscan: scan, sectorSize: size });
  });
  await check(property, 300);
});

/** Probes on both builds; what it found lies inside, and what is made by us does not overlap. */
async function expectSane(image: Image, meta: Record<string, string | number>): Promise<void> {
  const operation = probe(await openBoth({ operations: 1 }), image, meta);
  const { end } = operation;
  assert.ok(end);
  if (end.event === Event.Failed) return;
  const shown = end.result[Result.Size] ?? 0n;
  const log = logOf(operation).join("\n");
  const numbers = end.partitions.map(({ number }) => number);
  assert.is(new Set(numbers).size, numbers.length, log);
  for (const { number, start, size } of end.partitions) {
    assert.ok(number >= 1 && number <= 255 && size > 0n && start + size <= shown, log);
  }
  if (end.result[Result.Partscan] !== BigInt(Partscan.User)) return;
  const sorted = [...end.partitions].sort((a, b) => Number(a.start - b.start));
  for (const [index, { start }] of sorted.entries()) {
    const before = sorted[index - 1];
    assert.ok(!before || before.start + before.size <= start, log);
  }
}

function changed(image: SparseImage, changes: readonly Change[]): Uint8Array {
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes);
  for (const { row, at, bytes: piece } of changes) {
    const from = (image.pieces[row % image.pieces.length]?.[0] ?? 0) + at;
    if (from + piece.length <= bytes.length) bytes.set(piece, from);
  }
  return bytes;
}

/** Makes the sums of every GPT header right, so that what lies behind them is reached. */
function mend(bytes: Uint8Array): void {
  const image = Buffer.from(bytes.buffer);
  for (let at = 0; at + 92 <= image.length; at += 512) {
    if (image.toString("latin1", at, at + 8) !== "EFI PART") continue;
    const headerBytes = image.readUInt32LE(at + 12);
    const [count, entryBytes] = [image.readUInt32LE(at + 80), image.readUInt32LE(at + 84)];
    for (const sector of [512, 1024, 2048, 4096]) {
      const isHere = image.readBigUInt64LE(at + 24) * BigInt(sector) === BigInt(at);
      const from = Number(image.readBigUInt64LE(at + 72)) * sector;
      const to = from + count * entryBytes;
      if (isHere && to <= image.length)
        image.writeUInt32LE(crc32(image.subarray(from, to)), at + 88);
    }
    if (headerBytes < 20 || at + headerBytes > image.length) continue;
    image.writeUInt32LE(0, at + 16);
    image.writeUInt32LE(crc32(image.subarray(at, at + headerBytes)), at + 16);
  }
}

test.run();
