/**
 * The diagram of the README, generated from the core's tables: phases of an operation, and which
 * outcomes lead from one to another. A phase is a run of steps; outcomes within one are left out.
 */
import { Outcome, Step } from "../../assembly/core/steps.ts";
import { DEFAULTS, ROWS } from "../../assembly/core/transitions.ts";

/** Name, first step; a phase ends where the next begins. */
const phases: readonly (readonly [string, Step])[] = [
  ["Image", Step.OpenImage],
  ["Choose", Step.AwaitControl],
  ["Prove", Step.SetStatus],
  ["Partitions", Step.DrainOpen],
  ["Finish", Step.CloseImage],
  ["Done", Step.Done],
  ["GiveBack", Step.UndoControl],
  ["Failed", Step.Failed],
  ["Identify", Step.OpenTarget],
  ["Clear", Step.FlushTarget],
  ["Wait", Step.ReadTarget],
  ["Sweep", Step.SweepRead],
  ["Detached", Step.Detached],
  ["Return", Step.RelockTarget],
  ["Change", Step.SizeTarget],
  ["Changed", Step.Changed],
  ["Look", Step.Look],
];

/** Mermaid: a line for each pair of phases, with the outcomes that lead from one to the other. */
export function transitionDiagram(): string {
  const outcomes = new Map<string, Set<string>>();
  const add = (from: Step, outcome: Outcome, to: Step): void => {
    if (phaseOf(from) === phaseOf(to)) return;
    const pair = `${phaseOf(from)} --> ${phaseOf(to)}`;
    const name = Outcome[outcome] ?? "?";
    outcomes.set(pair, (outcomes.get(pair) ?? new Set()).add(name));
  };
  for (let row = 0; row < ROWS.length; row += 3) {
    const [from = 0, outcome = 0, to = 0] = ROWS.slice(row, row + 3);
    add(from, outcome, to);
  }
  for (let row = 0; row < DEFAULTS.length; row += 4) {
    const [first = 0, last = 0, outcome = 0, to = 0] = DEFAULTS.slice(row, row + 4);
    for (let step = first; step <= last; step++) add(step, outcome, to);
  }
  const lines = [...outcomes].map(([pair, names]) => `  ${pair}: ${[...names].join(", ")}`);
  return [
    "stateDiagram-v2",
    "  [*] --> Image: attach",
    "  [*] --> Identify: detach, rescan, resize",
    "  [*] --> Sweep: sweep",
    ...lines,
  ].join("\n");
}

function phaseOf(step: Step): string {
  let name = "";
  for (const [phase, first] of phases) if (step >= first) name = phase;
  return name;
}
