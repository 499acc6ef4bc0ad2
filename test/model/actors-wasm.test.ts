/**
 * The two builds of the world are one: under a random scheduler of every kind of actor around a
 * process 0 that attaches and detaches, choices, deeds and states are equal byte for byte after
 * every step, on every era; and once faults stop, everybody comes to rest and gives all back.
 */
import { relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Group } from "../../assembly/abi.ts";
import { ActorKind, Deed, Left } from "../../assembly/world/layout.ts";
import { Random } from "../../host/sim/random.ts";
import type { SimActor, SimWorld } from "../../host/sim/world.ts";
import { Image } from "../helpers/models.ts";
import { packageRoot } from "../helpers/root.ts";
import {
  attachScript,
  beginning,
  deedName,
  detachScript,
  type Line,
  openJsWorld,
  openWasmWorld,
  type Place,
  stepScript,
} from "../helpers/worlds.ts";

const versions = ["5.4.286", "5.10.223", "5.15.50", "6.0.19", "6.1.192", "6.12.90", "7.2.13"];
const firstSeed = Number(process.env.DISKSEQ_SEED ?? 1);
const isSingle = process.env.DISKSEQ_SEED !== undefined;
const seeds = Number(process.env.DISKSEQ_RUNS ?? (isSingle ? 1 : 30));
const movesMax = 4000;

const options = { files: 40, tasks: 14, sockets: 5, queue: 200, processes: 11 };

/** Every kind, and of two kinds no two at once: there is one udevd, and one death. */
function cast(seed: number): SimActor[] {
  const isOld = seed % 2 === 0;
  const kinds = [
    ActorKind.Opener,
    ActorKind.TightOpener,
    ActorKind.Thief,
    ActorKind.Detacher,
    ActorKind.Forger,
    ActorKind.Flooder,
    ActorKind.Loss,
    isOld ? ActorKind.UdevdDrops : ActorKind.UdevdKeeps,
    ...(seed % 3 === 0 ? [ActorKind.Crash] : []),
  ];
  return kinds.map((kind, index) => ({
    kind,
    process: index + 1,
    image: Image.Other,
    budget: kind === ActorKind.Crash ? 1 : 4,
  }));
}

const rounds: readonly Line[] = [
  ...attachScript({ autoclear: false }),
  ...detachScript(),
  ...attachScript({ split: true, drain: true, lock: true, autoclear: true }),
  ...attachScript({ split: true, lock: true, privateNode: true }),
  ...detachScript(),
];

const reached = new Set<string>();

for (const version of versions) {
  test(`${version}: Wasm and JavaScript are one, whoever does what`, async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const actors = cast(seed);
      const chosen = { ...options, version };
      const worlds = [openWasmWorld(actors, chosen), await openJsWorld(actors, chosen)] as const;
      await told(seed, () => new Run(worlds, seed).play());
    }
  });
}

test("all that actors can do is done", () => {
  if (isSingle) return;
  const all = Object.keys(Deed).filter((name) => /^[A-Z]/.test(name));
  // No device comes or goes here, so udevd hears of nothing that is none of its business.
  const missing = all.filter((name) => !reached.has(name) && name !== "None" && name !== "Skip");
  assert.equal(missing, []);
});

class Run {
  readonly #worlds: readonly [SimWorld, SimWorld];
  readonly #random: Random;
  readonly #actors: number;
  #place: Place = beginning;
  #moves = 0;

  constructor(worlds: readonly [SimWorld, SimWorld], seed: number) {
    this.#worlds = worlds;
    this.#random = new Random(seed);
    this.#actors = cast(seed).length;
    this.#each((world) => world.model.openSocket(0, Group.Kernel, 1 << 24, true));
    this.#each((world) => world.model.openSocket(0, Group.Udev, 1 << 24, true));
  }

  play(): void {
    while (this.#moves < movesMax && this.#place.line < rounds.length) {
      if (this.#worlds[0].hasCrashed) break;
      this.#move();
    }
    assert.ok(this.#moves < movesMax, "process 0 does not come to its end");
    for (let actor = 0; actor < this.#actors; actor++) this.#each((world) => world.stop(actor));
    while (!this.#isAtRest()) {
      assert.ok(this.#moves < 2 * movesMax, "somebody does not come to rest");
      this.#move();
    }
    this.#expectGivenBack();
  }

  #move(): void {
    this.#moves++;
    const draw = this.#random.below(this.#actors + 3);
    if (draw < this.#actors) this.#act(draw);
    else if (draw < this.#actors + 2) this.#step();
    else this.#receive();
    this.#expectEqual();
  }

  #act(actor: number): void {
    const choices = this.#each((world) => world.choices(actor));
    if (choices === 0) return;
    const choice = this.#random.below(choices);
    const deed = this.#each((world) => world.deed(actor, choice));
    if (this.#each((world) => world.act(actor, choice))) reached.add(deedName(deed));
  }

  #step(): void {
    const before = this.#place;
    this.#place = this.#each((world) => stepScript(world, rounds, before)) ?? before;
  }

  #receive(): void {
    const group = this.#random.next() < 0.5 ? Group.Kernel : Group.Udev;
    if (this.#each((world) => world.truth(0, group)) < 0) return;
    const socket = group === Group.Kernel ? 1 : 2;
    this.#each((world) => world.model.receive(socket));
    this.#each((world) => world.look(0));
  }

  #isAtRest(): boolean {
    const all = Array.from({ length: this.#actors }, (_, actor) => actor);
    const isOver = this.#place.line >= rounds.length || this.#worlds[0].hasCrashed;
    return isOver && all.every((actor) => this.#each((world) => world.isIdle(actor)));
  }

  #each<T>(act: (world: SimWorld) => T): T {
    const [first, second] = this.#worlds.map(act);
    assert.equal(second, first, "the builds answer differently");
    return first as T;
  }

  #expectEqual(): void {
    const [first, second] = this.#worlds;
    for (const region of [
      (world: SimWorld) => world.state,
      (world: SimWorld) => world.model.state,
    ]) {
      if (Buffer.compare(region(first), region(second)) === 0) continue;
      const at = region(first).findIndex((byte, index) => byte !== region(second)[index]);
      assert.unreachable(`after move ${this.#moves} the states differ at byte ${at}`);
    }
  }

  #expectGivenBack(): void {
    const [world] = this.#worlds;
    for (let process = 0; process <= this.#actors; process++) {
      assert.is(world.left(process, Left.Files), 0, `files of process ${process}`);
      assert.is(world.left(process, Left.Locks), 0, `locks of process ${process}`);
    }
  }
}

/** A failure says how to run its one seed alone. */
async function told(seed: number, run: () => void): Promise<void> {
  try {
    run();
  } catch (cause) {
    const file = relative(packageRoot, process.argv[1] ?? "");
    throw new Error(`${String(cause)}\nalone: DISKSEQ_SEED=${seed} node ${file}`, { cause });
  }
}

test.run();
