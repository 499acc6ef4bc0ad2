/**
 * What stands in a redacted trace in place of names: as long, the same for the same, and not to be
 * led back without a key that is drawn for each trace and never written. Knows no record and no
 * table.
 */
import { createHash, randomBytes } from "node:crypto";

/** Names that kernels give by themselves: they say what kind of disk it is and nothing else. */
const numbered = "loop|ram|zram|nbd|dm-|md|sr|fd|rbd|drbd|bcache|pmem|zd|nullb|ublkb";
const patterns = [
  `(?:${numbered})\\d+`,
  "mmcblk\\d+(?:boot\\d+|rpmb)?",
  "nvme\\d+(?:c\\d+)?n\\d+",
  "(?:sd|hd|vd|xvd|dasd)[a-z]+",
];
const kernelName = new RegExp(`^(?:${patterns.join("|")})$`);

/** Drawn texts that are kept at hand, since the same ones come again and again. */
const textsMax = 4096;

/** So many draws and every name of that length is taken. */
const drawsMax = 1000;

export class StandIns {
  readonly #key = randomBytes(32);
  readonly #texts = new Map<string, string>();
  readonly #disks = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** Bytes for bytes; what is all zeros is none, and stays so. */
  bytes(secret: Uint8Array): Buffer {
    if (secret.every((byte) => byte === 0)) return Buffer.alloc(secret.length);
    return this.#draw(secret, secret.length);
  }

  /** Small letters for text, one for each of its units. */
  text(secret: string): string {
    if (secret === "") return "";
    const known = this.#texts.get(secret);
    if (known !== undefined) return known;
    if (this.#texts.size >= textsMax) this.#texts.clear();
    const drawn = this.#letters(secret, 0);
    this.#texts.set(secret, drawn);
    return drawn;
  }

  /** For what must not be guessed from what else is there. */
  mask(): number {
    return this.#draw("mask", 4).readUInt32LE();
  }

  /** The kernel name of a disk: its own where kernels give it, else one that no other disk has. */
  disk(name: string): string {
    if (kernelName.test(name)) return name;
    const known = this.#disks.get(name);
    if (known !== undefined) return known;
    for (let draw = 1; draw <= drawsMax; draw++) {
      const drawn = this.#letters(name, draw);
      if (this.#taken.has(drawn) || kernelName.test(drawn)) continue;
      this.#taken.add(drawn);
      this.#disks.set(name, drawn);
      return drawn;
    }
    throw new Error("a disk's name is too short to be replaced");
  }

  /** The name of a disk's partition, or of the disk. */
  node(name: string, disk: string): string {
    if (!name.startsWith(disk)) return this.text(name);
    const rest = name.slice(disk.length);
    return this.disk(disk) + (/^p?\d*$/.test(rest) ? rest : this.text(rest));
  }

  #letters(secret: string, draw: number): string {
    const bytes = this.#draw(`${draw}:${secret}`, secret.length);
    for (const [index, byte] of bytes.entries()) bytes[index] = 0x61 + (byte % 26);
    return bytes.toString("latin1");
  }

  #draw(secret: string | Uint8Array, outputLength: number): Buffer {
    return createHash("shake256", { outputLength }).update(this.#key).update(secret).digest();
  }
}
