/** A piece of memory and how its fields are read and written: little-endian, offsets in bytes. */
export class Bytes {
  readonly buffer: ArrayBuffer;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.view = new DataView(buffer);
  }

  get8(at: i32): i32 {
    return i32(this.view.getUint8(at));
  }

  set8(at: i32, value: i32): void {
    assert(value >= 0 && value <= 255);
    this.view.setUint8(at, u8(value));
  }

  get16(at: i32): i32 {
    return i32(this.view.getUint16(at, true));
  }

  set16(at: i32, value: i32): void {
    assert(value >= 0 && value <= 65535);
    this.view.setUint16(at, u16(value), true);
  }

  get32(at: i32): i32 {
    return this.view.getInt32(at, true);
  }

  set32(at: i32, value: i32): void {
    this.view.setInt32(at, value, true);
  }

  get64(at: i32): u64 {
    return this.view.getUint64(at, true);
  }

  set64(at: i32, value: u64): void {
    this.view.setUint64(at, value, true);
  }

  zero(at: i32, bytes: i32): void {
    const view = this.view;
    const words = bytes & ~3;
    for (let i = 0; i < words; i += 4) view.setInt32(at + i, 0, true);
    for (let i = words; i < bytes; i++) view.setUint8(at + i, 0);
  }

  /** Copies within, also where the two overlap; whole words. */
  copy(to: i32, from: i32, bytes: i32): void {
    assert((bytes & 3) === 0);
    const view = this.view;
    if (to <= from) {
      for (let i = 0; i < bytes; i += 4) view.setInt32(to + i, view.getInt32(from + i, true), true);
      return;
    }
    for (let i = bytes - 4; i >= 0; i -= 4) {
      view.setInt32(to + i, view.getInt32(from + i, true), true);
    }
  }

  /** Copies whole words from another piece. */
  fill(to: i32, from: DataView, at: i32, bytes: i32): void {
    assert((bytes & 3) === 0);
    for (let i = 0; i < bytes; i += 4) {
      this.view.setInt32(to + i, from.getInt32(at + i, true), true);
    }
  }
}
