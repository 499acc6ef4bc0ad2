/**
 * What the assembly sources use of AssemblyScript, declared for tsc. `host/portable.ts` defines it
 * for the JavaScript build.
 */
declare type bool = boolean;
declare type u8 = number;
declare type u16 = number;
declare type i32 = number;
declare type u32 = number;
declare type u64 = bigint;
declare type f64 = number;

declare function bool(value: number | boolean): boolean;
declare function u8(value: number | bigint): number;
declare function u16(value: number | bigint): number;
declare function i32(value: number | bigint): number;
declare function u32(value: number | bigint): number;
/** Wraps at 2^64: needed around every 64-bit sum, difference, product and shift. */
declare function u64(value: number | bigint): bigint;
declare function assert(condition: unknown, message?: string): asserts condition;
/** An element whose index is known to be one. */
declare function unchecked<T>(value: T | undefined): T;

interface Uint8ArrayConstructor {
  wrap(buffer: ArrayBufferLike): Uint8Array;
}

interface Int32ArrayConstructor {
  wrap(buffer: ArrayBufferLike): Int32Array;
}

interface DataView {
  getUint64(byteOffset: number, littleEndian: boolean): bigint;
  setUint64(byteOffset: number, value: bigint, littleEndian: boolean): void;
}
