/**
 * Where moments stand on the axis: by time, or one step for each that is shown, since much time is
 * empty. Knows no pixels.
 */
import type { Moment } from "../explain/moments.ts";

export type Mode = "order" | "time";

/** A span of the axis, in its units: ns, or moments. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export class Scale {
  readonly mode: Mode;
  /** of each moment, never falling */
  readonly positions: Float64Array;
  readonly end: number;
  readonly #times: Float64Array;

  constructor(moments: readonly Moment[], isShown: Uint8Array, mode: Mode) {
    this.mode = mode;
    this.positions = new Float64Array(moments.length);
    this.#times = new Float64Array(moments.length);
    let shown = 0;
    let time = 0;
    for (const [index, { at }] of moments.entries()) {
      time = Math.max(time, at);
      this.#times[index] = time;
      this.positions[index] = mode === "time" ? time : shown;
      shown += isShown[index];
    }
    this.end = Math.max(mode === "time" ? time : shown - 1, 1);
  }

  /** Where something ends that begins with a moment and takes a time; null: it has no end. */
  endOf(index: number, tookNs: number | null): number {
    if (tookNs === null) return this.end;
    const time = this.#times[index] + tookNs;
    if (this.mode === "time") return time;
    const after = firstAtLeast(this.#times, time);
    return after < this.positions.length ? this.positions[after] : this.end;
  }

  /** The first moment at a position or behind it. */
  firstFrom(position: number): number {
    return firstAtLeast(this.positions, position);
  }

  /** Time at a position, ns. */
  timeAt(position: number): number {
    if (this.mode === "time") return position;
    const index = Math.min(this.firstFrom(Math.max(0, position)), this.#times.length - 1);
    return this.#times[index] ?? 0;
  }

  /** The smallest span that can be looked at. */
  get leastSpan(): number {
    return this.mode === "time" ? 200 : 4;
  }

  get whole(): Span {
    const edge = this.mode === "time" ? this.end * 0.01 : Math.max(0.5, this.end * 0.01);
    return { from: -edge, to: this.end + edge };
  }
}

/** Where the first stands that is not less; behind the last where none is. */
export function firstAtLeast(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Round steps across a span, at most so many. */
export function ticksOf({ from, to }: Span, most: number): number[] {
  const rough = (to - from) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick);
  return ticks;
}
