/**
 * The JavaScript build of trial and search behind the shape of explore.wasm's exports: what
 * `assembly/explore/index.ts` is for Wasm. To be imported after `host/portable.ts`.
 */
import { TrialOptions } from "../../../assembly/explore/options.ts";
import { Search } from "../../../assembly/explore/search.ts";
import { Trial } from "../../../assembly/explore/trial.ts";
import { Walk } from "../../../assembly/explore/walk.ts";
import type { Content } from "../../../assembly/kernel/content.ts";
import { Inquiry } from "../../../assembly/kernel/inquiry.ts";
import type { World } from "../../../assembly/world/world.ts";
import type { TrialEngine } from "./trial.ts";

export function startTrials(world: World, content: Content) {
  let trial: Trial | undefined;
  let search: Search | undefined;
  let walk: Walk | undefined;
  const walking = (): Walk => walk ?? fail();
  const running = (): Trial => trial ?? fail();
  const searching = (): Search => search ?? fail();
  const engine: TrialEngine = {
    startTrial: (controls, partscan, once, deadlines, aborts, asks, udev, rounds, lag, keeps) => {
      const told = { controls, partscan, deadlines, aborts, asks, rounds, lag };
      const flags = { isOneCall: once !== 0, awaitsUdev: udev !== 0, keepsAll: keeps !== 0 };
      const options = Object.assign(new TrialOptions(), told, flags);
      trial = new Trial(world, new Inquiry(world.kernel, content), options);
    },
    trialChoices: () => running().choices(),
    trialChoice: (index) => running().choice(index),
    trialCalm: () => running().calm(),
    trialAct: (deed) => running().act(deed),
    trialIsOver: () => running().isOver(),
    trialAtEnd: () => running().atEnd(),
    trialHash: () => running().hash(),
    trialMoved: () => running().hasMoved,
    runWalk: (seed, deeds, temper, isHashed) => {
      walk = new Walk(running());
      return walk.run(seed, deeds, temper, isHashed !== 0);
    },
    walkCount: () => walking().count,
    walkHealed: () => walking().healed,
    walkDigest: () => walking().digest,
    walkDeed: (index) => walking().path[index] ?? 0,
    startSearch: (shard, shards) => {
      search = new Search(running(), shard, shards);
    },
    runSearch: (states) => searching().run(states),
    searchStates: () => searching().seen.count,
    searchTransitions: () => searching().transitions,
    searchDepth: () => searching().depth,
    searchWidest: () => searching().widest,
    searchFrontier: () => searching().frontier(),
    searchSize: () => searching().size(),
    searchValues: (part) => searching().values(part),
    violation: () => searching().violation,
    violatedAt: () => searching().violatedAt,
    violatedBy: () => searching().violatedBy,
    parentOf: (state) => searching().seen.parent(state),
    deedOf: (state) => searching().seen.deed(state),
    soloOf: (state) => searching().seen.solo(state),
    collect: () => undefined,
  };
  const regions = () => ({
    told: running().coverage.told,
    reached: running().coverage.reached,
  });
  return { engine, regions };
}

function fail(): never {
  throw new Error("nothing was started");
}
