/** States of a level of the search, by their parts: what has to be gone on from. */

const CHUNK_ROWS: i32 = 1 << 12;

export class Level {
  count: i32 = 0;
  private readonly width: i32;
  /** Kept when the level is cleared. */
  private readonly chunks: Array<Int32Array> = [];

  constructor(parts: i32) {
    this.width = parts + 1;
  }

  push(state: i32, parts: Uint32Array): void {
    const width = this.width;
    const index = i32(this.count / CHUNK_ROWS);
    if (index === this.chunks.length) this.chunks.push(new Int32Array(CHUNK_ROWS * width));
    const chunk = unchecked(this.chunks[index]);
    const at = (this.count % CHUNK_ROWS) * width;
    chunk[at] = state;
    for (let part = 1; part < width; part++) chunk[at + part] = i32(unchecked(parts[part - 1]));
    this.count++;
  }

  state(row: i32): i32 {
    return this.word(row, 0);
  }

  part(row: i32, part: i32): i32 {
    assert(part < this.width - 1);
    return this.word(row, 1 + part);
  }

  private word(row: i32, word: i32): i32 {
    assert(row >= 0 && row < this.count);
    const chunk = unchecked(this.chunks[i32(row / CHUNK_ROWS)]);
    return i32(unchecked(chunk[(row % CHUNK_ROWS) * this.width + word]));
  }

  clear(): void {
    this.count = 0;
  }

  /** KiB that it takes. */
  size(): i32 {
    return i32((this.chunks.length * CHUNK_ROWS * this.width) / 256);
  }
}
