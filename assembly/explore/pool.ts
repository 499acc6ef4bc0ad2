/**
 * Records of equal size, each kept once and known by a number: the parts of states. Most steps
 * change one or two parts, so a state is a handful of numbers (the COLLAPSE of Spin). Grows by
 * chunks; nothing is ever removed. Knows nothing of what the bytes mean.
 */

const CHUNK_WORDS: i32 = 1 << 18;

export class Pool {
  /** Words of 32 bits of a record. */
  readonly words: i32;
  count: i32 = 0;
  private readonly perChunk: i32;
  private readonly chunks: Array<Int32Array> = [];
  /** Open addressing over numbers plus one; a power of two, at most half full. */
  private table: Int32Array = new Int32Array(1024);
  /** The hash of each record, so that growing reads no record. */
  private hashes: Int32Array = new Int32Array(512);

  constructor(words: i32) {
    assert(words > 0);
    this.words = words;
    const fit = i32(CHUNK_WORDS / words);
    this.perChunk = fit > 0 ? fit : 1;
  }

  /** The number of the record that lies in `view` at a word, a new one where it was not seen. */
  intern(view: Int32Array, at: i32): i32 {
    const hash = hashOf(view, at, this.words);
    const mask = this.table.length - 1;
    let slot = hash & mask;
    while (i32(unchecked(this.table[slot])) !== 0) {
      const known = i32(unchecked(this.table[slot])) - 1;
      const isAlike = i32(unchecked(this.hashes[known])) === hash;
      if (isAlike && this.isEqual(known, view, at)) return known;
      slot = (slot + 1) & mask;
    }
    return this.add(slot, hash, view, at);
  }

  isEqual(record: i32, view: Int32Array, at: i32): bool {
    const words = this.words;
    assert(record >= 0 && record < this.count && at >= 0 && at + words <= view.length);
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    const from = (record % this.perChunk) * words;
    let i = 0;
    for (; i + 4 <= words; i += 4) {
      const a = i32(unchecked(chunk[from + i])) ^ i32(unchecked(view[at + i]));
      const b = i32(unchecked(chunk[from + i + 1])) ^ i32(unchecked(view[at + i + 1]));
      const c = i32(unchecked(chunk[from + i + 2])) ^ i32(unchecked(view[at + i + 2]));
      const d = i32(unchecked(chunk[from + i + 3])) ^ i32(unchecked(view[at + i + 3]));
      if ((a | b | c | d) !== 0) return false;
    }
    for (; i < words; i++) {
      if (unchecked(chunk[from + i]) !== unchecked(view[at + i])) return false;
    }
    return true;
  }

  /** Writes a record back. */
  load(record: i32, view: Int32Array, at: i32): void {
    const words = this.words;
    assert(record >= 0 && record < this.count && at >= 0 && at + words <= view.length);
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    const from = (record % this.perChunk) * words;
    for (let i = 0; i < words; i++) view[at + i] = i32(unchecked(chunk[from + i]));
  }

  /** KiB that it takes. */
  size(): i32 {
    const records = i32((this.chunks.length * this.perChunk * this.words) / 256);
    return records + i32((this.table.length + this.hashes.length) / 256);
  }

  private add(slot: i32, hash: i32, view: Int32Array, at: i32): i32 {
    const record = this.count;
    const words = this.words;
    const place = record % this.perChunk;
    if (place === 0) this.chunks.push(new Int32Array(this.perChunk * words));
    const chunk = unchecked(this.chunks[i32(record / this.perChunk)]);
    for (let i = 0; i < words; i++) chunk[place * words + i] = i32(unchecked(view[at + i]));
    this.table[slot] = record + 1;
    if (record === this.hashes.length) this.growHashes();
    this.hashes[record] = hash;
    this.count = record + 1;
    if (this.count * 2 > this.table.length) this.growTable();
    return record;
  }

  private growHashes(): void {
    const grown = new Int32Array(this.hashes.length * 2);
    grown.set(this.hashes);
    this.hashes = grown;
  }

  private growTable(): void {
    this.table = new Int32Array(this.table.length * 4);
    const mask = this.table.length - 1;
    for (let record = 0; record < this.count; record++) {
      let slot = i32(unchecked(this.hashes[record])) & mask;
      while (i32(unchecked(this.table[slot])) !== 0) slot = (slot + 1) & mask;
      this.table[slot] = record + 1;
    }
  }
}

/** 30 bits; the same in Wasm and in JavaScript, since no product leaves 53 bits. */
export function hashOf(view: Int32Array, at: i32, words: i32): i32 {
  let low = 0x5bd1;
  let high = 0x1b87;
  assert(at >= 0 && at + words <= view.length);
  for (let i = 0; i < words; i++) {
    const word = i32(unchecked(view[at + i]));
    low = ((low ^ (word & 0xffff)) * 0x6f35 + high) & 0x7fff;
    high = ((high + ((word >> 16) & 0xffff)) * 0x4e2b + (low >> 3) + word) & 0x7fff;
  }
  return (high << 15) | low;
}
