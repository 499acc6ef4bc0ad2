/**
 * How errors and warnings reach the user: text on stderr, the JSON error object on stdout.
 *
 * Knows the shape of LoopError, but no command and no exit code.
 */
import { LoopError } from "../errors.ts";
import type { LoopWarning } from "../types.ts";
import { describeHolder } from "./describe.ts";
import { escapeText, jsonLine } from "./format.ts";
import type { Context } from "./table.ts";

const triesMax = 8;

export interface JsonError {
  readonly code: string;
  readonly errno: number | null;
  readonly syscall: string | null;
  readonly device: string | null;
  readonly step: string | null;
  readonly message: string;
  readonly tries: LoopError["tries"];
  readonly holders: LoopError["holders"];
}

export function toJsonError(error: unknown): JsonError {
  const { code, errno, syscall, device, step, tries, holders } = error as Partial<LoopError>;
  return {
    code: typeof code === "string" ? code : "ERR_UNKNOWN",
    errno: typeof errno === "number" ? errno : null,
    syscall: syscall ?? null,
    device: device ?? null,
    step: step ?? null,
    message: messageOf(error),
    tries: tries ?? [],
    holders: holders ?? [],
  };
}

/** One line, then who holds the device and what was tried, indented. */
export function errorLines(where: string, error: unknown, context: Context): string[] {
  const label = context.stderr.paint("red", `diskseq: ${where}:`);
  const lines = [`${label} ${escapeText(messageOf(error))}`];
  if (!(error instanceof LoopError)) {
    return lines;
  }
  for (const holder of error.holders) {
    lines.push(`  ${describeHolder(holder)}`);
  }
  // The last ones tell why it gave up.
  const shown = error.tries.slice(-triesMax);
  if (shown.length < error.tries.length) {
    lines.push(`  (${error.tries.length - shown.length} earlier tries left out)`);
  }
  for (const { device, step, syscall, errno } of shown) {
    lines.push(`  tried ${escapeText(`${device ?? "-"}: ${step}: ${syscall}: ${errno}`)}`);
  }
  return lines;
}

/** For a command that failed as a whole. */
export function reportError(where: string, error: unknown, json: boolean, context: Context): void {
  if (json) {
    context.stdout.write(jsonLine({ error: toJsonError(error) }));
  }
  context.stderr.write(`${errorLines(where, error, context).join("\n")}\n`);
}

/** Writes warnings to stderr. */
export function warner(context: Context): (warning: LoopWarning) => void {
  return ({ message }) => {
    const label = context.stderr.paint("yellow", "diskseq: warning:");
    context.stderr.write(`${label} ${escapeText(message)}\n`);
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
