/**
 * The part of README.md that is generated: every number of `assembly/abi.ts` with what is said of
 * it there, and the bytes that calls read and leave, found by asking the code that knows them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as abi from "../../assembly/abi.ts";
import { argumentBytes } from "../../assembly/wire/calls.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { answerBytes } from "../../host/trace/lines.ts";
import { packageRoot } from "../helpers/root.ts";

export const readmePath = join(packageRoot, "test/conformance/README.md");

const mark = "<!-- From here on generated: node build/test/conformance/remake.js -->";
const columns = 110;

/** README.md with that part as it must be. */
export function wordedReadme(): string {
  const text = readFileSync(readmePath, "utf8");
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`README.md has no line '${mark}'`);
  const source = readFileSync(join(packageRoot, "assembly/abi.ts"), "utf8");
  return `${text.slice(0, at)}${[mark, "", ...bufferLines(), ...enumLines(source)].join("\n")}\n`;
}

/* Bytes of calls. */

function bufferLines(): string[] {
  const rows = members(abi.Call).map(([name, call]) => [name, readBy(call), leftBy(call)] as const);
  const some = rows.filter(([, reads, leaves]) => reads !== "" || leaves !== "");
  return [
    "## Bytes of calls",
    "",
    "From `Buffer` on; calls that are not listed have none.",
    "",
    "| call | reads | leaves, where it did not fail |",
    "| --- | --- | --- |",
    ...some.map((row) => `| ${row.join(" | ")} |`),
    "",
  ];
}

const configure = Ioctl.LOOP_CONFIGURE;

function readBy(call: number): string {
  const ask = (request: number, number: number, bytes = 999) =>
    argumentBytes(call, request, number, bytes);
  const most = ask(configure, -1);
  if (most === 0) return "";
  const text = ask(configure, -1, 99) === most ? `${most} bytes` : "`Bytes`";
  if (ask(0, -1) !== most) {
    const takes = members(Ioctl).filter(([, request]) => ask(request, -1) > 0);
    return `${text}, of ${takes.map(([name]) => name).join(" and ")}`;
  }
  return ask(configure, 0) === most ? text : `${text}, where \`Number\` is -1`;
}

function leftBy(call: number): string {
  const ask = (result: number, bytes: number) => answerBytes({ call, bytes }, result);
  const [one, two, wide] = [ask(1, 999), ask(2, 999), ask(1, 9999)];
  if (one === 0) return "";
  if (wide !== one) return "`Bytes`";
  if (two === one) return `${one} bytes`;
  return one === 1 ? "as many bytes as the result" : `${one} bytes times the result`;
}

function members(numbers: object): [name: string, value: number][] {
  return Object.entries(numbers).filter(([, value]) => typeof value === "number");
}

/* Enums, as they are explained in their source. */

function enumLines(source: string): string[] {
  const lines: string[] = [];
  const numbers = abi as unknown as Record<string, Record<string, number>>;
  let comment: string[] = [];
  let name = "";
  for (const line of source.split("\n").slice(source.split("\n").indexOf(" */") + 1)) {
    const text = line.trim();
    const opened = /^export enum (\w+) \{$/.exec(text)?.[1];
    const member = /^(\w+) = \w+,$/.exec(text)?.[1];
    if (/^(\/\*\*|\*)/.test(text)) {
      comment.push(
        text
          .replace(/^\/?\*+\/?/, "")
          .replace(/\*\/$/, "")
          .trim(),
      );
    } else if (opened !== undefined) {
      name = opened;
      lines.push(`## ${name}`, "", ...wrapped(comment, ""), "");
      comment = [];
    } else if (member !== undefined) {
      const said = comment.length > 0 ? [":", ...comment] : [];
      lines.push(...wrapped([`- \`${member}\` ${numbers[name]?.[member]}`, ...said], "  "));
      comment = [];
    } else if (text === "}") {
      lines.push("");
    }
  }
  while (lines.at(-1) === "") lines.pop();
  return lines.filter((line, index) => line !== "" || lines[index - 1] !== "");
}

/** Words of these pieces in lines that are not too wide. */
function wrapped(pieces: readonly string[], indent: string): string[] {
  const words = pieces.join(" ").replace(" :", ":").split(" ").filter(Boolean);
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(lines.length === 0 ? word : indent + word);
    }
  }
  return lines;
}
