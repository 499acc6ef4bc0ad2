/**
 * What a command is: the one description that parsing, help and completion are derived from.
 *
 * A command is one entry (`defineCommand` in its file under `commands/`) and one line in
 * `commands.ts`. Knows nothing of any single command, and does no input or output.
 */
import type { Recording, RecordOptions } from "../record.ts";
import type {
  ChangeOptions,
  Garbage,
  GarbageOptions,
  Monitor,
  MonitorOptions,
  Rescanned,
  Resized,
  Waited,
  WaitOptions,
  WaitTarget,
} from "../stream-types.ts";
import type { Trace, TraceOptions } from "../trace/index.ts";
import type {
  Attachment,
  AttachOptions,
  Detached,
  DetachOptions,
  LoopDevice,
  LoopDeviceJson,
  ScanVerdict,
} from "../types.ts";

/** What a kind's text becomes; of the kinds that are not here, the text itself. */
export interface KindValues {
  /** Bytes. */
  size: bigint;
  /** Milliseconds. */
  duration: number;
  /** The number of a loop device. */
  device: number;
  count: number;
  diskseq: bigint;
  /** The version of a simulated kernel; with `sim:` before it, and with or without. */
  kernel: string;
  version: string;
  /** Given without a version: true. */
  kernelGroup: true | string;
  /** Given without a list: true. */
  partitions: true | readonly number[];
}

export type OptionKind = "flag" | "text" | "choice" | keyof KindValues;

export interface Option {
  readonly kind: OptionKind;
  /** One letter. */
  readonly short?: string;
  /** How help calls the value, e.g. `SIZE`. */
  readonly value?: string;
  /** The only values allowed; for sizes compared after parsing. */
  readonly choices?: readonly string[];
  /** What a shell offers as value, beside what the kind says. */
  readonly complete?: "device";
  /** As help shows it. */
  readonly default?: string;
  readonly summary: string;
}

export type Options = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O["kind"] extends "flag"
  ? boolean
  :
      | (O["kind"] extends keyof KindValues
          ? KindValues[O["kind"]]
          : O extends { readonly choices: readonly (infer C)[] }
            ? C
            : string)
      | undefined;

export type Values<O extends Options> = { readonly [K in keyof O]: ValueOf<O[K]> };

export interface Operand {
  /** As usage shows it, e.g. `IMAGE`. */
  readonly name: string;
  readonly min: number;
  /** `Number.POSITIVE_INFINITY` where any number goes. */
  readonly max: number;
  /** What a shell offers there. */
  readonly complete: "file" | "device" | "command" | readonly string[];
}

export interface Invocation<O extends Options = Options> {
  readonly options: Values<O>;
  readonly json: boolean;
  readonly operands: readonly string[];
  /** The words after `--`, untouched; empty for commands without `rest`. */
  readonly rest: readonly string[];
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** What follows the name, e.g. `IMAGE [options]`. */
  readonly usage: string;
  /** Paragraphs for help; what the summary cannot say. */
  readonly description: readonly string[];
  readonly operand?: Operand;
  /** Name of what must follow `--`, e.g. `CMD`. */
  readonly rest?: string;
  readonly options: O;
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Resolves with the exit code. */
  run(invocation: Invocation<O>, context: Context): Promise<number>;
}

/** The part of the public API that commands use; tests give another one. */
export interface Api {
  attach(image: string | URL | number, options?: AttachOptions): Promise<Attachment>;
  detach(target: string, options?: DetachOptions): Promise<Detached>;
  probeScan(): Promise<ScanVerdict>;
  list(options?: { readonly signal?: AbortSignal }): Promise<LoopDevice[]>;
  toJson(device: LoopDevice): LoopDeviceJson;
  monitor(options?: MonitorOptions): Promise<Monitor>;
  waitFor(target: WaitTarget, options?: WaitOptions): Promise<Waited>;
  rescan(target: string, options?: ChangeOptions): Promise<Rescanned>;
  resize(target: string, options?: ChangeOptions): Promise<Resized>;
  collectGarbage(options?: GarbageOptions): Promise<Garbage[]>;
  trace(path: string, options?: TraceOptions): Promise<Trace>;
  record(path: string, options?: RecordOptions): Promise<Recording>;
}

export type Format = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** One of the two streams. */
export interface Output {
  readonly isTerminal: boolean;
  write(text: string): void;
  /** Resolves when the reader has caught up so far that more may be written, or at the signal. */
  drained(signal: AbortSignal): Promise<void>;
  /** Aborted when nothing can be written any more; its reason is the stream's error. */
  readonly gone: AbortSignal;
  /** The text itself where colours are not wanted. */
  paint(format: Format, text: string): string;
}

/** All that a command gets from outside. */
export interface Context {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly version: string;
  readonly commands: readonly Command[];
  /** Milliseconds of the API's monotonic clock. */
  now(): number;
  /** What is to be done when the command is over, however it ends. */
  atEnd(work: () => Promise<void>): void;
  /** Late, so that help and completion need neither the core nor the system-call library. */
  loadApi(): Promise<Api>;
}

/** Options of every command. */
export const commonOptions = {
  json: { kind: "flag", summary: "print the result as JSON" },
  help: { kind: "flag", short: "h", summary: "show this help" },
  version: { kind: "flag", short: "V", summary: "show the version" },
} as const satisfies Options;

/** Whether an option takes a value: in the same word or the next, or only in the same (`=`). */
export function valueRule({ kind }: Option): "none" | "required" | "joined" {
  if (kind === "flag") return "none";
  return kind === "partitions" || kind === "kernelGroup" ? "joined" : "required";
}

/** Checks an entry and forgets the types of its own options. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command;
}

/** `sizeLimit` is written `--size-limit`. */
export function optionName(key: string): string {
  return key.replace(/[A-Z]+/g, (letters) => `-${letters.toLowerCase()}`);
}

/** The options of a command, those of every command last. */
export function allOptions(command: Command): [key: string, option: Option][] {
  return Object.entries({ ...command.options, ...commonOptions });
}
