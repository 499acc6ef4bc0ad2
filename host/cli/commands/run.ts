/**
 * `diskseq run`: attaches, runs a command with the device in its environment, always detaches.
 *
 * The device goes away with this process (it is not persistent), so that not even SIGKILL leaves it
 * behind once the command is gone too.
 */
import { exitCodeOf } from "../../errors.ts";
import type { Attachment } from "../../types.ts";
import { openApi } from "../api.ts";
import { attachOptions, toAttachOptions } from "../attach-options.ts";
import { forwarded, runChild } from "../child.ts";
import { jsonLine } from "../format.ts";
import { interruptible, listen } from "../interrupt.ts";
import { errorLines, warner } from "../report.ts";
import { type Context, defineCommand } from "../table.ts";

export const runCommand = defineCommand({
  name: "run",
  summary: "attach an image, run a command, detach",
  usage: "IMAGE [options] -- CMD [ARGS...]",
  description: [
    "CMD finds the device in DISKSEQ_DEVICE, its disk sequence number in DISKSEQ and the nodes " +
      "of the partitions, in order, in DISKSEQ_PARTITIONS. The device is detached when CMD ends, " +
      "however it ends. Words after '--' reach CMD untouched; so do signals.",
    "The exit code is CMD's: 126 where it cannot be executed, 127 where it is not found, 128+N " +
      "where signal N killed it. If CMD succeeds and the detach fails, it is the detach's. " +
      "stdout is CMD's alone; with --json the attached device is shown on stderr.",
    "With a simulated kernel DISKSEQ_KERNEL is set too, and the names in the environment are " +
      "those of the simulation: what this machine calls so is another device.",
  ],
  operand: { name: "IMAGE", min: 1, max: 1, complete: "file" },
  rest: "CMD",
  options: attachOptions,
  examples: [
    ["diskseq run disk.img -- sh -c 'fsck -n $DISKSEQ_PARTITIONS'", "check its file systems"],
    ["diskseq run disk.img -r -- sh -c 'sha256sum $DISKSEQ_DEVICE'", "options before the '--'"],
  ],
  async run({ options, operands: [image = ""], rest, json }, context) {
    const api = await openApi(context, options);
    let release = () => {};
    const attachment = await interruptible("run", context, async (signal) => {
      const attached = await api.attach(image, {
        ...toAttachOptions(options),
        persistent: false,
        signal,
        onWarning: warner(context),
      });
      if (signal.aborted) {
        await attached.detach();
      } else {
        // No moment from here to the end in which a signal kills us with the device attached.
        release = listen(forwarded, () => {});
      }
      return attached;
    });
    let code = 1;
    try {
      if (json) {
        context.stderr.write(jsonLine(attachment.toJSON()));
      }
      const child = await runChild(rest, environmentOf(attachment, options.kernel));
      if (child.problem !== undefined) {
        context.stderr.write(`diskseq: run: ${child.problem}\n`);
      }
      code = child.code;
    } finally {
      const detachCode = await detachAfter(attachment, options.timeout, context).finally(release);
      code = code === 0 ? detachCode : code;
    }
    return code;
  },
});

function environmentOf(
  attachment: Attachment,
  simulated: string | undefined,
): Record<string, string> {
  const { device, diskseq, partitions } = attachment;
  return {
    DISKSEQ_DEVICE: device,
    DISKSEQ: diskseq === null ? "" : String(diskseq),
    DISKSEQ_PARTITIONS: partitions.map((partition) => partition.device).join(" "),
    ...(simulated === undefined ? {} : { DISKSEQ_KERNEL: `sim:${simulated}` }),
  };
}

/** Resolves with the exit code of the detach; only an interruption rejects. */
async function detachAfter(
  attachment: Attachment,
  timeoutMs: number | undefined,
  context: Context,
): Promise<number> {
  const timeout = timeoutMs === undefined ? {} : { timeoutMs };
  return await interruptible("run", context, async (signal) => {
    try {
      await attachment.detach({ ...timeout, signal, onWarning: warner(context) });
      return 0;
    } catch (error) {
      // Without the handle it goes by itself as soon as its holders let go.
      await attachment.release();
      if (signal.aborted) {
        throw error;
      }
      context.stderr.write(`${errorLines("run: detach", error, context).join("\n")}\n`);
      return exitCodeOf(error);
    }
  });
}
