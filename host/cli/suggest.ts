/** Finds what somebody meant to type. Pure; knows neither commands nor options. */

/** The nearest of `names`, if it is near enough to be a slip. */
export function suggest(word: string, names: readonly string[]): string | undefined {
  const typed = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const begins = typed.length >= 2 && name.startsWith(typed);
    const found = begins ? 0.5 : distance(typed, name);
    if (found < bestDistance) {
      best = name;
      bestDistance = found;
    }
  }
  const longest = Math.max(typed.length, best?.length ?? 0);
  return bestDistance <= Math.max(1, Math.floor(longest / 3)) ? best : undefined;
}

/** Edits between two words: insert, delete, replace, or swap of neighbours. */
export function distance(from: string, to: string): number {
  // A name this long is none of ours, and the table below is quadratic.
  if (from.length > 40 || to.length > 40) {
    return Number.POSITIVE_INFINITY;
  }
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= to.length; column++) {
      const replaced = at(row - 1, column - 1) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const edits = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, replaced);
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current.push(swapped ? Math.min(edits, at(row - 2, column - 2) + 1) : edits);
    }
  }
  return at(from.length, to.length);
}
