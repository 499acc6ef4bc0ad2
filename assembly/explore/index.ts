/**
 * The exported ABI of explore.wasm: world.wasm's, and a trial with a search over all that can
 * happen in it, nothing but thin calls. Wasm-only. `startTrial` when all actors are there.
 */
import { Inquiry } from "../kernel/inquiry.ts";
import { root } from "../kernel/root.ts";
import { theWorld } from "../world/root.ts";
import { TrialOptions } from "./options.ts";
import { Search } from "./search.ts";
import { Trial } from "./trial.ts";
import { Walk } from "./walk.ts";

// asc takes no extension here.
export * from "../world/index";

class ExploreRoot {
  trial: Trial | null = null;
  search: Search | null = null;
  walk: Walk | null = null;
}

const explored = new ExploreRoot();

function trial(): Trial {
  assert(explored.trial !== null);
  return explored.trial!;
}

function search(): Search {
  assert(explored.search !== null);
  return explored.search!;
}

export function startTrial(
  controls: i32,
  partscan: i32,
  isOneCall: i32,
  deadlines: i32,
  aborts: i32,
  asks: i32,
  awaitsUdev: i32,
  rounds: i32,
  lag: i32,
  keepsAll: i32,
): void {
  assert(explored.trial === null);
  const options = new TrialOptions();
  options.controls = controls;
  options.partscan = partscan;
  options.isOneCall = isOneCall !== 0;
  options.deadlines = deadlines;
  options.aborts = aborts;
  options.asks = asks;
  options.awaitsUdev = awaitsUdev !== 0;
  options.rounds = rounds;
  options.lag = lag;
  options.keepsAll = keepsAll !== 0;
  const world = theWorld();
  explored.trial = new Trial(world, new Inquiry(world.kernel, root.content!), options);
}

/* One deed after the other. */

export function trialChoices(): i32 {
  return trial().choices();
}

export function trialChoice(index: i32): i32 {
  return trial().choice(index);
}

export function trialCalm(): i32 {
  return trial().calm();
}

export function trialAct(deed: i32): i32 {
  return trial().act(deed);
}

export function trialIsOver(): i32 {
  return i32(trial().isOver());
}

export function trialAtEnd(): i32 {
  return trial().atEnd();
}

export function trialHash(): i32 {
  return trial().hash();
}

export function toldAt(): usize {
  return changetype<usize>(trial().coverage.told.buffer);
}

export function reachedAt(): usize {
  return changetype<usize>(trial().coverage.reached.buffer);
}

export function trialMoved(): i32 {
  return i32(trial().hasMoved);
}

/* Many, by chance. */

function walk(): Walk {
  assert(explored.walk !== null);
  return explored.walk!;
}

/** From the state that the trial is in, to the end: what was violated. */
export function runWalk(seed: i32, deeds: i32, temper: i32, isHashed: i32): i32 {
  explored.walk = new Walk(trial());
  return walk().run(seed, deeds, temper, isHashed !== 0);
}

export function walkCount(): i32 {
  return walk().count;
}

export function walkHealed(): i32 {
  return walk().healed;
}

export function walkDigest(): i32 {
  return walk().digest;
}

export function walkDeed(index: i32): i32 {
  return walk().path[index];
}

/* All of them. */

export function startSearch(shard: i32, shards: i32): void {
  assert(explored.search === null);
  explored.search = new Search(trial(), shard, shards);
}

export function runSearch(states: i32): i32 {
  return i32(search().run(states));
}

export function searchStates(): i32 {
  return search().seen.count;
}

export function searchTransitions(): f64 {
  return search().transitions;
}

export function searchDepth(): i32 {
  return search().depth;
}

export function searchWidest(): i32 {
  return search().widest;
}

/** States of the frontier that are still to be gone on from. */
export function searchFrontier(): i32 {
  return search().frontier();
}

export function searchSize(): i32 {
  return search().size();
}

export function violation(): i32 {
  return search().violation;
}

export function violatedAt(): i32 {
  return search().violatedAt;
}

export function violatedBy(): i32 {
  return search().violatedBy;
}

export function parentOf(state: i32): i32 {
  return search().seen.parent(state);
}

export function deedOf(state: i32): i32 {
  return search().seen.deed(state);
}

export function soloOf(state: i32): i32 {
  return search().seen.solo(state);
}

export function searchValues(part: i32): i32 {
  return search().values(part);
}
