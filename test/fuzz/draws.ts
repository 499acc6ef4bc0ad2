/** What the fuzz draws, from one of many streams of a seed. */
import { Random } from "../../host/sim/random.ts";

export class Draws extends Random {
  constructor(seed: number, stream = 0) {
    super(Math.imul(seed ^ Math.imul(stream + 1, 0x9e3779b1), 0x85ebca6b) >>> 0);
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
