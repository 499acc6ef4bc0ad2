/**
 * Explorer and swarm as the command uses them: every order within a bound, or many long ones by
 * chance, of one core on a simulated kernel among rivals.
 */

export type { Build } from "./open.ts";
export { formatPath, type PathElement, parsePath } from "./path.ts";
export { planRuns, runName, shardOf } from "./plan.ts";
export { type Bounds, type Progress, type SearchResult, searchAll } from "./search.ts";
export {
  defaultRounds,
  defaultSetup,
  type Precaution,
  type RivalName,
  rivalNames,
  setupWords,
  type TrialSetup,
} from "./setup.ts";
export { type Shrunk, shrink } from "./shrink.ts";
export { type PathStory, type StoryStep, tellPath, violationTexts } from "./story.ts";
export { drawTrial, type SwarmResult } from "./swarm.ts";
export { type Running, searchOnThreads, swarmOnThreads } from "./threads.ts";
