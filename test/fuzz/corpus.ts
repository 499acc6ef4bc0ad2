/**
 * The committed corpus, `uevents.txt`: real uevents as text, and bytes as such text.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { type Datagram, kernelDatagram, udevDatagram } from "../helpers/datagrams.ts";
import { packageRoot } from "../helpers/root.ts";

export const udevHeaderBytes = 40;

export interface Sample {
  readonly group: Group;
  readonly datagram: Datagram;
  /** udev's, as Latin-1; the kernel's is made of ACTION and DEVPATH */
  readonly header: string;
  /** the properties without their NULs, as Latin-1 */
  readonly strings: readonly string[];
}

export function readCorpus(): Sample[] {
  const lines = readFileSync(join(packageRoot, "test/fuzz/uevents.txt"), "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map(readSample);
}

function readSample(line: string): Sample {
  const [word = "", text = ""] = /^(\w+) (.*)$/.exec(line)?.slice(1) ?? [];
  assert.ok(word === "kernel" || word === "udev", line);
  const isUdev = word === "udev";
  const bytes = unescaped(text);
  const whole = bytes.toString("latin1");
  const begin = isUdev ? udevHeaderBytes : whole.indexOf("\0") + 1;
  return {
    group: isUdev ? Group.Udev : Group.Kernel,
    datagram: isUdev ? udevDatagram(bytes) : kernelDatagram(bytes),
    header: isUdev ? whole.slice(0, begin) : "",
    strings: whole.slice(begin, -1).split("\0"),
  };
}

const escapes = /\\(?:x([0-9a-f]{2})|([0\\]))/g;

function unescaped(text: string): Buffer {
  const plain = text.replace(escapes, (_, hex?: string, short?: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return short === "0" ? "\0" : "\\";
  });
  return Buffer.from(plain, "latin1");
}

/** Bytes as a line of the corpus has them. */
export function escaped(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("latin1");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\0-\x1f\\\x7f-\xff]/g, (char) => {
    if (char === "\0") return "\\0";
    if (char === "\\") return "\\\\";
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
