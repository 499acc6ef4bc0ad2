/**
 * `diskseq list`: the bound loop devices of the system with their partitions.
 */
import type { LoopDevice } from "../../types.ts";
import { openApi, sessionOptions } from "../api.ts";
import { deviceColumns, deviceRow, partitionLines } from "../describe.ts";
import { alignColumns, jsonLine, titles } from "../format.ts";
import { interruptible } from "../interrupt.ts";
import { type Context, defineCommand } from "../table.ts";

export const listCommand = defineCommand({
  name: "list",
  summary: "list attached loop devices and their partitions",
  usage: "[options]",
  description: [
    "FLAGS: ro read-only, dio direct I/O, persistent or auto (goes with its last opener), " +
      "partscan=kernel or =user, best-effort where the disk sequence number proves nothing.",
  ],
  options: sessionOptions,
  examples: [
    ["diskseq list", "all loop devices that have an image"],
    ["diskseq list --json | jq '.loops[].backing.path'", "the images, for scripts"],
  ],
  async run({ options, json }, context) {
    const { list, toJson } = await openApi(context, options);
    const devices = await interruptible("list", context, (signal) => list({ signal }));
    if (json) {
      context.stdout.write(jsonLine({ loops: devices.map((device) => toJson(device)) }));
    } else {
      const lines = listLines(devices, context);
      context.stdout.write(lines.map((line) => `${line}\n`).join(""));
    }
    return 0;
  },
});

/** An empty list has titles only for people. */
function listLines(devices: readonly LoopDevice[], context: Context): string[] {
  if (devices.length === 0 && !context.stdout.isTerminal) {
    return [];
  }
  const [head = "", ...lines] = alignColumns(deviceColumns, [
    titles(deviceColumns),
    ...devices.map(deviceRow),
  ]);
  return [
    context.stdout.paint("bold", head),
    ...devices.flatMap(({ partitions }, index) => [
      lines[index] ?? "",
      ...partitionLines(partitions, "  "),
    ]),
  ];
}
