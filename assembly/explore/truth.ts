/**
 * What is true of the instance that a trial is about, whoever knows: the kernel's and the
 * observer's records say it. Every judgement of what the core tells is against this.
 */
import { Kernel } from "../kernel/kernel.ts";
import { Loop, LoState, Partition } from "../kernel/layout.ts";
import { EntryFact, ImageFact } from "../kernel/setup.ts";
import { LIFE_BITS, Life } from "../world/layout.ts";
import { World } from "../world/world.ts";
import { Memo, Memory } from "./memo.ts";

const LIFE_MASK: i32 = (1 << LIFE_BITS) - 1;

export class Truth {
  private readonly kernel: Kernel;
  private readonly world: World;
  private readonly memory: Memory;

  constructor(world: World, memory: Memory) {
    this.kernel = world.kernel;
    this.world = world;
    this.memory = memory;
  }

  /** Entries of the image's table, and the number of each. */
  entries(): i32 {
    return this.kernel.setup.get(0, ImageFact.Entries);
  }

  entry(index: i32): i32 {
    const setup = this.kernel.setup;
    return setup.view.getInt32(setup.entryAt(0, index) + EntryFact.Number, true);
  }

  /** All partitions are there, but for what others have taken away. */
  isPlugged(loop: i32): bool {
    const state = this.world.state;
    for (let index = 0; this.entries() > index; index++) {
      const life = state.get8(state.lifeAt(loop, this.entry(index)));
      if ((life & LIFE_MASK) === Life.Plugged) continue;
      if ((life & LIFE_MASK) === Life.Never || life >> LIFE_BITS === 1) return false;
    }
    return true;
  }

  /** Whether the instance is there and bound. */
  isThere(): bool {
    const kernel = this.kernel.state;
    const loop = kernel.findLoop(this.memory.get(Memo.Number));
    if (loop < 0 || kernel.loop(loop, Loop.State) !== LoState.Bound) return false;
    return kernel.loop(loop, Loop.Instance) === this.memory.get(Memo.Instance);
  }

  /** Whether it is there, though its end may have begun. */
  isRunningDown(): bool {
    const kernel = this.kernel.state;
    const loop = kernel.findLoop(this.memory.get(Memo.Number));
    return loop >= 0 && kernel.loop(loop, Loop.Instance) === this.memory.get(Memo.Instance);
  }

  /** Whether a partition of the instance can still be opened. */
  hasPartitions(): bool {
    const kernel = this.kernel.state;
    const loop = kernel.findLoop(this.memory.get(Memo.Number));
    if (loop < 0) return false;
    for (let place = 0; kernel.countPartitions(loop) > place; place++) {
      const at = kernel.partitionAt(loop, place);
      const isOurs = kernel.get8(at + Partition.Instance) === this.memory.get(Memo.Instance);
      if (isOurs && kernel.get8(at + Partition.Openable) !== 0) return true;
    }
    return false;
  }
}
