/** The image writer: what other tools read in its tables. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  efiSystem,
  linuxFilesystem,
  mebibyte,
  smallImageBytes,
  withImage,
  writeImage,
} from "../../host/cli/image.ts";
import { skip } from "../helpers/skip.ts";

const partitions = [
  { name: "boot", type: efiSystem, start: mebibyte, size: mebibyte },
  { name: "Größe", type: linuxFilesystem, start: 2 * mebibyte, size: 4 * mebibyte },
];

test("sfdisk reads the partitions and finds nothing wrong", async () => {
  await withImage("x.img", partitions, async (path) => {
    const { stdout, error } = spawnSync("sfdisk", ["-J", path], { encoding: "utf8" });
    if (error !== undefined) {
      skip("sfdisk is not installed");
      return;
    }
    const { partitiontable: table } = JSON.parse(stdout);
    assert.is(table.label, "gpt");
    assert.is(table.firstlba, 34);
    assert.is(table.lastlba, smallImageBytes / 512 - 34);
    const read = table.partitions.map(({ start, size, type, name }: Record<string, unknown>) => ({
      name,
      type,
      start: Number(start) * 512,
      size: Number(size) * 512,
    }));
    assert.equal(read, partitions);
    const verified = spawnSync("sfdisk", ["--verify", path], { encoding: "utf8" });
    assert.is(verified.status, 0, verified.stdout + verified.stderr);
    assert.is(verified.stderr, "");
  });
});

test("both headers and both copies of the entries carry their checksums", async () => {
  await withImage("x.img", partitions, async (path) => {
    const bytes = readFileSync(path);
    for (const at of [512, bytes.length - 512]) {
      const header = Buffer.from(bytes.subarray(at, at + 92));
      const sum = header.readUInt32LE(16);
      header.writeUInt32LE(0, 16);
      assert.is(crc32(header), sum);
      assert.is(Number(header.readBigUInt64LE(24)) * 512, at);
      const first = Number(header.readBigUInt64LE(72)) * 512;
      assert.is(crc32(bytes.subarray(first, first + 128 * 128)), header.readUInt32LE(88));
    }
  });
});

test("the image is sparse and private", async () => {
  await withImage("x.img", partitions, async (path) => {
    const { size, blocks, mode } = statSync(path);
    assert.is(size, smallImageBytes);
    assert.ok(blocks * 512 < mebibyte, `${blocks} blocks`);
    assert.is(mode & 0o077, 0);
  });
});

test("an existing file is not overwritten", async () => {
  await withImage("x.img", partitions, async (path) => {
    assert.throws(() => writeImage(path, smallImageBytes, []), /EEXIST/);
  });
});

test("the directory is removed when the work fails", async () => {
  let directory = "";
  try {
    await withImage("x.img", partitions, async (path) => {
      directory = dirname(path);
      assert.ok(existsSync(directory));
      throw new Error("on purpose");
    });
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, "on purpose");
  }
  assert.not.ok(existsSync(directory));
});

test.run();
