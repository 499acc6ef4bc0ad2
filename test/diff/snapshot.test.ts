/**
 * The state is all that the core remembers: a copy of it, taken at any time and written back, makes
 * the same of the same inputs, in the same core and in another one.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { Call, loadJsCore } from "../../host/core.ts";
import { Lockstep, type OutCall, type Output, openWasm } from "../helpers/cores.ts";
import { Chaos } from "./chaos.ts";
import { check } from "./check.ts";
import { actions, kernelOf, world } from "./inputs.ts";

test("a restored state goes on as it did", async () => {
  const property = fc.asyncProperty(world, actions(60), actions(60), async (facts, first, then) => {
    const options = { seed: BigInt(facts.seed), operations: facts.operations, partitions: 8 };
    const core = openWasm(options);
    const lockstep = new Lockstep([core, await loadJsCore(options)]);
    const chaos = new Chaos(lockstep, kernelOf(facts));
    for (const action of first) chaos.perform(action);
    const state = core.state.slice();
    const hash = core.stateHash();
    const from = chaos.history.length;
    for (const action of then) chaos.perform(action);
    const history = chaos.history.slice(from);
    // The same core, and a fresh one that never saw what came before.
    for (const target of [core, openWasm(options)]) {
      target.state.set(state);
      assert.is(target.stateHash(), hash);
      const single = new Lockstep([target], true);
      for (const { input, output } of history) assert.equal(shown(input(single)), shown(output));
    }
  });
  await check(property, 60);
});

/** An output, without what lies in the buffer of a call that only fills it. */
function shown({ calls, ...rest }: Output) {
  return { ...rest, calls: calls.map((call) => (isRead(call) ? call : { ...call, bytes: null })) };
}

function isRead({ call, request }: OutCall): boolean {
  if (call === Call.Blkpg) return true;
  return request === Ioctl.LOOP_CONFIGURE || request === Ioctl.LOOP_SET_STATUS64;
}

test.run();
