/**
 * Goes along bytes of ASCII and takes what stands there: words that are known, and numbers in the
 * one spelling that JSON and a recorder have for them. What does not stand there makes it fail,
 * once for all that follows. Knows nothing of lines.
 */

/** So many digits fit a number exactly. */
const exactDigits = 15;
/** Longer decimals are read in two parts, of 19 digits in all: one of 20 may be too large. */
const highDigits = 10;
const lowDigits = 9;

const zero = 48;
const minus = 45;
const letterA = 97;

export class Cursor {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #isGood = true;
  /** What `#decimal` read. */
  #high = 0;
  #scale = 1;
  #low = 0;

  begin(bytes: Uint8Array, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#isGood = true;
  }

  get at(): number {
    return this.#at;
  }

  /** All that was to be taken stood there. */
  get isGood(): boolean {
    return this.#isGood;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  /** Whether that word stands here; goes behind it where it does. */
  finds(word: Uint8Array): boolean {
    const bytes = this.#bytes;
    const from = this.#at;
    for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word[i]) return false;
    this.#at = from + word.length;
    return true;
  }

  /** Goes behind that word. */
  takes(word: Uint8Array): void {
    if (!this.finds(word)) this.#isGood = false;
  }

  /** An integer of 15 digits at most. */
  integer(): number {
    const isNegative = this.#bytes[this.#at] === minus;
    if (isNegative) this.#at += 1;
    const from = this.#at;
    const value = this.#digits(exactDigits);
    if (this.#at === from || (this.#bytes[from] === zero && (this.#at > from + 1 || isNegative))) {
      this.#isGood = false;
    }
    return isNegative ? -value : value;
  }

  /** Goes behind that integer. */
  takesInteger(number: number): void {
    if (this.integer() !== number) this.#isGood = false;
  }

  /** A number of 64 bits, below 10^19. */
  decimal(): bigint {
    if (this.#decimal() <= exactDigits) return BigInt(this.#high * this.#scale + this.#low);
    return BigInt(this.#high) * BigInt(this.#scale) + BigInt(this.#low);
  }

  /** Goes behind that decimal. */
  takesDecimal(number: bigint): void {
    const isEqual =
      this.#decimal() <= exactDigits
        ? this.#high * this.#scale + this.#low === Number(number)
        : BigInt(this.#high) * BigInt(this.#scale) + BigInt(this.#low) === number;
    if (!isEqual) this.#isGood = false;
  }

  /** How many digits it has. */
  #decimal(): number {
    const from = this.#at;
    this.#high = this.#digits(highDigits);
    const middle = this.#at;
    this.#low = this.#digits(lowDigits);
    this.#scale = 10 ** (this.#at - middle);
    const digits = this.#at - from;
    if (digits === 0 || (this.#bytes[from] === zero && digits > 1)) this.#isGood = false;
    return digits;
  }

  /** What so many digits at most come to. */
  #digits(most: number): number {
    const bytes = this.#bytes;
    const end = this.#at + most;
    let value = 0;
    let at = this.#at;
    for (; at < end; at++) {
      const digit = bytes[at] - zero;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    this.#at = at;
    return value;
  }

  /** So many hex digits, 8 at most. */
  hex(digits: number): number {
    const bytes = this.#bytes;
    const end = this.#at + digits;
    let value = 0;
    for (let at = this.#at; at < end; at++) {
      const byte = bytes[at];
      const digit = byte < letterA ? byte - zero : byte - letterA + 10;
      if (!(digit >= 0 && digit <= (byte < letterA ? 9 : 15))) this.#isGood = false;
      value = value * 16 + digit;
    }
    this.#at = end;
    return value;
  }
}
