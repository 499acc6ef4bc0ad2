/** `assembly/native` as the portable sources see it. */
declare function equalWords(
  a: Int32Array,
  at: number,
  b: Int32Array,
  from: number,
  words: number,
): boolean;
declare function copyWords(
  to: Int32Array,
  at: number,
  from: Int32Array,
  start: number,
  words: number,
): void;
declare function wordAt(view: DataView, at: i32): u64;
