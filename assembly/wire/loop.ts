/**
 * loop_config, loop_info64 and blkpg_partition as bytes in a buffer. Builds and reads them in
 * place; no pointer is in them but the descriptor of the backing file. Source:
 * include/uapi/linux/loop.h, include/uapi/linux/blkpg.h, the same on every 64-bit architecture.
 *
 *   loop_config      0 fd u32 | 4 block_size u32 | 8 loop_info64 | 240 reserved u64[8]
 *   loop_info64      0 lo_device | 8 lo_inode | 16 lo_rdevice | 24 lo_offset | 32 lo_sizelimit
 *                    40 lo_number u32 | 44 encryption, 0 | 52 lo_flags u32 | 56 lo_file_name[64]
 *                    120 lo_crypt_name[64] | 184 lo_encrypt_key[32] | 216 lo_init u64[2]
 *   blkpg_partition  0 start i64 | 8 length i64 | 16 pno i32 | 20 devname[64] | 84 volname[64]
 */

export enum LoopConfig {
  Info = 8,
  Bytes = 304,
}

export enum LoopInfo {
  Bytes = 232,
}

export enum Blkpg {
  Bytes = 152,
}

export function clearBytes(view: DataView, at: i32, bytes: i32): void {
  const end = at + bytes;
  let next = at;
  for (; next + 8 <= end; next += 8) view.setUint64(next, u64(0), true);
  for (; next < end; next++) view.setUint8(next, 0);
}

/** A blank loop_config for a backing descriptor; the info follows at `LoopConfig.Info`. */
export function putLoopConfig(view: DataView, at: i32, descriptor: i32, blockSize: i32): void {
  clearBytes(view, at, LoopConfig.Bytes);
  view.setInt32(at, descriptor, true);
  view.setInt32(at + 4, blockSize, true);
}

/** The settable part of a loop_info64; its name is put separately. */
export function putLoopInfo(
  view: DataView,
  at: i32,
  offset: u64,
  sizeLimit: u64,
  flags: i32,
): void {
  view.setUint64(at + 24, offset, true);
  view.setUint64(at + 32, sizeLimit, true);
  view.setInt32(at + 52, flags, true);
}

/** Where lo_file_name lies in a loop_info64. */
export const LO_FILE_NAME: i32 = 56;

export function loopDevice(view: DataView, at: i32): u64 {
  return view.getUint64(at, true);
}

export function loopInode(view: DataView, at: i32): u64 {
  return view.getUint64(at + 8, true);
}

export function loopRdevice(view: DataView, at: i32): u64 {
  return view.getUint64(at + 16, true);
}

export function loopOffset(view: DataView, at: i32): u64 {
  return view.getUint64(at + 24, true);
}

export function loopSizeLimit(view: DataView, at: i32): u64 {
  return view.getUint64(at + 32, true);
}

export function loopFlags(view: DataView, at: i32): i32 {
  return view.getInt32(at + 52, true);
}

export function setLoopFlags(view: DataView, at: i32, flags: i32): void {
  view.setInt32(at + 52, flags, true);
}

/** A blkpg_partition: bytes, and the partition's number. */
export function putBlkpg(view: DataView, at: i32, number: i32, start: u64, length: u64): void {
  clearBytes(view, at, Blkpg.Bytes);
  view.setUint64(at, start, true);
  view.setUint64(at + 8, length, true);
  view.setInt32(at + 16, number, true);
}

/** `loop` */
const LOOP: i32 = 0x6c6f6f70;

/** Writes the kernel name of a loop device; its bytes, at most 14. */
export function putLoopName(view: DataView, at: i32, number: i32): i32 {
  let digits = 1;
  for (let rest = number; rest > 9; rest = i32(rest / 10)) digits++;
  view.setInt32(at, LOOP, false);
  let rest = number;
  for (let i = digits - 1; i >= 0; i--) {
    view.setUint8(at + 4 + i, u8(0x30 + (rest % 10)));
    rest = i32(rest / 10);
  }
  return 4 + digits;
}

/** The number in the kernel name of a loop device; -1 where it is of another. */
export function loopNumber(view: DataView, at: i32, bytes: i32): i32 {
  if (bytes < 5 || bytes > 11 || view.getInt32(at, false) !== LOOP) return -1;
  let number = 0;
  for (let i = 4; i < bytes; i++) {
    const digit = i32(view.getUint8(at + i)) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
