/** Bytes that give a CRC-32 (that of GPT and zlib) the value that is wanted. Knows no layout. */
import { crc32 } from "node:zlib";

const patchBytes = 4;

/** What one byte does to the state, and which byte it was, by the top byte of what it does. */
const table = new Uint32Array(256);
const byTop = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  table[byte] = value;
  byTop[table[byte] >>> 24] = byte;
}

/** Overwrites the four bytes at `at`, so that the CRC, `before` the bytes, is `wanted` after. */
export function patchCrc(bytes: Buffer, at: number, before: number, wanted: number): void {
  const state = ~crc32(bytes.subarray(0, at), before);
  let needed = ~wanted;
  for (let index = bytes.length - 1; index >= at + patchBytes; index--) {
    needed = stepBack(needed, bytes[index] ?? 0);
  }
  // A word goes into the state at once: that before it, with no word, differs by the word.
  for (let step = 0; step < patchBytes; step++) needed = stepBack(needed, 0);
  bytes.writeInt32LE(needed ^ state, at);
}

function stepBack(state: number, byte: number): number {
  const index = byTop[state >>> 24] ?? 0;
  return ((state ^ (table[index] ?? 0)) << 8) | (index ^ byte);
}
