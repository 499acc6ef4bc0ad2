/**
 * Records of equal size, each kept once and known by a number: the parts of states. Most steps
 * change one or two parts, so a state is a handful of numbers (the COLLAPSE of Spin). Grows by
 * chunks; nothing is ever removed. Knows nothing of what the bytes mean.
 */

const CHUNK_BYTES: i32 = 1 << 20;

export class Pool {
  /** Bytes of a record, a multiple of 4. */
  readonly bytes: i32;
  count: i32 = 0;
  private readonly perChunk: i32;
  private readonly chunks: Array<DataView> = [];
  /** Open addressing over numbers plus one; a power of two, at most half full. */
  private table: Uint32Array = new Uint32Array(1024);
  /** The hash of each record, so that growing reads no record. */
  private hashes: Uint32Array = new Uint32Array(512);

  constructor(bytes: i32) {
    assert(bytes > 0 && bytes % 4 === 0);
    this.bytes = bytes;
    const fit = i32(CHUNK_BYTES / bytes);
    this.perChunk = fit > 0 ? fit : 1;
  }

  /** The number of the record that lies in `view`, a new one where it was not seen before. */
  intern(view: DataView, at: i32): i32 {
    const hash = hashOf(view, at, this.bytes);
    let slot = this.slotOf(hash);
    while (unchecked(this.table[slot]) !== 0) {
      const known = i32(unchecked(this.table[slot])) - 1;
      const isAlike = i32(unchecked(this.hashes[known])) === hash;
      if (isAlike && this.isEqual(known, view, at)) return known;
      slot = (slot + 1) & (this.table.length - 1);
    }
    return this.add(slot, hash, view, at);
  }

  isEqual(record: i32, view: DataView, at: i32): bool {
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    assert(record >= 0 && record < this.count);
    const from = (record % this.perChunk) * this.bytes;
    for (let i = 0; i < this.bytes; i += 4) {
      if (chunk.getInt32(from + i, true) !== view.getInt32(at + i, true)) return false;
    }
    return true;
  }

  /** Writes a record back. */
  load(record: i32, view: DataView, at: i32): void {
    assert(record >= 0 && record < this.count);
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    const from = (record % this.perChunk) * this.bytes;
    for (let i = 0; i < this.bytes; i += 4) {
      view.setInt32(at + i, chunk.getInt32(from + i, true), true);
    }
  }

  /** KiB that it takes. */
  size(): i32 {
    const records = this.chunks.length * i32((this.perChunk * this.bytes) / 1024);
    return records + i32((this.table.length + this.hashes.length) / 256);
  }

  private add(slot: i32, hash: i32, view: DataView, at: i32): i32 {
    const record = this.count;
    const place = record % this.perChunk;
    if (place === 0) this.chunks.push(new DataView(new ArrayBuffer(this.perChunk * this.bytes)));
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    for (let i = 0; i < this.bytes; i += 4) {
      chunk.setInt32(place * this.bytes + i, view.getInt32(at + i, true), true);
    }
    this.table[slot] = u32(record + 1);
    if (record === this.hashes.length) this.growHashes();
    this.hashes[record] = u32(hash);
    this.count = record + 1;
    if (this.count * 2 > this.table.length) this.growTable();
    return record;
  }

  private slotOf(hash: i32): i32 {
    return hash & (this.table.length - 1);
  }

  private growHashes(): void {
    const grown = new Uint32Array(this.hashes.length * 2);
    grown.set(this.hashes);
    this.hashes = grown;
  }

  private growTable(): void {
    this.table = new Uint32Array(this.table.length * 4);
    for (let record = 0; record < this.count; record++) {
      let slot = this.slotOf(i32(unchecked(this.hashes[record])));
      while (this.table[slot] !== 0) slot = (slot + 1) & (this.table.length - 1);
      this.table[slot] = u32(record + 1);
    }
  }
}

/** 30 bits; the same in Wasm and in JavaScript, since no product leaves 53 bits. */
function hashOf(view: DataView, at: i32, bytes: i32): i32 {
  let low = 0x5bd1;
  let high = 0x1b87;
  for (let i = 0; i < bytes; i += 2) {
    const word = i32(view.getUint16(at + i, true));
    low = ((low ^ word) * 0x6f35 + high) & 0x7fff;
    high = ((high + word) * 0x4e2b + (low >> 3)) & 0x7fff;
  }
  return (high << 15) | low;
}
