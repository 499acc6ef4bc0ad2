/**
 * AssemblyScript's words defined for the JavaScript build of the core: casts that wrap, `assert`,
 * `unchecked`, and what of arrays and DataView JavaScript spells otherwise. Importing it
 * defines them globally; nothing else in the host uses them.
 */
const words = globalThis as unknown as Record<string, unknown>;

words["bool"] = (value: number | boolean): boolean => Boolean(value);
words["u8"] = (value: number | bigint): number => Number(BigInt.asUintN(8, BigInt(value)));
words["u16"] = (value: number | bigint): number => Number(BigInt.asUintN(16, BigInt(value)));
words["i32"] = (value: number | bigint): number =>
  typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : value | 0;
words["u32"] = (value: number | bigint): number =>
  typeof value === "bigint" ? Number(BigInt.asUintN(32, value)) : value >>> 0;
words["u64"] = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value));
words["assert"] = (condition: unknown, message?: string): void => {
  if (!condition) throw new Error(message ?? "assertion failed");
};
words["unchecked"] = (value: unknown): unknown => value;

words["equalWords"] = (
  a: Int32Array,
  at: number,
  b: Int32Array,
  from: number,
  count: number,
): boolean => {
  for (let i = 0; i < count; i++) if (a[at + i] !== b[from + i]) return false;
  return true;
};
words["copyWords"] = (
  to: Int32Array,
  at: number,
  from: Int32Array,
  start: number,
  count: number,
): void => {
  for (let i = 0; i < count; i++) to[at + i] = from[start + i] as number;
};

words["wordAt"] = (view: DataView, at: number): bigint => view.getBigUint64(at, true);

const array = Uint8Array as unknown as Record<string, unknown>;
array["wrap"] = (buffer: ArrayBuffer): Uint8Array => new Uint8Array(buffer);
const integers = Int32Array as unknown as Record<string, unknown>;
integers["wrap"] = (buffer: ArrayBuffer): Int32Array => new Int32Array(buffer);

const view = DataView.prototype as unknown as Record<string, unknown>;
view["getUint64"] = DataView.prototype.getBigUint64;
view["setUint64"] = DataView.prototype.setBigUint64;
