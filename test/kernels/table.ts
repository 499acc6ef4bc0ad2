/**
 * The README's table of what was measured beside rivals, from the files that guests hand out: a row
 * for each kernel and rival, those together beside whom nobody had any trouble.
 */
import type { Results, Row } from "./rivals/round.ts";

const heads = ["kernel", "rival", "losetup", "reference split", "diskseq"] as const;
const [, , ...tools] = heads;
/** What goes wrong, the first one told in any case. */
const wrongs = ["flaps", "missing", "stale", "left", "failed"] as const;

/** Markdown: which part of so many attaches flapped, diskseq's of all its ways together. */
export function tableOf(results: readonly Results[]): string {
  const lines = results.flatMap(({ kernel, rows }) => {
    const rivals = [...new Set(rows.map(({ rival }) => rival))];
    const isTroubled = (name: string) =>
      rows.some((row) => row.rival === name && wrongs.some((wrong) => row[wrong] > 0));
    const troubled = rivals.filter(isTroubled).map((name) => [name]);
    const others = rivals.filter((name) => !isTroubled(name));
    return [...troubled, ...(others.length > 0 ? [others] : [])].map((names) => {
      const beside = rows.filter(({ rival }) => names.includes(rival));
      const cells = tools.map((tool) => spell(beside.filter((row) => row.tool.startsWith(tool))));
      return [kernel, names.join(", "), ...cells];
    });
  });
  const all = [heads, heads.map(() => "---"), ...lines];
  return all.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function spell(rows: readonly Row[]): string {
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  const attaches = sum((row) => row.attaches);
  if (attaches === 0) return "";
  const parts = wrongs.map((wrong) => {
    const share = (100 * sum((row) => row[wrong])) / attaches;
    // One of a thousand is not none.
    const percent = `${share.toFixed(share > 0 && share < 1 ? 1 : 0)} %`;
    if (wrong === "flaps") return `${percent} of ${attaches}`;
    return share > 0 ? `${percent} ${wrong}` : "";
  });
  return parts.filter(Boolean).join(", ");
}
