/** Random numbers from a seed, the same on every machine. */
import { mulberry } from "../helpers/random.ts";

export class Random {
  readonly #next: () => number;

  /** `stream`: one of many sequences of a seed. */
  constructor(seed: number, stream = 0) {
    this.#next = mulberry(Math.imul(seed ^ Math.imul(stream + 1, 0x9e3779b1), 0x85ebca6b));
  }

  /** An integer from 0 on, below `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}
