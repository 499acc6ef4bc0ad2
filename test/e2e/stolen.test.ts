/**
 * Somebody takes the device between its choice and LOOP_CONFIGURE: it stays theirs, and the attach
 * goes on with another one.
 */
import { execFileSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ioctl } from "../../assembly/wire/linux.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { Session } from "../../host/session.ts";
import { attribute, instanceOf, isBound, numberOf, plainDetach } from "../helpers/devices.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { WatchedKernel } from "../helpers/kernels.ts";
import { behaviour } from "../helpers/scene.ts";

for (const thefts of [1, 5]) {
  behaviour(
    `a device that is taken ${thefts} times stays the taker's`,
    ["root", "sfdisk", "losetup"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const taken: { device: string; diskseq: bigint | null }[] = [];
      const kernel = new WatchedKernel(new LinuxKernel());
      kernel.before = (call) => {
        if (call.request === Ioctl.LOOP_CONFIGURE && taken.length < thefts) {
          const other = blankImage(scene.path(`other${taken.length}.img`), 1 << 20);
          // The lowest free device is, until it is bound, the one that we are about to configure.
          const device = execFileSync("losetup", ["-f", "--show", other], {
            encoding: "utf8",
          }).trim();
          taken.push({ device, diskseq: instanceOf(numberOf(device)) });
        }
        return undefined;
      };
      const session = new Session(kernel);
      const attachment = await session.attach(image, { timeoutMs: 10_000 });
      assert.is(taken.length, thefts);
      assert.not.ok(taken.some(({ device }) => device === attachment.device));
      await attachment.detach();
      await session.close();
      for (const { device, diskseq } of taken) {
        assert.ok(isBound(numberOf(device)), `${device} is bound`);
        assert.is(instanceOf(numberOf(device)), diskseq);
        assert.is(attribute(numberOf(device), "loop/autoclear"), "0");
        await plainDetach(device);
      }
    },
  );
}

test.run();
