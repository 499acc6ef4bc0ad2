/**
 * What the kernel's own parsers make of an image: the core decodes it, in a probe of an operation
 * of its own, so that core and simulated kernel are told by the same decoder.
 */
import { Call, Command, Event, Partscan, Result, StatWord, Table } from "../../assembly/abi.ts";
import { TableKind } from "../../assembly/kernel/setup.ts";
import { FileType } from "../../assembly/wire/linux.ts";
import { mbrIsExtended } from "../../assembly/wire/mbr.ts";
import type { Core, CoreCall, CoreEvent } from "../core.ts";
import { loadDefaultCore } from "../core-file.ts";
import { tableFields } from "../describe.ts";
import type { ModelImage } from "./model-types.ts";
import type { Source } from "./sources.ts";

/** The part of an image's description that is about its table. */
export type TableFacts = Pick<
  ModelImage,
  "table" | "sectorSize" | "entries" | "sectorsMin" | "tableAt"
>;

/** Where a GPT's header says what the last usable LBA is (UEFI 2.10, 5.3.2). */
const lastUsableAt = 48;

/** A probe is over when it returns, so one core decodes for all. */
let decoder: Core | undefined;

export class TableReader {
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  read(source: Source, offset: bigint, sizeLimit: bigint): TableFacts {
    const none = { table: TableKind.None, tableAt: offset };
    decoder ??= loadDefaultCore({ seed: 0n, operations: 1, watches: 1 });
    const core = decoder;
    const partscan = Partscan.Kernel;
    const timeoutNs = 1n << 60n;
    core.handleCommand(1n, { command: Command.Probe, offset, sizeLimit, partscan, timeoutNs });
    const event = this.#run(core, source);
    if (event.event !== Event.Probed) return none;
    const word = (result: Result): number => Number(event.result[result] ?? 0n);
    // The core's own parsers read more tables than the kernel's.
    if (word(Result.Table) === Table.None || word(Result.Partscan) !== Partscan.Kernel) return none;
    const isGpt = word(Result.Table) === Table.Gpt;
    const sectorSize = isGpt ? word(Result.SectorSize) : 512;
    return {
      tableAt: offset,
      table: isGpt ? TableKind.Gpt : TableKind.Mbr,
      sectorSize,
      sectorsMin: isGpt ? sectorsMin(source, offset, sectorSize) : 0n,
      entries: this.#entries(core, event),
    };
  }

  #entries(core: Core, event: CoreEvent): NonNullable<ModelImage["entries"]> {
    const entries = [];
    for (let index = 0; index < Number(event.result[Result.Partitions]); index++) {
      const partition = core.selectPartition(event.operation, index);
      if (partition === undefined) continue;
      const { name, uuid } = tableFields(partition);
      const isExtended = partition.kind === 0 && mbrIsExtended(partition.mbrType);
      const { number, start, size } = partition;
      entries.push({
        number,
        start: start / 512n,
        size: size / 512n,
        name: name === null ? undefined : sevenBits(name),
        // Of an extended partition the kernel tells none (block/partitions/msdos.c).
        uuid: isExtended ? undefined : uuid?.toLowerCase(),
      });
    }
    return entries.sort((a, b) => a.number - b.number).slice(0, this.#entriesMax);
  }

  #run(core: Core, source: Source): CoreEvent {
    for (;;) {
      for (let event = core.pollEvent(); event; event = core.pollEvent()) {
        const isEnd = event.event === Event.Probed || event.event === Event.Failed;
        if (isEnd) return event as CoreEvent;
      }
      const call = core.pollCall();
      if (call === undefined) throw new RangeError("a probe waits for nothing");
      core.handleCompletion(1n, call.ticket, answer(core, call, source));
    }
  }
}

/** What a kernel would answer that has nothing but this image. */
function answer(core: Core, call: CoreCall, source: Source): number {
  const bytes = core.buffers.subarray(call.buffer, call.buffer + call.bytes);
  switch (call.call) {
    case Call.Open:
      return 3;
    case Call.Fstat: {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      bytes.fill(0);
      view.setBigUint64(StatWord.Mode * 8, BigInt(FileType.S_IFREG), true);
      view.setBigUint64(StatWord.Size * 8, source.size(), true);
      return 0;
    }
    case Call.Pread: {
      const left = source.size() - call.argument;
      const count = left < 0n ? 0 : left < BigInt(bytes.length) ? Number(left) : bytes.length;
      source.read(call.argument, bytes.subarray(0, count));
      return count;
    }
    default:
      return 0;
  }
}

/** A name as the kernel tells it (utf16_le_to_7bit in block/partitions/efi.c). */
function sevenBits(name: string): string {
  const codes = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at) & 0x7f);
  const end = codes.indexOf(0);
  const told = end < 0 ? codes : codes.slice(0, end);
  return told
    .map((code) => (code < 0x20 || code === 0x7f ? "!" : String.fromCharCode(code)))
    .join("");
}

/** Sectors of 512 bytes up to the last usable one, which the kernel wants to be there. */
function sectorsMin(source: Source, offset: bigint, sectorSize: number): bigint {
  const header = new Uint8Array(sectorSize);
  source.read(offset + BigInt(sectorSize), header);
  const last = new DataView(header.buffer).getBigUint64(lastUsableAt, true);
  return ((last + 1n) * BigInt(sectorSize)) / 512n;
}
