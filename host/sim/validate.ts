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
import { LoopError } from "../errors.ts";
import { Interleaving } from "./interleaving.ts";
import { type Model, type ModelOptions, Step } from "./model.ts";
import { compareEvents, PROCESS, readEvents, sameState, World } from "./trace-compare.ts";
import {
  parseTrace,
  type TraceCall,
  type TraceFile,
  type TraceRecord,
  type TraceUevent,
} from "./trace-file.ts";
import { TraceStage } from "./trace-stage.ts";

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
}

const receiveBuffer = 1 << 24;

/** Validates a whole file, up to the first difference. */
export async function validateTrace(text: string, options: ValidateOptions): Promise<Validation> {
  const trace = parseTrace(text);
  const stage = new TraceStage(trace, options.version);
  return new Validator(trace, stage, await options.load(stage.options)).run();
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
  readonly #model: Model;
  readonly #socket: number;
  #worlds: World[];
  #scenario = "before the first scenario";
  readonly #counts = { scenarios: 0, calls: 0, events: 0, races: 0 };

  constructor(trace: TraceFile, stage: TraceStage, model: Model) {
    this.#trace = trace;
    this.#stage = stage;
    this.#model = model;
    // The recorder is a process of its own.
    this.#socket = model.openSocket(3, Group.Kernel, receiveBuffer);
    this.#worlds = [new World(model.state.slice(), new Map())];
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
          world.enter(this.#model);
          this.#expectState(record.line, "before it sysfs shows", record.before);
        });
        return 1;
      case "call": {
        const events = uevents(records, index + 1);
        this.#counts.calls += 1;
        this.#counts.events += events.length;
        this.#filter((world) => this.#perform(world, record, events));
        return 1 + events.length;
      }
      case "overrun": {
        const events = uevents(records, index + 1);
        this.#counts.events += events.length;
        this.#filter((world) => this.#overrun(world, record, events));
        return 1 + events.length;
      }
      case "race":
        return this.#race(records, index);
      case "uevent":
        throw new Mismatch(record.line, "an event that no call made", record.strings[0], null);
      case "settled":
        this.#filter((world) => {
          world.enter(this.#model);
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
    world.enter(model);
    const deed = this.#stage.deed(call, world.labels);
    const result =
      deed.kind === "instant"
        ? deed.perform(model, PROCESS)
        : this.#complete(call, model.begin(PROCESS, deed.routine, deed.call));
    world.leave(call, result);
    this.#expectAnswer(call, result);
    this.#expectEvents(call.line, events);
    if (call.after) this.#expectState(call.line, "after it sysfs shows", call.after);
    world.state = model.state.slice();
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
        world.enter(this.#model);
        last = this.#readOverrun(record, events.length, [first, second]);
        if (!isDeepStrictEqual(last, ranks(read))) continue;
        this.#expectEvents(record.line, events);
        world.state = this.#model.state.slice();
        return;
      }
    }
    throw new Mismatch(record.line, "the socket that overran answers", ranks(read), last);
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
    this.#counts.races += 1;
    const calls: TraceCall[] = [];
    let at = index + 1;
    for (let record = records[at]; record?.kind === "call" && !record.after; ) {
      calls.push(record);
      record = records[++at];
    }
    const events = uevents(records, at);
    const settled = records[at + events.length];
    const line = records[index]?.line ?? 0;
    if (settled?.kind !== "settled") throw new LoopError("ERR_TRACE_FORMAT", "a race has no end");
    this.#counts.calls += calls.length;
    this.#counts.events += events.length;
    const interleaving = new Interleaving(this.#model, this.#stage, this.#socket, {
      calls,
      events,
      settled: settled.after,
    });
    const found = this.#worlds.flatMap((world) => interleaving.search(world));
    if (found.length === 0) {
      const reached = interleaving.furthest;
      throw new Mismatch(
        line,
        "no order of the steps makes this race",
        reached.recorded,
        reached.model,
      );
    }
    this.#worlds = unique(found);
    return at + events.length + 1 - index;
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
    // What udev says is no event of the kernel.
    events.push(record);
  }
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
