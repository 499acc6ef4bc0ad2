/**
 * The time of a simulation: the machine's own, or one that moves only when nothing else can
 * (virtual) or when it is told to (manual).
 */
import { setAlarm } from "../driver.ts";

export type ClockKind = "real" | "virtual" | "manual";

interface Alarm {
  readonly at: bigint;
  readonly ring: () => void;
}

/** What a call takes on a clock that does not run by itself. */
const callNs = 1000n;

export class Clock {
  readonly kind: ClockKind;
  #now = 1_000_000_000n;
  readonly #alarms = new Set<Alarm>();

  constructor(kind: ClockKind) {
    this.kind = kind;
  }

  now(): bigint {
    return this.kind === "real" ? process.hrtime.bigint() : this.#now;
  }

  /** A call was made. */
  tick(): void {
    this.#now += callNs;
  }

  /** Calls back once at a time; what it returns cancels that. */
  alarm(at: bigint, ring: () => void): () => void {
    if (this.kind === "real") return setAlarm(at - this.now(), ring);
    const alarm = { at, ring };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Nothing can happen before the next alarm: rings it; false: there is none until then. */
  skip(until?: bigint): boolean {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (next === undefined || alarm.at < next.at) next = alarm;
    }
    if (next === undefined || (until !== undefined && next.at > until)) return false;
    this.#alarms.delete(next);
    this.moveTo(next.at);
    next.ring();
    return true;
  }

  moveTo(at: bigint): void {
    if (at > this.#now) this.#now = at;
  }
}
