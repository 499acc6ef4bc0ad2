/**
 * `diskseq demo`: the first thing a newcomer sees. Makes an image, attaches it, shows what happened
 * call by call, detaches it. Leaves nothing behind, also on Ctrl-C.
 */
import { LoopError } from "../../errors.ts";
import type { Story } from "../../sim/story.ts";
import type { Detached, LoopDevice, LoopDeviceJson, StepReport } from "../../types.ts";
import { openApi, type SessionValues, sessionOptions } from "../api.ts";
import { partitionColumns, partitionRow } from "../describe.ts";
import { alignColumns, escapeText, humanMs, humanSize, jsonLine, titles, wrap } from "../format.ts";
import { efiSystem, linuxFilesystem, mebibyte, smallImageBytes, withImage } from "../image.ts";
import { interruptible } from "../interrupt.ts";
import { errorLines, warner } from "../report.ts";
import { stepLines } from "../steps.ts";
import { storyLines } from "../story.ts";
import { type Api, type Context, defineCommand, type Output } from "../table.ts";

const partitions = [
  { name: "boot", type: efiSystem, start: mebibyte, size: mebibyte },
  { name: "root", type: linuxFilesystem, start: 2 * mebibyte, size: 4 * mebibyte },
  { name: "data", type: linuxFilesystem, start: 6 * mebibyte, size: mebibyte },
];
/** Lines for steps, so that the whole fits on a page. */
const stepsMax = 32;
/** The version that is simulated where the real kernel cannot be used: one with the race. */
const instead = "6.12.90";

export const demoCommand = defineCommand({
  name: "demo",
  summary: "show an attach, step by step, with a small image made for it",
  usage: "[options]",
  description: [
    "Makes an 8 MiB image with three partitions in the directory for temporary files, attaches " +
      "it, shows the device, its partitions and every call that led there, and detaches it again.",
    "On a simulated kernel, which is used too where the real one cannot be, it also shows what " +
      "that version tells of an attach, and what an opener that comes in between does to it.",
  ],
  options: sessionOptions,
  examples: [
    ["sudo diskseq demo", "see what diskseq does"],
    ["diskseq demo --kernel sim:6.1.192", "how an attach goes on that version of Linux"],
    ["diskseq demo --trace t.ndjson && diskseq explain t.ndjson", "and what a trace has of it"],
  ],
  async run({ json, options }, context) {
    await interruptible("demo", context, (signal) =>
      withImage("demo.img", partitions, async (path) => {
        const version = options.kernel ?? (await attempt(path, options, json, signal, context));
        if (version !== undefined) {
          const api = await openApi(context, { ...options, kernel: version });
          await show(api, version, path, json, signal, context);
        }
      }),
    );
    return 0;
  },
});

/** Which version to simulate, where the real kernel cannot be used. */
async function attempt(
  path: string,
  options: SessionValues,
  json: boolean,
  signal: AbortSignal,
  context: Context,
): Promise<string | undefined> {
  try {
    await show(await openApi(context, options), undefined, path, json, signal, context);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isUnusable(error)) {
      throw error;
    }
    context.stderr.write(`${errorLines("demo", error, context).join("\n")}\n`);
    return instead;
  }
}

/** No permission, no loop-control, not Linux, or no library for system calls. */
function isUnusable(error: unknown): boolean {
  return error instanceof LoopError
    ? error.code === "ERR_LOOP_ENVIRONMENT"
    : /MODULE_NOT_FOUND|ERR_DLOPEN/.test(String((error as NodeJS.ErrnoException).code));
}

async function show(
  api: Api,
  version: string | undefined,
  path: string,
  json: boolean,
  signal: AbortSignal,
  context: Context,
): Promise<void> {
  const steps: StepReport[] = [];
  const attachment = await api.attach(path, {
    signal,
    onWarning: warner(context),
    onStep: (step) => steps.push(step),
  });
  const device = attachment.toJSON();
  const attachSteps = [...steps];
  const story = version === undefined ? undefined : await toldBy(version);
  if (!json) {
    const lines = story === undefined ? [] : storyLines(story, head(context.stdout));
    const text = introduction(path, attachment, attachSteps, context);
    context.stdout.write(text + lines.map((line) => `${line}\n`).join(""));
  }
  const started = performance.now();
  const detached = await attachment.detach();
  const tookMs = performance.now() - started;
  context.stdout.write(
    json
      ? jsonLine({ ...resultOf(path, device, attachSteps, detached), ...(story && { story }) })
      : farewell(detached, tookMs, context),
  );
}

async function toldBy(version: string): Promise<Story> {
  const { tellStory } = await import("../../sim/index.ts");
  return tellStory(version);
}

function resultOf(
  path: string,
  device: LoopDeviceJson,
  steps: readonly StepReport[],
  { result, diskseq }: Detached,
): object {
  const image = { path, size: smallImageBytes };
  return { image, device, steps, detached: { device: device.device, diskseq, result } };
}

function introduction(
  path: string,
  device: LoopDevice,
  steps: readonly StepReport[],
  { stdout }: Context,
): string {
  const name = escapeText(device.device);
  const [titleRow = "", ...rows] = alignColumns(partitionColumns, [
    titles(partitionColumns),
    ...device.partitions.map(partitionRow),
  ]);
  const lines = [
    `${heading("image", stdout)}${escapeText(path)}`,
    `${blank}${humanSize(smallImageBytes)}, sparse, a GPT with ${partitions.length} partitions`,
    "",
    `${heading("attach", stdout)}${stdout.paint("green", name)}   ${diskseqText(device)}`,
    ...note(diskseqNote(device), stdout),
    "",
    `${blank}${stdout.paint("dim", titleRow)}`,
    ...rows.map((row) => blank + row),
    "",
    ...note(partitionNote(device), stdout),
    "",
    `${heading("steps", stdout)}what it took, in milliseconds`,
    ...stepLines(steps, stepsMax).map(
      (line, index) => blank + (index === 0 ? stdout.paint("dim", line) : line),
    ),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

function diskseqText({ devnum, diskseq }: LoopDevice): string {
  return `device number ${escapeText(devnum)}, disk sequence number ${diskseq ?? "none"}`;
}

function diskseqNote({ device, diskseq, identity }: LoopDevice): string {
  const name = escapeText(device);
  return identity === "diskseq"
    ? `${name} is only a name: after a detach the next image may get it. The number ${diskseq} ` +
        "is this attach and never another one, so an event or a node with a different number is " +
        "not ours."
    : `${name} is only a name: after a detach the next image may get it. Newer kernels number ` +
        "every attach; this one does not, so identity is best effort here.";
}

function partitionNote({ partitions: made }: LoopDevice): string {
  const by = made[0]?.by === "kernel" ? "the kernel's parsers" : "diskseq's own parsers and BLKPG";
  return (
    `Made by ${by}. Each was opened and compared with the image's table before attach ` +
    "returned: no waiting, no 'udevadm settle', no retry loop."
  );
}

function farewell({ device, result }: Detached, tookMs: number, { stdout }: Context): string {
  const name = escapeText(device);
  const gone = result === "gone" ? "is gone" : "goes when its last holder lets go";
  const after = `after ${humanMs(tookMs)} ms; the image is removed too`;
  const lines = [
    `${heading("detach", stdout)}${name} ${gone}, ${after}`,
    "",
    `${heading("next", stdout)}diskseq attach IMAGE        the same with an image of yours`,
    `${blank}diskseq run IMAGE -- CMD    only for as long as CMD runs`,
    `${blank}diskseq doctor              what this machine offers`,
  ];
  return `${lines.join("\n")}\n`;
}

const blank = " ".repeat(8);

function heading(text: string, stdout: Output): string {
  return stdout.paint("bold", text.padEnd(blank.length));
}

function head(stdout: Output): (text: string) => string {
  return (text) => heading(text, stdout);
}

function note(text: string, stdout: Output): string[] {
  return wrap(text, blank, 88).map((line) => stdout.paint("dim", line));
}
