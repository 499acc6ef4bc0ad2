/**
 * The states that were found: fingerprints of 64 bits in open addressing, and for each state how it
 * was reached first and where it goes when nobody disturbs. Numbers of states count from 0 in the
 * order of their finding. Two states of one fingerprint would count as one: among 10 million states
 * the odds of a single such pair are 1 to 370 000.
 */

const CHUNK: i32 = 1 << 16;
/** Words of a state: parent plus one, deed, state of the solo deed plus one. */
const WORDS: i32 = 3;

export class Seen {
  count: i32 = 0;
  /** Slots of 12 bytes: fingerprint, number plus one. */
  private slots: i32 = 1 << 12;
  private table: DataView = new DataView(new ArrayBuffer((1 << 12) * 12));
  private readonly chunks: Array<Int32Array> = [];
  /** The fingerprint last made. */
  private low: i32 = 0;
  private high: i32 = 0;

  /** KiB that it takes. */
  size(): i32 {
    return i32(this.slots / 1024) * 12 + this.chunks.length * i32((CHUNK * WORDS * 4) / 1024);
  }

  /** The state whose parts have these numbers; -1: it is new, and `add` may follow. */
  find(parts: Uint32Array, count: i32): i32 {
    this.fingerprint(parts, count);
    let slot = this.low & (this.slots - 1);
    let state = this.table.getInt32(slot * 12 + 8, true) - 1;
    while (state >= 0 && !this.isAt(slot)) {
      slot = (slot + 1) & (this.slots - 1);
      state = this.table.getInt32(slot * 12 + 8, true) - 1;
    }
    return state;
  }

  /** Whether the fingerprint last made is that of a slot. */
  private isAt(slot: i32): bool {
    const low = this.table.getInt32(slot * 12, true);
    return low === this.low && this.table.getInt32(slot * 12 + 4, true) === this.high;
  }

  /** Adds what `find` did not find. */
  add(parent: i32, deed: i32): i32 {
    const state = this.count;
    if (state % CHUNK === 0) this.chunks.push(new Int32Array(CHUNK * WORDS));
    this.count = state + 1;
    if (this.count * 2 > this.slots) this.grow();
    this.put(this.table, this.slots, this.low, this.high, state + 1);
    this.set(state, 0, parent + 1);
    this.set(state, 1, deed);
    return state;
  }

  parent(state: i32): i32 {
    return this.get(state, 0) - 1;
  }

  deed(state: i32): i32 {
    return this.get(state, 1);
  }

  solo(state: i32): i32 {
    return this.get(state, 2) - 1;
  }

  setSolo(state: i32, next: i32): void {
    this.set(state, 2, next + 1);
  }

  private get(state: i32, word: i32): i32 {
    assert(state >= 0 && state < this.count);
    const chunk = unchecked(this.chunks[i32(state / CHUNK)]);
    return i32(unchecked(chunk[(state % CHUNK) * WORDS + word]));
  }

  private set(state: i32, word: i32, value: i32): void {
    assert(state >= 0 && state < this.count);
    const chunk = unchecked(this.chunks[i32(state / CHUNK)]);
    chunk[(state % CHUNK) * WORDS + word] = value;
  }

  private put(table: DataView, slots: i32, low: i32, high: i32, value: i32): void {
    let slot = low & (slots - 1);
    while (table.getInt32(slot * 12 + 8, true) !== 0) slot = (slot + 1) & (slots - 1);
    table.setInt32(slot * 12, low, true);
    table.setInt32(slot * 12 + 4, high, true);
    table.setInt32(slot * 12 + 8, value, true);
  }

  private grow(): void {
    const slots = this.slots * 4;
    const table = new DataView(new ArrayBuffer(slots * 12));
    for (let slot = 0; slot < this.slots; slot++) {
      const value = this.table.getInt32(slot * 12 + 8, true);
      if (value === 0) continue;
      const low = this.table.getInt32(slot * 12, true);
      this.put(table, slots, low, this.table.getInt32(slot * 12 + 4, true), value);
    }
    this.table = table;
    this.slots = slots;
  }

  /**
   * Three lanes of 24 bits, of which 64 are kept. A product of two such numbers is exact in
   * JavaScript, and its low 24 bits are the same where it wraps.
   */
  private fingerprint(parts: Uint32Array, count: i32): void {
    assert(count <= parts.length);
    let a = 0x243f6a;
    let b = 0x885a30;
    let c = 0x8d3131;
    for (let i = 0; i < count; i++) {
      const part = i32(unchecked(parts[i]));
      a = lane(a ^ (part & 0xffffff), 0x9e3779);
      b = lane(b ^ ((part * 5) & 0xffffff) ^ (a >> 7), 0xb5297b);
      c = lane(c ^ ((part + b) & 0xffffff), 0x68e31d);
    }
    this.low = a | ((c & 0xff) << 24);
    this.high = b | (((c >> 8) & 0xff) << 24);
  }
}

function lane(value: i32, multiplier: i32): i32 {
  const product = i32(u32(value) * u32(multiplier)) & 0xffffff;
  return product ^ (product >> 13);
}
