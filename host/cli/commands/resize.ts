/**
 * `diskseq resize`: lets a device show what its image has grown to, and says both sizes.
 */
import type { Resized } from "../../stream-types.ts";
import { openApi } from "../api.ts";
import { humanSize } from "../format.ts";
import { defineCommand } from "../table.ts";
import { forEachTarget, targetDescription, targetOperand, targetOptions } from "../targets.ts";

export const resizeCommand = defineCommand({
  name: "resize",
  summary: "let a device show what its image has grown to",
  usage: "TARGET... [options]",
  description: [
    "For an image whose file has grown while it is attached. Partitions stay as they are: change " +
      "the table, then 'diskseq rescan'.",
    targetDescription,
  ],
  operand: targetOperand,
  options: targetOptions,
  examples: [
    ["truncate -s +64M disk.img && diskseq resize disk.img", "64 MiB more"],
    ["diskseq resize /dev/loop0 --json | jq '.resized[].size'", "the size in bytes"],
  ],
  async run(invocation, context) {
    const { resize } = await openApi(context, invocation.options);
    const deed = {
      where: "resize",
      key: "resized",
      act: resize,
      toText,
      toRecord: ({ device, diskseq, before, size }: Resized) => ({ device, diskseq, before, size }),
    };
    return await forEachTarget(deed, invocation, context);
  },
});

function toText({ device, before, size }: Resized): string {
  if (before === size) {
    return `${device}: already ${humanSize(size)}`;
  }
  const isTold = humanSize(before) !== humanSize(size);
  const sizeText = (bytes: number) => (isTold ? humanSize(bytes) : `${bytes} B`);
  return `${device}: ${sizeText(before)} -> ${sizeText(size)}`;
}
