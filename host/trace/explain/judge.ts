/**
 * Has a core judge the uevents of a log that none has judged: it is told them as if they were
 * received now, and listens to all. What it is told and says makes a trace, which replays.
 */
import {
  Call,
  Command,
  CommandFlag,
  DatagramFlag,
  DatagramWord,
  Event,
  Fault,
  Group,
} from "../../../assembly/abi.ts";
import type { Core } from "../../core.ts";
import { marksOf, refusals, verdicts } from "../../event-words.ts";
import { kebab } from "../../names.ts";
import { Recorder } from "../recorder.ts";
import type { UeventMoment } from "./moments.ts";

/** "libudev", NUL; a magic number; bytes of this header, where properties begin, how many. */
const udevHeaderBytes = 40;
const udevMagic = 0xfeed_cafe;

const startNs = 1_000_000_000n;
const firstSlot = 0;
const ENOSYS = -38;

/**
 * Leaves in every uevent what the core says of it and which record of the trace it is. `write` gets
 * the trace's lines behind the header. Returns what the core refused, and why.
 */
export function judgeAll(
  strings: ReadonlyMap<UeventMoment, string>,
  core: Core,
  write: (line: string) => void,
): Map<UeventMoment, string> {
  let records = 0;
  const count = (line: string): void => {
    records++;
    write(line);
  };
  const recorder = new Recorder(core, count, () => {});
  core.observe(recorder);
  core.handleCommand(startNs, { command: Command.Watch, flags: CommandFlag.Udev });
  drain(core, startNs);
  const refused = new Map<UeventMoment, string>();
  for (const [moment, text] of strings) {
    const now = startNs + BigInt(Math.round(moment.at));
    put(core, moment, new TextEncoder().encode(text));
    moment.record = records;
    const answer = core.handleDatagram(now, firstSlot);
    if (answer !== Fault.Ok) refused.set(moment, refusals[answer] ?? kebab(Fault[answer] ?? ""));
    drain(core, now, moment);
  }
  core.observe(undefined);
  recorder.end();
  return refused;
}

/** Receiving begins; nothing else can be done for it: there is no kernel. */
function drain(core: Core, now: bigint, moment?: UeventMoment): void {
  for (let call = core.pollCall(); call !== undefined; call = core.pollCall()) {
    core.handleCompletion(now, call.ticket, call.call === Call.Subscribe ? 0 : ENOSYS);
  }
  for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) {
    if (event.event !== Event.Uevent || moment === undefined) continue;
    moment.verdict = verdicts[event.verdict] ?? null;
    moment.marks = marksOf(event.marks);
  }
  core.pollTimeout();
}

/** As the kernel hands it in, or a worker of udevd: some process of root's. */
function put(core: Core, { group, action, devpath }: UeventMoment, strings: Uint8Array): void {
  const head =
    group === "udev"
      ? udevHeader(strings.length)
      : new TextEncoder().encode(`${action}@${devpath}\0`);
  const bytes = Math.min(head.length + strings.length, core.slots.length);
  core.slots.set(head, 0);
  core.slots.set(strings.subarray(0, bytes - head.length), head.length);
  const words: Partial<Record<DatagramWord, number>> = {
    [DatagramWord.Group]: group === "udev" ? Group.Udev : Group.Kernel,
    [DatagramWord.Bytes]: bytes,
    [DatagramWord.PortId]: group === "udev" ? 1 : 0,
    [DatagramWord.Pid]: group === "udev" ? 1 : 0,
    [DatagramWord.Flags]: DatagramFlag.Credentials,
  };
  for (let word = 0; word < DatagramWord.Words; word++) {
    const value = words[word as DatagramWord] ?? 0;
    core.records.setInt32((firstSlot * DatagramWord.Words + word) * 4, value, true);
  }
}

function udevHeader(bytes: number): Uint8Array {
  const header = new Uint8Array(udevHeaderBytes);
  header.set(new TextEncoder().encode("libudev\0"));
  const view = new DataView(header.buffer);
  view.setUint32(8, udevMagic);
  view.setUint32(12, udevHeaderBytes, true);
  view.setUint32(16, udevHeaderBytes, true);
  view.setUint32(20, bytes, true);
  return header;
}
