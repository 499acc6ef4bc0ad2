/**
 * Turns words into an invocation of a command, by the command's entry and nothing else.
 *
 * `parseArgs` splits the words; judging is done here, so that every refusal is one line that names
 * the word and suggests another. Refusals are `ERR_LOOP_ARGUMENT`. Pure.
 */
import { parseArgs } from "node:util";
import { LoopError } from "../errors.ts";
import { escapeText } from "./format.ts";
import { suggest } from "./suggest.ts";
import {
  allOptions,
  type Command,
  type Invocation,
  type KindValues,
  type Option,
  type OptionKind,
  optionName,
  valueRule,
} from "./table.ts";
import {
  parseCount,
  parseDevice,
  parseDiskseq,
  parseDuration,
  parseKernel,
  parsePartitions,
  parseSize,
  parseVersion,
} from "./values.ts";

export type Parsed =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly invocation: Invocation };

type Value = boolean | string | KindValues[keyof KindValues];

const readers: { readonly [K in OptionKind]?: (text: string) => Value } = {
  size: parseSize,
  duration: parseDuration,
  device: parseDevice,
  count: parseCount,
  diskseq: parseDiskseq,
  kernel: parseKernel,
  kernelGroup: parseKernel,
  version: parseVersion,
  partitions: parsePartitions,
};

/** The command of this name; refuses others. */
export function findCommand(name: string, commands: readonly Command[]): Command {
  const found = commands.find((command) => command.name === name);
  if (found !== undefined) {
    return found;
  }
  const names = commands.map((command) => command.name);
  throw refusal(`unknown command '${escapeText(name)}'${didYouMean(suggest(name, names))}`);
}

export function parse(command: Command, words: readonly string[]): Parsed {
  const byName = new Map(allOptions(command).map(([key, option]) => [optionName(key), option]));
  const tokens = split(byName, words);
  const terminator = tokens.find((token) => token.kind === "option-terminator")?.index;
  const given = new Map<string, Value>();
  const operands: string[] = [];
  const asked = (name: string) =>
    tokens.some((token) => token.kind === "option" && token.name === name);
  if (asked("help")) {
    return { kind: "help" };
  }
  if (asked("version")) {
    return { kind: "version" };
  }
  if (command.rest !== undefined) {
    requireRest(command, terminator === undefined ? undefined : words.length - terminator - 1);
  }
  for (const token of tokens) {
    if (token.kind === "option") {
      const option = byName.get(token.name);
      if (option === undefined) {
        throw refusal(
          `unknown option '${escapeText(token.rawName)}'${didYouMeanOption(token.name, byName)}`,
        );
      }
      refuseStrayValue(option, token, words[token.index + 1]);
      given.set(token.name, readValue(option, token));
    } else if (token.kind === "positional" && !isRest(command, token.index, terminator)) {
      operands.push(token.value);
    }
  }
  checkOperands(command, operands);
  return {
    kind: "run",
    invocation: {
      options: collect(command, given) as Invocation["options"],
      json: given.get("json") === true,
      operands,
      rest: command.rest === undefined ? [] : words.slice((terminator ?? words.length) + 1),
    },
  };
}

/** Whether the words ask for JSON, even where they cannot be parsed. */
export function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}

/** What follows the name of a misspelt word. */
export function didYouMean(meant: string | undefined): string {
  return meant === undefined ? "" : ` (did you mean '${meant}'?)`;
}

function didYouMeanOption(name: string, byName: ReadonlyMap<string, Option>): string {
  const meant = name.length < 2 ? undefined : suggest(name, [...byName.keys()]);
  return didYouMean(meant === undefined ? undefined : `--${meant}`);
}

function split(byName: ReadonlyMap<string, Option>, words: readonly string[]) {
  const options: Record<string, { type: "boolean" | "string"; short?: string }> = {};
  for (const [name, option] of byName) {
    const type = valueRule(option) === "required" ? "string" : "boolean";
    options[name] = option.short === undefined ? { type } : { type, short: option.short };
  }
  const args = [...words];
  return parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readValue(option: Option, token: OptionToken): Value {
  const { rawName, value, inlineValue } = token;
  const rule = valueRule(option);
  if (rule !== "required" && value === undefined) {
    return true;
  }
  if (rule === "none") {
    throw refusal(`option '${rawName}' takes no value`);
  }
  // parseArgs takes the next word whatever it is; `-1` is a bad value, `--json` a forgotten one.
  const forgotten = inlineValue !== true && value !== undefined && /^-(-|[^\d.]|$)/.test(value);
  if (value === undefined || forgotten) {
    const hint = forgotten ? `; if '${escapeText(value)}' is it: ${rawName}='...'` : "";
    throw refusal(`option '${rawName}' needs a value: ${valueName(option)}${hint}`);
  }
  try {
    return convert(option, value);
  } catch (error) {
    throw refusal(`option '${rawName}': ${(error as Error).message}`);
  }
}

/** `--partitions 1,2` would else be a disk called `1,2`, for which a wait has no end. So would
 * `--kernel sim:6.1.192` be where that is an operand. */
function refuseStrayValue(option: Option, token: OptionToken, next: string | undefined): void {
  const isBare = valueRule(option) === "joined" && token.value === undefined;
  if (isBare && next !== undefined && /^([\d,]+$|sim:)/.test(next)) {
    const { rawName } = token;
    throw refusal(`option '${rawName}' takes its value after '=': '${rawName}=${next}'`);
  }
}

function convert(option: Option, value: string): Value {
  const choices = option.choices ?? [];
  const converted = readers[option.kind]?.(value) ?? value;
  if (choices.length > 0 && !choices.includes(String(converted))) {
    const meant = didYouMean(suggest(value, choices));
    throw refusal(`'${escapeText(value)}': must be one of ${choices.join(", ")}${meant}`);
  }
  return converted;
}

/** How help and errors call an option's value. */
export function valueName(option: Option): string {
  return option.value ?? option.choices?.join("|") ?? option.kind.toUpperCase();
}

function collect(command: Command, given: ReadonlyMap<string, Value>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(command.options)) {
    values[key] = given.get(optionName(key)) ?? (option.kind === "flag" ? false : undefined);
  }
  return values;
}

function isRest(command: Command, index: number, terminator: number | undefined): boolean {
  return command.rest !== undefined && terminator !== undefined && index > terminator;
}

function requireRest(command: Command, words: number | undefined): void {
  if (words === undefined) {
    throw refusal(`'--' and ${command.rest} are missing: ${command.name} ${command.usage}`);
  }
  if (words === 0) {
    throw refusal(`${command.rest} is missing after '--'`);
  }
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { name, min, max, complete } = command.operand ?? noOperand;
  if (operands.length < min) {
    throw refusal(`${name} is missing`);
  }
  const excess = operands[max];
  if (excess !== undefined) {
    throw refusal(`unexpected argument '${escapeText(excess)}'`);
  }
  if (operands.includes("")) {
    throw refusal(`${name} is empty`);
  }
  if (Array.isArray(complete)) {
    const bad = operands.find((operand) => !complete.includes(operand));
    if (bad !== undefined) {
      const meant = didYouMean(suggest(bad, complete));
      throw refusal(`${name} '${escapeText(bad)}': must be one of ${complete.join(", ")}${meant}`);
    }
  }
}

const noOperand = { name: "", min: 0, max: 0, complete: "file" } as const;

function refusal(message: string): LoopError {
  return new LoopError("ERR_LOOP_ARGUMENT", message);
}
