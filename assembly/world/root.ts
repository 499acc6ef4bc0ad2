/** The one world of a Wasm module, for all entry files that it is linked from. */
import { World } from "./world.ts";

class Root {
  world: World | null = null;
}

export const worldRoot: Root = new Root();

export function theWorld(): World {
  assert(worldRoot.world !== null);
  return worldRoot.world!;
}
