/**
 * The exported ABI of world.wasm: kernel.wasm's, and the actors around a core, nothing but thin
 * calls. Wasm-only. `startWorld` after `start`; actors after `boot`.
 */
import { running } from "../kernel/root.ts";
import { theWorld, worldRoot } from "./root.ts";
import { World } from "./world.ts";

// asc takes no extension here.
export * from "../kernel/index";

export function startWorld(actors: i32): void {
  assert(worldRoot.world === null);
  worldRoot.world = new World(running(), actors);
}

export function addActor(kind: i32, process: i32, number: i32, image: i32, budget: i32): i32 {
  return theWorld().add(kind, process, number, image, budget);
}

export function choices(actor: i32): i32 {
  return theWorld().choices(actor);
}

export function deed(actor: i32, choice: i32): i32 {
  return theWorld().deed(actor, choice);
}

export function act(actor: i32, choice: i32): void {
  theWorld().act(actor, choice);
}

export function hasMoved(): i32 {
  return i32(theWorld().hasMoved());
}

export function isIdle(actor: i32): i32 {
  return i32(theWorld().isIdle(actor));
}

export function stop(actor: i32): void {
  theWorld().stop(actor);
}

/** A step of a task that is no actor's. */
export function stepTask(task: i32): i32 {
  return theWorld().step(task);
}

/** After whatever a process did otherwise. */
export function look(process: i32): void {
  theWorld().look(process);
}

export function tell(instance: i32): void {
  theWorld().tell(instance);
}

export function left(process: i32, what: i32): i32 {
  return theWorld().ghost.left(process, what);
}

export function truth(process: i32, group: i32): i32 {
  return theWorld().ghost.truth(process, group);
}

export function worldAt(): usize {
  return changetype<usize>(theWorld().state.buffer);
}

export function worldBytes(): i32 {
  return theWorld().state.buffer.byteLength;
}
