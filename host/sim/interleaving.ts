/**
 * Searches for an order of the actors' steps that makes what was recorded, a race or a call beside
 * a udevd: every result, the events in their order, and the settled state.
 *
 * Depth first over all choice points, with snapshots; what was tried is remembered. Recorded times
 * bound the search: a call that had returned before another began was done before it. An actor that
 * reacts begins only after the first event.
 */
import { isDeepStrictEqual } from "node:util";
import type { TraceCall, TraceState, TraceUevent } from "../kernel-trace.ts";
import { type Model, Step } from "./model.ts";
import {
  compareEvents,
  type Machine,
  PROCESS,
  readEvents,
  sameState,
  World,
} from "./trace-compare.ts";
import type { TraceStage } from "./trace-stage.ts";

export interface Race {
  /** by the time at which they began */
  readonly calls: readonly TraceCall[];
  readonly events: readonly TraceUevent[];
  readonly settled: TraceState | undefined;
}

/** Where the actors are: the next call of each, and the task of the one under way. */
interface Position {
  readonly world: World;
  readonly next: readonly number[];
  readonly tasks: readonly number[];
  readonly events: number;
}

/** More that agree are left out: none has been seen to need them. */
const worldsMax = 64;
/**
 * Positions that are still tried beside a udevd when one order was found: the worlds that it leaves
 * differ in what no later record shows, and all of them are many.
 */
const extraMax = 100;

export class Interleaving {
  readonly #machine: Machine;
  readonly #model: Model;
  readonly #stage: TraceStage;
  readonly #socket: number;
  readonly #race: Race;
  readonly #actors: readonly (readonly TraceCall[])[];
  /** how far any order came */
  furthest: { readonly recorded: unknown; readonly model: unknown } = { recorded: "", model: "" };
  #most = -1;

  constructor(machine: Machine, stage: TraceStage, socket: number, race: Race) {
    this.#machine = machine;
    this.#model = machine.model;
    this.#stage = stage;
    this.#socket = socket;
    this.#race = race;
    const names = [...new Set(race.calls.map(({ actor }) => actor))].sort();
    this.#actors = names.map((name) => race.calls.filter(({ actor }) => actor === name));
  }

  /** The worlds that the race can end in. */
  search(start: World): World[] {
    const found = new Map<string, World>();
    const seen = new Set<string>();
    let extra = 0;
    let matched = 0;
    const none = this.#actors.map(() => -1);
    const stack: Position[] = [
      {
        world: start,
        next: this.#actors.map(() => 0),
        tasks: none,
        events: 0,
      },
    ];
    for (let position = stack.pop(); position; position = stack.pop()) {
      const key = keyOf(position);
      if (seen.has(key)) continue;
      seen.add(key);
      matched = Math.max(matched, position.events);
      if (found.size > 0 && this.#machine.udevd && ++extra > extraMax) break;
      if (this.#isOver(position)) {
        if (this.#isSettled(position)) found.set(position.world.key(), position.world);
        if (found.size >= worldsMax) break;
        if (this.#isAtRest(position)) continue;
      }
      for (const actor of this.#actors.keys()) {
        const after = this.#advance(position, actor);
        if (after) stack.push(after);
      }
      for (const after of this.#udevSteps(position)) stack.push(after);
    }
    if (found.size === 0 && this.furthest.recorded === "") {
      this.furthest = { recorded: this.#race.events[matched]?.strings ?? null, model: null };
    }
    return [...found.values()];
  }

  #isOver({ next, events }: Position): boolean {
    if (next.some((index, actor) => index < (this.#actors[actor]?.length ?? 0))) return false;
    return events === this.#race.events.length;
  }

  /** Nothing was waited for where no settled state was recorded. */
  #isSettled(position: Position): boolean {
    const { settled } = this.#race;
    if (settled === undefined) return true;
    if (!this.#isAtRest(position)) return false;
    const shown = this.#stage.shown(this.#model, settled);
    const difference = sameState(settled, shown);
    if (difference !== undefined) {
      this.furthest = { recorded: settled[difference], model: shown[difference] };
    }
    return difference === undefined;
  }

  #isAtRest({ world }: Position): boolean {
    world.enter(this.#machine);
    return this.#machine.udevd?.isIdle(0) ?? true;
  }

  /** All that udevd can do next, where it agrees with the trace. */
  #udevSteps(position: Position): Position[] {
    const { udevd } = this.#machine;
    if (udevd === undefined) return [];
    position.world.enter(this.#machine);
    const steps: Position[] = [];
    const choices = udevd.choices(0);
    for (let choice = 0; choice < choices; choice++) {
      position.world.enter(this.#machine);
      if (!udevd.act(0, choice)) continue;
      const events = this.#matchEvents(position.events);
      if (events === undefined) continue;
      const world = new World(this.#machine.save(), position.world.labels);
      steps.push({ ...position, world, events });
    }
    return steps;
  }

  /** One step of one actor, undefined where it cannot go on or does not agree with the trace. */
  #advance(position: Position, actor: number): Position | undefined {
    const model = this.#model;
    const call = this.#actors[actor]?.[position.next[actor] ?? 0];
    if (call === undefined) return undefined;
    const world = new World(position.world.state, position.world.labels);
    world.enter(this.#machine);
    let task = position.tasks[actor] ?? -1;
    let result: number | undefined;
    if (task < 0) {
      if (!this.#mayBegin(position, actor, call)) return undefined;
      const deed = this.#stage.deed(call, world.labels);
      if (deed.kind === "instant") result = deed.perform(model, PROCESS);
      else task = model.begin(PROCESS, deed.routine, deed.call);
    }
    if (task >= 0) {
      const step = model.step(task);
      // A call that has begun and waits is another position than one that has not.
      if (step === Step.Blocked && (position.tasks[actor] ?? -1) >= 0) return undefined;
      if (step === Step.Done) {
        result = model.finish(task);
        task = -1;
      }
    }
    const events = this.#matchEvents(position.events);
    if (events === undefined) return undefined;
    const next = [...position.next];
    if (result !== undefined) {
      if (!this.#isAnswer(call, result)) return undefined;
      world.leave(call, result);
      next[actor] = (next[actor] ?? 0) + 1;
    }
    const tasks = [...position.tasks];
    tasks[actor] = task;
    world.state = this.#machine.save();
    return { world, next, tasks, events };
  }

  #mayBegin({ next, events }: Position, actor: number, call: TraceCall): boolean {
    const isReaction = this.#race.calls[0]?.actor !== call.actor;
    if (isReaction && events === 0) return false;
    return this.#actors.every((calls, other) => {
      if (other === actor) return true;
      return calls.slice(next[other]).every(({ start, took }) => start + took >= call.start);
    });
  }

  #isAnswer(call: TraceCall, result: number): boolean {
    const recorded = call.errno === null ? call.ret : { errno: call.errno };
    return isDeepStrictEqual(recorded, this.#stage.answer(call, result, this.#model));
  }

  /** How many events are matched when what the model sent is, undefined where it is another. */
  #matchEvents(from: number): number | undefined {
    let matched = from;
    for (const strings of readEvents(this.#model, this.#socket)) {
      const event = this.#race.events[matched];
      if (event === undefined || !compareEvents(event.strings, strings)) {
        if (matched > this.#most) {
          this.#most = matched;
          this.furthest = { recorded: event?.strings ?? null, model: strings };
        }
        return undefined;
      }
      matched += 1;
    }
    return matched;
  }
}

function keyOf({ world, next, tasks, events }: Position): string {
  return `${next.join()}|${tasks.join()}|${events}|${world.key()}`;
}
