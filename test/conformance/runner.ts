/**
 * Runs vectors on core.wasm: does what each line says and compares what the core puts out, as text.
 * Knows no file and no runtime. It imports what users of the package import and nothing else, so
 * every runtime of JavaScript runs this very module. The lines are explained in README.md.
 */
import {
  CommandWord,
  type Core,
  type CoreCall,
  type CoreCommand,
  type CoreEvent,
  type CorePartition,
  type CoreUevent,
  DatagramWord,
  Event,
  Limit,
  LoopError,
  loadWasmCore,
} from "diskseq/core";

interface Played {
  readonly inputs: number;
  /** the first line that the core does not agree with */
  readonly refusal?: {
    /** from 1 */
    readonly line: number;
    readonly expected: string;
    readonly actual: string;
  };
}

export interface VectorFile {
  readonly name: string;
  readonly text: string;
}

export interface Report {
  /** one for each file that is refused, and the result */
  readonly lines: readonly string[];
  readonly isGood: boolean;
}

/** Runs files, each on a core of its own; what a host prints. */
export function runFiles(host: string, files: readonly VectorFile[], wasm: Uint8Array): Report {
  const lines: string[] = [];
  let inputs = 0;
  for (const { name, text } of files) {
    const { inputs: own, refusal } = runVectors(text, wasm);
    inputs += own;
    if (refusal === undefined) continue;
    const { line, expected, actual } = refusal;
    lines.push(`${name}:${line}: '${actual.slice(0, 200)}', not '${expected.slice(0, 200)}'`);
  }
  const result = `${host}: ${files.length} files, ${inputs} inputs, ${lines.length} refused`;
  return { lines: [...lines, result], isGood: lines.length === 0 };
}

function runVectors(text: string, wasm: Uint8Array): Played {
  const player = new Player(wasm);
  for (const [index, expected] of [...text.split("\n").slice(0, -1), "end"].entries()) {
    const actual = player.play(expected);
    if (actual !== expected) {
      return { inputs: player.inputs, refusal: { line: index + 1, expected, actual } };
    }
  }
  return { inputs: player.inputs };
}

class Player {
  inputs = 0;
  readonly #wasm: Uint8Array;
  readonly #inbox = new DataView(new ArrayBuffer(Limit.InboxBytes));
  #core: Core | undefined;
  /** an `end` was read */
  #hasEnded = false;

  constructor(wasm: Uint8Array) {
    this.#wasm = wasm;
  }

  /** What the line is when the core has its say. */
  play(line: string): string {
    const [kind = "", ...words] = line.split(" ");
    if (kind === "#") return line;
    if (kind === "end") return this.#end(words);
    if (this.#hasEnded) return "nothing";
    try {
      return this.#lineOf(kind, words);
    } catch (error) {
      return String(error);
    }
  }

  /** The one in the file counts the inputs, the other is the end of the file itself. */
  #end(words: readonly string[]): string {
    if (words.length === 0) return this.#hasEnded ? "end" : "the file was cut short";
    this.#hasEnded = true;
    return `end ${hex(this.inputs)}`;
  }

  #lineOf(kind: string, words: readonly string[]): string {
    if (kind === "diskseq-vectors") return `${kind} 1`;
    if (kind === "abi") return `${kind} ${hex(Limit.AbiVersion)}`;
    if (kind === "start") return this.#start(words);
    const core = this.#core;
    if (core === undefined) return "no core was started";
    switch (kind) {
      case "put":
        return this.#put(core, words);
      case "event":
        return eventLine(core.pollEvent());
      case "partition": {
        const [operation = 0, index = 0] = words.map(number);
        return partitionLine(operation, index, core.selectPartition(operation, index));
      }
      case "call":
        return callLine(core.pollCall());
      case "bytes":
        return bytesLine(core, words.map(number));
      case "done":
        return this.#done(core);
      default:
        return this.#input(core, kind, words);
    }
  }

  #start(words: readonly string[]): string {
    const [seed = 0n, ...capacities] = words.map((word) => BigInt(`0x${word}`));
    const [operations = 0, partitions = 0, watches = 0] = capacities.map(Number);
    this.#core = loadWasmCore(this.#wasm, { seed, operations, partitions, watches });
    return spell("start", [seed, ...capacities]);
  }

  #put(core: Core, words: readonly string[]): string {
    const [region = "", at = "", bytes = "", digits = ""] = words;
    const target = this.#region(core, region).subarray(number(at), number(at) + number(bytes));
    target.fill(0);
    for (let i = 0; i < digits.length; i += 2) target[i / 2] = number(digits.slice(i, i + 2));
    return ["put", ...words].join(" ");
  }

  #region(core: Core, name: string): Uint8Array {
    if (name === "inbox") return new Uint8Array(this.#inbox.buffer);
    if (name === "slots") return core.slots;
    if (name === "buffers") return core.buffers;
    const { buffer, byteOffset } = core.records;
    return new Uint8Array(buffer, byteOffset, Limit.DatagramSlots * DatagramWord.Words * 4);
  }

  /** An input's last word is the core's answer. */
  #input(core: Core, kind: string, words: readonly string[]): string {
    this.inputs += 1;
    const given = words.slice(0, -1);
    return [kind, ...given, this.#answer(core, kind, given)].join(" ");
  }

  #answer(core: Core, kind: string, words: readonly string[]): string {
    const now = BigInt(`0x${words[0]}`);
    const [first = 0, second = 0] = words.slice(1).map(number);
    try {
      return hex(this.#hand(core, kind, now, first, second));
    } catch (error) {
      // Who panics says where.
      if (error instanceof LoopError && /panicked at .*:\d/.test(error.message)) return "panic";
      return String(error);
    }
  }

  #hand(core: Core, kind: string, now: bigint, first: number, second: number): number {
    switch (kind) {
      case "command":
        return core.handleCommand(now, commandIn(this.#inbox));
      case "completion":
        return core.handleCompletion(now, first, second);
      case "datagram":
        return core.handleDatagram(now, first);
      case "overrun":
        return core.handleOverrun(now, first, second);
      case "timeout":
        return core.handleTimeout(now);
      default:
        throw new RangeError(`'${kind}' is no input`);
    }
  }

  /** Nothing else may come out. */
  #done(core: Core): string {
    const event = core.pollEvent();
    if (event !== undefined) return eventLine(event);
    const call = core.pollCall();
    if (call !== undefined) return callLine(call);
    const at = core.pollTimeout();
    return `done ${hex(at)} ${hex(core.timeoutReason())} ${hex(core.stateHash())}`;
  }
}

function commandIn(inbox: DataView): CoreCommand {
  const wide = (word: CommandWord) => inbox.getBigUint64(word * 8, true);
  const short = (word: CommandWord) => Number(BigInt.asIntN(64, wide(word)));
  const mask = [3, 2, 1, 0].map((word) => wide(CommandWord.PartitionMask + word));
  return {
    command: short(CommandWord.Command),
    flags: short(CommandWord.Flags),
    timeoutNs: wide(CommandWord.TimeoutNs),
    offset: wide(CommandWord.Offset),
    sizeLimit: wide(CommandWord.SizeLimit),
    sectorSize: short(CommandWord.SectorSize),
    partscan: short(CommandWord.Partscan),
    number: short(CommandWord.Number),
    descriptor: short(CommandWord.Descriptor),
    diskseq: wide(CommandWord.Diskseq),
    backingDevice: wide(CommandWord.BackingDevice),
    backingInode: wide(CommandWord.BackingInode),
    reference: new Uint8Array(
      inbox.buffer,
      CommandWord.Reference * 8,
      short(CommandWord.ReferenceBytes),
    ),
    partitionMask: mask.reduce((sum, word) => (sum << 64n) | word, 0n),
  };
}

/* Outputs: words as they lie in the outbox. Of a call and a partition those of 32 bits fill all
 * eight bytes with their sign, of an event only the lower four. */

function callLine(call: CoreCall | undefined): string {
  if (call === undefined) return "no call";
  return spell("call", Object.values({ ...call, request: call.request | 0 }));
}

function eventLine(event: CoreEvent | CoreUevent | undefined): string {
  if (event === undefined) return "no event";
  const result = event.event === Event.Uevent ? [] : event.result;
  const words = Object.values(event).filter((word) => typeof word !== "object");
  return spell("event", [
    ...words.map((word) => (typeof word === "number" ? word >>> 0 : word)),
    ...result,
  ]);
}

function partitionLine(
  operation: number,
  index: number,
  partition: CorePartition | undefined,
): string {
  const line = `partition ${hex(operation)} ${hex(index)}`;
  if (partition === undefined) return line;
  const { byKernel, diskSignature, typeGuid, uniqueGuid, name, ...others } = partition;
  const { number, major, minor, start, size, kind, mbrType } = others;
  const texts = [typeGuid, uniqueGuid, name].flatMap((bytes) => [
    ...new BigUint64Array(bytes.buffer),
  ]);
  const numbers = [number, major, minor, start, size, byKernel ? 1 : 0, kind, mbrType];
  return spell(line, [...numbers, diskSignature | 0, ...texts]);
}

function bytesLine(core: Core, [at = 0, length = 0]: readonly number[]): string {
  const bytes = core.buffers.subarray(at, at + length);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `bytes ${hex(at)} ${hex(length)} ${digits.replace(/(00)+$/, "")}`.trimEnd();
}

/** Without the zeros at its end. */
function spell(kind: string, words: readonly (number | bigint)[]): string {
  const text = words.map((word) => ` ${hex(word)}`).join("");
  return kind + text.replace(/( 0)+$/, "");
}

/** Two's complement of 64 bits. */
function hex(value: number | bigint): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16);
}

/** Of 32 bits. */
function number(digits: string): number {
  return Number(BigInt.asIntN(32, BigInt(`0x${digits}`)));
}
