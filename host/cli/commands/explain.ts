/** `diskseq explain`: tells what happened in a log, to which instance, and why it flapped. */

import { LoopError } from "../../errors.ts";
import type { DiskStory, Story } from "../../trace/explain/story.ts";
import { storyLines } from "../explain-text.ts";
import { escapeText, jsonLine } from "../format.ts";
import { type Context, defineCommand } from "../table.ts";
import { timelineLines } from "../timeline.ts";

export const explainCommand = defineCommand({
  name: "explain",
  summary: "tell what happened in a log: instances, flaps and their causes",
  usage: "FILE [options]",
  description: [
    "FILE is a trace ('diskseq record', --trace of every command that touches devices), or what " +
      "'udevadm monitor --kernel --udev --property' printed, or a trace of a kernel's calls " +
      "(kernel-trace); '-' reads standard input, and gzip is understood. Needs no root, no Linux.",
    "First the story: each instance by its diskseq, who attached and detached it as far as the " +
      "log knows, and whose partitions were plugged, dead, plugged, with the cause (a double " +
      "scan by the kernel, a re-read by udev or another, a detach, another process's attach) and " +
      "what it is concluded from; 'likely' where nothing but that fits. Then each disk moment by " +
      "moment, with a lane for each partition: + plugged, | there, x unplugged.",
  ],
  operand: { name: "FILE", min: 1, max: 1, complete: "file" },
  options: {
    disk: {
      kind: "text",
      value: "DISK",
      complete: "device",
      summary: "only this disk: loop0 or /dev/loop0",
    },
    html: {
      kind: "text",
      value: "OUT",
      summary: "write a page instead that shows it, and steps the machine through it",
    },
    brief: { kind: "flag", summary: "only the story, without the timeline" },
  },
  examples: [
    ["diskseq explain t.ndjson", "what happened"],
    ["udevadm monitor -kup > log; diskseq explain log --brief", "of a log that udevadm made"],
    ["diskseq explain t.ndjson --html t.html", "the same to look at, in a browser"],
    ["diskseq explain t.ndjson --json | jq '.disks[].flaps'", "every flap with its cause"],
  ],
  async run({ options, operands: [path = ""], json }, context) {
    if (options.html !== undefined && (options.brief || options.disk !== undefined)) {
      throw new LoopError("ERR_LOOP_ARGUMENT", "--html shows all there is: no --disk, no --brief");
    }
    const [{ openLog }, { storyOf }, { loadDefaultCore, coreSha256 }] = await Promise.all([
      import("../../trace/explain/open.ts"),
      import("../../trace/explain/story.ts"),
      import("../../core-file.ts"),
    ]);
    const opened = await openLog(path, loadDefaultCore, coreSha256());
    const { log } = opened;
    if (options.html !== undefined) {
      const { writePage } = await import("../../trace/explain/page.ts");
      await writePage(options.html, opened, path);
      const page = options.html;
      context.stdout.write(json ? jsonLine({ page }) : `${escapeText(page)}\n`);
    } else {
      const story = onlyOf(storyOf(log), options.disk);
      if (json) context.stdout.write(jsonLine(jsonOf(story)));
      else await show(story, options.brief, context);
    }
    if (log.isCut) {
      const label = context.stderr.paint("yellow", "diskseq:");
      context.stderr.write(`${label} explain: the log is cut short: it has no end\n`);
    }
    return 0;
  },
});

function onlyOf(story: Story, disk: string | undefined): Story {
  if (disk === undefined) return story;
  const name = disk.replace(/^\/dev\//, "").replaceAll("/", "!");
  const disks = story.disks.filter((one) => one.disk === name);
  if (disks.length > 0) return { ...story, disks };
  const known = story.disks.map((one) => escapeText(one.disk)).join(", ");
  throw new LoopError(
    "ERR_LOOP_ARGUMENT",
    `--disk: the log has nothing of '${escapeText(disk)}'; it has ${known || "no disk"}`,
  );
}

async function show(story: Story, isBrief: boolean, { stdout }: Context): Promise<void> {
  stdout.write(`${storyLines(story, stdout.paint).join("\n")}\n`);
  for (const disk of isBrief ? [] : story.disks) {
    stdout.write("\n");
    for (const line of timelineLines(disk, story, stdout.paint)) {
      if (stdout.gone.aborted) return;
      stdout.write(`${line}\n`);
      await stdout.drained(stdout.gone);
    }
  }
}

/** Times are nanoseconds since the first moment. */
function jsonOf({ log, disks, gaps, refused }: Story): object {
  const { format, facts, isCut, moments } = log;
  return {
    format,
    facts,
    isCut,
    moments: moments.length,
    durationNs: moments.at(-1)?.at ?? 0,
    disks: disks.map(diskOf),
    gaps,
    refused,
  };
}

function diskOf({ disk, instances, flaps, stale, missing }: DiskStory): object {
  return {
    disk,
    instances: instances.map(({ diskseq, first, last, attach, detach, isOccupied, plugs }) => ({
      diskseq,
      isOccupied,
      fromNs: first.at,
      toNs: last.at,
      attachedBy: attach?.actor ?? null,
      detachedBy: detach?.actor ?? null,
      partitions: plugs.map(({ partition, plugged, unplugged }) => ({
        number: partition,
        pluggedNs: plugged?.at ?? null,
        unpluggedNs: unplugged?.at ?? null,
      })),
    })),
    flaps,
    stale,
    missing: missing.map(({ moment: { line, at }, action, partition }) => {
      return { line, at, action, partition };
    }),
  };
}
