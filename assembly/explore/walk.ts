/**
 * One long way through a trial, by chance: first with everybody there who disturbs, then
 * undisturbed until all is over. The same seed goes the same way, on every runtime.
 */
import { Trial } from "./trial.ts";
import { Violation } from "./words.ts";

/** Undisturbed nothing takes so long. */
const CALM_MAX: i32 = 20_000;
const PATH_MAX: i32 = 1 << 15;

export class Walk {
  /** The deeds, in order; those of the calm end, from `healed` on, too. */
  readonly path: Int32Array = new Int32Array(PATH_MAX);
  count: i32 = 0;
  healed: i32 = 0;
  /** Of all states on the way, where it was asked for. */
  digest: i32 = 0;
  private readonly trial: Trial;
  private random: i32 = 1;

  constructor(trial: Trial) {
    this.trial = trial;
  }

  /**
   * So many deeds by chance, then to the end; what was violated. Of `temper` deeds all but one are
   * of those that happen anyway. With `isHashed` every state is looked at.
   */
  run(seed: i32, deeds: i32, temper: i32, isHashed: bool): i32 {
    assert(deeds >= 0 && deeds <= PATH_MAX - CALM_MAX && temper > 0);
    this.random = seed === 0 ? 1 : seed;
    for (let i = 0; i < deeds && !this.trial.isOver(); i++) {
      const deed = this.draw(temper);
      if (deed === 0) return Violation.Stuck;
      const violation = this.act(deed, isHashed);
      if (violation !== 0) return violation;
    }
    this.healed = this.count;
    for (let i = 0; i < CALM_MAX; i++) {
      if (this.trial.isOver()) return this.trial.atEnd();
      const violation = this.goOn(isHashed);
      if (violation !== 0) return violation;
    }
    return Violation.Livelock;
  }

  /** The first of the calm deeds that moves anything. */
  private goOn(isHashed: bool): i32 {
    const calm = this.calm();
    for (let index = 0; index < calm; index++) {
      const violation = this.act(this.trial.choice(index), isHashed);
      if (violation !== 0 || this.trial.hasMoved) return violation;
      // It has only waited: as if it was not done.
      this.count--;
      this.calm();
    }
    return Violation.Stuck;
  }

  private calm(): i32 {
    this.trial.choices();
    return this.trial.calm();
  }

  /** A deed that is possible, 0: none is. */
  private draw(temper: i32): i32 {
    const choices = this.trial.choices();
    const calm = this.trial.calm();
    const isCalm = calm > 0 && this.next(temper) !== 0;
    if (choices === 0) return 0;
    return this.trial.choice(this.next(isCalm ? calm : choices));
  }

  private act(deed: i32, isHashed: bool): i32 {
    this.path[this.count] = deed;
    this.count++;
    const violation = this.trial.act(deed);
    if (isHashed) this.digest = (this.digest * 31 + this.trial.hash()) & 0x3fffffff;
    return violation;
  }

  /** xorshift32 (Marsaglia 2003), below a small bound. */
  private next(bound: i32): i32 {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return ((x >>> 8) & 0xffff) % bound;
  }
}
