/**
 * Tries every order of the steps of process 0 and of all actors, depth first, with snapshots; what
 * was seen is remembered by a fingerprint. Stops at the first state that a test looks for.
 */
import { hash } from "node:crypto";
import type { SimWorld } from "../../host/sim/world.ts";
import { beginning, deedName, type Line, type Place, stepScript } from "../helpers/worlds.ts";

export interface Found {
  /** who did what, in order */
  readonly story: readonly string[];
}

export interface Searched {
  readonly states: number;
  /** states in which nobody can do anything */
  readonly ends: number;
  readonly found: Found | undefined;
  /** all that actors did */
  readonly deeds: ReadonlySet<string>;
}

export interface Search {
  readonly world: SimWorld;
  readonly actors: number;
  readonly script: readonly Line[];
  /** what a test looks for in every state */
  readonly isFound?: (world: SimWorld, place: Place) => boolean;
  /** called in every state in which nobody can go on */
  readonly atEnd?: (world: SimWorld, place: Place) => void;
  readonly statesMax?: number;
}

interface Entry {
  readonly kernel: Uint8Array;
  readonly actors: Uint8Array;
  readonly place: Place;
  readonly before: Entry | undefined;
  readonly deed: string;
}

export function search({
  world,
  actors,
  script,
  isFound,
  atEnd,
  statesMax = 1e6,
}: Search): Searched {
  const { model } = world;
  const seen = new Set<string>();
  const deeds = new Set<string>();
  let ends = 0;
  const take = (place: Place, before: Entry | undefined, deed: string): Entry => ({
    kernel: model.state.slice(),
    actors: world.state.slice(),
    place,
    before,
    deed,
  });
  const stack: Entry[] = [take(beginning, undefined, "")];
  seen.add(keyOf(world, beginning));
  const enter = (entry: Entry) => {
    model.state.set(entry.kernel);
    world.state.set(entry.actors);
  };
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    enter(entry);
    if (isFound?.(world, entry.place))
      return { states: seen.size, ends, found: tell(entry), deeds };
    if (seen.size > statesMax) throw new Error(`more than ${statesMax} states`);
    let moves = 0;
    const reach = (place: Place, deed: string) => {
      moves++;
      const key = keyOf(world, place);
      if (seen.has(key)) return;
      seen.add(key);
      stack.push(take(place, entry, deed));
    };
    const after = stepScript(world, script, entry.place);
    if (after) reach(after, `0: ${script[entry.place.line]?.name ?? ""}`);
    enter(entry);
    for (let actor = 0; actor < actors; actor++) {
      const choices = world.choices(actor);
      for (let choice = 0; choice < choices; choice++) {
        const deed = deedName(world.deed(actor, choice));
        if (world.act(actor, choice)) {
          deeds.add(deed);
          reach(entry.place, `actor ${actor}: ${deed}`);
        }
        enter(entry);
      }
    }
    if (moves > 0) continue;
    ends++;
    atEnd?.(world, entry.place);
  }
  return { states: seen.size, ends, found: undefined, deeds };
}

function keyOf(world: SimWorld, place: Place): string {
  const parts = [world.model.state, world.state, Buffer.from(JSON.stringify(place))];
  return hash("sha1", Buffer.concat(parts), "latin1" as "hex");
}

function tell(entry: Entry): Found {
  const story: string[] = [];
  for (let at: Entry | undefined = entry; at?.before; at = at.before) story.push(at.deed);
  return { story: story.reverse() };
}
