/**
 * The README's table of what was measured beside rivals, one row for each kernel and rival, from
 * the files that guests hand out.
 */
import type { Results, Row } from "./rivals/round.ts";

const heads = ["kernel", "rival", "losetup", "reference split", "diskseq"] as const;

/** Markdown: which part of so many attaches flapped, diskseq's of all its ways together. */
export function tableOf(results: readonly Results[]): string {
  const lines = results.flatMap(({ kernel, rows }) =>
    [...new Set(rows.map(({ rival }) => rival))].map((rival) => {
      const cells = heads
        .slice(2)
        .map((tool) =>
          spell(rows.filter((row) => row.rival === rival && row.tool.startsWith(tool))),
        );
      return [kernel, rival, ...cells];
    }),
  );
  const all = [heads, heads.map(() => "---"), ...lines];
  return all.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Of attaches that came about: flaps, and what else went wrong. */
function spell(rows: readonly Row[]): string {
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  const attached = sum(({ attaches, failed }) => attaches - failed);
  if (attached === 0) return "";
  const percent = (count: number): string => {
    const share = (100 * count) / attached;
    // One of a thousand is not none.
    return `${share.toFixed(share > 0 && share < 1 ? 1 : 0)} %`;
  };
  const wrong = (["missing", "stale", "left"] as const).map((what) => {
    const count = sum((row) => row[what]);
    return count === 0 ? "" : `, ${percent(count)} ${what}`;
  });
  return `${percent(sum(({ flaps }) => flaps))} of ${attached}${wrong.join("")}`;
}
