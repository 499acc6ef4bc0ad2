/** CRC-32 as GPT headers use it (IEEE 802.3, reflected, 0xEDB88320), streamed. Knows no layout. */

export class Crc32 {
  private readonly table: Uint32Array;

  constructor() {
    this.table = new Uint32Array(256);
    for (let i = 0; i < 256; i++) {
      let value: u32 = u32(i);
      for (let bit = 0; bit < 8; bit++) {
        value = (value & 1) !== 0 ? u32((value >>> 1) ^ 0xedb88320) : value >>> 1;
      }
      this.table[i] = value;
    }
  }

  /** Continues from `crc` (0 at first) over bytes of a view. */
  update(crc: u32, view: DataView, at: i32, bytes: i32): u32 {
    assert(at >= 0 && bytes >= 0 && at + bytes <= view.byteLength);
    let state: u32 = u32(~crc);
    for (let i = at; i < at + bytes; i++) {
      const index = i32(u32(state ^ u32(view.getUint8(i))) & 0xff);
      state = u32((state >>> 8) ^ this.table[index]);
    }
    return u32(~state);
  }

  /** Continues over zero bytes, as a CRC field counts in its own header. */
  updateZeros(crc: u32, bytes: i32): u32 {
    let state: u32 = u32(~crc);
    for (let i = 0; i < bytes; i++) {
      state = u32((state >>> 8) ^ this.table[i32(state & 0xff)]);
    }
    return u32(~state);
  }
}
