/**
 * Does the same to each target, one after the other: what `detach`, `rescan` and `resize` share.
 *
 * Each target is tried, also when another one failed. Knows nothing of what is done to them.
 */
import { exitCodeOf } from "../errors.ts";
import type { LoopWarning } from "../types.ts";
import { sessionOptions } from "./api.ts";
import { escapeText, jsonLine } from "./format.ts";
import { interruptible } from "./interrupt.ts";
import { errorLines, toJsonError, warner } from "./report.ts";
import type { Context, Operand, Options, Values } from "./table.ts";

export const targetOperand: Operand = {
  name: "TARGET",
  min: 1,
  max: Number.POSITIVE_INFINITY,
  complete: "device",
};

/** For help. */
export const targetDescription =
  "TARGET is a device (/dev/loop0), a partition of it (/dev/loop0p1), an attached image, or " +
  "diskseq:N, which names one attach and nothing else. Symbolic links are followed. Each " +
  "target is tried, also when another one failed; the exit code is that of the first failure.";

export const targetOptions = {
  timeout: {
    kind: "duration",
    default: "30s",
    summary: "wait for each target at most this long",
  },
  ...sessionOptions,
} as const satisfies Options;

/** What to do, and how its results are called and shown. */
export interface Deed<R> {
  /** The command, for messages. */
  readonly where: string;
  /** Key of the results in the JSON object. */
  readonly key: string;
  act(target: string, options: TargetCallOptions): Promise<R>;
  /** One line for people, not escaped. */
  toText(result: R): string;
  /** Fields of the JSON record, behind the target. */
  toRecord(result: R): object;
}

/** Options of the API that are the same for each target. */
export interface TargetCallOptions {
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
  readonly onWarning: (warning: LoopWarning) => void;
}

interface Given {
  readonly options: Values<typeof targetOptions>;
  readonly operands: readonly string[];
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function forEachTarget<R>(
  deed: Deed<R>,
  { options, operands, json }: Given,
  context: Context,
): Promise<number> {
  const { where, key, act, toText, toRecord } = deed;
  const timeout = options.timeout === undefined ? {} : { timeoutMs: options.timeout };
  const records: object[] = [];
  let code = 0;
  const work = async (signal: AbortSignal) => {
    for (const target of operands) {
      try {
        const result = await act(target, { ...timeout, signal, onWarning: warner(context) });
        records.push({ target, ...toRecord(result) });
        if (!json) {
          context.stdout.write(`${escapeText(toText(result))}\n`);
        }
      } catch (error) {
        signal.throwIfAborted();
        records.push({ target, error: toJsonError(error) });
        code ||= exitCodeOf(error);
        context.stderr.write(`${errorLines(where, error, context).join("\n")}\n`);
      }
      signal.throwIfAborted();
    }
  };
  try {
    await interruptible(where, context, work);
  } finally {
    // Also when interrupted: what is done is done.
    if (json) {
      context.stdout.write(jsonLine({ [key]: records }));
    }
  }
  return code;
}
