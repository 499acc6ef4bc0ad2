/**
 * `diskseq rescan`: reads the partition table again, and says what became of the partitions.
 */
import type { Rescanned } from "../../stream-types.ts";
import { openApi } from "../api.ts";
import { defineCommand } from "../table.ts";
import { forEachTarget, targetDescription, targetOperand, targetOptions } from "../targets.ts";

export const rescanCommand = defineCommand({
  name: "rescan",
  summary: "make the partitions those of the table, where they differ",
  usage: "TARGET... [options]",
  description: [
    "For a table that was changed while the image is attached. Partitions that are right stay " +
      "untouched, also while they are mounted; only what differs is added, removed or resized.",
    targetDescription,
  ],
  operand: targetOperand,
  options: targetOptions,
  examples: [
    ["diskseq rescan /dev/loop0", "after an sfdisk of the image or the device"],
    ["diskseq rescan disk.img --json | jq '.rescanned[].added'", "which partitions are new"],
  ],
  async run(invocation, context) {
    const { rescan } = await openApi(context, invocation.options);
    const deed = {
      where: "rescan",
      key: "rescanned",
      act: rescan,
      toText,
      toRecord: ({ device, diskseq, added, removed, resized, partitions }: Rescanned) => ({
        device,
        diskseq,
        added,
        removed,
        resized,
        partitions,
      }),
    };
    return await forEachTarget(deed, invocation, context);
  },
});

function toText({ device, added, removed, resized }: Rescanned): string {
  const changes = Object.entries({ added, removed, resized })
    .filter(([, numbers]) => numbers.length > 0)
    .map(([what, numbers]) => `${what} ${numbers.join(", ")}`);
  return `${device}: ${changes.length === 0 ? "nothing to change" : changes.join("; ")}`;
}
