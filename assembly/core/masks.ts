/**
 * Sets of partition numbers: 256 bits, of which the first is not used, as four words in the state.
 * Numbers that no partition of ours has are in no set.
 */
import { Limit } from "../abi.ts";

export function hasBit(view: DataView, at: i32, bit: i32): bool {
  if (bit < 0 || bit > Limit.PartitionsMax) return false;
  return ((i32(view.getUint8(at + (bit >> 3))) >> (bit & 7)) & 1) !== 0;
}

export function setBit(view: DataView, at: i32, bit: i32, value: bool): void {
  if (bit < 0 || bit > Limit.PartitionsMax) return;
  const byte = i32(view.getUint8(at + (bit >> 3)));
  const mask = 1 << (bit & 7);
  view.setUint8(at + (bit >> 3), u8(value ? byte | mask : byte & ~mask));
}

/** Whether all bits of one are in the other. */
export function holds(view: DataView, at: i32, wanted: i32): bool {
  for (let i = 0; i < 32; i += 8) {
    const bits = view.getUint64(wanted + i, true);
    if (u64(view.getUint64(at + i, true) & bits) !== bits) return false;
  }
  return true;
}

/** Whether they have a bit in common. */
export function meets(view: DataView, at: i32, other: i32): bool {
  for (let i = 0; i < 32; i += 8) {
    const bits = u64(view.getUint64(at + i, true) & view.getUint64(other + i, true));
    if (bits !== u64(0)) return true;
  }
  return false;
}

export function isEmpty(view: DataView, at: i32): bool {
  return meets(view, at, at) === false;
}

export function clearMask(view: DataView, at: i32): void {
  for (let i = 0; i < 32; i += 8) view.setUint64(at + i, u64(0), true);
}

/** Adds the bits of another. */
export function addMask(view: DataView, at: i32, other: i32): void {
  for (let i = 0; i < 32; i += 8) {
    const bits = u64(view.getUint64(at + i, true) | view.getUint64(other + i, true));
    view.setUint64(at + i, bits, true);
  }
}
