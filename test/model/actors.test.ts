/**
 * Every actor alone, in every order of its steps and those of an attach that follows a script: what
 * it does, that it comes to an end and leaves nothing behind; and what the observer sees.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Action, Call, Place as CallPlace, CallWord, Group } from "../../assembly/abi.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { Actor, ActorKind, Left } from "../../assembly/world/layout.ts";
import type { SimActor, SimWorld } from "../../host/sim/world.ts";
import { Image } from "../helpers/models.ts";
import { attachScript, openJsWorld, openWasmWorld, type Place } from "../helpers/worlds.ts";
import { search } from "./search.ts";

const version = "6.1.192";
const PARTSCAN = LoFlag.LO_FLAGS_PARTSCAN;
const safe = { split: true, drain: true, privateNode: true, lock: true } as const;

interface Case {
  readonly actor: Omit<SimActor, "process">;
  readonly deeds: readonly string[];
  /** results that the attach can have, by the calls that failed */
  readonly ends: readonly string[];
}

const udevDeeds = ["OpenDisk", "GoOn", "LockShared", "OpenPartition", "Close", "Record", "Tell"];

const cases: readonly Case[] = [
  {
    actor: { kind: ActorKind.Opener, budget: 2 },
    deeds: ["OpenDisk", "GoOn", "Close"],
    ends: ["attached"],
  },
  {
    actor: { kind: ActorKind.TightOpener, budget: 2 },
    deeds: ["OpenDisk", "GoOn", "Close"],
    ends: ["attached"],
  },
  {
    actor: { kind: ActorKind.Thief, image: Image.Other, budget: 2 },
    deeds: ["OpenDisk", "GoOn", "Configure", "ClearFd", "Leave", "Close"],
    // Its device gets the partitions that process 0 believes to be its own.
    ends: ["attached", "configure -16, set status -6", "configure -16"],
  },
  {
    actor: { kind: ActorKind.Detacher },
    deeds: ["OpenDisk", "GoOn", "ClearFd", "Close"],
    ends: ["attached"],
  },
  {
    actor: { kind: ActorKind.Flooder, budget: 3 },
    deeds: ["Trigger"],
    ends: ["attached"],
  },
  { actor: { kind: ActorKind.UdevdDrops }, deeds: udevDeeds, ends: ["attached"] },
  { actor: { kind: ActorKind.UdevdKeeps }, deeds: udevDeeds, ends: ["attached"] },
];

for (const { actor, deeds, ends } of cases) {
  test(`${ActorKind[actor.kind]} does all that it can, and ends`, () => {
    const world = openWasmWorld([{ ...actor, process: 1 }], { version });
    const outcomes = new Set<string>();
    const script = attachScript(safe);
    const found = search({
      world,
      actors: 1,
      script,
      atEnd: (_, place) => {
        outcomes.add(outcome(place));
        expectAtRest(world);
        assert.is(place.line, script.length, "process 0 waits for ever");
      },
    });
    assert.equal([...found.deeds].sort(), [...deeds].sort());
    assert.equal([...outcomes].sort(), [...ends].sort());
    assert.ok(found.states > script.length);
  });
}

test("a forger's datagrams reach process 0 only, and are of no instance", () => {
  const world = openWasmWorld([{ kind: ActorKind.Forger, process: 1 }], { version });
  const kernel = world.model.openSocket(0, Group.Kernel, 1 << 24);
  assert.is(world.choices(0), 4, "no socket of udev's group yet");
  const udev = world.model.openSocket(0, Group.Udev, 1 << 24);
  const other = world.model.openSocket(2, Group.Kernel, 1 << 24);
  assert.is(world.choices(0), 6);
  const before = [world.model.state.slice(), world.state.slice()] as const;
  const heard = [0, 1, 2, 3, 4, 5].map((choice) => {
    world.model.state.set(before[0]);
    world.state.set(before[1]);
    assert.ok(world.act(0, choice));
    assert.is(world.choices(0), 0);
    assert.is(world.truth(0, choice < 4 ? Group.Kernel : Group.Udev), 0);
    const received = world.model.receive(choice < 4 ? kernel : udev);
    if (typeof received === "number") throw new Error(`errno ${received}`);
    assert.is(world.model.receive(other), -11);
    const text = new TextDecoder().decode(received.bytes);
    const action = /ACTION=(\w+)/.exec(text)?.[1];
    const diskseq = /DISKSEQ=(\d+)/.exec(text)?.[1];
    return `${action} ${diskseq} port ${received.portId} pid ${received.pid}`;
  });
  assert.equal(heard, [
    "change 2 port 4711 pid 321",
    "remove 1 port 4711 pid 321",
    "change 2 port 0 pid 321",
    "remove 1 port 0 pid 321",
    "change 2 port 4711 pid 321",
    "remove 1 port 4711 pid 321",
  ]);
});

test("a flooder overruns a small queue", () => {
  const world = openWasmWorld([{ kind: ActorKind.Flooder, process: 1, budget: 5 }], {
    version,
    queue: 4,
  });
  world.model.openSocket(0, Group.Kernel, 1 << 24, true);
  while (world.choices(0) > 0) world.act(0, 0);
  assert.is(world.model.takeDrops(0, Group.Kernel), 1);
});

test("a loss takes the first datagram on its way in one group", () => {
  const world = openWasmWorld([{ kind: ActorKind.Loss, process: 1, budget: 2 }], { version });
  assert.is(world.choices(0), 0, "nobody listens");
  const socket = world.model.openSocket(0, Group.Kernel, 1 << 24, true);
  assert.is(world.choices(0), 0, "there is nothing to be lost");
  world.model.trigger(0, 0, Action.Change);
  world.model.trigger(0, 0, Action.Add);
  assert.is(world.choices(0), 1);
  world.act(0, 0);
  const received = world.model.receive(socket);
  assert.ok(typeof received === "object");
  assert.match(new TextDecoder().decode(received.bytes), /ACTION=add/);
  assert.is(world.model.receive(socket), -11);
  assert.is(world.model.takeDrops(0, Group.Kernel), 1);
});

test("process 0 dies anywhere: with AUTOCLEAR nothing is left, without it may be bound", () => {
  for (const autoclear of [true, false]) {
    const world = openWasmWorld([{ kind: ActorKind.Crash, process: 1 }], { version });
    const script = attachScript({ ...safe, autoclear, keep: true });
    const bound = new Set<number>();
    const lines = new Set<number>();
    const { deeds } = search({
      world,
      actors: 1,
      script,
      atEnd: (_, place) => {
        assert.ok(world.hasCrashed);
        lines.add(place.line);
        for (const what of [Left.Files, Left.Locks, Left.Sockets])
          assert.is(world.left(0, what), 0);
        bound.add(world.left(0, Left.Bound));
        expectAtRest(world);
      },
    });
    assert.equal([...deeds].sort(), ["Die", "Exit"]);
    assert.is(lines.size, script.length + 1, "everywhere");
    assert.equal([...bound].sort(), autoclear ? [0] : [0, 1]);
  }
});

test("a thief's device is the thief's, and who clears it without being told does wrong", () => {
  const rules = [
    { told: false, clears: true },
    { told: true, clears: false },
  ];
  for (const { told, clears } of rules) {
    const thief = { kind: ActorKind.Thief, process: 1, image: Image.Other };
    const world = openWasmWorld([thief], { version });
    while (world.choices(0) === 1) world.act(0, 0);
    assert.is(world.left(1, Left.Bound), 1);
    world.act(0, 1);
    while (!world.isIdle(0)) world.act(0, 0);
    assert.is(world.left(0, Left.Bound), 0);
    assert.equal(world.model.disk(0)?.backing, Image.Other);
    if (told) world.tell(1);
    const file = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDONLY });
    assert.is(run(world, Routine.ClearFd, { a: file }), 0);
    assert.is(world.hasClearedForeign(0), clears);
    assert.not.ok(world.hasClearedForeign(1));
  }
});

test("every event is of an instance, whatever number it carries", () => {
  const world = openWasmWorld([], { version });
  const socket = world.model.openSocket(0, Group.Kernel, 1 << 24);
  const file = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDWR });
  const image = world.model.openImage(0, Image.Other, OpenFlag.O_RDWR);
  const heard = () => {
    const all: string[] = [];
    for (
      let truth = world.truth(0, Group.Kernel);
      truth >= 0;
      truth = world.truth(0, Group.Kernel)
    ) {
      const received = world.model.receive(socket);
      if (typeof received === "number") throw new Error(`errno ${received}`);
      const text = new TextDecoder().decode(received.bytes);
      all.push(`${text.split("@")[0]} ${/DISKSEQ=(\d+)/.exec(text)?.[1]}: ${truth}`);
    }
    return all.join(", ");
  };
  world.model.trigger(0, 0, 3);
  assert.is(heard(), "change 1: 0");
  run(world, Routine.Configure, { a: file, b: image, c: PARTSCAN });
  assert.is(heard(), "change 2: 1, change 2: 1, add 2: 1, add 2: 1");
  run(world, Routine.ClearFd, { a: file });
  assert.is(heard(), "change 2: 1, change 2: 1, remove 3: 1, remove 3: 1");
  run(world, Routine.Configure, { a: file, b: image });
  assert.is(heard(), "change 4: 2");
  assert.is(world.flap, undefined);
});

test("a partition that an earlier instance left is none of the next one's", () => {
  const world = openWasmWorld([], { version: "7.1.5" });
  const socket = world.model.openSocket(0, Group.Kernel, 1 << 24);
  const file = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDWR });
  const image = world.model.openImage(0, Image.Other, OpenFlag.O_RDWR);
  run(world, Routine.Configure, { a: file, b: image });
  run(world, Routine.Blkpg, { a: file, b: 1, c: 1, e: 1n << 20n, f: 1n << 20n });
  run(world, Routine.ClearFd, { a: file });
  run(world, Routine.Close, { a: file });
  assert.is(world.model.disk(0)?.partitions.length, 1);
  const next = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDWR });
  run(world, Routine.Configure, { a: next, b: image });
  while (typeof world.model.receive(socket) !== "number");
  run(world, Routine.SetStatus, { a: next, c: PARTSCAN });
  assert.is(world.truth(0, Group.Kernel), 1, "the remove");
  assert.is(world.flap, undefined);
  run(world, Routine.Reread, { a: next }, 2);
  assert.is(world.flap, undefined, "another's descriptor");
  run(world, Routine.Reread, { a: next });
  assert.equal(world.flap, { instance: 2, partition: 1, unplugger: 0, plugger: 0 });
});

test("udevd from 259 on changes what differs from the table, and nothing else", () => {
  const world = openWasmWorld([{ kind: ActorKind.UdevdKeeps, process: 1 }], { version });
  const file = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDWR });
  const image = world.model.openImage(0, Image.Gpt, OpenFlag.O_RDWR);
  run(world, Routine.Configure, { a: file, b: image, c: PARTSCAN });
  rest(world);
  // One is gone, one is smaller, one is where none should be.
  run(world, Routine.Blkpg, { a: file, b: 2, c: 1 });
  run(world, Routine.Blkpg, { a: file, b: 3, c: 2, e: 2n << 20n, f: 1n << 19n });
  run(world, Routine.Blkpg, { a: file, b: 1, c: 4, e: 5n << 20n, f: 1n << 20n });
  const shown = () => world.model.disk(0)?.partitions.map(({ number, size }) => [number, size]);
  assert.equal(shown(), [
    [2, 1024n],
    [3, 2048n],
    [4, 2048n],
  ]);
  rest(world);
  run(world, Routine.Close, { a: file });
  rest(world);
  assert.equal(shown(), [
    [1, 2048n],
    [2, 2048n],
    [3, 2048n],
  ]);
  assert.not.ok(world.hasFlapped(1));
  expectAtRest(world);
});

test("udevd tells of a partition that was closed, of the disk alone where it is unscanned", () => {
  const changes = (flags: number, partition: number) => {
    const world = openWasmWorld([{ kind: ActorKind.UdevdKeeps, process: 1 }], { version });
    const device = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDONLY });
    const image = world.model.openImage(0, Image.Gpt, OpenFlag.O_RDWR);
    run(world, Routine.Configure, { a: device, b: image, c: flags });
    rest(world);
    const listener = world.model.openSocket(2, Group.Kernel, 1 << 24);
    const file = run(world, Routine.Open, { a: 0, b: OpenFlag.O_RDWR, c: partition });
    run(world, Routine.Close, { a: file });
    rest(world);
    const heard: string[] = [];
    for (;;) {
      const received = world.model.receive(listener);
      if (typeof received === "number") return heard;
      const text = new TextDecoder().decode(received.bytes);
      heard.push(`${text.split("@")[0]} ${/DEVNAME=(\w+)/.exec(text)?.[1]}`);
    }
  };
  assert.equal(changes(PARTSCAN, 2), ["change loop0p2"]);
  assert.equal(changes(0, 0), ["change loop0"]);
  const all = ["change loop0", "change loop0p1", "change loop0p2", "change loop0p3"];
  assert.equal(changes(PARTSCAN, 0), all);
});

test("nodes in /dev that are not removed are left", () => {
  const world = openWasmWorld([], { version, buffersBytes: 8 });
  const { callWords } = world.model;
  const node = (call: Call, place: CallPlace) => {
    callWords.setBigUint64(CallWord.Call * 8, BigInt(call), true);
    callWords.setBigUint64(CallWord.Place * 8, BigInt(place), true);
    const task = world.model.beginCall(0, 0);
    world.model.runCall(task);
    assert.is(world.model.finishCall(task), 0);
    return world.left(0, Left.Nodes);
  };
  assert.is(node(Call.MakeNode, CallPlace.Private), 0);
  assert.is(node(Call.MakeNode, CallPlace.Hidden), 1);
  assert.is(node(Call.RemoveNode, CallPlace.Hidden), 0);
});

test("ten actors are remembered in few bytes", async () => {
  const kinds = Array.from({ length: 10 }, (_, index) => index + 1);
  const actors = kinds.map((kind) => ({ kind, process: kind }));
  const world = await openJsWorld(actors, { version, processes: 11, sockets: 4 });
  assert.ok(world.state.length <= 512, `${world.state.length} bytes`);
});

test("an actor that was stopped ends what it does, and begins nothing else", () => {
  for (const kind of [ActorKind.TightOpener, ActorKind.Thief, ActorKind.Detacher]) {
    const world = openWasmWorld([{ kind, process: 1, budget: 3 }], { version });
    world.act(0, 0);
    world.stop(0);
    while (world.choices(0) > 0) world.act(0, 0);
    assert.ok(world.isIdle(0));
    expectAtRest(world);
  }
});

/** The actor goes on until it has nothing to do; what holds a lock goes before who retries. */
function rest(world: SimWorld): void {
  for (let steps = 0; world.choices(0) > 0; steps++) {
    assert.ok(steps < 1000 && world.act(0, world.choices(0) - 1));
  }
}

/** Whatever it did, an actor's record is as it was but for its budget. */
function expectAtRest(world: SimWorld): void {
  assert.ok(world.isIdle(0));
  assert.is(world.left(1, Left.Files), 0);
  const at = world.state.length - Actor.Bytes;
  const fields = [Actor.Phase, Actor.Task, Actor.File, Actor.Second];
  const watch = [Actor.WatchPhase, Actor.WatchTask, Actor.WatchFile, Actor.WatchCount];
  for (const field of [...fields, ...watch, Actor.WatchResult]) {
    assert.is(world.state[at + field], 0, Actor[field]);
  }
}

function outcome({ failures }: Place): string {
  return failures.length === 0
    ? "attached"
    : failures.filter((text) => !/close/.test(text)).join(", ");
}

/** A whole call of process 0 (or who has its descriptors not), every step of it looked at. */
function run(
  world: SimWorld,
  routine: Routine,
  call: Parameters<SimWorld["model"]["begin"]>[2],
  process = 0,
): number {
  const task = world.model.begin(process, routine, call);
  while (world.step(task) === 0);
  return world.model.finish(task);
}

test.run();
