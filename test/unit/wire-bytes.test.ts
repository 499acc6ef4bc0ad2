/** The parts that know bytes: checksums, GPT headers, MBR sectors, structs of the loop driver. */
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import "../../host/portable.ts";
import { Crc32 } from "../../assembly/wire/crc32.ts";
import { Blkpg, clearBytes, LoopConfig, LoopInfo, putBlkpg } from "../../assembly/wire/loop.ts";

const { GptFault, GptHeader } = await import("../../assembly/wire/gpt.ts");
const { MbrKind, mbrKind } = await import("../../assembly/wire/mbr.ts");

test("the CRC is that of zlib, in any pieces", () => {
  const crc = new Crc32();
  assert.is(crc.update(0, viewOf(Buffer.from("123456789")), 0, 9), 0xcbf43926);
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, cut) => {
    const view = viewOf(bytes);
    const at = cut % (bytes.length + 1);
    const head = crc.update(0, view, 0, at);
    assert.is(crc.update(head, view, at, bytes.length - at), crc32(bytes));
    assert.is(crc.updateZeros(head, 5), crc32(new Uint8Array(5), crc32(bytes.subarray(0, at))));
  });
  fc.assert(property, { seed: 1 });
});

test("every bit of a GPT header counts", () => {
  const bytes = header(92);
  const decoder = new GptHeader(new Crc32());
  const decode = () => decoder.decode(viewOf(bytes), 0, 512, 1n);
  assert.is(decode(), GptFault.Ok);
  for (let bit = 0; bit < 92 * 8; bit++) {
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.not.equal(decode(), GptFault.Ok, `bit ${bit}`);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  }
  assert.is(decode(), GptFault.Ok);
});

test("a GPT header says why it is none", () => {
  const decoder = new GptHeader(new Crc32());
  const decode = (bytes: Buffer, lba = 1n, at = 0) => decoder.decode(viewOf(bytes), at, 512, lba);
  assert.is(decode(Buffer.alloc(512)), GptFault.Signature);
  assert.is(decode(header(92), 1n, 1), GptFault.Signature, "it ends beyond the view");
  assert.is(decode(header(91)), GptFault.HeaderBytes);
  assert.is(decode(header(513)), GptFault.HeaderBytes);
  assert.is(decode(header(0xffffffff)), GptFault.HeaderBytes);
  assert.is(decode(header(92), 2n), GptFault.Position);
  const damaged = header(92);
  damaged.writeUInt8(1, 91);
  assert.is(decode(damaged), GptFault.HeaderCrc);
  assert.is(decode(header(512)), GptFault.Ok);
});

test("a sector is a DOS table only by all of its marks", () => {
  const sector = Buffer.alloc(512);
  const kind = () => mbrKind(viewOf(sector), 0, sector.length);
  assert.is(kind(), MbrKind.None);
  sector.writeUInt16LE(0xaa55, 510);
  assert.is(kind(), MbrKind.Dos);
  for (let slot = 0; slot < 4; slot++) {
    sector.writeUInt8(0x80, 446 + slot * 16);
    assert.is(kind(), MbrKind.Dos);
    sector.writeUInt8(0x81, 446 + slot * 16);
    assert.is(kind(), MbrKind.None);
    sector.writeUInt8(0, 446 + slot * 16);
  }
  sector.writeUInt8(0xee, 446 + 16 + 4);
  assert.is(kind(), MbrKind.ProtectiveElsewhere);
  sector.writeUInt32LE(1, 446 + 16 + 8);
  assert.is(kind(), MbrKind.Protective);
  assert.is(mbrKind(viewOf(sector), 0, 511), MbrKind.None);
});

test("structs have the sizes of the kernel's, and blank what they do not set", () => {
  assert.equal([LoopConfig.Bytes, LoopInfo.Bytes, Blkpg.Bytes], [304, 232, 152]);
  const bytes = Buffer.alloc(Blkpg.Bytes + 2, 0xff);
  putBlkpg(viewOf(bytes), 1, 7, 0x1122334455667788n, 512n);
  const blkpg = bytes.subarray(1, 1 + Blkpg.Bytes);
  assert.is(blkpg.readBigInt64LE(0), 0x1122334455667788n);
  assert.is(blkpg.readBigInt64LE(8), 512n);
  assert.is(blkpg.readInt32LE(16), 7);
  assert.ok(blkpg.subarray(20).every((byte) => byte === 0));
  assert.equal([bytes[0], bytes.at(-1)], [0xff, 0xff]);
  clearBytes(viewOf(bytes), 0, 1);
  assert.is(bytes[0], 0);
});

/** A header at LBA 1 that counts so many bytes, with a right sum where that can be. */
function header(headerBytes: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write("EFI PART", "latin1");
  bytes.writeUInt32LE(0x10000, 8);
  bytes.writeUInt32LE(headerBytes, 12);
  bytes.writeBigUInt64LE(1n, 24);
  bytes.writeUInt32LE(128, 80);
  if (headerBytes <= 512) bytes.writeUInt32LE(crc32(bytes.subarray(0, headerBytes)), 16);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

test.run();
