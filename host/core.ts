/**
 * Loads a core, checks that it speaks this host's vocabulary, and gives its words types. Portable:
 * no koffi, no node module. Knows what an input and an output is; knows no kernel and no clock.
 *
 * `loadWasmCore(bytes)` runs core.wasm, which is what ships; `loadJsCore` runs the same sources
 * compiled to JavaScript, for debugging, coverage and differential tests.
 */
import * as abi from "../assembly/abi.ts";
import { Step } from "../assembly/core/steps.ts";
import { putCommand } from "./command-words.ts";
import type {
  CoreCall,
  CoreCommand,
  CoreEvent,
  CoreOptions,
  CorePartition,
  CoreUevent,
  Tap,
} from "./core-types.ts";
import { LoopError } from "./errors.ts";
import { checkVocabulary } from "./vocabulary.ts";

/** What runs inside: the exports of core.wasm, or the JavaScript build behind the same shape. */
interface Engine {
  handleCommand(now: bigint): number;
  handleCompletion(now: bigint, ticket: number, result: number): number;
  handleDatagram(now: bigint, slot: number): number;
  handleOverrun(now: bigint, group: number, count: number): number;
  handleTimeout(now: bigint): number;
  pollCall(): number | boolean;
  pollEvent(): number | boolean;
  pollTimeout(): bigint;
  timeoutReason(): number;
  selectPartition(operation: number, index: number): number | boolean;
  stateHash(): bigint;
}

/** The regions of a core's memory. Views stay valid for its life: the memory never grows. */
interface Regions {
  readonly inbox: DataView;
  readonly outbox: DataView;
  /** the hashed region; a copy of it is a snapshot, writing it back restores it */
  readonly state: Uint8Array;
  readonly buffers: Uint8Array;
  /** where the slots for datagrams begin among the buffers, and their records */
  readonly slotsAt: number;
  readonly recordsAt: number;
}

export const defaultCoreOptions: CoreOptions = {
  seed: 1n,
  operations: 64,
  partitions: 255,
  watches: 1024,
};

const slotsBytes = abi.Limit.DatagramSlots * abi.Limit.DatagramBytes;
const recordsBytes = abi.Limit.DatagramSlots * abi.DatagramWord.Words * 4;

/** One running core. Not re-entrant; after a panic every call throws. */
export class Core {
  /** What it was started with. */
  readonly options: CoreOptions;
  readonly #engine: Engine;
  readonly #regions: Regions;
  readonly #slots: Uint8Array;
  readonly #records: DataView;
  readonly #panicNote: () => string;
  #tap: Tap | undefined;
  #isFresh = true;
  #busy = false;

  constructor(
    engine: Engine,
    regions: Regions,
    options: CoreOptions,
    panicNote: () => string = () => "",
  ) {
    this.options = options;
    this.#engine = engine;
    this.#regions = regions;
    const { buffers, slotsAt, recordsAt } = regions;
    this.#slots = buffers.subarray(slotsAt, slotsAt + slotsBytes);
    this.#records = new DataView(buffers.buffer, buffers.byteOffset + recordsAt, recordsBytes);
    this.#panicNote = panicNote;
  }

  /** It was handed nothing yet. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** It must not be used again. */
  get hasPanicked(): boolean {
    return this.#busy;
  }

  /** From here on somebody looks on; one at a time. */
  observe(tap: Tap | undefined): void {
    this.#tap = tap;
  }

  /** The operations' buffers, `Limit.BufferBytes` each; kernels read and fill them in place. */
  get buffers(): Uint8Array {
    return this.#regions.buffers;
  }

  /** Slots for datagrams, one behind the other: kernels receive straight into them. */
  get slots(): Uint8Array {
    return this.#slots;
  }

  /** A record of `DatagramWord`s for each slot. */
  get records(): DataView {
    return this.#records;
  }

  /** All that the core remembers. */
  get state(): Uint8Array {
    return this.#regions.state;
  }

  /** The new operation, or a negative `Fault`. `now` is monotonic, ns. */
  handleCommand(now: bigint, command: CoreCommand): number {
    putCommand(this.#regions.inbox, command);
    this.#tap?.command(now, command);
    return this.#answer(() => this.#engine.handleCommand(now));
  }

  /** Takes the datagram of a slot; `Fault.Ok`, or why it counts for nothing. */
  handleDatagram(now: bigint, slot: number): abi.Fault {
    this.#tap?.datagram(now, slot);
    return this.#answer(() => this.#engine.handleDatagram(now, slot));
  }

  /** Events of a group were lost: how many, 0 unknown. */
  handleOverrun(now: bigint, group: abi.Group, count: number): abi.Fault {
    const known = Math.min(count, 0x7fffffff);
    this.#tap?.overrun(now, group, known);
    return this.#answer(() => this.#engine.handleOverrun(now, group, known));
  }

  /** `Fault.Ok`, or why it was refused. */
  handleCompletion(now: bigint, ticket: number, result: number): abi.Fault {
    this.#tap?.completion(now, ticket, result);
    return this.#answer(() => this.#engine.handleCompletion(now, ticket, result));
  }

  handleTimeout(now: bigint): abi.Fault {
    this.#tap?.timeout(now);
    return this.#answer(() => this.#engine.handleTimeout(now));
  }

  #answer(input: () => number): number {
    this.#isFresh = false;
    const answer = this.#enter(input);
    this.#tap?.answered(answer);
    return answer;
  }

  /** The next call; poll after every `handle*` until there is none. */
  pollCall(): CoreCall | undefined {
    if (!this.#enter(() => this.#engine.pollCall())) return undefined;
    const call = this.#call();
    this.#tap?.call(call);
    return call;
  }

  #call(): CoreCall {
    return {
      call: this.#word(abi.CallWord.Call),
      ticket: this.#word(abi.CallWord.Ticket),
      operation: this.#word(abi.CallWord.Operation),
      step: this.#word(abi.CallWord.Step),
      descriptor: this.#word(abi.CallWord.Descriptor),
      request: this.#word(abi.CallWord.Request) >>> 0,
      place: this.#word(abi.CallWord.Place),
      number: this.#word(abi.CallWord.Number),
      partition: this.#word(abi.CallWord.Partition),
      argument: this.#word64(abi.CallWord.Argument),
      argument2: this.#word64(abi.CallWord.Argument2),
      buffer: this.#word(abi.CallWord.Buffer),
      bytes: this.#word(abi.CallWord.Bytes),
    };
  }

  /** The next event; poll after every `handle*` until there is none. */
  pollEvent(): CoreEvent | CoreUevent | undefined {
    if (!this.#enter(() => this.#engine.pollEvent())) return undefined;
    const event = this.#word(abi.EventWord.Event) as abi.Event;
    const polled = event === abi.Event.Uevent ? this.#uevent(event) : this.#event(event);
    this.#tap?.event(polled);
    return polled;
  }

  #uevent(event: abi.Event.Uevent): CoreUevent {
    return {
      event,
      operation: this.#word(abi.UeventWord.Operation),
      verdict: this.#word(abi.UeventWord.Verdict),
      marks: this.#word(abi.UeventWord.Marks),
      group: this.#word(abi.UeventWord.Group),
      action: this.#word(abi.UeventWord.Action),
      deviceType: this.#word(abi.UeventWord.DeviceType),
      partition: this.#word(abi.UeventWord.Partition),
      seqnum: this.#word64(abi.UeventWord.Seqnum),
      diskseq: this.#word64(abi.UeventWord.Diskseq),
      major: this.#word(abi.UeventWord.Major),
      minor: this.#word(abi.UeventWord.Minor),
      offset: this.#word(abi.UeventWord.Offset),
      bytes: this.#word(abi.UeventWord.Bytes),
      properties: this.#word(abi.UeventWord.Properties),
    };
  }

  #event(event: CoreEvent["event"]): CoreEvent {
    const result: bigint[] = [];
    for (let word = 0; word <= abi.Result.Size; word++) {
      result.push(this.#word64(abi.EventWord.Result + word));
    }
    return {
      event,
      operation: this.#word(abi.EventWord.Operation),
      code: this.#word(abi.EventWord.Code),
      step: this.#word(abi.EventWord.Step),
      call: this.#word(abi.EventWord.Call),
      errno: this.#word(abi.EventWord.Errno),
      number: this.#word(abi.EventWord.Number),
      request: this.#word(abi.EventWord.Request) >>> 0,
      detail: this.#word64(abi.EventWord.Detail),
      detail2: this.#word64(abi.EventWord.Detail2),
      result,
    };
  }

  /** When `handleTimeout` is due, monotonic ns; 0n: never. */
  pollTimeout(): bigint {
    const at = this.#enter(() => this.#engine.pollTimeout());
    const due = BigInt.asUintN(64, at);
    this.#tap?.wake(due);
    return due;
  }

  timeoutReason(): abi.TimeoutReason {
    return this.#enter(() => this.#engine.timeoutReason());
  }

  /** A partition of an operation whose last event was just polled. */
  selectPartition(operation: number, index: number): CorePartition | undefined {
    const isThere = this.#enter(() => this.#engine.selectPartition(operation, index));
    const partition = isThere ? this.#partition() : undefined;
    this.#tap?.partition(operation, index, partition);
    return partition;
  }

  #partition(): CorePartition {
    return {
      number: this.#word(abi.PartitionWord.Number),
      major: this.#word(abi.PartitionWord.Major),
      minor: this.#word(abi.PartitionWord.Minor),
      start: this.#word64(abi.PartitionWord.Start),
      size: this.#word64(abi.PartitionWord.Size),
      byKernel: this.#word(abi.PartitionWord.ByKernel) !== 0,
      kind: this.#word(abi.PartitionWord.Kind),
      mbrType: this.#word(abi.PartitionWord.MbrType),
      diskSignature: this.#word(abi.PartitionWord.DiskSignature) >>> 0,
      typeGuid: this.#bytes(abi.PartitionWord.TypeGuid, 16),
      uniqueGuid: this.#bytes(abi.PartitionWord.UniqueGuid, 16),
      name: this.#bytes(abi.PartitionWord.Name, 72),
    };
  }

  /** Hash of everything remembered; equal states hash equal on every runtime. */
  stateHash(): bigint {
    return BigInt.asUintN(
      64,
      this.#enter(() => this.#engine.stateHash()),
    );
  }

  #word(word: number): number {
    return this.#regions.outbox.getInt32(word * 8, true);
  }

  #word64(word: number): bigint {
    return this.#regions.outbox.getBigUint64(word * 8, true);
  }

  #bytes(word: number, bytes: number): Uint8Array {
    const { buffer, byteOffset } = this.#regions.outbox;
    return new Uint8Array(buffer, byteOffset + word * 8, bytes).slice();
  }

  #enter<T>(run: () => T): T {
    if (this.#busy) throw new LoopError("ERR_CORE_PANIC", "the core was entered twice");
    this.#busy = true;
    try {
      const result = run();
      this.#busy = false;
      return result;
    } catch (cause) {
      // Left busy: a machine that trapped half-way must not be used again. Nor looked at.
      this.#tap = undefined;
      const note = this.#panicNote();
      throw new LoopError("ERR_CORE_PANIC", `the core panicked at ${note || "an unknown place"}`, {
        cause,
      });
    }
  }
}

/* WebAssembly in the few words that are used here: its types come with no library of Node's. */

interface WasmApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
}

type WasmExports = Engine &
  Record<
    | "inboxAt"
    | "outboxAt"
    | "stateAt"
    | "stateBytes"
    | "buffersAt"
    | "buffersBytes"
    | "slotsAt"
    | "recordsAt"
    | "panicNote",
    () => number
  > & {
    start(seed: bigint, operations: number, partitions: number, watches: number): void;
    memory: { buffer: ArrayBuffer };
  };

/** Runs core.wasm. Throws ERR_CORE_ABI when it is of another vocabulary. */
export function loadWasmCore(bytes: Uint8Array, options: Partial<CoreOptions> = {}): Core {
  const chosen = { ...defaultCoreOptions, ...options };
  const { seed, operations, partitions, watches } = chosen;
  const wasm = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
  const { exports } = new wasm.Instance(new wasm.Module(bytes), {});
  checkVocabulary(exports);
  const core = exports as unknown as WasmExports;
  const memory = core.memory.buffer;
  core.start(seed, operations, partitions, watches);
  return new Core(
    core,
    {
      inbox: new DataView(memory, core.inboxAt(), abi.Limit.InboxBytes),
      outbox: new DataView(memory, core.outboxAt(), abi.Limit.OutboxBytes),
      state: new Uint8Array(memory, core.stateAt(), core.stateBytes()),
      buffers: new Uint8Array(memory, core.buffersAt(), core.buffersBytes()),
      slotsAt: core.slotsAt(),
      recordsAt: core.recordsAt(),
    },
    chosen,
    () => {
      const note = new Uint8Array(memory, core.panicNote(), abi.Limit.PanicBytes);
      return new TextDecoder().decode(note.subarray(0, Math.max(0, note.indexOf(0))));
    },
  );
}

/** Runs the JavaScript build of the same sources. */
export async function loadJsCore(options: Partial<CoreOptions> = {}): Promise<Core> {
  const chosen = { ...defaultCoreOptions, ...options };
  const { seed, operations, partitions, watches } = chosen;
  await import("./portable.ts");
  const { Machine } = await import("../assembly/core/machine.ts");
  const { Capacities, SEQNUMS } = await import("../assembly/core/capacities.ts");
  const capacities = new Capacities(operations, partitions, watches, SEQNUMS);
  const machine = new Machine(seed, capacities);
  const engine = Object.assign(machine, { stateHash: () => machine.hash() });
  return new Core(
    engine,
    {
      inbox: machine.inbox,
      outbox: machine.outbox,
      state: new Uint8Array(machine.state.buffer),
      buffers: new Uint8Array(machine.state.buffersBuffer),
      slotsAt: machine.state.slotsAt,
      recordsAt: machine.state.recordsAt,
    },
    chosen,
  );
}

export * from "../assembly/abi.ts";
export type * from "./core-types.ts";
export { LoopError, Step };
