/**
 * What a JSON object of somebody else's holds, checked as it is taken out. Knows what kind of thing
 * a field must be, and nothing of what it means; whoever reads says how a refusal is told.
 */
import { bytesOfBase64 } from "./base64.ts";

export class Fields {
  readonly all: Readonly<Record<string, unknown>>;
  readonly #refuse: (what: string) => Error;

  constructor(value: unknown, refuse: (what: string) => Error) {
    if (!isObject(value)) throw refuse("no object");
    this.all = value;
    this.#refuse = refuse;
  }

  get(name: string): unknown {
    return this.all[name];
  }

  text(name: string): string {
    return this.string(this.all[name], name);
  }

  string(value: unknown, name: string): string {
    if (typeof value === "string") return value;
    throw this.#refuse(`${name} is no text`);
  }

  number(name: string): number {
    return this.whole(this.all[name], name);
  }

  whole(value: unknown, name: string): number {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw this.#refuse(`${name} is no whole number`);
  }

  /** Below 0, too. */
  integer(name: string): number {
    const value = this.all[name];
    if (Number.isSafeInteger(value)) return value as number;
    throw this.#refuse(`${name} is no integer`);
  }

  /** A decimal string of so many bits. */
  decimal(name: string, bits = 64): bigint {
    const value = this.all[name];
    if (typeof value === "string" && /^\d{1,80}$/.test(value)) {
      const wide = BigInt(value);
      if (wide < 1n << BigInt(bits)) return wide;
    }
    throw this.#refuse(`${name} is no decimal string of ${bits} bits`);
  }

  /** Base64. */
  bytes(name: string): Uint8Array {
    const bytes = bytesOfBase64(this.text(name));
    if (bytes !== undefined) return bytes;
    throw this.#refuse(`${name} is no base64`);
  }

  /** The same; undefined where it is left out. */
  optionalBytes(name: string): Uint8Array | undefined {
    return this.all[name] === undefined ? undefined : this.bytes(name);
  }

  /** The value of an enum by its name. */
  member(names: Readonly<Record<string, string | number>>, name: string): number {
    const value = names[this.text(name)];
    if (typeof value === "number") return value;
    const known = Object.keys(names).filter((one) => typeof names[one] === "number");
    throw this.#refuse(`${name} is none of ${known.join(", ")}`);
  }

  array(name: string): readonly unknown[] {
    const value = this.all[name];
    if (Array.isArray(value)) return value;
    throw this.#refuse(`${name} is no list`);
  }

  object(name: string): Readonly<Record<string, unknown>> {
    const value = this.all[name];
    if (isObject(value)) return value;
    throw this.#refuse(`${name} is no object`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
