/**
 * The device of a trace, in the model: which images there are, what a recorded call is as a system
 * call, what its answer and sysfs look like as the recorder writes them.
 */
import { Action } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { ImageKind, TableKind } from "../../assembly/kernel/setup.ts";
import { BlkpgOperation, Errno, Lock, OpenFlag } from "../../assembly/wire/linux.ts";
import { mbrIsExtended } from "../../assembly/wire/mbr.ts";
import { fault, type TraceCall, type TraceFile, type TraceImage } from "../kernel-trace.ts";
import { diskAttribute } from "./attributes.ts";
import type { Model, ModelCall, ModelDisk, ModelImage, ModelOptions } from "./model.ts";

/** Descriptors by the labels of the calls that opened them. */
export type Labels = ReadonlyMap<string, number>;

/** A recorded call as the model knows it: a task to begin, or what is done at once. */
export type Deed =
  | { readonly kind: "task"; readonly routine: Routine; readonly call: ModelCall }
  | { readonly kind: "instant"; readonly perform: (model: Model, process: number) => number };

const directory = "a directory";
const O_DIRECT = 0x4000;

export class TraceStage {
  /** number of the loop device that the trace is about */
  readonly number: number;
  readonly options: ModelOptions;
  readonly #names: readonly string[];

  constructor({ header, records }: TraceFile, version: string = header.version) {
    this.number = loopNumber(header.device, 1);
    this.#names = [...Object.keys(header.images), directory];
    const images = Object.values(header.images).map(modelImage);
    const entries = images.map((image) => image.entries?.length ?? 0);
    const maxLoop = Math.max(-1, ...header.loops) + 1;
    this.options = {
      version,
      loops: maxLoop + 2,
      partitions: Math.max(...entries, 0) + 16,
      files: 64,
      tasks: 8,
      sockets: 4,
      queue: 64,
      processes: 4,
      images: [...images, { bytes: 4096, kind: ImageKind.Other }],
      maxLoop,
      maxPart: Number(header.params.max_part ?? 0),
      parsers: true,
      diskseq: Math.max(0, firstDiskseq(records) - 1 - maxLoop),
      buffersBytes: 0,
    };
  }

  /** What a recorded call asks for. */
  deed(call: TraceCall, labels: Labels): Deed {
    const { line } = call;
    const number = (name: string) => wholeOf(call, name);
    const descriptor = (name: string) => {
      const label = call.arguments[name];
      if (label === null && name === "backing") return number("raw_fd");
      const found = typeof label === "string" ? labels.get(label) : undefined;
      if (found === undefined) throw fault(line, `${name}: ${String(label)} was never opened`);
      return found;
    };
    const task = (routine: Routine, rest: ModelCall = {}): Deed => ({
      kind: "task",
      routine,
      call: { a: descriptor("fd"), ...rest },
    });
    switch (call.name) {
      case "open":
        return this.#open(call);
      case "close":
        return task(Routine.Close);
      case "truncate":
        return this.#truncate(call, BigInt(number("length")));
      case "uevent":
        return this.#trigger(call);
      case "flock": {
        const a = descriptor("fd");
        const operation = number("operation") | Lock.LOCK_NB;
        return { kind: "instant", perform: (model, process) => model.flock(process, a, operation) };
      }
      case "LOOP_CONFIGURE":
        return task(Routine.Configure, {
          b: descriptor("backing"),
          c: number("flags"),
          d: number("block_size"),
          e: BigInt(number("offset")),
          f: BigInt(number("sizelimit")),
        });
      case "LOOP_SET_FD":
        return task(Routine.SetFd, { b: descriptor("backing") });
      case "LOOP_CHANGE_FD":
        return task(Routine.ChangeFd, { b: descriptor("backing") });
      case "LOOP_CLR_FD":
        return task(Routine.ClearFd);
      case "LOOP_SET_STATUS64":
        return task(Routine.SetStatus, {
          c: number("flags"),
          e: BigInt(number("offset")),
          f: BigInt(number("sizelimit")),
        });
      case "LOOP_GET_STATUS64":
        return task(Routine.GetStatus);
      case "LOOP_SET_CAPACITY":
        return task(Routine.SetCapacity);
      case "LOOP_SET_BLOCK_SIZE":
        return task(Routine.SetBlockSize, { b: number("arg") });
      case "LOOP_SET_DIRECT_IO":
        return task(Routine.SetDirectIo, { b: number("arg") });
      case "LOOP_CTL_ADD":
        return task(Routine.ControlAdd, { b: Number(call.arguments.arg) });
      case "LOOP_CTL_REMOVE":
        return task(Routine.ControlRemove, { b: Number(call.arguments.arg) });
      case "LOOP_CTL_GET_FREE":
        return task(Routine.ControlGetFree);
      case "BLKRRPART":
        return task(Routine.Reread);
      case "BLKPG_ADD":
      case "BLKPG_DEL":
      case "BLKPG_RESIZE":
        return task(Routine.Blkpg, {
          b: blkpgOperations[call.name],
          c: number("partition"),
          e: BigInt(number("start")),
          f: BigInt(number("length")),
        });
      case "BLKGETDISKSEQ":
        return { kind: "instant", perform: (model) => this.#diskseq(model) };
      default:
        throw fault(line, `no such call in the model: ${call.name}`);
    }
  }

  #open(call: TraceCall): Deed {
    const path = textOf(call, "path");
    const flags = openFlags(call);
    if (path === "loop-control") {
      return { kind: "instant", perform: (model, process) => model.openControl(process, flags) };
    }
    if (/^loop\d/.test(path)) {
      const [, disk = "", partition = "0"] = /^(loop\d+)(?:p(\d+))?$/.exec(path) ?? [];
      const a = loopNumber(disk, call.line);
      return { kind: "task", routine: Routine.Open, call: { a, b: flags, c: Number(partition) } };
    }
    const image = this.#imageOf(path);
    return { kind: "instant", perform: (model, process) => model.openImage(process, image, flags) };
  }

  #truncate(call: TraceCall, bytes: bigint): Deed {
    const image = this.#imageOf(textOf(call, "path"));
    return { kind: "instant", perform: (model) => model.truncate(image, bytes) };
  }

  #trigger(call: TraceCall): Deed {
    const action = { add: Action.Add, remove: Action.Remove, change: Action.Change }[
      textOf(call, "text")
    ];
    return {
      kind: "instant",
      perform: (model) => model.trigger(this.number, 0, action ?? Action.Other),
    };
  }

  #diskseq(model: Model): number {
    const diskseq = Number(model.disk(this.number)?.diskseq ?? 0n);
    return diskseq === 0 ? -Errno.EINVAL : diskseq;
  }

  #imageOf(path: string): number {
    const name = path.replace(/\.img$/, "");
    const index = this.#names.indexOf(name);
    return index < 0 ? this.#names.indexOf(directory) : index;
  }

  /** What a call answers, as the recorder writes it. */
  answer(call: TraceCall, result: number, model: Model): unknown {
    if (result < 0) return { errno: -result };
    if (call.name === "LOOP_GET_STATUS64") {
      const disk = model.disk(this.number);
      const { offset = 0n, sizeLimit = 0n, flags = 0 } = disk ?? {};
      return { offset: Number(offset), sizelimit: Number(sizeLimit), flags };
    }
    // A descriptor has a label of the recorder's own.
    return call.name === "open" ? call.ret : result;
  }

  /** What sysfs shows, as the recorder writes it; only the keys that were recorded too. */
  shown(model: Model, recorded: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const disk = model.disk(this.number);
    const all = disk ? this.#attributes(disk) : {};
    for (const key of Object.keys(recorded)) {
      if (!knownAttributes.has(key)) all[key] = recorded[key];
    }
    return all;
  }

  #attributes(disk: ModelDisk): Record<string, unknown> {
    const all: Record<string, unknown> = {};
    for (const key of textAttributes) {
      const text = diskAttribute(disk, key);
      if (text !== undefined) all[key] = text;
    }
    if (disk.isBound) all["loop/backing_file"] = this.#names[disk.backing] ?? "";
    all.partitions = disk.partitions.map(({ number, start, size, isOpenable }) => [
      `loop${this.number}p${number}`,
      Number(start),
      Number(size),
      isOpenable,
    ]);
    return all;
  }
}

const textAttributes = [
  "diskseq",
  "size",
  "ro",
  "loop/offset",
  "loop/sizelimit",
  "loop/autoclear",
  "loop/partscan",
  "loop/dio",
];

const knownAttributes = new Set([...textAttributes, "loop/backing_file", "partitions"]);

const blkpgOperations = {
  BLKPG_ADD: BlkpgOperation.BLKPG_ADD_PARTITION,
  BLKPG_DEL: BlkpgOperation.BLKPG_DEL_PARTITION,
  BLKPG_RESIZE: BlkpgOperation.BLKPG_RESIZE_PARTITION,
} as const;

function modelImage(image: TraceImage): ModelImage {
  const isGpt = image.table === "gpt";
  const table = isGpt ? TableKind.Gpt : image.table === "dos" ? TableKind.Mbr : TableKind.None;
  return {
    bytes: image.bytes,
    table,
    // The primary copy is believed as long as its last usable sector is there.
    sectorsMin: isGpt ? BigInt(Math.floor(image.bytes / 512) - 33) : 0n,
    entries: image.partitions.map((entry) => ({
      number: entry.number,
      start: BigInt(entry.start),
      // An extended partition is two sectors, whatever it holds.
      size: BigInt(isExtended(image, entry.type) ? 2 : entry.size),
      name: entry.name ?? undefined,
      uuid: entry.uuid?.toLowerCase() ?? undefined,
    })),
  };
}

function isExtended(image: TraceImage, type: string | null): boolean {
  return image.table === "dos" && type !== null && mbrIsExtended(Number.parseInt(type, 16));
}

function firstDiskseq(records: TraceFile["records"]): number {
  for (const record of records) {
    const state = record.kind === "call" ? record.after : undefined;
    if (state?.diskseq !== undefined) return Number(state.diskseq);
  }
  return 0;
}

function loopNumber(name: string, line: number): number {
  const number = /^loop(\d+)$/.exec(name)?.[1];
  if (number === undefined) throw fault(line, `${name} is no loop device`);
  return Number(number);
}

function openFlags(call: TraceCall): number {
  let flags = 0;
  for (const name of textOf(call, "flags").split("|")) {
    const value = openFlagNames[name];
    if (value === undefined) throw fault(call.line, `no such flag: ${name}`);
    flags |= value;
  }
  return flags;
}

const openFlagNames: Readonly<Record<string, number>> = {
  O_RDONLY: OpenFlag.O_RDONLY,
  O_WRONLY: 1,
  O_RDWR: OpenFlag.O_RDWR,
  O_EXCL: OpenFlag.O_EXCL,
  O_NONBLOCK: OpenFlag.O_NONBLOCK,
  O_CLOEXEC: OpenFlag.O_CLOEXEC,
  O_PATH: OpenFlag.O_PATH,
  O_DIRECT,
  O_DIRECTORY: 0,
};

function textOf(call: TraceCall, name: string): string {
  const value = call.arguments[name];
  if (typeof value !== "string") throw fault(call.line, `${name} is no text`);
  return value;
}

function wholeOf(call: TraceCall, name: string): number {
  const value = call.arguments[name];
  if (!Number.isSafeInteger(value)) throw fault(call.line, `${name} is no whole number`);
  return value as number;
}
