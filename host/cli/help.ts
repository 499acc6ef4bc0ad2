/**
 * Help, derived from the command table: the overview and the page of one command. Pure.
 */
import { alignColumns, wrap } from "./format.ts";
import { valueName } from "./parse.ts";
import {
  allOptions,
  type Command,
  type Context,
  commonOptions,
  type Option,
  type Options,
  type Output,
  optionName,
  valueRule,
} from "./table.ts";

type Paint = Output["paint"];

const purpose = "attaches disk images to loop devices without races";

export const exitCodes: readonly (readonly [code: number, meaning: string])[] = [
  [0, "done"],
  [1, "failed"],
  [2, "usage"],
  [3, "the environment lacks something (root, loop-control, a kernel feature)"],
  [4, "that attach is over; its device may be another's by now (stale)"],
  [5, "held or locked by others, or deferred (busy)"],
  [6, "timed out"],
  [8, "a property is violated (explore, sim)"],
  [70, "a bug of diskseq"],
];

/** What `diskseq help` shows. */
export function overview(context: Context, paint: Paint): string {
  const rows = context.commands.map((command) => [command.name, command.summary]);
  const lines = [
    `${paint("bold", "diskseq")} ${context.version}: ${purpose}`,
    "",
    `${paint("bold", "Usage:")} diskseq COMMAND [arguments] [options]`,
    "",
    paint("bold", "Commands:"),
    ...indent(alignColumns([{ title: "" }, { title: "" }], rows)),
    "",
    paint("bold", "Options of every command:"),
    ...indent(optionLines(commonOptions)),
    "",
    paint("bold", "Exit codes:"),
    ...indent(
      alignColumns(
        [{ title: "", align: "right" }, { title: "" }],
        exitCodes.map(([code, meaning]) => [String(code), meaning]),
      ),
    ),
    "",
    `'diskseq help COMMAND' explains one; new here? try 'diskseq demo'.`,
  ];
  return `${lines.join("\n")}\n`;
}

/** What `diskseq COMMAND --help` shows. */
export function commandHelp(command: Command, paint: Paint): string {
  const own = Object.keys(command.options).length > 0;
  const lines = [
    `${paint("bold", `diskseq ${command.name}`)}: ${command.summary}`,
    "",
    `${paint("bold", "Usage:")} diskseq ${command.name} ${command.usage}`.trimEnd(),
    ...command.description.flatMap((paragraph) => ["", ...wrap(paragraph, "  ")]),
    ...(own ? ["", paint("bold", "Options:"), ...indent(optionLines(command.options))] : []),
    "",
    paint("bold", own ? "Options of every command:" : "Options:"),
    ...indent(optionLines(commonOptions)),
    "",
    paint("bold", "Examples:"),
    ...command.examples.flatMap(([line, purpose]) => [
      `  ${paint("dim", `# ${purpose}`)}`,
      `  ${line}`,
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

/** The table as data, for `help --json`. */
export function describeCommand(command: Command): Record<string, unknown> {
  return {
    name: command.name,
    summary: command.summary,
    usage: `diskseq ${command.name} ${command.usage}`.trimEnd(),
    description: command.description,
    options: allOptions(command).map(([key, option]) => ({
      name: `--${optionName(key)}`,
      short: option.short === undefined ? null : `-${option.short}`,
      value: valueRule(option) === "none" ? null : valueName(option),
      valueRequired: valueRule(option) === "required",
      choices: option.choices ?? null,
      default: option.default ?? null,
      summary: option.summary,
    })),
    examples: command.examples.map(([line, purpose]) => ({ line, purpose })),
  };
}

function optionLines(options: Options): string[] {
  const rows = Object.entries(options).map(([key, option]) => [
    spelling(key, option),
    option.default === undefined
      ? option.summary
      : `${option.summary} (default: ${option.default})`,
  ]);
  const names = alignColumns([{ title: "" }], rows);
  const column = Math.max(...names.map((name) => name.length)) + 2;
  return rows.flatMap(([name = "", summary = ""]) => {
    // Texts hang in their own column.
    const texts = wrap(summary, " ".repeat(column), 78);
    const [first = "", ...others] = texts;
    return [name.padEnd(column) + first.trimStart(), ...others];
  });
}

function spelling(key: string, option: Option): string {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  const value = {
    none: "",
    required: ` ${valueName(option)}`,
    joined: `[=${valueName(option)}]`,
  }[valueRule(option)];
  return `${short}--${optionName(key)}${value}`;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
