/**
 * `diskseq attach`: binds an image and leaves it bound. Prints the device, then its partitions.
 */
import { openApi } from "../api.ts";
import { attachOptions, toAttachOptions } from "../attach-options.ts";
import { partitionLines } from "../describe.ts";
import { escapeText, jsonLine } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { warner } from "../report.ts";
import { defineCommand } from "../table.ts";

export const attachCommand = defineCommand({
  name: "attach",
  summary: "attach an image to a loop device and wait for its partitions",
  usage: "IMAGE [options]",
  description: [
    "Returns when every partition of IMAGE is there and proven to belong to this attach. Prints " +
      "the device on the first line, then a line for each partition: number, node, start, size, " +
      "type, name. The device stays until 'diskseq detach'.",
    "SIZE is in bytes: 4096, 4K = 4KiB = 4096, 4KB = 4000. DURATION: 500ms, 20s, 2m; a bare " +
      "number is seconds.",
  ],
  operand: { name: "IMAGE", min: 1, max: 1, complete: "file" },
  options: attachOptions,
  examples: [
    ["diskseq attach disk.img", "attach, print the device and its partitions"],
    ["diskseq attach disk.img -r --json | jq -r .device", "read-only, the result as JSON"],
    ["diskseq attach disk.img --offset 1M --partscan none", "a file system 1 MiB into the image"],
  ],
  async run({ options, operands: [image = ""], json }, context) {
    const api = await openApi(context, options);
    const device = await interruptible("attach", context, async (signal, commit) => {
      const attachment = await api.attach(image, {
        ...toAttachOptions(options),
        persistent: true,
        signal,
        onWarning: warner(context),
      });
      // A signal that came too late for the API to undo is obeyed all the same.
      if (signal.aborted) {
        await attachment.detach();
      } else {
        commit();
        await attachment.release();
      }
      return attachment.toJSON();
    });
    if (json) {
      context.stdout.write(jsonLine(device));
      return 0;
    }
    const lines = [escapeText(device.device), ...partitionLines(device.partitions, "  ")];
    context.stdout.write(`${lines.join("\n")}\n`);
    return 0;
  },
});
