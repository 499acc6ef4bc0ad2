/** Shows the story of a path: who did what, what was sent, what was told. Pure. */
import type { PathStory } from "../sim/explore/index.ts";
import { violationTexts } from "../sim/explore/story.ts";
import { alignColumns, escapeText, titles } from "./format.ts";

const columns = [
  { title: "#", align: "right" },
  { title: "WHO" },
  { title: "WHAT" },
  { title: "SENT" },
  { title: "TOLD" },
] as const;

/** With a line a deed; those that nobody had to choose have no mark. */
export function storyOf({ steps, violation, isOver }: PathStory): string {
  const rows = steps.map(({ who, what, uevents, told, isCalm }, index) => [
    `${isCalm ? "" : "> "}${index + 1}`,
    who,
    escapeText(what),
    escapeText(uevents.join("; ")),
    escapeText(told.join("; ")),
  ]);
  const end =
    violation === 0
      ? `${isOver ? "All is over" : "Not over yet"}; nothing is violated.`
      : `Violated: ${violationTexts[violation]}.`;
  return `${[...alignColumns(columns, [titles(columns), ...rows]), end].join("\n")}\n`;
}
