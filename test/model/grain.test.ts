/**
 * The coarse grain leaves out only choice points that no opener and no listener can tell: every
 * order of an attach, or a detach, against other calls ends in the same results, events and state
 * as it does with all choice points; with fewer states on the way.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Grain } from "../../assembly/kernel/tasks.ts";
import { Errno, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { Step } from "../../host/sim/model.ts";
import { Bench, Image, openWasmModel } from "../helpers/models.ts";

const READ = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;
const PARTSCAN = LoFlag.LO_FLAGS_PARTSCAN;
const versions = ["5.10.223", "5.15.50", "5.19.17", "6.1.192", "6.12.90", "7.2.13"];

type Begin = (bench: Bench) => readonly number[];

const meetings: readonly (readonly [title: string, begin: Begin])[] = [
  [
    "an attach and an opener",
    (bench) => [
      bench.begin(Routine.Configure, { a: bench.open(), b: bench.image(Image.Gpt), c: PARTSCAN }),
      bench.begin(Routine.Open, { a: 0, b: READ }, 1),
    ],
  ],
  [
    "two attaches",
    (bench) => [
      bench.begin(Routine.Configure, { a: bench.open(), b: bench.image(Image.Gpt), c: PARTSCAN }),
      bench.begin(
        Routine.Configure,
        { a: bench.open(OpenFlag.O_RDWR, 0, 1), b: bench.model.openImage(1, Image.Other, 2) },
        1,
      ),
    ],
  ],
  [
    "a detach and an opener of a partition",
    (bench) => [
      bench.begin(Routine.ClearFd, { a: attach(bench) }),
      bench.begin(Routine.Open, { a: 0, b: READ, c: 1 }, 1),
    ],
  ],
  [
    "a last close and a removal",
    (bench) => {
      const device = attach(bench);
      const control = bench.model.openControl(1, OpenFlag.O_RDWR);
      bench.call(Routine.SetStatus, { a: device, c: LoFlag.LO_FLAGS_AUTOCLEAR });
      bench.heard();
      return [
        bench.begin(Routine.Close, { a: device }),
        bench.begin(Routine.ControlRemove, { a: control, b: 0 }, 1),
      ];
    },
  ],
  [
    "another file and a new size",
    (bench) => {
      const device = attach(bench, OpenFlag.O_RDONLY);
      bench.heard();
      return [
        bench.begin(Routine.ChangeFd, { a: device, b: bench.image(Image.Other, READ) }),
        bench.begin(Routine.SetCapacity, { a: bench.open(READ, 0, 1) }, 1),
      ];
    },
  ],
  [
    "a re-read and a new size",
    (bench) => {
      const device = attach(bench);
      return [
        bench.begin(Routine.Reread, { a: device }),
        bench.begin(Routine.SetStatus, { a: bench.open(READ, 0, 1), e: 512n, c: PARTSCAN }, 1),
      ];
    },
  ],
];

let saved = 0;

for (const version of versions) {
  for (const [title, begin] of meetings) {
    test(`${version}: ${title}: the same ends by either grain`, () => {
      const fine = explore(version, begin, Grain.Fine);
      const coarse = explore(version, begin, Grain.Coarse);
      assert.equal([...coarse.ends].sort(), [...fine.ends].sort());
      assert.ok(coarse.states <= fine.states);
      saved += fine.states - coarse.states;
    });
  }
}

test("the coarse grain has fewer states", () => {
  assert.ok(saved > 100, `${saved}`);
});

/** Every order of the steps: how each ends, and how many states there are on the way. */
function explore(version: string, begin: Begin, grain: Grain) {
  const model = openWasmModel({ version });
  const bench = new Bench(model);
  const tasks = begin(bench);
  bench.heard();
  // Only from here on: what came before is the same.
  model.setGrain(grain);
  interface Position {
    readonly state: Uint8Array;
    readonly results: readonly (number | undefined)[];
    readonly heard: readonly string[];
  }
  const seen = new Set<string>();
  const ends = new Set<string>();
  const none = tasks.map(() => undefined);
  const stack: Position[] = [{ state: model.state.slice(), results: none, heard: [] }];
  for (let position = stack.pop(); position; position = stack.pop()) {
    const { state, results, heard } = position;
    const shown = `${results.join()} ${heard.join()} ${digest(state)}`;
    if (seen.has(shown)) continue;
    seen.add(shown);
    let isStuck = true;
    for (const [index, task] of tasks.entries()) {
      if (results[index] !== undefined) continue;
      model.state.set(state);
      const step = model.step(task);
      if (step === Step.Blocked) continue;
      isStuck = false;
      const after = [...results];
      if (step === Step.Done) after[index] = answer(model.finish(task));
      const now = [...heard, ...bench.heard()];
      stack.push({ state: model.state.slice(), results: after, heard: now });
    }
    if (results.every((result) => result !== undefined)) ends.add(shown);
    else assert.not.ok(isStuck, "all wait for one another");
  }
  return { ends, states: seen.size };
}

/** A partition that is on its way is not there, whether its node already is or not. */
function answer(result: number): number {
  return result === -Errno.ENXIO ? -Errno.ENOENT : result;
}

function digest(state: Uint8Array): string {
  return createHash("sha1").update(state).digest("hex");
}

function attach(bench: Bench, access: number = OpenFlag.O_RDWR): number {
  const device = bench.open(access);
  const call = { a: device, b: bench.image(Image.Gpt), c: PARTSCAN };
  assert.is(bench.call(Routine.Configure, call), 0);
  return device;
}

test.run();
