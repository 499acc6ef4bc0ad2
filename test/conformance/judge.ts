/**
 * Judges one runtime: it must agree with every line of the vectors, refuse every wrong file at the
 * line that is wrong, and run the small simulation.
 */
import { Consumer } from "./consumer.ts";
import type { Runtime } from "./runtimes.ts";
import { readVectors } from "./vectors.ts";
import { wrongVectors } from "./wrong.ts";

export interface Judgement {
  readonly verdict: "passed" | "failed" | "skipped";
  /** what was run, what is wrong, or why nothing was run */
  readonly text: string;
}

/** What the simulation prints on every runtime. */
const simulated = "/dev/loop0 9 gone";

/** `found`: a text says why it is not there. */
export async function judge(name: string, found: Runtime | string): Promise<Judgement> {
  if (typeof found === "string") return { verdict: "skipped", text: found };
  const began = performance.now();
  const faults: string[] = [];
  const said = await run(name, found, faults);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const text = [`${found.version}: ${said}, ${seconds} s`, ...faults].join("\n");
  return { verdict: faults.length === 0 ? "passed" : "failed", text };
}

async function run(name: string, runtime: Runtime, faults: string[]): Promise<string> {
  using consumer = new Consumer(name);
  const right = readVectors();
  const { status, text } = await runtime.run(consumer, right);
  const inputs = right.reduce((sum, one) => sum + inputsOf(one.text), 0);
  const expected = `${name}: ${right.length} files, ${inputs} inputs, 0 refused`;
  if (status !== 0 || text !== expected) {
    faults.push(`'${text}', exit ${status}: not '${expected}'`);
  }
  const wrong = wrongVectors(right);
  const refused = await runtime.run(consumer, wrong);
  const lines = refused.text.split("\n");
  const missed = wrong.filter(
    (one) => !lines.some((line) => line.startsWith(`${one.name}:${one.line}: `)),
  );
  if (refused.status === 0 || missed.length > 0) {
    const names = missed.map((one) => `${one.name}:${one.line}`).join(" ");
    faults.push(`exit ${refused.status}, and these are not refused: ${names}\n${refused.text}`);
  }
  const said = `${right.length} files, ${inputs} inputs; ${wrong.length} wrong ones refused`;
  if (runtime.simulate === undefined) return said;
  const simulation = await runtime.simulate(consumer);
  if (simulation.status !== 0 || simulation.text !== simulated) {
    faults.push(`the simulation says '${simulation.text}', exit ${simulation.status}`);
  }
  return `${said}; diskseq/sim without koffi`;
}

/** As its last line has it. */
function inputsOf(text: string): number {
  return Number.parseInt(/^end (\w+)$/m.exec(text)?.[1] ?? "", 16);
}
