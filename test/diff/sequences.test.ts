/**
 * Random sequences of inputs on Wasm and JavaScript in lockstep: equal outputs and states, inputs
 * that are refused change nothing, and all operations end with everything given back.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import { openBoth } from "../helpers/cores.ts";
import { Chaos } from "./chaos.ts";
import { check } from "./check.ts";
import { actions, kernelOf, world } from "./inputs.ts";

test("both builds agree on any sequence, and give everything back", async () => {
  const property = fc.asyncProperty(
    world,
    actions(160),
    fc.boolean(),
    async (facts, list, isBad) => {
      const { seed, operations } = facts;
      const lockstep = await openBoth({ seed: BigInt(seed), operations, partitions: 8 });
      const chaos = new Chaos(lockstep, kernelOf(facts));
      chaos.play(list, isBad);
    },
  );
  await check(property, 700);
});

test("many operations at once contend for few devices", async () => {
  const property = fc.asyncProperty(world, actions(160), async (facts, list) => {
    const lockstep = await openBoth({ operations: 16, partitions: 8 });
    const chaos = new Chaos(lockstep, kernelOf({ ...facts, disks: 2 }));
    chaos.play(list, false);
  });
  await check(property, 120);
});

test.run();
