/**
 * `diskseq doctor`: says whether an attach is possible here, and what to do where it is not.
 */
import { type Check, realSystem, staticChecks } from "../checks.ts";
import { alignColumns, jsonLine, wrap } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { checkLeftovers, checkScan, probe } from "../probe.ts";
import { type Context, defineCommand, type Format } from "../table.ts";

export const doctorCommand = defineCommand({
  name: "doctor",
  summary: "check what this machine offers and what is missing",
  usage: "[options]",
  description: [
    "Looks at the kernel, /dev and udevd, then attaches a small temporary image twice and " +
      "detaches it, and measures on a loop device of its own whether the kernel's partition scan " +
      "races. Changes nothing. The exit code is 0 where an attach is possible, else 3.",
  ],
  options: {},
  examples: [
    ["diskseq doctor", "before you report a bug"],
    ["diskseq doctor --json | jq .attachPossible", "for a CI job"],
  ],
  async run({ json }, context) {
    const checks = staticChecks(realSystem);
    await interruptible("doctor", context, async (signal) => {
      checks.push(...(await probe(context, signal)), await checkScan(context, signal));
      checks.push(await checkLeftovers(context, signal));
    });
    const attachPossible = checks.some(({ name, status }) => name === "attach" && status === "ok");
    context.stdout.write(
      json ? jsonLine({ attachPossible, checks }) : textOf(checks, attachPossible, context),
    );
    return attachPossible ? 0 : 3;
  },
});

const colours: Readonly<Record<Check["status"], Format>> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
  info: "cyan",
};

function textOf(checks: readonly Check[], attachPossible: boolean, { stdout }: Context): string {
  const names = alignColumns(
    [{ title: "" }],
    checks.map(({ name }) => [name]),
  );
  const column = Math.max(...names.map((name) => name.length)) + 8;
  const indent = " ".repeat(column);
  const lines = checks.flatMap(({ name, status, found, meaning, advice }) => [
    stdout.paint(colours[status], status.padEnd(6)) +
      stdout.paint("bold", name.padEnd(column - 6)) +
      found,
    ...(meaning === "" ? [] : wrap(meaning, indent).map((line) => stdout.paint("dim", line))),
    ...(advice === null ? [] : wrap(`-> ${advice}`, indent)),
  ]);
  const verdict = attachPossible
    ? stdout.paint("green", "An attach is possible here.")
    : stdout.paint("red", "No attach is possible here.");
  return `${lines.join("\n")}\n\n${verdict}\n`;
}
