/**
 * Text for people and JSON for programs: columns, sizes, escapes, colours. Pure.
 *
 * Whatever comes from an image, sysfs or the command line passes `escapeText` before it reaches a
 * terminal. Knows nothing of commands; what a device looks like is `describe.ts`.
 */
import { styleText } from "node:util";
import type { Format } from "./table.ts";

// C0, DEL, C1, line and paragraph separators, and the marks that reorder text on screen.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text that cannot move the cursor, colour or reorder anything. */
export function escapeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.charCodeAt(0);
    const hex = code.toString(16);
    return shortEscapes[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex}`);
  });
}

/** One line of JSON. Equal to `JSON.stringify`, but safe to show on a terminal. */
export function jsonLine(value: unknown): string {
  const plain = JSON.stringify(value, (_, item) =>
    typeof item === "bigint" ? Number(item) : (item as unknown),
  );
  const toEscape = (character: string) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${plain.replace(unsafe, toEscape)}\n`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** `512 B`, `8 MiB`, `1.5 GiB`; `~` where the text is rounded. */
export function humanSize(bytes: number): string {
  let power = 0;
  while (power < units.length - 1 && bytes >= 1024 ** (power + 1)) {
    power++;
  }
  const amount = bytes / 1024 ** power;
  const tenths = Math.floor(amount * 10) / 10;
  return `${tenths === amount ? "" : "~"}${tenths} ${units[power]}`;
}

/** Milliseconds with two places. */
export function humanMs(milliseconds: number): string {
  return milliseconds.toFixed(2);
}

export interface Column {
  readonly title: string;
  readonly align?: "right";
}

/** Lines with aligned cells, two spaces between, none at the end. Cells are escaped text. */
export function alignColumns(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => width(row[index] ?? ""))));
  return rows.map((row) => placeCells(columns, widths, row));
}

/** One line; a cell that is wider than its column pushes the others. */
export function placeCells(
  columns: readonly Column[],
  widths: readonly number[],
  row: readonly string[],
): string {
  return columns
    .map((column, index) => {
      const cell = row[index] ?? "";
      const padding = " ".repeat(Math.max(0, (widths[index] ?? 0) - width(cell)));
      return column.align === "right" ? padding + cell : cell + padding;
    })
    .join("  ")
    .trimEnd();
}

/** The titles as the first row. */
export function titles(columns: readonly Column[]): string[] {
  return columns.map((column) => column.title);
}

/** Columns on a screen, near enough: code points without combining marks, wide ones twice. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (!/\p{Mark}/u.test(character)) {
      columns +=
        /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(
          character,
        )
          ? 2
          : 1;
    }
  }
  return columns;
}

/** Words in lines of at most `columns`, each after the indent. */
export function wrap(text: string, indent: string, columns = 80): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > columns) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}

/** Paints where the stream is a terminal and the user did not refuse colours. */
export function painter(
  isTerminal: boolean,
  environment: NodeJS.ProcessEnv,
): (format: Format, text: string) => string {
  const refused = (environment.NO_COLOR ?? "") !== "" || environment.TERM === "dumb";
  return isTerminal && !refused
    ? (format, text) => styleText(format, text, { validateStream: false })
    : (_, text) => text;
}
