/** The one kernel of a Wasm module, for all entry files that it is linked from. */
import { Calls } from "./calls.ts";
import { Content } from "./content.ts";
import { Kernel } from "./kernel.ts";

class Root {
  kernel: Kernel | null = null;
  content: Content | null = null;
  calls: Calls | null = null;
}

export const root: Root = new Root();

export function running(): Kernel {
  assert(root.kernel !== null);
  return root.kernel!;
}
