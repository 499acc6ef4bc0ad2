/**
 * The world around a core as a host sees it: actors on a simulated kernel, each step of which is
 * chosen from here, and what an observer has seen. Process 0 is nobody's: whoever plays it says so
 * after each of its steps.
 */
import { type ActorKind, type Deed, Ghost, type Left } from "../../assembly/world/layout.ts";
import type { Model, Step } from "./model.ts";

/** The exports of world.wasm beside those of kernel.wasm. */
export interface WorldEngine {
  startWorld(actors: number): void;
  addActor(kind: number, process: number, number: number, image: number, budget: number): number;
  choices(actor: number): number;
  deed(actor: number, choice: number): number;
  act(actor: number, choice: number): void;
  hasMoved(): number | boolean;
  isIdle(actor: number): number | boolean;
  stop(actor: number): void;
  stepTask(task: number): number;
  look(process: number): void;
  tell(instance: number): void;
  left(process: number, what: number): number;
  truth(process: number, group: number): number;
}

export interface SimActor {
  readonly kind: ActorKind;
  readonly process: number;
  /** number of the loop device that it is about; default 0 */
  readonly number?: number;
  /** Thief: what it attaches */
  readonly image?: number;
  /** rounds that it may begin */
  readonly budget?: number;
}

/** A partition of an instance that was plugged, gone and plugged again. */
export interface Flap {
  readonly instance: number;
  readonly partition: number;
  /** processes */
  readonly unplugger: number;
  readonly plugger: number;
}

export class SimWorld {
  readonly model: Model;
  /** All that actors and observer remember; the kernel's state is the model's. */
  readonly state: Uint8Array;
  readonly #engine: Omit<WorldEngine, "startWorld">;
  readonly #view: DataView;

  constructor(model: Model, engine: Omit<WorldEngine, "startWorld">, state: Uint8Array) {
    this.model = model;
    this.state = state;
    this.#engine = engine;
    this.#view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  }

  /** An actor's index. */
  add({ kind, process, number = 0, image = 0, budget = 1 }: SimActor): number {
    return this.model.enter(() => this.#engine.addActor(kind, process, number, image, budget));
  }

  /** How many things an actor can do. */
  choices(actor: number): number {
    return this.model.enter(() => this.#engine.choices(actor));
  }

  deed(actor: number, choice: number): Deed {
    return this.model.enter(() => this.#engine.deed(actor, choice));
  }

  /** Does one of them; false: it only waited, and nothing changed. */
  act(actor: number, choice: number): boolean {
    return this.model.enter(() => {
      this.#engine.act(actor, choice);
      return Boolean(this.#engine.hasMoved());
    });
  }

  isIdle(actor: number): boolean {
    return Boolean(this.model.enter(() => this.#engine.isIdle(actor)));
  }

  /** It begins no other round. */
  stop(actor: number): void {
    this.model.enter(() => this.#engine.stop(actor));
  }

  /** A step of a task that is no actor's. */
  step(task: number): Step {
    return this.model.enter(() => this.#engine.stepTask(task));
  }

  /** After whatever a process did otherwise. */
  look(process: number): void {
    this.model.enter(() => this.#engine.look(process));
  }

  /** Process 0 was told to detach an instance that another bound. */
  tell(instance: number): void {
    this.model.enter(() => this.#engine.tell(instance));
  }

  left(process: number, what: Left): number {
    return this.model.enter(() => this.#engine.left(process, what));
  }

  /** The instance that the first datagram for a process is about, 0: none; -1: no datagram. */
  truth(process: number, group: number): number {
    return this.model.enter(() => this.#engine.truth(process, group));
  }

  get hasCrashed(): boolean {
    return this.#view.getUint8(Ghost.Crashed) !== 0;
  }

  /** The first one. */
  get flap(): Flap | undefined {
    const instance = this.#view.getUint8(Ghost.FlapInstance);
    if (instance === 0) return undefined;
    return {
      instance,
      partition: this.#view.getUint8(Ghost.FlapPartition),
      unplugger: this.#view.getUint8(Ghost.Unplugger),
      plugger: this.#view.getUint8(Ghost.Plugger),
    };
  }

  /** Whether a process unplugged a partition that its instance got again. */
  hasFlapped(process: number): boolean {
    return ((this.#view.getUint32(Ghost.Flappers, true) >> process) & 1) !== 0;
  }

  /** Whether a process asked for the end of an instance of another. */
  hasClearedForeign(process: number): boolean {
    return ((this.#view.getUint32(Ghost.ForeignClearers, true) >> process) & 1) !== 0;
  }
}
