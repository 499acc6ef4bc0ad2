/** The generator behind the jitter: seeded once, its state is part of the machine's. */
import { Global, State } from "./state.ts";

/** 0x2545f4914f6cdd1d */
const MULTIPLIER: u64 = u64(u64(u64(0x2545f491) << u64(32)) | u64(0x4f6cdd1d));

/** The next pseudo-random number below `bound` (xorshift64*, Vigna 2016). */
export function random(state: State, bound: u64): u64 {
  let x = state.global(Global.Random);
  assert(x !== u64(0) && bound > u64(0));
  x = u64(x ^ (x >> u64(12)));
  x = u64(x ^ u64(x << u64(25)));
  x = u64(x ^ (x >> u64(27)));
  state.setGlobal(Global.Random, x);
  return u64(u64(x * MULTIPLIER) >> u64(11)) % bound;
}
