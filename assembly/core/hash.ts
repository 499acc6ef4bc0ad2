/**
 * The 64-bit hash of the state: equal states hash equal, on every runtime. FNV-1a over words of
 * 8 bytes instead of bytes; it finds divergence, it resists no attacker. Covers what is live: the
 * globals, every field of a busy operation, and its list of partitions.
 */
import { Entry, Field, Global, State } from "./state.ts";

/** FNV offset basis 0xcbf29ce484222325 and prime 0x100000001b3. */
const BASIS: u64 = u64(u64(u64(0xcbf29ce4) << u64(32)) | u64(0x84222325));
const PRIME: u64 = u64(u64(u64(0x100) << u64(32)) | u64(0x1b3));

export function hashState(state: State): u64 {
  let hash = hashRange(state, BASIS, 0, Global.Slots);
  for (let operation = 0; operation < state.operations; operation++) {
    if (state.get(operation, Field.Command) === 0) continue;
    hash = hashRange(state, hash, state.at(operation, 0), Field.Slots);
    const words = i32((state.get(operation, Field.Partitions) * Entry.Bytes) / 8);
    hash = hashRange(state, hash, state.at(operation, Field.Slots), words);
  }
  return hash;
}

function hashRange(state: State, hash: u64, at: i32, words: i32): u64 {
  let value = hash;
  for (let i = 0; i < words; i++) {
    value = u64(u64(value ^ state.view.getUint64(at + i * 8, true)) * PRIME);
    // The product moves bits up only: bring the high ones down.
    value = u64(value ^ (value >> u64(32)));
  }
  return value;
}
