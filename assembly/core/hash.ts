/**
 * The 64-bit hash of the state: equal states hash equal, on every runtime. FNV-1a over words of
 * 8 bytes instead of bytes; it finds divergence, it resists no attacker. Covers what is live: the
 * globals, every field of a busy operation, and its list of partitions; disks and watches in use,
 * deadlines, the SEQNUMs seen.
 */
import { Deadlines } from "./deadlines.ts";
import { DiskField, WatchField } from "./records.ts";
import { Registry } from "./registry.ts";
import { Seen } from "./seen.ts";
import { Entry, Field, Global, State } from "./state.ts";

/** FNV offset basis 0xcbf29ce484222325 and prime 0x100000001b3. */
const BASIS: u64 = u64(u64(u64(0xcbf29ce4) << u64(32)) | u64(0x84222325));
const PRIME: u64 = u64(u64(u64(0x100) << u64(32)) | u64(0x1b3));

export function hashState(state: State, registry: Registry, deadlines: Deadlines): u64 {
  let hash = hashRange(state, BASIS, 0, Global.Slots);
  // Few are, of many.
  let busy = i32(state.global(Global.Taken));
  for (let operation = 0; busy > 0; operation++) {
    if (state.get(operation, Field.Command) === 0) continue;
    hash = hashOperation(state, hash, operation);
    busy--;
  }
  hash = hashOperation(state, hash, state.lookout);
  hash = hashRange(state, hash, registry.headAt(), registry.headSlots());
  hash = hashWatches(state, hash, registry, registry.firstWatch(-1));
  for (let disk = registry.firstLive(); disk >= 0; disk = registry.nextDisk(disk)) {
    hash = hashRange(state, hash, registry.diskAt(disk, 0), DiskField.Slots);
    hash = hashWatches(state, hash, registry, registry.firstWatch(disk));
    hash = hashWatches(state, hash, registry, registry.firstWait(disk));
  }
  for (let disk = registry.firstIdle(); disk >= 0; disk = registry.nextDisk(disk)) {
    hash = hashRange(state, hash, registry.diskAt(disk, 0), DiskField.Slots);
  }
  for (let place = 0; deadlines.length() > place; place++) {
    const item = deadlines.at(place);
    hash = hashWord(hash, u64(item));
    hash = hashWord(hash, deadlines.time(item));
  }
  return hashSeen(state, hash);
}

function hashOperation(state: State, hash: u64, operation: i32): u64 {
  const value = hashRange(state, hash, state.at(operation, 0), Field.Slots);
  const words = i32((state.get(operation, Field.Partitions) * Entry.Bytes) / 8);
  return hashRange(state, value, state.at(operation, Field.Slots), words);
}

/** A group of which nothing was heard has no bit set. */
function hashSeen(state: State, hash: u64): u64 {
  const bytes = i32(Seen.bytes(state.seqnums) / 2);
  let value = hash;
  for (let at = state.seenAt; at < state.seenAt + 2 * bytes; at += bytes) {
    const highest = state.view.getUint64(at, true);
    value = hashWord(value, highest);
    if (highest !== u64(0)) value = hashRange(state, value, at + 8, i32(bytes / 8) - 1);
  }
  return value;
}

function hashWatches(state: State, hash: u64, registry: Registry, first: i32): u64 {
  let value = hash;
  for (let watch = first; watch >= 0; watch = registry.nextWatch(watch)) {
    value = hashWord(value, u64(watch));
    value = hashRange(state, value, registry.watchAt(watch, 0), WatchField.Slots);
  }
  return value;
}

/** In four lanes: a product need not wait for the one before it. */
function hashRange(state: State, hash: u64, at: i32, words: i32): u64 {
  const view = state.view;
  assert(at >= 0 && words >= 0 && at + words * 8 <= view.byteLength);
  let a = hash;
  let b = u64(1);
  let c = u64(2);
  let d = u64(3);
  let i = 0;
  for (; i + 4 <= words; i += 4) {
    const from = at + i * 8;
    a = hashWord(a, wordAt(view, from));
    b = hashWord(b, wordAt(view, from + 8));
    c = hashWord(c, wordAt(view, from + 16));
    d = hashWord(d, wordAt(view, from + 24));
  }
  for (; i < words; i++) a = hashWord(a, wordAt(view, at + i * 8));
  return hashWord(hashWord(hashWord(a, b), c), d);
}

function hashWord(hash: u64, word: u64): u64 {
  const value = u64(u64(hash ^ word) * PRIME);
  // The product moves bits up only: bring the high ones down.
  return u64(value ^ (value >> u64(32)));
}
