/**
 * `diskseq detach`: takes devices away, each for itself, and says which are gone.
 */
import { exitCodeOf } from "../../errors.ts";
import { holderList } from "../../failures.ts";
import { escapeText, jsonLine } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { errorLines, toJsonError, warner } from "../report.ts";
import { defineCommand } from "../table.ts";

export const detachCommand = defineCommand({
  name: "detach",
  summary: "detach loop devices and wait until they are gone",
  usage: "TARGET... [options]",
  description: [
    "TARGET is a device (/dev/loop0), a partition of it (/dev/loop0p1), an attached image, or " +
      "diskseq:N, which names one attach and nothing else. Symbolic links are followed. Each " +
      "target is tried, also when another one failed; the exit code is that of the first failure.",
    "A device that somebody holds (a mount, an open descriptor) is waited for until the timeout; " +
      "stderr says whom it waits for. Then the exit code is 5.",
  ],
  operand: { name: "TARGET", min: 1, max: Number.POSITIVE_INFINITY, complete: "device" },
  options: {
    lazy: {
      kind: "flag",
      summary: "do not wait for holders: the device goes when they let go of it",
    },
    timeout: {
      kind: "duration",
      default: "30s",
      summary: "wait for each target at most this long",
    },
  },
  examples: [
    ["diskseq detach /dev/loop0", "detach one device"],
    ["diskseq detach disk.img --timeout 5s", "by image; give holders five seconds"],
    ["diskseq detach diskseq:42", "that attach or none, whatever its device is called by now"],
  ],
  async run({ options, operands, json }, context) {
    const { detach } = await context.loadApi();
    const results: object[] = [];
    let code = 0;
    const detachOne = async (target: string, signal: AbortSignal) => {
      const { device, diskseq, result, holders } = await detach(target, {
        lazy: options.lazy,
        ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
        signal,
        onWarning: warner(context),
      });
      results.push({ target, device, diskseq, result, holders });
      if (!json) {
        const text =
          result === "gone" ? "detached" : `deferred: goes away after ${holderList(holders)}`;
        context.stdout.write(`${escapeText(`${device} ${text}`)}\n`);
      }
    };
    const work = async (signal: AbortSignal) => {
      for (const target of operands) {
        try {
          await detachOne(target, signal);
        } catch (error) {
          signal.throwIfAborted();
          results.push({ target, error: toJsonError(error) });
          code ||= exitCodeOf(error);
          context.stderr.write(`${errorLines("detach", error, context).join("\n")}\n`);
        }
        signal.throwIfAborted();
      }
    };
    try {
      await interruptible("detach", context, work);
    } finally {
      // Also when interrupted: what is gone is gone.
      if (json) {
        context.stdout.write(jsonLine({ detached: results }));
      }
    }
    return code;
  },
});
