/** Where the world remembers: one small region, hashed and snapshotted beside the kernel's. */
import { Bytes } from "../kernel/bytes.ts";
import { Actor, Ghost, GhostLoop } from "./layout.ts";

function loopBytes(partitions: i32): i32 {
  return (GhostLoop.Bytes + partitions + 3) & ~3;
}

export class WorldState extends Bytes {
  readonly loops: i32;
  /** Partitions are followed up to this number. */
  readonly partitions: i32;
  readonly actors: i32;
  private readonly actorsAt: i32;
  private readonly stride: i32;

  constructor(loops: i32, partitions: i32, actors: i32) {
    const stride = loopBytes(partitions);
    super(new ArrayBuffer(Ghost.Bytes + loops * stride + actors * Actor.Bytes));
    this.loops = loops;
    this.partitions = partitions;
    this.actors = actors;
    this.stride = stride;
    this.actorsAt = Ghost.Bytes + loops * stride;
  }

  loopAt(loop: i32): i32 {
    assert(loop >= 0 && loop < this.loops);
    return Ghost.Bytes + loop * this.stride;
  }

  lifeAt(loop: i32, partition: i32): i32 {
    assert(partition > 0 && partition <= this.partitions);
    return this.loopAt(loop) + GhostLoop.Bytes + partition - 1;
  }

  actorAt(actor: i32): i32 {
    assert(actor >= 0 && actor < this.actors);
    return this.actorsAt + actor * Actor.Bytes;
  }
}
