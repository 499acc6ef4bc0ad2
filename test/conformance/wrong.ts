/**
 * Vectors that are wrong in one place each, made from the right ones: a host that does not refuse
 * every one of them, at the line that is wrong, compares nothing.
 */
import type { VectorFile } from "./runner.ts";

export interface WrongFile extends VectorFile {
  /** at which it must be refused, from 1 */
  readonly line: number;
}

/** In which file; what the line begins with, of those the middle one; what becomes of it. */
type Rule = readonly [
  name: string,
  source: string,
  prefix: string,
  change: (line: string) => readonly string[],
  /** Where it shows: in that very line, in the next one, or in the next hash. Default: here. */
  shows?: "here" | "next" | "hash",
];

/** The lowest bit of the last digit of a word is turned; -1: the last word. */
function turned(word: number) {
  return (line: string): string[] => {
    const words = line.split(" ");
    const at = word < 0 ? words.length + word : word;
    const digits = words[at] ?? "";
    const last = Number.parseInt(digits.slice(-1), 16) ^ 1;
    return [words.with(at, digits.slice(0, -1) + last.toString(16)).join(" ")];
  };
}

const rules: readonly Rule[] = [
  ["version", "panic.txt", "diskseq-vectors", () => ["diskseq-vectors 2"]],
  ["abi", "attach-mbr.txt", "abi", turned(1)],
  ["seed", "retries.txt", "start 3 ", (line) => [line.replace("3", "5")], "hash"],
  ["time", "attach-gpt.txt", "completion", turned(1), "hash"],
  ["answer", "refusals.txt", "datagram", turned(-1)],
  ["operation", "attach-gpt.txt", "command", turned(-1)],
  ["call", "attach-mbr.txt", "call", turned(1)],
  ["ticket", "change.txt", "call", turned(2)],
  ["argument", "no-parsers.txt", "bytes", turned(-1)],
  ["event", "waits.txt", "event", turned(3)],
  ["lost", "losses.txt", "event 9", turned(-1)],
  ["partition", "probe.txt", "partition", turned(4)],
  ["no-partition", "attach-logical.txt", "partition 0 1 ", () => ["partition 0 1"]],
  ["timeout", "udev.txt", "done", turned(1)],
  ["reason", "timeout.txt", "done", turned(2)],
  ["hash", "busy.txt", "done", turned(3)],
  ["no-call", "failures.txt", "call", () => []],
  ["no-event", "events.txt", "event", () => []],
  ["another-call", "overlap.txt", "call", (line) => [line, line], "next"],
  ["twice", "old-kernel.txt", "completion", (line) => [line, line], "next"],
  ["panic", "panic.txt", "timeout 1 ", () => ["timeout 1 0"]],
  ["no-input", "sweep.txt", "end", turned(1)],
  ["no-end", "hidden-node.txt", "end", () => []],
];

export function wrongVectors(files: readonly VectorFile[]): WrongFile[] {
  return rules.map((rule) => wrongFile(rule, files));
}

function wrongFile(rule: Rule, files: readonly VectorFile[]): WrongFile {
  const [name, source, prefix, change, shows = "here"] = rule;
  const lines = files.find((file) => file.name === source)?.text.split("\n") ?? [];
  const found = [...lines.keys()].filter((index) => lines[index]?.startsWith(prefix));
  const index = found[found.length >> 1];
  if (index === undefined) throw new Error(`${source} has no line that begins with '${prefix}'`);
  const wrong = lines.toSpliced(index, 1, ...change(lines[index] ?? ""));
  const isHash = (line: string, at: number) => at > index && line.startsWith("done ");
  const places = { here: index, next: index + 1, hash: wrong.findIndex(isHash) };
  return { name: `wrong-${name}.txt`, text: wrong.join("\n"), line: places[shows] + 1 };
}
