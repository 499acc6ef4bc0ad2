/** CRC-32 (IEEE 802.3, as zip has it) of bytes, eight at a time, for every runtime. */

/** Table K says what a byte comes to when K zeros follow it. */
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  t0[byte] = value;
}
for (let k = 1; k < 8; k++) {
  const before = tables[k - 1];
  for (let byte = 0; byte < 256; byte++) {
    tables[k][byte] = (before[byte] >>> 8) ^ t0[before[byte] & 255];
  }
}

/** Of what stands from `at` to before `end`. */
export function crc32(bytes: Uint8Array, at: number, end: number): number {
  let crc = -1;
  let from = at;
  for (; from + 8 <= end; from += 8) {
    crc ^= bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16) | (bytes[from + 3] << 24);
    crc =
      t7[crc & 255] ^
      t6[(crc >>> 8) & 255] ^
      t5[(crc >>> 16) & 255] ^
      t4[crc >>> 24] ^
      t3[bytes[from + 4]] ^
      t2[bytes[from + 5]] ^
      t1[bytes[from + 6]] ^
      t0[bytes[from + 7]];
  }
  for (; from < end; from++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[from]) & 255];
  return ~crc >>> 0;
}
