/** Changes a datagram where it is bytes: bits, NULs, pieces, and the words of udev's header. */
import { Group } from "../../assembly/abi.ts";
import type { Draws } from "./draws.ts";

const digits = { first: 0x30, last: 0x39 };
/** Bytes that mean something to a reader, or are next to one that does. */
const marked = [0, 0, 0x2f, 0x30, 0x39, 0x3a, 0x3d, 0x40, 0x7f, 0x80, 0xff];
const headerWords = [8, 12, 16, 20, 24, 28, 32, 36];
const piecesMax = 40;

/** `other`: bytes of another one, to take pieces from. */
export function mutateBytes(
  random: Draws,
  bytes: Buffer,
  group: Group,
  other: Uint8Array,
): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const count = 1 + random.below(piecesMax);
  const copy = Buffer.from(bytes);
  switch (random.below(group === Group.Udev ? 16 : 12)) {
    case 0:
    case 1:
      return flip(random, copy, at);
    case 2:
      return set(copy, at, random.pick(marked));
    case 3:
      return splice(copy, at, 0, Buffer.of(random.pick(marked)));
    case 4:
      return splice(copy, at, 1);
    case 5:
      return splice(copy, at, count);
    case 6:
      return removeNul(random, copy, at);
    case 7:
      return splice(copy, random.below(copy.length + 1), 0, copy.subarray(at, at + count));
    case 8:
      return splice(copy, at, random.once(2) ? count : 0, pieceOf(random, other, count));
    case 9:
      return swap(copy, at, random.below(copy.length + 1), count);
    case 10:
      return random.once(2) ? copy.subarray(0, at) : copy.subarray(0, copy.length - 1);
    case 11:
      return digit(random, copy, at);
    default:
      return header(random, copy);
  }
}

function flip(random: Draws, bytes: Buffer<ArrayBuffer>, at: number): Buffer<ArrayBuffer> {
  return set(bytes, at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
}

function set(bytes: Buffer<ArrayBuffer>, at: number, value: number): Buffer<ArrayBuffer> {
  if (at < bytes.length) bytes[at] = value;
  return bytes;
}

/** Some bytes less, and others instead. */
function splice(
  bytes: Buffer,
  at: number,
  count: number,
  added: Uint8Array = Buffer.alloc(0),
): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + count)]);
}

/** The next NUL is not there, or is another byte. */
function removeNul(random: Draws, bytes: Buffer<ArrayBuffer>, from: number): Buffer<ArrayBuffer> {
  const at = bytes.indexOf(0, from);
  if (at < 0) return bytes;
  return random.once(2) ? splice(bytes, at, 1) : set(bytes, at, random.pick(marked));
}

function pieceOf(random: Draws, bytes: Uint8Array, count: number): Uint8Array {
  const at = random.below(bytes.length);
  return bytes.subarray(at, at + count);
}

/** Two pieces change places. */
function swap(
  bytes: Buffer<ArrayBuffer>,
  first: number,
  second: number,
  count: number,
): Buffer<ArrayBuffer> {
  const [a, b] = first < second ? [first, second] : [second, first];
  const from = Math.min(a + count, b);
  const pieces = [bytes.subarray(b, b + count), bytes.subarray(from, b), bytes.subarray(a, from)];
  return Buffer.concat([bytes.subarray(0, a), ...pieces, bytes.subarray(b + count)]);
}

/** The next digit is another. */
function digit(random: Draws, bytes: Buffer<ArrayBuffer>, from: number): Buffer<ArrayBuffer> {
  const { first, last } = digits;
  const at = bytes.findIndex((byte, index) => index >= from && byte >= first && byte <= last);
  return at < 0 ? bytes : set(bytes, at, first - 1 + random.below(12));
}

/** A word of the header is another; or its place and length move together. */
function header(random: Draws, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  if (bytes.length < 40) return bytes;
  if (random.once(3)) {
    const by = random.below(9) - 4;
    bytes.writeInt32LE((bytes.readInt32LE(16) + by) | 0, 16);
    bytes.writeInt32LE((bytes.readInt32LE(20) - by) | 0, 20);
    return bytes;
  }
  const at = random.pick(headerWords);
  const old = bytes.readInt32LE(at);
  const near = old + random.below(5) - 2;
  const far = [0, 1, -1, 39, 40, 41, 0x7fffffff, -0x80000000, bytes.length, -40];
  bytes.writeInt32LE((random.once(2) ? near : random.pick(far)) | 0, at);
  return bytes;
}
