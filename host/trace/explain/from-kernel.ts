/**
 * Moments of a trace that was taken of a real kernel, call by call (`kernel-trace`): every call of
 * every actor, what sysfs showed behind it, and the uevents that were received.
 */
import { errnoName } from "../../errno.ts";
import { groupName } from "../../event-words.ts";
import { parseTrace, type TraceCall, type TraceState } from "../../kernel-trace.ts";
import type { CallMoment, Moment, UeventMoment, Unjudged } from "./moments.ts";
import { ueventMoment } from "./uevent.ts";

interface File {
  readonly disk: string | null;
  readonly partition: number;
  readonly isWritable: boolean;
}

export function readKernelTrace(text: string): Unjudged {
  const { header, records } = parseTrace(text);
  const { device, udev } = header;
  const moments: Moment[] = [];
  const events = new Map<UeventMoment, string>();
  const files = new Map<string, File>();
  let began: number | undefined;
  let now = 0;
  const since = (t: number): number => {
    began ??= t;
    now = t - began;
    return now;
  };
  const look = (line: number, state: TraceState): void => {
    moments.push({ kind: "look", line, at: now, record: null, disk: device, ...lookOf(state) });
  };
  for (const record of records) {
    const { line } = record;
    switch (record.kind) {
      case "scenario":
        moments.push(title(line, now, record.title));
        look(line, record.before);
        break;
      case "race":
        moments.push(title(line, now, `race, round ${record.round}`));
        break;
      case "settled":
        look(line, record.after);
        break;
      case "call":
        moments.push(callMoment(record, since(record.start), device, files));
        since(record.start + record.took);
        if (record.after !== undefined) look(line, record.after);
        break;
      case "uevent": {
        const strings = record.strings.slice(record.strings[0]?.includes("=") ? 0 : 1);
        const nul = strings.map((one) => `${one}\0`).join("");
        const moment = ueventMoment(line, since(record.at), groupName(record.group), nul);
        events.set(moment, nul);
        moments.push(moment);
        break;
      }
      case "overrun":
        // Of another socket than the one whose events these are.
        moments.push(title(line, now, "a socket with a small buffer overran"));
        break;
    }
  }
  const facts = { kernel: `Linux ${header.version}`, ...(udev !== null && { udev }) };
  const groups = udev === null ? (["kernel"] as const) : (["kernel", "udev"] as const);
  return {
    log: { format: "kernel-trace", facts, moments, groups, hasCalls: true, isCut: false },
    strings: events,
  };
}

function title(line: number, at: number, text: string): Moment {
  return { kind: "title", line, at, record: null, operation: -1, disk: null, text };
}

function lookOf(state: TraceState) {
  const { diskseq, size, partitions } = state;
  return {
    isThere: size !== undefined,
    diskseq: typeof diskseq === "string" ? Number(diskseq) : null,
    isBound: state["loop/backing_file"] !== undefined,
    partitions: Array.isArray(partitions) ? partitions.map(numberOf) : [],
  };
}

/** Each is its name, start, size, and whether it has a node. */
function numberOf(partition: unknown): number {
  const [name] = Array.isArray(partition) ? partition : [];
  return Number(/\d+$/.exec(String(name))?.[0] ?? 0);
}

function callMoment(
  call: TraceCall,
  at: number,
  device: string,
  files: Map<string, File>,
): CallMoment {
  const { name, errno, arguments: given } = call;
  let file = files.get(String(given.fd));
  if (name === "open") {
    file = opened(String(given.path), String(given.flags), device);
    if (errno === null) files.set(String(call.ret), file);
  } else if (name === "close") {
    files.delete(String(given.fd));
  }
  // LOOP_CTL_ADD and its like name the device itself.
  const isControl = name.startsWith("LOOP_CTL_") && typeof given.arg === "number";
  return {
    kind: "call",
    line: call.line,
    at,
    record: null,
    actor: call.actor,
    name,
    disk: isControl ? `loop${given.arg}` : (file?.disk ?? null),
    partition: file?.partition ?? 0,
    flags: name !== "open" && typeof given.flags === "number" ? given.flags : null,
    isWritable: file?.isWritable ?? null,
    tookNs: call.took,
    errno: errno === null ? null : errnoName(errno),
  };
}

function opened(path: string, flags: string, device: string): File {
  const isWritable = /O_RDWR|O_WRONLY/.test(flags);
  const isOfDisk = path === device || path.startsWith(`${device}p`);
  const partition = isOfDisk ? Number(path.slice(device.length + 1)) : 0;
  return { disk: isOfDisk ? device : null, partition, isWritable };
}
