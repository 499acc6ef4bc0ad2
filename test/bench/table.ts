/** Medians, and rows of text in aligned columns. Knows nothing of what is measured. */

/** A line of a table: its name on the left, its cells to the right, and what they stand for. */
export interface Row {
  readonly name: string;
  readonly cells: readonly string[];
  /** Instead of cells. */
  readonly text?: string;
  readonly values: Readonly<Record<string, number | string>>;
}

/** A part of the table: its heading, its rows, and what to know of them. */
export interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

/** A row of something that cannot be measured here, and why. */
export function skipped(name: string, reason: string): Row {
  return { name, cells: [], text: `skipped: ${reason}`, values: { skipped: reason } };
}

/** Prints all sections with the same first column. */
export function printTable(sections: readonly Section[]): void {
  const names = sections.flatMap(({ title, rows }) => [title, ...rows.map(({ name }) => name)]);
  const nameWidth = Math.max(...names.map((name) => name.length));
  for (const { title, columns, rows, notes } of sections) {
    const widths = columns.map((column, index) =>
      Math.max(column.length, ...rows.map(({ cells }) => cells[index]?.length ?? 0)),
    );
    const line = (name: string, cells: readonly string[]) => {
      const right = cells.map((cell, index) => cell.padStart(widths[index] ?? 0));
      return [name.padEnd(nameWidth), ...right].join("  ").trimEnd();
    };
    const heading = line(title, columns);
    console.log(`\n${heading}\n${"-".repeat(heading.length)}`);
    for (const { name, cells, text } of rows) {
      console.log(text === undefined ? line(name, cells) : `${name.padEnd(nameWidth)}  ${text}`);
    }
    for (const note of notes) console.log(`  ${note}`);
  }
}

/** One object a row, for programs. */
export function plainTable(sections: readonly Section[]): unknown {
  return sections.map(({ title, rows, notes }) => ({
    title,
    rows: rows.map(({ name, values }) => ({ name, ...values })),
    notes,
  }));
}

/** The value below which a share of them lies; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Medians of what is measured round by round, side by side. */
export class Rounds {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const values = this.#values.get(name) ?? [];
    values.push(value);
    this.#values.set(name, values);
  }

  of(name: string): readonly number[] {
    return this.#values.get(name) ?? [];
  }

  median(name: string): number {
    return median(this.of(name));
  }

  sum(name: string): number {
    return this.of(name).reduce((sum, value) => sum + value, 0);
  }

  /** What one is to another in the same round: the median, and the least and the most. */
  ratio(name: string, base: string): { readonly value: number; readonly text: string } {
    const others = this.of(base);
    const ratios = this.of(name).map((value, round) => value / (others[round] ?? Number.NaN));
    if (ratios.length === 0 || others.length === 0) return { value: Number.NaN, text: "-" };
    const [least = 0, value = 0, most = 0] = [0, 0.5, 1].map((share) => quantile(ratios, share));
    return { value, text: `${figure(value)} (${figure(least)}-${figure(most)})` };
  }
}

/** Three digits that count; thousands apart. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  return value === 0 ? "0" : value.toPrecision(3);
}
