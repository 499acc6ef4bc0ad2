/**
 * Holds the model against a trace of a real kernel: feeds it the recorded calls and compares
 * results, what sysfs showed, and every event with its keys.
 *
 * The calls determine all of it but in races, where some order of the two actors' steps must make
 * what was recorded. So the validator follows every *world* that agrees with the trace so far, a
 * snapshot of the model with the descriptors of its actors; the trace is refuted when none is left.
 */
import { isDeepStrictEqual } from "node:util";
import { Action, Group } from "../../assembly/abi.ts";
import { ActorKind } from "../../assembly/world/layout.ts";
import { LoopError } from "../errors.ts";
import {
  parseTrace,
  type TraceCall,
  type TraceFile,
  type TraceRecord,
  type TraceUevent,
} from "../kernel-trace.ts";
import { Interleaving } from "./interleaving.ts";
import { type Model, type ModelOptions, Step } from "./model.ts";
import { compareEvents, Machine, PROCESS, readEvents, sameState, World } from "./trace-compare.ts";
import { TraceStage } from "./trace-stage.ts";
import type { SimWorld } from "./world.ts";

/** What the trace and the model first disagree about. */
export interface Difference {
  readonly line: number;
  readonly scenario: string;
  /** e.g. `LOOP_CONFIGURE answers` */
  readonly what: string;
  readonly recorded: string;
  readonly model: string;
}

export interface Validation {
  readonly version: string;
  /** the udevd that ran at the recording, whose own calls are in no trace */
  readonly udev: string | null;
  readonly scenarios: number;
  readonly calls: number;
  readonly events: number;
  readonly races: number;
  readonly difference: Difference | undefined;
}

export interface ValidateOptions {
  /** of the model; default: the trace's own */
  readonly version?: string | undefined;
  /** makes the model: a Wasm or a JavaScript build */
  readonly load: (options: ModelOptions) => Model | Promise<Model>;
  /** the same with so many actors, for traces with a udevd; default: those are refused */
  readonly loadWorld?: (actors: number, options: ModelOptions) => SimWorld | Promise<SimWorld>;
}

const receiveBuffer = 1 << 24;
/** Processes of the model beside the recorded one. */
const UDEVD = 1;

/** Validates a whole file, up to the first difference. */
export async function validateTrace(text: string, options: ValidateOptions): Promise<Validation> {
  const trace = parseTrace(text);
  const stage = new TraceStage(trace, options.version);
  const machine = await openMachine(trace, stage, options);
  return new Validator(trace, stage, machine).run();
}

async function openMachine(trace: TraceFile, stage: TraceStage, options: ValidateOptions) {
  const { udev } = trace.header;
  if (udev === null) return new Machine(await options.load(stage.options));
  if (options.loadWorld === undefined) {
    throw new LoopError("ERR_TRACE_FORMAT", "a trace with a udevd needs one");
  }
  const world = await options.loadWorld(1, stage.options);
  const kind = Number.parseInt(udev, 10) >= 259 ? ActorKind.UdevdKeeps : ActorKind.UdevdDrops;
  world.add({ kind, process: UDEVD, number: stage.number });
  return new Machine(world.model, world);
}

class Mismatch extends Error {
  readonly line: number;
  readonly what: string;
  readonly recorded: unknown;
  readonly model: unknown;

  constructor(line: number, what: string, recorded: unknown, model: unknown) {
    super(what);
    this.line = line;
    this.what = what;
    this.recorded = recorded;
    this.model = model;
  }
}

class Validator {
  readonly #trace: TraceFile;
  readonly #stage: TraceStage;
  readonly #machine: Machine;
  readonly #model: Model;
  readonly #socket: number;
  #worlds: World[];
  #scenario = "before the first scenario";
  readonly #counts = { scenarios: 0, calls: 0, events: 0, races: 0 };

  constructor(trace: TraceFile, stage: TraceStage, machine: Machine) {
    const { model } = machine;
    this.#trace = trace;
    this.#stage = stage;
    this.#machine = machine;
    this.#model = model;
    // The recorder is a process of its own.
    this.#socket = model.openSocket(3, Group.Kernel, receiveBuffer);
    this.#worlds = [new World(machine.save(), new Map())];
  }

  run(): Validation {
    const { records } = this.#trace;
    let difference: Difference | undefined;
    try {
      for (let index = 0; index < records.length; ) index += this.#take(records, index);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      difference = {
        line: error.line,
        scenario: this.#scenario,
        what: error.what,
        recorded: JSON.stringify(error.recorded),
        model: JSON.stringify(error.model),
      };
    }
    const { udev } = this.#trace.header;
    return { version: this.#model.version, udev, ...this.#counts, difference };
  }

  /** Takes a record and those that belong to it; how many. */
  #take(records: readonly TraceRecord[], index: number): number {
    const record = records[index];
    if (record === undefined) return 1;
    switch (record.kind) {
      case "scenario":
        this.#scenario = record.title;
        this.#counts.scenarios += 1;
        this.#filter((world) => {
          world.enter(this.#machine);
          this.#expectState(record.line, "before it sysfs shows", record.before);
        });
        return 1;
      case "call": {
        if (this.#machine.udevd) return this.#search(records, index, [record], index + 1);
        const events = uevents(records, index + 1);
        this.#counts.calls += 1;
        this.#counts.events += events.length;
        this.#filter((world) => this.#perform(world, record, events));
        return 1 + events.length;
      }
      case "overrun": {
        const found = uevents(records, index + 1);
        const events = ofKernel(found);
        this.#counts.events += events.length;
        this.#filter((world) => this.#overrun(world, record, events));
        return 1 + found.length;
      }
      case "race":
        return this.#race(records, index);
      case "uevent":
        throw new Mismatch(record.line, "an event that no call made", record.strings[0], null);
      case "settled":
        this.#filter((world) => {
          world.enter(this.#machine);
          this.#expectState(record.line, "when all is settled sysfs shows", record.after);
        });
        return 1;
      default:
        return 1;
    }
  }

  /** Keeps the worlds that agree; where none does, the first one's disagreement is told. */
  #filter(step: (world: World) => void): void {
    const kept = new Map<string, World>();
    let first: Mismatch | undefined;
    for (const world of this.#worlds) {
      try {
        step(world);
        kept.set(world.key(), world);
      } catch (error) {
        if (!(error instanceof Mismatch)) throw error;
        first ??= error;
      }
    }
    if (kept.size === 0 && first) throw first;
    this.#worlds = [...kept.values()];
  }

  #perform(world: World, call: TraceCall, events: readonly TraceUevent[]): void {
    const model = this.#model;
    world.enter(this.#machine);
    const deed = this.#stage.deed(call, world.labels);
    const result =
      deed.kind === "instant"
        ? deed.perform(model, PROCESS)
        : this.#complete(call, model.begin(PROCESS, deed.routine, deed.call));
    world.leave(call, result);
    this.#expectAnswer(call, result);
    this.#expectEvents(call.line, events);
    if (call.after) this.#expectState(call.line, "after it sysfs shows", call.after);
    world.state = this.#machine.save();
  }

  #complete(call: TraceCall, task: number): number {
    if (this.#model.run(task) === Step.Done) return this.#model.finish(task);
    throw new Mismatch(call.line, `${call.name} answers`, call.ret ?? call.errno, "it waits");
  }

  #expectAnswer(call: TraceCall, result: number): void {
    const recorded = call.errno === null ? call.ret : { errno: call.errno };
    const answer = this.#stage.answer(call, result, this.#model);
    if (isDeepStrictEqual(recorded, answer)) return;
    throw new Mismatch(call.line, `${call.name} answers`, recorded, answer);
  }

  #expectState(line: number, what: string, recorded: Readonly<Record<string, unknown>>): void {
    const shown = this.#stage.shown(this.#model, recorded);
    const difference = sameState(recorded, shown);
    if (difference === undefined) return;
    throw new Mismatch(line, `${what} ${difference}`, recorded[difference], shown[difference]);
  }

  #expectEvents(line: number, recorded: readonly TraceUevent[]): void {
    const found = readEvents(this.#model, this.#socket);
    for (let index = 0; index < Math.max(recorded.length, found.length); index++) {
      const event = recorded[index];
      const strings = found[index];
      if (event === undefined) {
        throw new Mismatch(line, "events, one more than recorded", null, strings);
      }
      if (strings === undefined) throw new Mismatch(event.line, "the event", event.strings, null);
      if (!compareEvents(event.strings, strings)) {
        throw new Mismatch(event.line, "the event", event.strings, strings);
      }
    }
  }

  /** A small socket, events until it overruns, then each read; events in between are lost. */
  #overrun(
    world: World,
    record: TraceRecord & { kind: "overrun" },
    events: readonly TraceUevent[],
  ): void {
    const { read } = record;
    let last: unknown;
    for (let second = 1; second < read.length; second++) {
      for (let first = 1; first <= second; first++) {
        world.enter(this.#machine);
        last = this.#readOverrun(record, events.length, [first, second]);
        if (!isDeepStrictEqual(last, ranks(read))) continue;
        this.#expectEvents(record.line, events);
        this.#rest();
        world.state = this.#machine.save();
        return;
      }
    }
    throw new Mismatch(record.line, "the socket that overran answers", ranks(read), last);
  }

  /** udevd processes what it has heard, which makes no event. */
  #rest(): void {
    const { udevd } = this.#machine;
    if (udevd === undefined) return;
    for (let choices = udevd.choices(0); choices > 0; choices = udevd.choices(0)) {
      if (!udevd.act(0, choices - 1)) return;
    }
  }

  /** All but two events are sent at once, those two after so many reads. */
  #readOverrun(
    { read, receiveBuffer: bytes }: TraceRecord & { kind: "overrun" },
    count: number,
    pauses: readonly number[],
  ): unknown[] {
    const model = this.#model;
    const socket = model.openSocket(3, Group.Kernel, bytes);
    const send = () => model.trigger(this.#stage.number, 0, Action.Change);
    for (let sent = 0; sent < count - 2; sent++) send();
    const answers: (number | string)[] = [];
    for (let reads = 0; reads < read.length; reads++) {
      for (const pause of pauses) if (pause === reads) send();
      const received = model.receive(socket);
      answers.push(typeof received === "number" ? -received : seqnumOf(received.bytes));
    }
    model.closeSocket(socket);
    return ranks(answers);
  }

  #race(records: readonly TraceRecord[], index: number): number {
    const calls: TraceCall[] = [];
    let at = index + 1;
    for (let record = records[at]; record?.kind === "call" && !record.after; ) {
      calls.push(record);
      record = records[++at];
    }
    this.#counts.races += 1;
    return this.#search(records, index, calls, at);
  }

  /** Calls, and from `at` on what came of them, whose order is nobody's; how many records. */
  #search(
    records: readonly TraceRecord[],
    index: number,
    calls: readonly TraceCall[],
    at: number,
  ): number {
    const found = uevents(records, at);
    const events = ofKernel(found);
    const end = records[at + found.length];
    const line = records[index]?.line ?? 0;
    const settled = end?.kind === "settled" ? end.after : undefined;
    if (settled === undefined && calls.length !== 1) {
      throw new LoopError("ERR_TRACE_FORMAT", "a race has no end");
    }
    this.#counts.calls += calls.length;
    this.#counts.events += events.length;
    const race = { calls, events, settled };
    const interleaving = new Interleaving(this.#machine, this.#stage, this.#socket, race);
    const worlds = this.#worlds.flatMap((world) => interleaving.search(world));
    if (worlds.length === 0) {
      const reached = interleaving.furthest;
      throw new Mismatch(line, "no order of the steps makes it", reached.recorded, reached.model);
    }
    this.#worlds = unique(worlds);
    return at + found.length + (settled === undefined ? 0 : 1) - index;
  }
}

function unique(worlds: readonly World[]): World[] {
  return [...new Map(worlds.map((world) => [world.key(), world])).values()];
}

function uevents(records: readonly TraceRecord[], from: number): TraceUevent[] {
  const events: TraceUevent[] = [];
  for (let index = from; ; index++) {
    const record = records[index];
    if (record?.kind !== "uevent") return events;
    events.push(record);
  }
}

/** What udev says is no event of the kernel. */
function ofKernel(events: readonly TraceUevent[]): TraceUevent[] {
  return events.filter(({ group }) => group === Group.Kernel);
}

function seqnumOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.split("\0").find((part) => part.startsWith("SEQNUM=")) ?? "";
}

/** errnos as they are, events by their distance from the first one. */
function ranks(read: readonly (number | string)[]): unknown[] {
  const seqnum = (text: string) => Number(text.replace("SEQNUM=", ""));
  const first = read.find((one) => typeof one === "string");
  const base = typeof first === "string" ? seqnum(first) : 0;
  return read.map((one) => (typeof one === "string" ? `event ${seqnum(one) - base}` : one));
}
