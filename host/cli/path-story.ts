/** Shows the story of a path: who did what, what was sent, what was told; how to see it again. */
import type { Violation } from "../../assembly/explore/words.ts";
import type { Build, PathElement, PathStory, TrialSetup } from "../sim/explore/index.ts";
import { alignColumns, escapeText, titles } from "./format.ts";
import type { Output } from "./table.ts";

/** Loaded by who needs it, so that no other command waits for it. */
export type ExploreApi = typeof import("../sim/explore/index.ts");

const columns = [
  { title: "#", align: "right" },
  { title: "WHO" },
  { title: "WHAT" },
  { title: "SENT" },
  { title: "TOLD" },
] as const;

/** With a line a deed; those that nobody had to choose have no mark. */
export function storyOf({ steps, violation, isOver }: PathStory, api: ExploreApi): string {
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
      : `Violated: ${api.violationTexts[violation]}.`;
  return `${[...alignColumns(columns, [titles(columns), ...rows]), end].join("\n")}\n`;
}

/** Something that was found to violate a property. */
export interface Stray {
  /** what it is called */
  readonly name: string;
  readonly setup: TrialSetup;
  readonly path: readonly PathElement[];
  readonly violation: Violation;
}

/** What is violated, its story, and the command that goes that way again. */
export async function strayLines(
  stray: Stray,
  build: Build,
  paint: Output["paint"],
  api: ExploreApi,
): Promise<string[]> {
  const { name, setup, path } = stray;
  return [
    "",
    paint("red", `${name}: ${violationText(stray, api)}`),
    storyOf(await api.tellPath(setup, path, build), api).trimEnd(),
    `Again: ${again(stray, build, api)}`,
  ];
}

/** The command that goes a way again. */
export function again(
  { setup, path }: Pick<Stray, "setup" | "path">,
  build: Build,
  api: ExploreApi,
): string {
  const words = ["npx diskseq explore", ...api.setupWords(setup), "--path", api.formatPath(path)];
  if (build.js) words.push("--js");
  if (build.wasm !== undefined) words.push("--core", build.wasm);
  return words.join(" ");
}

/** What is violated, in words; null: nothing. */
export function violationText(
  { violation }: { readonly violation: Violation },
  api: ExploreApi,
): string | null {
  return violation === 0 ? null : api.violationTexts[violation];
}
