/**
 * From words to an exit code: finds the command, parses, runs, reports.
 *
 * Everything outside comes through the context, so tests run it whole. An Interruption passes
 * through: only `main.ts` can die of a signal.
 */
import { exitCodeOf } from "../errors.ts";
import { escapeText } from "./format.ts";
import { commandHelp, overview } from "./help.ts";
import { Interruption } from "./interrupt.ts";
import { findCommand, parse, wantsJson } from "./parse.ts";
import { errorLines, reportError } from "./report.ts";
import type { Context } from "./table.ts";

export async function dispatch(words: readonly string[], context: Context): Promise<number> {
  const [first, ...others] = words[0] === "--" ? words.slice(1) : words;
  if (first === undefined) {
    context.stderr.write(overview(context, context.stderr.paint));
    return 2;
  }
  if (first === "--help" || first === "-h") {
    context.stdout.write(overview(context, context.stdout.paint));
    return 0;
  }
  if (first === "--version" || first === "-V") {
    context.stdout.write(`${context.version}\n`);
    return 0;
  }
  if (first.startsWith("-")) {
    const message = `unknown option '${escapeText(first)}' before the command`;
    return refuse(`${message}; see 'diskseq help'`, context);
  }
  return await runCommand(first, others, context);
}

async function runCommand(
  name: string,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const command = attempt(() => findCommand(name, context.commands));
  if ("error" in command) {
    return refuse(`${command.error}; see 'diskseq help'`, context);
  }
  const parsed = attempt(() => parse(command.value, words));
  if ("error" in parsed) {
    return refuse(`${name}: ${parsed.error}; see 'diskseq ${name} --help'`, context);
  }
  if (parsed.value.kind === "help") {
    context.stdout.write(commandHelp(command.value, context.stdout.paint));
    return 0;
  }
  if (parsed.value.kind === "version") {
    context.stdout.write(`${context.version}\n`);
    return 0;
  }
  try {
    return await command.value.run(parsed.value.invocation, context);
  } catch (error) {
    if (error instanceof Interruption) {
      if (error.cause !== undefined) {
        context.stderr.write(`${errorLines(name, error.cause, context).join("\n")}\n`);
      }
      throw error;
    }
    reportError(name, error, wantsJson(words), context);
    return exitCodeOf(error);
  }
}

/** Usage errors say one line and leave stdout empty, also with `--json`. */
function refuse(message: string, context: Context): number {
  context.stderr.write(`${context.stderr.paint("red", "diskseq:")} ${message}\n`);
  return 2;
}

function attempt<T>(work: () => T): { readonly value: T } | { readonly error: string } {
  try {
    return { value: work() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
