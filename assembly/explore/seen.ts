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
  /** Fingerprints and numbers plus one, by slots. */
  private slots: i32 = 1 << 12;
  private lows: Int32Array = new Int32Array(1 << 12);
  private highs: Int32Array = new Int32Array(1 << 12);
  private numbers: Int32Array = new Int32Array(1 << 12);
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
    const mask = this.slots - 1;
    let slot = this.low & mask;
    let number = i32(unchecked(this.numbers[slot]));
    while (number !== 0 && !this.isAt(slot)) {
      slot = (slot + 1) & mask;
      number = i32(unchecked(this.numbers[slot]));
    }
    return number - 1;
  }

  /** Whether the fingerprint last made is that of a slot. */
  private isAt(slot: i32): bool {
    const isLow = i32(unchecked(this.lows[slot])) === this.low;
    return isLow && i32(unchecked(this.highs[slot])) === this.high;
  }

  /** Adds what `find` did not find. */
  add(parent: i32, deed: i32): i32 {
    const state = this.count;
    if (state % CHUNK === 0) this.chunks.push(new Int32Array(CHUNK * WORDS));
    this.count = state + 1;
    if (this.count > i32(this.slots / 4) * 3) this.grow();
    this.put(this.low, this.high, state + 1);
    this.set(state, 0, parent + 1);
    this.set(state, 1, deed);
    return state;
  }

  parent(state: i32): i32 {
    return this.get(state, 0) - 1;
  }

  deed(state: i32): i32 {
    const deed = this.get(state, 1);
    return deed < 0 ? -deed : deed;
  }

  /** A state is found, but not gone on from; until it is taken. */
  leave(state: i32): void {
    this.set(state, 1, -this.get(state, 1));
  }

  isLeft(state: i32): bool {
    return this.get(state, 1) < 0;
  }

  take(state: i32): bool {
    if (!this.isLeft(state)) return false;
    this.leave(state);
    return true;
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

  private put(low: i32, high: i32, number: i32): void {
    const mask = this.slots - 1;
    let slot = low & mask;
    while (i32(unchecked(this.numbers[slot])) !== 0) slot = (slot + 1) & mask;
    this.lows[slot] = low;
    this.highs[slot] = high;
    this.numbers[slot] = number;
  }

  private grow(): void {
    const lows = this.lows;
    const highs = this.highs;
    const numbers = this.numbers;
    const slots = this.slots;
    this.slots = slots * 2;
    this.lows = new Int32Array(slots * 2);
    this.highs = new Int32Array(slots * 2);
    this.numbers = new Int32Array(slots * 2);
    for (let slot = 0; slot < slots; slot++) {
      const number = i32(unchecked(numbers[slot]));
      if (number !== 0) this.put(i32(unchecked(lows[slot])), i32(unchecked(highs[slot])), number);
    }
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
