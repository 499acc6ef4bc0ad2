/** Base64 (RFC 4648, padded) in plain JavaScript, for every runtime. */
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const digits = encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const padding = "=".charCodeAt(0);

/** What each byte stands for; -1 where it is no digit. */
const values = new Int8Array(256).fill(-1);
for (const [value, digit] of digits.entries()) values[digit] = value;

export function encodeBase64(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(padding);
  const rest = bytes.length % 3;
  const whole = bytes.length - rest;
  let to = 0;
  for (let at = 0; at < whole; at += 3) {
    const three = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    text[to++] = digits[three >> 18];
    text[to++] = digits[(three >> 12) & 63];
    text[to++] = digits[(three >> 6) & 63];
    text[to++] = digits[three & 63];
  }
  if (rest > 0) {
    const three = (bytes[whole] << 16) | (rest === 2 ? bytes[whole + 1] << 8 : 0);
    text[to++] = digits[three >> 18];
    text[to++] = digits[(three >> 12) & 63];
    if (rest === 2) text[to++] = digits[(three >> 6) & 63];
  }
  return decoder.decode(text);
}

/** The bytes of a text; undefined where it is no base64. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  const source = encoder.encode(text);
  const bytes = new Uint8Array((source.length >> 2) * 3);
  const length = decodeBase64(source, 0, source.length, bytes, 0);
  return length < 0 ? undefined : bytes.subarray(0, length);
}

/**
 * Decodes what stands from `at` to before `end` into other memory, from `to` on. How many bytes it
 * made; -1 where it is no base64 (some may be written then), or there is no room.
 */
export function decodeBase64(
  source: Uint8Array,
  at: number,
  end: number,
  memory: Uint8Array,
  to: number,
): number {
  if (at === end) return 0;
  if ((end - at) % 4 !== 0) return -1;
  const padded = source[end - 1] !== padding ? 0 : source[end - 2] !== padding ? 1 : 2;
  const length = ((end - at) >> 2) * 3 - padded;
  if (to + length > memory.length) return -1;
  const whole = padded === 0 ? end : end - 4;
  let next = to;
  for (let from = at; from < whole; from += 4) {
    const three = fourDigits(source[from], source[from + 1], source[from + 2], source[from + 3]);
    if (three < 0) return -1;
    memory[next++] = three >> 16;
    memory[next++] = three >> 8;
    memory[next++] = three;
  }
  if (padded > 0) {
    const zero = digits[0];
    const third = padded === 1 ? source[whole + 2] : zero;
    const three = fourDigits(source[whole], source[whole + 1], third, zero);
    if (three < 0) return -1;
    memory[next++] = three >> 16;
    if (padded === 1) memory[next++] = three >> 8;
  }
  return length;
}

/** Three bytes; below 0 where one is no digit. */
function fourDigits(a: number, b: number, c: number, d: number): number {
  return (values[a] << 18) | (values[b] << 12) | (values[c] << 6) | values[d];
}
