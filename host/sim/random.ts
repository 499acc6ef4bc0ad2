/** Random numbers from a seed (mulberry32): the same ones for the same seed. */
export class Random {
  #state: number;

  constructor(seed: bigint | number) {
    const whole = BigInt(seed);
    this.#state = Number(BigInt.asUintN(32, whole ^ (whole >> 32n)));
  }

  /** From 0 on, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 on, below `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}
