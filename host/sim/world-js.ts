/**
 * The JavaScript build of the world around a core behind the shape of world.wasm's exports: what
 * `assembly/world/index.ts` is for Wasm. To be imported after `host/portable.ts`.
 */
import type { Kernel } from "../../assembly/kernel/kernel.ts";
import { World } from "../../assembly/world/world.ts";
import type { WorldEngine } from "./world.ts";

export function startWorld(kernel: Kernel, actors: number) {
  const world = new World(kernel, actors);
  const engine: Omit<WorldEngine, "startWorld"> = {
    addActor: (kind, process, number, image, budget) =>
      world.add(kind, process, number, image, budget),
    choices: (actor) => world.choices(actor),
    deed: (actor, choice) => world.deed(actor, choice),
    act: (actor, choice) => world.act(actor, choice),
    hasMoved: () => world.hasMoved(),
    isIdle: (actor) => world.isIdle(actor),
    stop: (actor) => world.stop(actor),
    stepTask: (task) => world.step(task),
    look: (process) => world.look(process),
    tell: (instance) => world.tell(instance),
    left: (process, what) => world.ghost.left(process, what),
    truth: (process, group) => world.ghost.truth(process, group),
  };
  return { engine, world, state: new Uint8Array(world.state.buffer) };
}
