/**
 * What searches have reached, in words: verdicts, ends of waits and operations, steps of the core.
 * What never was is said too, since a property that nothing could violate says nothing. Pure.
 */
import { DetachResult, Event, Failure, Verdict, WaitResult, Warning } from "../../assembly/abi.ts";
import { Step } from "../../assembly/core/steps.ts";
import { Reached } from "../../assembly/explore/coverage.ts";
import { kebab } from "../names.ts";

interface Kind {
  readonly name: string;
  readonly base: number;
  readonly words: Record<string, string | number>;
}

const kinds: readonly Kind[] = [
  { name: "verdicts", base: Reached.Verdicts, words: Verdict },
  { name: "waits", base: Reached.Waits, words: WaitResult },
  { name: "detaches", base: Reached.Detaches, words: DetachResult },
  { name: "events", base: Reached.Events, words: Event },
  { name: "failures", base: Reached.Failures, words: Failure },
  { name: "warnings", base: Reached.Warnings, words: Warning },
  { name: "steps", base: Reached.Steps, words: Step },
];

/** Of several searches together. */
export function reachedOf(all: readonly (readonly number[])[]) {
  const reached = new Set(all.flat());
  const lists = kinds.map(({ name, base, words }) => {
    const names = Object.entries(words).filter((entry): entry is [string, number] => {
      return typeof entry[1] === "number" && !ignored.includes(entry[0]);
    });
    const pick = (is: boolean) =>
      names.filter(([, value]) => reached.has(base + value) === is).map(([word]) => kebab(word));
    return { name, reached: pick(true), missed: pick(false) };
  });
  return {
    lines: lists.map((list) => line(list)),
    json: {
      reached: Object.fromEntries(lists.map((list) => [list.name, list.reached])),
      missed: Object.fromEntries(lists.map((list) => [list.name, list.missed])),
    },
  };
}

/** Words that mean none. */
const ignored = ["None", "Idle", "Count"];

function line({ name, reached, missed }: { name: string; reached: string[]; missed: string[] }) {
  if (name === "steps") return `reached steps: ${reached.length} of the core's`;
  const never = missed.length > 0 && missed.length <= 4 ? `; never ${missed.join(", ")}` : "";
  return `reached ${name}: ${reached.join(", ") || "none"}${never}`;
}
