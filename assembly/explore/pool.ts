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
  /** A chunk has room for two to the power of this: no division where records are compared. */
  private readonly shift: i32;
  private readonly chunks: Array<Int32Array> = [];
  /** Open addressing over numbers plus one; a power of two, at most half full. */
  private table: Int32Array = new Int32Array(1024);
  /** The hash of each record, so that growing reads no record. */
  private hashes: Int32Array = new Int32Array(512);

  constructor(words: i32) {
    assert(words > 0);
    this.words = words;
    let shift = 0;
    while (words << (shift + 1) <= CHUNK_WORDS) shift++;
    this.shift = shift;
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
    const chunk = unchecked(this.chunks[record >> this.shift]);
    const from = (record & ((1 << this.shift) - 1)) * words;
    return equalWords(chunk, from, view, at, words);
  }

  /** Writes a record back. */
  load(record: i32, view: Int32Array, at: i32): void {
    const words = this.words;
    assert(record >= 0 && record < this.count && at >= 0 && at + words <= view.length);
    const chunk = unchecked(this.chunks[record >> this.shift]);
    const from = (record & ((1 << this.shift) - 1)) * words;
    copyWords(view, at, chunk, from, words);
  }

  /** KiB that it takes. */
  size(): i32 {
    const records = i32((this.chunks.length * (this.words << this.shift)) / 256);
    return records + i32((this.table.length + this.hashes.length) / 256);
  }

  private add(slot: i32, hash: i32, view: Int32Array, at: i32): i32 {
    const record = this.count;
    const words = this.words;
    const place = record & ((1 << this.shift) - 1);
    if (place === 0) this.chunks.push(new Int32Array(words << this.shift));
    const chunk = unchecked(this.chunks[record >> this.shift]);
    copyWords(chunk, place * words, view, at, words);
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

/** 30 bits; the same in Wasm and in JavaScript: sums stay below 53 bits and are cut to 32. */
export function hashOf(view: Int32Array, at: i32, words: i32): i32 {
  let a = 0x5bd1;
  let b = 0x1b87;
  assert(at >= 0 && at + words <= view.length);
  let i = 0;
  for (; i + 2 <= words; i += 2) {
    a = (a ^ i32(unchecked(view[at + i]))) | 0;
    a = (a + (a << 5)) ^ ((a >>> 15) + (a << 13));
    b = (b ^ i32(unchecked(view[at + i + 1]))) | 0;
    b = (b + (b << 7)) ^ ((b >>> 13) + (b << 11));
  }
  if (i < words) a = (a + (a << 5)) ^ i32(unchecked(view[at + i]));
  let hash = (a ^ (b << 9) ^ (b >>> 7)) | 0;
  hash = (hash + (hash << 10)) | 0;
  hash = hash ^ (hash >>> 6);
  hash = (hash + (hash << 3)) | 0;
  hash = hash ^ (hash >>> 11);
  hash = (hash + (hash << 15)) | 0;
  return hash & 0x3fffffff;
}
