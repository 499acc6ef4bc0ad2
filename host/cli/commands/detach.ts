/**
 * `diskseq detach`: takes devices away, each for itself, and says which are gone.
 */
import { holderList } from "../../failures.ts";
import type { Detached } from "../../types.ts";
import { openApi } from "../api.ts";
import { defineCommand } from "../table.ts";
import { forEachTarget, targetDescription, targetOperand, targetOptions } from "../targets.ts";

export const detachCommand = defineCommand({
  name: "detach",
  summary: "detach loop devices and wait until they are gone",
  usage: "TARGET... [options]",
  description: [
    targetDescription,
    "A device that somebody holds (a mount, an open descriptor) is waited for until the timeout; " +
      "stderr says whom it waits for. Then the exit code is 5.",
  ],
  operand: targetOperand,
  options: {
    lazy: {
      kind: "flag",
      summary: "do not wait for holders: the device goes when they let go of it",
    },
    ...targetOptions,
  },
  examples: [
    ["diskseq detach /dev/loop0", "detach one device"],
    ["diskseq detach disk.img --timeout 5s", "by image; give holders five seconds"],
    ["diskseq detach diskseq:42", "that attach or none, whatever its device is called by now"],
  ],
  async run(invocation, context) {
    const { detach } = await openApi(context, invocation.options);
    const { lazy } = invocation.options;
    const deed = {
      where: "detach",
      key: "detached",
      act: (target: string, options: object) => detach(target, { ...options, lazy }),
      toText: ({ device, result, holders }: Detached) =>
        result === "gone"
          ? `${device} detached`
          : `${device} deferred: goes away after ${holderList(holders)}`,
      toRecord: ({ device, diskseq, result, holders }: Detached) => ({
        device,
        diskseq,
        result,
        holders,
      }),
    };
    return await forEachTarget(deed, invocation, context);
  },
});
