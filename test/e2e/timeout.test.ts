/**
 * A deadline that passes while a call is under way: the attach rejects, and what the late call took
 * is given back as well.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KernelCall } from "../../host/kernel.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { boundBelow, descriptorCount, until } from "../helpers/devices.ts";
import { errorOf } from "../helpers/expect.ts";
import { gptImage } from "../helpers/images.ts";
import { KernelDecorator } from "../helpers/kernels.ts";
import { behaviour } from "../helpers/scene.ts";

const timeoutMs = 100;
const lateMs = 200;
const callsMax = 500;

for (const persistent of [false, true]) {
  behaviour(
    `a deadline during any call undoes the attach (persistent ${persistent})`,
    ["root", "sfdisk"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      let late = 0;
      for (let call = 1; call <= callsMax; call++) {
        const descriptors = descriptorCount();
        const kernel = new SlowKernel(new LinuxKernel(), call);
        const session = new Session(kernel);
        const options = { timeoutMs, persistent, partscan: "user" } as const;
        const attaching = session.attach(image, options);
        const attachment = await attaching.catch(() => undefined);
        const isOver = attachment !== undefined && kernel.calls < call;
        await attachment?.detach();
        const what = `call ${call}`;
        if (attachment === undefined) {
          late += 1;
          await errorOf(attaching, "ERR_LOOP_TIMEOUT", "ERR_LOOP_BUSY");
        }
        await until(`nothing to be bound, ${what}`, () => boundBelow(scene.directory).length === 0);
        await session.close();
        await until(`descriptors, ${what}`, () => descriptorCount() === descriptors);
        if (isOver) break;
      }
      assert.ok(late > 10, `${late} late calls`);
    },
    { deadlineMs: 100_000 },
  );
}

/** Answers one call late. */
class SlowKernel extends KernelDecorator {
  calls = 0;
  readonly #late: number;

  constructor(inner: LinuxKernel, late: number) {
    super(inner);
    this.#late = late;
  }

  override perform(call: KernelCall): number | Promise<number> {
    this.calls += 1;
    const result = this.inner.perform(call);
    return this.calls === this.#late ? this.#delay(result) : result;
  }

  async #delay(result: number | Promise<number>): Promise<number> {
    await sleep(lateMs);
    return await result;
  }
}

test.run();
