/**
 * Words as they lie in memory, for Wasm: many at once, or one without a check. These are words of
 * the language to all sources (asc's `lib`); the JavaScript build has its own in
 * `host/portable.ts`. The only file with pointers.
 */

/** Whether so many words of two arrays are the same; the caller has checked that they are there. */
export function equalWords(a: Int32Array, at: i32, b: Int32Array, from: i32, words: i32): bool {
  let left = a.dataStart + ((<usize>at) << 2);
  let right = b.dataStart + ((<usize>from) << 2);
  const end = left + ((<usize>words) << 2);
  while (left + 16 <= end) {
    if (v128.any_true(v128.xor(v128.load(left), v128.load(right)))) return false;
    left += 16;
    right += 16;
  }
  while (left < end) {
    if (load<i32>(left) !== load<i32>(right)) return false;
    left += 4;
    right += 4;
  }
  return true;
}

/** Copies so many words of one array into another. */
export function copyWords(to: Int32Array, at: i32, from: Int32Array, start: i32, words: i32): void {
  memory.copy(
    to.dataStart + ((<usize>at) << 2),
    from.dataStart + ((<usize>start) << 2),
    (<usize>words) << 2,
  );
}

/** The word of 8 bytes at a byte of a view; the caller has checked that it is there. */
export function wordAt(view: DataView, at: i32): u64 {
  return load<u64>(view.dataStart + at);
}
